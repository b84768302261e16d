"""A definition and the caller's parameters in, the `workflow.*` variables of a run out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from dsl.engine.call import configured, text_of
from dsl.engine.clock import moment
from dsl.engine.definition import Definition
from dsl.engine.node import NodeFault
from dsl.engine.objects import Objects
from dsl.engine.parameter import written
from dsl.engine.refused import Refused
from dsl.engine.scope import Globals, Scope
from dsl.expr import gojson
from dsl.expr.expression import compiled
from dsl.expr.functions import go_type
from dsl.expr.gojson import Value

_FORMATS = "aAbBdHImMpSyY"  # with s, L, z and Z those that Argo knows (util/strftime, v4.1.2)


def make_globals(definition: Definition, given: Mapping[str, str], created: float) -> Globals:
    """Return the variables of a run that was begun at `created`; `given` overrides and adds parameters.

    When a ConfigMap does not have what a parameter takes from it, that is the `fault` of them all.

    Raises:
        Refused: a parameter has no value, or one that its `enum` does not allow.
    """
    spec, metadata = definition.spec, definition.metadata
    flat: dict[str, Any] = {
        "workflow.name": definition.name,
        "workflow.namespace": str(metadata.get("namespace") or "argo"),
        "workflow.mainEntrypoint": str(spec.get("entrypoint") or ""),
        "workflow.serviceAccountName": str(spec.get("serviceAccountName") or ""),
        "workflow.uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{definition.name} {created}")),
        "workflow.status": "",  # in Argo, until it looks at the workflow for the second time
        "workflow.duration": "0.000000",
    }
    if spec.get("priority") is not None:
        flat["workflow.priority"] = str(spec["priority"])
    now = time.gmtime(created)
    flat["workflow.creationTimestamp"] = moment(int(created))
    flat["workflow.creationTimestamp.s"] = str(int(created))
    flat["workflow.creationTimestamp.RFC3339"] = flat["workflow.creationTimestamp"]
    flat |= {
        f"workflow.creationTimestamp.{key}": t for key, t in (("L", ".000"), ("z", "+0000"), ("Z", "UTC"))
    }
    if definition.kind == "CronWorkflow":
        flat["workflow.scheduledTime"] = flat["workflow.creationTimestamp"]
    for letter in _FORMATS:
        flat[f"workflow.creationTimestamp.{letter}"] = time.strftime(f"%{letter}", now)
    for kind in ("labels", "annotations"):
        texts = {str(key): str(value) for key, value in (metadata.get(kind) or {}).items()}
        flat[f"workflow.{kind}"] = flat[f"workflow.{kind}.json"] = gojson.dumps(texts or None)
        flat.update({f"workflow.{kind}.{key}": value for key, value in texts.items()})
    try:
        flat.update(_parameters(spec, given, definition.objects))
    except NodeFault as wrong:
        return Globals(flat, f"failed to set global parameters: {wrong}")
    return _labelled(Globals(flat), (spec.get("workflowMetadata") or {}).get("labelsFrom") or {})


def _labelled(shared: Globals, rules: Mapping[str, Mapping[str, Any]]) -> Globals:
    """Add labels that come from expressions over the other variables (operator.go:updateWorkflowMetadata)."""
    labels: dict[str, str] = {}
    for name, rule in rules.items():
        source = str(rule.get("expression") or "")
        told = f"failed to evaluate label {json.dumps(name)} expression {json.dumps(source)}"
        try:
            value = compiled(source).value(shared.tree())
        except ValueError as wrong:
            return Globals(shared.flat, f"{told}: {wrong}")
        if not isinstance(value, str):
            return Globals(shared.flat, f"{told} evaluted to {go_type(value)} but must be a string")
        labels[f"workflow.labels.{name}"] = value
    return Globals({**shared.flat, **labels}) if labels else shared


def _parameters(spec: Mapping[str, Any], given: Mapping[str, str], objects: Objects) -> dict[str, Any]:
    """Return the parameters as they were given: Argo fills in their tags only where one brings them in."""
    declared = [dict(parameter) for parameter in (spec.get("arguments") or {}).get("parameters") or []]
    names = {parameter["name"] for parameter in declared}
    declared += [{"name": name} for name in given if name not in names]
    listed: list[dict[str, Any]] = []
    flat: dict[str, Any] = {}
    for parameter in declared:
        name = str(parameter["name"])
        value = given.get(name, parameter.get("value"))
        shown = {} if value is None else {"value": text_of(value)}
        if value is None and parameter.get("valueFrom"):
            value = _configured(name, parameter["valueFrom"], objects)
        if value is None:
            place = f"spec.arguments.{name}"
            raise Refused(f"{place}.value or {place}.valueFrom is required; `-p {name}=VALUE` gives it")
        allowed = parameter.get("enum")
        if allowed is not None and text_of(value) not in [text_of(choice) for choice in allowed]:
            raise Refused(f"spec.arguments.{name}.value should be present in spec.arguments.{name}.enum list")
        text = text_of(value)
        flat[f"workflow.parameters.{name}"] = text
        listed.append({**parameter, **shown})
    shown_all = f"[{','.join(map(written, listed))}]" if listed else "null"
    flat["workflow.parameters"] = flat["workflow.parameters.json"] = shown_all
    return flat


def _configured(name: str, source: Mapping[str, Any], objects: Objects) -> Value:
    reference = source.get("configMapKeyRef") or {}
    place = f"configmap with name {reference.get('name')} and key {reference.get('key')}"
    fault = f"failed to set global parameter {name} from {place}"
    try:
        return configured(source, Scope(None, {}), objects, fault)
    except NodeFault:
        if source.get("default") is None:
            raise
        return source["default"]  # here it stands in whatever is wrong
