"""The journal of a run: what began, was read and ended, a line of JSON each; read again when it is taken up.

Lines are added at the end, each by one write: what kills the run loses the line that was being written, no
other. A thread makes them durable in their order, once a second: a power failure loses the last of them, and
none before a line that it leaves. The files that a line tells of it may have emptied, though they look as
they did: what the system has not outlived that was at work then is to be known by its contents alone.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dsl.garbage import paused_collection

_JSON = json.JSONEncoder(separators=(",", ":"))
_PAUSE = 1.0  # seconds between two times that lines are made durable
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system says that has no durable files."""

FileNote = tuple[str, int, *tuple[int, ...], str]
"""A file: path, inode and more of what `contents.stamp_of` says of it, digest of what is in it."""

_UNSEEN = -1
"""The size, in a note, of a file that may not be what it looks like: no file has it."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(eq=False)
class Record:
    """How a leaf ended. Paths of files that it left are relative to the run's folder if they are below it.

    Nobody changes it; it is not frozen, as that would take three times as long to make.
    """

    leaf: str
    task: str
    fingerprint: str
    phase: str
    message: str = ""
    exit_code: str | None = None
    result: str | None = None
    outputs: dict[str, str | None] = field(default_factory=dict)
    members: dict[str, tuple[str, str]] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    files: list[FileNote] = field(default_factory=list)
    started: float = 0.0
    finished: float = 0.0


class MountNote(NamedTuple):
    """The stamps of the files in a folder that was given for the volume `mount`, by path below it.

    `digest` stands for what it held when the run began; `ended` tells whether all leaves had ended then.
    `place` is what `Mounts.place` says of the folder, nothing in the journals of before.
    """

    mount: str
    digest: str
    files: dict[str, list[int]]
    ended: bool = False
    place: Sequence[int] = ()


Choice = tuple[str, bool]
"""A task that is chosen to run again, and whether alone; else with all after it."""


@dataclass(slots=True)
class Former:
    """What a journal holds: the run's name, first start and last parameters, its leaves, what they read.

    `older` are the leaves that had ended before the run was taken up last, and have not since. `again` has
    those that had ended before it was taken up to run a task again, alone or with all after it, and have not
    since: by the task, and whether alone. `unsettled` are the leaves that ended since the system was started
    under which it was written, `boot`, and in no run that came to an end.
    """

    name: str = ""
    created: float = 0.0
    parameters: dict[str, str] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    read: list[FileNote] = field(default_factory=list)
    older: set[str] = field(default_factory=set)
    again: dict[Choice, set[str]] = field(default_factory=dict)
    is_partial: bool = False
    mounts: dict[str, MountNote] = field(default_factory=dict)
    phase: str = ""
    seconds: float = 0.0
    boot: str = ""
    unsettled: set[str] = field(default_factory=set)


def read_journal(path: Path) -> Former:
    """Return what the runs in a folder left; nothing where there is no journal.

    A broken line is left out, and one that another version has written in another form.
    """
    former = Former()
    with suppress(FileNotFoundError), paused_collection():
        for line in _parsed(path.read_text(encoding="utf-8", errors="replace").split("\n")):
            with suppress(TypeError, KeyError):
                _enter(former, line)
        _go_on(former, boot())
    return former


def read_ends(path: Path) -> Former:
    """Return when a run was begun and how it ended: the first line and the last. Raises OSError."""
    with path.open("rb") as file:
        first = file.readline()
        file.seek(max(file.seek(0, os.SEEK_END) - 1024, 0))
        *_, last = (b"", *file.read().splitlines())
    former = Former()
    for line in _parsed((first.decode(errors="replace"), last.decode(errors="replace"))):
        if "leaf" not in line:
            _enter(former, line)
    return former


def _parsed(lines: Sequence[str]) -> Iterable[dict[str, Any]]:
    """Return what lines hold; whole lines are read at once, which takes half the time."""
    with suppress(ValueError):
        found = json.loads(f"[{','.join(line for line in lines if line)}]")
        return [line for line in found if isinstance(line, dict)]
    return _parsed_alone(lines)


def _parsed_alone(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            parsed = json.loads(line)
            if isinstance(parsed, dict):
                yield parsed


def _enter(former: Former, line: dict[str, Any]) -> None:
    if "leaf" in line:
        if line["files"]:
            line["files"] = [tuple(note) for note in line["files"]]
        former.records[line["leaf"]] = Record(**line)
        former.unsettled.add(line["leaf"])
        for leaves in (former.older, *former.again.values()):
            leaves.discard(line["leaf"])
    elif "file" in line:
        former.read.append(tuple(line["file"]))
    elif "mount" in line:
        former.mounts[line["mount"]] = MountNote(**line)
    elif "began" in line:
        _go_on(former, line.get("boot", ""))
        former.name = line.get("name", "")  # in the journals of before there is none
        former.created = former.created or line["began"]
        former.parameters, former.phase = line["parameters"], ""
        former.older = set(former.records)
        former.is_partial = bool(line.get("alone"))
        if line.get("again"):
            former.again[line["again"], former.is_partial] = set(former.records)
    elif "ended" in line:
        former.phase, former.seconds = line["phase"], line["seconds"]
        former.unsettled.clear()
        if former.phase == "Succeeded" and not former.is_partial:
            former.again.clear()


def _go_on(former: Former, boot: str) -> None:
    """Trust no looks of files if the system has been started since a run that came to no end."""
    if not former.phase and (boot != former.boot or not boot):
        former.read.clear()
        for record in map(former.records.__getitem__, former.unsettled):
            record.files = [(path, inode, _UNSEEN, digest) for path, inode, *_, digest in record.files]
        former.unsettled.clear()
    former.boot = boot


def boot() -> str:
    """Return what names this start of the system, `""` where nothing does: it may be any then."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


def make_durable(file: int) -> None:
    """Return when all that was written to a file outlasts a power failure, where that is possible.

    Raises OSError when it was lost.
    """
    if sys.platform == "darwin":
        with suppress(OSError):  # a file system that has only what is below
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # there fsync leaves it in the memory of the drive
            return
    try:
        os.fsync(file)
    except OSError as wrong:
        if wrong.errno not in _CANNOT:
            raise


class Journal:
    """Adds lines. May be used by many threads.

    When lines could not be made durable no more are added: the system tells of a loss only once.
    """

    def __init__(self, path: Path, durable: Callable[[int], None] = make_durable) -> None:
        """Open or begin a journal; a torn last line is cut off. Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._end = _whole(path)
        os.ftruncate(self._file, self._end)
        self._lock, self._settling = threading.Lock(), threading.Lock()
        self._durable = durable
        self._lost: OSError | None = None
        self._added, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._make_durable, daemon=True)
        self._thread.start()

    def begin(
        self, name: str, created: float, parameters: Mapping[str, str], choice: Choice | None = None
    ) -> None:
        """Note that a run begins, or goes on, when it was begun first, and what is chosen. Raises OSError."""
        line = {"began": created, "name": name, "parameters": dict(parameters), "boot": boot()}
        self._add({**line, "again": choice[0], "alone": choice[1]} if choice else line)

    def add_file(self, note: FileNote) -> None:
        """Note a file that was read; where there is no room it will be read again."""
        with suppress(OSError):
            self._add({"file": note})

    def add_mount(self, note: MountNote) -> None:
        """Note what a folder for a volume holds; where there is no room it will seem changed."""
        with suppress(OSError):
            self._add(note._asdict())

    def add(self, record: Record) -> None:
        """Note a leaf that ended. Raises OSError; nothing of it is noted then."""
        self._add(record.__dict__)

    def settle(self) -> OSError | None:
        """Return when all that was added is durable, or what kept some of it from being."""
        with self._settling:
            if not self._lost:
                try:
                    self._durable(self._file)
                except OSError as wrong:
                    self._lost = wrong
            return self._lost

    def close(self, phase: str, seconds: float) -> None:
        """Note the end, if it can be; what has to be known before, whether all is durable, `settle` tells."""
        with suppress(OSError):
            self._add({"ended": True, "phase": phase, "seconds": round(seconds, 3)})
        self._closing.set()
        self._added.set()
        self._thread.join()
        self.settle()
        os.close(self._file)

    def _add(self, line: Mapping[str, Any]) -> None:
        text = _JSON.encode(line).encode() + b"\n"
        with self._lock:
            if self._lost:
                raise self._lost.with_traceback(None)
            try:
                if os.write(self._file, text) != len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(self._file, self._end)
                raise
            self._end += len(text)
        self._added.set()

    def _make_durable(self) -> None:
        while not self._closing.is_set():
            self._added.wait()
            self._added.clear()
            self.settle()
            self._closing.wait(_PAUSE)


def _whole(path: Path) -> int:
    """Return the length of a file up to the end of its last whole line."""
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        while place:
            start = max(place - 65536, 0)
            file.seek(start)
            newline = file.read(place - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            place = start
    return 0
