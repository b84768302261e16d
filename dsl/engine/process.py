"""One process group: started, its output streamed to a log, its end awaited, killed as a whole."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple, Protocol

KEPT = 256 * 1024  # bytes of stdout that Argo keeps as a result
_LARGEST_PIPE = 1 << 20
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL


class Program(NamedTuple):
    """What to run and where; `stdout` and `stderr` are file descriptors, stdin is empty."""

    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    stdout: int
    stderr: int


class Process(Protocol):
    """A process that leads a group, and a session, of its own."""

    @property
    def pid(self) -> int:
        """Return its id, and that of its group."""

    def wait(self) -> int:
        """Wait for its end; return the exit status, or a signal's number less than 0."""


def spawn(program: Program) -> Process:
    """Start a process. Raises OSError."""
    return subprocess.Popen(
        program.command,
        executable=_found(program.command[0], program.env.get("PATH", os.defpath)),
        env=program.env,
        cwd=program.folder,
        stdin=_nothing(),
        stdout=program.stdout,
        stderr=program.stderr,
        start_new_session=True,
    )


@cache
def _found(name: str, path: str) -> str | None:
    """Return where a program is, so that thousands of tasks need not look for it; None to look again."""
    folders = path.split(os.pathsep)
    if not name or "/" in name or not all(map(os.path.isabs, folders)):
        return None
    return shutil.which(name, path=path)


@cache
def _nothing() -> int:
    """Return a file descriptor from which nothing can be read."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


class Unlogged(Exception):
    """What a program wrote could not be put into its log; the text says why."""


class Group:
    """A process that leads a group of its own. `stop` may be called from any thread, at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._timers: list[threading.Timer] = []
        self._is_over = False
        self._others: list[Group] = []
        self._asked = threading.Event()
        self.stopped = ""

    @property
    def is_ending(self) -> bool:
        """Whether its process has ended, or was asked to."""
        return self._is_over or bool(self.stopped)

    def join(self, other: Group) -> None:
        """Let another group be stopped and killed whenever this one is."""
        with self._lock:
            self._others.append(other)
        if self.stopped:
            other.stop(self.stopped)

    def run(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        log: IO[bytes],
        *,
        keeps_stdout: bool,
        until: float | None,
        start: Callable[[Program], Process] = spawn,
    ) -> tuple[int, bytes]:
        """Run to the end; return the exit code and the last 256 KiB of stdout, less one final newline.

        The exit code of a killed process is 128 + signal. What the process left in its group is killed. When
        `time.monotonic()` is at `until`, it is asked to end, and killed when it does not.

        Raises:
            OSError: the program cannot be started.
            ValueError: nor could any with such words or variables.
            Unlogged: what it wrote could not be put into the log.
        """
        with self._lock:
            if self.stopped:
                return 143, b""
            pump = _Pump(log.fileno()) if keeps_stdout else None
            written = pump.written if pump else log.fileno()
            try:
                self._process = start(Program(command, env, folder, written, log.fileno()))
            except Exception:
                if pump:
                    pump.end()
                raise
            finally:
                if pump:
                    os.close(written)
            self._is_over = False  # a container may be started again
        if until is not None:
            self._after(max(until - time.monotonic(), 0.0), self._ask)
        code = self._process.wait()
        with self._lock:
            self._is_over = True
        for timer in self._timers:
            timer.cancel()
        self._signal(signal.SIGKILL)
        return (128 - code if code < 0 else code), pump.end() if pump else b""

    def stop(self, reason: str) -> None:
        """Ask the group to end, and kill it when it does not."""
        with self._lock:
            self.stopped = self.stopped or reason
            self._asked.set()
            others, is_idle = list(self._others), self._process is None or self._is_over
        for other in others:
            other.stop(reason)
        if not is_idle:
            self._ask()

    def _ask(self) -> None:
        self._signal(signal.SIGTERM)
        self._after(_GRACE, self._end)

    def _end(self) -> None:
        with self._lock:
            is_over = self._is_over
        if not is_over:
            self._signal(signal.SIGKILL)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the group is stopped."""
        self._asked.wait(seconds)

    def kill(self) -> None:
        """Kill the group now."""
        with self._lock:
            self.stopped = self.stopped or "killed"
            self._asked.set()
            others = list(self._others)
        for other in others:
            other.kill()
        self._end()

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _after(self, seconds: float, action: object) -> None:
        timer = threading.Timer(seconds, action)  # type: ignore[arg-type]  # any callable without arguments
        timer.daemon = True
        self._timers.append(timer)
        timer.start()


class _Pump:
    """Copies what comes out of a pipe into a log until the end, and keeps the last of it."""

    def __init__(self, log: int) -> None:
        self._log = log
        self._tail = bytearray()
        self._wrong: OSError | None = None
        self._source, self.written = os.pipe()
        self._over, self._ends = os.pipe()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> bytes:
        """Take what is in the pipe, as its writer has ended; return the tail, less one final newline.

        Who else has the pipe, as a daemon has that the writer left, finds it closed.

        Raises:
            Unlogged: something is not in the log.
        """
        os.close(self._ends)
        self._thread.join()
        if self._wrong:
            raise Unlogged(self._wrong.strerror or str(self._wrong))
        return bytes(self._tail.removesuffix(b"\n")[-KEPT:])

    def _work(self) -> None:
        try:
            ready = select.poll()
            ready.register(self._source, select.POLLIN)
            ready.register(self._over, select.POLLIN)
            while self._over not in dict(ready.poll()):
                if not self._take():
                    return
            os.set_blocking(self._source, False)
            left = _LARGEST_PIPE  # a daemon may write for ever
            with contextlib.suppress(BlockingIOError):
                while left > 0 and (size := self._take()):
                    left -= size
        finally:
            os.close(self._source)
            os.close(self._over)

    def _take(self) -> int:
        """Copy what is there; return its size, 0 at the end."""
        chunk = os.read(self._source, 65536)
        self._tail += chunk
        if len(self._tail) > 2 * KEPT:
            del self._tail[: -KEPT - 1]
        rest = memoryview(chunk)
        while rest and not self._wrong:
            try:
                rest = rest[os.write(self._log, rest) :]
            except OSError as wrong:
                self._wrong = wrong
        return len(chunk)
