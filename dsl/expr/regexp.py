"""A pattern of Go's regexp in, its matches in texts out, in a time that grows with the text and no faster.

All ways to go on in a pattern are gone at once, in their order: Russ Cox, "Regular Expression Matching: the
Virtual Machine Approach" (2009). Where it matches is what Go's regexp says (1.26).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from dsl.expr.regexp_syntax import Node, PatternFault, parse

_LARGEST = 100_000
_NAME = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})")

Spans = tuple[int, ...]
"""Where a match and its groups begin and end, -1 for a group that is not in it."""


class _Step(NamedTuple):
    """`take` and `look` have a test, `note` the number of a place, `go` the steps that follow, best first."""

    kind: str
    what: Any = None


class Pattern:
    """A compiled pattern."""

    def __init__(self, text: str) -> None:
        """Raises PatternFault."""
        self._text = text
        tree, self._names, groups = parse(text)
        self._places = 2 * groups + 2
        self._steps: list[_Step] = []
        self._emit(("group", 0, tree))
        self._steps.append(_Step("end"))

    def matches(self, text: str) -> bool:
        """Whether it matches somewhere in a text."""
        return self._first(text, 0) is not None

    def find_all(self, text: str, limit: int = -1) -> Iterator[Spans]:
        """Yield where it matches, at most `limit` times; not with nothing right after another match."""
        at, last = 0, -1
        while limit and at <= len(text) and (found := self._first(text, at)):
            start, end = found[:2]
            if start != last or end > start:
                yield found
                limit -= 1
            at, last = (end if end > at else at + 1), end

    def replaced(self, text: str, new: Callable[[Spans], str]) -> str:
        """Return a text with its matches replaced."""
        pieces, at = [], 0
        for found in self.find_all(text):
            pieces += [text[at : found[0]], new(found)]
            at = found[1]
        return "".join([*pieces, text[at:]])

    def expanded(self, template: str, text: str, found: Spans) -> str:
        """Return a template in which `$1` and `${name}` stand for what groups have matched."""

        def group(name: re.Match[str]) -> str:
            word = name[1] or name[2]
            if not word:
                return "$"
            numbers = (
                [int(word)] if word.isdecimal() else [number for of, number in self._names if of == word]
            )
            bounds = (found[2 * number : 2 * number + 2] for number in numbers)
            return next((text[slice(*each)] for each in bounds if each and each[0] >= 0), "")

        return _NAME.sub(group, template)

    def split(self, text: str, limit: int) -> list[str]:
        """Return what is between the matches, in at most `limit` texts if that is not negative."""
        if limit == 0:
            return []
        if self._text and not text:
            return [""]
        pieces: list[str] = []
        start = end = 0
        for found in self.find_all(text, limit):
            if len(pieces) == limit - 1:
                break
            end = found[0]
            if found[1]:
                pieces.append(text[start:end])
            start = found[1]
        return pieces if end == len(text) else [*pieces, text[start:]]

    # --- a tree in, steps out ---

    def _emit(self, node: Node) -> None:
        kind, *parts = node
        if len(self._steps) > _LARGEST:
            raise PatternFault("expression too large", self._text)
        if kind == "all":
            for part in parts[0]:
                self._emit(part)
        elif kind == "any":
            self._emit_any(parts[0])
        elif kind == "repeat":
            self._emit_repeat(*parts)
        elif kind == "group":
            self._steps.append(_Step("note", 2 * parts[0]))
            self._emit(parts[1])
            self._steps.append(_Step("note", 2 * parts[0] + 1))
        else:
            self._steps.append(_Step(kind, parts[0]))

    def _emit_any(self, nodes: list[Node]) -> None:
        leaps = []
        for node in nodes[:-1]:
            fork = self._reserved()
            self._emit(node)
            leaps.append(self._reserved())
            self._steps[fork] = _Step("go", (fork + 1, len(self._steps)))
        self._emit(nodes[-1])
        for leap in leaps:
            self._steps[leap] = _Step("go", (len(self._steps),))

    def _emit_repeat(self, node: Node, least: int, most: int | None, is_greedy: bool) -> None:
        """As often as it must be there, and then as often as it may: all that follows can be left out."""
        forks = []
        for number in range(least - 1 if most is None else most):
            if number >= least:
                forks.append(self._reserved())
            self._emit(node)
        if most is None:
            if not least:
                forks.append(self._reserved())
            start = len(self._steps)
            self._emit(node)
            self._steps.append(_fork(start, len(self._steps) + 1, is_greedy))
        for fork in forks:
            self._steps[fork] = _fork(fork + 1, len(self._steps), is_greedy)

    def _reserved(self) -> int:
        self._steps.append(_Step("go"))
        return len(self._steps) - 1

    # --- steps and a text in, a match out ---

    def _first(self, text: str, start: int) -> Spans | None:
        """Return the first match that begins at a place or after it."""
        found: Spans | None = None
        threads: dict[int, Spans] = {}
        for at in range(start, len(text) + 1):
            if found is None:
                self._reach(0, (-1,) * self._places, text, at, threads)
            elif not threads:
                break
            following: dict[int, Spans] = {}
            for place, spans in threads.items():
                kind, what = self._steps[place]
                if kind == "end":
                    found = spans
                    break
                if kind == "take" and at < len(text) and what(text[at]):
                    self._reach(place + 1, spans, text, at + 1, following)
            threads = following
        return found

    def _reach(self, place: int, spans: Spans, text: str, at: int, threads: dict[int, Spans]) -> None:
        """Add a step, and all that are reached from it without taking a character, after those before."""
        waiting = [(place, spans)]
        while waiting:
            place, spans = waiting.pop()
            if place in threads:
                continue
            threads[place] = spans
            kind, what = self._steps[place]
            if kind == "go":
                waiting += [(other, spans) for other in reversed(what)]
            elif kind == "note":
                waiting.append((place + 1, (*spans[:what], at, *spans[what + 1 :])))
            elif kind == "look" and what(text, at):
                waiting.append((place + 1, spans))


def _fork(on: int, past: int, is_greedy: bool) -> _Step:
    return _Step("go", (on, past) if is_greedy else (past, on))


@lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """Return a compiled pattern. Raises PatternFault."""
    return Pattern(text)
