"""The status and the timeline of a run in, its pods out: every attempt, and every call that started none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dsl.engine.definition import Definition

RETRIED = "Retried"
"""The state of a failed attempt after which there was another."""
BAD = ("Failed", "Error")
_ATTEMPT = re.compile(r"\((\d+)\)$")


@dataclass(frozen=True, slots=True)
class Pod:
    """One attempt; `path` is its node's, `name` that of what was attempted, times are seconds since 1970."""

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


def pods_of(definition: Definition, status: Mapping[str, Any], timeline: Mapping[str, Any]) -> Iterator[Pod]:
    """Yield the pods in the order of their nodes. Raises KeyError, TypeError or ValueError."""
    nodes = status["nodes"]
    for path, node in nodes.items():
        beside = timeline["nodes"].get(path) or {}
        template = definition.templates.get(beside.get("templateName") or "")
        is_leaf = template is not None and template.is_leaf
        if node["type"] == "Pod" or (node["type"] == "Skipped" and is_leaf):
            yield _pod(template.task if template else "", path, nodes, beside)


def _pod(function: str, path: str, nodes: Mapping[str, Any], beside: Mapping[str, Any]) -> Pod:
    node, name, attempt = nodes[path], path, 1
    state = str(node["phase"])
    found = _ATTEMPT.search(path) if (node.get("flag") or {}).get("retried") else None
    if found:
        name, attempt = path[: found.start()], int(found[1]) + 1
        if f"{name}({attempt})" in nodes:
            state = RETRIED
    inputs = node.get("inputs") or {}
    return Pod(
        function, path, name.removeprefix("main/"), attempt, state, str(node["message"]),
        str(node.get("exitCode") or ""), inputs, seconds(beside, "startedAt"), seconds(beside, "finishedAt"),
    )  # fmt: skip


def seconds(timed: Mapping[str, Any], key: str) -> float | None:
    """Return a time as seconds since 1970, None for never. Raises TypeError or ValueError for no time."""
    moment = timed.get(key)
    return None if moment is None else datetime.fromisoformat(moment).timestamp()
