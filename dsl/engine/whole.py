"""DAG and steps nodes that have ended in, each with all that is in it as one line out; and back.

Leaves are on record elsewhere: of them a line has what the record has not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsl.engine.definition import Template
from dsl.engine.journal import Record
from dsl.engine.node import NOTHING, Branch, Node
from dsl.garbage import paused_collection

INSIDE = ("DAG", "Steps")
_GROUPS = (*INSIDE, "TaskGroup", "StepGroup", "Retry")
_OF_LEAF = 6
"""Fields in the row of a leaf."""
_JSON = json.JSONEncoder(separators=(",", ":"))
_FACTS = ("path", "key", "branch", "outer", "reads", "ends", "rows")


@dataclass(slots=True)
class Whole:
    """A DAG or steps node with all in it; `key` stands for what decided it, but for what the leaves read.

    `rows` are its nodes, itself first, each with what it has of its own: the row of what it stands in, its
    place there, its template among those that can be called, its task, flag and inputs; one that is no leaf
    also its type, outputs, artifacts, result, exit code, and its times. `reads` are digests of files and
    folders by path; `ends` is one of how the leaves ended. `line` is the text that holds it.
    """

    path: str
    key: str
    branch: Branch
    outer: Branch | None
    reads: dict[str, str] = field(default_factory=dict)
    ends: str = ""
    rows: list[list[Any]] = field(default_factory=list)
    line: str = ""
    _paths: list[str] = field(default_factory=list)

    def to_line(self) -> str:
        """Return its text, without the end of the line."""
        return self.line or _JSON.encode({name: getattr(self, name) for name in _FACTS})

    def paths(self) -> list[str]:
        """Return the path of each row."""
        if not self._paths:
            self._paths = paths = [self.path]
            for above, place, *_ in self.rows[1:]:
                paths.append(f"{paths[above]}/{place if isinstance(place, str) else place[0]}")
        return self._paths

    @property
    def finished(self) -> float:
        """When the node ended, in seconds since 1970."""
        return float(self.rows[0][-1])

    def leaves(self) -> list[str]:
        """Return the paths of the leaves."""
        return [path for path, row in zip(self.paths(), self.rows, strict=True) if len(row) == _OF_LEAF]

    def nodes(
        self, top: Node, templates: Sequence[Template], records: Mapping[str, Record]
    ) -> Iterator[Node]:
        """Fill the node `top` with what the node itself left; yield those in it, made again."""
        _, _, _, _, _, _, _, top.outputs, top.artifacts, _, _, top.started, top.finished = self.rows[0]
        top.branch, top.outer, top.taken = self.branch, self.outer, True
        made = [top]
        for path, row in zip(self.paths()[1:], self.rows[1:], strict=True):
            above, place, template, task, flag, inputs, *own = row
            holder = made[above]
            name = f"{holder.name}.{place}" if isinstance(place, str) else holder.name + place[1]
            node = Node(
                name, path, "Pod", holder, None if template is None else templates[template], task,
                "Succeeded", flag=flag, inputs=inputs or NOTHING, started=0.0, taken=True,
            )  # fmt: skip
            if own:
                node.type, node.outputs, node.artifacts, node.result, node.exit_code = own[:5]
                node.started, node.finished = own[5:]
            else:
                record = records[path]
                node.outputs, node.artifacts = record.outputs, record.artifacts
                node.result, node.exit_code = record.result, record.exit_code
                node.started, node.finished, node.ran = record.started, record.finished, True
            made.append(node)
            yield node


def read_wholes(path: Path) -> dict[str, Whole]:
    """Return what a file holds, by the path of the node; nothing when it is not there or not ours."""
    with suppress(OSError, ValueError, TypeError), paused_collection():
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        wholes = [Whole(**facts) for facts in json.loads(f"[{','.join(lines)}]")]
        for whole, line in zip(wholes, lines, strict=True):
            whole.branch, whole.outer = _branch(whole.branch), whole.outer and _branch(whole.outer)
            whole.line = line
        return {whole.path: whole for whole in wholes}
    return {}


def _branch(pairs: Iterable[tuple[str, int]]) -> Branch:
    return tuple((phase, distance) for phase, distance in pairs)


def gathered(
    nodes: Sequence[Node],
    keys: Mapping[Node, str],
    taken: Mapping[Node, Whole],
    reads: Mapping[str, Mapping[str, str]],
    called: Callable[[Template], Sequence[Template]],
) -> Iterator[Whole]:
    """Yield those of the nodes with a key in which all is there because of leaves that succeeded at once.

    `nodes` are those of a run that has ended, each after what it stands in; `reads` has what leaves read, if
    that is all that they depend on; `called` are the templates that rows refer to. What stands in a node that
    is yielded comes with it alone. What is `taken` is yielded as it was; of others `ends` is left to the
    caller.
    """
    mixed = _mixed(nodes, reads)
    holders: dict[Node | None, tuple[list[tuple[Node, int]], int]] = {}
    found: list[list[tuple[Node, int]]] = []
    for node in nodes:
        if node.boundary in holders:
            inside, above = holders[node.boundary]
        elif node not in keys or node in mixed:
            continue
        elif node in taken:
            yield taken[node]
            continue  # with all that is in it
        else:
            inside, above = [], 0
            found.append(inside)
        if node.type in INSIDE:
            holders[node] = inside, len(inside)
        inside.append((node, above))
    for inside in found:
        top = inside[0][0]
        whole = Whole(top.path, keys[top], top.branch or (), top.outer)
        assert top.template is not None
        numbers = {template: number for number, template in enumerate(called(top.template))}
        with suppress(_Unfit):
            _fill(whole, inside, numbers, reads)
            yield whole


class _Unfit(Exception):
    """A node cannot be told in a row."""


def _mixed(nodes: Iterable[Node], reads: Mapping[str, Mapping[str, str]]) -> set[Node]:
    """Return what is, or holds, a node that has another origin than leaves that succeeded at once."""
    mixed: set[Node] = set()
    for node in nodes:
        current = None if _is_plain(node, reads) else node
        while current is not None and current not in mixed:
            mixed.add(current)
            current = current.boundary
    return mixed


def _is_plain(node: Node, reads: Mapping[str, Mapping[str, str]]) -> bool:
    if node.phase != "Succeeded" or node.message or node.recalled or "hooked" in node.flag:
        return False
    if node.type == "Pod":
        return node.path in reads and not brings_tags((node.result, *node.outputs.values()))
    return node.type in _GROUPS and (node.taken or bool(node.below))


def brings_tags(values: Iterable[object]) -> bool:
    """Whether a value is a text with tags, which are filled with what there is where it comes to."""
    return any(isinstance(value, str) and "{{" in value for value in values)


def _fill(
    whole: Whole,
    inside: Sequence[tuple[Node, int]],
    numbers: Mapping[Template, int],
    reads: Mapping[str, Mapping[str, str]],
) -> None:
    """Fill in the rows and what the leaves read. Raises _Unfit."""
    times = _times([node for node, _ in inside])
    for node, above in inside:
        for path, digest in reads.get(node.path, NOTHING).items():
            if whole.reads.setdefault(path, digest) != digest:
                raise _Unfit  # what lay there was added to meanwhile
        template = None if node.template is None else numbers[node.template]
        row: list[Any] = [above, _place(node), template, node.task, node.flag, dict(node.inputs)]
        if node.type != "Pod":
            outputs = dict(node.outputs), dict(node.artifacts), node.result, node.exit_code
            row += [node.type, *outputs, *times[node]]
        whole.rows.append(row)


def _place(node: Node) -> str | tuple[str, str]:
    """Return what a path adds to that of what the node stands in; and a name, where that is not the same."""
    holder = node.boundary
    if holder is None:
        return ""
    place, name = node.path.removeprefix(f"{holder.path}/"), node.name.removeprefix(holder.name)
    if (place, name) == (node.path, node.name):
        raise _Unfit
    return place if name == f".{place}" else (place, name)


def _times(nodes: Sequence[Node]) -> dict[Node, tuple[float, float]]:
    """Return when nodes started and ended, as they have it when all below them is taken over."""
    times: dict[Node, tuple[float, float]] = {}
    for node in reversed(nodes):
        below = [] if node.taken else [times[each] for each in node.below if each in times]
        if below:
            times[node] = min(start for start, _ in below), max(end for _, end in below)
        else:
            times[node] = node.started, node.finished
    return times
