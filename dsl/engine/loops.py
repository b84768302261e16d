"""A task's `withItems`, `withParam` or `withSequence` in, its items out.

Source: workflow/controller/operator.go:processItem and expandSequence (v4.1.2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dsl.engine.node import NodeFault
from dsl.expr import gojson
from dsl.expr.condition import is_false
from dsl.expr.gojson import Value

_FORMAT = re.compile(r"%([-+ 0#]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


class _Number(str):
    """A JSON number with the text that it had."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number)


class Item(NamedTuple):
    """One item: what its tags stand for, and the text that names its node."""

    variables: Mapping[str, str]
    label: str


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a loop, each made when it is looked at: a loop may have very many."""

    values: Sequence[Any]

    def __iter__(self) -> Iterator[Item]:
        return map(_item, self.values)

    def __len__(self) -> int:
        return len(self.values)


def items_of(task: Mapping[str, Any]) -> Items:
    """Return the items of a task whose tags are already replaced.

    Raises:
        NodeFault: the list is no list, a number no number; unless `when` is false anyway.
    """
    if task.get("withItems"):
        return Items([_exact(value) for value in task["withItems"]])
    try:
        if task.get("withParam"):
            return Items(_parsed(str(task["withParam"])))
        return Items(_sequence(task.get("withSequence") or {}))
    except NodeFault:
        if is_false(str(task.get("when") or "")):
            return Items(())
        raise


def _exact(value: Value) -> Value:
    """Return a value of a manifest with its numbers as texts."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return _Number(json.dumps(value))
    if isinstance(value, dict):
        return {key: _exact(inner) for key, inner in value.items()}
    return [_exact(inner) for inner in value] if isinstance(value, list) else value


def _parsed(text: str) -> list[Any]:
    problem = f"withParam value could not be parsed as a JSON list: {text.strip()}"
    try:
        value = gojson.load_with(text, _DECODER)
    except ValueError as wrong:
        raise NodeFault(f"{problem}: {wrong}") from None
    if value is None:
        return []
    if not isinstance(value, list):
        name = {dict: "object", bool: "bool", _Number: "number"}.get(type(value), "string")
        raise NodeFault(f"{problem}: json: cannot unmarshal {name} into Go value of type []v1alpha1.Item")
    return value


def _sequence(sequence: Mapping[str, Any]) -> list[str]:
    start = _whole(sequence.get("start", "0"))
    if sequence.get("end") is not None:
        end = _whole(sequence["end"])
    elif sequence.get("count") is not None:
        count = _whole(sequence["count"])
        if count == 0:
            return []
        end = start + count - 1
    else:
        raise NodeFault("neither end nor count was specified in withSequence")
    numbers = range(start, end + 1) if start <= end else range(start, end - 1, -1)
    pattern = str(sequence.get("format") or "%d")
    if pattern == "%d":
        return list(map(str, numbers))
    return [_formatted(pattern, number) for number in numbers]


def _whole(value: Value) -> int:
    text = str(value)
    if not re.fullmatch(r"[+-]?\d+", text):
        raise NodeFault(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _formatted(pattern: str, number: int) -> str:
    def replaced(found: re.Match[str]) -> str:
        flags, width, precision, verb = found[1], found[2], found[3], found[4]
        if verb == "%":
            return "%"
        if verb not in "dxXobcv":
            return f"%!{verb}(int={number})"
        digits = chr(number) if verb == "c" else format(abs(number), "d" if verb == "v" else verb)
        digits = digits.rjust(int(precision or 0), "0")
        sign = "-" if number < 0 else "+" if "+" in flags else " " if " " in flags else ""
        room = int(width or 0)
        if "-" in flags:
            return f"{sign}{digits}".ljust(room)
        return sign + digits.rjust(room - len(sign), "0") if "0" in flags else f"{sign}{digits}".rjust(room)

    return _FORMAT.sub(replaced, pattern)


def _item(value: Value) -> Item:
    if isinstance(value, dict):
        texts = {key: _field(inner) for key, inner in value.items()}
        label = ",".join(sorted(f"{key}:{text}" for key, text in texts.items()))
        variables = {"item": _json(value), **{f"item.{key}": text for key, text in texts.items()}}
        return Item(variables, _clean(label))
    if isinstance(value, list):
        return Item({"item": _json(value)}, _clean("[" + " ".join(map(_field, value)) + "]"))
    if value is None:
        return Item({"item": "null"}, "[]")
    if isinstance(value, bool):
        text = "true" if value else "false"
        return Item({"item": text}, text)
    text = str(value)
    label = text if isinstance(value, _Number) else _field(text)
    return Item({"item": text}, _clean(label))


def _field(value: Value) -> str:
    """The text of a map's value: a string as in JSON without its quotes, anything else as JSON."""
    if isinstance(value, str) and not isinstance(value, _Number):
        return json.dumps(value, ensure_ascii=False)[1:-1]
    return _json(value)


def _json(value: Value) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{gojson.dumps(key)}:{_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return gojson.dumps(value)


def _clean(label: str) -> str:
    return label.replace("(", "").replace(")", "")
