"""Where programs run: as processes here, or in containers that podman or docker starts.

What a container's program finds at a declared path stands on this machine too: its volumes and inputs are
bound into it, and an output that is nowhere bound is copied out of it.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

from dsl.engine.environment import passed_on
from dsl.engine.pod import Container
from dsl.engine.process import Process, Program, spawn
from dsl.engine.relocate import Layout, base_of, may_hold_programs, normal
from dsl.engine.warm import Warm

SCRIPT = "/argo/staging/script"
_CLIENT = re.compile(r"(PATH|HOME|TMPDIR)$|(LD|XDG|DOCKER|PODMAN|CONTAINERS?|SSL)_")
"""Variables that podman and docker read themselves; those of a task must not reach them."""


class Start(NamedTuple):
    """A process to start: what stands for the program of a container."""

    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path


class Runtime(Protocol):
    """Where programs run; `is_real` says whether they find paths where they are declared."""

    @property
    def is_real(self) -> bool:
        """Whether declared paths are real."""

    def passed(self) -> Mapping[str, str]:
        """Return what of the environment of this process reaches a program."""

    def starting(
        self, container: Container, command: Sequence[str], env: Mapping[str, str]
    ) -> AbstractContextManager[Start]:
        """Prepare a start, and put things in order when it has ended."""

    def start(self, program: Program) -> Process:
        """Start what was prepared. Raises OSError."""

    def close(self) -> None:
        """End what was kept for the next start."""


class Processes:
    """Programs run here; python is the one that runs this."""

    is_real = False

    def __init__(self) -> None:
        self._warm = Warm()
        self._passed = passed_on()

    def passed(self) -> Mapping[str, str]:
        """Return what tells tools where they live."""
        return self._passed

    @contextmanager
    def starting(
        self, container: Container, command: Sequence[str], env: Mapping[str, str]
    ) -> Iterator[Start]:
        """Start the program itself."""
        first, *others = command or [""]
        program = sys.executable if first in ("python", "python3") else first
        folder = _working_folder(container.raw, container.layout)
        if first == "sh" and folder == container.layout.root and base_of(container.raw):
            folder = _scratch_folder(folder)
            env = {**env, "PWD": str(folder)}  # by its real path, behind a link, it would not be recognised
        yield Start([program, *others], env, folder)

    def start(self, program: Program) -> Process:
        """Start it, forked from an interpreter that is warm where that is the same."""
        return self._warm.start(program)

    def close(self) -> None:
        """End the interpreters."""
        self._warm.close()


def _working_folder(container: Mapping[str, Any], layout: Layout) -> Path:
    """Return where a program begins: in its own folder, or in one of this machine that may hold programs.

    But not there if a declared path is in it or above it: what it writes to such a path is looked for in its
    own folder.
    """
    folder = str(container.get("workingDir") or "")
    if not folder:
        return layout.root
    if not layout.base and may_hold_programs(folder) and not _meets(folder, layout.moved):
        return Path(folder)
    place = layout.place(folder)
    place.mkdir(parents=True, exist_ok=True)
    return place


def _meets(folder: str, paths: Iterable[str]) -> bool:
    """Whether a folder is above one of these paths, or at or below it."""
    own = PurePosixPath(normal(folder))
    others = [PurePosixPath(normal(path)) for path in paths]
    return any(own.is_relative_to(other) or other.is_relative_to(own) for other in others)


def _scratch_folder(root: Path) -> Path:
    """Make what the program of a shell task (`orchestrators/worker/run.sh`) would start `mkdir` for.

    Where something is left of another attempt, that program puts it in order itself.
    """
    folder = f"{root}/work"
    try:
        for part in ("", "/0", "/cwd"):
            folder += part
            os.mkdir(folder)  # noqa: PTH102 - texts: this is done for every leaf
    except FileExistsError:
        return root
    return Path(folder)


class Containers(NamedTuple):
    """Programs run in their images, started by `program`; `state` is the folder of the run's own."""

    program: str
    state: Path
    is_real: bool = True

    def passed(self) -> Mapping[str, str]:
        """Return nothing: an image knows where its tools live."""
        return {}

    @contextmanager
    def starting(
        self, container: Container, command: Sequence[str], env: Mapping[str, str]
    ) -> Iterator[Start]:
        """Start a container, and remove it whatever it still does."""
        name, layout = f"argosy-{secrets.token_hex(8)}", container.layout
        bound, missing = self._bound(layout), [p for p in layout.moved if not layout.place(p).exists()]
        options = [f"--volume={here}:{there}" for there, here in bound.items()]
        # Among the processes everybody sees the words of a command, so values go the way of the environment.
        taken = {key: value for key, value in env.items() if not _CLIENT.match(key)}
        options += [f"--env={key}" if key in taken else f"--env={key}={value}" for key, value in env.items()]
        options += _options(container.raw, self.program)
        first, *others = command or [""]
        options += [f"--entrypoint={first}"] if container.raw.get("command") else []
        words = others if container.raw.get("command") else command
        run = [self.program, "run", f"--name={name}", *options, str(container.raw.get("image")), *words]
        try:
            yield Start(run, {**os.environ, **taken}, layout.root)
        finally:
            for path in missing:
                if not layout.place(path).exists():
                    self._call("cp", f"{name}:{path}", str(layout.place(path)))
            at_once = ["--time=0"] if Path(self.program).name == "podman" else []  # docker never waits
            self._call("rm", "--force", "--volumes", *at_once, name)

    def start(self, program: Program) -> Process:
        """Start the client."""
        return spawn(program)

    def close(self) -> None:
        """Keep nothing."""

    def _bound(self, layout: Layout) -> dict[str, Path]:
        """Return which places of this machine are where in a container."""
        bound = {layout.base: layout.root, str(self.state): self.state} if layout.base else {}
        if (layout.beside / "script").exists():
            bound[SCRIPT] = layout.beside / "script"
        for path in layout.moved:
            place = layout.place(path)
            if place.exists():
                real = place.resolve()
                within = layout.base and PurePosixPath(path).is_relative_to(layout.base)
                bound[str(real) if within else path] = real
        return bound

    def _call(self, *words: str) -> None:
        subprocess.run([self.program, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _options(container: Mapping[str, Any], program: str) -> Iterator[str]:
    if container.get("workingDir"):
        yield f"--workdir={container['workingDir']}"
    user = (container.get("securityContext") or {}).get("runAsUser")
    if user is None and os.getuid() and Path(program).name == "docker":
        user = f"{os.getuid()}:{os.getgid()}"  # what it writes is to be the caller's
    if user is not None:
        yield f"--user={user}"
