"""Container and script templates as processes here: their folder, inputs, environment, end and outputs.

`Leaves` decides how many run at once; a leaf runs on a thread of its own that only waits.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from dsl.engine.artifacts import ArtifactError, Store
from dsl.engine.clock import seconds_of
from dsl.engine.definition import Template
from dsl.engine.environment import environment
from dsl.engine.folder import log_file
from dsl.engine.given import Given
from dsl.engine.history import History
from dsl.engine.journal import FileNote
from dsl.engine.node import Node
from dsl.engine.orphans import MARK, mark_of
from dsl.engine.process import Group
from dsl.engine.relocate import Layout, expand, layout_of
from dsl.engine.volumes import Claims, claims_of, mount, volumes_by_name

_SAVE = "wait: Error (exit code 64): artifact {} failed to save"
_ACTIVE_TOO_LONG = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of a run."""

    store: Store
    claims: Claims
    tasks: Path
    logs: Path
    workflow: str
    spec: Mapping[str, Any]


@dataclass(slots=True)
class LeafResult:
    """How a leaf ended, and what it left: `kept` are the places of its outputs, `files` what is there."""

    phase: str
    message: str = ""
    exit_code: str | None = None
    result: str | None = None
    outputs: dict[str, str | None] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: tuple[Path, ...] = ()
    files: list[FileNote] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Leaf:
    """A leaf to run; `attempt` counts from 0.

    `log` is the log of its task and `lines` its own part of it, known when it starts.
    """

    node: Node
    template: Template
    body: Mapping[str, Any]
    inputs: Mapping[str, str]
    artifacts: Mapping[str, Mapping[str, Any]]
    keeps_stdout: bool
    attempt: int
    pod: str
    group: Group = field(default_factory=Group)
    log: Path = Path()
    lines: Path = Path()
    fingerprint: str = ""


class Leaves:
    """The leaves that wait and run; the least `order` starts first."""

    def __init__(
        self, places: Places, history: History, jobs: int, ended: Callable[[Leaf, LeafResult], None]
    ) -> None:
        self.places = places
        self.history = history
        self.jobs = jobs
        self._ended = ended
        self._tickets = itertools.count()
        self._waiting: list[tuple[tuple[int, ...], int, Leaf]] = []
        self._leaves: dict[Node, Leaf] = {}
        self._threads: dict[Node, threading.Thread] = {}
        self._logs = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a leaf runs."""
        return bool(self._threads)

    def nodes(self) -> list[Node]:
        """Return the nodes of all leaves that wait or run."""
        return list(self._leaves)

    def add(self, leaf: Leaf, order: tuple[int, ...]) -> None:
        """Let a leaf wait for its turn."""
        self._leaves[leaf.node] = leaf
        heapq.heappush(self._waiting, (order, next(self._tickets), leaf))

    def start_waiting(self, starts: Callable[[Leaf], None]) -> None:
        """Start as many as may run; `starts` hears of each."""
        while self._waiting and len(self._threads) < self.jobs:
            leaf = heapq.heappop(self._waiting)[2]
            if leaf.node not in self._leaves:
                continue
            leaf.log = log_file(self.places.logs, leaf.template.task)
            leaf.lines = self.places.tasks / f"{_folder_name(leaf)}.log"
            starts(leaf)
            thread = threading.Thread(target=self._run, args=(leaf,), daemon=True)
            self._threads[leaf.node] = thread
            thread.start()

    def _run(self, leaf: Leaf) -> None:
        try:
            self.history.fingerprint(leaf)
            result = run_leaf(leaf, self.places)
            result.files = self.history.files(result.kept)
        except Exception as wrong:
            result = LeafResult("Error", f"{type(wrong).__name__}: {wrong}")
        try:
            with self._logs:
                _append(leaf.lines, leaf.log)
            if result.phase == "Succeeded":
                leaf.lines.unlink(missing_ok=True)
        except OSError as wrong:
            result = LeafResult("Error", f"the log cannot be written: {wrong}")
        self._ended(leaf, result)

    def forget(self, node: Node) -> Leaf | None:
        """Take an ended leaf out."""
        self._threads.pop(node, None)
        return self._leaves.pop(node, None)

    def cancel(self, node: Node, reason: str) -> bool:
        """Stop a leaf; True when it had not started, so that nobody else will end it."""
        self._leaves[node].group.stop(reason)
        return node not in self._threads

    def stop(self) -> None:
        """Kill everything: first asked, soon forced; returns when no process is left."""
        leaves = list(self._leaves.values())
        threads = [thread for thread in self._threads.values() if thread.is_alive()]
        try:
            for leaf in leaves:
                leaf.group.stop("interrupted")
            for thread in threads:
                thread.join(2.0 / len(threads))
        finally:  # a second interrupt must not leave a process behind
            for leaf in leaves:
                leaf.group.kill()
        for thread in threads:
            thread.join(5.0)


def _folder_name(leaf: Leaf) -> str:
    digest = hashlib.sha256(leaf.node.name.encode()).hexdigest()[:16]
    plain = re.sub(r"[^\w.-]", "_", leaf.template.task)[:80]
    return f"{plain}-{digest}"


def _append(lines: Path, log: Path) -> None:
    """Add what one leaf wrote to the log of its task: lines of two leaves never mix."""
    if lines.is_file():
        log.parent.mkdir(parents=True, exist_ok=True)
        with lines.open("rb") as source, log.open("ab") as target:
            shutil.copyfileobj(source, target)


def run_leaf(leaf: Leaf, places: Places) -> LeafResult:
    """Run one leaf to its end."""
    folder = places.tasks / _folder_name(leaf)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as after:
        layout = layout_of(leaf.body, leaf.artifacts, leaf.template.kind, folder)
        if not layout.base and re.search(r"[^\w./+,:@-]", str(folder)):
            layout.folder = _plain_link(folder, after)
        result = _prepared(leaf, places, layout)
    if result.phase == "Succeeded":
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _plain_link(folder: Path, after: contextlib.ExitStack) -> Path:
    """Return a link to a folder whose path a foreign program would have to quote."""
    link = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="argosy-"))) / "leaf"
    link.symlink_to(folder)
    return link


def _prepared(leaf: Leaf, places: Places, layout: Layout) -> LeafResult:
    """Put volumes and inputs in place, then execute."""
    body, mounts = leaf.body, leaf.body[leaf.template.kind].get("volumeMounts") or []
    try:
        volumes = volumes_by_name(places.spec, body)
        mount(layout, mounts, volumes, places.claims)
        columns = map(int, leaf.template.annotations.get("argosy/inputs", "").split())
        places.claims.stage(leaf.inputs.get("items", ""), columns, claims_of(mounts, volumes))
        layout.make_parents()
    except (ValueError, OSError) as wrong:
        return LeafResult("Error", str(wrong))
    given = Given(layout)
    for name, artifact in leaf.artifacts.items():
        try:
            given.put(name, artifact, places.store)
        except ArtifactError as wrong:
            return LeafResult("Error", f"init: Error (exit code 64): artifact {name} failed to load: {wrong}")
    result = _executed(leaf, places, layout)
    changed = given.changed()
    if changed and result.phase == "Succeeded":  # programs of ours have found it themselves
        result.phase, result.message = "Failed", f"the program changed its input {changed} in place"
    given.clear()
    return result


def _executed(leaf: Leaf, places: Places, layout: Layout) -> LeafResult:
    container = leaf.body[leaf.template.kind]
    env, command = _environment(leaf, places, layout), _command(leaf, layout)
    command = [expand(layout.rewrite(part), env) for part in command]
    if leaf.template.kind == "script" and container.get("source"):
        script = layout.folder / "script"
        script.write_text(layout.rewrite(str(container["source"]).replace("$$", "$")), encoding="utf-8")
        command.append(str(script))
    try:
        seconds = _limit(leaf.body)
    except ValueError as wrong:
        return LeafResult("Error", f"invalid timeout format {wrong}")
    with leaf.lines.open("wb", buffering=0) as log:
        try:
            code, stdout = leaf.group.run(
                command, env, _working_folder(container, layout), log,
                keeps_stdout=leaf.keeps_stdout, seconds=seconds, reason=_ACTIVE_TOO_LONG,
            )  # fmt: skip
        except OSError as wrong:
            return _unstartable(command, wrong, log)
    return _collected(leaf, places, layout, code, stdout)


def _unstartable(command: list[str], wrong: OSError, log: IO[bytes]) -> LeafResult:
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
    return LeafResult("Failed", f"main: Error (exit code 64): {message}", "64")


def _limit(body: Mapping[str, Any]) -> float | None:
    limits = []
    if body.get("activeDeadlineSeconds") is not None:
        limits.append(float(str(body["activeDeadlineSeconds"])))
    if body.get("timeout"):
        limits.append(seconds_of(str(body["timeout"])))
    return min(limits) if limits else None


def _command(leaf: Leaf, layout: Layout) -> list[str]:
    container = leaf.body[leaf.template.kind]
    command = [*map(str, container.get("command") or []), *map(str, container.get("args") or [])]
    if command and command[0] in ("python", "python3"):
        command[0] = sys.executable
    return command


def _environment(leaf: Leaf, places: Places, layout: Layout) -> dict[str, str]:
    own = {
        "ARGO_CONTAINER_NAME": "main",
        "ARGO_NODE_ID": leaf.node.identity(places.workflow),
        "ARGO_WORKFLOW_NAME": places.workflow,
        MARK: mark_of(places.tasks.parent),
        "HOSTNAME": leaf.pod,
    }
    return environment(leaf.body[leaf.template.kind].get("env") or [], layout, own)


def _working_folder(container: Mapping[str, Any], layout: Layout) -> Path:
    folder = str(container.get("workingDir") or "")
    if folder and not layout.base and Path(folder).is_dir() and folder not in layout.moved:
        return Path(folder)
    place = layout.place(folder) if folder else layout.root
    place.mkdir(parents=True, exist_ok=True)
    return place


def _collected(leaf: Leaf, places: Places, layout: Layout, code: int, stdout: bytes) -> LeafResult:
    """Read what the process left; a missing output is an Error only after success."""
    result = LeafResult("Succeeded" if code == 0 else "Failed", exit_code=str(code))
    if code:
        result.message = f"main: Error (exit code {code})"
    faults: list[str] = []
    outputs = leaf.body.get("outputs") or {}
    for parameter in outputs.get("parameters") or []:
        _read_parameter(parameter, layout, result, faults)
    kept: list[Path] = []
    for artifact in outputs.get("artifacts") or []:
        _keep_artifact(artifact, leaf, places, layout, result, faults, kept)
    moved = _moved_to_storage(leaf, layout)
    result.kept = (*kept, *moved)
    if leaf.keeps_stdout:
        result.result = stdout.decode("utf-8", "replace")
    if leaf.group.stopped:
        return LeafResult("Failed", leaf.group.stopped, str(code) if code else None, outputs=result.outputs)
    if faults and code == 0:
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
    try:
        text = place.read_bytes().decode("utf-8", "replace")
        result.outputs[name] = text.removesuffix("\n")
    except IsADirectoryError:
        result.outputs[name] = ""
        to = f"/var/run/argo/outputs/parameters/{path}"
        why = f"failed to copy {path} to {to}: write {to}: copy_file_range: is a directory"
        fault = f"main: Error (exit code 64): {why}"
        result.message, result.phase = fault, "Failed"
        result.exit_code = "64"
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
    kept: list[Path],
) -> None:
    # The pod's program reads its template in a variable, which the kubelet expanded.
    name, path = str(artifact["name"]), expand(str(artifact.get("path") or ""), {})
    source, archive = layout.place(path), artifact.get("archive")
    if not source.exists():
        if not artifact.get("optional"):
            faults.append(f"{_SAVE.format(name)}: stat {path}: no such file or directory")
        return
    unpacked = archive is not None and archive.get("none") is not None
    key = expand(str((artifact.get("s3") or {}).get("key") or ""), {})
    key = key or f"{places.workflow}/{leaf.pod}/{source.name if unpacked else f'{name}.tgz'}"
    try:
        place = places.store.keep(source, key, archive)
    except (ArtifactError, OSError) as wrong:
        faults.append(f"{_SAVE.format(name)}: {wrong}")
        return
    kept.append(place)
    result.artifacts[name] = {**{k: v for k, v in artifact.items() if k != "s3"}, "s3": {"key": key}}


def _moved_to_storage(leaf: Leaf, layout: Layout) -> tuple[Path, ...]:
    """The result folder that a worker itself put on a mounted volume."""
    container = leaf.body[leaf.template.kind]
    outs = [str(v.get("value")) for v in container.get("env") or [] if v.get("name") == "ARGOSY_OUT"]
    mounts = [str(entry.get("mountPath")) for entry in container.get("volumeMounts") or []]
    for out in outs if layout.base else []:
        if any(PurePosixPath(layout.base, out).is_relative_to(each) for each in mounts):
            with contextlib.suppress(OSError):
                return ((layout.root / out).resolve(strict=True),)
    return ()
