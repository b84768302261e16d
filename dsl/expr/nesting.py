"""Variables by dotted name in, the nested mappings that an expression sees out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Flat = Mapping[str, Any]


def nested(flat: Flat) -> dict[str, Any]:
    """Turn dotted names into nested mappings; a name that has children loses its own value, as in Argo."""
    root = _Branch()
    for name in sorted(flat, key=lambda key: key.count(".")):
        *path, last = name.split(".")
        inner = root
        for part in path:
            if not isinstance(inner.get(part), _Branch):
                inner[part] = _Branch()
            inner = inner[part]
        inner[last] = flat[name]
    return root


class _Branch(dict[str, Any]):
    """A mapping made here, never a value that happens to be a mapping."""

    __slots__ = ()
