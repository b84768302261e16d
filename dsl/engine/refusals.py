"""A definition in, what the engine cannot run out: by name, before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dsl.engine.definition import FOREIGN_KINDS, KINDS, Definition, Template, has_tag, required_spec
from dsl.engine.environment import FIELDS
from dsl.engine.objects import KEYED, Objects
from dsl.engine.refused import Missing, Refused
from dsl.engine.volumes import keyed_sources, volumes_by_name
from dsl.expr.expression import compiled
from dsl.expr.grammar import SyntaxFault

_SPEC = {"shutdown", "executorPlugins"}
_TEMPLATE = {"executorPlugins", "plugin"}
_DIRECTIVE = re.compile(r"\$(?:patch|retainKeys|setElementOrder/|deleteFromPrimitiveList/)")
_PROBES = ("startupProbe", "readinessProbe")
_LOCATIONS = {"git", "http", "artifactory", "hdfs", "oss", "gcs", "azure", "plugin"}
_VOLUMES = {"emptyDir", "persistentVolumeClaim", "hostPath", "secret", "configMap", "projected"}
_PROJECTED = {"secret", "configMap"}
_POLICIES = {None, "", "Always", "OnFailure", "OnError", "OnTransientError"}


def refuse(definition: Definition, *, in_containers: bool) -> None:
    """Raise Refused when the definition uses what the engine does not do; every reason is in the text.

    `in_containers` says that images run and not processes. Raises Missing when it refers to objects that are
    not given.
    """
    templates = _reachable(definition)
    reasons = list(dict.fromkeys(_reasons(definition, templates)))
    for template in templates:
        reasons += _container_only_reasons(template) if in_containers else _image_reasons(template)
    if reasons:
        raise Refused(f"not supported: {', '.join(reasons)}")
    missing = list(dict.fromkeys(need for template in templates for need in _missing(definition, template)))
    if missing:
        flags = " or ".join(f"--{flag} NAME=PATH" for flag in ("secret", "config"))
        raise Missing(f"not given: {', '.join(missing)}; use --with FILE, {flags}")
    spec = definition.spec
    entry = str(spec.get("entrypoint") or "")
    if not entry:
        raise Refused("spec.entrypoint is required")
    if entry not in definition.templates:
        raise Refused(f"spec.entrypoint template name '{entry}' undefined")
    _refuse_broken_hooks(definition, "spec", spec, None)
    for template in templates:
        _refuse_broken(definition, template)


def _refuse_broken(definition: Definition, template: Template) -> None:
    """Refuse, in Argo's words, what has no order in which it could run."""
    members = {str(one["name"]): one.get("dependencies") or [] for one in template.members}
    _refuse_disorder(
        template, "tasks", {name: one.dependencies.tasks for name, one in template.tasks.items()}
    )
    _refuse_disorder(template, "containerSet.containers", members)
    for task in template.calls:
        place = f"templates.{template.name}.tasks.{task.name}"
        _require_template(definition, place, task.raw, template)
        _refuse_broken_hooks(definition, place, task.raw, template)


def _refuse_disorder(template: Template, place: str, waits: Mapping[str, Sequence[str]]) -> None:
    for one, others in waits.items():
        for name in others:
            if name not in waits:
                raise Refused(f"templates.{template.name}.{place}.{one} dependency '{name}' not defined")
    try:
        TopologicalSorter(waits).prepare()
    except CycleError:
        raise Refused(f"templates.{template.name} sorting failed: graph with cycle") from None


def _require_template(
    definition: Definition, place: str, holder: Mapping[str, Any], caller: Template | None
) -> None:
    if not has_tag(holder) and definition.called(holder, caller) is None:
        reference = holder.get("templateRef") or {}
        called = (
            f"{reference.get('name')}.{reference.get('template')}" if reference else holder.get("template")
        )
        raise Refused(f"{place} template name '{called or ''}' undefined")


def _refuse_broken_hooks(
    definition: Definition, place: str, holder: Mapping[str, Any], caller: Template | None
) -> None:
    """Refuse a hook that calls what is not there, or whose expression cannot be parsed."""
    if holder.get("onExit"):
        _require_template(definition, f"{place}.onExit", {"template": holder["onExit"]}, caller)
    for name, hook in (holder.get("hooks") or {}).items():
        _require_template(definition, f"{place}.hooks.{name}", hook, caller)
        try:
            compiled(str(hook.get("expression") or "true"))
        except SyntaxFault as wrong:
            raise Refused(f"{place}.hooks.{name} expression: {wrong}") from None


def _reasons(definition: Definition, templates: list[Template]) -> Iterator[str]:
    spec = definition.spec
    yield from (f"spec.{key}" for key in sorted(_SPEC) if spec.get(key))
    yield from _lock_reasons(spec.get("synchronization") or {}, "the workflow")
    if found := _DIRECTIVE.search(str(spec.get("podSpecPatch") or "")):
        yield f"{found[0]} in spec.podSpecPatch"
    for parameter in (spec.get("arguments") or {}).get("parameters") or []:
        yield from _parameter_reasons(parameter, "the workflow")
    yield from _volume_reasons(spec.get("volumes") or [])
    for template in templates:
        yield from _template_reasons(template)


def _reachable(definition: Definition) -> list[Template]:
    """Return the templates that can be called; all of them when which one is a tag."""
    spec = definition.spec
    holders = [{"template": spec.get("entrypoint")}, *_hooks_of(spec)]
    waiting: list[tuple[Mapping[str, Any], Template | None]] = [(holder, None) for holder in holders]
    found: dict[Template, None] = {}
    while waiting:
        holder, caller = waiting.pop()
        if has_tag(holder):
            return definition.any_template()
        if reference := holder.get("templateRef"):
            required_spec(definition.objects, reference)
        template = definition.called(holder, caller)
        if template is None or template in found:
            continue
        found[template] = None
        for task in template.calls:
            waiting += [(each, template) for each in (task.raw, *_hooks_of(task.raw))]
    return list(found)


def _hooks_of(holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    last = [{"template": holder["onExit"]}] if holder.get("onExit") else []
    return [*last, *(holder.get("hooks") or {}).values()]


def _missing(definition: Definition, template: Template) -> Iterator[str]:
    """Yield the objects that a template's pod needs and that were not given."""
    objects, volumes = definition.objects, volumes_by_name(definition.spec, template.raw)
    for container in template.containers:
        for source in container.get("envFrom") or []:
            for kind, (field, _) in KEYED.items():
                yield from _missing_object(objects, kind, source.get(field))
        for variable in container.get("env") or []:
            try:
                objects.referenced(variable.get("valueFrom") or {})
            except ValueError as need:
                if "{{" not in str(need):
                    yield str(need)
        for entry in container.get("volumeMounts") or []:
            for kind, source in keyed_sources(volumes.get(str(entry.get("name"))) or {}):
                yield from _missing_object(objects, kind, source)


def _missing_object(objects: Objects, kind: str, source: Mapping[str, Any] | None) -> Iterator[str]:
    name = str((source or {}).get("name") or (source or {}).get("secretName") or "")
    if source and not source.get("optional") and "{{" not in name and objects.values(kind, name) is None:
        yield f"{kind} {name}"


def _template_reasons(template: Template) -> Iterator[str]:
    raw, name = template.raw, template.name
    if template.kind in FOREIGN_KINDS or template.kind not in KINDS:
        yield f"{template.kind or 'empty'} template {name}"
    yield from (f"{key} of template {name}" for key in sorted(_TEMPLATE) if raw.get(key))
    if found := _DIRECTIVE.search(str(raw.get("podSpecPatch") or "")):
        yield f"{found[0]} in podSpecPatch of template {name}"
    yield from _lock_reasons(raw.get("synchronization") or {}, f"template {name}")
    if (raw.get("retryStrategy") or {}).get("retryPolicy") not in _POLICIES:
        yield f"retryPolicy {raw['retryStrategy']['retryPolicy']} of template {name}"
    for parameter in template.inputs:
        yield from _parameter_reasons(parameter, f"template {name}")
    yield from _artifact_reasons(template.input_artifacts, name, is_read=True)
    yield from _artifact_reasons((raw.get("outputs") or {}).get("artifacts") or [], name, is_read=False)
    yield from _volume_reasons(raw.get("volumes") or [])
    for container in template.containers:
        yield from _container_reasons(container, template)
    for task in template.calls:
        arguments = task.raw.get("arguments") or {}
        for parameter in arguments.get("parameters") or []:
            yield from _parameter_reasons(parameter, f"task {task.name} of template {name}")
        yield from _artifact_reasons(arguments.get("artifacts") or [], name, is_read=True)


def _lock_reasons(rule: Mapping[str, Any], of: str) -> Iterator[str]:
    for lock in (*(rule.get("mutexes") or []), *(rule.get("semaphores") or [])):
        if lock.get("database"):
            yield f"database lock of {of}"


def _parameter_reasons(parameter: Mapping[str, Any], of: str) -> Iterator[str]:
    for source in sorted(parameter.get("valueFrom") or {}):
        if source not in ("configMapKeyRef", "default"):
            yield f"valueFrom.{source} of parameter {parameter.get('name')} of {of}"


def _container_reasons(container: Mapping[str, Any], template: Template) -> Iterator[str]:
    for probe in _PROBES if template.is_daemon else ():
        if (container.get(probe) or {}).get("grpc"):
            yield f"grpc {probe} of template {template.name}"
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        field = (source.get("fieldRef") or {}).get("fieldPath")
        if source.get("resourceFieldRef") or (field and field not in FIELDS):
            yield f"valueFrom of variable {variable.get('name')} of template {template.name}"


def _image_reasons(template: Template) -> Iterator[str]:
    if any(not container.get("command") for container in template.containers):
        yield f"image without command of template {template.name}"


def _container_only_reasons(template: Template) -> Iterator[str]:
    if template.is_daemon:
        yield f"daemon in containers of template {template.name}"
    if template.raw.get("sidecars"):
        yield f"sidecars in containers of template {template.name}"


def _artifact_reasons(artifacts: list[dict[str, Any]], name: str, *, is_read: bool) -> Iterator[str]:
    """Yield what is not there to read; what is written to a bucket is kept with the run."""
    for artifact in artifacts:
        for location in sorted(_LOCATIONS & set(artifact)):
            yield f"{location} artifact {artifact.get('name')} of template {name}"
        if is_read and (artifact.get("s3") or {}).get("bucket"):
            yield f"bucket of artifact {artifact.get('name')} of template {name}"


def _volume_reasons(volumes: list[dict[str, Any]]) -> Iterator[str]:
    for volume in volumes:
        sources = (volume.get("projected") or {}).get("sources") or []
        kinds = [key for key in sorted(volume) if key not in _VOLUMES | {"name"}]
        kinds += [key for source in sources for key in sorted(source) if key not in _PROJECTED]
        if kinds:
            yield f"{kinds[0]} volume {volume.get('name')}"
