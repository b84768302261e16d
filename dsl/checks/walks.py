"""Checks of stage 4: calls in a Python task that pass by links, which its inputs are.

`input_file` is a link to a file or folder, `input_dir` a folder of such links; below a link all is real.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from dsl.checks.module import line_place
from dsl.codes import Code
from dsl.construct import text_of
from dsl.diagnostics import Diagnostic
from dsl.graph import Graph, GraphNode
from dsl.reading import Role

_LINK, _LINKS, _FOLDERS = "link", "links", "folders"
"""What an expression is: one input or a list of them, a folder of inputs, or one that holds folders too."""
_SAME = frozenset(["Path", "str", "list", "sorted", "reversed", "set", "tuple", "fspath", "abspath"])
_ENTRIES = frozenset(["iterdir", "glob", "rglob", "joinpath"])
_TARS = ("tar", "gztar", "bztar", "xztar", "zstdtar")
_TAR_OPENERS = ("tarfile.open", "tarfile.TarFile", "tarfile.TarFile.open")
_MAKES_FOLDERS = re.compile(r"mkdir|makedirs|copytree|extractall|unpack_archive|\bunzip\b|\btar\b")
_DEREFERENCE = "write tarfile.open(…, dereference=True)"


class _Found(NamedTuple):
    call: str
    cure: str
    node: ast.Call


def unfollowed_call(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A call that takes links for no files leaves out the inputs, silently."""
    function = node.function.function
    code = getattr(graph.functions[node.id], "__code__", None)
    if function is None or code is None:
        return
    kinds = dict.fromkeys((one.name for one in node.reading.of(Role.IN_FILE, Role.IN_FILES)), _LINK)
    for one in node.reading.of(Role.IN_DIR):
        kinds[one.name] = _FOLDERS if _has_folders(graph, node, one.name) else _LINKS
    outputs = tuple(one.name for one in node.reading.of(Role.OUT_FILE, Role.OUT_DIR))
    for found in _calls(function.source, function.entry, tuple(kinds.items()), outputs):
        message = f"{found.call} of {node.id} does not follow links, which its inputs are"
        text = ast.get_source_segment(function.source, found.node) or ""
        place = text_of(graph.functions[node.id], text) or line_place(code.co_filename, found.node.lineno)
        yield Diagnostic(Code.UNFOLLOWED_LINK, place, message, found.cure)


def _has_folders(graph: Graph, node: GraphNode, variable: str) -> bool:
    """Whether folders are among the inputs: items of a source, or what a task seems to make in its folder."""
    root = Path(graph.dag.location.path).absolute().parent
    for written in (files.written for files in node.inputs if files.variable == variable):
        if written.writer is not None:
            made = _MAKES_FOLDERS.search(_text_of(graph.node(written.writer)))
            found = written.many and made is not None
        else:
            column = written.domain.columns.get(written.column or "") if written.domain else None
            found = any((root / str(path)).is_dir() for path in (column or ())[:1])
        if found:
            return True
    return False


def _text_of(node: GraphNode) -> str:
    function, body = node.function.function, node.reading.body
    return function.source if function else body if isinstance(body, str) else " ".join(body or ())


@lru_cache(maxsize=64)
def _calls(
    source: str, entry: str, kinds: tuple[tuple[str, str], ...], outputs: tuple[str, ...]
) -> tuple[_Found, ...]:
    """Return the calls of a function that pass by its inputs, of which `kinds` says what each is."""
    functions = [one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef)]
    function = next((one for one in functions if one.name == entry), None)
    return tuple(_Body(function, dict(kinds), outputs).found()) if function and kinds else ()


class _Body:
    """The body of a function, what its names are, and which of them are tar archives."""

    def __init__(self, function: ast.FunctionDef, kinds: dict[str, str], outputs: tuple[str, ...]) -> None:
        self.nodes = list(ast.walk(function))
        self.outputs = outputs
        self.kinds = kinds
        self.archives: set[str] = set()
        for node in self.nodes:
            for target, value in _bound(node):
                if isinstance(value, ast.Call) and _dotted(value.func) in _TAR_OPENERS:
                    if not _given(value, "dereference"):
                        self.archives.add(target)
                elif kind := self.kind(value):
                    kinds.setdefault(target, kind if isinstance(node, ast.Assign) else _LINK)
                else:
                    kinds.pop(target, None)

    def found(self) -> Iterator[_Found]:
        """Yield the calls that pass by inputs."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                for call, cure in self.passes_by(node, _dotted(node.func)):
                    yield _Found(call, cure, node)

    def passes_by(self, node: ast.Call, name: str) -> Iterator[tuple[str, str]]:
        """Yield what is called, and what to write instead, if it passes by an input."""
        owner, _, method = name.rpartition(".")
        first = self.kind(node.args[0]) if node.args else ""
        on = self.kind(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if method == "add" and owner in self.archives and first:
            yield "tarfile", _DEREFERENCE
        elif name == "shutil.make_archive":
            form, *roots = [*node.args[1:4], *(one.value for one in node.keywords)] or [node]
            if _text(form) in _TARS and any(self.kind(root) in (_LINKS, _FOLDERS) for root in roots):
                yield "make_archive", _DEREFERENCE
        elif name == "shutil.copytree" and first in (_LINKS, _FOLDERS) and _given(node, "symlinks"):
            if not any(isinstance(one, ast.Name) and one.id in self.outputs for one in ast.walk(node)):
                yield "copytree", "leave out symlinks=True"
        elif name == "os.walk" and first == _FOLDERS and not _given(node, "followlinks"):
            yield "os.walk", "write os.walk(…, followlinks=True)"
        elif on == _FOLDERS and not _given(node, "recurse_symlinks"):
            if method == "rglob" or (method == "glob" and node.args and "**" in _text(node.args[0])):
                yield method, "write os.walk(…, followlinks=True)"
        elif (name == "os.lstat" and first == _LINK) or (method == "lstat" and on == _LINK):
            yield "lstat", "write stat"

    def kind(self, node: ast.expr) -> str:
        """Return what an expression is, nothing for anything but inputs."""
        if isinstance(node, ast.Name):
            return self.kinds.get(node.id, "")
        if isinstance(node, ast.JoinedStr) and node.values:
            first = node.values[0]
            kind = self.kind(first.value) if isinstance(first, ast.FormattedValue) else ""
            return kind if len(node.values) == 1 else _entry(kind)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _entry(self.kind(node.left))
        if isinstance(node, ast.Subscript):
            return self.kind(node.value) if self.kind(node.value) == _LINK else ""
        if isinstance(node, ast.Call):
            return self._of_call(node)
        return ""

    def _of_call(self, node: ast.Call) -> str:
        method = _dotted(node.func).rpartition(".")[2]
        first = self.kind(node.args[0]) if node.args else ""
        if method in _ENTRIES and isinstance(node.func, ast.Attribute):
            return _entry(self.kind(node.func.value))
        if method == "join":
            return _entry(first)
        return first if method in _SAME else ""


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a statement binds, each with what it is bound to, or one of which."""
    pairs: list[tuple[ast.expr | None, ast.expr]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.For | ast.comprehension):
        target, values = node.target, node.iter
        if isinstance(values, ast.Call) and _dotted(values.func) == "enumerate" and values.args:
            values = values.args[0]
            target = target.elts[-1] if isinstance(target, ast.Tuple) else target
        pairs = [(target, values)]
    elif isinstance(node, ast.With):
        pairs = [(item.optional_vars, item.context_expr) for item in node.items]
    yield from ((target.id, value) for target, value in pairs if isinstance(target, ast.Name))


def _entry(kind: str) -> str:
    return _LINK if kind in (_LINKS, _FOLDERS) else ""


def _given(node: ast.Call, name: str) -> bool:
    """Whether an option is given to a call, and not surely false."""
    values = [one.value for one in node.keywords if one.arg in (name, None)]
    return any(not (isinstance(value, ast.Constant) and not value.value) for value in values)


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _dotted(node: ast.expr) -> str:
    """Return a name with its attributes; of anything else but a name, the attribute alone."""
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else f".{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


WALK_CHECKS = (unfollowed_call,)
