"""A definition in, what the engine cannot run out: by name, before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeAlias

from dsl.engine.definition import FOREIGN_KINDS, Definition, Template, has_tag, required_spec
from dsl.engine.environment import FIELDS
from dsl.engine.objects import KEYED, Objects
from dsl.engine.refused import Missing, Reason, Refused, Unsupported
from dsl.engine.volumes import WITHIN, keyed_sources, nested, volumes_by_name

Fact: TypeAlias = tuple[str, str]
"""What is not supported; why, or what to do."""

_AGENT = "it works through Argo's agent on a cluster"
_CLUSTER = "it works on a cluster; a container or script can run here"
_STORE = "only the run's own store is here; `s3: {key: inputs/NAME}` reads a file beside the manifest"
_MERGING = "write out what the patch shall add"
_SPEC = {"shutdown": "there is no server to stop it; leave it out", "executorPlugins": _AGENT}
_TEMPLATE = {"executorPlugins": _AGENT, "plugin": _AGENT}
_DIRECTIVE = re.compile(r"\$(?:patch|retainKeys|setElementOrder/|deleteFromPrimitiveList/)")
_PROBES = ("startupProbe", "readinessProbe")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_LOCATIONS = {"git", "http", "artifactory", "hdfs", "oss", "gcs", "azure", "plugin"}
_VOLUMES = {"emptyDir", "persistentVolumeClaim", "hostPath", "secret", "configMap", "projected"}
_PROJECTED = {"secret", "configMap"}
_POLICIES = (None, "", "Always", "OnFailure", "OnError", "OnTransientError")
_BY_AGENT = ("http", "plugin")


def refuse(definition: Definition, *, in_containers: bool) -> None:
    """Raise Refused when the definition uses what the engine does not do; every reason is in the text.

    `in_containers` says that images run and not processes. Raises Missing when it refers to objects that are
    not given.
    """
    templates = reachable(definition)
    reasons = [Reason(*fact) for fact in _reasons(definition)]
    for template in templates:
        by_runtime = _container_only_reasons if in_containers else _image_reasons
        facts = (
            *_template_reasons(template),
            *_nesting_reasons(definition, template),
            *by_runtime(template),
        )
        reasons += [Reason(*fact, template.raw) for fact in facts]
    if reasons:
        raise Unsupported(list(dict.fromkeys(reasons)))
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
    if spec.get("onExit"):
        _require_template(definition, "spec.onExit", {"template": spec["onExit"]}, None)
    for template in templates:
        _refuse_broken(definition, template)


def _refuse_broken(definition: Definition, template: Template) -> None:
    """Refuse, in Argo's words, what has no order in which it could run."""
    members = {str(one["name"]): one.get("dependencies") or [] for one in template.members}
    waits = {name: one.dependencies.tasks for name, one in template.tasks.items()}
    _refuse_disorder(template, "tasks", {} if template.has_open_order else waits)
    _refuse_disorder(template, "containerSet.containers", members)
    for container in template.containers if template.is_daemon else ():
        for kind in _PROBES:
            if container.get(kind) and (wrong := _wrong_with(container[kind])):
                raise Refused(f"templates.{template.name}.{kind}.{wrong}")
    for task in template.calls:
        place = f"templates.{template.name}.tasks.{task.name}"
        _require_template(definition, place, task.raw, template)


def _wrong_with(probe: Mapping[str, Any]) -> str:
    """Return why Kubernetes would not take a probe, `""` if it would."""
    for name in _NUMBERS:
        if probe.get(name) is not None and type(probe[name]) is not int:
            return f"{name} is no whole number: {probe[name]}"
    found = next((name for name in ("exec", "httpGet", "tcpSocket") if probe.get(name) is not None), "")
    if not found:
        return "exec is required, or httpGet, or tcpSocket"
    action = probe[found]
    if not isinstance(action, Mapping):
        return f"{found} is no mapping: {action}"
    if found == "exec":
        command = action.get("command")
        are_texts = isinstance(command, list) and all(isinstance(word, str) for word in command)
        return "" if command and are_texts else "exec.command is required, a list of texts"
    port = str(action.get("port") or "")
    if not port:
        return f"{found}.port is required"
    return f"{found}.port is over 65535: {port}" if port.isdecimal() and int(port) > 65535 else ""


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


def _reasons(definition: Definition) -> Iterator[Fact]:
    spec = definition.spec
    yield from ((f"spec.{key}", why) for key, why in _SPEC.items() if spec.get(key))
    yield from _lock_reasons(spec.get("synchronization") or {}, "the workflow")
    if found := _DIRECTIVE.search(str(spec.get("podSpecPatch") or "")):
        yield f"{found[0]} in spec.podSpecPatch", _MERGING
    yield from _volume_reasons(spec.get("volumes") or [])


def reachable(definition: Definition) -> list[Template]:
    """Return the templates that can be called; all of them when which one is a tag. Raises Missing."""
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


def _template_reasons(template: Template) -> Iterator[Fact]:
    raw, name = template.raw, template.name
    if not template.kind:
        yield f"empty template {name}", "it says not what to run; add container: or another type"
    elif template.kind in FOREIGN_KINDS:
        yield f"{template.kind} template {name}", _AGENT if template.kind in _BY_AGENT else _CLUSTER
    yield from ((f"{key} of template {name}", why) for key, why in _TEMPLATE.items() if raw.get(key))
    if found := _DIRECTIVE.search(str(raw.get("podSpecPatch") or "")):
        yield f"{found[0]} in podSpecPatch of template {name}", _MERGING
    yield from _lock_reasons(raw.get("synchronization") or {}, f"template {name}")
    if (raw.get("retryStrategy") or {}).get("retryPolicy") not in _POLICIES:
        policies = ", ".join(policy for policy in _POLICIES if policy)
        yield f"retryPolicy {raw['retryStrategy']['retryPolicy']} of template {name}", f"use {policies}"
    for parameter in template.inputs:
        yield from _parameter_reasons(parameter, f"template {name}")
    yield from _artifact_reasons(template.input_artifacts, name, is_read=True)
    yield from _artifact_reasons((raw.get("outputs") or {}).get("artifacts") or [], name, is_read=False)
    yield from _volume_reasons(raw.get("volumes") or [])
    for container in template.containers:
        yield from _container_reasons(container, template)
    for container in raw.get("initContainers") or []:
        if container.get("restartPolicy"):
            what = f"restartPolicy of init container {container.get('name')} of template {name}"
            yield what, "what follows would wait for its end; use sidecars:"
    for task in template.calls:
        arguments = task.raw.get("arguments") or {}
        for parameter in arguments.get("parameters") or []:
            yield from _parameter_reasons(parameter, f"task {task.name} of template {name}")
        yield from _artifact_reasons(arguments.get("artifacts") or [], name, is_read=True)


def _nesting_reasons(definition: Definition, template: Template) -> Iterator[Fact]:
    volumes = volumes_by_name(definition.spec, template.raw)
    shared = (template.raw.get("containerSet") or {}).get("volumeMounts") or []
    for container in template.containers:
        mounts = container.get("volumeMounts") or []
        mounts = [*mounts, *shared] if container in template.members else mounts
        for inner, outer in nested(container, mounts, volumes):
            yield f"volume {inner} within volume {outer} of template {template.name}", WITHIN


def _lock_reasons(rule: Mapping[str, Any], of: str) -> Iterator[Fact]:
    for lock in (*(rule.get("mutexes") or []), *(rule.get("semaphores") or [])):
        if lock.get("database"):
            yield f"database lock of {of}", "the database is the server's; use a lock without database:"


def _parameter_reasons(parameter: Mapping[str, Any], of: str) -> Iterator[Fact]:
    for source in sorted(parameter.get("valueFrom") or {}):
        if source not in ("configMapKeyRef", "default"):
            what = f"valueFrom.{source} of parameter {parameter.get('name')} of {of}"
            yield what, "there is nothing here that could set it; use value: or configMapKeyRef"


def _container_reasons(container: Mapping[str, Any], template: Template) -> Iterator[Fact]:
    for probe in _PROBES if template.is_daemon else ():
        if (container.get(probe) or {}).get("grpc"):
            yield f"grpc {probe} of template {template.name}", "use an exec, httpGet or tcpSocket probe"
    if container.get("volumeDevices"):
        yield f"volumeDevices of template {template.name}", "no device stands for a volume here; mount it"
    if (container.get("lifecycle") or {}).get("postStart"):
        yield f"postStart of template {template.name}", "nothing runs it here; begin the program with it"
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        field = (source.get("fieldRef") or {}).get("fieldPath")
        if source.get("resourceFieldRef") or (field and field not in FIELDS):
            what = f"valueFrom of variable {variable.get('name')} of template {template.name}"
            yield (
                what,
                f"there is no pod here to read it of; use value:, or a fieldRef of {', '.join(FIELDS)}",
            )


def _image_reasons(template: Template) -> Iterator[Fact]:
    if any(not container.get("command") for container in template.containers):
        why = (
            "only the image knows what it runs; add command:, or run images by `--runtime podman` (or docker)"
        )
        yield f"image without command of template {template.name}", why


def _container_only_reasons(template: Template) -> Iterator[Fact]:
    if template.is_daemon:
        why = "others could not reach it; without `--runtime` it is a process"
        yield f"daemon in containers of template {template.name}", why
    if template.raw.get("sidecars"):
        why = "they would have to share a network; without `--runtime` they are processes"
        yield f"sidecars in containers of template {template.name}", why


def _artifact_reasons(artifacts: list[dict[str, Any]], name: str, *, is_read: bool) -> Iterator[Fact]:
    """Yield what is not there to read; what is written to a bucket is kept with the run."""
    for artifact in artifacts:
        for location in sorted(_LOCATIONS & set(artifact)):
            yield f"{location} artifact {artifact.get('name')} of template {name}", _STORE
        if is_read and (artifact.get("s3") or {}).get("bucket"):
            yield f"bucket of artifact {artifact.get('name')} of template {name}", _STORE


def _volume_reasons(volumes: list[dict[str, Any]]) -> Iterator[Fact]:
    for volume in volumes:
        sources = (volume.get("projected") or {}).get("sources") or []
        kinds = [key for key in sorted(volume) if key not in _VOLUMES | {"name"}]
        kinds += [key for source in sources for key in sorted(source) if key not in _PROJECTED]
        if kinds:
            known = ", ".join(sorted(_VOLUMES))
            yield (
                f"{kinds[0]} volume {volume.get('name')}",
                f"nothing could stand for it here; use one of {known}",
            )
