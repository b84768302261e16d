"""A template and what a `podSpecPatch` says in, the template with it out.

Source: workflow/util/util.go:ApplyPodSpecPatch (v4.1.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dsl.engine.merging import merged
from dsl.engine.pod import MAIN, is_set


def patched(body: Mapping[str, Any], kind: str, patches: Iterable[str]) -> Mapping[str, Any]:
    """Return a template with JSON patches of its pod applied in order. Raises ValueError."""
    for patch in patches:
        try:
            changes = json.loads(patch)
        except ValueError as wrong:
            raise ValueError(
                f"Error applying PodSpecPatch: Failed to convert the PodSpecPatch yaml to json: {wrong}"
            ) from None
        if not isinstance(changes, dict):
            raise ValueError(f"Error applying PodSpecPatch: invalid podSpecPatch {json.dumps(patch)}")
        body = _patched(body, kind, changes)
    return body


def _patched(body: Mapping[str, Any], kind: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    sidecars = body.get("sidecars") or []
    own = body[kind].get("containers") or [] if is_set(body) else [{"name": MAIN, **body[kind]}]
    pod = {
        "containers": [*own, *sidecars],
        "initContainers": body.get("initContainers") or [],
        "volumes": body.get("volumes") or [],
    }
    new = merged(pod, {key: value for key, value in changes.items() if key in pod})
    beside = {container["name"] for container in sidecars}
    containers = [container for container in new["containers"] if container["name"] not in beside]
    return {
        **body,
        kind: {**body[kind], "containers": containers} if is_set(body) else containers[0],
        "sidecars": [container for container in new["containers"] if container["name"] in beside],
        "initContainers": new["initContainers"],
        "volumes": new["volumes"],
    }
