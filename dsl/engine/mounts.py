"""Folders given for volumes, and paths of this machine in; digests of what they held when the run began out.

What leaves make of a folder meanwhile is theirs and not a change. Where the run was killed, theirs is what
was changed until its last sign of life: one that worked with such a folder then may have gone on a little.
Stamps count and not contents: such folders may be large, so that they are not looked at for each leaf.
"""

from __future__ import annotations

import math
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dsl.engine.contents import digest_of, stamp_in, stamp_of
from dsl.engine.folder import STATE
from dsl.engine.journal import MountNote

_SIGN = "mounted"
_NOBODY, _SOMEBODY = b"0", b"1"
_PAUSE = 0.1  # seconds between two signs of life
_LATE = 500_000_000  # nanoseconds for which there may have been none: other threads were at work
_MOST = 20_000  # files that are looked at below a path that may be that of the whole machine


class Mounts:
    """Digests by name of volume or claim, or by a path; `note` hears what to know in the next run.

    For many threads.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        former: Mapping[str, MountNote],
        note: Callable[[MountNote], None],
        out: Path,
        *,
        outlived: bool,
    ) -> None:
        """Look at the folders that a former run noted; one may hold `out`: that is not looked at.

        `outlived` tells that some of a former run's processes worked until now: what was changed meanwhile is
        taken for their work, and the folder is `doubtful`.
        """
        self._folders = folders
        self._former = former
        self._note = note
        self._out = out
        self._seen: dict[str, MountNote] = {}
        self._lock = threading.Lock()
        self._sign = out / STATE / _SIGN
        self._until, was_busy = _last_sign(self._sign)
        self._outlived = outlived and was_busy
        self.doubtful: set[str] = set()
        self._signing = threading.Lock()  # its own: a look at a folder may take long
        self._at_work = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        for name in former:
            if name in folders or Path(name).is_absolute():
                self.of(name)

    def of(self, name: str) -> str:
        """Return the digest of a folder, looked at when it is asked for first: before a leaf works there."""
        with self._lock:
            if name not in self._seen:
                self._seen[name] = self._look(name)
                self._note(self._seen[name])
            return self._seen[name].digest

    def place(self, name: str) -> list[int]:
        """Return the device and the inode, nothing of what cannot be there; a given folder is afterwards."""
        if name in self._folders:
            with suppress(OSError):
                self._folders[name].mkdir(parents=True, exist_ok=True)
        return list(_identity(self._path(name))[0] or ())

    def _path(self, name: str) -> str:
        return os.fspath(self._folders.get(name, name))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let what is changed in the folders be the work of a leaf."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._signing:
            self._at_work += more
            self._give_sign()
            if not self._thread.ident:
                self._thread.start()

    def _live(self) -> None:
        while not self._closing.wait(_PAUSE):
            with self._signing:
                if self._at_work:
                    self._give_sign()

    def _give_sign(self) -> None:
        with suppress(OSError):  # no room: what leaves do will seem changed
            self._sign.write_bytes(_SOMEBODY if self._at_work else _NOBODY)

    def close(self) -> None:
        """Note what leaves have left in the folders. None must be at work."""
        self._closing.set()
        for name, seen in self._seen.items():
            self._note(seen._replace(files=self._stamps(name)[0], ended=True))

    def _look(self, name: str) -> MountNote:
        (files, newest), former, place = self._stamps(name), self._former.get(name), self.place(name)
        if former and former.place and former.place != place:  # another folder
            former = None
        if former and former.files == files:
            return MountNote(name, former.digest, files, place=place)
        is_late = newest > self._until
        if former and not former.ended and (self._outlived or not is_late):
            self.doubtful.update([name] if is_late else [])
            return MountNote(name, former.digest, files, place=place)
        return MountNote(name, digest_of(files), files, place=place)

    def _stamps(self, name: str) -> tuple[dict[str, list[int]], int]:
        """Return the stamps of a file, or of all below a folder, and when one, or a folder, was changed last.

        A folder to which many links lead is seen once. A path of this machine may be any, also `/`: there
        not all is looked at, and nothing that is on no disk, as what is in `/proc`.
        """
        root = self._path(name)
        most = math.inf if name in self._folders else _MOST
        stamps: dict[str, list[int]] = {}
        newest = 0
        waiting, seen = [root], {_identity(os.fspath(self._out))[0]}
        while waiting and len(stamps) < most:
            path = waiting.pop()
            identity, changed = _identity(path)
            if identity in seen or _is_on_no_disk(path):
                continue
            seen.add(identity)
            newest = max(newest, changed)
            for entry in _entries(path):
                status = _status(entry)
                if status and stat.S_ISDIR(status.st_mode):
                    waiting += [entry.path] if entry.name != STATE else []
                elif status and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    stamps[entry.path.removeprefix(f"{root}/")] = list(stamp_in(status))
                    newest = max(newest, status.st_ctime_ns)
        if stamp := stamp_of(root):
            stamps[root] = list(stamp)
        return stamps, newest


def _last_sign(sign: Path) -> tuple[int, bool]:
    """Return until when a run that was killed may have changed something, and whether it was about to.

    The time is in nanoseconds, 0 if it never did.
    """
    try:
        rests, given = sign.read_bytes() == _NOBODY, sign.stat().st_mtime_ns
    except OSError:
        return 0, False
    return (given, False) if rests else (given + _LATE, True)


def _is_on_no_disk(path: str) -> bool:
    """Whether a path is in a file system that holds nothing, but tells of the machine."""
    with suppress(OSError):
        return os.statvfs(path).f_blocks == 0
    return False


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name; nothing of one that cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
    return []


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what the system says of a file or folder, or of a link that leads to none that can be seen."""
    for follows in (True, False):
        with suppress(OSError):
            return entry.stat(follow_symlinks=follows)
    return None  # it has just been removed


def _identity(folder: str) -> tuple[tuple[int, int] | None, int]:
    """Return what a folder is, however it is named, and when it was changed last."""
    with suppress(OSError):
        status = os.stat(folder)  # noqa: PTH116 - texts: this is done for every folder below a mount
        return (status.st_dev, status.st_ino), status.st_ctime_ns
    return None, 0
