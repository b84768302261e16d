"""A manifest and the objects it refers to in, its templates and tasks in a form that is quick to run out.

Knows the four kinds that carry a workflow spec. What the engine cannot run is found by `refusals`, not here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dsl.engine.callgraph import bottom_up
from dsl.engine.merging import joined, merged
from dsl.engine.objects import Objects
from dsl.engine.refused import Missing, Refused
from dsl.engine.run_name import fresh_name
from dsl.engine.scope import Scope
from dsl.engine.tags import Document, parts
from dsl.expr.depends import Dependencies, dependencies_of
from dsl.expr.expression import compiled
from dsl.expr.gojson import Value
from dsl.expr.grammar import SyntaxFault

JsonObject = dict[str, Any]
KINDS = ("container", "script", "containerSet", "suspend", "dag", "steps")
FOREIGN_KINDS = ("resource", "http", "data", "plugin")
NODE_TYPES = {
    "container": "Pod", "script": "Pod", "containerSet": "Pod", "suspend": "Suspend", "dag": "DAG",
    "steps": "Steps",
}  # fmt: skip
_RESULT = re.compile(r"""(?:tasks|steps)(?:\.([\w-]+)|\[\\?['"]([\w-]+)\\?['"]\])\.outputs.result""")
LOOPS = ("withItems", "withParam", "withSequence")
_TASK_ID = "argosy/node"


def texts_in(value: Value) -> Iterator[str]:
    """Yield the texts in a value of JSON, but for the names in its mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


def is_loop(raw: Mapping[str, Any]) -> bool:
    """Whether a task or step is expanded; an empty list or text is no loop, as in Argo."""
    return any(raw.get(key) not in (None, [], "") for key in LOOPS)


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
        """Whether it is expanded."""
        return is_loop(self.raw)

    def continues_on(self, phase: str) -> bool:
        """Whether its `continueOn` forgives the phase."""
        allowed = self.raw.get("continueOn") or {}
        return bool(
            (allowed.get("failed") and phase == "Failed") or (allowed.get("error") and phase == "Error")
        )


@dataclass(eq=False)
class Template:
    """A template: its raw form with the defaults merged in, and the tasks or steps that it calls.

    `beside` are the templates that it can call by name.
    """

    raw: JsonObject
    name: str
    beside: Mapping[str, Template]
    tasks: dict[str, Task] = field(default_factory=dict)
    groups: list[list[Task]] = field(default_factory=list)

    @cached_property
    def kind(self) -> str:
        """Return its type's key, `""` when it has none."""
        return next((kind for kind in (*KINDS, *FOREIGN_KINDS) if self.raw.get(kind) is not None), "")

    @property
    def calls(self) -> list[Task]:
        """Return its tasks, or its steps in order."""
        return [*self.tasks.values(), *(step for group in self.groups for step in group)]

    @property
    def is_leaf(self) -> bool:
        """Whether it runs processes."""
        return self.kind in ("container", "script", "containerSet")

    @property
    def is_daemon(self) -> bool:
        """Whether others go on once its processes are ready, which run until their caller ends."""
        return self.is_leaf and self.raw.get("daemon") is True

    @property
    def members(self) -> list[JsonObject]:
        """Return the containers of a set."""
        return (self.raw.get("containerSet") or {}).get("containers") or []

    @property
    def containers(self) -> list[JsonObject]:
        """Return what runs in its pod: init containers, its own, sidecars."""
        own = [self.raw[self.kind]] if self.kind in ("container", "script") else self.members
        return [*(self.raw.get("initContainers") or []), *own, *(self.raw.get("sidecars") or [])]

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        """Return its annotations."""
        return (self.raw.get("metadata") or {}).get("annotations") or {}

    @property
    def is_task(self) -> bool:
        """Whether it says for which execution function it runs."""
        return bool(self.annotations.get(_TASK_ID))

    @cached_property
    def task(self) -> str:
        """Return the task id it runs for, or its name; the annotation is the body of a JSON string."""
        note = self.annotations.get(_TASK_ID)
        try:
            return self.name if note is None else str(json.loads(f'"{note}"'))
        except ValueError:
            return self.name  # somebody else's annotation

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
    def paths(self) -> Mapping[str, str]:
        """Return the declared paths of artifacts and output parameters, by the names of their variables."""
        outputs = (self.raw.get("outputs") or {}).get("artifacts") or []
        artifacts = [("inputs", each) for each in self.input_artifacts] + [("outputs", e) for e in outputs]
        found = {f"{side}.artifacts.{each['name']}.path": each.get("path") for side, each in artifacts}
        for parameter in self.outputs:
            source = parameter.get("valueFrom") or {}
            found[f"outputs.parameters.{parameter['name']}.path"] = source.get("path")
        return {name: path for name, path in found.items() if path}

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
        for text in texts_in(self.raw):
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
    def has_open_order(self) -> bool:
        """Whether a task of a DAG waits for what a tag stands for."""
        return any("{{" in json.dumps(_order(task.raw)) for task in self.tasks.values())

    def ordered(self, scope: Scope) -> Template:
        """Return the DAG with the tags in `depends` and `dependencies` filled."""
        template = Template(self.raw, self.name, self.beside)
        tasks = [{**task.raw, **Document(_order(task.raw)).filled(scope)} for task in self.tasks.values()]
        _read_tasks(template, tasks)
        return template

    @cached_property
    def targets(self) -> list[str]:
        """Return the tasks of a DAG that nothing depends on, sorted."""
        mentioned = {name for task in self.tasks.values() for name in task.dependencies.tasks}
        return sorted(name for name in self.tasks if name not in mentioned)


@dataclass
class Definition:
    """A workflow: name, spec, templates by name, and the objects that it may refer to."""

    name: str
    kind: str
    metadata: JsonObject
    spec: JsonObject
    templates: Mapping[str, Template]
    objects: Objects
    _inline: dict[int, tuple[JsonObject, Template]] = field(default_factory=dict)
    _libraries: dict[tuple[str, bool], Mapping[str, Template]] = field(default_factory=dict)
    _counts: dict[Template, Counter[str]] = field(default_factory=dict)

    def called(self, holder: Mapping[str, Any], caller: Template | None = None) -> Template | None:
        """Return what a task, a step or a hook of `caller`, or the workflow itself, calls.

        Or None when there is no template of that name.
        """
        beside = caller.beside if caller else self.templates
        inline = holder.get("inline")
        if isinstance(inline, dict):
            if id(inline) not in self._inline:
                made = make_template({**inline, "name": ""}, self.spec, beside)
                self._inline[id(inline)] = inline, made  # no other mapping gets its id as long as it is here
            return self._inline[id(inline)][1]
        if holder.get("templateRef"):
            return self._library(holder["templateRef"]).get(str(holder["templateRef"].get("template", "")))
        return beside.get(str(holder.get("template", "")))

    def _library(self, reference: Mapping[str, Any]) -> Mapping[str, Template]:
        """Return the templates of a WorkflowTemplate; of the rest of its spec nothing counts."""
        key = str(reference.get("name") or ""), bool(reference.get("clusterScope"))
        if key not in self._libraries:
            self._libraries[key] = read_templates(self.objects.spec(reference) or {}, self.spec)
        return self._libraries[key]

    def any_template(self) -> list[Template]:
        """Return the templates that a tag may name: those of the workflow and of all that is given."""
        for kind, name in self.objects.templates:
            self._library({"name": name, "clusterScope": kind != "WorkflowTemplate"})
        return self.every_template()

    def every_template(self) -> list[Template]:
        """Return the templates of the workflow and of the WorkflowTemplates that were looked into."""
        return [
            template
            for library in (self.templates, *self._libraries.values())
            for template in library.values()
        ]

    def below(self, template: Template) -> list[Template]:
        """Return a template and all that its tasks, and theirs, call, as far as that is known."""
        return bottom_up(template, lambda caller: self._callees(caller, caller.calls))

    def leaf_counts(self, template: Template | None) -> Counter[str]:
        """Return how many pods per task one instance of a template starts, without those of its loops."""
        if template is None:
            return Counter()
        if template not in self._counts:
            for each in bottom_up(template, self._counted):
                self._counts.setdefault(each, self._counts_of(each))
        return self._counts[template]

    def _counted(self, template: Template) -> list[Template]:
        known = (task for task in template.calls if not task.is_loop and not has_tag(task.raw))
        return self._callees(template, known)

    def _counts_of(self, template: Template) -> Counter[str]:
        counts = Counter([template.task] if template.is_leaf else [])
        for called in self._counted(template):
            counts += self._counts.get(called, Counter())
        return counts

    def _callees(self, caller: Template, tasks: Iterable[Task]) -> list[Template]:
        found = (self.called(task.raw, caller) for task in tasks)
        return [template for template in found if template is not None]


def has_tag(holder: Mapping[str, Any]) -> bool:
    """Whether which template a task, a step or a hook calls is known when it runs only."""
    names = [holder.get("template"), *(holder.get("templateRef") or {}).values()]
    return any("{{" in str(name) for name in names)


def read_definition(
    manifest: Mapping[str, Any], name: str = "", objects: Objects | None = None
) -> Definition:
    """Read a Workflow, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow.

    Its name is that of a Workflow, else `name`, else a fresh one; `objects` are what it may refer to.

    Raises:
        Refused: it is of another kind or has no spec, or refers to a WorkflowTemplate that is not given.
    """
    kind = str(manifest.get("kind", ""))
    if kind not in ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"):
        raise Refused(f"not supported: kind {kind or '(none)'}")
    spec = manifest.get("spec") or {}
    metadata = dict(manifest.get("metadata") or {})
    if kind == "CronWorkflow":
        metadata = {**metadata, **_joined_notes({}, spec.get("workflowMetadata") or {})}
        spec = spec.get("workflowSpec") or {}
    given = objects or Objects()
    if spec.get("workflowTemplateRef"):
        spec = joined(spec, required_spec(given, spec["workflowTemplateRef"]))
    metadata |= _joined_notes(metadata, spec.get("workflowMetadata") or {})
    own = str(metadata.get("name") or "") if kind == "Workflow" else ""
    named = own or name or fresh_name(manifest)
    return Definition(named, kind, metadata, spec, read_templates(spec, spec), given)


def _joined_notes(metadata: Mapping[str, Any], more: Mapping[str, Any]) -> JsonObject:
    return {key: {**(metadata.get(key) or {}), **(more.get(key) or {})} for key in ("labels", "annotations")}


def required_spec(objects: Objects, reference: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the spec of a WorkflowTemplate. Raises Missing."""
    spec = objects.spec(reference)
    if spec is None:
        kind = "ClusterWorkflowTemplate" if reference.get("clusterScope") else "WorkflowTemplate"
        raise Missing(f"{kind} {reference.get('name')} is not given; name the file that holds it with --with")
    return spec


def read_templates(holder: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Template]:
    """Return the templates that a spec holds, by name; `spec` is that of the workflow."""
    templates: dict[str, Template] = {}
    for raw in holder.get("templates") or []:
        template = make_template(raw, spec, templates)
        templates.setdefault(template.name, template)
    return templates


def make_template(raw: JsonObject, spec: Mapping[str, Any], beside: Mapping[str, Template]) -> Template:
    """Merge the spec's `templateDefaults` into a template and read its tasks."""
    defaults = dict(spec.get("templateDefaults") or {})
    kinds = [kind for kind in (*KINDS, *FOREIGN_KINDS) if raw.get(kind) is not None]
    for kind in (*KINDS, *FOREIGN_KINDS):
        if kind not in kinds:
            defaults.pop(kind, None)
    whole = merged(defaults, raw) if defaults else raw
    template = Template(whole, str(raw.get("name", "")), beside)
    if isinstance(whole.get("dag"), dict):
        _read_tasks(template, whole["dag"].get("tasks") or [])
    for group in whole.get("steps") or []:
        steps = group if isinstance(group, list) else [group]
        template.groups.append([_read_step(step, rank) for rank, step in enumerate(steps)])
    return template


def _order(raw: JsonObject) -> JsonObject:
    return {key: raw[key] for key in ("depends", "dependencies") if raw.get(key)}


def _document(raw: JsonObject) -> Document:
    return Document({key: value for key, value in raw.items() if key not in ("hooks", "depends", "name")})


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
