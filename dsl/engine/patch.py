"""A template and what a `podSpecPatch` says in, the template with it out.

Source: workflow/util/util.go:ApplyPodSpecPatch (v4.1.2). What is wrong with a patch Argo does not tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dsl.engine.merging import merged
from dsl.engine.pod import MAIN, is_set
from dsl.expr.gojson import load_with


def patched(
    body: Mapping[str, Any], kind: str, patches: Iterable[str], yaml: Callable[[str], Any]
) -> Mapping[str, Any]:
    """Return a template with patches of its pod applied in order; `yaml` reads those that are not JSON.

    Raises:
        ValueError: a patch is none.
    """
    try:
        for patch in patches:
            body = _patched(body, kind, _changes(patch, yaml))
    except ValueError as wrong:
        raise ValueError("Error applying PodSpecPatch") from wrong
    return body


def _changes(patch: str, yaml: Callable[[str], Any]) -> Mapping[str, Any]:
    is_json = patch.lstrip().startswith("{")
    changes: Any = load_with(patch, json.JSONDecoder()) if is_json else yaml(patch)
    if not isinstance(changes or {}, dict):
        raise ValueError("it is no mapping")
    return changes or {}


def _patched(body: Mapping[str, Any], kind: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    sidecars = body.get("sidecars") or []
    own = body[kind].get("containers") or [] if is_set(body) else [{"name": MAIN, **body[kind]}]
    pod = {
        "containers": [*own, *sidecars],
        "initContainers": body.get("initContainers") or [],
        "volumes": body.get("volumes") or [],
    }
    new = merged(pod, {key: value for key, value in changes.items() if key in pod}, nulls_delete=True)
    beside = {container["name"] for container in sidecars}
    containers = [container for container in new["containers"] if container["name"] not in beside]
    return {
        **body,
        kind: {**body[kind], "containers": containers} if is_set(body) else containers[0],
        "sidecars": [container for container in new["containers"] if container["name"] in beside],
        "initContainers": new["initContainers"],
        "volumes": new["volumes"],
    }
