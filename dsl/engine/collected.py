"""What the processes of a leaf left in, its outputs out; a missing one is an Error only after success."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from dsl.engine.artifacts import ArtifactError
from dsl.engine.leaf import Leaf, LeafResult, Places
from dsl.engine.pod import MAIN, Pod, is_set
from dsl.engine.relocate import Layout, expand

_SAVE = "wait: Error (exit code 64): artifact {} failed to save"


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
            _read_parameter(parameter, layout, result, faults)
    for artifact in outputs.get("artifacts") or []:
        _keep_artifact(artifact, leaf, places, layout, result, faults)
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
    parameter: Mapping[str, Any], layout: Layout, result: LeafResult, faults: list[str]
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
            file = f"/var/run/argo/outputs/parameters{path}"
            faults.append(f"wait: Error (exit code 64): open {file}: no such file or directory")


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
    if not source.exists():
        if not artifact.get("optional"):
            faults.append(f"{_SAVE.format(name)}: stat {path}: no such file or directory")
        return
    if not (source.is_file() or source.is_dir()):
        faults.append(f"{_SAVE.format(name)}: {path} is no regular file")
        return
    unpacked = archive is not None and archive.get("none") is not None
    key = expand(str((artifact.get("s3") or {}).get("key") or ""), {})
    ending = "zip" if archive is not None and archive.get("zip") is not None else "tgz"
    key = key or f"{places.workflow}/{leaf.pod}/{source.name if unpacked else f'{name}.{ending}'}"
    try:
        place, placed = places.store.keep(source, key, archive, is_own=_is_own(source, layout))
    except (ArtifactError, OSError) as wrong:
        faults.append(f"{_SAVE.format(name)}: {wrong}")
        return
    result.kept, result.left = (*result.kept, place), (*result.left, *placed)
    result.artifacts[name] = {**{k: v for k, v in artifact.items() if k != "s3"}, "s3": {"key": key}}


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
