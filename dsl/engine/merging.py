"""A Workflow's spec and that of the WorkflowTemplate it names in, the spec that runs out.

Source: workflow/util/merge.go (v4.1.2): a strategic merge in which the Workflow wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsl.expr.gojson import Value

_KEYS = {
    "volumes": "name", "templates": "name", "parameters": "name", "artifacts": "name", "env": "name",
    "containers": "name", "initContainers": "name", "sidecars": "name", "volumeMounts": "mountPath",
}  # fmt: skip
"""Lists that are merged, by what tells their elements apart; other lists are replaced."""


def joined(own: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of a workflow with `workflowTemplateRef`, merged over the referenced one."""
    spec: dict[str, Any] = merged(base, own)
    spec.pop("suspend", None)
    if own.get("suspend"):
        spec["suspend"] = True
    arguments = spec.get("arguments") or {}
    whole = {**_valued(base), **_valued(own)}
    if arguments.get("parameters"):
        parameters = [whole.get(str(one.get("name")), one) for one in arguments["parameters"]]
        spec["arguments"] = {**arguments, "parameters": parameters}
    return spec


def merged(base: Value, own: Value, *, nulls_delete: bool = False) -> Value:
    """Return a value laid over another: mappings by key, known lists by their key, else the upper one.

    A null of the upper one says nothing, or that what is below goes.
    """
    if not (isinstance(base, Mapping) and isinstance(own, Mapping)):
        return base if own is None else own
    gone = {key for key, value in own.items() if value is None} if nulls_delete else set()
    laid = {
        key: _merged_field(key, base.get(key), value, nulls_delete)
        for key, value in own.items()
        if key not in gone
    }
    return {**{key: value for key, value in base.items() if key not in gone}, **laid}


def _merged_field(name: str, base: Value, own: Value, nulls_delete: bool) -> Value:
    if name in _KEYS:
        return _merged_list(base, own, _KEYS[name], nulls_delete)
    return merged(base, own, nulls_delete=nulls_delete)


def _merged_list(base: Value, own: Value, key: str, nulls_delete: bool) -> Value:
    """Return a list whose elements are laid over those of another with the same key; new ones come last."""
    if not (isinstance(base, list) and isinstance(own, list)):
        return base if own is None else own
    if not all(isinstance(one, Mapping) for one in (*base, *own)):
        return own
    over = {str(one.get(key)): one for one in own}
    names = {str(one.get(key)) for one in base}
    there = [merged(one, over.get(str(one.get(key))), nulls_delete=nulls_delete) for one in base]
    return there + [one for name, one in over.items() if name not in names]


def _valued(spec: Mapping[str, Any]) -> dict[str, Any]:
    parameters = (spec.get("arguments") or {}).get("parameters") or []
    return {str(one.get("name")): one for one in parameters if _has_value(one)}


def _has_value(parameter: Mapping[str, Any]) -> bool:
    return any(parameter.get(key) is not None for key in ("value", "default", "valueFrom"))
