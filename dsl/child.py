"""Stage 1 apart from us. An author's file in, data out, from a child process under a time limit.

The child runs `load.execute` and a function named by the caller, and answers with what that makes of the
DAGs, which never leave it. What the file prints goes to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.load import duplicates, execute
from dsl.trace import of_dump

if TYPE_CHECKING:
    import subprocess

    from dsl.author import DAG

TIMEOUT = 30.0
"""Seconds that a file may take, unless the caller says otherwise."""

SHORTEST, LONGEST = 0.1, 86400.0
"""Bounds of what a caller may say."""

GRACE = 5.0
"""Seconds after the limit within which a child reports where it hangs and ends by itself."""

_UNANSWERED = 74  # EX_IOERR: a child could not write its answer
_SPOILT = "wrote to file descriptors that it did not open, or closed them,"

_HOME = Path(__file__).absolute().parents[1]

# `-P` and this line: neither the folder of `dsl` nor the current one may hide a module of the author.
_PROGRAM = """\
import sys
if sys.argv[1] not in sys.path: sys.path.insert(0, sys.argv[1])
from dsl.{module} import {function}
{function}(*sys.argv[2:])
"""


class ChildFailed(RuntimeError):
    """The function that should have looked at the DAGs failed: our mistake, with the child's traceback."""


class Loaded(NamedTuple):
    """What a child answered: `result` is None when there were no DAGs to look at."""

    result: Any
    diagnostics: tuple[Diagnostic, ...]


class _Answer(NamedTuple):
    result: object
    diagnostics: tuple[Diagnostic, ...]
    failure: str


# --- in the child ---


def answer(path: str, then: str, timeout: str, number: str, trace: str) -> None:
    """Load a file, call `then`, write a pickled answer to the file descriptor `number`. Never returns."""
    import faulthandler

    own = os.getpid()
    dump = os.fdopen(int(trace), "wb", buffering=0)
    faulthandler.enable(dump)
    # Works while the interpreter is blocked, and also when the parent is no longer there to end us.
    faulthandler.dump_traceback_later(float(timeout), exit=True, file=dump)
    reply = _looked_at(path, then)
    if os.getpid() == own:  # and no fork of the author's that came this far too
        try:
            _write(reply, int(number))
        except OSError:  # the author's file closed what it inherited
            os._exit(_UNANSWERED)
        faulthandler.cancel_dump_traceback_later()
    os._exit(0)  # threads and exit functions of the author would only hold us up


def imported(then: str) -> Callable[[Sequence[DAG]], object]:
    """Return a function named as in `"package.module:function"`, all imported that a child needs.

    It comes before the author's file, because afterwards a json.py beside that would be the json it imports.
    """
    import pickle  # noqa: F401 - for the answer
    import traceback  # noqa: F401 - for what fails

    return named(then)


def named(function: str) -> Callable[..., object]:
    """Import a function of ours and return it."""
    import importlib

    module, _, name = function.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), name)
    return found


def _looked_at(path: str, then: str) -> _Answer:
    import traceback

    problems: tuple[Diagnostic, ...] = ()
    try:
        look = imported(then)
        dags = execute(path)
        problems = duplicates(dags)
        first: dict[str, DAG] = {}
        for dag in dags:
            first.setdefault(dag.name, dag)
        return _Answer(look(list(first.values())), problems, "")
    except Rejected as rejected:
        return _Answer(None, problems + rejected.diagnostics, "")
    except BaseException:
        return _Answer(None, problems, traceback.format_exc())


def _write(reply: _Answer, number: int) -> None:
    import pickle
    import traceback

    try:
        content = pickle.dumps(reply, pickle.HIGHEST_PROTOCOL)
    except Exception:
        content = pickle.dumps(reply._replace(result=None, failure=traceback.format_exc()))
    with os.fdopen(number, "wb") as file:
        file.write(content)


# --- in the parent ---


class Process(Protocol):
    """A child as `subprocess.Popen` shows it; `returncode` is below zero for a signal."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Return how it ended, None while it is at work."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired` after a number of seconds."""


class Loading:
    """A child that is at work. `wait` for it, or `stop` it; leaving the `with` block stops it too."""

    def __init__(
        self, path: str, timeout: float, child: Process, answer: IO[bytes], trace: IO[bytes]
    ) -> None:
        self._path = path
        self._timeout = timeout
        self._child = child
        self._answer = answer
        self._trace = trace
        self._ended = False  # its number may be another process's by now

    def __enter__(self) -> Loading:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_over(self) -> bool:
        """Whether the child has ended by itself."""
        return self._child.poll() is not None

    def wait(self) -> Loaded:
        """Return the answer, once, a few seconds after the time limit at most.

        Raises ChildFailed when the child failed by a mistake of ours.
        """
        import contextlib
        import subprocess

        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(self._timeout + GRACE)
            return self.finish()
        finally:
            self.stop()

    def finish(self) -> Loaded:
        """Return the answer, once, of a child that is over or too late, which ends it.

        Raises ChildFailed when the child failed by a mistake of ours.
        """
        try:
            in_time = self.is_over
            self._end()
            return self._loaded(in_time)
        finally:
            self.stop()

    def stop(self) -> None:
        """End the child and whatever it started. Does nothing when it has ended."""
        self._end()
        self._answer.close()
        self._trace.close()

    def _end(self) -> None:
        import contextlib
        import signal

        if self._ended:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._ended = True

    def _loaded(self, in_time: bool) -> Loaded:
        self._answer.seek(0)
        content = self._answer.read()
        reply = _read(content) if self._child.returncode == 0 else None
        if reply and reply.failure:
            raise ChildFailed(reply.failure)
        if reply:
            return Loaded(reply.result, reply.diagnostics)
        self._trace.seek(0)
        dump = self._trace.read().decode(errors="replace")
        late = not in_time or dump.startswith("Timeout")
        died = self._died(dump, is_spoilt=bool(content))
        return Loaded(None, (self._timed_out(dump) if late else died,))

    def _timed_out(self, dump: str) -> Diagnostic:
        message = f"loading took longer than {self._timeout:g} s"
        hint = "move slow work into a task, or give it more time with `--timeout`"
        where = of_dump(self._path, dump)
        if where.line:
            message += " and was still at this line"
        return Diagnostic(Code.LOAD_TIMEOUT, where, message, hint)

    def _died(self, dump: str, *, is_spoilt: bool) -> Diagnostic:
        import signal

        status = self._child.returncode or 0
        if status == _UNANSWERED or (status == 0 and is_spoilt):
            how = _SPOILT
        elif status < 0:
            names = {signal.SIGKILL.value: "SIGKILL (out of memory?)"}
            how = f"was killed by {names.get(-status) or signal.Signals(-status).name}"
        else:
            how = f"ended Python with status {status}"
        return Diagnostic(Code.LOAD_EXITED, of_dump(self._path, dump), f"the file {how} while it was loaded")


def _read(content: bytes) -> _Answer | None:
    """Return the answer in what a child left, None if it is none."""
    import pickle

    try:
        reply = pickle.loads(content)
    except Exception:  # the author's file wrote there too, and spoilt bytes can raise anything
        return None
    return reply if isinstance(reply, _Answer) else None


def interpreter(
    module: str, function: str, arguments: Sequence[str], numbers: Sequence[int]
) -> subprocess.Popen[bytes]:
    """Start a fresh interpreter that calls a function of ours, with these file descriptors left open."""
    import subprocess

    program = _PROGRAM.format(module=module, function=function)
    return subprocess.Popen(
        [sys.executable, "-P", "-u", "-c", program, str(_HOME), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=2,
        pass_fds=numbers,
        start_new_session=True,  # one group to end, and Ctrl-C is ours alone to pass on
        env={**os.environ, "PYTHONHASHSEED": "0"},  # a set of the author's has the same order every time
    )


def start(path: str, then: str, timeout: float = TIMEOUT) -> Loading:
    """Start loading a file. `then`, as in `"package.module:function"`, gets its DAGs inside the child.

    What `then` returns must be picklable; the limit (seconds) holds for the file and for `then` together.
    """
    import tempfile

    reply, trace = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - Loading closes them
    numbers = [reply.fileno(), trace.fileno()]
    child = interpreter("child", "answer", [path, then, str(timeout), *map(str, numbers)], numbers)
    return Loading(path, timeout, child, reply, trace)


def in_child(path: str, then: str, timeout: float = TIMEOUT) -> Loaded:
    """Load a file and return what `then` made of its DAGs; `start` says more."""
    with start(path, then, timeout) as loading:
        return loading.wait()
