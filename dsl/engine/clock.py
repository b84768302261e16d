"""Argo's texts of durations and moments in, seconds out, and the other way round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from dsl.expr import gojson, times

LONGEST = float(times.MOST // 10**9)
"""The seconds that a duration of Go's has at most."""


def seconds_of(text: str) -> float:
    """Return the seconds of `"90"`, `"1m30s"` or `"1.5h"`.

    Raises:
        ValueError: with the words of Argo and Go.

    >>> seconds_of("1m30s")
    90.0
    """
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return min(float(text), LONGEST)
    try:
        return times.duration(text).nanoseconds / 1e9
    except ValueError as wrong:
        raise ValueError(f"unable to parse {text} as a duration: {wrong}") from None


def duration(seconds: float) -> str:
    """Return seconds as authors write them.

    >>> [duration(seconds) for seconds in (5400, 90, 0.5, 0)]
    ['1h30m', '1m30s', '0.5s', '0s']
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ((f"{hours}", "h"), (f"{minutes}", "m"), (f"{rest:g}", "s"))
    return "".join(number + unit for number, unit in parts if number != "0") or "0s"


@lru_cache(maxsize=1024)
def moment(seconds: int) -> str:
    """Return a time since 1970 as Argo writes it; many nodes of a large run share one.

    >>> moment(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def limit_of(body: Mapping[str, Any]) -> float | None:
    """Return how many seconds a leaf may take, as its template says, or None. Raises ValueError."""
    limits = []
    if body.get("activeDeadlineSeconds") is not None:
        limits.append(float(whole(body["activeDeadlineSeconds"])))
    limits += [seconds for name, seconds in _timeouts(body).items() if name == "timeout"]
    return min(limits, default=None)


def patience_of(body: Mapping[str, Any]) -> float | None:
    """Return how many seconds a node may be pending, as its template says, or None. Raises ValueError."""
    return min(_timeouts(body).values(), default=None)


def _timeouts(body: Mapping[str, Any]) -> dict[str, float]:
    names = (name for name in ("timeout", "pendingTimeout") if body.get(name))
    try:
        return {name: seconds_of(str(body[name])) for name in names}
    except ValueError as wrong:
        raise ValueError(f"invalid timeout format {wrong}") from None


def whole(value: object) -> int:
    """Return a whole number. Raises ValueError in Argo's words."""
    number = gojson.whole(str(value))
    if number is None:
        raise ValueError(f"value '{value}' cannot be resolved to an int")
    return number
