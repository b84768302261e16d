"""Variables by dotted name in, the nested mappings that an expression sees out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Flat = Mapping[str, Any]


def nested(flat: Flat) -> dict[str, Any]:
    """Turn dotted names into nested mappings; a name that has children loses its own value, as in Argo."""
    root = _Branch()
    for name, value in flat.items():
        inner = root
        path, last = _steps(name)
        for part in path:
            below = inner.get(part)
            if type(below) is not _Branch:
                below = inner[part] = _Branch()
            inner = below
        if type(inner.get(last)) is not _Branch:
            inner[last] = value
    return root


@lru_cache(maxsize=4096)
def _steps(name: str) -> tuple[tuple[str, ...], str]:
    *path, last = name.split(".")
    return tuple(path), last


class _Branch(dict[str, Any]):
    """A mapping made here, never a value that happens to be a mapping."""

    __slots__ = ()
