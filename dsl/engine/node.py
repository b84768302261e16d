"""A node of a run: one call of a template, or what groups such calls; its state while the run goes on."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dsl.engine.clock import moment
from dsl.engine.definition import Template
from dsl.engine.outcome import NodeOutcome
from dsl.engine.scope import View
from dsl.expr import gojson
from dsl.expr.depends import DAEMONED

if TYPE_CHECKING:
    from dsl.engine.call import Call

COUNTED = ("Pod", "Steps", "DAG")
COMPLETED = ("Succeeded", "Failed", "Error")
NOTHING: Mapping[str, Any] = MappingProxyType({})
"""Stands for what most nodes of a large run never have."""
Branch = tuple[tuple[str, int], ...]
_ALONE: dict[str, Branch] = {phase: ((phase, 0),) for phase in COMPLETED}
BAD = ("Failed", "Error")
FAILED_FAST = "template has failed or errored children and failFast enabled"


def merged(branches: Iterable[Branch]) -> Branch:
    """Return what several branches show, each phase once: Argo looks at what is nearest first.

    >>> merged([(("Failed", 3), ("Error", 4)), (("Error", 1),)])
    (('Error', 1), ('Failed', 3))
    """
    nearest: dict[str, int] = {}
    for phase, distance in (each for branch in branches for each in branch):
        nearest[phase] = min(nearest.get(phase, distance), distance)
    return tuple(sorted(nearest.items(), key=lambda each: each[1]))


def shown(node: Node, phase: str, *, outside: bool = False) -> Branch:
    """Return the branch of a node in a group that has ended with a phase, which a skipped one passes on."""
    branch = node.outer if outside and node.outer is not None else node.branch
    return alone(phase) if branch is None else branch


def alone(phase: str) -> Branch:
    """Return the branch of a node that nothing hangs below."""
    return _ALONE.get(phase) or ((phase, 0),)


def further(branch: Branch, edges: int) -> Branch:
    """Return a branch as it is seen from some edges above."""
    return tuple((phase, distance + edges) for phase, distance in branch)


class NodeFault(ValueError):
    """A call cannot be made; the message becomes that of its node."""


def hash32(text: str) -> int:
    """Return the FNV-1a hash that Argo puts into node and pod names."""
    cut = text.rfind("(") + 1  # the items of a loop have the same name up to there
    return _continued(_begun(text[:cut]), text[cut:])


@lru_cache(maxsize=256)
def _begun(text: str) -> int:
    return _continued(2166136261, text)


def _continued(value: int, text: str) -> int:
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def _nothing() -> Mapping[str, Any]:
    return NOTHING


@dataclass(slots=True, eq=False)
class Inside:
    """The calls that stand in a DAG or steps node.

    `limit` is how many of them may run at once, 0 for any number, and `active` how many do; `waiting` are
    those that may not begin yet, by their turn; `bad` is how many failed, and `abort` ends a node for that.
    `nodes` are all that were made for them; `is_stuck` says that something below one of them never ends, for
    which a DAG waits, and steps do not.
    """

    limit: int
    fails_fast: bool
    abort: Callable[[], None] | None
    active: int = 0
    bad: int = 0
    is_stuck: bool = False
    waiting: list[tuple[tuple[int, ...], int, Call]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Node:
    """A node.

    `name` is Argo's full name, `path` the display names from `main` on, `order` its turn among waiting
    leaves.

    `started` is when a leaf's process starts, else when the node is made; `finished` is 0 until its end.

    `branch` are the phases that a DAG sees below the node, and how many edges away, the nearest first; None
    when it passes on what came from above; `outer` is what one above the node's own DAG or steps sees, where
    that differs: what waits for retried steps hangs below the last attempt, and out there below its steps;
    `fault` is the message of an error that kept it from running or from making its outputs; `memo` is the
    template's `memoize`, and `recalled` whether a cache had the outputs; `ip` is where a daemon listens;
    `taken` is whether a former run ran it, or all that ran below it; `beside` is whether it is, or stands in,
    a hook of what ran when it was called.
    """

    name: str
    path: str
    type: str
    boundary: Node | None = None
    template: Template | None = None
    task: str = ""
    phase: str = "Running"
    message: str = ""
    flag: str = ""
    fault: str = ""
    order: tuple[int, ...] = ()
    depth: int = 0
    inputs: Mapping[str, str] = field(default_factory=_nothing)
    outputs: Mapping[str, str | None] = field(default_factory=_nothing)
    artifacts: Mapping[str, dict[str, Any]] = field(default_factory=_nothing)
    result: str | None = None
    exit_code: str | None = None
    children: Sequence[Node] = ()
    started: float = field(default_factory=time.time)
    finished: float = 0.0
    ran: bool = False
    memo: Mapping[str, Any] | None = None
    recalled: bool = False
    taken: bool = False
    beside: bool = False
    branch: Branch | None = None
    outer: Branch | None = None
    ip: str = ""
    exports: Mapping[str, Any] = field(default_factory=_nothing)
    inside: Inside | None = None
    done: Callable[[Node], None] | None = None
    view: View | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has its last phase, or is a daemon that is ready."""
        return self.phase not in ("Pending", "Running")

    @property
    def is_attempt(self) -> bool:
        """Whether it is one of those that a Retry node groups."""
        return "retried" in self.flag and self.type != "Retry"

    @property
    def status(self) -> str:
        """Return its phase as others see it."""
        return "Running" if self.phase == DAEMONED else self.phase

    @property
    def has_outputs(self) -> bool:
        """Whether it set anything that others can read."""
        return self.result is not None or self.exit_code is not None or bool(self.outputs or self.artifacts)

    @property
    def below(self) -> Sequence[Node]:
        """What stands in it, or what it groups; itself for what has not come."""
        return self.inside.nodes if self.inside else self.children

    @property
    def ran_now(self) -> bool:
        """Whether this run, and no former one, ran it or anything below it."""
        return not self.taken and (self.ran or any(node.ran_now for node in self.below if node is not self))

    def take_times(self) -> None:
        """Take the times of a former run over from what is below: the end only if nothing there ran now."""
        taken = [node for node in self.below if node.taken]
        if taken:
            self.started = min(self.started, *(node.started for node in taken))
            if not self.ran_now:
                self.taken, self.finished = True, max(node.finished for node in taken)

    def identity(self, workflow: str) -> str:
        """Return Argo's node id."""
        return workflow if self.name == workflow else f"{workflow}-{hash32(self.name)}"

    def to_outcome(self) -> NodeOutcome:
        """Return what a caller of `run` sees of it."""
        template = self.template
        return NodeOutcome(
            self.type,
            self.status,
            self.message,
            self.exit_code,
            self.result,
            self.inputs,
            self.outputs,
            {name: _located(artifact) for name, artifact in self.artifacts.items()} or NOTHING,
            self.flag,
            template.name if template else "",
            None if self.memo is None else self.recalled,
            self.phase == DAEMONED,
            template.kind if template else "",
            template.task if template else "",
            self.started,
            self.finished,
        )


def _located(artifact: Mapping[str, Any]) -> dict[str, Any]:
    if "raw" in artifact:
        return {"raw": artifact["raw"].get("data", "")}
    return {"key": (artifact.get("s3") or {}).get("key", "")}


def view_of(node: Node, workflow: str, *, with_artifacts: bool = False) -> View:
    """Return what other nodes may read of a node; made once when it is done.

    `with_artifacts` gives a skipped step empty artifacts, as Argo does in steps and not in DAGs.
    """
    if node.view is not None:
        return node.view
    source = node.children[-1] if node.type == "Retry" and node.children else node
    flat: dict[str, Any] = {
        "id": source.identity(workflow),
        "status": source.status,
        "startedAt": moment(int(source.started)),
    }
    if source.type == "Pod":
        flat["hostNodeName"] = platform.node()
    if source.finished:
        flat["finishedAt"] = moment(int(source.finished))
    if ip := source.ip or node.ip:
        flat["ip"] = ip
    if node.type == "TaskGroup":
        flat.update(aggregated(node.children))
    if source.result is not None:
        flat["outputs.result"] = source.result
    if source.exit_code is not None:
        flat["exitCode"] = source.exit_code
    flat.update({f"outputs.parameters.{name}": v for name, v in source.outputs.items() if v is not None})
    artifacts = dict(source.artifacts)
    if node.phase in ("Skipped", "Omitted") and not node.has_outputs and node.template:
        flat.update(_of_skipped(node.template))
        if with_artifacts:
            declared = (node.template.raw.get("outputs") or {}).get("artifacts") or []
            artifacts.update({str(artifact["name"]): {} for artifact in declared})
    view = View(flat, artifacts)
    if node.is_done:
        node.view = view
    return view


def _of_skipped(template: Template) -> dict[str, str | None]:
    """A default is shown as it was written, tags and all; without one the output is an absent optional."""
    return {
        f"outputs.parameters.{parameter['name']}": (parameter.get("valueFrom") or {}).get("default")
        for parameter in template.outputs
    }


def aggregated(children: Sequence[Node]) -> dict[str, str]:
    """Return the lists of a loop's outputs (operator.go:processAggregateNodeOutputs, v4.1.2).

    Raises:
        NodeFault: a stdout is no JSON value.
    """
    if not children:
        return {}
    rows: list[dict[str, str]] = []
    columns: dict[str, list[str]] = {}
    results: list[str] = []
    for child in children:
        if child.phase != "Succeeded" or not child.has_outputs:
            continue
        if child.outputs:
            rows.append({name: value or "" for name, value in child.outputs.items()})
            for name, value in child.outputs.items():
                columns.setdefault(name, []).append(value or "")
        if child.result is not None:
            results.append(_item_text(child.result))
    lists = {"outputs.result": f"[{','.join(results)}]", "outputs.parameters": gojson.dumps(rows)}
    for name, values in columns.items():
        lists[f"outputs.parameters.{name}"] = _value_list(values)
    return lists


def _item_text(result: str) -> str:
    try:
        gojson.parsed(result)
    except ValueError as wrong:
        raise NodeFault(str(wrong)) from None
    return gojson.compact(result)


def _value_list(values: list[str]) -> str:
    """Embed the values when all are JSON objects or arrays, else keep them as texts."""
    if all(value.lstrip()[:1] in ("{", "[") for value in values):
        try:
            return gojson.dumps([gojson.loads(value) for value in values])
        except ValueError:
            pass
    return gojson.dumps(values)
