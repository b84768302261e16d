"""Checks of stage 4: modules that a Python task imports and that its image cannot have.

Only the official images of Python are known: they hold the standard library of their version, and pip.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
from collections.abc import Iterator
from functools import lru_cache

from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.graph import Graph, GraphNode
from dsl.location import Location
from dsl.plan import PYTHON_IMAGE

_OFFICIAL = re.compile(r"(?:docker\.io/)?(?:library/)?python(?::3\.(?P<minor>\d+)[\w.-]*)?(?:@.*)?")
_REMOVED = {
    12: "asynchat asyncore distutils imp smtpd",
    13: "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes"
    " sndhdr spwd sunau telnetlib uu xdrlib",
}
"""Modules of the standard library by the version that first lacks them."""
_ADDED = {9: "graphlib zoneinfo", 11: "tomllib", 14: "annotationlib compression"}
"""Modules of the standard library by the version that first has them."""
_OPTIONAL = (ast.Try, ast.TryStar, ast.If, ast.With, ast.AsyncWith)
"""Blocks in which an import may fail, as in `with suppress(ImportError)`, or never be reached."""


def missing_module(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A module that the image lacks ends the task at its import."""
    image = node.options.image or PYTHON_IMAGE
    official = _OFFICIAL.fullmatch(image)
    if node.function.function is None or official is None or node.function.kind != "python":
        return
    minor = int(official["minor"]) if official["minor"] else None
    code = getattr(graph.functions[node.id], "__code__", None)
    python = node.function.function
    for name, line in _imported(python.source):
        if name not in python.modules and not _has(minor, name):
            place = line_place(code.co_filename, line) if code else node.location
            message = f"{node.id} imports {name}, which {image} does not have"
            hint = f'name an image that has it: @task(image="…"), or do without {name}'
            hint += "; `dsl run` takes what is installed beside dsl"
            yield Diagnostic(Code.MISSING_MODULE, place, message, hint)


@lru_cache(maxsize=64)
def _imported(source: str) -> tuple[tuple[str, int], ...]:
    """Return the modules that a task surely imports, each with its line."""
    tree = ast.parse(source)
    blocks = (node for node in ast.walk(tree) if isinstance(node, _OPTIONAL))
    optional = {inner for block in blocks for inner in ast.walk(block)}
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if node in optional:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name.partition(".")[0], node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.setdefault(node.module.partition(".")[0], node.lineno)
    return tuple(found.items())


def _has(minor: int | None, name: str) -> bool:
    """Whether Python 3.`minor`, or any that is not known, has a module."""
    for since, words in _REMOVED.items():
        if name in words.split():
            return minor is None or minor < since
    for since, words in _ADDED.items():
        if name in words.split():
            return minor is None or minor >= since
    return name in sys.stdlib_module_names or name in ("pip", "dsl")


def line_place(path: str, number: int) -> Location:
    """Return where the text of a line stands."""
    text = linecache.getline(path, number).rstrip("\n")
    return Location(path, number, len(text) - len(text.lstrip()) + 1, len(text.rstrip()) + 1)


MODULE_CHECKS = (missing_module,)
