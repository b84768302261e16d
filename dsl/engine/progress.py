"""What a run tells its watcher: leaves that start and end, per execution function, and how many to expect."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol


class LeafEvent(NamedTuple):
    """A leaf that starts (`phase` Running) or ended.

    `task` is the task id, or the template's name in a foreign manifest; `node` the path of the node;
    `attempt` counts from 1; `seconds` is the time since its start; `log` is the log of the task, `lines` the
    part of it that this attempt wrote; `may_go_on` is whether another attempt may follow when it failed.
    """

    task: str
    node: str
    attempt: int
    phase: str
    message: str
    seconds: float
    log: Path
    lines: Path = Path()
    may_go_on: bool = False


class Progress(Protocol):
    """Receives what happens, in order, always on the thread that called `run`."""

    def expected(self, task: str, count: int) -> None:
        """`count` more pods of a task may run; loops add theirs when their length is known."""

    def started(self, event: LeafEvent) -> None:
        """A process starts."""

    def ended(self, event: LeafEvent) -> None:
        """A process ended, or a leaf failed before it had one."""

    def skipped(self, task: str, count: int) -> None:
        """`count` expected pods will not run: skipped, omitted, or below a failure."""


class Silent:
    """A Progress that tells nobody."""

    def expected(self, task: str, count: int) -> None:
        """Nothing."""

    def started(self, event: LeafEvent) -> None:
        """Nothing."""

    def ended(self, event: LeafEvent) -> None:
        """Nothing."""

    def skipped(self, task: str, count: int) -> None:
        """Nothing."""
