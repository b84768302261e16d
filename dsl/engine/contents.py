"""Files and folders in, digests of what is in them out. May be used by many threads.

A file that has the stamp that it had when it was read is not read again. What a run's own leaves left gets
its results linked to it, which changes the last number of its stamp: of such a file it is not looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from dsl.engine.followed import files_below
from dsl.engine.journal import FileNote

Stamp = tuple[int, int, int, int]
"""A file: its inode, its size in bytes, when it was written, and when it or what is said of it was changed.

The last no program can set: copies that keep times, `cp -p` or `rsync -t`, show there. Nanoseconds.
"""

LASTING: Final = 3
"""Numbers of a stamp that a new hard link leaves as they are."""


class Contents:
    """Digests by path; `read` hears of every file that was read for the first time."""

    def __init__(self, known: Iterable[FileNote], read: Callable[[FileNote], None]) -> None:
        self._known = {note[0]: note for note in known}
        self._folders: dict[str, str] = {}
        self._looks: dict[str, object] = {}
        self._lock = threading.Lock()
        self._read = read

    def of(self, place: Path) -> str:
        """Return the digest of a file or a folder, `""` of nothing; names count, times and modes do not."""
        path = os.fspath(place)
        if path in self._folders:
            return self._folders[path]
        look = self._looks[path] = object()
        notes = list(self._notes(path, is_left=False))
        if len(notes) == 1 and notes[0][0] == path:
            return notes[0][-1]
        lines = sorted((note[0][len(path) :], note[-1]) for note in notes)
        digest = digest_of(lines) if lines or place.exists() else ""
        with self._lock:
            if self._looks.get(path) is look:  # else a leaf has left something there meanwhile
                self._folders[path] = digest
        return digest

    def note(self, place: Path) -> list[FileNote]:
        """Return what there is at a place that a leaf has just left."""
        notes = list(self._notes(os.fspath(place), is_left=True))
        self.forget([os.fspath(place), *(note[0] for note in notes)])
        return notes

    def put_back(self, note: FileNote) -> None:
        """Take note of a file that is again where it was."""
        self.forget([note[0]])
        self._known[note[0]] = note

    def forget(self, paths: Iterable[str]) -> None:
        """Take note that files have come to their places or are gone: what they are in is another folder."""
        found: set[str] = set()
        for path in paths:
            while path not in found:
                found.add(path)
                path = os.path.dirname(path)  # noqa: PTH120  # as above
        with self._lock:
            for path in found:
                self._folders.pop(path, None)
                self._looks.pop(path, None)

    def is_as_noted(self, note: FileNote) -> bool:
        """Whether a file is what it was."""
        found = stamp_of(note[0])
        return found is not None and (is_of(found, note) or self.of(Path(note[0])) == note[-1])

    def _notes(self, path: str, *, is_left: bool) -> Iterator[FileNote]:
        for each in files_at(path):
            stamp = stamp_of(each)
            note = self._known.get(each)
            if stamp is None:  # it has just been removed
                continue
            if note is None or not is_of(stamp, note):
                digest = _digest(each)
                if digest is None:
                    continue
                note = self._known[each] = _note(each, stamp, digest, is_left=is_left)
                if not is_left:
                    self._read(note)
            yield note


json_of = json.JSONEncoder(sort_keys=True).encode
"""Returns the text of a JSON value, the same for values that are equal."""


def digest_of(value: object) -> str:
    """Return the digest of a JSON value."""
    return digest_of_text(json_of(value))


def digest_of_text(text: str) -> str:
    """Return the digest of the text of a JSON value."""
    return hashlib.sha256(text.encode()).hexdigest()


def files_at(path: str) -> Iterator[str]:
    """Yield a place, or where it is a folder the files below it."""
    if not os.path.isdir(path):  # noqa: PTH112  # texts: this is done for every file of a run
        yield path
    else:
        yield from files_below(path)


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of a regular file, None for anything else."""
    try:
        status = os.stat(path)  # noqa: PTH116  # as above
    except OSError:
        return None
    return stamp_in(status) if stat.S_ISREG(status.st_mode) else None


def stamp_in(status: os.stat_result) -> Stamp:
    """Return the stamp that is in what the system says of a file."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _note(path: str, stamp: Stamp, digest: str, *, is_left: bool) -> FileNote:
    return (path, *stamp[:LASTING], digest) if is_left else (path, *stamp, digest)


def is_of(stamp: Stamp, note: FileNote) -> bool:
    """Whether a stamp is, or begins with, the one in a note."""
    return stamp[: len(note) - 2] == note[1:-1]


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # as above
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
