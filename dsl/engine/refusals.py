"""A definition in, what the engine cannot run out: by name, before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dsl.engine.definition import FOREIGN_KINDS, KINDS, Definition, Refused, Task, Template
from dsl.expr.expression import compiled
from dsl.expr.grammar import SyntaxFault

_SPEC = {"suspend", "shutdown", "workflowTemplateRef", "executorPlugins"}
_TEMPLATE = {
    "daemon", "sidecars", "initContainers", "memoize", "podSpecPatch", "executorPlugins", "pendingTimeout",
    "plugin",
}  # fmt: skip
_CONTAINER = {"envFrom", "lifecycle"}
_LOCATIONS = {"git", "http", "artifactory", "hdfs", "oss", "gcs", "azure", "plugin"}
_VOLUMES = {"emptyDir", "persistentVolumeClaim", "hostPath"}
_POLICIES = {None, "", "Always", "OnFailure", "OnError", "OnTransientError"}


def refuse(definition: Definition) -> None:
    """Raise Refused when the definition uses what the engine does not do; every reason is in the text."""
    reasons = list(dict.fromkeys(_reasons(definition)))
    if reasons:
        raise Refused(f"not supported: {', '.join(reasons)}")
    spec = definition.spec
    _refuse_broken_hooks(definition, "spec", spec.get("hooks") or {}, spec.get("onExit"))
    for template in _reachable(definition):
        _refuse_broken(definition, template)


def _refuse_broken(definition: Definition, template: Template) -> None:
    """Refuse, in Argo's words, what has no order in which it could run."""
    for task in template.tasks.values():
        for name in task.dependencies.tasks:
            if name not in template.tasks:
                raise Refused(f"templates.{template.name}.tasks.{task.name} dependency '{name}' not defined")
    waits = {name: task.dependencies.tasks for name, task in template.tasks.items()}
    try:
        TopologicalSorter(waits).prepare()
    except CycleError:
        raise Refused(f"templates.{template.name} sorting failed: graph with cycle") from None
    for task in template.calls:
        called = str(task.raw.get("template") or "")
        if not task.raw.get("inline") and "{{" not in called and called not in definition.templates:
            raise Refused(f"templates.{template.name}.tasks.{task.name} template name '{called}' undefined")
        place = f"templates.{template.name}.tasks.{task.name}"
        _refuse_broken_hooks(definition, place, task.raw.get("hooks") or {}, task.raw.get("onExit"))


def _refuse_broken_hooks(
    definition: Definition, place: str, hooks: Mapping[str, Mapping[str, Any]], last: str | None
) -> None:
    """Refuse a hook that calls what is not there, or whose expression cannot be parsed."""
    if last and "{{" not in last and last not in definition.templates:
        raise Refused(f"{place}.onExit template name '{last}' undefined")
    for name, hook in hooks.items():
        called = str(hook.get("template") or "")
        if "{{" not in called and called not in definition.templates:
            raise Refused(f"{place}.hooks.{name} template name '{called}' undefined")
        try:
            compiled(str(hook.get("expression") or "true"))
        except SyntaxFault as wrong:
            raise Refused(f"{place}.hooks.{name} expression: {wrong}") from None


def _reasons(definition: Definition) -> Iterator[str]:
    spec = definition.spec
    yield from (f"spec.{key}" for key in sorted(_SPEC) if spec.get(key))
    if (spec.get("synchronization") or {}).get("semaphores"):
        yield "semaphores"
    for parameter in (spec.get("arguments") or {}).get("parameters") or []:
        if parameter.get("valueFrom") and parameter.get("value") is None:
            yield f"valueFrom of workflow parameter {parameter.get('name')}"
    yield from _volume_reasons(spec.get("volumes") or [])
    for template in _reachable(definition):
        yield from _template_reasons(template, spec.get("activeDeadlineSeconds") is not None)


def _reachable(definition: Definition) -> list[Template]:
    """Return the templates that can be called; all of them when a name is a tag."""
    spec = definition.spec
    names = [spec.get("entrypoint"), spec.get("onExit")]
    names += [hook.get("template") for hook in (spec.get("hooks") or {}).values()]
    found: dict[str, Template] = {}
    while names:
        name = names.pop()
        if name and "{{" in str(name):
            return list(definition.templates.values())
        template = definition.templates.get(str(name))
        if template is None or template.name in found:
            continue
        found[template.name] = template
        for task in template.calls:
            names.append(task.raw.get("template"))
            names.append(task.raw.get("onExit"))
            names += [hook.get("template") for hook in (task.raw.get("hooks") or {}).values()]
    return list(found.values())


def _template_reasons(template: Template, has_deadline: bool) -> Iterator[str]:
    raw, name = template.raw, template.name
    if template.kind in FOREIGN_KINDS or template.kind not in KINDS:
        yield f"{template.kind or 'empty'} template {name}"
    yield from (f"{key} of template {name}" for key in sorted(_TEMPLATE) if raw.get(key))
    if (raw.get("synchronization") or {}).get("semaphores"):
        yield f"semaphores of template {name}"
    if (raw.get("retryStrategy") or {}).get("retryPolicy") not in _POLICIES:
        yield f"retryPolicy {raw['retryStrategy']['retryPolicy']} of template {name}"
    if template.kind == "suspend" and not (raw.get("suspend") or {}).get("duration") and not has_deadline:
        yield f"suspend without duration of template {name}"
    for parameter in template.inputs:
        if parameter.get("valueFrom"):
            yield f"valueFrom of input {parameter.get('name')} of template {name}"
    artifacts = [*template.input_artifacts, *((raw.get("outputs") or {}).get("artifacts") or [])]
    yield from _artifact_reasons(artifacts, name)
    yield from _volume_reasons(raw.get("volumes") or [])
    if template.is_leaf:
        yield from _container_reasons(raw[template.kind], template)
    for task in template.calls:
        yield from _call_reasons(task, name)


def _call_reasons(task: Task, name: str) -> Iterator[str]:
    if task.raw.get("templateRef"):
        yield f"templateRef of task {task.name} of template {name}"
    for parameter in (task.raw.get("arguments") or {}).get("parameters") or []:
        if parameter.get("valueFrom"):
            yield f"valueFrom of argument {parameter.get('name')} of task {task.name} of template {name}"
    yield from _artifact_reasons((task.raw.get("arguments") or {}).get("artifacts") or [], name)
    for hook in (task.raw.get("hooks") or {}).values():
        if hook.get("templateRef"):
            yield f"templateRef of a hook of task {task.name} of template {name}"


def _container_reasons(container: Mapping[str, Any], template: Template) -> Iterator[str]:
    yield from (f"{key} of template {template.name}" for key in sorted(_CONTAINER) if container.get(key))
    if not container.get("command"):
        yield f"image without command of template {template.name}"
    for variable in container.get("env") or []:
        if variable.get("valueFrom"):
            yield f"valueFrom of variable {variable.get('name')} of template {template.name}"


def _artifact_reasons(artifacts: list[dict[str, Any]], name: str) -> Iterator[str]:
    for artifact in artifacts:
        for location in sorted(_LOCATIONS & set(artifact)):
            yield f"{location} artifact {artifact.get('name')} of template {name}"
        if (artifact.get("archive") or {}).get("zip") is not None:
            yield f"zip archive of artifact {artifact.get('name')} of template {name}"
        if (artifact.get("s3") or {}).get("bucket"):
            yield f"bucket of artifact {artifact.get('name')} of template {name}"


def _volume_reasons(volumes: list[dict[str, Any]]) -> Iterator[str]:
    for volume in volumes:
        kinds = sorted(key for key in volume if key != "name")
        if not set(kinds) <= _VOLUMES:
            yield f"{kinds[0]} volume {volume.get('name')}"
