"""Arguments of a workflow, task or step: names, values, sources of artifacts (validate.go, v4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsl.argo.inputs import has_location
from dsl.argo.library import Home
from dsl.argo.names import check_names
from dsl.argo.validation import Validation
from dsl.codes import Code

_WRONG_SOURCES = ("path", "jsonPath", "parameter", "expression")


def check_arguments(
    validation: Validation,
    arguments: Mapping[str, Any],
    home: Home,
    *,
    may_lack_values: bool = False,
    is_written: bool = False,
) -> None:
    """Report arguments that Argo cannot pass; `is_written` ones are as their author wrote them.

    A workflow's own may lack values, which come when it is submitted.
    """
    for kind in ("parameters", "artifacts"):
        elements = arguments.get(kind) or ()
        for code, index, clause, hint in check_names(elements, is_parameter=True):
            place = home.at(kind, index)
            has_name = bool(elements[index].get("name"))
            validation.report(code, place.at("name") if has_name else place, clause, hint)
    for index, parameter in enumerate(arguments.get("parameters") or ()):
        place = home.at("parameters", index)
        if not _check_value(validation, parameter, place, may_lack_values, is_written):
            continue
        if _check_choices(validation, parameter, place, may_lack_values, is_written):
            break
    for index, artifact in enumerate(arguments.get("artifacts") or ()):
        place = home.at("artifacts", index)
        if not artifact.get("from") and not has_location(artifact):
            hint = "add from:, or a location such as s3:"
            validation.report(Code.ARTIFACT_LOCATION, place, "the artifact comes from nowhere", hint)
        if artifact.get("from") and artifact.get("fromExpression"):
            clause = "from and fromExpression exclude one another"
            validation.report(
                Code.EXCLUSIVE_FIELDS, place.at("fromExpression"), clause, "keep one", on_key=True
            )


def _check_value(
    validation: Validation,
    parameter: Mapping[str, Any],
    place: Home,
    may_lack_values: bool,
    is_written: bool,
) -> bool:
    """Report a parameter without a value, or with a source that no argument has; False if there is one."""
    value, source = parameter.get("value"), parameter.get("valueFrom")
    if value is None and source is None and not may_lack_values:
        name = parameter.get("name", "")
        hint = f"add value:; `dsl run` also takes `-p {name}=VALUE`" if is_written else "add value:"
        validation.report(Code.ARGUMENT, place, f"parameter {name} has no value", hint)
        return False
    if source is not None:
        is_known = "configMapKeyRef" in source or source.get("event") or "supplied" in source
        if not is_known or any(source.get(key) for key in _WRONG_SOURCES):
            clause = "an argument can come from a configMapKeyRef, an event, or be supplied"
            validation.report(Code.ARGUMENT, place.at("valueFrom"), clause, "use value:", on_key=True)
            return False
    return True


def _check_choices(
    validation: Validation,
    parameter: Mapping[str, Any],
    place: Home,
    may_lack_values: bool,
    is_written: bool,
) -> bool:
    """Report a value that is none of its choices; True where Argo looks at no further argument."""
    choices, value = parameter.get("enum"), parameter.get("value")
    if choices is None or (not choices and not is_written):
        return False
    if not choices:
        validation.report(Code.ARGUMENT, place.at("enum"), "there is nothing to choose from", "add a value")
    elif value is None:
        if may_lack_values:
            return True
        validation.report(Code.ARGUMENT, place, "a parameter with enum has no value", "add value:")
    elif value not in choices:
        clause = f"{value!r} is none of {', '.join(choices)}"
        validation.report(Code.ARGUMENT, place.at("value"), clause, "use one of them, or add it to enum")
    return False
