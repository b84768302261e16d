"""The lock of a run's folder: one run at a time works in it. A process that is gone holds none."""

from __future__ import annotations

import fcntl  # the engine needs process groups, so a system that has locks of this kind
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Held(OSError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that is a file, and make it if it is not there.

    Raises:
        Held: a process has it, which the text names.
        OSError: it cannot be made.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(f"process {os.read(file, 20).decode() or '(unknown)'}") from None
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        yield
    finally:
        os.close(file)
