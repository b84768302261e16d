"""Templates in; the folders on volumes out in which the workers of a run leave what their tasks make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dsl.engine.definition import Definition, Template
from dsl.engine.relocate import base_of
from dsl.engine.volumes import Claims, volumes_by_name

_NAME = "{{workflow.name}}"


def task_folders(definition: Definition, claims: Claims) -> list[Path]:
    """Return the folders that are there of tasks with a folder of the run's name on a claim."""
    found: dict[Path, None] = {}
    for template in definition.every_template():
        for claim, below in _outs(template, definition.spec):
            root = claims.given.get(claim, claims.root / claim)
            place = root / str(below.parent).replace(_NAME, definition.name)
            if _NAME in below.parts and place.is_dir():
                found[place.resolve()] = None
    return list(found)


def _outs(template: Template, spec: Mapping[str, Any]) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield the claim on which a worker leaves what it makes, and where on it, with tags."""
    container = template.raw.get("script") or template.raw.get("container") or {}
    base = base_of(container)
    if not base:
        return
    outs = [str(v.get("value")) for v in container.get("env") or [] if v.get("name") == "ARGOSY_OUT"]
    volumes = volumes_by_name(spec, template.raw)
    for mount in container.get("volumeMounts") or []:
        claim = (volumes.get(str(mount.get("name"))) or {}).get("persistentVolumeClaim") or {}
        top = PurePosixPath(str(mount.get("mountPath")))
        for out in outs if claim and str(top) != base else []:
            place = PurePosixPath(base, out)
            if place.is_relative_to(top):
                below = PurePosixPath(str(mount.get("subPath") or "").strip("/"), place.relative_to(top))
                yield str(claim.get("claimName")), below
