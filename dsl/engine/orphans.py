"""A run in; processes that its leaves left behind, in groups of their own or by a kill of the run, ended.

Leaves are marked by a variable that Argo sets in pods too. Where a system does not tell the environment of a
process, as only Linux does, none is found.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "ARGO_WORKFLOW_UID"
_PAUSE, _TIMES = 0.01, 100


def mark_of(state: Path) -> str:
    """Return what marks the leaves of the run in a folder."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, os.fspath(state)))


def end_left(mark: str) -> None:
    """Kill what bears the mark, until nothing does: what is killed may just have started another."""
    for _ in range(_TIMES):
        left = list(_marked(mark))
        if not left:
            return
        for process in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_PAUSE)


def _marked(mark: str) -> Iterator[int]:
    variable = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # somebody else's, or it has just ended
            if variable in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
