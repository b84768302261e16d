"""A leaf in, its processes run to their end: their folder, inputs, environment and limits of time."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from dsl.engine.artifacts import ArtifactError, Unusable
from dsl.engine.causes import DEADLINE, last_line, past_limit
from dsl.engine.clock import duration, limit_of, seconds_of, whole
from dsl.engine.collected import collected
from dsl.engine.environment import environment, known_to_kubelet
from dsl.engine.given import Given
from dsl.engine.leaf import SCOPE_ENDED, UNLOGGED, Leaf, LeafResult, Places
from dsl.engine.pod import MAIN, Container, Ended, Pod, is_set
from dsl.engine.process import Group, Unlogged
from dsl.engine.readiness import Readiness
from dsl.engine.relocate import Layout, base_of, expand, layout_of
from dsl.engine.runtime import SCRIPT
from dsl.engine.unstartable import why_not_started
from dsl.engine.volumes import Volumes, claims_of, mount, volumes_by_name
from dsl.engine.work import Work, write_script

_LONG = 131_072  # characters of all arguments, or of a single one


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
        mount(layout, _mounts(leaf, places, Container(MAIN, leaf.main, layout, leaf.group)), volumes)
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
            told = "" if isinstance(wrong, Unusable) else f"artifact {name} failed to load: "
            return LeafResult("Error", f"init: Error (exit code 64): {told}{wrong}")
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
        beside = Container(name, raw, own, group)
        mount(own, _mounts(leaf, places, beside), volumes)
        own.make_parents()
        return beside

    return Pod(
        [container(raw) for raw in body.get("initContainers") or []],
        [container(raw, raw["name"] == MAIN) for raw in leaf.own],
        [container(raw) for raw in body.get("sidecars") or []],
        *(_attempts(body["containerSet"].get("retryStrategy") or {}) if is_set(body) else ()),
    )


def _mounts(leaf: Leaf, places: Places, container: Container) -> list[dict[str, Any]]:
    """Return the mounts of a container, the variables in their paths filled in. Raises ValueError."""
    mounts: list[dict[str, Any]] = container.raw.get("volumeMounts") or []
    if not any(entry.get("subPathExpr") for entry in mounts):
        return mounts
    known = known_to_kubelet(_environment(leaf, places, container), container.raw)
    paths = [entry.get("subPath") or expand(str(entry.get("subPathExpr") or ""), known) for entry in mounts]
    return [{**entry, "subPath": path} for entry, path in zip(mounts, paths, strict=True)]


def _attempts(rule: Mapping[str, Any]) -> tuple[int, float]:
    """Return how often each container of a set begins at most, and the seconds between. Raises ValueError."""
    try:
        pause = seconds_of(str(rule["duration"])) if rule.get("duration") else 0.0
        return max(1, whole(rule.get("retries") or 1)), pause
    except ValueError as wrong:
        why = str(wrong).rpartition(" as a duration: ")[2]
        raise ValueError(f"failed to get retry strategy: {why}") from None


def _executed(leaf: Leaf, places: Places, layout: Layout, pod: Pod) -> LeafResult:
    names = {container.name for container in (*pod.own, *pod.sidecars)}
    readiness = Readiness(names, leaf.ready) if leaf.ready else None
    seconds = limit_of(leaf.body)
    with leaf.lines.open("w+b", buffering=0) as log:
        with _limited(leaf, seconds):
            pod.run(lambda container: _execute(leaf, places, container, log, pod, readiness))
        if seconds is not None and leaf.group.stopped == DEADLINE:
            _end_log(log, last_line(leaf.template.task, past_limit(duration(seconds))))
    if why := next((ended.unlogged for ended in pod.ended.values() if ended.unlogged), ""):
        return LeafResult("Error", f"{UNLOGGED}: {why}")
    return collected(leaf, places, layout, pod)


def _end_log(log: IO[bytes], line: str) -> None:
    """Add a line to what a program wrote, whose own last line may have no end."""
    with contextlib.suppress(OSError):
        size = log.seek(0, os.SEEK_END)
        if size and os.pread(log.fileno(), 1, size - 1) != b"\n":
            line = f"\n{line}"
        log.write(f"{line}\n".encode(errors="replace"))


@contextlib.contextmanager
def _limited(leaf: Leaf, seconds: float | None) -> Iterator[None]:
    """Stop a leaf that takes too long."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, leaf.group.stop, (DEADLINE,))
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
    known = known_to_kubelet(env, raw)
    command = [expand(layout.rewrite(str(word)), known) for word in raw.get("command") or []]
    given = [expand(layout.rewrite(str(word)), known) for word in raw.get("args") or []]
    command += _offloaded(given, layout, len(command) - 1)
    if raw.get("source"):
        source = str(raw["source"])
        # A longer template comes in a file, and not in a variable.
        if "$$" in source and len(json.dumps(leaf.body)) <= _LONG:
            source = source.replace("$$", "$")
        command.append(_script(source, layout, places.work))
    begin = readiness.starting(container, places.start) if readiness else places.start
    with places.runtime.starting(container, command, env) as start:
        try:
            code, stdout = container.group.run(
                start.command, start.env, start.folder, log,
                keeps_stdout=leaf.keeps_stdout and container.name == MAIN,
                until=leaf.until if container in pod.own else None, start=begin,
            )  # fmt: skip
        except (OSError, ValueError) as wrong:
            message = why_not_started(command, env, wrong)
            log.write(f"{message}\n".encode(errors="replace"))
            return Ended(64, message=message)
        except Unlogged as wrong:
            return Ended(64, unlogged=str(wrong))
    return Ended(code, stdout)


def _offloaded(words: list[str], layout: Layout, before: int) -> list[str]:
    """Return arguments of which those that no program can be given are in files, `@` before their names.

    So does Argo, when they are too long together (cmd/argoexec/commands/emissary.go, v4.1.2). Raises OSError.
    """
    if sum(map(len, words)) < _LONG or len(json.dumps(words)) <= _LONG:
        return words
    found = []
    for number, word in enumerate(words, before):
        if len(word.encode()) > _LONG:
            place = layout.place(f"/tmp/argo_arg_{number}.txt")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(word, encoding="utf-8")
            word = f"@{place}"
        found.append(word)
    return found


def _script(source: str, layout: Layout, work: Work) -> str:
    """Return where the program of a container finds its script. Raises OSError."""
    if layout.base and not layout.is_real:  # a program of ours, which all leaves of its kind share
        return work.script(source)
    layout.beside.mkdir(exist_ok=True)
    script = layout.beside / "script"
    write_script(script, layout.rewrite(source))
    return SCRIPT if layout.is_real else str(script)


def _environment(leaf: Leaf, places: Places, container: Container) -> dict[str, str]:
    own = {
        **places.runtime.passed(),
        "ARGO_CONTAINER_NAME": container.name,
        "ARGO_INCLUDE_SCRIPT_OUTPUT": "true" if leaf.keeps_stdout else "false",
        "ARGO_NODE_ID": leaf.node.identity(places.workflow),
        "ARGO_WORKFLOW_NAME": places.workflow,
        **places.marks,
        "HOSTNAME": leaf.pod,
    }
    if not container.layout.is_real:  # here it would have to be mounted
        own["ARGO_PROGRESS_FILE"] = os.devnull  # nobody reads it
    return environment(container.raw, container.layout, own, places.objects, places.namespace)
