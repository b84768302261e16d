"""Objects that a run may refer to in: templates, ConfigMaps and Secrets by name out.

They are documents in the form of Kubernetes; those of other kinds are left out, and so are namespaces: a run
has one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsl.engine.refused import Refused

_TEMPLATES = ("WorkflowTemplate", "ClusterWorkflowTemplate")
KEYED = {"ConfigMap": ("configMapRef", "configMapKeyRef"), "Secret": ("secretRef", "secretKeyRef")}
"""Kinds with values by key, and the fields that refer to all of them or to one."""

_TYPE = "workflows.argoproj.io/configmap-type"


class NoValue(ValueError):
    """A ConfigMap does not have what is asked for, or is not there; the message is Argo's.

    `is_absent` is false where Argo does not take a default instead.
    """

    def __init__(self, message: str, *, is_absent: bool = True) -> None:
        super().__init__(message)
        self.is_absent = is_absent


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects by kind and name; the values of a ConfigMap or a Secret are bytes."""

    templates: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    keyed: Mapping[tuple[str, str], Mapping[str, bytes]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def spec(self, reference: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the spec that a `templateRef` or `workflowTemplateRef` names, None when it is not there."""
        kind = _TEMPLATES[bool(reference.get("clusterScope"))]
        return self.templates.get((kind, str(reference.get("name") or "")))

    def values(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """Return the values of a ConfigMap or a Secret by key, None when there is none of that name."""
        return self.keyed.get((kind, name))

    def contents(self) -> list[object]:
        """Return all ConfigMaps and Secrets and what is in them, always in the same order, for a digest."""
        return [
            [*key, sorted((name, value.hex()) for name, value in values.items())]
            for key, values in sorted(self.keyed.items())
        ]

    def referenced(self, source: Mapping[str, Any]) -> str | None:
        """Return the value that a variable's `valueFrom` names, None when an optional one is not there.

        Raises ValueError when another one is not.
        """
        for kind, (_, of_one) in KEYED.items():
            if reference := source.get(of_one):
                name, key = str(reference.get("name") or ""), str(reference.get("key") or "")
                found = (self.values(kind, name) or {}).get(key)
                if found is None and not reference.get("optional"):
                    raise ValueError(f"{kind} {name} with the key {key}")
                return None if found is None else found.decode("utf-8", "replace")
        return None

    def parameter(self, reference: Mapping[str, Any]) -> str:
        """Return the value that a parameter's `configMapKeyRef` names. Raises NoValue.

        Source: workflow/common/configmap.go:GetConfigMapValue (v4.1.2).
        """
        name, label = str(reference.get("name") or ""), f"label {_TYPE}: Parameter"
        if self.values("ConfigMap", name) is None:
            reason = f"Please make sure it has the {label} to be detectable by the controller"
            raise NoValue(f"ConfigMap '{name}' does not exist. {reason}")
        if self.labels.get(name, {}).get(_TYPE) != "Parameter":
            needs = f"ConfigMap '{name}' needs to have the {label} to load parameters"
            raise NoValue(needs, is_absent=False)
        return self.key(reference)

    def require_cache(self, name: str) -> None:
        """Raise NoValue when a ConfigMap of this name is there that is no cache.

        Source: workflow/controller/cache/configmap_cache.go:validateConfigmap (v4.1.2).
        """
        if self.values("ConfigMap", name) is None or self.labels[name].get(_TYPE) == "Cache":
            return
        lacks = f"label {_TYPE} = Cache" if _TYPE in self.labels[name] else f"{_TYPE} label"
        raise NoValue(f"memoization configmap doesn't have {lacks}, refusing to use it")

    def key(self, reference: Mapping[str, Any]) -> str:
        """Return the value of a ConfigMap that a `configMapKeyRef` names. Raises NoValue."""
        name, key = str(reference.get("name") or ""), str(reference.get("key") or "")
        value = (self.values("ConfigMap", name) or {}).get(key)
        if value is None:
            raise NoValue(f"ConfigMap '{name}' does not have the key '{key}'")
        return value.decode("utf-8", "replace")


def read_objects(documents: Iterable[Mapping[str, Any]]) -> Objects:
    """Return the objects in documents; of two with one name the later one. Raises Refused."""
    templates: dict[tuple[str, str], Mapping[str, Any]] = {}
    keyed: dict[tuple[str, str], Mapping[str, bytes]] = {}
    labels: dict[str, Mapping[str, str]] = {}
    for document in _items(documents):
        kind, metadata = str(document.get("kind")), document.get("metadata") or {}
        name = str(metadata.get("name") or "")
        if kind in _TEMPLATES:
            templates[kind, name] = document.get("spec") or {}
        elif kind in KEYED:
            keyed[kind, name] = _values(kind, name, document)
        if kind == "ConfigMap":
            labels[name] = metadata.get("labels") or {}
    return Objects(templates, keyed, labels)


def _items(documents: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield documents, and what a list as `kubectl get` prints it holds in its place."""
    for document in documents:
        is_list = str(document.get("kind")).endswith("List") and isinstance(document.get("items"), list)
        yield from _items(document["items"]) if is_list else [document]


def _values(kind: str, name: str, document: Mapping[str, Any]) -> dict[str, bytes]:
    plain, encoded = ("stringData", "data") if kind == "Secret" else ("data", "binaryData")
    values: dict[str, bytes] = {}
    for key, value in (document.get(encoded) or {}).items():
        try:
            values[str(key)] = base64.b64decode(str(value or ""), validate=True)
        except (binascii.Error, ValueError):
            raise Refused(f"{kind} {name}: {encoded}.{key} is not base64") from None
    return values | {str(key): str(value).encode() for key, value in (document.get(plain) or {}).items()}
