"""What keeps a run from starting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Refused(ValueError):
    """The engine does not run this manifest.

    The text says what is wrong with it.
    """


@dataclass(frozen=True, slots=True)
class Reason:
    """What of a manifest, and of its `template` if one has it, cannot run here; why, or what to do."""

    what: str
    why: str
    template: Mapping[str, Any] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"not supported: {self.what}: {self.why}"


class Unsupported(Refused):
    """The manifest uses what the engine does not do, for at least one reason."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        super().__init__("\n".join(map(str, reasons)))
        self.reasons = reasons


class Missing(Refused):
    """The manifest refers to an object that the run was not given; the text names it."""


class NoTask(Refused):
    """A task is chosen that the run does not have; `known` are those that it has."""

    def __init__(self, task: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no task {task}")
        self.task = task
        self.known = known
