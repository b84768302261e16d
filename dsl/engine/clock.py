"""Argo's texts of a duration in, seconds out, and the other way round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dsl.expr import gojson

LONGEST = float(2**63 // 10**9)
"""The seconds that a duration of Go's has at most."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def seconds_of(text: str) -> float:
    """Return the seconds of `"90"`, `"1m30s"` or `"1.5h"`.

    Raises:
        ValueError: with the words of Argo and Go.

    >>> seconds_of("1m30s")
    90.0
    """
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return min(float(text), LONGEST)
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if body == "" or _PART.sub("", body):
        is_bare = re.fullmatch(rf"(?:{_PART.pattern})*(?:\d+\.?\d*|\.\d+)", body)
        what = "missing unit in" if is_bare else "invalid"
        raise ValueError(f'unable to parse {text} as a duration: time: {what} duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(body))
    if seconds > LONGEST:
        raise ValueError(f'unable to parse {text} as a duration: time: invalid duration "{text}"')
    return sign * seconds


def duration(seconds: float) -> str:
    """Return seconds as authors write them.

    >>> [duration(seconds) for seconds in (5400, 90, 0.5, 0)]
    ['1h30m', '1m30s', '0.5s', '0s']
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ((f"{hours}", "h"), (f"{minutes}", "m"), (f"{rest:g}", "s"))
    return "".join(number + unit for number, unit in parts if number != "0") or "0s"


def limit_of(body: Mapping[str, Any]) -> float | None:
    """Return how many seconds a leaf may take, as its template says, or None. Raises ValueError."""
    limits = []
    if body.get("activeDeadlineSeconds") is not None:
        limits.append(float(whole(body["activeDeadlineSeconds"])))
    for name in ("timeout", "pendingTimeout"):
        try:
            if body.get(name):
                seconds = seconds_of(str(body[name]))
                limits += [seconds] if name == "timeout" else []
        except ValueError as wrong:
            raise ValueError(f"invalid timeout format {wrong}") from None
    return min(limits) if limits else None


def whole(value: object) -> int:
    """Return a whole number. Raises ValueError in Argo's words."""
    number = gojson.whole(str(value))
    if number is None:
        raise ValueError(f"value '{value}' cannot be resolved to an int")
    return number
