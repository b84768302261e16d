"""A task's `withItems`, `withParam` or `withSequence` in, its items out.

Source: workflow/controller/operator.go:processItem and pkg/apis/workflow/v1alpha1/item.go (v4.1.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dsl.engine.node import NodeFault
from dsl.engine.sequence import texts_of
from dsl.expr import gojson
from dsl.expr.condition import is_false

_BLANKS = " \t\r\n"
_DECODER = json.JSONDecoder(parse_int=float)  # of numbers the texts are shown
_NAMES = {dict: "object", bool: "bool", str: "string"}


class Item(NamedTuple):
    """One item: what its tags stand for, and the text that names its node."""

    variables: Mapping[str, str]
    label: str


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a loop as JSON, each read when it is looked at: a loop may have very many."""

    values: Sequence[str]

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
        return Items([gojson.stored(value) for value in task["withItems"]])
    try:
        if task.get("withParam"):
            return Items(_parsed(str(task["withParam"])))
        return Items(texts_of(task.get("withSequence") or {}))
    except NodeFault:
        if is_false(str(task.get("when") or "")):
            return Items(())
        raise


def _parsed(text: str) -> list[str]:
    problem = f"withParam value could not be parsed as a JSON list: {text.strip()}"
    try:
        value = gojson.parsed(text)
    except ValueError as wrong:
        raise NodeFault(f"{problem}: {wrong}") from None
    if value is None:
        return []
    if not isinstance(value, list):
        name = _NAMES.get(type(value), "number")
        raise NodeFault(f"{problem}: json: cannot unmarshal {name} into Go value of type []v1alpha1.Item")
    return list(_elements(text, text.index("[") + 1, len(value)))


def _elements(text: str, place: int, count: int) -> Iterator[str]:
    """Yield the texts of a list's elements, of which the first begins at `place` or after blanks."""
    for _ in range(count):
        start = _next(text, place)
        _, place = _DECODER.raw_decode(text, start)
        yield text[start:place]
        place = _next(text, place) + 1  # behind the comma


def _next(text: str, place: int) -> int:
    while text[place] in _BLANKS:
        place += 1
    return place


def _item(raw: str) -> Item:
    """Read one item: `%v` prints its text without blanks, for a string without its quotes."""
    first = raw[0]
    if first == "{":
        texts = {key: _shown(inner) for key, inner in _fields(raw)}
        label = ",".join(sorted(f"{key}:{text}" for key, text in texts.items()))
        variables = {"item": _whole_map(raw), **{f"item.{key}": text for key, text in texts.items()}}
        return Item(variables, _clean(label))
    if first == "[":
        elements = list(_elements(raw, 1, len(_DECODER.decode(raw))))
        whole = "[" + ",".join(map(gojson.compact, elements)) + "]"
        return Item({"item": whole}, _clean("[" + " ".join(map(_shown, elements)) + "]"))
    if first == "n":
        return Item({"item": "null"}, "[]")
    text = _shown(raw)
    return Item({"item": str(gojson.parsed(raw)) if first == '"' else text}, _clean(text))


def _whole_map(raw: str) -> str:
    fields = sorted(dict(_fields(raw)).items())
    return "{" + ",".join(f"{gojson.dumps(key)}:{gojson.compact(value)}" for key, value in fields) + "}"


def _fields(raw: str) -> Iterator[tuple[str, str]]:
    """Yield the keys of a JSON object and the texts of their values."""
    place = _next(raw, 1)
    while raw[place] != "}":
        key, place = _DECODER.raw_decode(raw, place)
        start = _next(raw, _next(raw, place) + 1)
        _, place = _DECODER.raw_decode(raw, start)
        yield key, raw[start:place]
        place = _next(raw, place)
        if raw[place] == ",":
            place = _next(raw, place + 1)


def _shown(raw: str) -> str:
    text = gojson.compact(raw)
    text = text[1:-1] if text[0] == '"' else text
    return text.replace("\\u003c", "<").replace("\\u003e", ">").replace("\\u0026", "&")


def _clean(label: str) -> str:
    return label.replace("(", "").replace(")", "")
