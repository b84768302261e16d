"""A suspend node: how long it waits, and the outputs that it has then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dsl.engine.call import Prepared
from dsl.engine.clock import seconds_of
from dsl.engine.contents import digest_of
from dsl.engine.node import NOTHING, Node

if TYPE_CHECKING:
    from dsl.engine.schedule import Engine

_UNSEEN = 0.5  # seconds of a suspend node in which Argo may not look at it


def suspend(engine: Engine, prepared: Prepared, node: Node) -> None:
    """Let a node wait as long as its template says, which may be until somebody resumes it: here for ever."""
    outputs = (prepared.body.get("outputs") or {}).get("parameters") or []
    if node.type == "Suspend" and any(parameter.get("valueFrom") is None for parameter in outputs):
        node.phase, node.inputs = "Pending", NOTHING
        engine.break_down("runtime error: invalid memory address or nil pointer dereference")
        return
    if not prepared.body["suspend"].get("duration"):
        return
    try:
        duration = seconds_of(str(prepared.body["suspend"].get("duration", "")))
    except ValueError as wrong:
        engine.fail(node, prepared.call, str(wrong))
        return
    fingerprint = digest_of([prepared.body, dict(prepared.inputs)]) if duration > 0 else ""
    supplied = prepared if outputs and node.type == "Suspend" else None
    is_seen = prepared.call.runs and duration > _UNSEEN
    if engine.past_deadline or duration <= 0:
        engine.later(_resume, engine, node, supplied)
    elif engine.history.has_waited(node, fingerprint):
        if is_seen:
            engine.when_quiet(engine.runs, prepared.call, node)
        engine.take_over(0.0, _resume, engine, node, supplied)
    else:
        engine.at(time.monotonic() + duration, _resume, engine, node, supplied, fingerprint)
        if is_seen:
            engine.at(time.monotonic() + _UNSEEN, engine.runs, prepared.call, node)


def _resume(engine: Engine, node: Node, supplied: Prepared | None, fingerprint: str = "") -> None:
    """Go on after a suspend node; `supplied` is its call if it has outputs."""
    if node.is_done:
        return
    if fingerprint:
        engine.history.waited(node, fingerprint)
    if supplied is None or _supply(engine, supplied, node):
        engine.finish(node, "Succeeded")


def _supply(engine: Engine, prepared: Prepared, node: Node) -> bool:
    """Give a suspend node its outputs; False when it failed because one has no value."""
    defaults = {str(p["name"]): p.get("default") for p in prepared.template.inputs}
    for declared in (prepared.body.get("outputs") or {}).get("parameters") or []:
        source, name = declared.get("valueFrom") or {}, str(declared["name"])
        value = source.get("default")
        value = defaults.get(name) if value is None else value
        if source.get("supplied") is None and value is None:
            continue
        node.outputs = {**node.outputs, name: None if value is None else str(value)}
        if value is None:
            missing = f"raw output parameter '{name}' has not been set and does not have a default value"
            engine.fail(node, prepared.call, missing)
            return False
    return True
