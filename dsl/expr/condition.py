"""A `when` text in, a bool out: Knetic's govaluate as Argo uses it, where every bare word is a string.

Source: workflow/controller/steps.go:shouldExecute (v4.1.2) and github.com/Knetic/govaluate v3; messages are
theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from dsl.expr import gojson
from dsl.expr.gojson import Value

_SYMBOLS = re.compile(r"[^\w\s'\"()\[\].]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_COMPARATORS = {"==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"}
_MODIFIERS = {"+", "-", "*", "/", "%", "**", "&", "|", "^", ">>", "<<"}
_LOGICAL, _TERNARY, _PREFIX = {"&&", "||"}, {"?", ":", "??"}, {"-", "!", "~"}
_VALUES = {"NUMERIC", "BOOLEAN", "STRING", "TIME", "VARIABLE"}
_LEVELS: tuple[set[str], ...] = (
    _TERNARY, {"||"}, {"&&"}, _COMPARATORS, {"&", "|", "^"}, {">>", "<<"}, {"+", "-"}, {"*", "/", "%"},
    {"**"},
)  # fmt: skip


class ConditionError(ValueError):
    """The text is no condition; the message is Argo's."""


class _Fault(ValueError):
    """What govaluate says; the caller puts Argo's words before it."""


@lru_cache(maxsize=4096)
def syntax_fault(when: str) -> str:
    """Return why a `when` is no condition whatever its words stand for, or nothing."""
    try:
        _checked(_tokens(when))
    except _Fault as wrong:
        return str(wrong)
    return ""


@lru_cache(maxsize=4096)
def is_true(when: str) -> bool:
    """Evaluate a `when` whose tags are already replaced; the empty text is true. Raises ConditionError."""
    if when == "":
        return True
    try:
        tokens = _checked(_tokens(when))
    except _Fault as wrong:
        hint = (
            ' (hint: try wrapping the affected expression in quotes ("))'
            if "Invalid token" in str(wrong)
            else ""
        )
        raise ConditionError(f"Invalid 'when' expression '{when}': {wrong}{hint}") from None
    try:
        value = _Evaluation(tokens).value()
    except _Fault as wrong:
        raise ConditionError(f"Failed to evaluate 'when' expresion '{when}': {wrong}") from None
    if not isinstance(value, bool):
        raise ConditionError(f"Expected boolean evaluation for '{when}'. Got {gojson.sprint(value)}")
    return value


def is_false(when: str) -> bool:
    """Whether a `when` is certainly false: its text is a condition and does not hold."""
    try:
        return not is_true(when)
    except ConditionError:
        return False


Token = tuple[str, Any]


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        token, place = _token(text, place, found)
        found.append(token)
    return found


def _token(text: str, place: int, before: list[Token]) -> tuple[Token, int]:
    first = text[place]
    if match := re.compile(r"0[xX]([0-9a-fA-F]+)").match(text, place):
        return ("NUMERIC", float(int(match[1], 16))), match.end()
    if match := re.compile(r"[0-9.]+").match(text, place):
        try:
            return ("NUMERIC", float(match[0])), match.end()
        except ValueError:
            raise _Fault(f"Unable to parse numeric value '{match[0]}' to float64") from None
    if first in "()":
        return ("CLAUSE" if first == "(" else "CLAUSE_CLOSE", first), place + 1
    if first == ",":
        return ("SEPARATOR", ","), place + 1
    if first in "'\"":
        return _quoted(text, place)
    if first == "[":
        end = text.find("]", place)
        if end < 0:
            raise _Fault("Unclosed parameter bracket")
        return ("VARIABLE", text[place + 1 : end]), end + 1
    if first.isalpha():
        return _word(text, place)
    return _operator(text, place, before)


def _quoted(text: str, place: int) -> tuple[Token, int]:
    out, at = [], place + 1
    while at < len(text) and text[at] not in "'\"":
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        out.append(text[at])
        at += 1
    if at >= len(text):
        raise _Fault("Unclosed string literal")
    value = "".join(out)
    moment = _moment(value)
    return (("STRING", value) if moment is None else ("TIME", moment)), at + 1


def _moment(text: str) -> float | None:
    """Seconds since 1970 of a text that govaluate takes for a date."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _word(text: str, place: int) -> tuple[Token, int]:
    out, at = [], place
    while at < len(text) and (text[at].isalnum() or text[at] in "_.\\"):
        if text[at] == "\\":
            at += 1
        out.append(text[at : at + 1])
        at += 1
    word = "".join(out)
    if word in ("true", "false"):
        return ("BOOLEAN", word == "true"), at
    if word in ("in", "IN"):
        return ("COMPARATOR", "in"), at
    if "." in word:
        if word.endswith("."):
            raise _Fault(f"Hanging accessor on token '{word}'")
        for field in word.split(".")[1:]:
            if not field[:1].isupper():
                raise _Fault(f"Unable to access unexported field '{field}' in token '{word}'")
        raise _Fault(f"No parameter '{word.split('.')[0]}' found.")
    return ("VARIABLE", word), at


def _operator(text: str, place: int, before: list[Token]) -> tuple[Token, int]:
    match = _SYMBOLS.match(text, place)
    symbol = match[0] if match else text[place]
    after_value = bool(before) and before[-1][0] in _VALUES | {"CLAUSE_CLOSE"}
    for known, kind in ((_PREFIX, "PREFIX"), (_MODIFIERS, "MODIFIER"), (_LOGICAL, "LOGICALOP"),
                        (_COMPARATORS, "COMPARATOR"), (_TERNARY, "TERNARY")):  # fmt: skip
        if symbol in known and not (kind == "PREFIX" and after_value):
            return (kind, symbol), place + len(symbol)
    raise _Fault(f"Invalid token: '{symbol}'")


def _checked(tokens: list[Token]) -> list[Token]:
    depth = 0
    for kind, _ in tokens:
        depth += (kind == "CLAUSE") - (kind == "CLAUSE_CLOSE")
    if depth:
        raise _Fault("Unbalanced parenthesis")
    opening = _VALUES | {"PREFIX", "CLAUSE"}
    closing = {"MODIFIER", "COMPARATOR", "LOGICALOP", "CLAUSE_CLOSE", "TERNARY", "SEPARATOR"}
    last: Token = ("UNKNOWN", "")
    for token in tokens:
        if last[0] in _VALUES:
            allowed = closing
        elif last[0] == "CLAUSE_CLOSE":
            allowed = closing | _VALUES | {"CLAUSE"}
        elif last[0] == "UNKNOWN":
            allowed = opening
        else:
            allowed = opening | {"CLAUSE_CLOSE"}
        if token[0] not in allowed:
            pair = f"from {last[0]} [{gojson.sprint(last[1])}] to {token[0]} [{gojson.sprint(token[1])}]"
            raise _Fault(f"Cannot transition token types {pair}")
        last = token
    if last[0] not in _VALUES | {"CLAUSE_CLOSE"}:
        raise _Fault("Unexpected end of expression")
    return tokens


def _numbers(operator: str, kind: str, *values: Value) -> None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, float):
            shown = gojson.sprint(value)
            raise _Fault(f"Value '{shown}' cannot be used with the {kind} '{operator}', it is not a number")


def _compared(operator: str, apply: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Value, right: Value) -> bool:
        if not (isinstance(left, str) and isinstance(right, str)):
            _numbers(operator, "comparator", left, right)
        return apply(left, right)

    return compare


def _counted(operator: str, apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def count(left: Value, right: Value) -> Value:
        if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
            return gojson.sprint(left) + gojson.sprint(right)
        _numbers(operator, "modifier", left, right)
        return float(apply(left, right))

    return count


def _equal(left: Value, right: Value) -> bool:
    return type(left) is type(right) and bool(left == right)


def _in(left: Value, right: Value) -> bool:
    if not isinstance(right, list):
        raise _Fault(
            f"Value '{gojson.sprint(right)}' cannot be used with the comparator 'in', it is not a number"
        )
    return any(_equal(left, element) for element in right)


def _matches(left: Value, right: Value) -> bool:
    for value in (left, right):
        if not isinstance(value, str):
            raise _Fault(
                f"Value '{gojson.sprint(value)}' cannot be used with the comparator '=~', it is not a string"
            )
    return re.search(right, left) is not None


_APPLY: dict[str, Callable[[Any, Any], Any]] = {
    "==": _equal, "!=": lambda a, b: not _equal(a, b), "in": _in,
    "=~": _matches, "!~": lambda a, b: not _matches(a, b),
    ">": _compared(">", lambda a, b: a > b), "<": _compared("<", lambda a, b: a < b),
    ">=": _compared(">=", lambda a, b: a >= b), "<=": _compared("<=", lambda a, b: a <= b),
    "+": _counted("+", lambda a, b: a + b), "-": _counted("-", lambda a, b: a - b),
    "*": _counted("*", lambda a, b: a * b), "/": _counted("/", lambda a, b: a / b if b else float("inf")),
    "%": _counted("%", lambda a, b: a % b), "**": _counted("**", lambda a, b: a**b),
    "&": _counted("&", lambda a, b: int(a) & int(b)), "|": _counted("|", lambda a, b: int(a) | int(b)),
    "^": _counted("^", lambda a, b: int(a) ^ int(b)), ">>": _counted(">>", lambda a, b: int(a) >> int(b)),
    "<<": _counted("<<", lambda a, b: int(a) << int(b)),
}  # fmt: skip


class _Evaluation:
    """One pass over the tokens, level by level of precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = [*tokens, ("END", "")]
        self.at = 0

    def value(self) -> Value:
        return self.listed()()

    def listed(self) -> Callable[[], Any]:
        parts = [self.level(0)]
        while self.tokens[self.at][0] == "SEPARATOR":
            self.at += 1
            parts.append(self.level(0))
        return parts[0] if len(parts) == 1 else lambda: [part() for part in parts]

    def level(self, depth: int) -> Callable[[], Any]:
        if depth == len(_LEVELS):
            return self.prefixed()
        left = self.level(depth + 1)
        while (token := self.tokens[self.at])[0] not in ("END", "PREFIX") and token[1] in _LEVELS[depth]:
            if token[0] in _VALUES:
                break
            self.at += 1
            left = _combined(str(token[1]), left, self.level(depth + 1))
        return left

    def prefixed(self) -> Callable[[], Any]:
        kind, symbol = self.tokens[self.at]
        if kind != "PREFIX":
            return self.single()
        self.at += 1
        inner = self.prefixed()
        return lambda: _negated(str(symbol), inner())

    def single(self) -> Callable[[], Any]:
        kind, value = self.tokens[self.at]
        self.at += 1
        if kind == "CLAUSE":
            if self.tokens[self.at][0] == "CLAUSE_CLOSE":
                self.at += 1
                return lambda: None
            inner = self.listed()
            self.at += 1
            return inner
        return lambda: value


def _negated(symbol: str, value: Value) -> Value:
    if symbol == "!":
        return not _bool("!", "logical operator", value)
    _numbers(symbol, "modifier", value)
    return -value if symbol == "-" else float(~int(value))


def _bool(operator: str, kind: str, value: Value) -> bool:
    if not isinstance(value, bool):
        shown = gojson.sprint(value)
        raise _Fault(f"Value '{shown}' cannot be used with the {kind} '{operator}', it is not a bool")
    return value


def _combined(symbol: str, left: Callable[[], Any], right: Callable[[], Any]) -> Callable[[], Any]:
    if symbol == "&&":
        return lambda: _bool("&&", "logical operator", left()) and _bool("&&", "logical operator", right())
    if symbol == "||":
        return lambda: _bool("||", "logical operator", left()) or _bool("||", "logical operator", right())
    if symbol == "?":
        return lambda: right() if _bool("?", "ternary operator", left()) else None
    if symbol in (":", "??"):
        return lambda: right() if (value := left()) is None else value
    apply = _APPLY[symbol]
    return lambda: apply(left(), right())
