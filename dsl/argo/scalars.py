"""The scalars that Go decodes in its own way: quantities, durations, times, numbers as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

_QUANTITY: Final = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?")
_DURATION: Final = re.compile(r"[-+]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))")
_DURATIONS: Final = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)")
_TIME: Final = re.compile(r"\d{4}-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(Z|[-+](\d\d):(\d\d))", re.A)
_INTEGER: Final = re.compile(r"[-+]?[0-9]+", re.A)
_BITS: Final = {"int32": 31, "int64": 63, "int": 63, "uint64": 64}


def is_quantity(value: object) -> bool:
    """Whether Kubernetes reads a value as a quantity, as in `100m` or `1Gi`."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    return bool(_QUANTITY.fullmatch(str(value)))


def is_duration(text: str) -> bool:
    """Whether Go's time.ParseDuration takes a text, as in `1h30m`."""
    return bool(_DURATIONS.fullmatch(text))


def is_time(text: str) -> bool:
    """Whether a text is a moment by RFC 3339."""
    found = _TIME.fullmatch(text)
    if not found:
        return False
    month, day, hour, minute, second = (int(part) for part in found.groups()[:5])
    return 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60


def is_integer(text: str) -> bool:
    """Whether Go's strconv.Atoi takes a text."""
    return bool(_INTEGER.fullmatch(text)) and -(2**63) <= int(text) < 2**63


def fits(number: int, kind: str) -> bool:
    """Whether an integer fits into a type of Go's."""
    high: int = 2 ** _BITS[kind]
    return (0 if kind.startswith("u") else -high) <= number < high


def as_text(value: object) -> str:
    """Return what a parameter's value is for Argo: a list or mapping is lost.

    >>> [as_text(value) for value in (1.5, 12, True, "x", [1])]
    ['1.5', '12', 'true', 'x', '']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        shown = format(Decimal(repr(float(value))), "f")
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    return value if isinstance(value, str) else ""


def kind_of(value: object) -> str:
    """Return what a JSON value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, Mapping) else "a list"
