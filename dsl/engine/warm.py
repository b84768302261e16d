"""Scripts of Python in, each in a process of its own out, forked from an interpreter that is warm.

A fork has what a fresh interpreter would have once it has executed the imports that the script begins with,
and nothing that another script did. Where it could differ the script gets a fresh interpreter: unless all
that is run is the interpreter with one file; when the environment says how Python shall be, or may be more
than a program can start with; when the first imports are not of the standard library alone, or say something.
All that such a script can see of it are frames below its own, its parent, a seed of hashes that it shares
with others, and below Linux's /proc the command and the environment of the interpreter: by the mark in it
what leaves its session is found.
"""

from __future__ import annotations

import ast
import itertools
import marshal
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dsl.engine.orphans import MARK, OUTER
from dsl.engine.process import Process, Program, spawn
from dsl.engine.unstartable import is_short

_ZYGOTE = Path(__file__).with_name("zygote.py")
_GRACE = 5.0  # seconds that an interpreter may take to end
_MOST = 8
"""Interpreters that are kept: each takes as much memory as the modules of its program."""
_AT_START = {"HOME", "LANG", "LANGUAGE", "PATH", "TZ", "__PYVENV_LAUNCHER__", MARK, OUTER}
_AT_START_PREFIXES = ("LC_", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "OPENSSL_", "SSL_")
"""Variables that are read before a program can: by the interpreter, its libraries, modules it imports.

And the marks, which are looked for in what a process was started with.
"""

Key = tuple[bytes, tuple[tuple[str, str], ...]]


class Warm:
    """The warm interpreters of a run, one per program; started when it is met for the second time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._met: set[int] = set()
        self._interpreters: dict[Key, _Interpreter | None] = {}

    def start(self, program: Program) -> Process:
        """Start a program. Raises OSError."""
        interpreter = self._interpreter(program)
        if interpreter:
            with suppress(OSError):  # it refused, or was killed
                return interpreter.start(program)
        return spawn(program)

    def _interpreter(self, program: Program) -> _Interpreter | None:
        if not _is_script(program):
            return None
        source = Path(program.command[1]).read_bytes()
        key = source, tuple(sorted(_read_at_start(program.env).items()))
        with self._lock:
            if key not in self._interpreters:
                if hash(key) not in self._met or len(self._interpreters) == _MOST:
                    self._met.add(hash(key))
                    return None
                imports = _first_imports(source)
                self._interpreters[key] = (
                    None if imports is None else _Interpreter(imports, source, dict(key[1]))
                )
            found = self._interpreters[key]
            if found and found.is_over:
                found.close()
                found = self._interpreters[key] = None
            return found

    def close(self) -> None:
        """End all of them, and what they still run."""
        with self._lock:
            for interpreter in filter(None, self._interpreters.values()):
                interpreter.close()


def _is_script(program: Program) -> bool:
    return (
        hasattr(os, "fork")
        and len(program.command) == 2
        and program.command[0] == sys.executable
        and Path(program.command[1]).is_absolute()
        and not any(name.startswith("PYTHON") for name in program.env)
        and is_short(program.env)
    )


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in env.items() if name in _AT_START or name.startswith(_AT_START_PREFIXES)
    }


def _first_imports(source: bytes) -> str | None:
    r"""Return the imports of the standard library that a program begins with; None if it is no program.

    >>> _first_imports(b"'''Doc.'''\nfrom os import path\nimport re, json\nx = 1\nimport io")
    'from os import path\nimport re, json'
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if ast.get_docstring(ast.Module(body, []), clean=False) is not None:
        body = body[1:]
    return "\n".join(ast.unparse(each) for each in itertools.takewhile(_is_plain_import, body))


def _is_plain_import(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import):
        names = [alias.name for alias in statement.names]
    elif isinstance(statement, ast.ImportFrom) and not statement.level:
        names = [str(statement.module)]
    else:
        return False
    plain = sys.stdlib_module_names - {"antigravity"}  # opens a browser
    return all(name.partition(".")[0] in plain for name in names)


class _Interpreter:
    """One warm interpreter. Raises OSError when it cannot be started."""

    def __init__(self, imports: str, source: bytes, env: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(
                [sys.executable, str(_ZYGOTE), str(theirs.fileno())],
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        _send(self._control, (imports, source))

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def start(self, program: Program) -> Process:
        """Let it fork. Raises OSError when it does not."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"\0"], [theirs.fileno(), program.stdout, program.stderr])
            _send(ours, (program.command[1], str(program.folder), dict(program.env)))
            return _Forked(ours)
        except OSError:
            ours.close()
            raise

    def close(self) -> None:
        """Let it kill what it runs, and end."""
        self._control.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:  # it was stopped
            self._process.kill()
            self._process.wait()


class _Forked:
    """A child of a warm interpreter, which tells of its start and its end."""

    def __init__(self, reply: socket.socket) -> None:
        self._reply = reply
        kind, self.pid = self._told()
        if kind != "s":
            raise ChildProcessError("the interpreter has not forked")

    def _told(self) -> tuple[str, int]:
        told = b""
        with suppress(ConnectionError):
            told = self._reply.recv(9, socket.MSG_WAITALL)
        return told[:1].decode(), int(told[1:] or 0)

    def wait(self) -> int:
        """Wait for its end; an interpreter that was killed takes its children with it."""
        with self._reply:
            kind, code = self._told()
            return code if kind else -9


def _send(receiver: socket.socket, value: tuple[Any, ...]) -> None:
    piece = marshal.dumps(value)
    receiver.sendall(len(piece).to_bytes(8, "big") + piece)
