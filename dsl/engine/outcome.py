"""How a run ended: phases, messages and outputs per node path, and the JSON form of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from dsl.engine.clock import moment

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class NodeOutcome(NamedTuple):
    """How one node ended. `outputs` has None for what was declared and never set.

    `flag` is `retried`, `hooked` or both words; `memo_hit` says of a template with `memoize` whether a cache
    had its outputs; `daemoned` is whether it is a daemon that has not ended; `kind` is that of its template,
    `task` what this is for; `started` and `finished` are seconds since 1970, 0 for never.
    """

    type: str
    phase: str
    message: str
    exit_code: str | None = None
    result: str | None = None
    inputs: Mapping[str, str] = _NOTHING
    outputs: Mapping[str, str | None] = _NOTHING
    artifacts: Mapping[str, Mapping[str, Any]] = _NOTHING
    flag: str = ""
    template: str = ""
    memo_hit: bool | None = None
    daemoned: bool = False
    kind: str = ""
    task: str = ""
    started: float = 0.0
    finished: float = 0.0

    def to_status(self) -> dict[str, Any]:
        """Return its JSON form, without what is absent."""
        status: dict[str, Any] = {"type": self.type, "phase": self.phase, "message": self.message}
        if self.exit_code is not None:
            status["exitCode"] = self.exit_code
        if self.result is not None:
            status["result"] = self.result
        if self.outputs:
            status["outputs"] = dict(self.outputs)
        if self.inputs:
            status["inputs"] = dict(self.inputs)
        if self.artifacts:
            status["artifacts"] = dict(self.artifacts)
        if self.memo_hit is not None:
            status["memoHit"] = self.memo_hit
        if self.daemoned:
            status["daemoned"] = True
        if self.flag:
            status["flag"] = dict.fromkeys(self.flag.split(), True)
        return status

    def to_timeline(self) -> dict[str, str]:
        """Return what it was for and when it started and ended."""
        return {"kind": self.kind, "task": self.task, **_times(self.started, self.finished)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    `nodes` are keyed by path: display names from the root `main`, joined by `/`. `stuck` says why Argo would
    wait for ever where it would; the phase is Error then. `taken` leaves were taken over from a former run,
    among them some of `outdated` tasks: these would run again if it were not for `only`. `doubtful` are the
    volumes whose folders were changed after the former run was killed and while a task of it still worked.
    `results` is what `results.json` holds, or would if the disk had room for it.
    """

    name: str
    phase: str
    message: str
    nodes: Mapping[str, NodeOutcome]
    outputs: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stuck: str = ""
    started: float = 0.0
    finished: float = 0.0
    taken: int = 0
    outdated: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether the phase is Succeeded."""
        return self.phase == "Succeeded"

    def to_status(self) -> dict[str, Any]:
        """Return the JSON form: phase, message, nodes and the outputs of the workflow."""
        status: dict[str, Any] = {"phase": self.phase, "message": self.message}
        if self.stuck:
            status["stuck"] = self.stuck
        status["nodes"] = {path: node.to_status() for path, node in self.nodes.items()}
        if self.outputs:
            status["outputs"] = dict(self.outputs)
        if self.artifacts:
            status["artifacts"] = dict(self.artifacts)
        return status

    def to_timeline(self) -> dict[str, Any]:
        """Return the JSON form of what differs from run to run, and of what the nodes were for."""
        nodes = {path: node.to_timeline() for path, node in self.nodes.items()}
        return _times(self.started, self.finished) | {"nodes": nodes}


def _times(started: float, finished: float) -> dict[str, str]:
    """Return times in Argo's fields, with milliseconds."""
    times = {"startedAt": _exactly(started)} if started else {}
    if finished:
        times["finishedAt"] = _exactly(finished)
    return times


def _exactly(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1e6) // 1000, 1000)
    return f"{moment(whole)[:-1]}.{thousandths:03}Z"
