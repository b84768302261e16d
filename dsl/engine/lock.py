"""The lock of a run's folder: one run at a time works in it. A process that is gone holds none."""

from __future__ import annotations

import fcntl  # the engine needs process groups, so a system that has locks of this kind
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_mine: set[Path] = set()
"""The locks of this process, which it could take again. They are no others': what it starts does not inherit
them, as a leaf would, which may outlive it."""


# `struct flock`: type, whence, start, length, process; on macOS type and whence come last
_WHOLE = (
    struct.pack("qqihh", 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    if sys.platform == "darwin"
    else struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
)
_TYPE = 20 if sys.platform == "darwin" else 0


class Held(OSError):
    """Another run holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that is a file, and make it if it is not there.

    Raises:
        Held: a process has it, which the text names.
        OSError: it cannot be made.
    """
    path = path.resolve()
    if path in _mine:
        raise Held(f"process {os.getpid()}")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise Held(f"process {os.read(file, 20).decode() or '(unknown)'}") from None
        _mine.add(path)
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        yield
    finally:
        _mine.discard(path)
        os.close(file)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock that is a file, which this does not change. Raises OSError."""
    path = path.resolve()
    if path in _mine:
        return True
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = fcntl.fcntl(file, fcntl.F_GETLK, _WHOLE)
    finally:
        os.close(file)
    (kind,) = struct.unpack_from("h", found, _TYPE)
    return bool(kind != fcntl.F_UNLCK)
