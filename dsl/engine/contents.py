"""Files and folders in, digests of what is in them out. May be used by many threads.

A file that has the size and the time that it had when it was read is not read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dsl.engine.journal import FileNote

_KIND = "sha256"
_JSON = json.JSONEncoder(sort_keys=True)


class Contents:
    """Digests by path; `read` hears of every file that was read for the first time."""

    def __init__(self, known: Iterable[FileNote], read: Callable[[FileNote], None]) -> None:
        self._known = {note[0]: note for note in known}
        self._folders: dict[str, str] = {}
        self._read = read

    def of(self, place: Path) -> str:
        """Return the digest of a file or a folder, `""` of nothing; names count, times and modes do not."""
        path = os.fspath(place)
        if path in self._folders:
            return self._folders[path]
        notes = list(self._notes(path, self._read))
        if len(notes) == 1 and notes[0][0] == path:
            return notes[0][3]
        lines = sorted((note[0][len(path) :], note[3]) for note in notes)
        digest = digest_of(lines) if lines or place.exists() else ""
        return self._folders.setdefault(path, digest)

    def note(self, place: Path) -> list[FileNote]:
        """Return what there is at a place that a leaf has just left."""
        path = os.fspath(place)
        for above in (path, *map(os.fspath, place.parents)):
            self._folders.pop(above, None)
        return list(self._notes(path, lambda _: None))

    def is_as_noted(self, note: FileNote) -> bool:
        """Whether a file is what it was."""
        found = _stamp(note[0])
        return found == note[1:3] or (found is not None and self.of(Path(note[0])) == note[3])

    def _notes(self, path: str, read: Callable[[FileNote], None]) -> Iterator[FileNote]:
        for each in _files(path):
            stamp = _stamp(each)
            note = self._known.get(each)
            if stamp is None:  # it has just been removed
                continue
            if note is None or note[1:3] != stamp:
                digest = _digest(each)
                if digest is None:
                    continue
                note = self._known[each] = (each, *stamp, digest)
                read(note)
            yield note


def digest_of(value: object) -> str:
    """Return the digest of a JSON value."""
    return hashlib.new(_KIND, _JSON.encode(value).encode()).hexdigest()


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):  # noqa: PTH112  # texts: this is done for every file of a run
        yield path
        return
    for folder, _, names in os.walk(path, followlinks=True):
        yield from (f"{folder}/{name}" for name in names)


def _stamp(path: str) -> tuple[int, int] | None:
    """Return the size and the time of a regular file, None for anything else."""
    try:
        status = os.stat(path)  # noqa: PTH116  # as above
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # as above
            return hashlib.file_digest(file, _KIND).hexdigest()
    except OSError:
        return None
