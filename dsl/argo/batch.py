"""Manifests in, their diagnostics out: gate by gate, every problem once, none that follows from another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from dsl.argo.decode import decode
from dsl.argo.findings import Finding, Findings, Gate, Route, nearest
from dsl.argo.library import Base, Home, Library
from dsl.argo.sizes import check_size
from dsl.argo.traps import check_traps
from dsl.argo.types import KINDS
from dsl.argo.validation import Located
from dsl.argo.workflow import check_manifest
from dsl.codes import Code, Severity
from dsl.diagnostics import Diagnostic, Related
from dsl.documents import Document
from dsl.location import Location

API: Final = "argoproj.io/"
VERSION: Final = "argoproj.io/v1alpha1"
_DEEPEST: Final = 20_000
"""Python's frames for templates that call one another: 200 of them, each a dozen frames."""


@dataclass(slots=True)
class Manifest:
    """One manifest: its value, where it is from, and the way to the place of each part."""

    KINDS: ClassVar[tuple[str, ...]] = KINDS

    value: dict[str, Any]
    path: str
    place: Callable[[Route, bool], Location]
    normal: dict[str, Any] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)

    @property
    def kind(self) -> str:
        """One of the four kinds."""
        return str(self.value["kind"])


def kind_fault(document: Document) -> Diagnostic | None:
    """Return what is wrong with a document that is meant for Argo and has no kind that it knows."""
    kind, version = document.value.get("kind"), str(document.value.get("apiVersion", ""))
    if kind in KINDS or not version.startswith(API):
        return None
    if not kind:
        hint = f"add kind: {KINDS[0]}"
        return Diagnostic(Code.UNKNOWN_KIND, document.place(), "the manifest has no kind", hint)
    hint = nearest(str(kind), KINDS)
    if not hint:
        return None  # Argo CD, Events and Rollouts have kinds of their own
    return Diagnostic(Code.UNKNOWN_KIND, document.place(("kind",)), f"kind: there is no kind {kind}", hint)


def check(manifests: list[Manifest]) -> Iterator[Diagnostic]:
    """Yield what all gates find in manifests that may refer to one another."""
    with _deep_recursion():
        located = list(inspect(manifests))
    for one in _without_echoes(located, manifests):
        yield _diagnostic(one, manifests)


def inspect(manifests: list[Manifest]) -> Iterator[Located]:
    """Yield every finding of every gate, echoes included."""
    library = Library()
    for number, manifest in enumerate(manifests):
        manifest.normal = decode(manifest.value, manifest.kind, manifest.findings)
        _check_version(manifest)
        _register(library, manifest, number)
    for number, manifest in enumerate(manifests):
        check_size(manifest.normal, manifest.kind, manifest.findings)
        yield from check_manifest(manifest.normal, manifest.kind, library, number)
        check_traps(manifest.normal, manifest.kind, library, manifest.findings)
        for finding in manifest.findings.found:
            yield Located(Home(number, finding.route), finding)


def _check_version(manifest: Manifest) -> None:
    version = manifest.normal.get("apiVersion", "")
    if version != VERSION:
        clause = f"kubectl apply finds no {manifest.kind} in {version!r}"
        route = ("apiVersion",) if version else ()
        manifest.findings.add(Code.KUBECTL_ONLY, route, clause, f"write apiVersion: {VERSION}", gate=Gate.RUN)


def _register(library: Library, manifest: Manifest, number: int) -> None:
    """Add a manifest that others can refer to, and note a second one of its name."""
    if not manifest.kind.endswith("Template"):
        return
    metadata = manifest.normal.get("metadata") or {}
    name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
    is_cluster = manifest.kind.startswith("Cluster")
    scope = "cluster" if is_cluster else "namespaced"
    base = Base(scope, name, manifest.normal.get("spec") or {}, Home(number, ("spec",)))
    known: dict[Any, Base] = library.cluster if is_cluster else library.namespaced
    key = name if is_cluster else (namespace, name)
    if key in known:
        clause = f"there is a second {manifest.kind} {name}"
        hint = "give each its own name or namespace"
        manifest.findings.add(Code.DUPLICATE_MANIFEST, ("metadata", "name"), clause, hint)
    known.setdefault(key, base)


def _without_echoes(located: Iterable[Located], manifests: list[Manifest]) -> Iterator[Located]:
    """Yield each problem once: not again at each call, nor where an earlier gate named its cause."""
    found = list(located)
    own = {(one.home, one.finding.code) for one in found if one.via is None}
    decoded = {
        one.home.document: [
            other.home.route for other in found
            if other.home.document == one.home.document and other.finding.code in _CAUSES
        ]
        for one in found
    }  # fmt: skip
    refused = {
        one.home for one in found
        if one.finding.gate is Gate.LINT and one.finding.code.severity is Severity.ERROR
    }  # fmt: skip
    seen = set()
    for one in found:
        mark = (one.home, one.finding.code, one.finding.clause if one.finding.code in _MANY else "", one.via)
        if mark in seen or (one.via is not None and (one.home, one.finding.code) in own):
            continue
        if one.finding.gate is not Gate.LINT and one.home in refused:
            continue
        causes = decoded[one.home.document]
        if one.finding.code not in _CAUSES and any(_is_echo(one.home.route, cause) for cause in causes):
            continue
        seen.add(mark)
        yield one


_CAUSES: Final = frozenset({Code.UNKNOWN_FIELD, Code.WRONG_TYPE})
_MANY: Final = frozenset(
    {Code.UNRESOLVED_TAG, Code.UNKNOWN_TASK, Code.TASK_RESULT, Code.MISSING_FIELD, Code.MISSING_INPUT,
     Code.UNKNOWN_FIELD, Code.ARTIFACT_LOCATION, Code.METRIC, Code.CONTAINER_SET, Code.KUBECTL_ONLY}
)  # fmt: skip
"""Codes of which one place can have several."""


def _is_echo(route: Route, cause: Route) -> bool:
    """Whether a place is the owner of a field that could not be decoded, or stands directly in it."""
    owner = cause[:-1]
    return route == owner or (len(route) <= len(cause) and route[: len(owner)] == owner)


def _diagnostic(one: Located, manifests: list[Manifest]) -> Diagnostic:
    finding, manifest = one.finding, manifests[one.home.document]
    place = manifest.place(one.home.route, finding.on_key)
    if one.via is None:
        return Diagnostic(finding.code, place, finding.message, finding.hint)
    caller = manifests[one.via.document].place(one.via.route, False)
    called = Finding(finding.code, one.via.route, f"what it refers to is refused here: {finding.message}")
    return Diagnostic(finding.code, caller, called.message, finding.hint, (Related("there", place),))


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let templates call one another deeper than Python's limit allows functions to."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
