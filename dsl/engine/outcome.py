"""How a run ended: phases, messages and outputs per node path, and the JSON form of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """How one node ended. `outputs` has None for what was declared and never set.

    `flag` is `retried` or `hooked`.
    """

    type: str
    phase: str
    message: str
    exit_code: str | None = None
    result: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str | None] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    flag: str = ""
    template: str = ""

    def to_status(self) -> dict[str, Any]:
        """Return its JSON form, without what is absent."""
        status: dict[str, Any] = {"type": self.type, "phase": self.phase, "message": self.message}
        if self.exit_code is not None:
            status["exitCode"] = self.exit_code
        if self.result is not None:
            status["result"] = self.result
        for name, value in (
            ("outputs", self.outputs),
            ("inputs", self.inputs),
            ("artifacts", self.artifacts),
        ):
            if value:
                status[name] = dict(value)
        if self.flag:
            status["flag"] = {self.flag: True}
        return status


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    `nodes` are keyed by path: display names from the root `main`, joined by `/`. `stuck` says why Argo would
    wait for ever where it would; the phase is Error then. `taken` leaves were taken over from a former run.
    """

    name: str
    phase: str
    message: str
    nodes: Mapping[str, NodeOutcome]
    outputs: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stuck: str = ""
    taken: int = 0

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
