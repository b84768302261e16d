"""What a leaf left in; the files and folders that are kept of it out, links as what they lead to, or without.

A pipe or a device in a folder is left out, as Argo leaves it out when it unpacks what a pod has packed; a
socket cannot be packed (workflow/executor/executor.go:untar and Go's archive/tar, v4.1.2). All raise OSError.
"""

from __future__ import annotations

import os
import posixpath
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
    is_link: bool
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
        is_link = stat.S_ISLNK(mode)
        if is_link and follow:
            folders = (*folders, path.parent.resolve())
            mode = _followed(path, folders, path.relative_to(source.parent))
        elif stat.S_ISSOCK(mode):
            raise OSError(f"{path.relative_to(source.parent)}: sockets not supported")
        yield Entry(path, mode, is_link, stat.S_ISREG(status.st_mode) and status.st_nlink > 1)
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


def leads_out(name: str, link: str) -> bool:
    """Whether a link, by its name in a tarball, leads out of where that is unpacked, or to it itself.

    Argo refuses those (workflow/executor/executor.go:untar, v4.1.2).

    >>> [leads_out("a/l", link) for link in ("b", "../b", "..", "../../b", "/a/b")]
    [False, False, True, True, True]
    """
    place = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    return link.startswith("/") or place.split("/")[0] in (".", "..")


def drop_links(top: Path, *, leave_empty: bool) -> str:
    """Remove the links in a folder, or leave empty files, as Argo does when it has unpacked its own tarball.

    Return what it says of one that leads out, `""` if none does.
    """
    found = [entry.path for entry in entries(top, follow=False) if entry.is_link]
    for path in found:
        name, link = os.fspath(path.relative_to(top.parent)), os.readlink(path)  # noqa: PTH115 - as it is written
        if leads_out(name, link):
            return f"illegal symlink target: {name} -> {link}"
    for path in found:
        path.unlink()
        if leave_empty:
            path.touch()
    return ""


def copy_kept(source: Path, target: Path) -> None:
    """Copy what is kept, to a place where nothing is."""
    for path, mode, *_ in (entry for entry in entries(source) if entry.is_kept):
        place = target / path.relative_to(source)
        if stat.S_ISDIR(mode):
            place.mkdir()
        else:
            copy_file(path, place)
            shutil.copystat(path, place)


def drop_empty(top: Path) -> None:
    """Remove folders with nothing in them: a store of objects by key has none (artifacts/s3/s3.go)."""
    if top.is_dir():
        for folder, *_ in os.walk(top, topdown=False):
            with suppress(OSError):  # there is something in it
                os.rmdir(folder)  # noqa: PTH106 - a text: this is done for every folder of a run


def _open_up(folder: Entry, odd: list[Entry]) -> None:
    """Let a folder be written to, unless it is below a link."""
    if not any(folder.path.is_relative_to(link.path) for link in odd):
        with suppress(OSError):  # it is somebody else's
            folder.path.chmod(stat.S_IMODE(folder.mode) | stat.S_IRWXU)


def settle(source: Path, spare: Path) -> bool:
    """Leave at a place what is kept alone: what links lead to may be gone with the folder of the leaf.

    Return whether it is: not where a file has other names, by which somebody may change it. Then it is to be
    copied; to replace it would look like a change of the file whose other name it is.

    Its own folders can be written to then: to move them, and to remove them one day. At `spare` a copy
    becomes whole; what is there when it fails is to be removed.
    """
    odd: list[Entry] = []
    for entry in entries(source):
        if entry.has_others:
            return False
        if entry.is_link or not entry.is_kept:
            odd.append(entry)
        elif stat.S_ISDIR(entry.mode) and entry.mode & stat.S_IRWXU != stat.S_IRWXU:
            _open_up(entry, odd)
    followed: Path | None = None
    for path, _, is_link, _ in odd:
        if followed and path.is_relative_to(followed):
            continue
        if is_link:
            copy_kept(path, spare)
            followed = path
            path.unlink()
            spare.rename(path)
        else:
            path.unlink()
    return True
