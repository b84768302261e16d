"""Container and script templates as processes here: their folder, inputs, environment, end and outputs.

`Leaves` decides how many run at once; each of them has a thread that only waits.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import re
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from queue import SimpleQueue
from typing import IO, Any

from dsl.engine.artifacts import ArtifactError, Store
from dsl.engine.clock import seconds_of
from dsl.engine.copies import remove
from dsl.engine.definition import Template
from dsl.engine.environment import environment
from dsl.engine.folder import leaf_name, log_file
from dsl.engine.given import Given
from dsl.engine.history import History
from dsl.engine.journal import FileNote
from dsl.engine.node import Node
from dsl.engine.objects import Objects
from dsl.engine.orphans import MARK, Groups
from dsl.engine.pod import MAIN, Container, Ended, Pod, is_set, own_of
from dsl.engine.process import Group, Process, Program, Unlogged
from dsl.engine.readiness import Readiness
from dsl.engine.relocate import Layout, base_of, expand, layout_of
from dsl.engine.runtime import SCRIPT, Runtime
from dsl.engine.volumes import Claims, Volumes, claims_of, mount, volumes_by_name
from dsl.engine.work import Work
from dsl.expr.depends import DAEMONED

_SAVE = "wait: Error (exit code 64): artifact {} failed to save"
_SCOPE_ENDED = "the template that started it has ended"
_UNLOGGED = "the log cannot be written"
_NOT_PLAIN = re.compile(r"[^\w./+,:@-]")
_ACTIVE_TOO_LONG = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of a run, and what all its leaves share; `yaml` reads the texts of patches."""

    store: Store
    claims: Claims
    work: Work
    groups: Groups
    tasks: Path
    logs: Path
    cache: Path
    workflow: str
    namespace: str
    mark: str
    runtime: Runtime
    spec: Mapping[str, Any]
    objects: Objects
    yaml: Callable[[str], Any]

    def start(self, program: Program) -> Process:
        """Start a process, and put its group on record. Raises OSError."""
        process = self.runtime.start(program)
        self.groups.note(process.pid)
        return process


@dataclass(slots=True)
class LeafResult:
    """How a leaf ended, and what it left: `kept` are the places of its outputs, `left` its own parts of them.

    `files` is what is in those; `members` are phase and message of the containers of a set. The phase is
    Daemoned for a daemon that has not ended and is ready.
    """

    phase: str
    message: str = ""
    exit_code: str | None = None
    result: str | None = None
    outputs: dict[str, str | None] = field(default_factory=dict)
    members: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: tuple[Path, ...] = ()
    left: tuple[Path, ...] = ()
    files: list[FileNote] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Leaf:
    """A leaf to run; `attempt` counts from 0, `until` is the `time.monotonic()` at which it is asked to end.

    `log` is the log of its task and `lines` its own part of it, known when it starts; `ready` is called when
    a daemon is.
    """

    node: Node
    template: Template
    body: Mapping[str, Any]
    inputs: Mapping[str, str]
    artifacts: Mapping[str, Mapping[str, Any]]
    keeps_stdout: bool
    attempt: int
    pod: str
    until: float | None
    group: Group = field(default_factory=Group)
    log: Path = Path()
    lines: Path = Path()
    fingerprint: str = ""
    ready: Callable[[], None] | None = None
    _own: Sequence[Mapping[str, Any]] = ()

    @property
    def own(self) -> Sequence[Mapping[str, Any]]:
        """Return the containers that are its own."""
        self._own = self._own or own_of(self.body, self.template.kind)
        return self._own

    @property
    def main(self) -> Mapping[str, Any]:
        """Return the container whose outputs are its own; a set may have none."""
        return next((container for container in self.own if container["name"] == MAIN), {})


class Leaves:
    """The leaves that wait and run; the least `order` starts first.

    Daemons that are ready run beside them: they take no place but in the parallelism of the workflow.
    """

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
        self._running: set[Node] = set()
        self._daemons: set[Node] = set()
        self._given: SimpleQueue[Leaf | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._logs = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a leaf runs that will end."""
        return bool(self._running)

    @property
    def is_held_up(self) -> bool:
        """Whether a leaf waits and daemons leave it no place."""
        return bool(self._waiting and self._daemons and self._places_left() < 1)

    def _places_left(self) -> int:
        """Return how many more may run."""
        limit = self.places.spec.get("parallelism")
        most = min(self.jobs, int(limit) - len(self._daemons)) if self._daemons and limit else self.jobs
        return most - len(self._running)

    def nodes(self) -> list[Node]:
        """Return the nodes of all leaves that wait or run."""
        return list(self._leaves)

    def add(self, leaf: Leaf, order: tuple[int, ...]) -> None:
        """Let a leaf wait for its turn."""
        self._leaves[leaf.node] = leaf
        heapq.heappush(self._waiting, (order, next(self._tickets), leaf))

    def start_waiting(self, starts: Callable[[Leaf], None]) -> None:
        """Start as many as may run; `starts` hears of each."""
        while self._waiting and self._places_left() > 0:
            leaf = heapq.heappop(self._waiting)[2]
            if leaf.node not in self._leaves:
                continue
            leaf.log = log_file(self.places.logs, leaf.template.task)
            leaf.lines = self.places.tasks / f"{_folder_name(leaf)}.log"
            starts(leaf)
            self._running.add(leaf.node)
            self._given.put(leaf)
            if len(self._threads) < len(self._running) + len(self._daemons):
                self._threads.append(threading.Thread(target=self._work, daemon=True))
                self._threads[-1].start()

    def _work(self) -> None:
        while leaf := self._given.get():
            self._run(leaf)

    def _run(self, leaf: Leaf) -> None:
        if leaf.template.is_daemon:
            leaf.ready = partial(self._ended, leaf, LeafResult(DAEMONED))
        try:
            self.history.fingerprint(leaf)
            result = run_leaf(leaf, self.places)
            result.files = self.history.files(result.left)
        except Exception as wrong:
            result = LeafResult("Error", f"{type(wrong).__name__}: {wrong}")
        try:
            with self._logs:
                _append(leaf.lines, leaf.log)
            if result.phase == "Succeeded":
                leaf.lines.unlink(missing_ok=True)
        except OSError as wrong:
            result = LeafResult("Error", f"{_UNLOGGED}: {wrong}")
        self._ended(leaf, result)

    def forget(self, node: Node) -> Leaf | None:
        """Take an ended leaf out."""
        self._running.discard(node)
        self._daemons.discard(node)
        return self._leaves.pop(node, None)

    def let_be(self, node: Node) -> None:
        """Let a daemon that is ready run beside the others."""
        self._running.discard(node)
        self._daemons.add(node)

    def end_daemon(self, node: Node) -> Leaf:
        """Stop a daemon whose scope has ended, or let it not start."""
        has_started = node in self._daemons | self._running
        self._daemons.discard(node)
        leaf = self._leaves[node] if has_started else self._leaves.pop(node)
        leaf.group.stop(_SCOPE_ENDED)
        return leaf

    def cancel(self, node: Node, reason: str) -> bool:
        """Stop a leaf; True when it had not started, so that nobody else will end it."""
        self._leaves[node].group.stop(reason)
        return node not in self._running

    def stop(self) -> None:
        """Kill everything: first asked, soon forced; returns when no process is left."""
        leaves = list(self._leaves.values())
        try:
            for leaf in leaves:
                leaf.group.stop("interrupted")
            self._join(2.0)
        finally:  # a second interrupt must not leave a process behind
            for leaf in leaves:
                leaf.group.kill()
            self._join(5.0)
            self.places.runtime.close()

    def close(self) -> None:
        """End what only waits for more leaves, and daemons that nobody waits for any more."""
        for leaf in self._leaves.values():
            leaf.group.stop(_SCOPE_ENDED)
        self._join(6.0)  # longer than a stubborn daemon is let live
        self.places.runtime.close()

    def _join(self, seconds: float) -> None:
        """Wait for the threads to end what they run, and no longer than some seconds."""
        until = time.monotonic() + seconds
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))


def _folder_name(leaf: Leaf) -> str:
    return leaf_name(leaf.template.task, leaf.node.path)


def _append(lines: Path, log: Path) -> None:
    """Add what one leaf wrote to the log of its task: lines of two leaves never mix."""
    try:
        is_empty = lines.stat().st_size == 0
    except FileNotFoundError:  # it could not begin
        return
    if not (is_empty and log.exists()):
        log.parent.mkdir(parents=True, exist_ok=True)
        with lines.open("rb") as source, log.open("ab") as target:
            shutil.copyfileobj(source, target)


def run_leaf(leaf: Leaf, places: Places) -> LeafResult:
    """Run one leaf to its end."""
    folder = places.work.folder(_folder_name(leaf))
    with contextlib.ExitStack() as after:
        place = folder
        if not base_of(leaf.main) and _NOT_PLAIN.search(str(folder)):
            place = _plain_link(folder, after)
        inputs = (*leaf.template.input_artifacts, *leaf.artifacts.values())
        layout = layout_of(leaf.body, inputs, leaf.main, place, is_real=places.runtime.is_real)
        result = _prepared(leaf, places, layout, after)
    if leaf.template.is_daemon:
        result = _of_daemon(leaf, result)
    if result.phase == "Succeeded":
        with contextlib.suppress(OSError):  # what is somebody else's
            remove(folder)
    return result


def _of_daemon(leaf: Leaf, result: LeafResult) -> LeafResult:
    """A daemon has success when it runs until its scope ends; an end of its own is a failure."""
    if leaf.group.stopped == _SCOPE_ENDED:
        return LeafResult("Succeeded")
    return replace(result, phase="Failed") if result.phase == "Succeeded" else result


def _plain_link(folder: Path, after: contextlib.ExitStack) -> Path:
    """Return a link to a folder whose path a foreign program would have to quote."""
    link = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="argosy-"))) / "leaf"
    link.symlink_to(folder)
    return link


def _prepared(leaf: Leaf, places: Places, layout: Layout, after: contextlib.ExitStack) -> LeafResult:
    """Put volumes and inputs in place, then execute."""
    mounts = leaf.main.get("volumeMounts") or []
    by_name = volumes_by_name(places.spec, leaf.body)
    volumes = Volumes(by_name, layout.folder, places.claims, places.objects)
    after.callback(volumes.clear)
    try:
        mount(layout, mounts, volumes)
        columns = map(int, leaf.template.annotations.get("argosy/inputs", "").split())
        places.claims.stage(leaf.inputs.get("items", ""), columns, claims_of(mounts, by_name))
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
            own = Layout(layout.folder, layout.base, [*layout.moved, *moved], layout.is_real)
        else:
            place = layout.folder / "containers" / name
            own = layout_of({}, (), raw, place, is_real=layout.is_real)
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
    with leaf.lines.open("wb", buffering=0) as log, contextlib.ExitStack() as after:
        if seconds is not None:
            timer = threading.Timer(seconds, leaf.group.stop, (_ACTIVE_TOO_LONG,))
            timer.daemon = True
            timer.start()
            after.callback(timer.cancel)
        try:
            pod.run(lambda container: _execute(leaf, places, container, log, pod, readiness))
        except ValueError as wrong:
            return LeafResult("Error", f"failed to get retry strategy: {wrong}")
    if why := next((ended.unlogged for ended in pod.ended.values() if ended.unlogged), ""):
        return LeafResult("Error", f"{_UNLOGGED}: {why}")
    return _collected(leaf, places, layout, pod)


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
        script = layout.folder / "script"
        script.write_text(layout.rewrite(str(raw["source"]).replace("$$", "$")), encoding="utf-8")
        script.chmod(0o755)
        command.append(SCRIPT if layout.is_real else str(script))
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


def _collected(leaf: Leaf, places: Places, layout: Layout, pod: Pod) -> LeafResult:
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
        place, placed = places.store.keep(source, key, archive)
    except (ArtifactError, OSError) as wrong:
        faults.append(f"{_SAVE.format(name)}: {wrong}")
        return
    result.kept, result.left = (*result.kept, place), (*result.left, *placed)
    result.artifacts[name] = {**{k: v for k, v in artifact.items() if k != "s3"}, "s3": {"key": key}}


def _moved_to_storage(leaf: Leaf, layout: Layout) -> tuple[Path, ...]:
    """The result folder that a worker itself put on a mounted volume."""
    mounts = [str(entry.get("mountPath")) for entry in leaf.main.get("volumeMounts") or []]
    if not layout.base or mounts == [layout.base]:
        return ()
    outs = [str(v.get("value")) for v in leaf.main.get("env") or [] if v.get("name") == "ARGOSY_OUT"]
    for out in outs:
        if any(PurePosixPath(layout.base, out).is_relative_to(each) for each in mounts):
            return ((layout.root / out).resolve(),) if (layout.root / out).exists() else ()
    return ()
