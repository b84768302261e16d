"""Files of manifests and of keys in; the manifest to run, and the objects that it may refer to, out.

Knows no layout and no exit codes. What the objects mean is for the engine to say.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsl.argo import faults, kind_faults, no_manifest, with_items
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, in_order
from dsl.documents import Document, not_a_mapping, sound_documents
from dsl.load import content_of
from dsl.location import Location
from dsl.names import did_you_mean

_RUNS = (("Workflow", "CronWorkflow"), ("WorkflowTemplate", "ClusterWorkflowTemplate"))
"""Kinds that run, the likelier ones first."""
_FREE = ("status", "withItems", "value", "enum", "command", "args", "dependencies", "items")
"""Fields whose lists hold other things than mappings."""
_TYPE = {"workflows.argoproj.io/configmap-type": "Parameter"}


class Unclear(ValueError):
    """Which of several documents is to be run cannot be told, or what a path of keys means."""


def read(path: str) -> list[Document]:
    """Return the documents of a file, those of a list one by one. Raises Rejected."""
    documents = list(with_items(sound_documents(content_of(path), path)))
    if others := [not_a_mapping(one) for one in documents if not isinstance(one.value, dict)]:
        raise Rejected(*others)
    return documents


def chosen(documents: Sequence[Document], file: str) -> Document:
    """Return the document to run: the Workflow or CronWorkflow, else the template.

    Raises Unclear when there is more than one, and Rejected when there is none.
    """
    for kinds in _RUNS:
        found = [one for one in documents if one.value.get("kind") in kinds]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(_label(one.value) for one in found)
            raise Unclear(f"{file} holds several manifests that run: {names}; give one")
    raise Rejected(*(kind_faults(documents) or [no_manifest(file)]))


def _label(manifest: dict[str, Any]) -> str:
    metadata = manifest.get("metadata")
    names = metadata if isinstance(metadata, dict) else {}
    return f"{manifest['kind']} {names.get('name') or names.get('generateName') or ''}".strip()


def found_in(documents: Sequence[Document]) -> tuple[Diagnostic, ...]:
    """Return what `dsl validate` finds in documents, all in one namespace, and elements without content.

    That they refer to what is not among them is for the engine to say.
    """
    found = [one for one in faults(documents) if one.code is not Code.UNKNOWN_REFERENCE]
    empty = (
        Diagnostic(
            Code.WRONG_TYPE, document.place(route), "this element is empty", "write it out or remove it"
        )
        for document in documents
        for route in _empty_elements(document.value, ())
    )
    return in_order([*found, *empty])


def _empty_elements(value: object, route: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the ways to nulls in lists of mappings, each of which Argo takes for a mapping without keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _FREE:
                yield from _empty_elements(inner, (*route, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if inner is None:
                yield (*route, index)
            yield from _empty_elements(inner, (*route, index))


def require_named(given: Mapping[str, Iterable[str]], manifests: Iterable[Mapping[str, Any]]) -> None:
    """Raise Unclear for a name, by its kind, that nothing refers to: it is misspelt, or of another manifest.

    Kinds are Secret, ConfigMap and `volume`, which is a claim too. What is named at run time may be any.
    """
    named = _Names()
    for manifest in manifests:
        named.read(manifest)
    for kind, names in given.items():
        known = sorted(named.found[kind])
        for name in names:
            if not named.may_be_any and name not in known and not any("{{" in each for each in known):
                guess = did_you_mean(name, known)
                hint = f"did you mean {guess}?" if guess else f"it refers to {', '.join(known) or 'none'}"
                raise Unclear(f"the manifest refers to no {kind} {name}; {hint}")


_OF_SECRETS = ("secret", "secretRef", "secretKeyRef", "imagePullSecrets", "azureFile")


class _Names:
    """The names that manifests refer to; a patch of a pod is a text and may refer to any."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {"volume": set(), "Secret": set(), "ConfigMap": set()}
        self.may_be_any = False

    def read(self, value: object, field: str = "") -> None:
        """Enter what a value refers to, which stands in a field."""
        if isinstance(value, dict):
            self._enter(value, field)
            for name, each in value.items():
                self.read(each, name)
        elif isinstance(value, list):
            for each in value:
                self.read(each, field)

    def _enter(self, value: Mapping[str, Any], field: str) -> None:
        self.may_be_any = self.may_be_any or bool(value.get("podSpecPatch"))
        name = str(value.get("name") or value.get("secretName") or "")
        if field == "volumes":
            self.found["volume"].add(name)
        elif field == "volumeClaimTemplates":
            self.found["volume"].add(str((value.get("metadata") or {}).get("name")))
        elif field == "persistentVolumeClaim":
            self.found["volume"].add(str(value.get("claimName")))
        elif field in _OF_SECRETS or field.endswith(("Secret", "SecretRef")):
            self.found["Secret"].add(name)
        elif field in ("configMap", "configMapRef", "configMapKeyRef"):
            self.found["ConfigMap"].add(name)


def place_of(template: Mapping[str, Any], documents: Iterable[Document]) -> Location | None:
    """Return where a template of documents stands, None when there are several of its name or none.

    Into one that has defaults those are merged: it is another mapping of the same name.
    """
    named = [
        (one, document.place((*route, "templates", index)))
        for document in documents
        for route, holder in _holders(document.value)
        for index, one in enumerate(holder.get("templates") or [])
        if one.get("name") == template.get("name")
    ]
    places = [place for one, place in named if one is template] or [place for _, place in named]
    return places[0] if len(places) == 1 else None


def _holders(manifest: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield the mappings of a sound manifest that may have templates, and the ways to them."""
    spec = manifest.get("spec") or {}
    yield ("spec",), spec
    yield ("spec", "workflowSpec"), spec.get("workflowSpec") or {}


def keyed_object(kind: str, name: str, paths: Iterable[str]) -> dict[str, Any]:
    """Return a Secret or ConfigMap as `kubectl create --from-file` makes it of files and folders.

    A file's name is its key, unless the path begins with `KEY=`. Raises Unclear, and OSError.
    """
    values: dict[str, bytes] = {}
    for text in paths:
        key, equals, rest = text.partition("=")
        path = Path(rest if equals else text)
        if path.is_dir() and not equals:
            values |= {file.name: file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()}
        elif path.is_file():
            values[key if equals else path.name] = path.read_bytes()
        else:
            raise Unclear(f"{path} is no file{'' if equals else ' or folder'}")
    field = "data" if kind == "Secret" else "binaryData"
    encoded = {key: base64.b64encode(value).decode() for key, value in values.items()}
    metadata = {"name": name, "labels": _TYPE} if kind == "ConfigMap" else {"name": name}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, field: encoded}
