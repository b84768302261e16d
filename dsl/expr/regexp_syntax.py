r"""A pattern in the syntax of Go's regexp in, a tree of what it takes out.

Source: regexp/syntax/parse.go (Go 1.26). Not known here are scripts, as in `\p{Greek}`, and more than
100 groups within each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any

Node = tuple[Any, ...]
"""`all` and `any` of nodes; `repeat` of a node, least, most or None, greedy; `group` of a number and a node;
`take` with a test of a character; `look` with a test of a text and a place in it."""

_DEEPEST, _MOST = 100, 1000
_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}")
_OCTAL = re.compile("0[0-7]{0,2}|[1-7][0-7]{1,2}")
_HEXADECIMAL = re.compile(r"x(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))")
_POSIX_NAME = re.compile(r"\[:(.*?):\]", re.DOTALL)
_CLASS_NAME = re.compile(r"\\[pP](?:\{(\^?)(\w*)\}|(\w))")
_CATEGORY = re.compile("C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_POSIX = {
    "alnum": "09AZaz", "alpha": "AZaz", "ascii": "\0\x7f", "blank": "\t\t  ", "cntrl": "\0\x1f\x7f\x7f",
    "digit": "09", "graph": "!~", "lower": "az", "print": " ~", "punct": "!/:@[`{~", "space": "\t\r  ",
    "upper": "AZ", "word": "09AZaz__", "xdigit": "09AFaf",
}  # fmt: skip
_PERL = {"d": "09", "s": "\t\n\f\r  ", "w": "09AZaz__"}

Test = Callable[[str], bool]


class PatternFault(ValueError):
    """A text is no pattern; the message is Go's."""

    def __init__(self, why: str, part: str) -> None:
        super().__init__(f"error parsing regexp: {why}: `{part}`")


def parse(text: str) -> tuple[Node, list[tuple[str, int]], int]:
    """Return the tree of a pattern, the names of groups with their numbers, and how many groups there are.

    Raises PatternFault.
    """
    parser = _Parser(text)
    tree = parser.alternatives(0)
    if parser.at < len(text):
        raise PatternFault("unexpected )", text)
    return tree, parser.names, parser.groups


def _between(bounds: str) -> Test:
    """Return a test for ranges: their first and last characters, one pair after another."""
    pairs = list(zip(bounds[::2], bounds[1::2], strict=True))
    return lambda one: any(first <= one <= last for first, last in pairs)


def _one_of(tests: Iterable[Test], *, inverted: bool = False, folds: bool = False) -> Test:
    """Return a test for characters that one of some tests knows, or with `folds` in another case."""
    known = tuple(tests)

    def test(one: str) -> bool:
        forms = _in_all_cases(one) if folds else (one,)
        return any(each(form) for each in known for form in forms) != inverted

    return lru_cache(maxsize=1024)(test)


@cache
def _cases() -> dict[str, set[str]]:
    """All characters that have other cases of one character each, by each of them."""
    found: dict[str, set[str]] = {}
    for one in map(chr, range(0x1F000)):  # none is beyond
        for other in (one.lower(), one.upper()):
            if len(other) == 1 and other != one:
                shared = found.get(one, {one}) | found.get(other, {other})
                found.update(dict.fromkeys(shared, shared))
    return found


def _in_all_cases(one: str) -> Iterable[str]:
    return _cases().get(one, (one,))


def _is_word(one: str) -> bool:
    """Whether a character, or none, is one of a word: of ASCII alone."""
    return one.isascii() and (one.isalnum() or one == "_")


def _is_at_edge(text: str, at: int) -> bool:
    return _is_word(text[at - 1 : at] if at else "") != _is_word(text[at : at + 1])


_LOOKS: dict[str, Callable[[str, int], bool]] = {
    "A": lambda text, at: at == 0,
    "z": lambda text, at: at == len(text),
    "b": _is_at_edge,
    "B": lambda text, at: not _is_at_edge(text, at),
    "^": lambda text, at: at == 0 or text[at - 1] == "\n",
    "$": lambda text, at: at == len(text) or text[at] == "\n",
}


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.flags: frozenset[str] = frozenset()
        self.groups = 0
        self.names: list[tuple[str, int]] = []

    def alternatives(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise PatternFault("expression nests too deeply", self.text)
        found = [self._sequence(depth)]
        while self._accept("|"):
            found.append(self._sequence(depth))
        return ("any", found) if len(found) > 1 else found[0]

    def _sequence(self, depth: int) -> Node:
        items: list[Node] = []
        before = None
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            start = self.at
            if repeat := self._repeat():
                if before is not None:
                    raise PatternFault("invalid nested repetition operator", self.text[before : self.at])
                if not items:
                    why = "missing argument to repetition operator"
                    raise PatternFault(why, self.text[start : self.at])
                items[-1] = ("repeat", items[-1], *repeat)
                if _copies(items[-1]) > _MOST:
                    raise PatternFault("invalid repeat count", self.text[start : self.at])
                before = start
                continue
            before = None
            if self._accept("\\Q"):
                literal, end, _ = self.text[self.at :].partition("\\E")
                self.at += len(literal) + len(end)
                items += map(self._literal, literal)
            elif atom := self._atom(depth):
                items.append(atom)
        return "all", items

    def _repeat(self) -> tuple[int, int | None, bool] | None:
        """Return what an operator that is here says: how often at least, at most, and whether greedily."""
        start = self.at
        found = _REPEAT.match(self.text, start)
        if found:
            least, most = _number(found[1]), _number(found[3] or found[1])
            if max(least, most) > _MOST or most < least:
                raise PatternFault("invalid repeat count", found[0])
            bounds = (least, None if found[2] and not found[3] else most)
        elif self.text[start] in "*+?":
            bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self.text[start]]
        else:
            return None
        self.at = found.end() if found else start + 1
        return *bounds, self._accept("?") == ("U" in self.flags)

    def _atom(self, depth: int) -> Node | None:
        """Return what stands here, None for flags."""
        one = self.text[self.at]
        if one == "(":
            return self._group(depth)
        if one == "[":
            return self._class()
        if one == "\\":
            return self._escaped()
        self.at += 1
        if one == ".":
            return "take", _one_of([] if "s" in self.flags else [_between("\n\n")], inverted=True)
        if one in "^$":
            return "look", _LOOKS[one if "m" in self.flags else "A" if one == "^" else "z"]
        return self._literal(one)

    def _literal(self, one: str) -> Node:
        forms = _in_all_cases(one) if "i" in self.flags else (one,)
        return "take", frozenset(forms).__contains__

    def _accept(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _group(self, depth: int) -> Node | None:
        start, outside = self.at, self.flags
        self.at += 1
        is_numbered = True
        if self._accept("?P<") or self._accept("?<"):
            name, end, _ = self.text[self.at :].partition(">")
            if not end or not re.fullmatch("[A-Za-z0-9_]+", name):
                rest = self.text[start:]
                raise PatternFault("invalid named capture", rest[: rest.index(">") + 1] if end else rest)
            self.at += len(name) + 1
            self.names.append((name, self.groups + 1))
        elif self._accept("?"):
            is_numbered = False
            if not self._read_flags(start):
                return None
        self.groups += is_numbered
        number = self.groups
        inner = self.alternatives(depth + 1)
        self.flags = outside
        if not self._accept(")"):
            raise PatternFault("missing closing )", self.text)
        return ("group", number, inner) if is_numbered else inner

    def _read_flags(self, start: int) -> bool:
        """Read the flags of a group, and whether one begins or they are for what follows in this one."""
        flags, is_off, has_flag = set(self.flags), False, False
        while self.at < len(self.text):
            one = self.text[self.at]
            self.at += 1
            if one in "imsU":
                (flags.discard if is_off else flags.add)(one)
                has_flag = True
            elif one == "-" and not is_off:
                is_off, has_flag = True, False
            elif one in ":)" and (has_flag or not is_off):
                self.flags = frozenset(flags)
                return one == ":"
            else:
                break
        raise PatternFault("invalid or unsupported Perl syntax", self.text[start : self.at])

    def _class(self) -> Node:
        start = self.at
        self.at += 1
        inverted, tests = self._accept("^"), list[Test]()
        first = self.at
        while self.at == first or not self.text.startswith("]", self.at):
            tests.append(self._posix() or self._known_class() or self._range(start))
        self.at += 1
        return "take", _one_of(tests, inverted=inverted, folds="i" in self.flags)

    def _posix(self) -> Test | None:
        found = _POSIX_NAME.match(self.text, self.at)
        if not found:
            return None
        name = found[1].removeprefix("^")
        if name not in _POSIX:
            raise PatternFault("invalid character class range", found[0])
        self.at = found.end()
        return self._inverted(_between(_POSIX[name]), inverted=found[1] != name)

    def _inverted(self, test: Test, *, inverted: bool) -> Test:
        return _one_of([test], inverted=True, folds="i" in self.flags) if inverted else test

    def _known_class(self) -> Test | None:
        r"""Return the test of a class like `\d` or `\pL`."""
        name = self.text[self.at + 1 : self.at + 2]
        if self.text[self.at : self.at + 1] != "\\" or not name:
            return None
        if name.lower() in _PERL:
            self.at += 2
            return self._inverted(_between(_PERL[name.lower()]), inverted=name.isupper())
        if name not in "pP":
            return None
        found = _CLASS_NAME.match(self.text, self.at)
        if not found:
            rest = self.text[self.at :]
            raise PatternFault("invalid character class range", rest[: rest.find("}") + 1] or rest)
        self.at = found.end()
        category = found[2] or found[3]
        if category == "Any":
            return self._inverted(lambda _: True, inverted=(name == "P") != bool(found[1]))
        if not _CATEGORY.fullmatch(category):
            raise PatternFault("invalid character class range", found[0])
        of_it: Test = lambda one: unicodedata.category(one).startswith(category)  # noqa: E731
        return self._inverted(of_it, inverted=(name == "P") != bool(found[1]))

    def _range(self, start: int) -> Test:
        began = self.at
        first = last = self._class_character(start)
        if self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
            self.at += 1
            last = self._class_character(start)
            if last < first:
                raise PatternFault("invalid character class range", self.text[began : self.at])
        return _between(first + last)

    def _class_character(self, start: int) -> str:
        if self.at >= len(self.text):
            raise PatternFault("missing closing ]", self.text[start:])
        if self.text[self.at] == "\\":
            return self._escape()
        self.at += 1
        return self.text[self.at - 1]

    def _escaped(self) -> Node:
        name = self.text[self.at + 1 : self.at + 2]
        if name and name in "AzbB":
            self.at += 2
            return "look", _LOOKS[name]
        if found := self._known_class():
            return "take", _one_of([found], folds="i" in self.flags)
        return self._literal(self._escape())

    def _escape(self) -> str:
        """Return the character that an escape stands for."""
        start, one = self.at, self.text[self.at + 1 : self.at + 2]
        if not one:
            raise PatternFault("trailing backslash at end of expression", "")
        self.at += 2
        if one in _CONTROLS:
            return _CONTROLS[one]
        if number := _OCTAL.match(self.text, start + 1):
            self.at = number.end()
            return chr(int(number[0], 8))
        digits = _HEXADECIMAL.match(self.text, start + 1)
        if digits and int(digits[1] or digits[2], 16) <= 0x10FFFF:
            self.at = digits.end()
            return chr(int(digits[1] or digits[2], 16))
        if not one.isascii() or one.isalnum():
            raise PatternFault("invalid escape sequence", self.text[start : self.at])
        return one


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 8 else _MOST + 1


def _copies(node: Node) -> int:
    """Return how often a part of a tree is repeated at most."""
    kind, *parts = node
    if kind == "repeat":
        return int(max(parts[1], parts[2] or 0, 1)) * _copies(parts[0])
    if kind == "group":
        return _copies(parts[1])
    return max(map(_copies, parts[0]), default=1) if kind in ("all", "any") else 1
