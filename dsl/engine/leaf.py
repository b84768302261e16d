"""A container or script template that is to run here, the places of its run, and how it ended.

`Leaves` decide when it runs, `run_leaf` runs it, `collected` reads what it left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dsl.engine.artifacts import Store
from dsl.engine.definition import Template
from dsl.engine.folder import leaf_name
from dsl.engine.journal import FileNote
from dsl.engine.node import Node
from dsl.engine.objects import Objects
from dsl.engine.orphans import Groups
from dsl.engine.pod import MAIN, own_of
from dsl.engine.process import Group, Process, Program
from dsl.engine.runtime import Runtime
from dsl.engine.volumes import Claims
from dsl.engine.work import Work

SCOPE_ENDED = "the template that started it has ended"
UNLOGGED = "the log cannot be written"


class Places(NamedTuple):
    """Folders of a run, and what all its leaves share; `yaml` reads the texts of patches."""

    store: Store
    claims: Claims
    work: Work
    groups: Groups
    tasks: Path
    logs: Path
    cache: Path
    workflow: str
    namespace: str
    marks: Mapping[str, str]
    runtime: Runtime
    spec: Mapping[str, Any]
    objects: Objects
    yaml: Callable[[str], Any]

    def start(self, program: Program) -> Process:
        """Start a process, and put its group on record. Raises OSError."""
        process = self.runtime.start(program)
        self.groups.note(process.pid)
        return process


@dataclass(slots=True)
class LeafResult:
    """How a leaf ended, and what it left: `kept` are the places of its outputs, `left` its own parts of them.

    `files` is what is in those; `members` are phase and message of the containers of a set. The phase is
    Daemoned for a daemon that has not ended and is ready.
    """

    phase: str
    message: str = ""
    exit_code: str | None = None
    result: str | None = None
    outputs: dict[str, str | None] = field(default_factory=dict)
    members: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: tuple[Path, ...] = ()
    left: tuple[Path, ...] = ()
    files: list[FileNote] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Leaf:
    """A leaf to run; `attempt` counts from 0, `until` is the `time.monotonic()` at which it is asked to end.

    `log` is the log of its task and `lines` its own part of it, known when it starts; `ready` is called when
    a daemon is.
    """

    node: Node
    template: Template
    body: Mapping[str, Any]
    inputs: Mapping[str, str]
    artifacts: Mapping[str, Mapping[str, Any]]
    keeps_stdout: bool
    attempt: int
    pod: str
    until: float | None
    group: Group = field(default_factory=Group)
    log: Path = Path()
    lines: Path = Path()
    fingerprint: str = ""
    ready: Callable[[], None] | None = None
    _own: Sequence[Mapping[str, Any]] = ()
    _main: Mapping[str, Any] | None = None

    @property
    def own(self) -> Sequence[Mapping[str, Any]]:
        """Return the containers that are its own."""
        self._own = self._own or own_of(self.body, self.template.kind)
        return self._own

    @property
    def main(self) -> Mapping[str, Any]:
        """Return the container whose outputs are its own; a set may have none."""
        if self._main is None:
            self._main = next((container for container in self.own if container["name"] == MAIN), {})
        return self._main

    @property
    def containers(self) -> Sequence[Mapping[str, Any]]:
        """Return all containers of its pod."""
        beside = (self.body.get(key) or [] for key in ("initContainers", "sidecars"))
        return [*self.own, *(container for containers in beside for container in containers)]

    @property
    def folder_name(self) -> str:
        """Return the name of the folder in which it works."""
        return leaf_name(self.template.task, self.node.path)
