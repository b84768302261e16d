"""A parameter in, the JSON that Argo writes of it out: its fields in the order of pkg/apis (v4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsl.expr import gojson

_PARAMETER = ("name", "default", "value", "valueFrom", "globalName", "enum", "description")
_SOURCE = (
    "path",
    "jsonPath",
    "jqFilter",
    "event",
    "parameter",
    "supplied",
    "configMapKeyRef",
    "default",
    "expression",
)
_REFERENCE = ("name", "key", "optional")


def written(parameter: Mapping[str, Any]) -> str:
    """Return the JSON of a parameter; fields that are None are left out."""
    source = parameter.get("valueFrom")
    return _object(parameter, _PARAMETER, {"valueFrom": _source(source)} if source else {})


def _source(source: Mapping[str, Any]) -> str:
    reference = source.get("configMapKeyRef")
    return _object(
        source, _SOURCE, {"configMapKeyRef": _object(reference, _REFERENCE, {})} if reference else {}
    )


def _object(fields: Mapping[str, Any], order: tuple[str, ...], inner: Mapping[str, str]) -> str:
    texts = {name: gojson.dumps(fields[name]) for name in order if fields.get(name) is not None}
    return "{" + ",".join(f'"{name}":{inner.get(name, text)}' for name, text in texts.items()) + "}"
