"""A leaf's volume mounts in, links to folders of this machine out.

In claims that are made here `inputs` holds copies of the files that partitions name. On a cluster those files
are put there before a run; here they are the user's own, relative to one folder.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dsl.engine.copies import copy_alike, remove
from dsl.engine.objects import Objects
from dsl.engine.relocate import SECRETS, Layout, base_of
from dsl.engine.stamps import Stamps

_OF_OTHERS = ("persistentVolumeClaim", "hostPath", "claimTemplate")
_HOST_PATHS: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "Directory": (Path.is_dir, "a directory"),
    "File": (Path.is_file, "a file"),
    "Socket": (Path.is_socket, "a socket file"),
    "CharDevice": (Path.is_char_device, "a character device"),
    "BlockDevice": (Path.is_block_device, "a block device"),
}
"""What is to be at a `hostPath` of a type (pkg/volume/hostpath of Kubernetes)."""
WITHIN = "others would find it in that folder; mount it elsewhere, or within an emptyDir"


@dataclass(frozen=True, slots=True)
class Claims:
    """Folders that stand for persistent volume claims: given ones by name, others below `root`.

    `inputs` is the folder that artifact keys `inputs/…` are relative to: the same relative names are input
    files in both kinds of storage. Beside `root` is on record what was copied there: a claim may have such a
    folder by a task.
    """

    root: Path
    given: Mapping[str, Path]
    inputs: Path
    _stamps: Stamps = field(default_factory=Stamps)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def folder(self, name: str) -> Path:
        """Return a claim's folder; it exists afterwards."""
        folder = self.given.get(name, self.root / name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()

    def stage(self, items: str, columns: Iterable[int], claims: Iterable[str]) -> None:
        """Copy what these fields of a partition line name below `inputs` into claims, unless it is there.

        A copy that a leaf changed is made anew.
        """
        paths = list(_paths(items, list(columns)))
        for name in claims:
            for path in paths if name not in self.given else ():
                with self._lock:
                    self._copy(self.inputs / path, self.root / name / "inputs" / path)

    def sources(self, items: str, columns: Iterable[int], claims: Iterable[str]) -> list[Path]:
        """Return the files that these fields of a partition line name, where claims have them from."""
        paths = list(_paths(items, list(columns)))
        roots = [self.given[name] / "inputs" if name in self.given else self.inputs for name in claims]
        return [root / path for root in roots for path in paths]

    def _copy(self, source: Path, target: Path) -> None:
        if not source.exists() or (target.exists() and not self._stamps.changed(target)):
            return
        with self._record.open("a", encoding="ascii") as record:
            record.write(f"{json.dumps(os.fspath(target.relative_to(self.root)))}\n")
        remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_alike(source, target)
        self._stamps.note(target, self.root)

    @property
    def _record(self) -> Path:
        return self.root.with_name("copied")

    def clear(self) -> None:
        """Remove the copies: a run that has ended, or was killed, needs them no more."""
        root = self.root.resolve()
        for copied in _recorded(self._record):
            if (root / copied).parent.resolve() != root / copied.parent:  # a link of a task's
                continue
            with suppress(OSError):  # a program may have taken its permissions away
                remove(root / copied)
                for folder in copied.parents[:-2]:  # up to `inputs` in the claim
                    (root / folder).rmdir()
        self._record.unlink(missing_ok=True)


def _recorded(record: Path) -> Iterator[PurePosixPath]:
    with suppress(FileNotFoundError):
        for line in record.read_text(encoding="ascii").splitlines():
            with suppress(ValueError):  # torn: nothing was copied yet
                yield PurePosixPath(json.loads(line))


def _paths(items: str, columns: Iterable[int]) -> Iterator[PurePosixPath]:
    r"""Yield the relative paths in these fields, bodies of JSON strings, of a partition line.

    >>> [str(path) for path in _paths("0;a.tif|1;b\\u007c.tif|2;../x|3", [0])]
    ['a.tif', 'b|.tif']
    """
    for fields in (item.split("|") for item in items.split(";")[1:]):
        for column in columns:
            path = PurePosixPath(json.loads(f'"{fields[column]}"'))
            if not path.is_absolute() and ".." not in path.parts:
                yield path


def claims_of(mounts: Iterable[Mapping[str, Any]], volumes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the persistent volume claims among a leaf's mounts."""
    mounted = (volumes.get(str(entry.get("name"))) or {} for entry in mounts)
    found = [volume["persistentVolumeClaim"] for volume in mounted if volume.get("persistentVolumeClaim")]
    return [str(claim.get("claimName")) for claim in found]


class Volumes(NamedTuple):
    """The volumes that one pod can mount, by name; those that are its own are in its folder.

    Secrets are apart: the folder of a leaf that failed stays, but for them.
    """

    by_name: Mapping[str, Mapping[str, Any]]
    pod: Path
    claims: Claims
    objects: Objects

    def folder(self, name: str) -> Path:
        """Return the folder that stands for a volume; it exists afterwards. Raises ValueError."""
        volume = self.by_name.get(name) or {}
        if name in self.claims.given and volume.get("persistentVolumeClaim") is None:
            return self.claims.folder(name)
        if volume.get("persistentVolumeClaim") is not None:
            return self.claims.folder(str(volume["persistentVolumeClaim"].get("claimName")))
        if volume.get("claimTemplate"):
            return self.claims.folder(name)
        if volume.get("hostPath") is not None:
            return _host_path(name, volume["hostPath"])
        is_secret = any(kind == "Secret" for kind, _ in keyed_sources(volume))
        own = self.pod / (SECRETS if is_secret else "volumes") / name
        if not own.exists():
            own.mkdir(parents=True, mode=0o700)
            for kind, source in keyed_sources(volume):
                _write_values(source, self._values(kind, source), own)
        return own

    def _values(self, kind: str, source: Mapping[str, Any]) -> Mapping[str, bytes]:
        name = str(source.get("name") or source.get("secretName") or "")
        values = self.objects.values(kind, name)
        if values is None and not source.get("optional"):
            raise ValueError(f"{kind} {name} is not given")
        return values or {}

    def clear(self) -> None:
        """Remove the secrets among them."""
        remove(self.pod / SECRETS)


def _host_path(volume: str, source: Mapping[str, Any]) -> Path:
    """Return a place of this machine, made where that is asked for. Raises ValueError in kubelet's words."""
    place, kind = Path(str(source.get("path"))), str(source.get("type") or "")
    if kind == "DirectoryOrCreate" and not place.exists():
        place.mkdir(parents=True, exist_ok=True)
    if kind == "FileOrCreate" and not place.exists():
        place.touch()
    is_such, what = _HOST_PATHS.get(kind.removesuffix("OrCreate"), (Path, ""))
    if not is_such(place):
        why = f"hostPath type check failed: {place} is not {what}"
        raise ValueError(f'MountVolume.SetUp failed for volume "{volume}" : {why}')
    return place


def keyed_sources(volume: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the ConfigMaps and Secrets that a volume is made of: their kind, and what of them it takes."""
    for source in (volume, *((volume.get("projected") or {}).get("sources") or [])):
        for kind, name in (("ConfigMap", "configMap"), ("Secret", "secret")):
            if source.get(name) is not None:
                mode = (volume.get("projected") or {}).get("defaultMode", 0o644)
                yield kind, {"defaultMode": mode, **source[name]}


def _write_values(source: Mapping[str, Any], values: Mapping[str, bytes], folder: Path) -> None:
    """Write a file for each value, or for those in `items`. Raises ValueError for one without value."""
    items = source.get("items") or [{"key": key, "path": key} for key in values]
    for item in items:
        key, place = str(item.get("key")), folder / str(item.get("path")).lstrip("/")
        if ".." in place.parts:
            raise ValueError(f"path {item.get('path')} leads out of its volume")
        if key not in values:
            if source.get("optional"):
                continue
            raise ValueError(f"references non-existent config key: {key}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(values[key])
        place.chmod(int(item.get("mode") or source["defaultMode"]))


def mount(layout: Layout, mounts: list[dict[str, Any]], volumes: Volumes) -> None:
    """Put every mount of a container in place.

    The root itself may be a mount: it is a folder of its own anyway. Raises ValueError for a place that is
    taken, or in the folder of a volume that others have too: they would find a link there.
    """
    for entry in sorted(mounts, key=lambda mount: len(str(mount.get("mountPath")))):
        place = layout.place(str(entry.get("mountPath") or "").rstrip("/"))
        if place == layout.root:
            continue
        name = str(entry.get("name"))
        own = layout.root.resolve(), volumes.pod.resolve()
        if not any(map(place.parent.resolve().is_relative_to, own)):
            raise ValueError(f"volume {name} cannot be mounted at {entry.get('mountPath')}: {WITHIN}")
        if place.is_symlink():
            continue
        target = volumes.folder(name)
        if entry.get("subPath"):
            below = str(entry["subPath"]).strip("/")
            if ".." in PurePosixPath(below).parts:
                raise ValueError(f"subPath: Invalid value: \"{entry['subPath']}\": must not contain '..'")
            target = target / below
            if not target.exists():
                target.mkdir(parents=True)
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
        if place.exists():
            raise ValueError(f"volume {name} cannot be mounted at {entry.get('mountPath')}: it is not empty")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


def nested(
    container: Mapping[str, Any],
    mounts: Iterable[Mapping[str, Any]],
    volumes: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str]]:
    """Yield which of a container's mounts is within which one of a folder that others have too, by volume."""
    places = [(PurePosixPath(str(entry.get("mountPath"))), str(entry.get("name"))) for entry in mounts]
    root = PurePosixPath(base_of(container))
    for outer, name in places:
        if outer != root and any((volumes.get(name) or {}).get(kind) is not None for kind in _OF_OTHERS):
            yield from ((inner, name) for place, inner in places if outer in place.parents)


def volumes_by_name(spec: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the volumes a leaf can mount: the workflow's, those of its claim templates, its own."""
    found: dict[str, Mapping[str, Any]] = {}
    for claim in spec.get("volumeClaimTemplates") or []:
        found[str((claim.get("metadata") or {}).get("name"))] = {"claimTemplate": True}
    for volume in [*(spec.get("volumes") or []), *(body.get("volumes") or [])]:
        found[str(volume.get("name"))] = volume
    return found


def require_volumes(
    containers: Iterable[Mapping[str, Any]], by_name: Mapping[str, Mapping[str, Any]], claims: Claims
) -> None:
    """Raise ValueError, in Argo's words, when a container mounts what nothing declares."""
    for entry in (entry for container in containers for entry in container.get("volumeMounts") or []):
        name = str(entry.get("name"))
        if name not in by_name and name not in claims.given:
            raise ValueError(f"volume '{name}' not found in workflow spec")
