"""A run's nodes in, the state, pods, attempts, value and files of every execution function out.

A manifest of others has none: there every template counts that runs processes, and none of them has a value.
Leaf templates say what they are by annotations: `argosy/node` the task's id, `argosy/each` what one call is
for, and `argosy/result` how its value is written: `lines` of an index and JSON each, or one `json` text.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dsl.engine.callgraph import bottom_up
from dsl.engine.definition import Definition, Template
from dsl.engine.folder import task_folder
from dsl.engine.node import BAD, Node
from dsl.engine.shown import entries, show
from dsl.expr.gojson import Value, load_with

_WORST = ("Succeeded", "Skipped", "Omitted", "Failed", "Error")
_JSON = json.JSONEncoder(ensure_ascii=False).encode
_DECODER = json.JSONDecoder()
_DIGITS = 20  # more than any index has, and fewer than Python would read
_UNCALLING = ("Failed", "Pending", "Running")
_EMPTY = "Skipped, empty params"


def make_results(
    definition: Definition,
    nodes: Iterable[Node],
    phase: str,
    reason: Callable[[Node], str] = lambda node: node.message,
) -> dict[str, Any]:
    """Return what `results.json` holds; tasks in the order of the templates, failed ones with a reason.

    The state of a task is its worst; where its nodes ended in several, `states` counts them, the worst first.
    """
    by_template: dict[Template, list[Node]] = {}
    for node in nodes:
        if node.template is not None:
            by_template.setdefault(node.template, []).append(node)
    states = _States(definition, by_template)
    tasks: dict[str, Any] = {}
    for template in _tasks(definition):
        if template.is_task or template in by_template or states.callers.get(template):
            tasks[template.task] = _merged(tasks.get(template.task), _task(template, by_template, states))
    for node in (node for found in by_template.values() for node in found):
        task = tasks.get(node.template.task) if node.template and not node.is_attempt else None
        has_failed = node.phase in BAD and node.message
        if task and has_failed and node.phase == task["state"] and "reason" not in task:
            task["reason"] = reason(_last_attempt(node))
    for task in tasks.values():
        if len(task["states"]) == 1:
            del task["states"]
    return {"run": definition.name, "phase": phase, "tasks": tasks}


def _last_attempt(node: Node) -> Node:
    """Return what failed of a node: that there are no more retries does not say why."""
    last = node.children[-1] if node.type == "Retry" and node.children else node
    return last if last.phase in BAD and last.message else node


def _task(template: Template, by_template: Mapping[Template, list[Node]], states: _States) -> dict[str, Any]:
    own = by_template.get(template, [])
    ran = [node for node in own if node.ran]
    pods = {node.name.rsplit("(", 1)[0] if node.is_attempt else node.name for node in ran}
    counts = states.counts(template)
    return {
        "state": next(iter(counts)),
        "states": counts,
        "pods": len(pods),
        "attempts": len(ran),
        "value": _value(template, [node for node in own if not node.is_attempt]),
    }


def _merged(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """One task may have several templates."""
    if before is None:
        return now
    values = [value for value in (before["value"], now["value"]) if value is not None]
    joined = values[0] + values[1] if len(values) == 2 and all(isinstance(v, list) for v in values) else None
    counts = _worst_first(Counter(before["states"]) + Counter(now["states"]))
    return {
        "state": next(iter(counts)),
        "states": counts,
        "pods": before["pods"] + now["pods"],
        "attempts": before["attempts"] + now["attempts"],
        "value": joined if joined is not None else (values[0] if values else None),
    }


def _worst_first(counts: Mapping[str, int]) -> dict[str, int]:
    return {state: counts[state] for state in sorted(counts, key=_rank, reverse=True)}


def _rank(state: str) -> int:
    return _WORST.index(state) if state in _WORST else len(_WORST)


class _States:
    """The states of a template: those of its nodes; where it has none, the worst of those that would call it.

    A caller that failed without calling it, or was never able to, omitted it.
    """

    def __init__(self, definition: Definition, by_template: Mapping[Template, list[Node]]) -> None:
        self._ended = {template: list(_phases(nodes)) for template, nodes in by_template.items()}
        self.callers: dict[Template | None, dict[Template, None]] = {}
        for template in definition.every_template():
            for task in template.calls:
                self.callers.setdefault(definition.called(task.raw, template), {})[template] = None

    def counts(self, template: Template) -> dict[str, int]:
        """Return how many nodes ended in each state, the worst first."""
        phases = self._ended.get(template)
        if not phases:
            above = (
                phase for caller in bottom_up(template, self._above) for phase in self._ended.get(caller, ())
            )
            phases = [
                max(
                    ("Omitted" if phase in _UNCALLING else phase for phase in above),
                    key=_rank,
                    default="Succeeded",
                )
            ]
        return _worst_first(Counter(phases))

    def _above(self, template: Template) -> Iterable[Template]:
        return () if self._ended.get(template) else self.callers.get(template, ())


def _phases(nodes: Iterable[Node]) -> Iterator[str]:
    """Yield how the nodes of a template ended, each of its calls once."""
    for node in nodes:
        if node.type != "TaskGroup" and not node.is_attempt:
            yield "Succeeded" if node.message == _EMPTY else node.status


def _value(template: Template, nodes: list[Node]) -> Value:
    form = template.annotations.get("argosy/result")
    texts = [text for node in nodes if (text := node.outputs.get("result")) is not None]
    if not form or not texts:
        return None
    if form == "json":
        return _decoded(texts[-1])
    numbered: list[tuple[int, Any]] = []
    for line in (line for text in texts for line in text.split("\n") if line):
        number, _, text = line.partition(" ")
        if number.isdecimal() and len(number) < _DIGITS:  # else it is the default of a pod that wrote none
            numbered.append((int(number), _decoded(text)))
    return [value for _, value in sorted(numbered, key=lambda pair: pair[0])]


def _decoded(text: str) -> Value:
    try:
        return load_with(text, _DECODER)
    except ValueError:
        return text


def rows(document: Mapping[str, Any], table: str, entries: Iterable[tuple[str, Value]]) -> Iterator[str]:
    """Yield the pieces of a JSON text in which every entry of one of the document's mappings has a line.

    >>> nodes = [("main", {}), ("main/a", {"x": 1})]
    >>> print("".join(rows({"phase": "Failed", "nodes": {}}, "nodes", nodes)), end="")
    {"phase": "Failed",
     "nodes": {
      "main": {},
      "main/a": {"x": 1}}}
    """
    start = "{"
    for name, value in document.items():
        yield f"{start}{_JSON(name)}: "
        start = ",\n "
        if name == table:
            first = "\n  "
            yield "{"
            for key, entry in entries:
                yield f"{first}{_JSON(key)}: {_JSON(entry)}"
                first = ",\n  "
            yield "}"
        else:
            yield _JSON(value)
    yield "}\n"


def rows_of(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pieces of the text of `results.json`."""
    return rows(results, "tasks", results["tasks"].items())


def tasks_of(definition: Definition) -> list[str]:
    """Return the ids of the execution functions, each once, in the order of the templates."""
    return list(dict.fromkeys(template.task for template in _tasks(definition)))


def _tasks(definition: Definition) -> list[Template]:
    """Return the templates that a user knows as tasks."""
    every = list(definition.every_template())
    own = [template for template in every if template.is_task]
    return own or [template for template in every if template.is_leaf]


def link_files(kept: Iterable[tuple[str, tuple[Path, ...]]], tasks: Iterable[str], out: Path) -> None:
    """Show every file that the pods of an execution function left at `out/<task id>/<name>`.

    Where several partitions left one name each of them is at `out/<task id>/<partition>/<name>`. What else a
    former run showed there goes. Raises OSError.
    """
    found: dict[str, dict[str, dict[str, None]]] = {task: {} for task in tasks}
    for task, places in kept:
        for path in (path for place in places if task in found for path in _entries(os.fspath(place))):
            found[task].setdefault(_name(path), {})[path] = None
    folders = {task: task_folder(out, task).name for task in found}
    files: dict[str, str] = {}
    for task, names in found.items():
        shared = {name for name, paths in names.items() if len(paths) > 1}
        if any(_partition(path) in names for name in shared for path in names[name]):
            shared = set(names)  # a file has the name of a partition
        if names:
            files[f"{folders[task]}/"] = ""
        for name, path in ((name, path) for name, paths in names.items() for path in paths):
            place = folders[task]
            if name in shared:
                place = f"{place}/{_partition(path)}"
                files[f"{place}/"] = ""
            files.update(entries(path, f"{place}/{name}"))
    show(files, folders.values(), out)


def _entries(place: str) -> list[str]:
    """Return the files and folders that a pod left in its folder, or the one file that it left."""
    try:
        with os.scandir(place) as entries:
            return sorted(entry.path for entry in entries)
    except (NotADirectoryError, FileNotFoundError):
        return [place] if Path(place).is_file() else []


def _name(path: str) -> str:
    return path[path.rindex("/") + 1 :]


def _partition(path: str) -> str:
    """Return the folder that holds a file."""
    return _name(path[: path.rindex("/")])
