"""Checks of stage 9: what Argo or Kubernetes would refuse in a manifest, or choke on when it runs."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeAlias

from dsl import encode
from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.expr.gojson import stored_bytes
from dsl.function import Volume
from dsl.partition import Partitions
from dsl.plan import EXPLICIT_TASKS, Plan, PlannedNode

Emitted: TypeAlias = tuple[Plan, dict[str, Any]]

MANIFEST_BYTES = 1_000_000
STATUS_WARNING = 500_000
"""What tasks return and long messages add to a status, nobody can know before."""
STATUS_BYTES = 800_000
SLOTS = 20
ENVIRONMENT_BYTES = 130_000
"""Of a variable's value; Linux (MAX_ARG_STRLEN) counts its name too."""
_OURS = {"ARGOSY_PROGRAM": "the program", "ARGOSY_TASK": "the constants"}
_OCTAL = re.compile(r"[\\{$\n|;]")


def manifest_size(emitted: Emitted) -> Iterator[Diagnostic]:
    """Kubernetes stores objects up to about a megabyte, and a run's status shares that room."""
    plan, manifest = emitted
    size = stored_bytes(manifest)
    if size > MANIFEST_BYTES:
        message = (
            f"the manifest of {plan.name} has {size // 1000} kB; Argo stores 1000 kB with the run's status"
        )
        yield Diagnostic(Code.MANIFEST_SIZE, plan.location, message, _what_shrinks(plan, size))


def _what_shrinks(plan: Plan, size: int) -> str:
    """Return what makes a manifest of `size` bytes smaller: items are in it however they are divided."""
    items = {name: len(_items_text(table.partitions)) for name, table in plan.tables.items()}
    looped = {lane.table for lane in plan.lanes if lane.compact}
    written = sum(items[node.table] for node in plan.nodes if node.table and node.table not in looped)
    written += sum(items[table] for table in looped)
    if written > sum(items.values()) and size - written + sum(items.values()) <= MANIFEST_BYTES:
        return 'write DAG(…, lowering="compact"): the nodes of a lane then share one list of items'
    if 2 * written < size:
        return "put long constants and texts into files beside the DAG file, and let them travel along `>>`"
    largest = max(items, key=lambda name: items[name])
    if any(i.kind == "slot" and not i.writer for n in plan.nodes if n.table == largest for i in n.inputs):
        return "map over folders of files: Files(…) with a pattern that ends in /"
    return "put the items into files, many in each, and map over Files(…)"


def counts(emitted: Emitted) -> Iterator[Diagnostic]:
    """Argo's CRDs allow 200 templates in a workflow and 200 tasks in a DAG template."""
    plan, manifest = emitted
    templates = manifest["spec"]["templates"]
    numbers = {"templates": len(templates)}
    numbers |= {f"tasks in {t['name']}": len(t["dag"]["tasks"]) for t in templates if "dag" in t}
    for what, number in numbers.items():
        if number > EXPLICIT_TASKS:
            message = f"the manifest has {number} {what}; Argo accepts {EXPLICIT_TASKS}"
            hint = "map one task over items in place of many calls, or split the DAG"
            if what != "templates" and any(not lane.compact for lane in plan.lanes):
                hint = 'remove lowering="explicit": many partitions then become one loop'
            yield Diagnostic(Code.TEMPLATE_COUNT, plan.location, message, hint)


def status_size(emitted: Emitted) -> Iterator[Diagnostic]:
    """A run's status, compressed, must fit beside the manifest into one megabyte, or the controller loops."""
    plan, manifest = emitted
    size, room = _status_bytes(plan), MANIFEST_BYTES - stored_bytes(manifest)
    room = min(STATUS_BYTES, room) if room > 0 else STATUS_BYTES
    message = f"a run of {plan.name} has a status of about {size // 1000} kB"
    hint = "put more items into a partition: size=…, or turn on nodeStatusOffLoad in the controller"
    if size > room:
        message += f", and Argo stores {room // 1000} kB beside its manifest"
        yield Diagnostic(Code.STATUS_LIMIT, plan.location, message, hint)
    elif size > STATUS_WARNING:
        message += f", what its tasks return not counted; from {room // 1000} kB on it never ends"
        yield Diagnostic(Code.STATUS_SIZE, plan.location, message, hint)


def _status_bytes(plan: Plan) -> int:
    """Return about how large a run's status gets: what Argo was seen to need, and the items in it.

    What tasks return is known only to the run. A looped partition is a node of its own, with its items.
    """
    size = 0.0
    items = {name: _compressed_bytes(_items_text(t.partitions)) for name, t in plan.tables.items()}
    for node in plan.nodes:
        retries = 2 if node.function.options.retries else 1
        slots = sum(max(node.partitions.sizes, default=0) for i in node.inputs if i.kind == "slot")
        size += retries * (len(node.partitions) * 100 + items.get(node.table or "", 0))
        size += len(node.partitions) * 8 * slots
    for lane in plan.lanes:
        size += (70 * len(plan.tables[lane.table].partitions) + items[lane.table]) * lane.compact
    return int(size)


def _items_text(partitions: Partitions) -> str:
    return "\n".join("|".join(row) for row in partitions.rows)


def _compressed_bytes(text: str) -> float:
    """Return the bytes that a text adds to a status, which is compressed and then written in base64."""
    return len(zlib.compress(text.encode())) * 4 / 3


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


def environment_size(emitted: Emitted) -> Iterator[Diagnostic]:
    """Linux takes no variable or argument over 128 KiB, as items, constants and texts are."""
    plan, manifest = emitted
    templates = {template["name"]: template for template in manifest["spec"]["templates"]}
    measured: dict[tuple[int, bool], tuple[int, int] | None] = {}
    for node in plan.nodes:
        shared = (id(node.partitions), node.function.kind == "shell")  # a lane's nodes have the same items
        if shared not in measured:
            measured[shared] = _largest_partition(node)
        if found := measured[shared]:
            index, size = found
            message = f"the items of {node.id} are {size // 1024} KiB of text"
            hint = "let a task before it make one of many files, or read them in a mapped task"
            if node.is_mapped:
                message = f"partition {index} of {node.id} holds {size // 1024} KiB of items"
                hint = "make partitions smaller: size=…"
                if node.partitions.sizes[index] == 1:
                    hint = "put the long text into a file, and map over Files(…)"
            yield Diagnostic(Code.PARTITION_TOO_LARGE, node.location, message, hint)
        for what, limit, text in _texts_of(templates.get(node.name, {})):
            size = len(text.encode())
            if size > ENVIRONMENT_BYTES:
                message = f"{what} of {node.id}: {size // 1024} KiB of text, and {limit} takes 128"
                hint = "put it into a file beside the DAG file, and let it travel along `>>`"
                yield Diagnostic(Code.UNSAFE_STRING, node.location, message, hint)


def _texts_of(template: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the texts that a container starts with: what each is to its author, and to the container."""
    container = template.get("script") or template.get("container") or {}
    for variable in container.get("env", ()):
        what = _OURS.get(variable["name"], variable["name"].removeprefix("ARGOSY_P_"))
        yield what, "a variable", str(variable.get("value", ""))
    for number, word in enumerate((*container.get("command", ()), *container.get("args", ()))):
        yield f"word {number}", "an argument", word


def _largest_partition(node: PlannedNode) -> tuple[int, int] | None:
    """Return the first partition whose items are too much for one variable, and their bytes."""
    measure = _shell_bytes if node.function.kind == "shell" else _field_bytes
    rows = iter(node.partitions.rows)
    for index, size in enumerate(node.partitions.sizes):
        total = sum(measure(text) + 1 for row in islice(rows, size) for text in row)
        if total > ENVIRONMENT_BYTES:
            return index, total
    return None


def _field_bytes(text: str) -> int:
    return len(encode.field(text))


def _shell_bytes(text: str) -> int:
    return len(text.encode()) + 4 * len(_OCTAL.findall(text))


MANIFEST_CHECKS = (manifest_size, counts, status_size, many_slots, environment_size)
