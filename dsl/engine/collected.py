"""What the processes of a leaf left in, its outputs out; a missing one is an Error only after success."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from dsl.engine.artifacts import ArtifactError
from dsl.engine.leaf import Leaf, LeafResult, Places
from dsl.engine.links import drop_links
from dsl.engine.pod import MAIN, Pod, is_set
from dsl.engine.relocate import Layout, expand

_WAIT = "wait: Error (exit code 64): "
_NOTHING = "no such file or directory"
_STAGED = "/tmp/argo/outputs/artifacts/"


def collected(leaf: Leaf, places: Places, layout: Layout, pod: Pod) -> LeafResult:
    """Read what the processes left; a missing output is an Error only after success."""
    fault, main = pod.fault(), pod.ended.get(MAIN)
    result = LeafResult("Failed" if fault else "Succeeded", fault)
    if is_set(leaf.body):
        result.members = pod.members()
    if main:
        result.exit_code = str(main.code)
    faults: list[str] = []
    outputs = (leaf.body.get("outputs") or {}) if pod.has_begun else {}
    for parameter in outputs.get("parameters") or []:
        if faults:  # Argo reads no more of them
            result.outputs[str(parameter["name"])] = None
        else:
            _read_parameter(parameter, leaf, layout, result, faults)
    unkept: list[str] = []
    for artifact in outputs.get("artifacts") or []:
        _keep_artifact(artifact, leaf, places, layout, result, unkept)
    if unkept:
        faults.append(_WAIT + "".join(f"{why}; " for why in unkept))
    moved = _moved_to_storage(leaf, layout)
    result.kept, result.left = (*result.kept, *moved), (*result.left, *moved)
    if leaf.keeps_stdout and main:
        result.result = main.stdout.decode("utf-8", "replace")
    if leaf.group.stopped:
        code = str(main.code) if main and main.code else None
        return LeafResult("Failed", leaf.group.stopped, code, outputs=result.outputs, members=result.members)
    if faults and pod.is_well:
        result.phase, result.message = "Error", faults[0]
    return result


def _read_parameter(
    parameter: Mapping[str, Any], leaf: Leaf, layout: Layout, result: LeafResult, faults: list[str]
) -> None:
    name, source = str(parameter["name"]), parameter.get("valueFrom") or {}
    path = str(source.get("path") or "")
    if not path:
        if parameter.get("value") is not None:
            result.outputs[name] = str(parameter["value"])
        return
    place = layout.place(path)
    to = f"/var/run/argo/outputs/parameters/{path}"
    try:
        if not stat.S_ISREG(place.stat().st_mode):  # a pipe, which nobody may ever write to
            why = "copy_file_range: is a directory" if place.is_dir() else "is no regular file"
            why = f"failed to copy {path} to {to}: write {to}: {why}"
            result.outputs[name], result.exit_code = "", "64"
            result.message, result.phase = f"main: Error (exit code 64): {why}", "Failed"
            return
        text = place.read_bytes().decode("utf-8", "replace")
        result.outputs[name] = text.removesuffix("\n")
    except OSError:
        default = source.get("default")
        result.outputs[name] = None if default is None else str(default)
        if default is None:
            above = "/mainctrfs" if _is_mounted(path, leaf) else "/var/run/argo/outputs/parameters"
            faults.append(f"{_WAIT}open {above}{path}: {_NOTHING}")


def _keep_artifact(
    artifact: Mapping[str, Any],
    leaf: Leaf,
    places: Places,
    layout: Layout,
    result: LeafResult,
    faults: list[str],
) -> None:
    # The pod's program reads its template in a variable, which the kubelet expanded.
    name, path = str(artifact["name"]), expand(str(artifact.get("path") or ""), {})
    source, archive = layout.place(path), artifact.get("archive")
    unpacked = archive is not None and archive.get("none") is not None
    zipped = archive is not None and archive.get("zip") is not None
    if not source.exists() or (zipped and _is_mislaid(source, path, name, leaf)):
        if not artifact.get("optional"):
            mislaid = f"stat {_STAGED}{name}: {_NOTHING}" if source.exists() else ""
            faults.append(mislaid or _missing(path, leaf, unpacked))
        return
    if not (source.is_file() or source.is_dir()):
        faults.append(f"artifact {name} failed to save: {path} is no regular file")
        return
    key = expand(str((artifact.get("s3") or {}).get("key") or ""), {})
    ending = "zip" if zipped else "tgz"
    key = key or f"{places.workflow}/{leaf.pod}/{source.name if unpacked else f'{name}.{ending}'}"
    own = _is_own(source, layout)
    # Programs of ours may have copied their inputs, which are links here and files in Argo.
    drops = (unpacked or zipped) and own and not (layout.base or source.is_symlink())
    try:
        if drops and (illegal := drop_links(source, leave_empty=zipped)):
            faults.append(illegal)
            return
        inner = _name_in_zip(source, path, name, leaf) if zipped else ""
        place, placed = places.store.keep(source, key, archive, name=inner, is_own=own)
    except (ArtifactError, OSError) as wrong:
        faults.append(f"artifact {name} failed to save: {wrong}")
        return
    result.kept, result.left = (*result.kept, place), (*result.left, *placed)
    result.artifacts[name] = {**{k: v for k, v in artifact.items() if k != "s3"}, "s3": {"key": key}}


def _is_mounted(path: str, leaf: Leaf) -> bool:
    """Whether Argo finds an output on a volume: else the pod's program has to pack it first."""
    inputs = [str(artifact.get("path") or "") for artifact in leaf.artifacts.values()]
    mounts = [str(entry.get("mountPath") or "") for entry in leaf.main.get("volumeMounts") or []]
    return any(top and PurePosixPath(path).is_relative_to(top) for top in (*inputs, *mounts))


def _missing(path: str, leaf: Leaf, is_unpacked: bool) -> str:
    """Return what Argo says of an output that is not there (executor.go:stageArchiveFile, v4.1.2)."""
    if not _is_mounted(path, leaf):
        return f"open /var/run/argo/outputs/artifacts{path.rstrip('/')}.tgz: {_NOTHING}"
    return f"{path} {_NOTHING}" if is_unpacked else f"stat /mainctrfs{path}: {_NOTHING}"


def _is_mislaid(source: Path, path: str, name: str, leaf: Leaf) -> bool:
    """Whether Argo does not find the file to zip, which it has unpacked under a name of its own."""
    return source.is_file() and not _is_mounted(path, leaf) and PurePosixPath(path).name != name


def _name_in_zip(source: Path, path: str, name: str, leaf: Leaf) -> str:
    """Return how Argo names an output in its zip: a file by the whole path where it was zipped."""
    if _is_mounted(path, leaf):
        return PurePosixPath(path).name if source.is_dir() else f"/mainctrfs{path}"
    return name if source.is_dir() else f"{_STAGED}{name}"


def _is_own(place: Path, layout: Layout) -> bool:
    """Whether a place is in the leaf's own folder: a link, to a volume or elsewhere, may lead out of it."""
    tops = (layout.root, layout.beside)
    return not any(folder.is_symlink() for folder in takewhile(lambda each: each not in tops, place.parents))


def _moved_to_storage(leaf: Leaf, layout: Layout) -> tuple[Path, ...]:
    """The result folder that a worker itself put on a mounted volume."""
    if not layout.base:
        return ()
    mounts = [str(entry.get("mountPath")) for entry in leaf.main.get("volumeMounts") or []]
    if mounts == [layout.base]:
        return ()
    outs = [str(v.get("value")) for v in leaf.main.get("env") or [] if v.get("name") == "ARGOSY_OUT"]
    for out in outs:
        if any(PurePosixPath(layout.base, out).is_relative_to(each) for each in mounts):
            return ((layout.root / out).resolve(),) if (layout.root / out).exists() else ()
    return ()
