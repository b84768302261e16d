"""Copies of files and folders that their readers may change; links become what they point to."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from dsl.engine.followed import files_below

_CHUNK = 1 << 30


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy what is in a file. Where the file system can, both share it until one is changed.

    Raises OSError, also for what is no file and could not be read to an end; FileNotFoundError for nothing.
    """
    if not Path(source).is_file():
        raise (OSError if Path(source).exists() else FileNotFoundError)(f"{source} is no file")
    with Path(source).open("rb") as old, Path(target).open("wb") as new:
        if sys.platform == "linux":
            with suppress(OSError):  # another file system; what is left is copied below
                while os.copy_file_range(old.fileno(), new.fileno(), _CHUNK):
                    pass
        shutil.copyfileobj(old, new)


def copy_alike(source: Path, target: Path) -> None:
    """Copy a file or folder with its permissions. Raises OSError."""
    if source.is_dir():
        copy_folder(source, target)
    else:
        _copy_like(source, target)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder, into one that may be there; all in it keeps its permissions.

    Folders can be written to, since the copy is to be removed one day. Raises OSError, and before anything
    is copied for a link to a folder that it is in.
    """
    for _ in files_below(os.fspath(source), partial(_refuse_loop, source)):
        pass
    shutil.copytree(
        source, target, copy_function=_copy_like, ignore_dangling_symlinks=True, dirs_exist_ok=True
    )
    for folder, *_ in os.walk(target):
        Path(folder).chmod(Path(folder).stat().st_mode | 0o700)


def _refuse_loop(source: Path, link: str) -> None:
    raise OSError(f"{Path(link).relative_to(source.parent)} is a link to a folder that it is in")


def _copy_like(source: str | Path, target: str | Path) -> None:
    copy_file(source, target)
    shutil.copymode(source, target)


def remove(path: Path) -> None:
    """Remove a link, a file, or a folder with all in it, whatever its permissions, if it is there.

    Raises OSError.
    """
    with suppress(OSError):  # most folders of leaves are empty
        os.rmdir(path)  # noqa: PTH106 - as below
        return
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if not is_folder:
        path.unlink(missing_ok=True)
        return
    try:
        _remove_folder(os.fspath(path))
    except PermissionError:
        _open_up(os.fspath(path))
        shutil.rmtree(path)
    except (OSError, RecursionError):  # paths that are too long
        shutil.rmtree(path)


def _open_up(folder: str) -> None:
    """Give a folder, and all that are in it, the permissions that are needed to empty them."""
    os.chmod(folder, stat.S_IRWXU)  # noqa: PTH101 - a text, as below
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _open_up(entry.path)


def _remove_folder(folder: str) -> None:
    """Remove a folder that nobody works in any more: `shutil.rmtree`, on its guard, takes longer."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_folder(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108 - texts: this is done for every leaf
    os.rmdir(folder)  # noqa: PTH106 - as above
