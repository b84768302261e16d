"""What a leaf left in; the files and folders that are kept of it out, and the links in it.

A pipe or a device in a folder is left out, as Argo leaves it out when it unpacks what a pod has packed; a
socket cannot be packed (workflow/executor/executor.go:untar and Go's archive/tar, v4.1.2). All raise OSError.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dsl.engine.copies import copy_file


class Entry(NamedTuple):
    """A path at or below what was left; `mode` is that of what a link leads to, where links are followed.

    `has_others` tells that a file has another name too, perhaps somewhere else.
    """

    path: Path
    mode: int
    has_others: bool

    @property
    def is_kept(self) -> bool:
        """Whether it is a file, a folder, or a link that is not followed."""
        return stat.S_ISREG(self.mode) or stat.S_ISDIR(self.mode) or stat.S_ISLNK(self.mode)


def entries(source: Path, *, follow: bool = True) -> Iterator[Entry]:
    """Yield what was left, a folder before what is in it, by name; also what is not kept."""
    waiting: list[tuple[Path, tuple[Path, ...]]] = [(source, ())]
    while waiting:
        path, folders = waiting.pop()
        status = path.lstat()
        mode = status.st_mode
        if stat.S_ISLNK(mode) and follow:
            folders = (*folders, path.parent.resolve())
            mode = _followed(path, folders, path.relative_to(source.parent))
        elif stat.S_ISSOCK(mode):
            raise OSError(f"{path.relative_to(source.parent)}: sockets not supported")
        yield Entry(path, mode, stat.S_ISREG(status.st_mode) and status.st_nlink > 1)
        if stat.S_ISDIR(mode):
            waiting += [(inner, folders) for inner in sorted(path.iterdir(), reverse=True)]


def _followed(link: Path, folders: tuple[Path, ...], name: Path) -> int:
    """Return the mode of what a link leads to; `folders` are where it, and links that led to it, are."""
    try:
        mode = link.stat().st_mode
    except FileNotFoundError:
        raise OSError(f"{name} is a link that leads nowhere") from None
    except OSError as wrong:
        raise OSError(f"{name}: {wrong.strerror}") from None
    if stat.S_ISDIR(mode):
        target = link.resolve()
        if any(folder.is_relative_to(target) for folder in folders):
            raise OSError(f"{name} is a link to a folder that it is in")
    elif not stat.S_ISREG(mode):
        raise OSError(f"{name} is a link to what is neither a file nor a folder")
    return mode


def copy_kept(source: Path, target: Path) -> None:
    """Copy a file, or the files of a folder, to a place where nothing is."""
    top = source.resolve()
    for path, mode, *_ in entries(top, follow=False):
        place = target / path.relative_to(top)
        if stat.S_ISDIR(mode):
            place.mkdir()
        elif stat.S_ISREG(mode):
            copy_file(path, place)
            shutil.copystat(path, place)


def drop_empty(top: Path) -> None:
    """Remove folders with nothing in them: a store of objects by key has none (artifacts/s3/s3.go)."""
    if top.is_dir():
        for folder, *_ in os.walk(top, topdown=False):
            with suppress(OSError):  # there is something in it
                os.rmdir(folder)  # noqa: PTH106 - a text: this is done for every folder of a run


def settle(source: Path) -> bool:
    """Leave at a place nothing but files and folders.

    Return whether they can be kept as they are: not what a link leads to, nor where a file has other names,
    by which somebody may change it. Then they are to be copied; to replace such a file would look like a
    change of the one whose other name it is.

    Folders can be written to then: to move them, and to remove them one day.
    """
    if source.is_symlink():
        return False
    odd: list[Path] = []
    for path, mode, has_others in entries(source, follow=False):
        if has_others:
            return False
        if not stat.S_ISDIR(mode):
            odd += [] if stat.S_ISREG(mode) else [path]
        elif mode & stat.S_IRWXU != stat.S_IRWXU:
            path.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
    for path in odd:
        path.unlink()
    return True


def links_in(source: Path) -> Iterator[Path]:
    """Yield the links below a folder."""
    for folder, folders, names in os.walk(source):
        yield from filter(Path.is_symlink, (Path(folder, name) for name in sorted((*folders, *names))))


def leads_out(link: Path, source: Path) -> bool:
    """Whether Argo unpacks no link like that of what was packed (executor.go:untar, v4.1.2)."""
    target = os.path.normpath(link.parent / link.readlink())
    return link.readlink().is_absolute() or source.parent not in Path(target).parents
