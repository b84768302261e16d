"""Imports of the author's own modules in, the texts of those modules out.

A sibling is a module file or package in the folder of the author's file. It travels whole, with the siblings
that it imports; which of its names are used is not looked at.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PRELUDE = """
import importlib.abc, importlib.machinery, linecache, sys
class Siblings(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in texts:
            path, is_package, _ = texts[name]
            return importlib.machinery.ModuleSpec(name, self, origin=path, is_package=is_package)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        path, _, text = texts[module.__name__]
        linecache.cache[path] = len(text), None, text.splitlines(True), path
        exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)
sys.meta_path.insert(0, Siblings())
"""


@dataclass(frozen=True, slots=True)
class Sibling:
    """A module of the author: dotted name, file, text."""

    name: str
    path: Path
    is_package: bool
    text: str


def sibling(folder: Path, name: str) -> Sibling | None:
    """Return the module of that dotted name below the folder, None if it comes from elsewhere."""
    loaded = getattr(sys.modules.get(name.partition(".")[0]), "__file__", None)
    if loaded and not Path(loaded).resolve().is_relative_to(folder.resolve()):
        return None
    place = folder.joinpath(*name.split("."))
    for path, is_package in ((place / "__init__.py", True), (place.with_name(f"{place.name}.py"), False)):
        if path.is_file() and "site-packages" not in path.parts:
            return Sibling(name, path, is_package, path.read_text(encoding="utf-8"))
    if place.is_dir() and any(place.glob("*.py")):
        return Sibling(name, place, True, "")
    return None


def imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Yield the dotted names of all modules that an import may load; `package` is where it stands.

    >>> list(imported(ast.parse("from .a.b import c").body[0], "p"))
    ['p', 'p.a', 'p.a.b', 'p.a.b.c']
    """
    if isinstance(node, ast.Import):
        ends = [alias.name for alias in node.names]
    else:
        base = absolute(node, package)
        ends = [f"{base}.{alias.name}" for alias in node.names if alias.name != "*"] or [base]
    seen: dict[str, None] = {}
    for end in ends:
        parts = end.split(".")
        seen.update(dict.fromkeys(".".join(parts[: k + 1]) for k in range(len(parts))))
    yield from seen


def absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the dotted name of the module that `from … import` names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


def imports_of(module: Sibling) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports in a module, those for type checkers only left out."""
    waiting: list[ast.AST] = [ast.parse(module.text)]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def package_of(module: Sibling) -> str:
    """Return the package in which the module's relative imports start."""
    return module.name if module.is_package else module.name.rpartition(".")[0]


def prelude(modules: dict[str, Sibling], folder: Path) -> str:
    """Return one line of Python that makes the modules importable."""
    texts = {m.name: (m.path.relative_to(folder).as_posix(), m.is_package, m.text) for m in modules.values()}
    return f"exec({_PRELUDE!r}, {{'texts': {texts!r}}})" if texts else ""
