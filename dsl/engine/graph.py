"""A definition in; its functions, and which of them waits for which, out.

A function is what leaf templates run for: an author's execution function, or the template where nobody says.
Templates that start no process are looked through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from dsl.engine.definition import Definition, Template
from dsl.engine.schedule import MAX_DEPTH

_Call = tuple[str, Template | None, tuple[str, ...]]
"""The name of a task, what it calls, and the names of the tasks that it waits for."""


class Graph(NamedTuple):
    """Functions in the order of their templates, and pairs of one that is waited for and one that waits."""

    dag: str
    functions: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return its JSON form."""
        return {"dag": self.dag, "functions": list(self.functions), "edges": list(map(list, self.edges))}


class _Flow(NamedTuple):
    """What runs first in a template, what runs last, and whether its end may be reached without either."""

    first: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()
    is_open: bool = True


def make_graph(definition: Definition) -> Graph:
    """Return the graph of what the entry, the hooks and the exit handler of a workflow call."""
    reader = _Reader(definition)
    spec = definition.spec
    hooks = list((spec.get("hooks") or {}).values())
    for caller in ({"template": spec.get("entrypoint")}, {"template": spec.get("onExit")}, *hooks):
        reader.flow(definition.called(caller))
    listed = [template.task for template in definition.templates.values()]
    ordered = dict.fromkeys((*(task for task in listed if task in reader.functions), *reader.functions))
    places = {task: place for place, task in enumerate(ordered)}
    edges = sorted(reader.edges, key=lambda edge: (places[edge[0]], places[edge[1]]))
    return Graph(_title(definition), tuple(places), tuple(edges))


def _title(definition: Definition) -> str:
    about = definition.metadata
    title = (about.get("annotations") or {}).get("workflows.argoproj.io/title")
    return str(title or about.get("name") or about.get("generateName") or "run").rstrip("-")


class _Reader:
    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.functions: dict[str, None] = {}
        self.edges: set[tuple[str, str]] = set()
        self._flows: dict[int, _Flow] = {}
        self._depth = 0

    def flow(self, template: Template | None) -> _Flow:
        """Return the flow of a template, and note the functions and edges inside it."""
        if template is None or self._depth > MAX_DEPTH:
            return _Flow()
        if id(template) not in self._flows:
            self._flows[id(template)] = _Flow()  # for a template that calls itself
            self._depth += 1
            self._flows[id(template)] = self._leaf(template) if template.is_leaf else self._inside(template)
            self._depth -= 1
        return self._flows[id(template)]

    def _leaf(self, template: Template) -> _Flow:
        self.functions[template.task] = None
        only = frozenset({template.task})
        return _Flow(only, only, is_open=False)

    def _inside(self, template: Template) -> _Flow:
        ends: dict[str, _Flow] = {}
        first: frozenset[str] = frozenset()
        awaited: set[str] = set()
        for name, called, before in self._calls(template):
            inner, above = self.flow(called), [ends[other] for other in before if other in ends]
            ended = frozenset[str]().union(*(each.last for each in above))
            reached = not above or any(each.is_open for each in above)
            self.edges |= {(one, other) for one in ended for other in inner.first if one != other}
            first |= inner.first if reached else frozenset()
            ends[name] = _Flow(
                last=inner.last | (ended if inner.is_open else frozenset()),
                is_open=reached and inner.is_open,
            )
            awaited |= set(before)
        lasts = [end for name, end in ends.items() if name not in awaited]
        return _Flow(
            first,
            frozenset[str]().union(*(end.last for end in lasts)),
            is_open=not lasts or any(end.is_open for end in lasts),
        )

    def _calls(self, template: Template) -> Iterator[_Call]:
        """Yield tasks, each after those that it waits for; a step waits for all steps of the group before."""
        for task in sorted(template.tasks.values(), key=lambda task: task.rank):
            yield task.name, self.definition.called(task.raw, template), task.dependencies.tasks
        before: tuple[str, ...] = ()
        for number, group in enumerate(template.groups):
            names = tuple(f"{number} {step.name}" for step in group)
            for name, step in zip(names, group, strict=True):
                yield name, self.definition.called(step.raw, template), before
            before = names
