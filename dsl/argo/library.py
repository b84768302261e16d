"""The templates that a manifest can call: its own, and those of WorkflowTemplates among the given files.

Argo keeps what it found under a name of its own and takes it from there the next time, inline templates
under the name of their task (workflow/templateresolution/context.go, v4.1.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dsl.argo.findings import Route
from dsl.argo.limits import TEMPLATE_TYPES

_TYPES = (
    "container", "containerSet", "steps", "dag", "script", "resource", "data", "suspend", "http", "plugin",
)  # fmt: skip
LEAVES = {"container", "containerSet", "script", "resource", "data", "http", "plugin"}
PODS = {"container", "containerSet", "script", "resource", "data"}


class Home(NamedTuple):
    """Where a value stands: the number of its document, and the way to it there."""

    document: int
    route: Route

    def at(self, *steps: str | int) -> Home:
        """Return the place below this one."""
        return Home(self.document, (*self.route, *steps))


class Found(NamedTuple):
    """A template and where it stands."""

    value: Mapping[str, Any]
    home: Home

    @property
    def name(self) -> str:
        """Its name; an inline template has none."""
        return str(self.value.get("name", ""))


@dataclass(slots=True)
class Base:
    """What templates are looked up in by name: `scope` is local, namespaced or cluster."""

    scope: str
    name: str
    spec: Mapping[str, Any]
    home: Home
    extra: Mapping[str, Any] = field(default_factory=dict)
    _known: dict[str, Found] | None = None

    @property
    def key(self) -> str:
        """Argo's name of the scope."""
        return f"{self.scope}/{self.name}"

    def templates(self) -> Iterator[Found]:
        """Yield its templates in order."""
        for index, template in enumerate(self.spec.get("templates") or ()):
            yield Found(template, self.home.at("templates", index))

    def names(self) -> list[str]:
        """Return the names of its templates."""
        return [found.name for found in self.templates()]

    def template(self, name: str) -> Found | None:
        """Return the first template of a name, with the metadata that the spec adds to all its pods."""
        if self._known is None:
            self._known = {}
            for found in self.templates():
                one = Found(self.with_pod_metadata(found.value), found.home)
                self._known.setdefault(found.name, one)
        return self._known.get(name)

    def with_pod_metadata(self, template: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a template with the labels and annotations of `podMetadata`, unless it has its own."""
        added = self.spec.get("podMetadata") or {}
        if not any(added.get(key) for key in ("annotations", "labels")):
            return template
        metadata = dict(template.get("metadata") or {})
        for key in ("annotations", "labels"):
            if added.get(key):
                metadata[key] = {**added[key], **(metadata.get(key) or {})}
        return {**template, "metadata": metadata}


class Library:
    """The WorkflowTemplates of the given files by namespace and name, and the ClusterWorkflowTemplates."""

    def __init__(self) -> None:
        self.namespaced: dict[tuple[str, str], Base] = {}
        self.cluster: dict[str, Base] = {}

    def find(self, namespace: str | None, name: str, is_cluster: bool) -> Base | None:
        """Return what a reference names; without a namespace only the cluster's can be found."""
        if is_cluster:
            return self.cluster.get(name)
        return None if namespace is None else self.namespaced.get((namespace, name))

    def names(self, namespace: str | None, is_cluster: bool) -> list[str]:
        """Return the names that `find` would know."""
        if is_cluster:
            return list(self.cluster)
        return [name for space, name in self.namespaced if space == namespace]


def type_of(template: Mapping[str, Any]) -> str:
    """Return the type of a template, the first in Argo's order, or nothing."""
    return next((name for name in _TYPES if name in template), "")


def types_of(template: Mapping[str, Any]) -> list[str]:
    """Return all types that a template has."""
    return [name for name in TEMPLATE_TYPES if name in template]


def inline_calls(template: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Route]]:
    """Yield the tasks and steps of a template that hold a template of their own."""
    for group, steps in enumerate(template.get("steps") or ()):
        for index, step in enumerate(steps):
            if "inline" in step:
                yield step, ("steps", group, index)
    for index, task in enumerate((template.get("dag") or {}).get("tasks") or ()):
        if "inline" in task:
            yield task, ("dag", "tasks", index)
