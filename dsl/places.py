"""Where the keys and values of a document stand: lines and columns from 1; of JSON, found in its text."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_SCALAR: Final = re.compile(r"[^\s,\]}]+")


class Place(NamedTuple):
    """Where a value stands; of a mapping also its keys, of a list its elements."""

    line: int
    column: int
    end: int = 0
    keys: dict[str, tuple[Place, Place]] | None = None
    elements: list[Place] | None = None

    def step(self, key: str | int) -> tuple[Place, Place] | None:
        """Return the places of a key and its value."""
        if self.keys is not None:
            return self.keys.get(str(key))
        if self.elements is not None and isinstance(key, int) and key < len(self.elements):
            return self.elements[key], self.elements[key]
        return None


class JsonPlaces:
    """Finds the places in a text that is known to be JSON; only problems need them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.repeated: list[tuple[str, Place, Place]] = []
        """Keys that are set twice, with the places of the second and the first, once `root` has run."""
        self.at = 0

    def root(self) -> Place:
        """Return the place of the whole document, which has those of its parts."""
        self.at = 0
        self.repeated.clear()
        return self._node()

    def _skip(self) -> str:
        match = _BLANK.match(self.text, self.at)
        assert match
        self.at = match.end()
        return self.text[self.at]

    def _spot(self, start: int, end: int) -> Place:
        line = bisect_right(self.starts, start)
        column = start - self.starts[line - 1] + 1
        return Place(line, column, column + end - start)

    def _taken(self, pattern: re.Pattern[str]) -> Place:
        match = pattern.match(self.text, self.at)
        assert match
        self.at = match.end()
        return self._spot(match.start(), match.end())

    def _node(self) -> Place:
        first = self._skip()
        if first == '"':
            return self._taken(_STRING)
        if first not in "{[":
            return self._taken(_SCALAR)
        start = self._spot(self.at, self.at + 1)
        self.at += 1
        if first == "{":
            return Place(start.line, start.column, start.end, dict(self._pairs()))
        return Place(start.line, start.column, start.end, None, list(self._elements()))

    def _elements(self) -> Iterator[Place]:
        while self._skip() != "]":
            yield self._node()
            if self._skip() == ",":
                self.at += 1
        self.at += 1

    def _pairs(self) -> Iterator[tuple[str, tuple[Place, Place]]]:
        seen: dict[str, Place] = {}
        while self._skip() != "}":
            start = self.at
            where = self._taken(_STRING)
            key = str(json.loads(self.text[start : self.at]))
            if key in seen:
                self.repeated.append((key, where, seen[key]))
            seen[key] = where
            self._skip()
            self.at += 1  # the colon
            yield key, (where, self._node())
            if self._skip() == ",":
                self.at += 1
        self.at += 1
