"""A node in; where it stands in its run, and where all stands that had to end before it began, out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import takewhile

from dsl.engine.definition import Template
from dsl.engine.node import Node

Position = tuple[str, str]
"""The path of a DAG or steps node and a task in it; `""` and a path for what stands in none."""

_MAIN = ("", "main")


def positions(node: Node) -> Iterator[Position]:
    """Yield where a node stands, in what that stands, and so on up to the run itself."""
    current: Node | None = node
    while current is not None:
        yield (current.boundary.path, current.task) if current.boundary else ("", current.path)
        current = current.boundary


def before(node: Node) -> Iterator[Position]:
    """Yield the positions of all that a node, or what it stands in, had to wait for."""
    current = node
    while current.boundary is not None:
        for name in _tasks_before(current, current.boundary):
            yield current.boundary.path, name
        current = current.boundary
    if current.path != _MAIN[1]:  # a hook of the run itself
        yield _MAIN


def _tasks_before(node: Node, boundary: Node) -> Collection[str]:
    if boundary.template is None:
        return ()
    found = before_task(boundary.template, node.task)
    return found | {node.task} if "hooked" in node.flag else found


def before_task(template: Template, name: str) -> frozenset[str]:
    """Return the tasks that one of a DAG waits for, or the steps in the groups before one."""
    if name in template.tasks:
        return template.tasks[name].ancestors
    groups = ([step.name for step in group] for group in template.groups)
    return frozenset(step for group in takewhile(lambda names: name not in names, groups) for step in group)
