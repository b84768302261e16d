"""A value and a JSON path in, what the path selects out (github.com/evilmonkeyinc/jsonpath 0.8.1).

Names, indices, slices, unions, `*`, `..name`, `.length`, and filters that compare one field with a literal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from dsl.expr.gojson import Value

_STEP: Final = re.compile(
    r"""\.\.(?P<deep>[\w-]+)|\.(?P<star>\*)|\.(?P<name>[\w-]+)|\[(?P<every>\*)\]|\[(?P<slice>-?\d*:-?\d*)\]
    |\[(?P<union>(?:-?\d+)(?:,-?\d+)*)\]|\[(?:'(?P<one>[^']*)'|"(?P<two>[^"]*)")\]
    |\[\?\(@(?:\.(?P<field>[\w-]+))?\s*(?:(?P<test>==|!=|<=|>=|<|>)\s*(?P<value>-?[\d.]+|'[^']*'|true|false))?\)\]""",
    re.X,
)
_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_KINDS: Final = {bool: "bool", float: "float64", int: "float64", str: "string", list: "slice"}


def select(value: Value, path: str) -> Value:
    """Return the one value that a path selects, or the list of those that it may. Raises ValueError."""
    if not path.startswith("$"):
        raise ValueError(f"invalid JSONPath selector '{path}' unexpected token '{path[:1]}' at index 0")
    found, is_list, place = [value], False, 1
    while place < len(path):
        step = _STEP.match(path, place)
        if not step:
            raise ValueError(f"invalid JSONPath selector '{path}' {path[place:]} is not supported here")
        place, parts = step.end(), step.groupdict()
        is_wide = any(parts[name] for name in ("deep", "star", "every", "slice")) or "?" in step[0]
        is_wide = is_wide or "," in (parts["union"] or "")
        if is_wide or is_list:
            found, is_list = [one for each in found for one in _all(each, parts, strict=not is_list)], True
        else:
            found = [_one(found[0], parts)]
    return found if is_list else found[0]


def _one(value: Value, parts: Mapping[str, str | None]) -> Value:
    if parts["union"] is not None:
        if not isinstance(value, list):
            raise ValueError(
                f"index: invalid token target. expected [array slice string] got [{_kind(value)}]"
            )
        index = int(parts["union"])
        if not -len(value) <= index < len(value):
            raise ValueError("index: invalid token out of range")
        return value[index]
    name = next(parts[key] for key in ("name", "one", "two") if parts[key] is not None)
    if name == "length" and isinstance(value, (list, str)):
        return len(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"key: invalid token target. expected [map] got [{_kind(value)}]")
    if name not in value:
        raise ValueError(f"key: invalid token key '{name}' not found")
    return value[name]


def _all(value: Value, parts: Mapping[str, str | None], *, strict: bool) -> Iterator[Value]:
    """Yield what one step selects; below what was many already, what is not there is left out."""
    elements = value if isinstance(value, list) else []
    if parts["deep"]:
        yield from _below(value, parts["deep"])
    elif parts["star"] or parts["every"]:
        yield from [value[key] for key in sorted(value)] if isinstance(value, Mapping) else elements
    elif parts["slice"]:
        start, end = (int(bound) if bound else None for bound in parts["slice"].split(":"))
        yield from elements[start:end]
    elif "," in (parts["union"] or ""):
        for index in str(parts["union"]).split(","):
            yield _one(value, {**parts, "union": index})
    elif any(parts[key] is not None for key in ("union", "name", "one", "two")):
        try:
            yield _one(value, parts)
        except ValueError:
            if strict:
                raise
    else:
        yield from (element for element in elements if _holds(element, parts))


def _below(value: Value, name: str) -> Iterator[Value]:
    if isinstance(value, Mapping):
        if name in value:
            yield value[name]
        for key in sorted(value):
            yield from _below(value[key], name)
    elif isinstance(value, list):
        for element in value:
            yield from _below(element, name)


def _holds(element: Value, parts: Mapping[str, str | None]) -> bool:
    if parts["field"]:
        if not isinstance(element, Mapping) or parts["field"] not in element:
            return False
        element = element[parts["field"]]
    test, literal = parts["test"], str(parts["value"])
    if not test:
        return True
    other: Any = literal[1:-1] if literal[0] == "'" else {"true": True, "false": False}.get(literal)
    other = float(literal) if other is None else other
    return type(other) is type(element) and _TESTS[test](element, other)


def _kind(value: Value) -> str:
    return "nil" if value is None else _KINDS.get(type(value), "map")
