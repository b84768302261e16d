"""Folders given for volumes in; a digest of what each held when the run began, out.

What leaves make of a folder meanwhile is theirs and not a change, unless the run is killed: then a file that
was there and is another now counts as changed. Stamps count and not contents: such folders may be large.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from dsl.engine.contents import digest_of, stamp_of
from dsl.engine.folder import STATE
from dsl.engine.journal import MountNote


class Mounts:
    """Digests by name of volume or claim; `note` hears what to know in the next run. For many threads."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        former: Mapping[str, MountNote],
        note: Callable[[MountNote], None],
        out: Path,
    ) -> None:
        """A folder may hold `out`: what a run leaves there is not looked at."""
        self._folders = folders
        self._former = former
        self._note = note
        self._out = out
        self._seen: dict[str, MountNote] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> str:
        """Return the digest of a folder, looked at when it is asked for first: before a leaf works there."""
        with self._lock:
            if name not in self._seen:
                self._seen[name] = self._look(name)
                self._note(self._seen[name])
            return self._seen[name].digest

    def close(self) -> None:
        """Note what leaves have left in the folders. None must be at work."""
        for name, seen in self._seen.items():
            self._note(MountNote(name, seen.digest, self._stamps(name), ended=True))

    def _look(self, name: str) -> MountNote:
        files, former = self._stamps(name), self._former.get(name)
        if former and former.ended and former.files == files:
            return MountNote(name, former.digest, files)
        if former and not former.ended and all(files.get(path) == was for path, was in former.files.items()):
            return former
        return MountNote(name, digest_of(files), files)

    def _stamps(self, name: str) -> dict[str, list[int]]:
        """Return the stamps of the files below a folder; one to which many links lead is seen once."""
        root = os.fspath(self._folders[name])
        stamps: dict[str, list[int]] = {}
        waiting, seen = [root], {_identity(os.fspath(self._out))}
        while waiting:
            folder = waiting.pop()
            identity = _identity(folder)
            if identity in seen:
                continue
            seen.add(identity)
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.is_dir():
                        waiting += [entry.path] if entry.name != STATE else []
                    elif stamp := stamp_of(entry.path):
                        stamps[entry.path.removeprefix(f"{root}/")] = list(stamp)
        return stamps


def _identity(folder: str) -> tuple[int, int] | None:
    with suppress(OSError):
        status = os.stat(folder)  # noqa: PTH116 - texts: this is done for every folder below a mount
        return status.st_dev, status.st_ino
    return None
