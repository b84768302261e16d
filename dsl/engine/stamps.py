"""What files and folders looked like when they were noted in; whether one was changed since out."""

from __future__ import annotations

import stat
from pathlib import Path


class Stamps:
    """Size and time of change of files, by path; a folder has what was in it. May be used by many threads."""

    def __init__(self) -> None:
        self._noted: dict[Path, tuple[int, int] | None] = {}
        self._inside: dict[Path, dict[Path, None]] = {}

    def note(self, place: Path, root: Path) -> None:
        """Note a file, or a folder with all below it; folders from `root` down to it will know of it."""
        for path in (place, *place.rglob("*")):
            self._noted[path] = _stamp(path)
            self._inside.setdefault(path.parent, {})[path] = None
        while place != root:
            self._inside.setdefault(place.parent, {})[place] = None
            place = place.parent

    def changed(self, place: Path) -> Path | None:
        """Return a file or folder, at or below a place, that is gone or not as it was noted, if any.

        What was never noted is not looked at.
        """
        waiting = [place]
        while waiting:
            path = waiting.pop()
            if path in self._noted and _stamp(path) != self._noted[path]:
                return path
            waiting += list(self._inside.get(path, ()))
        return None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return the size and the time of a file, zeros for a folder, None for nothing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (0, 0) if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
