"""A folder in, all files below it out; links are followed, but for those to a folder that they are in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress


def files_below(top: str, loop: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield all below a folder that is no folder; `loop` hears of links to folders that they are in.

    What cannot be read is empty.
    """
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [(top, ())]
    while waiting:
        folder, above = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116 - texts: this is done for every file of a run
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError:
            continue
        identity = status.st_dev, status.st_ino
        if identity in above:
            loop(folder)
            continue
        for entry in found:
            if _is_folder(entry):
                waiting.append((f"{folder}/{entry.name}", (*above, identity)))
            else:
                yield f"{folder}/{entry.name}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False
