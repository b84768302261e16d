"""A run in; processes that its leaves left behind, in sessions of their own or by a kill of the run, ended.

Sessions are on record from their start. One is that which was noted when its leader began no later than
that. Where the leader has ended a stranger may have its id once nobody is left in it: then only who began
soon after the note is known to be of it. What has left its session is known by a variable in the environment
that its program, or what it is a fork of, was started with; where a system does not tell that of a process,
as only Linux does, it is not found. Where a task runs another run, what that one starts has a second
variable, with the marks of all around it.
"""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dsl.engine.journal import boot

MARK, OUTER = "DSL_RUN", "DSL_RUNS_AROUND"
"""Not ARGOSY_ variables: our programs take those away from the author's."""
_GROUPS = "groups"
_PAUSE, _TIMES = 0.01, 100
_DEAD = ("Z", "X")
_SOON = 10.0  # seconds in which no system gives out an id again


def marks_of(state: Path) -> dict[str, str]:
    """Return the variables that mark the leaves of the run in a folder."""
    outer = " ".join(os.environ[name] for name in (OUTER, MARK) if name in os.environ)
    return {MARK: _mark_of(state), **({OUTER: outer} if outer else {})}


def _mark_of(state: Path) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, os.fspath(state)))


class Groups:
    """The process groups of a run, put on record below `state`. May be used by many threads.

    Each is a session too.
    """

    def __init__(self, state: Path) -> None:
        """Begin the record. Raises OSError."""
        self._file = (state / _GROUPS).open("wb", buffering=0)
        self._file.write(f"{boot()}\n".encode())

    def note(self, leader: int) -> None:
        """Note a group that has just been started, by its leader."""
        with suppress(OSError):  # no room: on Linux there is the variable
            self._file.write(b"%d %.3f\n" % (leader, _now()))

    def close(self) -> None:
        """End the record, which stays."""
        self._file.close()


def end_left(state: Path) -> bool:
    """Kill what is left of a run, until nothing is: what is killed may just have started another.

    Return whether there was anything.
    """
    found = False
    mark, sessions = _mark_of(state), _noted(state / _GROUPS)
    for _ in range(_TIMES):
        members = _members(sessions)
        sessions = {leader: sessions[leader] for leader, _ in members}
        left = [*(-leader for leader in sessions), *(process for _, process in members), *_marked(mark)]
        if not left:
            break
        found = True
        for process in left:  # or group, if it is less than 0
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_PAUSE)
    with suppress(OSError):
        (state / _GROUPS).unlink()
    return found


def _noted(record: Path) -> dict[int, float]:
    """Return when each leader was noted; none if the system was started since."""
    noted: dict[int, float] = {}
    with suppress(OSError, ValueError):
        start, *lines, _ = record.read_text(encoding="utf-8", errors="replace").split(
            "\n"
        )  # the last is torn
        for line in lines if start == boot() else ():
            with suppress(ValueError):
                leader, moment = line.split()
                noted[int(leader)] = float(moment)
    return noted


def _members(sessions: Mapping[int, float]) -> list[tuple[int, int]]:
    """Return who is in noted sessions and has not ended, after the session's id; our own is left out."""
    own, found = os.getsid(0), []
    for process in _processes() if sessions else ():
        with suppress(OSError, ValueError):
            session = os.getsid(process)
            noted = sessions.get(session)
            if noted is not None and session != own and _began(process) <= _latest(session, noted):
                found.append((session, process))
    return found


def _latest(leader: int, noted: float) -> float:
    """Return until when who is in a noted session may have begun; minus infinity where it is another one."""
    try:
        return -math.inf if _began(leader) > noted else math.inf
    except (OSError, ValueError):  # nobody has the id
        return noted + _SOON


def _processes() -> list[int]:
    if sys.platform == "linux":
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - texts
    told = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(process) for process in told.stdout.split()]


def _now() -> float:
    """Return the time on the clock by which processes are told to have begun."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


def _began(process: int) -> float:
    """Return when a process began, on that clock. Raises OSError or ValueError if it has ended."""
    return told_by_proc(process) if sys.platform == "linux" else told_by_ps(process)


def told_by_proc(process: int) -> float:
    """Return when a process began, in seconds since the start of Linux. Raises OSError if it has ended."""
    state, *fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    if state in _DEAD:
        raise ProcessLookupError
    return int(fields[18]) / os.sysconf("SC_CLK_TCK")


def told_by_ps(process: int) -> float:
    """Return when a process began, in seconds since 1970. Raises OSError or ValueError if it has ended."""
    told = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(process)],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, moment = told.stdout.strip().partition(" ")
    if state.startswith(_DEAD):
        raise ProcessLookupError
    return time.mktime(time.strptime(moment.strip(), "%a %b %d %H:%M:%S %Y"))


def _marked(mark: str) -> Iterator[int]:
    variable = re.compile(rf"(?:^|\0)(?:{MARK}|{OUTER})=(?:[^\0]* )?{mark}(?:[ \0]|$)".encode())
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # somebody else's, or it has just ended
            if variable.search((folder / "environ").read_bytes()):
                yield int(folder.name)
