"""A manifest in, its templates and tasks in a form that is quick to run out.

Knows the four kinds that carry a workflow spec. What the engine cannot run is found by `refusals`, not here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dsl.engine.tags import Document, parts
from dsl.expr.depends import Dependencies, dependencies_of
from dsl.expr.expression import compiled
from dsl.expr.gojson import Value
from dsl.expr.grammar import SyntaxFault

JsonObject = dict[str, Any]
KINDS = ("container", "script", "suspend", "dag", "steps")
FOREIGN_KINDS = ("containerSet", "resource", "http", "data", "plugin")
NODE_TYPES = {"container": "Pod", "script": "Pod", "suspend": "Suspend", "dag": "DAG", "steps": "Steps"}
_RESULT = re.compile(r"""(?:tasks|steps)(?:\.([\w-]+)|\[\\?['"]([\w-]+)\\?['"]\])\.outputs.result""")
_LOOPS = ("withItems", "withParam", "withSequence")


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


class Refused(ValueError):
    """The engine does not run this manifest.

    The text begins with `not supported:` or says what is wrong with it.
    """


@dataclass(slots=True)
class Task:
    """A DAG task or a step: what it calls, with which arguments, when."""

    raw: JsonObject
    name: str
    document: Document
    dependencies: Dependencies
    rank: int = 0
    ancestors: frozenset[str] = frozenset()

    @property
    def is_loop(self) -> bool:
        """Whether it is expanded; an empty literal list is no loop, as in Argo."""
        return any(self.raw.get(key) not in (None, [], "") for key in _LOOPS)

    def continues_on(self, phase: str) -> bool:
        """Whether its `continueOn` forgives the phase."""
        allowed = self.raw.get("continueOn") or {}
        return bool(
            (allowed.get("failed") and phase == "Failed") or (allowed.get("error") and phase == "Error")
        )


@dataclass
class Template:
    """A template: its raw form with the defaults merged in, and the tasks or steps that it calls."""

    raw: JsonObject
    name: str
    tasks: dict[str, Task] = field(default_factory=dict)
    groups: list[list[Task]] = field(default_factory=list)

    @cached_property
    def kind(self) -> str:
        """Return its type's key, `""` when it has none."""
        return next((kind for kind in (*KINDS, *FOREIGN_KINDS) if self.raw.get(kind) is not None), "")

    @property
    def is_leaf(self) -> bool:
        """Whether it runs a process."""
        return self.kind in ("container", "script")

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        """Return its annotations."""
        return (self.raw.get("metadata") or {}).get("annotations") or {}

    @cached_property
    def task(self) -> str:
        """Return the task id it runs for, or its name; the annotation is the body of a JSON string."""
        note = self.annotations.get("argosy/node")
        try:
            return self.name if note is None else str(json.loads(f'"{note}"'))
        except ValueError:
            return self.name  # somebody else's annotation

    @property
    def calls(self) -> list[Task]:
        """Return its tasks, or its steps."""
        return [*self.tasks.values(), *(step for group in self.groups for step in group)]

    @cached_property
    def inputs(self) -> list[JsonObject]:
        """Return the declared input parameters."""
        return (self.raw.get("inputs") or {}).get("parameters") or []

    @cached_property
    def input_artifacts(self) -> list[JsonObject]:
        """Return the declared input artifacts."""
        return (self.raw.get("inputs") or {}).get("artifacts") or []

    @cached_property
    def outputs(self) -> list[JsonObject]:
        """Return the declared output parameters."""
        return (self.raw.get("outputs") or {}).get("parameters") or []

    @cached_property
    def body(self) -> Document:
        """Return the template without its tasks, inputs and retry rule, to be filled per node."""
        left_out = ("inputs", "tasks", "steps", "dag", "retryStrategy", "metadata")
        body = {key: value for key, value in self.raw.items() if key not in left_out}
        if isinstance(self.raw.get("dag"), dict):
            body["dag"] = {key: value for key, value in self.raw["dag"].items() if key != "tasks"}
        return Document(body)

    @cached_property
    def shows_all_inputs(self) -> bool:
        """Whether a tag names the list of all inputs."""
        return re.search(r"\{\{\s*inputs\.parameters\s*\}\}", json.dumps(self.raw)) is not None

    @cached_property
    def syntax_fault(self) -> str:
        """Return what is wrong with the first expression tag that cannot be parsed, `""` when all can."""
        for text in _texts(self.raw):
            for kind, body in parts(text) if "{{=" in text else ():
                try:
                    if kind == "expression":
                        compiled(body)
                except SyntaxFault as wrong:
                    return f"failed to evaluate expression: {wrong}"
        return ""

    @cached_property
    def exports(self) -> bool:
        """Whether an output has a `globalName`."""
        outputs = self.raw.get("outputs") or {}
        return any(o.get("globalName") for key in ("parameters", "artifacts") for o in outputs.get(key) or [])

    @cached_property
    def read_results(self) -> frozenset[str]:
        """Return the tasks whose stdout this template refers to; only theirs is kept."""
        return frozenset(found[1] or found[2] for found in _RESULT.finditer(json.dumps(self.raw)))

    @cached_property
    def targets(self) -> list[str]:
        """Return the tasks of a DAG that nothing depends on, sorted."""
        mentioned = {name for task in self.tasks.values() for name in task.dependencies.tasks}
        return sorted(name for name in self.tasks if name not in mentioned)


@dataclass
class Definition:
    """A workflow: name, spec, templates by name."""

    name: str
    kind: str
    metadata: JsonObject
    spec: JsonObject
    templates: dict[str, Template]
    _inline: dict[int, Template] = field(default_factory=dict)

    def called(self, holder: Mapping[str, Any]) -> Template | None:
        """Return the template that a task, a step or a hook calls.

        Or None when there is none of that name.
        """
        inline = holder.get("inline")
        if isinstance(inline, dict):
            if id(inline) not in self._inline:
                self._inline[id(inline)] = make_template({**inline, "name": ""}, self.spec)
            return self._inline[id(inline)]
        return self.templates.get(str(holder.get("template", "")))

    def leaf_counts(self, name: str, seen: tuple[str, ...] = ()) -> Counter[str]:
        """Return how many pods per task one instance of a template starts, without those of its loops."""
        template = self.templates.get(name)
        if template is None or name in seen:
            return Counter()
        if template.is_leaf:
            return Counter({template.task: 1})
        counts: Counter[str] = Counter()
        for task in template.calls:
            if not task.is_loop:
                counts += self.leaf_counts(str(task.raw.get("template", "")), (*seen, name))
        return counts


def read_definition(manifest: Mapping[str, Any], name: str = "") -> Definition:
    """Read a Workflow, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow.

    `name` overrides the run's name.

    Raises:
        Refused: it is of another kind or has no spec.
    """
    kind = str(manifest.get("kind", ""))
    if kind not in ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"):
        raise Refused(f"not supported: kind {kind or '(none)'}")
    spec = manifest.get("spec") or {}
    if kind == "CronWorkflow":
        spec = spec.get("workflowSpec") or {}
    metadata = dict(manifest.get("metadata") or {})
    own = str(metadata.get("name") or f"{metadata.get('generateName') or 'workflow-'}local")
    templates: dict[str, Template] = {}
    for raw in spec.get("templates") or []:
        template = make_template(raw, spec)
        templates.setdefault(template.name, template)
    return Definition(name or own, kind, metadata, spec, templates)


def _merged(defaults: Value, own: Value) -> Value:
    if isinstance(defaults, dict) and isinstance(own, dict):
        return {**defaults, **{key: _merged(defaults.get(key), value) for key, value in own.items()}}
    return defaults if own is None else own


def make_template(raw: JsonObject, spec: Mapping[str, Any]) -> Template:
    """Merge the spec's `templateDefaults` into a template and read its tasks."""
    defaults = dict(spec.get("templateDefaults") or {})
    kinds = [kind for kind in (*KINDS, *FOREIGN_KINDS) if raw.get(kind) is not None]
    for kind in (*KINDS, *FOREIGN_KINDS):
        if kind not in kinds:
            defaults.pop(kind, None)
    merged = _merged(defaults, raw) if defaults else raw
    template = Template(merged, str(raw.get("name", "")))
    if isinstance(merged.get("dag"), dict):
        _read_tasks(template, merged["dag"].get("tasks") or [])
    for group in merged.get("steps") or []:
        steps = group if isinstance(group, list) else [group]
        template.groups.append([_read_step(step, rank) for rank, step in enumerate(steps)])
    return template


def _document(raw: JsonObject) -> Document:
    return Document(
        {key: value for key, value in raw.items() if key not in ("hooks", "inline", "depends", "name")}
    )


def _read_step(raw: JsonObject, rank: int) -> Task:
    return Task(raw, str(raw.get("name", "")), _document(raw), Dependencies((), ""), rank)


def _read_tasks(template: Template, tasks: list[JsonObject]) -> None:
    siblings = {str(raw.get("name", "")): raw for raw in tasks}
    for raw in tasks:
        name = str(raw.get("name", ""))
        template.tasks[name] = Task(raw, name, _document(raw), dependencies_of(raw, siblings))
    rank = 0
    done: set[str] = set()
    for target in template.targets:  # depth first, as Argo visits them
        stack = [(target, False)]
        while stack:
            name, expanded = stack.pop()
            if name in done or name not in template.tasks:
                continue
            task = template.tasks[name]
            if expanded:
                done.add(name)
                task.rank, rank = rank, rank + 1
                above = [template.tasks[dep] for dep in task.dependencies.tasks if dep in template.tasks]
                task.ancestors = frozenset(task_.name for task_ in above).union(*(t.ancestors for t in above))
            else:
                stack.append((name, True))
                stack.extend((dep, False) for dep in reversed(task.dependencies.tasks) if dep not in done)
