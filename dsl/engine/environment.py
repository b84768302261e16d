"""The environment of a leaf: what tells tools where they live, Argo's own variables, the template's.

Nothing else of the caller's environment reaches a task: on a cluster it would be missing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from typing import Any

from dsl.engine.objects import KEYED, Objects
from dsl.engine.relocate import ROOT, Layout, expand

_PASSED = {"PATH", "HOME", "USER", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV"}
_PREFIXES = ("LC_", "DYLD_", "CONDA_", "GDAL_", "PROJ_", "SSL_CERT_")
FIELDS = {
    "metadata.name": "{pod}",
    "metadata.namespace": "{namespace}",
    "spec.nodeName": platform.node(),
    "status.podIP": "127.0.0.1",
    "status.hostIP": "127.0.0.1",
}
"""Fields of a pod that a `fieldRef` may name."""


def passed_on() -> dict[str, str]:
    """Return what of the environment of this process reaches a process of a task."""
    return {name: value for name, value in os.environ.items() if _is_passed(name)}


def _is_passed(name: str) -> bool:
    return name in _PASSED or name.startswith(_PREFIXES)


def environment(
    container: Mapping[str, Any], layout: Layout, own: Mapping[str, str], objects: Objects, namespace: str
) -> dict[str, str]:
    """Return the environment of a container; `own` is what is passed on, and the variables of Argo.

    Raises ValueError for a value that nothing gives.
    """
    given = dict(_of_objects(container.get("envFrom") or [], objects))
    for variable in container.get("env") or []:
        name, source = str(variable["name"]), variable.get("valueFrom") or {}
        if name == ROOT:
            given[name] = layout.base if layout.is_real else str(layout.root)
        elif source.get("fieldRef"):
            field = FIELDS[str(source["fieldRef"].get("fieldPath"))]
            given[name] = field.format(pod=own["HOSTNAME"], namespace=namespace)
        elif source:
            value = objects.referenced(source)
            if value is not None:
                given[name] = value
        else:
            given[name] = expand(layout.rewrite(str(variable.get("value") or "")), given)
    return {**own, **given}


def known_to_kubelet(env: Mapping[str, str], container: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the variables that a pod declares: `$(NAME)` stands for those, not for what an image sets."""
    own = {str(variable["name"]) for variable in container.get("env") or []}
    hidden = {"HOSTNAME", *(name for name in env if _is_passed(name))} - own
    return {name: value for name, value in env.items() if name not in hidden} if hidden else env


def _of_objects(sources: list[dict[str, Any]], objects: Objects) -> Iterator[tuple[str, str]]:
    """Yield a variable for each key of the objects; a missing one is optional."""
    for source in sources:
        for kind, (reference, _) in KEYED.items():
            name = str((source.get(reference) or {}).get("name") or "")
            for key, value in (objects.values(kind, name) or {}).items():
                yield f"{source.get('prefix') or ''}{key}", value.decode("utf-8", "replace")
