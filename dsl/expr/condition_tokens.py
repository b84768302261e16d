"""A `when` text in, the tokens that Knetic's govaluate reads in it out.

Source: parsing.go and lexerState.go of github.com/Knetic/govaluate (7625b7f); messages are theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from dsl.expr import gojson

_QUOTES = "'\""
_PREFIXES = ("-", "!", "~")
_SYMBOLS = {
    **dict.fromkeys(("+", "-", "*", "/", "%", "**", "&", "|", "^", ">>", "<<"), "MODIFIER"),
    **dict.fromkeys(("&&", "||"), "LOGICALOP"),
    **dict.fromkeys(("==", "!=", ">", ">=", "<", "<=", "=~", "!~"), "COMPARATOR"),
    **dict.fromkeys(("?", ":", "??"), "TERNARY"),
}
_DAY = r"(\d{4})-(\d\d)-(\d\d)"
_DATES = [
    re.compile(_DAY + rest)
    for rest in (
        "", r" (\d\d?):(\d\d)", r" (\d\d?):(\d\d):(\d\d)(?:[.,]\d+)?",
        r" (\d\d?):(\d\d):(\d\d)(?:[.,]\d+)?([+-]\d\d:\d\d)", r"T(\d\d?)(Z|[+-]\d{4})",
        r"T(\d\d?):(\d\d)(Z|[+-]\d{4})", r"T(\d\d?):(\d\d):(\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)",
    )
]  # fmt: skip
_WORDY_DATES = (
    "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S UTC %Y", "%a %b %d %H:%M:%S %z %Y", "%I:%M%p",
)  # fmt: skip
_MERIDIAN = re.compile(r"\d{1,2}:\d\d[AP]M|[A-Z][a-z]{2} [A-Z][a-z]{2} .*")


class Fault(ValueError):
    """What govaluate says; the caller puts Argo's words before it."""


class Token(NamedTuple):
    """A kind of govaluate's, its value, and how a message shows it."""

    kind: str
    value: Any
    shown: str = ""


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of a condition. Raises Fault."""
    found: list[Token] = []
    place = 0
    while True:
        while place < len(text) and text[place].isspace():
            place += 1
        if place >= len(text):
            break
        token, place = _token(text, place, found[-1].kind if found else "UNKNOWN")
        found.append(token)
    depth = sum((token.kind == "CLAUSE") - (token.kind == "CLAUSE_CLOSE") for token in found)
    if depth:
        raise Fault("Unbalanced parenthesis")
    return found


def _token(text: str, place: int, before: str) -> tuple[Token, int]:
    first = text[place]
    if first.isdecimal() or first == ".":
        return _number(text, place)
    if first in "(),":
        kind = {"(": "CLAUSE", ")": "CLAUSE_CLOSE", ",": "SEPARATOR"}[first]
        return Token(kind, first, {"(": "40", ")": "41"}.get(first, "")), place + 1
    if first == "[":
        word, end = _until(text, place + 1, lambda character: character == "]", blanks=True)
        if end >= len(text):
            raise Fault("Unclosed parameter bracket")
        return Token("VARIABLE", word), end + 1
    if first.isalpha():
        word, end = _until(text, place, lambda character: not (character.isalnum() or character in "_."))
        return _word(word), end
    if first in _QUOTES:
        word, end = _until(text, place + 1, lambda character: character in _QUOTES, blanks=True)
        if end >= len(text):
            raise Fault("Unclosed string literal")
        moment = _moment(word)
        return (Token("STRING", word) if moment is None else _time(moment)), end + 1
    return _symbol(text, place, before)


def _until(text: str, place: int, ends: Callable[[str], bool], *, blanks: bool = False) -> tuple[str, int]:
    """Read up to a character that ends the token, or a blank; a backslash takes what follows as it is."""
    out: list[str] = []
    while place < len(text):
        character = text[place]
        if character == "\\" and place + 1 < len(text):
            out.append(text[place + 1])
            place += 2
            continue
        if (not blanks and character.isspace()) or ends(character):
            break
        out.append(character)
        place += 1
    return "".join(out), place


def _number(text: str, place: int) -> tuple[Token, int]:
    if text.startswith("0x", place):
        digits, end = _until(text, place + 2, lambda each: each not in "0123456789abcdefABCDEF")
        if not digits or int(digits, 16) >= 2**64:
            raise Fault(f"Unable to parse hex value '{digits}' to uint64\n")
        return Token("NUMERIC", float(int(digits, 16))), end
    digits, end = _until(text, place, lambda each: not (each.isdecimal() or each == "."))
    try:
        return Token("NUMERIC", float(digits)), end
    except ValueError:
        raise Fault(f"Unable to parse numeric value '{digits}' to float64\n") from None


def _word(word: str) -> Token:
    if word in ("true", "false"):
        return Token("BOOLEAN", word == "true")
    if word in ("in", "IN"):
        return Token("COMPARATOR", "in")
    if "." not in word[1:]:
        return Token("VARIABLE", word)
    if word.endswith("."):
        raise Fault(f"Hanging accessor on token '{word}'")
    for field in word.split(".")[1:]:
        if field[:1].upper() != field[:1]:
            raise Fault(f"Unable to access unexported field '{field}' in token '{word}'")
    return Token("ACCESSOR", word, gojson.sprint(word.split(".")))


def _symbol(text: str, place: int, before: str) -> tuple[Token, int]:
    symbol, end = _until(text, place, lambda each: each.isalnum() or each in "()[]" or each in _QUOTES)
    if "PREFIX" in _NEXT[before] and symbol in _PREFIXES:
        return Token("PREFIX", symbol), end
    if symbol not in _SYMBOLS:
        raise Fault(f"Invalid token: '{symbol}'")
    return Token(_SYMBOLS[symbol], symbol), end


def _time(moment: datetime) -> Token:
    offset = moment.strftime("%z %Z") if moment.utcoffset() else "+0000 UTC"
    shown = f"{moment:%Y-%m-%d %H:%M:%S} {offset}"
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return Token("TIME", float((moment - epoch) // timedelta(seconds=1)), shown)


def _moment(text: str) -> datetime | None:
    """The moment that a text in one of govaluate's forms of dates names; without a zone it is UTC's."""
    for form in _DATES:
        if found := form.fullmatch(text):
            parts = [part for part in found.groups() if part is not None]
            zone = parts.pop() if parts[-1] == "Z" or parts[-1][0] in "+-" else "Z"
            try:
                year, month, day, hour, minute, second = [*map(int, parts), 0, 0, 0][:6]
                return datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone))
            except ValueError:
                return None
    if not _MERIDIAN.fullmatch(text):
        return None
    for wordy in _WORDY_DATES:
        try:
            moment = datetime.strptime(text, wordy)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    away = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-away if text[0] == "-" else away)


_OPERAND = {"NUMERIC", "BOOLEAN", "VARIABLE", "ACCESSOR", "CLAUSE"}
_TEXTS = {"STRING", "TIME"}
_AFTER_VALUE = {"MODIFIER", "COMPARATOR", "LOGICALOP", "CLAUSE_CLOSE", "SEPARATOR"}
_VALUE = _AFTER_VALUE | {"TERNARY"}
_NEXT: dict[str, set[str]] = {
    "UNKNOWN": _OPERAND | _TEXTS | {"PREFIX"},
    "CLAUSE": _OPERAND | _TEXTS | {"PREFIX", "CLAUSE_CLOSE"},
    "CLAUSE_CLOSE": _VALUE | _TEXTS | {"NUMERIC", "BOOLEAN", "VARIABLE", "CLAUSE"},
    "NUMERIC": _VALUE,
    "BOOLEAN": _VALUE,
    "STRING": _VALUE,
    "VARIABLE": _VALUE,
    "TIME": _AFTER_VALUE,
    "MODIFIER": _OPERAND | {"PREFIX", "STRING", "CLAUSE_CLOSE"},
    "COMPARATOR": _OPERAND | _TEXTS | {"PREFIX", "CLAUSE_CLOSE"},
    "LOGICALOP": _OPERAND | _TEXTS | {"PREFIX", "CLAUSE_CLOSE"},
    "PREFIX": _OPERAND | {"CLAUSE_CLOSE"},
    "TERNARY": _OPERAND | _TEXTS | {"PREFIX", "SEPARATOR"},
    "ACCESSOR": _VALUE | {"CLAUSE"},
    "SEPARATOR": _OPERAND | _TEXTS | {"PREFIX"},
}
_LAST = {"CLAUSE_CLOSE", "NUMERIC", "BOOLEAN", "STRING", "TIME", "VARIABLE", "ACCESSOR"}


def check_syntax(tokens: list[Token]) -> None:
    """Refuse tokens that may not follow one another. Raises Fault."""
    last = Token("UNKNOWN", None)
    for token in tokens:
        if token.kind not in _NEXT[last.kind]:
            if (last.kind, token.kind) == ("VARIABLE", "CLAUSE"):
                raise Fault(f"Undefined function {last.value}")
            pair = f"from {last.kind} [{_shown(last)}] to {token.kind} [{_shown(token)}]"
            raise Fault(f"Cannot transition token types {pair}")
        last = token
    if last.kind not in _LAST:
        raise Fault("Unexpected end of expression")


def _shown(token: Token) -> str:
    return token.shown or gojson.sprint(token.value)
