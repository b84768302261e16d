"""What is wrong, where, and what to do about it: facts without layout. `report` draws them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dsl.codes import Code, Severity
from dsl.location import Location


class Related(NamedTuple):
    """Another place that takes part in a problem, and its part in it."""

    message: str
    location: Location


class Fix(NamedTuple):
    """What mends a problem for certain: `replacement` for the text at a place, which lies within one line."""

    location: Location
    replacement: str


class Diagnostic(NamedTuple):
    """One finding: `message` is a lower-case clause, `hint` an action, `fix` that action if it is safe."""

    code: Code
    location: Location
    message: str
    hint: str = ""
    related: tuple[Related, ...] = ()
    fix: Fix | None = None

    @property
    def is_error(self) -> bool:
        """Whether it prevents a manifest; a warning does not."""
        return self.code.severity is Severity.ERROR


class Rejected(Exception):
    """Input that no stage can go on with; it carries at least one diagnostic."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(f"{d.location}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return them by place, then code, without duplicates."""
    return tuple(sorted(set(diagnostics), key=lambda d: (d.location, d.code.id, d.message)))
