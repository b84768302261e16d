"""The status and the timeline of a run in, its pods out: every attempt, and every call that came to none.

Of a run at work its journal knows the pods that have ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dsl.engine.journal import Former

RETRIED = "Retried"
"""The state of a failed attempt after which there was another."""
BAD = ("Failed", "Error")
_NEVER = ("Skipped", "Omitted", "Pending")
_LEAVES = ("container", "script", "containerSet")
_CALLS = ("Skipped", "Retry", "DAG", "Steps")
_ATTEMPT = re.compile(r"\((\d+)\)$")


@dataclass(frozen=True, slots=True)
class Pod:
    """One attempt; `path` is its node's, `name` that of what was attempted, times are seconds since 1970.

    `attempt` counts from 1, and is 0 for what never started.
    """

    function: str
    path: str
    name: str
    attempt: int
    state: str
    message: str
    exit_code: str
    inputs: Mapping[str, Any]
    started: float | None
    finished: float | None


def pods_of(status: Mapping[str, Any], timeline: Mapping[str, Any]) -> Iterator[Pod]:
    """Yield the pods in the order of their nodes. Raises KeyError, TypeError or ValueError."""
    nodes = status["nodes"]
    bad = [path for path, node in nodes.items() if node["phase"] in BAD]
    above = {path[: mark.start()] for path in bad for mark in re.finditer(r"[/(]", path)}
    for path, node in nodes.items():
        beside = timeline["nodes"][path]
        if _counts(node, beside["kind"], path in above):
            yield _pod(beside["task"], path, nodes, beside)


def ended_pods(journal: Former) -> Iterator[Pod]:
    """Yield the pods of a run at work that have ended.

    What failed before the run was taken up is left out: it runs again.
    """
    for path, record in journal.records.items():
        if not record.started or (record.phase in BAD and path in journal.older):  # 0: a suspend template
            continue
        name, attempt, state = path, 1, record.phase
        if found := _ATTEMPT.search(path):
            name, attempt = path[: found.start()], int(found[1]) + 1
            state = RETRIED if f"{name}({attempt})" in journal.records else state
        yield Pod(
            record.task, path, name.removeprefix("main/"), attempt, state, record.message,
            record.exit_code or "", {}, record.started, record.finished,
        )  # fmt: skip


def _counts(node: Mapping[str, Any], kind: str, is_above: bool) -> bool:
    """Whether a node is a pod, would have been one, or failed by itself and not by a pod below it.

    A suspend template is what a compiler puts beside tasks.
    """
    failed = node["phase"] in BAD and bool(node["message"]) and not is_above
    return (
        node["type"] == "Pod"
        or (node["type"] == "Skipped" and kind in _LEAVES)
        or (node["type"] in _CALLS and failed and kind != "suspend")
    )


def _pod(function: str, path: str, nodes: Mapping[str, Any], beside: Mapping[str, Any]) -> Pod:
    node, name, state = nodes[path], path, str(nodes[path]["phase"])
    attempt = int(node["type"] == "Pod" and state not in _NEVER)
    found = _ATTEMPT.search(path) if (node.get("flag") or {}).get("retried") else None
    if found:
        name, attempt = path[: found.start()], attempt and int(found[1]) + 1
        if f"{name}({attempt})" in nodes:
            state = RETRIED
    return Pod(
        function, path, name.removeprefix("main/"), attempt, state, str(node["message"]),
        str(node.get("exitCode") or ""), node.get("inputs") or {},
        seconds(beside, "startedAt"), seconds(beside, "finishedAt"),
    )  # fmt: skip


def seconds(timed: Mapping[str, Any], key: str) -> float | None:
    """Return a time as seconds since 1970, None for never. Raises TypeError or ValueError for no time."""
    moment = timed.get(key)
    return None if moment is None else datetime.fromisoformat(moment).timestamp()
