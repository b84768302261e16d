"""The limits of the CRDs: what kube-apiserver refuses in a value that the decoder took (Argo 4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from dsl.argo.findings import Findings, Gate, Route
from dsl.argo.types import Field
from dsl.codes import Code

LOCATIONS: Final = ("s3", "git", "http", "artifactory", "hdfs", "raw", "oss", "gcs", "azure", "plugin")
TEMPLATE_TYPES: Final = (
    "container", "script", "dag", "steps", "resource", "suspend", "containerSet", "data", "http", "plugin",
)  # fmt: skip


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("$", r"\Z"))


def holds(value: object, field: Field) -> bool:
    """Whether a value is within the limits of a field."""
    return not any(_breaches(value, field.limits))


def check_value(value: object, field: Field, route: Route, findings: Findings) -> None:
    """Note where a value is beyond the limits of its field; Go leaves an empty one out."""
    for breach in _breaches(value, field.limits):
        if not value and field.may_be_empty and not field.is_pointer and not isinstance(value, bool):
            clause = f"kubectl apply refuses it: {breach}"
            findings.add(Code.KUBECTL_ONLY, route, clause, "leave it out", gate=Gate.RUN)
        else:
            findings.add(_code(field, value), route, breach, _hint(field.limits), gate=Gate.CRD)
    if not isinstance(value, list):
        return
    if inner := field.limits.get("items"):
        for index, element in enumerate(value):
            for breach in _breaches(element, inner):
                findings.add(Code.OUT_OF_LIMITS, (*route, index), breach, _hint(inner), gate=Gate.CRD)
    if "keys" in field.limits:
        _check_keys(value, field.limits["keys"], route, findings)


def _code(field: Field, value: object) -> Code:
    if field.name == "name":
        return Code.FIELD_NAME
    is_long = isinstance(value, list) and len(value) > field.limits.get("maxItems", len(value))
    return Code.TEMPLATE_COUNT if is_long and field.name in ("templates", "tasks") else Code.OUT_OF_LIMITS


def _hint(limits: Mapping[str, Any]) -> str:
    """Return what to do about a value that breaks a limit."""
    if words := [word for word in limits.get("enum", ()) if word]:
        return f"write one of {', '.join(words)}"
    if "maxItems" in limits:
        return "divide it: let a task call a DAG template of its own, or a WorkflowTemplate"
    if "minItems" in limits:
        return "add one"
    bounds = [
        f"{word} {limits[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in limits
    ]
    return f"write a whole number {' '.join(bounds)}" if bounds else "write a text of this form"


def _breaches(value: object, limits: Mapping[str, Any]) -> list[str]:
    """Return in words which limits a value breaks."""
    found = []
    if "enum" in limits and value not in limits["enum"]:
        found.append(f"{value!r} is not one of {', '.join(word for word in limits['enum'] if word)}")
    if isinstance(value, str):
        if len(value) < limits.get("minLength", 0):
            found.append("it is empty")
        if len(value) > limits.get("maxLength", len(value)):
            found.append(f"it is longer than {limits['maxLength']} characters")
        if "pattern" in limits and not _pattern(limits["pattern"]).search(value):
            found.append(f"{value!r} does not match {limits['pattern']}")
    elif isinstance(value, list):
        if len(value) < limits.get("minItems", 0):
            found.append(f"it has {len(value)} elements, and needs {limits['minItems']}")
        if len(value) > limits.get("maxItems", len(value)):
            found.append(f"it has {len(value)} elements; Argo accepts at most {limits['maxItems']}")
    elif isinstance(value, int):
        if value < limits.get("minimum", value):
            found.append(f"{value} is less than {limits['minimum']}")
        if value > limits.get("maximum", value):
            found.append(f"{value} is more than {limits['maximum']}")
    return found


def _check_keys(elements: list[Any], keys: list[str], route: Route, findings: Findings) -> None:
    """Note elements of a list that share what must tell them apart."""
    seen: dict[tuple[Any, ...], int] = {}
    for index, element in enumerate(elements):
        if keys and not isinstance(element, dict):
            continue
        defaults = {"protocol": "TCP"}
        identity = tuple(element.get(key, defaults.get(key)) for key in keys) if keys else (str(element),)
        if identity in seen:
            shown = " ".join(str(part) for part in identity)
            named = f"{keys[0]} {shown}" if keys else shown
            clause = f"{named} stands here and in element {seen[identity]}"
            place = (*route, index, *keys[:1])
            findings.add(Code.DUPLICATE_NAME, place, clause, "keep one of them", gate=Gate.CRD)
        else:
            seen[identity] = index


def check_struct(value: Mapping[str, Any], kind: str, route: Route, findings: Findings) -> None:
    """Note the fields of a struct that exclude one another (the CRDs' CEL rules)."""
    if rule := _RULES.get(kind):
        rule(value, route, findings)


def _exclusive(names: tuple[str, ...], value: Mapping[str, Any]) -> list[str]:
    both = [name for name in names if name in value]
    return both if len(both) > 1 else []


def _one_of(*names: str) -> Callable[[Mapping[str, Any], Route, Findings], None]:
    def rule(value: Mapping[str, Any], route: Route, findings: Findings) -> None:
        if both := _exclusive(names, value):
            clause = f"{' and '.join(both)} exclude one another"
            place = (*route, both[-1])
            findings.add(Code.EXCLUSIVE_FIELDS, place, clause, "keep one of them", on_key=True, gate=Gate.CRD)

    return rule


def _gauge(value: Mapping[str, Any], route: Route, findings: Findings) -> None:
    if value.get("realtime") and "resourcesDuration." in value.get("value", ""):
        clause = "a real-time gauge cannot measure resourcesDuration"
        findings.add(Code.METRIC, (*route, "value"), clause, "set realtime: false", gate=Gate.CRD)


def _task(value: Mapping[str, Any], route: Route, findings: Findings) -> None:
    if "depends" in value:
        for name in ("dependencies", "continueOn"):
            if name in value:
                clause = f"depends and {name} exclude one another"
                place = (*route, name)
                findings.add(Code.MIXED_DEPENDS, place, clause, f"remove {name}", on_key=True, gate=Gate.CRD)
    if ("depends" in value or "dependencies" in value) and value.get("name", "")[:1].isdigit():
        clause = "a task that waits for others cannot begin with a digit"
        findings.add(Code.FIELD_NAME, (*route, "name"), clause, "begin with a letter", gate=Gate.CRD)


_RULES: Final[Mapping[str, Callable[[Mapping[str, Any], Route, Findings], None]]] = {
    "Artifact": _one_of(*LOCATIONS),
    "ArtifactLocation": _one_of(*LOCATIONS),
    "ArtifactPaths": _one_of(*LOCATIONS),
    "Sequence": _one_of("count", "end"),
    "ResourceTemplate": _one_of("manifest", "manifestFrom"),
    "Gauge": _gauge,
    "DAGTask": _task,
}
