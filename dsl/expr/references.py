"""A syntax tree in, the variables that must exist before Argo evaluates it out.

`??` and `?.` guard what stands on their left (util/template/expression_template.go, v4.1.2): such a path may
be absent.
"""

from __future__ import annotations

from dsl.expr.builtins import FUNCTIONS
from dsl.expr.functions import SPRIG, UNSUPPORTED
from dsl.expr.grammar import Tree


def _children(tree: Tree) -> list[Tree]:
    found: list[Tree] = []
    for part in tree.parts:
        if isinstance(part, Tree):
            found.append(part)
        elif isinstance(part, tuple):
            found.extend(inner for inner in part if isinstance(inner, Tree))
    return found


def required_paths(tree: Tree) -> list[str]:
    """Return the dotted paths that `tree` reads without a guard, inner ones first."""
    guarded: set[int] = set()
    _collect_guarded(tree, guarded)
    paths: dict[str, None] = {}
    _collect_paths(tree, guarded, paths)
    return list(paths)


def _collect_guarded(tree: Tree, guarded: set[int]) -> None:
    for child in _children(tree):
        _collect_guarded(child, guarded)
    if tree.kind == "binary" and tree.parts[0] == "??":
        _mark_members(tree.parts[1], guarded)
    elif tree.kind == "member" and tree.parts[2]:
        inner = tree.parts[0]
        if isinstance(inner, Tree) and inner.kind == "member":
            guarded.add(id(inner))


def _mark_members(tree: object, guarded: set[int]) -> None:
    if isinstance(tree, Tree):
        if tree.kind == "member":
            guarded.add(id(tree))
        for child in _children(tree):
            _mark_members(child, guarded)


def _collect_paths(tree: Tree, guarded: set[int], paths: dict[str, None]) -> None:
    for child in _children(tree):
        _collect_paths(child, guarded, paths)
    if id(tree) in guarded:
        return
    if tree.kind == "name" and tree.parts[0] not in FUNCTIONS:
        paths[str(tree.parts[0])] = None
    elif tree.kind == "member" and (path := _member_path(tree)):
        paths[path] = None


def _member_path(tree: Tree) -> str:
    parts: list[str] = []
    current: object = tree
    while isinstance(current, Tree) and current.kind == "member":
        inner, key, optional = current.parts
        if (
            optional
            or not isinstance(key, Tree)
            or key.kind != "constant"
            or not isinstance(key.parts[0], str)
        ):
            return ""
        parts.append(key.parts[0])
        current = inner
    if not isinstance(current, Tree) or current.kind != "name":
        return ""
    if current.parts[0] == "sprig" and parts[-1] in (*SPRIG, *UNSUPPORTED):
        return ""
    return ".".join([str(current.parts[0]), *reversed(parts)])
