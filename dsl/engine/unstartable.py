"""Why a program could not be started, in Argo's words; where something is too long, what and by how much.

Source: cmd/argoexec/commands/emissary.go (v4.1.2), execve(2).
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence

LONGEST = 32 * mmap.PAGESIZE - 1
"""Bytes that Linux takes in an argument, or in a variable with its name (MAX_ARG_STRLEN, its end a zero)."""


def why_not_started(command: Sequence[str], env: Mapping[str, str], wrong: Exception) -> str:
    """Return why a program could not be started with its arguments and variables."""
    program = command[0] if command else ""
    if isinstance(wrong, FileNotFoundError):
        missing = f"stat {program}: no such file or directory"
        why = missing if "/" in program else "executable file not found in $PATH"
    elif isinstance(wrong, OSError):
        why = (wrong.strerror or str(wrong)).lower()
        if wrong.errno == errno.E2BIG:
            why = f"{why}: {_too_long(command, env)}"
    else:
        why = str(wrong)
    return f'failed to find name in PATH: exec: "{program}": {why}'


def is_short(env: Mapping[str, str]) -> bool:
    """Whether a program can surely start with these variables; with longer ones it may."""
    few = sum(map(len, env.values())) < LONGEST // 8  # enough for most tasks, and sooner known than the bytes
    return few or sum(size for size, _ in _sizes((), env)) <= LONGEST


def _too_long(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Return what is too long: a variable before an argument that may hold it, else all of them together."""
    sizes = list(_sizes(command, env))
    for size, what in sizes:
        if size > LONGEST:
            return f"{what} has {size} bytes, and Linux takes {LONGEST}"
    most, what = max(sizes)
    return f"all arguments and variables have {sum(size for size, _ in sizes)} bytes, {what} {most} of them"


def _sizes(command: Sequence[str], env: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the bytes of each variable and argument."""
    for name, value in env.items():
        yield len(os.fsencode(f"{name}={value}")), f"the variable {name}"
    for number, word in enumerate(command):
        yield len(os.fsencode(word)), f"argument {number}"
