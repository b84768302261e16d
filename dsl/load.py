"""Stage 1. An author's file in, its DAGs out, executed in a child process under a time limit.

The child runs `execute` and a function named by the caller, and answers with data; DAGs never leave it. What
the file prints goes to standard error. Knows of a DAG no more than its name and where it was opened.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, Related
from dsl.location import Location
from dsl.trace import is_authored, of_dump, of_traceback

if TYPE_CHECKING:
    import subprocess

    from dsl.author import DAG

TIMEOUT = 30.0
"""Seconds that a file may take, unless the caller says otherwise."""

_GRACE = 5.0  # seconds after the limit within which the child reports where it hangs and ends by itself
_HOME = Path(__file__).absolute().parents[1]
_TRACED = 6  # frames of the author that one diagnostic names
_MAIN_GUARD = 'put what only a script does below `if __name__ == "__main__":`'

# `-P` and this line: neither the folder of `dsl` nor the current one may hide a module of the author.
_CHILD = """\
import sys
if sys.argv[1] not in sys.path: sys.path.insert(0, sys.argv[1])
from dsl.load import _answer
_answer(*sys.argv[2:])
"""


class ChildFailed(RuntimeError):
    """The function that should have looked at the DAGs failed: our mistake, with the child's traceback."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a child answered: `result` is None when there were no DAGs to look at."""

    result: Any
    diagnostics: tuple[Diagnostic, ...]


class _Answer(NamedTuple):
    result: object
    diagnostics: tuple[Diagnostic, ...]
    failure: str


# --- in the child ---


def execute(path: str) -> list[DAG]:
    """Run a file and return the DAGs that its own code opened, in order; imported files' DAGs don't count.

    The module is named by the file's stem, never `__main__`. Raises Rejected when there is no DAG.
    """
    code = _compiled(path, _read(path))
    folder = str(Path(path).absolute().parent)
    sys.path.insert(0, folder)
    sys.argv[:] = [path]
    module = _module(path)
    before, told = len(_opened()), _Told()
    try:
        exec(code, module.__dict__)
    except BaseException as problem:  # sys.exit and KeyboardInterrupt too: nothing of the author's may end us
        ended = problem.diagnostics if isinstance(problem, Rejected) else (_raised(path, problem),)
        recorded = [found for dag in _opened()[before:] for found in dag.problems]
        raise Rejected(*ended, *told.since(path), *recorded) from problem
    finally:
        # Still importable from inside a function, but a sibling `random.py` no longer hides the real one.
        sys.path[:] = [entry for entry in sys.path if entry != folder] + [folder]
    opened = _opened()[before:]
    own = [dag for dag in opened if dag.location.path == path]
    strays = told.since(path)
    for dag in own:
        dag.problems += strays
    if not own and strays:
        raise Rejected(*strays)
    if not own:
        others = tuple(Related(f'DAG "{dag.name}" belongs to this file', dag.location) for dag in opened)
        hint = "validate that file instead" if others else 'write `with DAG("name"):` around its chains'
        raise Rejected(Diagnostic(Code.NO_DAG, Location(path), "the file opens no DAG", hint, others))
    return own


def duplicates(dags: list[DAG]) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for every DAG whose name an earlier one has."""
    first: dict[str, DAG] = {}
    found = []
    for dag in dags:
        earlier = first.setdefault(dag.name, dag)
        if earlier is not dag:
            message = f'another DAG is named "{dag.name}"'
            related = (Related("the first one", earlier.location),)
            hint = "give each DAG of a file its own name"
            found.append(Diagnostic(Code.DUPLICATE_DAG, dag.location, message, hint, related))
    return tuple(found)


class _Told:
    """Remembers what was told of mistakes outside of DAGs before a file is run."""

    def __init__(self) -> None:
        author = sys.modules.get("dsl.author")
        self._strays, self._made = (len(author.strays), len(author.made_dags())) if author else (0, 0)

    def since(self, path: str) -> list[Diagnostic]:
        """Return what has been told since, and the DAGs of the file that were made and never entered."""
        author = sys.modules.get("dsl.author")
        if author is None:
            return []
        entered = author.opened_dags()
        idle = [dag for dag in author.made_dags()[self._made :] if dag not in entered]
        hint = "write `with DAG(…):` and its chains in that block"
        found = [
            Diagnostic(Code.UNOPENED_DAG, dag.location, f'nothing is chained in the DAG "{dag.name}"', hint)
            for dag in idle
            if dag.location.path == path
        ]
        return [*author.strays[self._strays :], *found]


def _opened() -> list[DAG]:
    """Return every DAG opened so far; a file that never imported the authoring module opened none."""
    author = sys.modules.get("dsl.author")
    return list(author.opened_dags()) if author else []


def _read(path: str) -> str:
    """Return a file's text by its BOM or PEP 263 cookie, with Unix line ends; fill `linecache` with it."""
    import io
    import linecache

    here = Location(path)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path is shown as the author typed it
            text = _decoded(path, file.read())
    except FileNotFoundError:
        raise Rejected(Diagnostic(Code.FILE_NOT_FOUND, here, "the file does not exist")) from None
    except IsADirectoryError:
        raise Rejected(_unreadable(here, "this is a folder, not a file", "name a file in it")) from None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise Rejected(_unreadable(here, f"the file cannot be read: {reason.lower()}")) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise Rejected(_unreadable(Location(path, line, 1), "the file holds a zero byte: it is not text"))
    # Without a modification time the entry is never dropped, also when the author changes the current folder.
    linecache.cache[path] = (len(text), None, io.StringIO(text).readlines(), path)
    return text


def _decoded(path: str, content: bytes) -> str:
    from importlib.util import decode_source

    try:
        try:
            return decode_source(content)
        except SyntaxError:  # the first lines are no UTF-8, or name no encoding
            content.decode()
            raise
    except UnicodeDecodeError as problem:
        line = content[: problem.start].count(b"\n") + 1
        message = f"byte 0x{content[problem.start]:02x} is not {problem.encoding} text"
        hint = "save the file as UTF-8, or name its encoding in the first line: `# coding: latin-1`"
        raise Rejected(_unreadable(Location(path, line, 1), message, hint)) from None
    except (SyntaxError, LookupError) as problem:
        message = str(getattr(problem, "msg", problem))
        raise Rejected(_unreadable(Location(path, 1, 1), message, "save the file as UTF-8")) from None


def _unreadable(where: Location, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(Code.FILE_UNREADABLE, where, message, hint)


def _compiled(path: str, text: str) -> CodeType:
    try:
        return compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as problem:
        raise Rejected(_syntax(path, problem)) from None
    except (RecursionError, MemoryError, ValueError) as problem:
        raise Rejected(
            Diagnostic(Code.SYNTAX, Location(path), f"Python cannot compile it: {problem}")
        ) from None


def _syntax(path: str, problem: SyntaxError, related: tuple[Related, ...] = ()) -> Diagnostic:
    line, column = problem.lineno or 0, max(problem.offset or 1, 1)
    one_line = problem.end_lineno == line and (problem.end_offset or 0) > column
    end = problem.end_offset or 0 if one_line else 0
    where = Location(path, line, column, end) if line else Location(path)
    return Diagnostic(Code.SYNTAX, where, problem.msg, related=related)


def _module(path: str) -> ModuleType:
    stem = Path(path).stem
    taken = stem in sys.modules or stem in sys.stdlib_module_names
    module = ModuleType(f"{stem}_dag" if taken else stem)
    module.__file__ = str(Path(path).absolute())
    sys.modules[module.__name__] = module
    return module


def _raised(path: str, problem: BaseException) -> Diagnostic:
    """Return what an exception of the author's code means, at the innermost line that is the author's."""
    import traceback

    from dsl.advice import advice

    frames = of_traceback(path, problem.__traceback__)
    *callers, where = frames or [Location(path)]
    related = tuple(Related("on the way to it", caller) for caller in callers[-_TRACED:])
    if isinstance(problem, SyntaxError) and problem.filename and is_authored(path, problem.filename):
        imported = Related("imported here", where)
        return _syntax(problem.filename, problem, (*related, imported))
    if isinstance(problem, SystemExit):
        status = 0 if problem.code is None else problem.code
        message = f"the file ended Python with status {status!r} while it was loaded"
        return Diagnostic(Code.LOAD_EXITED, where, message, _MAIN_GUARD, related)
    try:
        text = "".join(traceback.TracebackException.from_exception(problem, limit=0).format_exception_only())
    except Exception:  # an exception of the author's that cannot be formatted
        text = type(problem).__name__
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 400 else f"{shown[:400]}…"
    return Diagnostic(Code.IMPORT_FAILED, where, f"loading stopped here: {shown}", advice(problem), related)


def _answer(path: str, then: str, timeout: str, answer: str, trace: str) -> None:
    """Run in the child: execute, call `then`, write a pickled `_Answer`. Never returns."""
    import faulthandler

    dump = os.fdopen(int(trace), "wb", buffering=0)
    faulthandler.enable(dump)
    # Works while the interpreter is blocked, and also when the parent is no longer there to end us.
    faulthandler.dump_traceback_later(float(timeout), exit=True, file=dump)
    reply = _looked_at(path, then)
    _write(reply, int(answer))
    faulthandler.cancel_dump_traceback_later()
    os._exit(0)  # threads and exit functions of the author would only hold us up


def _looked_at(path: str, then: str) -> _Answer:
    import importlib
    import traceback

    problems: tuple[Diagnostic, ...] = ()
    try:
        # First, because afterwards a json.py beside the author's file would be the json that it imports.
        module, _, function = then.partition(":")
        look = getattr(importlib.import_module(module), function)
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


def _write(reply: _Answer, answer: int) -> None:
    import pickle
    import traceback

    try:
        content = pickle.dumps(reply, pickle.HIGHEST_PROTOCOL)
    except Exception:
        content = pickle.dumps(reply._replace(result=None, failure=traceback.format_exc()))
    with os.fdopen(answer, "wb") as file:
        file.write(content)


# --- in the parent ---


class Loading:
    """A child that is at work. `wait` for it, or `stop` it; leaving the `with` block stops it too."""

    def __init__(
        self, path: str, timeout: float, child: subprocess.Popen[bytes], answer: IO[bytes], trace: IO[bytes]
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

    def wait(self) -> Loaded:
        """Return the answer, once, a few seconds after the time limit at most.

        Raises ChildFailed when the child failed by a mistake of ours.
        """
        import contextlib
        import subprocess

        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(self._timeout + _GRACE)
            in_time = self._child.returncode is not None
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
        import pickle

        self._answer.seek(0)
        content = self._answer.read()
        if self._child.returncode == 0 and content:
            reply = pickle.loads(content)
            if reply.failure:
                raise ChildFailed(reply.failure)
            return Loaded(reply.result, reply.diagnostics)
        self._trace.seek(0)
        dump = self._trace.read().decode(errors="replace")
        late = not in_time or dump.startswith("Timeout")
        return Loaded(None, (self._timed_out(dump) if late else self._died(dump),))

    def _timed_out(self, dump: str) -> Diagnostic:
        message = f"loading took longer than {self._timeout:g} s"
        hint = "move slow work into a task, or give it more time with `--timeout`"
        where = of_dump(self._path, dump)
        if where.line:
            message += " and was still at this line"
        return Diagnostic(Code.LOAD_TIMEOUT, where, message, hint)

    def _died(self, dump: str) -> Diagnostic:
        import signal

        status = self._child.returncode
        if status < 0:
            names = {signal.SIGKILL.value: "SIGKILL (out of memory?)"}
            how = f"was killed by {names.get(-status) or signal.Signals(-status).name}"
        else:
            how = f"ended Python with status {status}"
        return Diagnostic(Code.LOAD_EXITED, of_dump(self._path, dump), f"the file {how} while it was loaded")


def start(path: str, then: str, timeout: float = TIMEOUT) -> Loading:
    """Start loading a file. `then`, as in `"package.module:function"`, gets its DAGs inside the child.

    What `then` returns must be picklable; the limit (seconds) holds for the file and for `then` together.
    """
    import subprocess
    import tempfile

    answer, trace = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - Loading closes them
    numbers = (answer.fileno(), trace.fileno())
    child = subprocess.Popen(
        [sys.executable, "-P", "-u", "-c", _CHILD, str(_HOME), path, then, str(timeout), *map(str, numbers)],
        stdin=subprocess.DEVNULL,
        stdout=2,
        pass_fds=numbers,
        start_new_session=True,  # one group to end, and Ctrl-C is ours alone to pass on
        env={**os.environ, "PYTHONHASHSEED": "0"},  # a set of the author's has the same order every time
    )
    return Loading(path, timeout, child, answer, trace)


def in_child(path: str, then: str, timeout: float = TIMEOUT) -> Loaded:
    """Load a file and return what `then` made of its DAGs; `start` says more."""
    with start(path, then, timeout) as loading:
        return loading.wait()
