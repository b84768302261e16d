"""One template as one call sees it: its type and inputs, then what is inside (validate.go, v4.1.2).

The inside of a template is looked at once per scope and name, with the arguments of the first call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsl.argo.dag import check_dag
from dsl.argo.inputs import Supplied, fill, missing_inputs
from dsl.argo.leaf import check_leaf, check_location, path_fault
from dsl.argo.library import LEAVES, PODS, Home, type_of, types_of
from dsl.argo.names import check_names
from dsl.argo.outputs import check_archive, check_metrics, check_outputs
from dsl.argo.scalars import is_integer
from dsl.argo.scope import names_of
from dsl.argo.steps import check_steps
from dsl.argo.text import TagFault
from dsl.argo.validation import Resolved, Validation, open_tag
from dsl.codes import Code

_RETRIES = ("retries", "lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message")


def check_template(validation: Validation, resolved: Resolved, supplied: Supplied, at: Home) -> None:
    """Report what is wrong with a template, and with the arguments of the call at `at`."""
    template, home = resolved.template.value, resolved.template.home
    if not _is_prepared(validation, template, home):
        return
    missing = missing_inputs(template, supplied)
    _report_missing(validation, resolved, missing, supplied, at)
    key = resolved.base.key + resolved.template.name
    is_new = key not in validation.validated
    if missing or not (is_new or _depends_on_arguments(template) or not supplied.is_plain):
        return
    own = _own_names(template)
    known = {**validation.shared, **{name: validation.stand_in() for name in own}}
    try:
        filled = fill(template, supplied, known)
    except TagFault as fault:
        place, clause = home if supplied.is_any else at, str(fault)
        if found := open_tag(template):  # not what a call supplies
            place, clause = home.at(*found[0]), found[1]
        validation.report(Code.BROKEN_TAG, place, clause, "close every {{, and pass plain text")
        return
    _check_limits(validation, template, filled, home)
    if is_new:
        validation.validated.add(key)
        _check_inside(validation, filled, resolved, own, home)


def _report_missing(
    validation: Validation, resolved: Resolved, missing: list[tuple[str, str]], supplied: Supplied, at: Home
) -> None:
    is_task = isinstance(at.route[-1], int)
    has_values = is_task or validation.root.home.route[-1] == "workflowSpec"
    for kind, name in missing:
        argument = supplied.parameter(name) if has_values and kind == "parameters" else None
        if argument is not None and not _has_source(argument):
            continue  # an argument without a value is reported as such
        called = resolved.template.name or "the inline template"
        clause = f"{called} needs {kind[:-1]} {name}, which is not supplied"
        place = at.at("arguments") if is_task else at
        validation.report(Code.MISSING_INPUT, place, clause, f"add {name} to arguments.{kind}")


def _has_source(argument: Mapping[str, Any]) -> bool:
    return any(key in (argument.get("valueFrom") or {}) for key in ("event", "supplied"))


def _is_prepared(validation: Validation, template: Mapping[str, Any], home: Home) -> bool:
    """Check once what no argument changes; False for a template that is of two types."""
    if (known := validation.prepared.get(id(template))) is not None:
        return known
    kinds = types_of(template)
    validation.prepared[id(template)] = len(kinds) == 1
    if len(kinds) != 1:
        clause = f"{' and '.join(kinds)} are types of template, and it has several"
        validation.report(Code.TEMPLATE_TYPE, home, clause, "make a template of each")
        return False
    if "podResources" in template:
        if kinds[0] in ("http", "plugin"):
            clause = f"a {kinds[0]} template has no pod of its own"
            validation.report(Code.MISPLACED_FIELD, home.at("podResources"), clause, "remove it", on_key=True)
        check_pod_resources(validation, template["podResources"], home.at("podResources"))
    _check_inputs(validation, template, home.at("inputs"))
    for index, name in enumerate(names_of(template, "initContainers")):
        if not name:
            place = home.at("initContainers", index)
            validation.report(Code.FIELD_NAME, place, "the container has no name", "add name:")
    return True


def check_pod_resources(validation: Validation, resources: Mapping[str, Any], home: Home) -> None:
    """Report what a pod as a whole cannot ask for."""
    if resources.get("claims"):
        clause = "a pod as a whole has no claims"
        validation.report(
            Code.MISPLACED_FIELD, home.at("claims"), clause, "move them to a container", on_key=True
        )
    for kind in ("limits", "requests"):
        for name in resources.get(kind) or {}:
            if name not in ("cpu", "memory") and not name.startswith("hugepages-"):
                clause = f"a pod as a whole cannot ask for {name}"
                hint = "move it to a container; a pod has cpu, memory and hugepages-*"
                validation.report(Code.OUT_OF_LIMITS, home.at(kind, name), clause, hint, on_key=True)


def _check_inputs(validation: Validation, template: Mapping[str, Any], home: Home) -> None:
    inputs = template.get("inputs") or {}
    for kind in ("parameters", "artifacts"):
        elements = inputs.get(kind) or ()
        for code, index, clause, hint in check_names(elements, is_parameter=True):
            named = home.at(kind, index, "name") if elements[index].get("name") else home.at(kind, index)
            validation.report(code, named, clause, hint)
    for index, artifact in enumerate(inputs.get("artifacts") or ()):
        place = home.at("artifacts", index)
        if type_of(template) in LEAVES:
            if fault := path_fault(artifact):
                where = place.at("path") if artifact.get("path") else place
                validation.report(Code.ARTIFACT_PATH, where, fault, "give it an absolute path")
        elif artifact.get("path"):
            clause = f"a {type_of(template)} template has no files of its own"
            validation.report(Code.MISPLACED_FIELD, place.at("path"), clause, "remove it", on_key=True)
        if artifact.get("from"):
            clause = "an input gets its artifact from the call"
            hint = "move from: to the arguments of the call"
            validation.report(Code.MISPLACED_FIELD, place.at("from"), clause, hint, on_key=True)
        check_location(validation, artifact, place)


def _own_names(template: Mapping[str, Any]) -> tuple[str, ...]:
    pod = ("pod.name",) if type_of(template) in PODS else ()
    return (*pod, *(_RETRIES if "retryStrategy" in template else ()))


def _depends_on_arguments(template: Mapping[str, Any]) -> bool:
    """Whether each call must be looked at by itself, since it says how long the template may take."""
    return "{{" in str(template.get("timeout", ""))


def _check_limits(
    validation: Validation, template: Mapping[str, Any], filled: Mapping[str, Any], home: Home
) -> None:
    """Report fields that this type of template has not."""
    kind = type_of(filled)
    if template.get("resourceClaims") and kind not in PODS:
        clause = f"a {kind} template has no pod of its own"
        place = home.at("resourceClaims")
        validation.report(Code.MISPLACED_FIELD, place, clause, "move it to a container template", on_key=True)
    for name in ("timeout", "pendingTimeout"):
        if filled.get(name) and kind not in LEAVES:
            clause = f"a {kind} template cannot have {name}"
            hint = "set activeDeadlineSeconds on spec, or timeout on its leaves"
            validation.report(Code.MISPLACED_FIELD, home.at(name), clause, hint, on_key=True)
        elif name == "timeout" and is_integer(filled.get(name, "")):
            clause = f"{filled[name]} has no unit"
            validation.report(Code.OUT_OF_LIMITS, home.at(name), clause, f"write {filled[name]}s")


def _check_inside(
    validation: Validation, filled: Mapping[str, Any], resolved: Resolved, own: tuple[str, ...], home: Home
) -> None:
    kind = type_of(filled)
    scope = validation.scope([*_readable(resolved.template.value), *own])
    inputs = resolved.template.value.get("inputs")
    scope.open.update(
        f"inputs.{kind}." for kind in ("parameters", "artifacts") if "" in names_of(inputs, kind)
    )
    if kind in ("steps", "dag") and "activeDeadlineSeconds" in filled:
        clause = f"a {kind} template cannot have activeDeadlineSeconds"
        place = home.at("activeDeadlineSeconds")
        validation.report(
            Code.MISPLACED_FIELD, place, clause, "set it on spec, or on its leaves", on_key=True
        )
    if kind == "steps":
        check_steps(validation, filled, resolved.base, scope, home)
    elif kind == "dag":
        check_dag(validation, filled, resolved.base, scope, home)
    else:
        check_leaf(validation, filled, resolved.base, scope, home)
    check_outputs(validation, filled, scope, home)
    check_archive(validation, filled, home)
    check_metrics(validation, filled, home)


def _readable(template: Mapping[str, Any]) -> list[str]:
    """Return what tags of a template can read of itself."""
    inputs, outputs = template.get("inputs") or {}, template.get("outputs") or {}
    is_leaf = type_of(template) in LEAVES
    names = [f"inputs.parameters.{name}" for name in names_of(inputs, "parameters")]
    names += ["inputs.parameters"] if inputs.get("parameters") else []
    for name in names_of(inputs, "artifacts"):
        names += [f"inputs.artifacts.{name}", *([f"inputs.artifacts.{name}.path"] if is_leaf else [])]
    if is_leaf:
        names += [
            f"outputs.artifacts.{a['name']}.path" for a in outputs.get("artifacts") or () if a.get("path")
        ]
        parameters = outputs.get("parameters") or ()
        with_path = [one for one in parameters if (one.get("valueFrom") or {}).get("path")]
        names += [f"outputs.parameters.{one['name']}.path" for one in with_path]
    return names
