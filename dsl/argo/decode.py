"""A document's value in, what Argo's decoder makes of it out, with what neither decoder nor CRD takes.

The result is in normal form: the fields in Go's order, empty ones left out as Go leaves them out, numbers as
parameter values turned into text. The decoder (sigs.k8s.io/json, strict) refuses unknown fields and other
types; the CRD refuses values beyond its limits. What only the text as written would break, and not what
`argo submit` sends after decoding, is a warning.
"""

from __future__ import annotations

from typing import Any, Final

from dsl.argo import limits
from dsl.argo.findings import Findings, Gate, Route, nearest
from dsl.argo.scalars import as_text, fits, is_duration, is_quantity, is_time, kind_of
from dsl.argo.types import Field, Type, type_of, types, zero
from dsl.codes import Code

UNREADABLE: Final = object()
"""Stands for a value that the decoder refuses."""
_WANTED: Final = {
    "string": "text", "bool": "true or false", "float64": "a number", "bytes": "text in base64",
    "IntOrString": "a whole number or text", "Quantity": "a quantity, as in 100m or 1Gi",
    "Time": "a time, as in 2026-01-31T12:00:00Z", "MicroTime": "a time",
    "Duration": "a duration, as in 1h30m",
    "Amount": "a number", "Plugin": "a mapping with one key",
}  # fmt: skip
_LARGE: Final = "write it in quotes"
_ANY: Final = {"Item", "Object", "FieldsV1", "WorkflowStatus", "CronWorkflowStatus"}


def decode(value: object, kind: str, findings: Findings) -> dict[str, Any]:
    """Return the normal form of a manifest of a kind; what cannot be decoded is left out and noted."""
    decoded = _Decoder(findings).struct(value, type_of(kind))
    return decoded if isinstance(decoded, dict) else type_of(kind).empty()


class _Decoder:
    """Walks a value beside its type; `path` is the way to where it stands."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.path: list[str | int] = []
        self.is_lenient = False  # inside a step, where Argo decodes without looking at unknown fields
        self.has_schema = True  # not inside `inline`, which the CRD does not look into

    @property
    def route(self) -> Route:
        return tuple(self.path)

    def note(
        self,
        code: Code,
        key: str | int | None,
        clause: str,
        hint: str = "",
        *,
        on_key: bool = False,
        gate: Gate = Gate.LINT,
    ) -> None:
        route = self.route if key is None else (*self.route, key)
        self.findings.add(code, route, clause, hint, on_key=on_key, gate=gate)

    def mismatch(self, value: object, kind: str) -> object:
        wanted = _WANTED.get(kind) or (
            "a list" if kind.startswith("[]") or kind == "ParallelSteps"
            else "a whole number" if kind in ("int32", "int64", "int", "uint64") else "a mapping"
        )  # fmt: skip
        hint = _LARGE if wanted == "text" and isinstance(value, (bool, int, float)) else ""
        self.note(Code.WRONG_TYPE, None, f"this is {kind_of(value)}, not {wanted}", hint)
        return UNREADABLE

    def value(self, value: object, kind: str) -> Any:  # noqa: ANN401 - a JSON value
        """Return the normal form of a value that is not null, or UNREADABLE."""
        if kind.startswith("[]"):
            return self.sequence(value, kind)
        if kind.startswith("{}"):
            return self.mapping(value, kind)
        if kind in types():
            return self.struct(value, type_of(kind))
        if kind == "ParallelSteps":
            return self.group(value)
        if kind == "AnyString":
            return self.any_string(value)
        if kind in _ANY:
            return value
        if kind == "Amount":
            return self.amount(value)
        if kind == "Quantity" and isinstance(value, float):
            self.only_kubectl("kubectl apply wants text or a whole number", _LARGE)
        return value if _is_of(value, kind) else self.mismatch(value, kind)

    def any_string(self, value: object) -> str:
        if isinstance(value, (list, dict)):
            hint = "write JSON in quotes"
            clause = f"Argo reads {kind_of(value)} here as empty text"
            self.note(Code.LOST_VALUE, None, clause, hint, gate=Gate.RUN)
        elif not isinstance(value, str):
            self.only_kubectl(f"kubectl apply wants text, not {kind_of(value)}", _LARGE)
        return as_text(value)

    def amount(self, value: object) -> object:
        """Return what the decoder takes unseen and the CRD only as a number."""
        if self.has_schema and (isinstance(value, bool) or not isinstance(value, (int, float))):
            clause = f"this is {kind_of(value)}, not a number"
            self.note(Code.OUT_OF_LIMITS, None, clause, "write a number", gate=Gate.CRD)
        return value

    def only_kubectl(self, clause: str, hint: str = "", key: str | None = None) -> None:
        if self.has_schema:
            self.note(Code.KUBECTL_ONLY, key, clause, hint, gate=Gate.RUN)

    def sequence(self, value: object, kind: str) -> object:
        if not isinstance(value, list):
            return self.mismatch(value, kind)
        inner, elements = kind[2:], []
        for index, element in enumerate(value):
            self.path.append(index)
            if element is None and inner != "Item":
                self.only_kubectl("kubectl apply wants a value here")
                element = _nothing(inner)
            normal = self.value(element, inner)
            if normal is not UNREADABLE:
                elements.append(normal)
            self.path.pop()
        return elements

    def mapping(self, value: object, kind: str) -> object:
        if not isinstance(value, dict):
            return self.mismatch(value, kind)
        inner, pairs = kind[2:], {}
        for key, element in value.items():
            self.path.append(key)
            if element is None:
                self.only_kubectl("kubectl apply wants a value here", "leave the key out")
                element = _nothing(inner)
            normal = self.value(element, inner)
            if normal is not UNREADABLE:
                pairs[key] = normal
            self.path.pop()
        return pairs

    def group(self, value: object) -> object:
        """Decode a group of steps: its own decoder knows a step's fields and nothing below them."""
        if not isinstance(value, list):
            return self.mismatch(value, "ParallelSteps")
        was, self.is_lenient = self.is_lenient, True
        steps = []
        for index, step in enumerate(value):
            self.path.append(index)
            if step is None:
                self.only_kubectl("kubectl apply wants a value here")
            normal = self.struct({} if step is None else step, type_of("WorkflowStep"), is_step=True)
            if normal is not UNREADABLE:
                steps.append(normal)
            self.path.pop()
        self.is_lenient = was
        return steps

    def struct(self, value: object, of: Type, is_step: bool = False) -> Any:  # noqa: ANN401 - a JSON value
        if not isinstance(value, dict):
            return self.mismatch(value, of.name)
        found: list[tuple[int, str, Any]] = []
        present = set()
        for key, inner in value.items():
            field = of.fields.get(key) or self.unknown(key, inner, of, is_step)
            if field is None or (field.name != key and field.name in value):
                continue
            if inner is None:
                if not field.type.endswith("Status") and self.path[:1] != ["metadata"]:
                    self.only_kubectl("kubectl apply wants a value here", "leave the key out", key)
                continue
            present.add(field.name)
            normal = self.field(field, key, inner)
            if normal is UNREADABLE and field.is_written:
                normal = zero(field)
            if normal is not UNREADABLE and (normal or _stays_empty(field, normal)):
                found.append((field.index, field.name, normal))
        self.complete(of, present, found)
        found.sort(key=_position)
        normal = {key: inner for _, key, inner in found}
        if self.has_schema:
            limits.check_struct(normal, of.name, self.route, self.findings)
        return normal

    def field(self, field: Field, key: str, inner: object) -> object:
        """Return the normal form of a field's value, checked against the CRD's limits."""
        self.path.append(key)
        normal = inner if field.type == "string" and type(inner) is str else None
        if normal is None:
            had_schema = self.has_schema
            self.has_schema = had_schema and field.has_schema
            normal = self.value(inner, field.type)
            self.has_schema = had_schema
        if field.limits and self.has_schema and normal is not UNREADABLE:
            limits.check_value(normal, field, self.route, self.findings)
        self.path.pop()
        return normal

    def complete(self, of: Type, present: set[str], found: list[tuple[int, str, Any]]) -> None:
        """Add what Go writes of fields that are not set, and note those that the CRD requires."""
        for field in of.written:
            if field.name not in present:
                found.append((field.index, field.name, zero(field)))
        if not self.has_schema:
            return
        for field in of.fields.values():
            if field.is_required and field.name not in present:
                clause = f"{field.name} is missing"
                if field.is_written and zero(field) is not None and limits.holds(zero(field), field):
                    self.only_kubectl(f"kubectl apply wants {field.name} here", f"add {field.name}:")
                else:
                    self.note(Code.MISSING_FIELD, None, clause, f"add {field.name}:", gate=Gate.CRD)

    def unknown(self, key: str, inner: object, of: Type, is_step: bool) -> Field | None:
        """Note a field that the type has not; inside steps Argo finds it in any case, or drops it."""
        hint = nearest(key, of.fields, "remove it")
        if not self.is_lenient or is_step:
            self.note(Code.UNKNOWN_FIELD, key, f"there is no field {key} here", hint, on_key=True)
            return None
        folded = next((field for name, field in of.fields.items() if name.lower() == key.lower()), None)
        clause = f"only argo reads {key} as {folded.name}" if folded else f"Argo ignores {key} here"
        self.note(Code.IGNORED_FIELD, key, clause, hint, on_key=True, gate=Gate.RUN)
        return folded


def _stays_empty(field: Field, value: object) -> bool:
    """Whether Go keeps an empty value; an empty list of steps or choices is one to its validator."""
    if not field.may_be_empty or field.is_pointer or field.is_written:
        return True
    return value == [] and field.name in ("steps", "enum")


def _position(row: tuple[int, str, Any]) -> int:
    return row[0]


def _nothing(kind: str) -> Any:  # noqa: ANN401 - a JSON value
    """Return what Go makes of null where a value must stand."""
    if kind.startswith("[]") or kind == "ParallelSteps":
        return []
    if kind.startswith("{}") or kind in types():
        return {}
    return {"bool": False, "string": "", "AnyString": ""}.get(kind, 0)


def _is_of(value: object, kind: str) -> bool:
    """Whether Go's decoder takes a value for a scalar type."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "bool":
        return isinstance(value, bool)
    if kind in ("int32", "int64", "int", "uint64"):
        return isinstance(value, int) and is_number and fits(value, kind)
    if kind == "float64":
        return is_number
    if kind == "IntOrString":
        return isinstance(value, str) or (isinstance(value, int) and is_number and fits(value, "int32"))
    if kind == "Quantity":
        return is_quantity(value)
    if kind == "Plugin":
        return isinstance(value, dict) and len(value) == 1
    if not isinstance(value, str):
        return False
    if kind in ("Time", "MicroTime"):
        return is_time(value)
    return is_duration(value) if kind == "Duration" else True
