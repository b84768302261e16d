"""How a pod ended in Argo's words, and its log, in; why it failed, in the words of its author, out."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

_TAIL_BYTES, _TAIL_LINES = 4096, 5
DEADLINE = "Pod was active on the node longer than the specified deadline"
_UNKNOWN_PROGRAM = "executable file not found in $PATH"
_TOO_LONG = ": argument list too long: "
_OF_ARGUMENT = re.compile(r"the variable ARGOSY_(?:P|VALUE)_(\w+)")
_EXIT = re.compile(r"exit (?:code|status) (\d+)")
_SIGNALS = {128 + one: one.name for one in signal.Signals}


def cause_of(task: str, message: str, log: Path) -> tuple[str, list[str]]:
    """Return why a pod of a task failed, and the end of its log.

    A worker of ours ends its log with the item that failed and why: that says more than an exit code.
    """
    lines = [line for line in end_of(log, _TAIL_BYTES) if line.strip()][-_TAIL_LINES:]
    worker = last_line(task, "")
    if lines and lines[-1].startswith(worker):
        message = lines.pop().removeprefix(worker)
    return _in_words(message), lines


def last_line(task: str, why: str) -> str:
    """Return the line by which the log of a task ends that says why it failed."""
    return f"argosy: {task}: {why}"


def past_limit(limit: str = "") -> str:
    """Return why a task failed that was stopped after its limit of time, where one knows that."""
    after = f" after {limit}" if limit else ""
    return f"stopped{after} by its execution_timeout= (activeDeadlineSeconds or timeout in a manifest)"


def _in_words(message: str) -> str:
    """Return a message with the option that its author set, or can set, and with the names of signals.

    >>> _in_words("main: Error (exit code 139): ")
    'main: Error (exit code 139, killed by SIGSEGV)'
    """
    message = message.strip().removesuffix(":")
    if message == DEADLINE:
        return past_limit()
    if message.endswith(_UNKNOWN_PROGRAM):
        return f"{message}; images are not run here, `--runtime podman` (or docker) runs them"
    if _TOO_LONG in message:
        what = _OF_ARGUMENT.sub(r"the argument \1", message)
        return f"{what}; let it travel as a file, along `>>` (in a manifest as an artifact)"
    return _EXIT.sub(lambda found: found[0] + _killed(int(found[1])), message)


def _killed(code: int) -> str:
    return f", killed by {_SIGNALS[code]}" if code in _SIGNALS else ""


def end_of(log: Path, size: int) -> list[str]:
    """Return the lines in the last `size` bytes of a log, the first maybe cut; none if it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - size, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line.replace("\t", "    ") for line in lines]
