"""Pieces of Python in, what they take from around them out: names read, names changed, modules imported.

Nothing is executed and no module is looked at: a name counts as free when no scope of the piece binds it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

MUTATORS = frozenset(
    [
        "add",
        "append",
        "appendleft",
        "clear",
        "difference_update",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "intersection_update",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "rotate",
        "setdefault",
        "sort",
        "subtract",
        "symmetric_difference_update",
        "update",
    ]
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
COMPOUND = (ast.If, ast.Try, ast.TryStar)
SCOPES = (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of something outside: `name` is assigned (`method` empty), or what it holds is changed."""

    name: str
    node: ast.AST
    method: str = ""
    rebinds: bool = False


@dataclass(slots=True)
class Uses:
    """What a piece of code takes from around it; `attributes` of a free name has "" for the name alone."""

    names: dict[str, ast.Name] = field(default_factory=dict)
    attributes: dict[str, set[str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)


def uses(nodes: Iterable[ast.AST], without: Collection[ast.AST] = ()) -> Uses:
    """Return what the nodes use, leaving out the subtrees in `without` and annotations of local variables."""
    visitor = _Visitor(without)
    for node in nodes:
        visitor.visit(node)
    return visitor.found


def root(node: ast.AST) -> ast.AST:
    """Return where a chain of attributes, subscripts and calls starts.

    >>> root(ast.parse("a.b[0](1).c", mode="eval").body).id
    'a'
    """
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that statements bind in their own scope, without those declared global or nonlocal."""
    names: set[str] = set()
    outside: set[str] = set()
    for node in _of_scope(nodes):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            outside.update(node.names)
        names.update(binds(node))
    return names - outside


def binds(node: ast.AST) -> Iterator[str]:
    """Yield the names that one node by itself binds."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or (alias.name.split(".")[0] if isinstance(node, ast.Import) else alias.name)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _of_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of one scope; of comprehensions only what `:=` puts into it."""
    for node in nodes:
        yield node
        if isinstance(node, _COMPREHENSIONS):
            yield from (inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
        elif not isinstance(node, SCOPES):
            yield from _of_scope(ast.iter_child_nodes(node))


def bindings(tree: ast.Module) -> dict[str, list[tuple[ast.stmt, ast.stmt]]]:
    """Return by name the statements that bind it, each with the outermost `if` or `try` around or itself."""
    found: dict[str, list[tuple[ast.stmt, ast.stmt]]] = {}
    for leaf, outer in _statements(tree.body):
        for name in dict.fromkeys(name for node in _own_nodes(leaf) for name in binds(node)):
            found.setdefault(name, []).append((leaf, outer))
    return found


def registered(
    tree: ast.Module, name: str
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield the definitions of a module that a decorator `@name.…` adds to what the name means."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            parts = [part.func if isinstance(part, ast.Call) else part for part in node.decorator_list]
            starts = [root(part) for part in parts if isinstance(part, ast.Attribute)]
            if any(isinstance(start, ast.Name) and start.id == name for start in starts):
                yield node


def _statements(body: list[ast.stmt], outer: ast.stmt | None = None) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    for node in body:
        yield node, outer or node
        if not isinstance(node, SCOPES):
            around = outer or (node if isinstance(node, COMPOUND) else None)
            for part in (node, *getattr(node, "handlers", []), *getattr(node, "cases", [])):
                for name in ("body", "orelse", "finalbody"):
                    yield from _statements(getattr(part, name, []), around)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of one statement without the statements inside it."""
    yield node
    if not isinstance(node, SCOPES):
        for part in ast.iter_child_nodes(node):
            if not isinstance(part, (ast.stmt, ast.ExceptHandler)):
                yield from _own_nodes(part)


class _Visitor(ast.NodeVisitor):
    def __init__(self, without: Collection[ast.AST]) -> None:
        self.found = Uses()
        self.without = {id(node) for node in without}
        self.scopes: list[tuple[ast.AST, set[str]]] = []
        self.owners: set[int] = set()

    def visit(self, node: ast.AST) -> None:
        if id(node) in self.without:
            return
        if isinstance(node, _FUNCTIONS):
            self.function(node)
        elif isinstance(node, _COMPREHENSIONS):
            first = node.generators[0].iter
            self.visit(first)
            self.without.add(id(first))
            self.inside(node, bound(part.target for part in node.generators), ast.iter_child_nodes(node))
        elif isinstance(node, ast.ClassDef):
            for part in (*node.decorator_list, *node.bases, *node.keywords):
                self.visit(part)
            self.inside(node, bound(node.body) | {"__qualname__", "__module__"}, node.body)
        elif isinstance(node, ast.AnnAssign) and self.scopes and isinstance(self.scopes[-1][0], _FUNCTIONS):
            self.visit(node.target)
            if node.value:
                self.visit(node.value)
        else:
            self.note(node)
            self.generic_visit(node)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        parameters = [arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
        outer: list[ast.AST | None] = [*node.args.defaults, *node.args.kw_defaults]
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        if not isinstance(node, ast.Lambda):
            outer += [*node.decorator_list, node.returns, *(arg.annotation for arg in parameters)]
        types = {part.name for part in getattr(node, "type_params", [])}
        if types:
            self.inside(node, types, filter(None, outer))
        else:
            for part in filter(None, outer):
                self.visit(part)
        self.inside(node, {arg.arg for arg in parameters} | bound(body) | types | {"__class__"}, body)

    def inside(self, scope: ast.AST, names: set[str], parts: Iterable[ast.AST]) -> None:
        self.scopes.append((scope, names))
        for part in parts:
            self.visit(part)
        self.scopes.pop()

    def is_free(self, node: ast.AST) -> bool:
        inner = len(self.scopes) - 1
        return isinstance(node, ast.Name) and not any(
            node.id in names
            for depth, (scope, names) in enumerate(self.scopes)
            if depth == inner or not isinstance(scope, ast.ClassDef)
        )

    def note(self, node: ast.AST) -> None:
        found, start = self.found, root(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.imports.append(node)
        elif isinstance(start, ast.Name) and self.is_free(start):
            if isinstance(node, ast.Attribute) and node.value is start:
                self.owners.add(id(start))
                found.attributes.setdefault(start.id, set()).add(node.attr)
            if isinstance(node, ast.Name):
                if id(node) not in self.owners:
                    found.attributes.setdefault(node.id, set()).add("")
                if isinstance(node.ctx, ast.Load):
                    found.names.setdefault(node.id, node)
                elif self.scopes:
                    found.changes.append(Change(node.id, node, rebinds=True))
            elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
                found.changes.append(Change(start.id, node))
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in MUTATORS
            ):
                found.changes.append(Change(start.id, node, node.func.attr))
