"""What files and folders looked like when they were noted in; whether one was changed since out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dsl.engine.contents import LASTING, Stamp, stamp_in

_Looks = tuple[Stamp, int, int]
"""The stamp, the mode and the number of links of a file.

Where one of the others is not what it was, it is why the last number of the stamp is another: a program may
make its copy executable, or link it to its results.
"""

_FOLDER: Final = ((0, 0, 0, 0), 0, 0)


class Stamps:
    """What files looked like, by path; a folder has what was in it. May be used by many threads."""

    def __init__(self) -> None:
        self._noted: dict[str, _Looks | None] = {}
        self._inside: dict[str, dict[str, None]] = {}

    def note(self, place: Path, root: Path) -> None:
        """Note a file, or a folder with all below it; folders from `root` down to it will know of it."""
        for folder, path in _below(os.fspath(place)):
            self._noted[path] = _looks(path)
            self._inside.setdefault(folder, {})[path] = None
        self._noted[os.fspath(place)] = _looks(os.fspath(place))
        while place != root:
            self._inside.setdefault(os.fspath(place.parent), {})[os.fspath(place)] = None
            place = place.parent

    def changed(self, place: Path) -> Path | None:
        """Return a file or folder, at or below a place, that is gone or not as it was noted, if any.

        What was never noted is not looked at.
        """
        waiting = [os.fspath(place)]
        while waiting:
            path = waiting.pop()
            if path in self._noted and _is_other(_looks(path), self._noted[path]):
                return Path(path)
            waiting += list(self._inside.get(path, ()))
        return None


def _below(place: str) -> Iterator[tuple[str, str]]:
    """Yield all that is below a folder, each with the folder that it is in."""
    for folder, folders, names in os.walk(place):
        yield from ((folder, f"{folder}/{name}") for name in (*folders, *names))


def _looks(path: str) -> _Looks | None:
    """Return what a file looks like, zeros for a folder, None for nothing."""
    try:
        status = os.stat(path)  # noqa: PTH116 - texts: every file that a leaf reads is looked at
    except OSError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return _FOLDER
    return stamp_in(status), status.st_mode, status.st_nlink


def _is_other(looks: _Looks | None, noted: _Looks | None) -> bool:
    if looks is None or noted is None or looks[1:] == noted[1:]:
        return looks != noted
    return looks[0][:LASTING] != noted[0][:LASTING]
