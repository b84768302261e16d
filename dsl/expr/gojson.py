"""Go's texts of a value: JSON as `encoding/json` writes and reads it, and `%v` of `fmt`.

Argo shows both to its users.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import Any

from dsl.expr.times import Duration, Time, plain

Value = Any
"""A value of Argo's: None, a bool, a number, a text, a list or a mapping; nobody changes it."""

_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_HTML_CHARACTER = re.compile("[<>&\u2028\u2029]")
_WHITE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)
_ODD = re.compile(r'("(?:[^"\\]|\\.)*")|(-?[0-9.]+)e-0([0-9])|-0\.0(?![0-9])', re.DOTALL)
_HEX = "[0-9a-fA-F]{2}"
_HALF = re.compile(rf"\\u[dD][89abAB]{_HEX}\\u[dD][c-fC-F]{_HEX}|\\u[dD][89a-fA-F]{_HEX}|\\.", re.DOTALL)
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_DEEPEST = 200
"""Levels of nesting that are read: all that walks over a value is to have room. Go reads 10,000."""
TOO_DEEP = "exceeded max depth"
_NOT_QUOTABLE = re.compile("[\x00-\x07\x0b\x0e-\x1f\x7f]|[\U00010000-\U0010ffff]")


class AnyKeys(dict[Any, Any]):
    """A mapping whose keys may be anything, which JSON does not take."""

    go_type = "map[interface {}]interface {}"


def dumps(value: object) -> str:
    """Return compact JSON with sorted keys, `<>&` escaped and whole floats without a fraction.

    Raises ValueError, with the message of Go's encoder, for what JSON has not.
    """
    return html_escaped(_written(value))


def stored(value: object) -> str:
    """Return the JSON that a value of a manifest is once the API server keeps it.

    It reads whole numbers of at most 64 bits as such and others as floats, and leaves `<>&` as they are. It
    does so twice, so that -0.0 is 0 in the end.
    """
    text = _written(_kept(value))
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def compact(text: str) -> str:
    """Return a JSON text without the blanks between its tokens, `<>&` escaped, and otherwise as it was."""
    return html_escaped(_TOKEN.sub(lambda found: found[1] or "", text))


def html_escaped(text: str) -> str:
    """Return JSON with `<>&` escaped."""
    return _HTML_CHARACTER.sub(lambda found: _HTML[found[0]], text)


def whole(text: str) -> int | None:
    """Return what Go's `strconv.ParseInt` reads, a whole number of 64 bits, or None.

    >>> [whole(text) for text in ("-007", "9223372036854775808", "1.0", "9" * 5000)]
    [-7, None, None, None]
    """
    found = re.fullmatch(r"[+-]?0*([0-9]{1,19})", text)
    number = int(text) if found and len(text) < 4300 else -(2**63) - 1
    return number if -(2**63) <= number < 2**63 else None


def _written(value: object) -> str:
    try:
        text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError(f"json: unsupported value: {TOO_DEEP}") from None
    return _ODD.sub(_odd, text) if "e-0" in text or "-0.0" in text else text


def _odd(found: re.Match[str]) -> str:
    """Go has an exponent below 1e-6, without leading zeros; Python has one below 1e-4."""
    if found[1] or not found[2]:
        return found[1] or "-0"
    return f"{found[2]}e-{found[3]}" if int(found[3]) > 6 else f"{Decimal(found[0]):f}"


def _kept(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**63 else float(value)
    if value == 0 and isinstance(value, float):
        return 0
    if isinstance(value, Mapping):
        return {key: _kept(inner) for key, inner in value.items()}
    return [_kept(element) for element in value] if isinstance(value, list) else value


def _plain(value: object) -> object:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"json: unsupported value: {_sprint_float(value)}")
        return int(Decimal(repr(value))) if value and value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, (Time, Duration)):
        return plain(value)
    if isinstance(value, AnyKeys):
        raise ValueError(f"json: unsupported type: {value.go_type}")
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple, range)):
        return [_plain(element) for element in value]
    return value


@lru_cache(maxsize=32)
def loads(text: str) -> object:
    """Parse JSON; every number is a float, as in Go. Callers share the value and must not change it.

    Raises:
        ValueError: with the message of Go's decoder.
    """
    return load_with(text, _EXACT_AS_FLOAT)


def load_with(text: str, decoder: json.JSONDecoder) -> object:
    """Parse with `decoder` and say what is wrong in Go's words."""
    if "\\u" in text:
        text = _HALF.sub(_whole, text)
    start = _WHITE.match(text)
    begin = start.end() if start else 0
    if begin == len(text):
        raise ValueError("unexpected end of JSON input")
    if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
        raise ValueError(TOO_DEEP)
    try:
        value, end = decoder.raw_decode(text, begin)
    except json.JSONDecodeError as wrong:
        raise ValueError(_complaint(text, begin, wrong)) from None
    rest = text[end:].lstrip(" \t\r\n")
    if rest:
        raise ValueError(f"invalid character {_quoted(rest[0])} after top-level value")
    return value


def _depth(text: str) -> int:
    brackets = _BRACKET.findall(_STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)


def _whole(found: re.Match[str]) -> str:
    """Go reads half of a surrogate pair as U+FFFD."""
    return found[0] if len(found[0]) != len(r"\ufffd") else r"\ufffd"


def _refuse(constant: str) -> float:
    raise json.JSONDecodeError(f"invalid constant {constant}", constant, 0)


_EXACT_AS_FLOAT = json.JSONDecoder(parse_int=float, parse_constant=_refuse)


def parsed(text: str) -> object:
    """Parse JSON as `loads` does, and keep nothing. Raises ValueError with the message of Go's decoder."""
    return load_with(text, _EXACT_AS_FLOAT)


def _complaint(text: str, begin: int, wrong: json.JSONDecodeError) -> str:
    place = max(wrong.pos, begin)
    if place >= len(text):
        return "unexpected end of JSON input"
    character = text[place]
    if wrong.msg.startswith("Expecting property name"):
        return f"invalid character {_quoted(character)} looking for beginning of object key string"
    if wrong.msg.startswith("Expecting ',' delimiter"):
        inside = "array element" if _innermost(text[begin:place]) == "[" else "object key:value pair"
        return f"invalid character {_quoted(character)} after {inside}"
    if wrong.msg.startswith("Invalid control character"):
        return f"invalid character {_quoted(character)} in string literal"
    if wrong.msg.startswith("Invalid \\escape"):
        return f"invalid character {_quoted(text[place + 1 : place + 2])} in string escape code"
    return f"invalid character {_quoted(character)} looking for beginning of value"


def _quoted(character: str) -> str:
    return {"'": r"'\''", '"': "'\"'"}.get(character) or repr(character)


def _innermost(begun: str) -> str:
    """Return the bracket of the list or mapping in which a text breaks off."""
    opened = [""]
    for bracket in _BRACKET.findall(_STRING.sub("", begun)):
        if bracket in "[{":
            opened.append(bracket)
        else:
            opened.pop()
    return opened[-1]


def sprint(value: object) -> str:
    """Return what `fmt.Sprint` prints."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _sprint_float(value)
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{sprint(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple, range)):
        return "[" + " ".join(map(sprint, value)) + "]"
    return str(value)


def _sprint_float(value: float) -> str:
    """Return Go's `%v`: the shortest digits, with an exponent below 1e-4 and from 1e6 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[repr(value)]
    number = Decimal(repr(value)).normalize()
    power = number.adjusted() if value else 0
    if -4 <= power < 6:
        return f"{number:f}"
    digits = "".join(map(str, number.as_tuple().digits))
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}{fraction}e{'+' if power >= 0 else '-'}{abs(power):02d}"


def is_quotable(value: str) -> bool:
    """Whether Go's `strconv.Quote` of it is also valid inside JSON: else a simple tag cannot insert it."""
    return not unquotable(value)


def unquotable(value: str) -> str:
    """Return the letter of the first escape that Go's `strconv.Quote` makes and JSON has not, or none."""
    if value.isprintable():
        return ""
    for found in _NOT_QUOTABLE.finditer(value):
        character = found[0]
        if character < "\x80":
            return {"\a": "a", "\v": "v"}.get(character, "x")
        if not character.isprintable():
            return "U"
    return ""


def stored_bytes(value: object) -> int:
    """Return the bytes of a value in compact JSON, which leaves text as it is in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))
