"""Files of manifests and of keys in; the manifest to run, and the objects that it may refer to, out.

Knows no layout and no exit codes. What the objects mean is for the engine to say.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dsl.argo import faults, with_items
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.documents import Document, not_a_mapping, sound_documents

_RUNS = (("Workflow", "CronWorkflow"), ("WorkflowTemplate", "ClusterWorkflowTemplate"))
"""Kinds that run, the likelier ones first."""
_TYPE = {"workflows.argoproj.io/configmap-type": "Parameter"}


class Unclear(ValueError):
    """Which of several documents is to be run cannot be told, or what a path of keys means."""


def read(path: str) -> list[Document]:
    """Return the documents of a file, those of a list one by one. Raises Rejected, and OSError."""
    documents = list(with_items(sound_documents(Path(path).read_bytes(), path)))
    if others := [not_a_mapping(one) for one in documents if not isinstance(one.value, dict)]:
        raise Rejected(*others)
    return documents


def chosen(documents: Sequence[Document], file: str) -> Document:
    """Return the document to run: the only one, else the Workflow or CronWorkflow, else the template.

    Raises Unclear when there is none or more than one.
    """
    if len(documents) == 1:
        return documents[0]
    for kinds in _RUNS:
        found = [one for one in documents if one.value.get("kind") in kinds]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(_label(one.value) for one in found)
            raise Unclear(f"{file} holds several manifests that run: {names}; give one")
    raise Unclear(f"{file} holds {len(documents)} manifests, and none that runs; give one")


def _label(manifest: dict[str, Any]) -> str:
    metadata = manifest.get("metadata") or {}
    return f"{manifest['kind']} {metadata.get('name') or metadata.get('generateName') or ''}".strip()


def refused_by_argo(documents: Iterable[Document]) -> tuple[Diagnostic, ...]:
    """Return why Argo would not take the documents, all in one namespace; nothing when it would.

    That they refer to what is not among them is for the engine to say.
    """
    others = (problem for problem in faults(documents) if problem.code is not Code.UNKNOWN_REFERENCE)
    return tuple(problem for problem in others if problem.is_error)


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
