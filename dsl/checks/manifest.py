"""Checks of stage 9: what Argo or Kubernetes would refuse in a manifest, or choke on when it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.function import Volume
from dsl.plan import EXPLICIT_TASKS, Plan

Emitted: TypeAlias = tuple[Plan, dict[str, Any]]

MANIFEST_BYTES = 1_000_000
STATUS_WARNING = 500_000
SLOTS = 20


def manifest_size(emitted: Emitted) -> Iterator[Diagnostic]:
    """Kubernetes stores objects up to about a megabyte, and a run's status shares that room."""
    plan, manifest = emitted
    size = len(json.dumps(manifest))
    if size > MANIFEST_BYTES:
        message = (
            f"the manifest of {plan.name} has {size // 1000} kB; Argo stores 1000 kB with the run's status"
        )
        yield Diagnostic(Code.MANIFEST_SIZE, plan.location, message, "make fewer partitions: size=…")


def counts(emitted: Emitted) -> Iterator[Diagnostic]:
    """Argo's CRDs allow 200 templates in a workflow and 200 tasks in a DAG template."""
    plan, manifest = emitted
    templates = manifest["spec"]["templates"]
    numbers = {"templates": len(templates)}
    numbers |= {f"tasks in {t['name']}": len(t["dag"]["tasks"]) for t in templates if "dag" in t}
    for what, number in numbers.items():
        if number > EXPLICIT_TASKS:
            message = f"the manifest has {number} {what}; Argo accepts {EXPLICIT_TASKS}"
            hint = 'remove lowering="explicit", or split the DAG'
            yield Diagnostic(Code.TEMPLATE_COUNT, plan.location, message, hint)


def status_size(emitted: Emitted) -> Iterator[Diagnostic]:
    """A run's status, compressed, must fit beside the manifest into one megabyte, or the controller loops."""
    plan, _ = emitted
    size = 0
    for node in plan.nodes:
        retries = 2 if node.function.options.retries else 1
        slots = sum(max(node.partitions.sizes, default=0) for i in node.inputs if i.kind == "slot")
        size += len(node.partitions) * (100 * retries + 8 * slots)
    size += sum(70 * len(plan.tables[lane.table].partitions) for lane in plan.lanes if lane.compact)
    if size > STATUS_WARNING:
        about = f"a status of about {size // 1000} kB"
        message = f"a run of {plan.name} has {about}; Argo without a database stores 1000 kB"
        hint = "put more items into a partition: size=…, or turn on nodeStatusOffLoad in the controller"
        yield Diagnostic(Code.STATUS_SIZE, plan.location, message, hint)


def many_slots(emitted: Emitted) -> Iterator[Diagnostic]:
    """Every source file of a partition is an artifact of its own, repeated in the status of its pod."""
    plan, _ = emitted
    for node in plan.nodes:
        slots = max(node.partitions.sizes, default=0)
        if (
            slots > SLOTS
            and any(i.kind == "slot" for i in node.inputs)
            and not isinstance(plan.storage, Volume)
        ):
            message = f"each pod of {node.id} gets {slots} files as {slots} artifacts"
            hint = f"divide by size={SLOTS} or less, or use DAG(storage=Volume(…))"
            yield Diagnostic(Code.MANY_SLOTS, node.location, message, hint)


MANIFEST_CHECKS = (manifest_size, counts, status_size, many_slots)
