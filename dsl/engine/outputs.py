"""The outputs of a DAG or steps template, taken from what ran in it.

Source: workflow/controller/operator.go:getTemplateOutputsFromScope (v4.1.2).
"""

from __future__ import annotations

from typing import Any

from dsl.engine.arguments import UnresolvedError, output_value, resolved_artifact
from dsl.engine.call import Prepared
from dsl.engine.scope import Scope
from dsl.engine.tags import TagError
from dsl.expr import gojson


def template_outputs(
    prepared: Prepared, scope: Scope
) -> tuple[dict[str, str | None], dict[str, dict[str, Any]]]:
    """Return parameters and artifacts by name. Raises TagError."""
    declared = prepared.body.get("outputs") or {}
    parameters: dict[str, str | None] = {}
    for parameter in declared.get("parameters") or []:
        parameters[str(parameter["name"])] = _parameter(parameter, scope)
    artifacts: dict[str, dict[str, Any]] = {}
    for artifact in declared.get("artifacts") or []:
        if not artifact.get("from") and not artifact.get("fromExpression"):
            continue
        try:
            found = resolved_artifact(artifact, scope)
        except UnresolvedError as wrong:
            if artifact.get("optional"):
                continue
            raise TagError(f"unable to resolve outputs from scope: {wrong}") from None
        except TagError as wrong:
            raise TagError(f"unable to resolve outputs from scope: {wrong}") from None
        artifacts[str(artifact["name"])] = {**found, "name": str(artifact["name"])}
    return parameters, artifacts


def _parameter(parameter: dict[str, Any], scope: Scope) -> str:
    source = parameter.get("valueFrom")
    if source is None:
        raise TagError("output parameters must have a valueFrom specified")
    default = source.get("default")
    try:
        value, is_absent = output_value(source, scope)
    except TagError:
        if default is None:
            raise
        return str(default)
    if is_absent and default is not None:
        return str(default)
    if value is None:
        absent = "is an absent optional (skipped/omitted node output with no default)"
        raise TagError(f'output parameter "{parameter["name"]}": "{source.get("parameter", "")}" {absent}')
    return value if isinstance(value, str) else gojson.sprint(value)
