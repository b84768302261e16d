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


def merged(base: Value, own: Value) -> Value:
    """Return a value laid over another: mappings by key, known lists by their key, else the upper one."""
    if isinstance(base, Mapping) and isinstance(own, Mapping):
        return {**base, **{key: _merged_field(key, base.get(key), value) for key, value in own.items()}}
    return base if own is None else own


def _merged_field(name: str, base: Value, own: Value) -> Value:
    return _merged_list(base, own, _KEYS[name]) if name in _KEYS else merged(base, own)


def _merged_list(base: Value, own: Value, key: str) -> Value:
    """Return a list whose elements are laid over those of another with the same key; new ones come last."""
    if not (isinstance(base, list) and isinstance(own, list)):
        return base if own is None else own
    if not all(isinstance(one, Mapping) for one in (*base, *own)):
        return own
    over = {str(one.get(key)): one for one in own}
    names = {str(one.get(key)) for one in base}
    there = [merged(one, over.get(str(one.get(key)))) for one in base]
    return there + [one for name, one in over.items() if name not in names]


def _valued(spec: Mapping[str, Any]) -> dict[str, Any]:
    parameters = (spec.get("arguments") or {}).get("parameters") or []
    return {str(one.get("name")): one for one in parameters if _has_value(one)}


def _has_value(parameter: Mapping[str, Any]) -> bool:
    return any(parameter.get(key) is not None for key in ("value", "default", "valueFrom"))
