"""The text of a YAML scalar in, the JSON value that Argo takes it for out (Go's sigs.k8s.io/yaml 1.6)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_WORDS: Final = TRUE | FALSE | NULL
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LARGEST_INTEGER: Final = 2**64 - 1
_WHOLE_FLOATS: Final = 1e21
"""From here on Go writes a float with an exponent, below it as an integer."""
_LONG: Final = "tag:yaml.org,2002:"


def plain_value(text: str) -> object:
    """Return what an unquoted scalar is. Raises ValueError for a number that JSON has not.

    >>> [plain_value(text) for text in ("y", "08", "1e3", "12:30", "~")]
    [True, 8, 1000, '12:30', None]
    """
    first = text[:1]
    if first not in "+-.0123456789":
        if text not in _WORDS:
            return text
        return None if text in NULL else text in TRUE
    if not first:
        return None
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"JSON has no number {text}")
    digits = text if first == "." else text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        number = _integer(digits)
        return number if -(2**63) <= number <= _LARGEST_INTEGER else _number(float(number), text)
    return _number(float(digits), text) if _FLOAT.fullmatch(digits) else text


def tagged_value(tag: str, text: str) -> object:
    """Return what a scalar with an explicit tag is. Raises ValueError when it is not of that kind."""
    short = tag.removeprefix(_LONG)
    if short == "binary":
        try:
            return base64.b64decode(text, validate=True).decode(errors="replace")
        except binascii.Error:
            raise ValueError("!!binary is not base64") from None
    kinds: dict[str, tuple[type, ...]] = {
        "bool": (bool,), "int": (int,), "float": (int, float), "null": (type(None),),
    }  # fmt: skip
    if not tag.startswith(_LONG) or short not in kinds:
        return text
    value = plain_value(text)
    if not isinstance(value, kinds[short]) or (isinstance(value, bool) and short != "bool"):
        raise ValueError(f"{text} is no !!{short}")
    return value


def _integer(digits: str) -> int:
    """Return Go's ParseInt with base 0: a leading zero means octal."""
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-").lower()
    octal = digits[0] == "0" and digits[1:].isdigit()
    return sign * int(digits, 8 if octal else 0)


def _number(value: float, text: str) -> float | int:
    """Return the number as Go's JSON has it: whole ones lose their point."""
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return int(value) if value.is_integer() and abs(value) < _WHOLE_FLOATS else value
