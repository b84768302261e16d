"""The types of a manifest: what Argo's decoder and its CRDs know of each field, read from `types.json`.

`tests/argo/make_types.py` writes that file and says what its rows mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the word for its type, its position in Go, and how Go and the CRD treat it."""

    name: str
    type: str
    index: int
    may_be_empty: bool
    is_pointer: bool
    is_required: bool
    has_schema: bool
    limits: Mapping[str, Any]

    @property
    def is_written(self) -> bool:
        """Whether Go writes it also when it is not set."""
        return not self.may_be_empty or (not self.is_pointer and self.type in types())


@dataclass(frozen=True, slots=True)
class Type:
    """A struct of Go's: its fields by name, and those that Go always writes."""

    name: str
    fields: Mapping[str, Field]
    written: tuple[Field, ...] = field(default=())

    def empty(self) -> dict[str, Any]:
        """Return what Go writes for a value without content."""
        return {one.name: zero(one) for one in self.written}


def zero(of: Field) -> Any:  # noqa: ANN401 - a JSON value
    """Return what Go writes for a field that is always written and not set."""
    if of.is_pointer or of.type.startswith(("[]", "{}")):
        return None
    if of.type in types():
        return type_of(of.type).empty()
    return {"string": "", "bool": False}.get(of.type, None if of.type[0].isupper() else 0)


@cache
def types() -> Mapping[str, Mapping[str, Any]]:
    """Return the rows of `types.json`."""
    rows: dict[str, Any] = json.loads(files(__package__).joinpath("types.json").read_bytes())
    return rows


@cache
def type_of(name: str) -> Type:
    """Return a struct by its name in Go. Raises KeyError when there is none."""
    fields = {}
    for index, (key, row) in enumerate(types()[name].items()):
        flags = row[1] if len(row) > 1 else ""
        limits = row[2] if len(row) > 2 else {}
        fields[key] = Field(
            key, row[0], index, "o" in flags, "p" in flags, "r" in flags, "x" not in flags, limits
        )
    return Type(name, fields, tuple(one for one in fields.values() if one.is_written))
