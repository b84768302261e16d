"""The text of a Python file in, its tree and the nodes of that out: made once for all that read it.

Nobody changes a tree.
"""

from __future__ import annotations

import ast
from functools import lru_cache


@lru_cache(maxsize=8)
def tree_of(text: str) -> ast.Module:
    """Return the tree of a file. Raises SyntaxError, ValueError or RecursionError when there is none."""
    return ast.parse(text)


@lru_cache(maxsize=8)
def nodes_of(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a tree, outer ones first, as `ast.walk` yields them."""
    return tuple(ast.walk(tree))
