"""A leaf in, its processes run to their end: their folder, inputs, environment and limits of time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from dsl.engine.artifacts import ArtifactError
from dsl.engine.clock import seconds_of
from dsl.engine.collected import collected
from dsl.engine.environment import environment
from dsl.engine.given import Given
from dsl.engine.leaf import SCOPE_ENDED, UNLOGGED, Leaf, LeafResult, Places
from dsl.engine.orphans import MARK
from dsl.engine.pod import MAIN, Container, Ended, Pod, is_set
from dsl.engine.process import Group, Unlogged
from dsl.engine.readiness import Readiness
from dsl.engine.relocate import Layout, base_of, expand, layout_of
from dsl.engine.runtime import SCRIPT
from dsl.engine.volumes import Volumes, claims_of, mount, volumes_by_name
from dsl.engine.work import Work, write_script

_ACTIVE_TOO_LONG = "Pod was active on the node longer than the specified deadline"


def run_leaf(leaf: Leaf, places: Places) -> LeafResult:
    """Run one leaf to its end."""
    folder = places.work.folder(leaf.folder_name)
    if base_of(leaf.main):
        result = _in_folder(leaf, places, folder)
    else:
        with places.work.plain(folder) as root:  # it becomes a part of texts
            result = _in_folder(leaf, places, root)
    if leaf.template.is_daemon:
        result = _of_daemon(leaf, result)
    if result.phase == "Succeeded":
        places.work.remove(folder)
    return result


def _of_daemon(leaf: Leaf, result: LeafResult) -> LeafResult:
    """A daemon has success when it runs until its scope ends; an end of its own is a failure."""
    if leaf.group.stopped == SCOPE_ENDED:
        return LeafResult("Succeeded")
    return replace(result, phase="Failed") if result.phase == "Succeeded" else result


def _in_folder(leaf: Leaf, places: Places, root: Path) -> LeafResult:
    """Run a leaf in its folder, and leave no secrets there."""
    inputs = (*leaf.template.input_artifacts, *leaf.artifacts.values())
    layout = layout_of(leaf.body, inputs, leaf.main, root, is_real=places.runtime.is_real)
    volumes = Volumes(volumes_by_name(places.spec, leaf.body), layout.beside, places.claims, places.objects)
    try:
        return _prepared(leaf, places, layout, volumes)
    finally:
        volumes.clear()


def _prepared(leaf: Leaf, places: Places, layout: Layout, volumes: Volumes) -> LeafResult:
    """Put volumes and inputs in place, then execute."""
    mounts = leaf.main.get("volumeMounts") or []
    try:
        mount(layout, mounts, volumes)
        columns = map(int, leaf.template.annotations.get("argosy/inputs", "").split())
        places.claims.stage(leaf.inputs.get("items", ""), columns, claims_of(mounts, volumes.by_name))
        layout.make_parents()
        pod = _pod(leaf, places, layout, volumes)
    except (ValueError, OSError) as wrong:
        return LeafResult("Error", str(wrong))
    given = Given(layout)
    for name, artifact in leaf.artifacts.items():
        try:
            given.put(name, artifact, places.store)
        except ArtifactError as wrong:
            return LeafResult("Error", f"init: Error (exit code 64): artifact {name} failed to load: {wrong}")
    result = _executed(leaf, places, layout, pod)
    changed = given.changed()
    if changed and result.phase == "Succeeded":  # programs of ours have found it themselves
        result.phase, result.message = "Failed", f"the program changed its input {changed} in place"
    given.clear()
    return result


def _pod(leaf: Leaf, places: Places, layout: Layout, volumes: Volumes) -> Pod:
    """Return the pod of a leaf, the mounts of its containers in place. Raises ValueError, OSError."""
    body = leaf.body

    def container(raw: Mapping[str, Any], is_main: bool = False) -> Container:
        name, mounts = str(raw["name"]), raw.get("volumeMounts") or []
        if is_main:
            return Container(name, raw, layout, leaf.group)
        group = Group()
        leaf.group.join(group)
        moved = [str(entry.get("mountPath") or "").rstrip("/") for entry in mounts]
        if raw.get("mirrorVolumeMounts"):
            own = Layout(layout.root, layout.base, [*layout.moved, *moved], layout.is_real)
        else:
            root = layout.beside / "containers" / name
            root.mkdir(parents=True, exist_ok=True)
            own = layout_of({}, (), raw, root, is_real=layout.is_real)
        mount(own, mounts, volumes)
        own.make_parents()
        return Container(name, raw, own, group)

    return Pod(
        [container(raw) for raw in body.get("initContainers") or []],
        [container(raw, raw["name"] == MAIN) for raw in leaf.own],
        [container(raw) for raw in body.get("sidecars") or []],
        (body["containerSet"].get("retryStrategy") or {}) if is_set(body) else {},
    )


def _executed(leaf: Leaf, places: Places, layout: Layout, pod: Pod) -> LeafResult:
    try:
        seconds = _limit(leaf.body)
    except ValueError as wrong:
        return LeafResult("Error", f"invalid timeout format {wrong}")
    names = {container.name for container in (*pod.own, *pod.sidecars)}
    readiness = Readiness(names, leaf.ready) if leaf.ready else None
    with leaf.lines.open("wb", buffering=0) as log, _limited(leaf, seconds):
        try:
            pod.run(lambda container: _execute(leaf, places, container, log, pod, readiness))
        except ValueError as wrong:
            return LeafResult("Error", f"failed to get retry strategy: {wrong}")
    if why := next((ended.unlogged for ended in pod.ended.values() if ended.unlogged), ""):
        return LeafResult("Error", f"{UNLOGGED}: {why}")
    return collected(leaf, places, layout, pod)


@contextlib.contextmanager
def _limited(leaf: Leaf, seconds: float | None) -> Iterator[None]:
    """Stop a leaf that takes too long."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, leaf.group.stop, (_ACTIVE_TOO_LONG,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _execute(
    leaf: Leaf, places: Places, container: Container, log: IO[bytes], pod: Pod, readiness: Readiness | None
) -> Ended:
    """Run one container to its end."""
    raw, layout = container.raw, container.layout
    try:
        env = _environment(leaf, places, container)
    except ValueError as missing:
        return Ended(64, message=f"not given: {missing}")
    words = [*map(str, raw.get("command") or []), *map(str, raw.get("args") or [])]
    command = [expand(layout.rewrite(word), env) for word in words]
    if raw.get("source"):
        source = str(raw["source"]).replace("$$", "$")
        command.append(_script(source, layout, places.work))
    begin = readiness.starting(container, places.start) if readiness else places.start
    with places.runtime.starting(container, command, env) as start:
        try:
            code, stdout = container.group.run(
                start.command, start.env, start.folder, log,
                keeps_stdout=leaf.keeps_stdout and container.name == MAIN,
                until=leaf.until if container in pod.own else None, start=begin,
            )  # fmt: skip
        except OSError as wrong:
            return Ended(64, message=_unstartable(command, wrong, log))
        except Unlogged as wrong:
            return Ended(64, unlogged=str(wrong))
    return Ended(code, stdout)


def _script(source: str, layout: Layout, work: Work) -> str:
    """Return where the program of a container finds its script. Raises OSError."""
    if layout.base and not layout.is_real:  # a program of ours, which all leaves of its kind share
        return work.script(source)
    layout.beside.mkdir(exist_ok=True)
    script = layout.beside / "script"
    write_script(script, layout.rewrite(source))
    return SCRIPT if layout.is_real else str(script)


def _unstartable(command: list[str], wrong: OSError, log: IO[bytes]) -> str:
    program = command[0] if command else ""
    why = (
        f"stat {program}: no such file or directory"
        if "/" in program
        else "executable file not found in $PATH"
    )
    if not isinstance(wrong, FileNotFoundError):
        why = (wrong.strerror or str(wrong)).lower()
    message = f'failed to find name in PATH: exec: "{program}": {why}'
    log.write(f"{message}\n".encode())
    return message


def _limit(body: Mapping[str, Any]) -> float | None:
    limits = []
    if body.get("activeDeadlineSeconds") is not None:
        limits.append(float(str(body["activeDeadlineSeconds"])))
    if body.get("timeout"):
        limits.append(seconds_of(str(body["timeout"])))
    return min(limits) if limits else None


def _environment(leaf: Leaf, places: Places, container: Container) -> dict[str, str]:
    own = {
        **places.runtime.passed(),
        "ARGO_CONTAINER_NAME": container.name,
        "ARGO_NODE_ID": leaf.node.identity(places.workflow),
        "ARGO_WORKFLOW_NAME": places.workflow,
        MARK: places.mark,
        "HOSTNAME": leaf.pod,
    }
    return environment(container.raw, container.layout, own, places.objects, places.namespace)
