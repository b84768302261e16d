"""Checks: a stage's result in, diagnostics out. Each check is one function; a stage's tuple lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from dsl.diagnostics import Diagnostic

S = TypeVar("S")


def check(result: S, checks: Iterable[Callable[[S], Iterator[Diagnostic]]]) -> tuple[Diagnostic, ...]:
    """Return what all checks of a stage find in its result."""
    return tuple(diagnostic for one in checks for diagnostic in one(result))
