"""A leaf's volume mounts in, links to folders of this machine out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsl.engine.relocate import Layout


@dataclass(frozen=True, slots=True)
class Claims:
    """Folders that stand for persistent volume claims: given ones by name, others below `root`.

    In those made here `inputs` leads to the folder that artifact keys `inputs/…` are relative to: the same
    relative names are input files in both kinds of storage.
    """

    root: Path
    given: Mapping[str, Path]
    inputs: Path

    def folder(self, name: str) -> Path:
        """Return a claim's folder; it exists afterwards."""
        folder = self.given.get(name, self.root / name)
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / "inputs"
        if name not in self.given:
            with suppress(FileExistsError):  # another leaf's thread was here
                link.symlink_to(self.inputs, target_is_directory=True)
        return folder.resolve()


def mount(
    layout: Layout, mounts: list[dict[str, Any]], volumes: Mapping[str, Mapping[str, Any]], claims: Claims
) -> None:
    """Put every mount of a leaf in place.

    The root itself may be a mount: it is a folder of its own anyway. Raises ValueError for a place that is
    taken.
    """
    for entry in sorted(mounts, key=lambda mount: len(str(mount.get("mountPath")))):
        name = str(entry.get("name"))
        target = _folder(name, volumes.get(name) or {}, layout.folder, claims)
        if entry.get("subPath"):
            target = target / str(entry["subPath"]).strip("/")
            if not target.exists():
                target.mkdir(parents=True)
        place = layout.place(str(entry.get("mountPath") or "").rstrip("/"))
        if place == layout.root or place.is_symlink():
            continue
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
        if place.exists():
            raise ValueError(f"volume {name} cannot be mounted at {entry.get('mountPath')}: it is not empty")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


def _folder(name: str, volume: Mapping[str, Any], folder: Path, claims: Claims) -> Path:
    if volume.get("persistentVolumeClaim") is not None:
        return claims.folder(str(volume["persistentVolumeClaim"].get("claimName")))
    if volume.get("claimTemplate"):
        return claims.folder(name)
    if volume.get("hostPath") is not None:
        host = Path(str(volume["hostPath"].get("path")))
        if volume["hostPath"].get("type") in ("DirectoryOrCreate",):
            host.mkdir(parents=True, exist_ok=True)
        return host
    own = folder / "volumes" / name
    own.mkdir(parents=True, exist_ok=True)
    return own


def volumes_by_name(spec: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the volumes a leaf can mount: the workflow's, those of its claim templates, its own."""
    found: dict[str, Mapping[str, Any]] = {}
    for claim in spec.get("volumeClaimTemplates") or []:
        found[str((claim.get("metadata") or {}).get("name"))] = {"claimTemplate": True}
    for volume in [*(spec.get("volumes") or []), *(body.get("volumes") or [])]:
        found[str(volume.get("name"))] = volume
    return found
