"""Argo's texts of a duration in, seconds out."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def seconds_of(text: str) -> float:
    """Return the seconds of `"90"`, `"1m30s"` or `"1.5h"`.

    Raises:
        ValueError: with the words of Argo and Go.

    >>> seconds_of("1m30s")
    90.0
    """
    if re.fullmatch(r"[+-]?\d+", text):
        return float(text)
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if body == "" or _PART.sub("", body):
        is_bare = re.fullmatch(rf"(?:{_PART.pattern})*(?:\d+\.?\d*|\.\d+)", body)
        what = "missing unit in" if is_bare else "invalid"
        raise ValueError(f'{text} as a duration: time: {what} duration "{text}"')
    return sign * sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(body))
