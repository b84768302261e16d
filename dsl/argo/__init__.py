"""Argo manifests in, what Argo would refuse or choke on out: the verdict of Argo 4.1.2 without Argo.

Gates in order: text (`dsl.documents`), decoding and the CRD's schema (`decode`, `limits`), Argo's validator
(`workflow` and what it imports), sizes, and traps that Argo lets through (`traps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dsl.argo.batch import Manifest, check, kind_fault
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, in_order
from dsl.documents import Document, not_a_mapping, read_documents
from dsl.garbage import paused_collection
from dsl.location import Location


def validate_manifests(files: Mapping[str, bytes]) -> dict[str, tuple[Diagnostic, ...]]:
    """Return what is wrong with the manifests in files, by path, in order of place.

    References are looked up among all the files, as `argo lint --offline FILE…` does. Documents that are not
    Argo's are left alone; a file must have one that is.
    """
    found: dict[str, list[Diagnostic]] = {path: [] for path in files}
    with paused_collection():
        manifests: list[Manifest] = []
        for path, content in files.items():
            read = read_documents(content, path)
            found[path] += read.problems
            before = len(manifests)
            for document in with_items(read.documents):
                if not isinstance(document.value, dict):
                    found[path].append(not_a_mapping(document))
                elif fault := kind_fault(document):
                    found[path].append(fault)
                elif document.value.get("kind") in Manifest.KINDS:
                    manifests.append(Manifest(document.value, document.path, document.place))
            if not found[path] and len(manifests) == before:
                found[path].append(no_manifest(path))
        for diagnostic in check(manifests):
            found[diagnostic.location.path].append(diagnostic)
    return {path: in_order(diagnostics) for path, diagnostics in found.items()}


def with_items(documents: list[Document]) -> Iterator[Document]:
    """Yield documents, and in place of a list, as `kubectl get` prints it, what is in it."""
    lists = ("List", *(f"{kind}List" for kind in Manifest.KINDS))
    for document in documents:
        value = document.value
        if isinstance(value, dict) and value.get("kind") in lists and isinstance(value.get("items"), list):
            yield from (document.element("items", index) for index in range(len(value["items"])))
        else:
            yield document


def kind_faults(documents: Iterable[Document]) -> list[Diagnostic]:
    """Return what is wrong with documents that are meant for Argo and have no kind that it knows."""
    return [fault for document in documents if (fault := kind_fault(document))]


def faults(documents: Sequence[Document]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the manifests among documents, which are looked up as if in one namespace."""
    yield from kind_faults(documents)
    with paused_collection():
        yield from check(
            [
                Manifest(_anywhere(document.value), document.path, document.place)
                for document in documents
                if document.value.get("kind") in Manifest.KINDS
            ]
        )


def _anywhere(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        return manifest
    return {**manifest, "metadata": {key: value for key, value in metadata.items() if key != "namespace"}}


def no_manifest(path: str) -> Diagnostic:
    """Return what is wrong with a file in which nothing is Argo's."""
    message = f"no document of the file is a {', '.join(Manifest.KINDS[:-1])} or {Manifest.KINDS[-1]}"
    return Diagnostic(Code.NO_MANIFEST, Location(path), message, "leave the file out, or add a manifest")


def validate_manifest(manifest: Mapping[str, Any], location: Location) -> tuple[Diagnostic, ...]:
    """Return what is wrong with one manifest that is a plain dict; all of it stands at one location."""
    with paused_collection():
        return tuple(check([Manifest(dict(manifest), location.path, lambda route, on_key: location)]))
