"""Outputs and metrics of a template: paths, sources of values, global names (validate.go, v4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dsl.argo.leaf import check_location, path_fault
from dsl.argo.library import LEAVES, Home, type_of
from dsl.argo.names import check_names, is_tag, parameter_fault
from dsl.argo.scope import Scope
from dsl.argo.validation import Validation
from dsl.codes import Code

_METRIC: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SOURCES: Final = ("path", "jqFilter", "jsonPath", "parameter", "expression")


def check_outputs(validation: Validation, template: Mapping[str, Any], scope: Scope, home: Home) -> None:
    """Report outputs that Argo cannot collect, of a template whose inputs are supplied."""
    outputs = template.get("outputs") or {}
    place = home.at("outputs")
    for kind in ("parameters", "artifacts"):
        elements = outputs.get(kind) or ()
        for code, index, clause, hint in check_names(elements, is_parameter=True):
            named = place.at(kind, index, "name") if elements[index].get("name") else place.at(kind, index)
            validation.report(code, named, clause, hint)
    validation.resolve_tags(outputs, scope, place)
    for index, artifact in enumerate(outputs.get("artifacts") or ()):
        here = place.at("artifacts", index)
        if type_of(template) in LEAVES:
            if fault := path_fault(artifact):
                at = here.at("path") if artifact.get("path") else here
                validation.report(Code.ARTIFACT_PATH, at, fault, "give it an absolute path")
        elif artifact.get("path"):
            clause = "only a container or script has files; a DAG passes artifacts on"
            hint = "write from: '{{tasks.NAME.outputs.artifacts.NAME}}'"
            validation.report(Code.MISPLACED_FIELD, here.at("path"), clause, hint, on_key=True)
        _check_global_name(validation, artifact, here)
    for index, parameter in enumerate(outputs.get("parameters") or ()):
        here = place.at("parameters", index)
        _check_source(validation, parameter, type_of(template), here)
        _check_global_name(validation, parameter, here)


def _check_global_name(validation: Validation, output: Mapping[str, Any], place: Home) -> None:
    name = output.get("globalName", "")
    if name and not is_tag(name) and (fault := parameter_fault(name)):
        validation.report(Code.FIELD_NAME, place.at("globalName"), fault, "use letters, digits, - and _")


def _check_source(validation: Validation, parameter: Mapping[str, Any], kind: str, place: Home) -> None:
    """Report an output parameter that has not exactly one source, of those its template has."""
    value, source = parameter.get("value"), parameter.get("valueFrom")
    if value is not None:
        if source is not None:
            clause = "value and valueFrom exclude one another"
            validation.report(
                Code.OUTPUT_SOURCE, place.at("valueFrom"), clause, "keep one of them", on_key=True
            )
        return
    if source is None:
        validation.report(Code.OUTPUT_SOURCE, place, "the output has no valueFrom", f"add {_example(kind)}")
        return
    here = place.at("valueFrom")
    set_ones = [key for key in _SOURCES if source.get(key)]
    set_ones += ["supplied"] if "supplied" in source else []
    wanted = _WANTED.get(kind, ())
    if not set_ones:
        clause = "nothing says where the value is"
        validation.report(Code.OUTPUT_SOURCE, here, clause, f"add {_example(kind)}", on_key=True)
    elif len(set_ones) > 1:
        clause = f"{' and '.join(set_ones)} are both set"
        validation.report(Code.OUTPUT_SOURCE, here, clause, "keep one of them", on_key=True)
    elif wanted and set_ones[0] not in wanted:
        clause = f"a {kind} template has no {set_ones[0]} of an output"
        validation.report(Code.OUTPUT_SOURCE, here, clause, f"use {' or '.join(wanted)}", on_key=True)


_WANTED: Final[Mapping[str, tuple[str, ...]]] = {
    "container": ("path",), "containerSet": ("path",), "script": ("path",),
    "resource": ("jqFilter", "jsonPath"), "dag": ("parameter", "expression"),
    "steps": ("parameter", "expression"),
}  # fmt: skip


def _example(kind: str) -> str:
    return f"valueFrom: {{{(_WANTED.get(kind) or ('path',))[0]}: …}}"


def check_metrics(validation: Validation, template: Mapping[str, Any], home: Home) -> None:
    """Report metrics that Prometheus or Argo cannot take."""
    metrics = (template.get("metrics") or {}).get("prometheus") or ()
    for index, metric in enumerate(metrics):
        here = home.at("metrics", "prometheus", index)
        if not _METRIC.fullmatch(metric.get("name", "")):
            clause = f"{metric.get('name', '')!r} cannot be the name of a metric"
            validation.report(Code.METRIC, here.at("name"), clause, "use letters, digits and _")
        for number, label in enumerate(metric.get("labels") or ()):
            if not _METRIC.fullmatch(label.get("key", "")):
                clause = f"{label.get('key', '')!r} cannot be the name of a label"
                at = here.at("labels", number, "key")
                validation.report(Code.METRIC, at, clause, "use letters, digits and _")
        if not metric.get("help"):
            validation.report(Code.METRIC, here.at("help"), "the metric has no help text", "add help:")
        for kind in ("gauge", "counter", "histogram"):
            if kind in metric and not metric[kind].get("value"):
                place = here.at(kind, "value")
                validation.report(Code.METRIC, place, f"the {kind} has no value", "add value:")
        gauge = metric.get("gauge") or {}
        if gauge.get("realtime") and "resourcesDuration." in gauge.get("value", ""):
            clause = "a real-time gauge cannot measure resourcesDuration"
            validation.report(Code.METRIC, here.at("gauge", "value"), clause, "set realtime: false")


def check_archive(validation: Validation, template: Mapping[str, Any], home: Home) -> None:
    """Report an archive location that lacks a part."""
    if "archiveLocation" in template:
        check_location(validation, template["archiveLocation"], home.at("archiveLocation"))
