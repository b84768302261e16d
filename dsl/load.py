"""Stage 1. An author's file in, its DAGs out, executed in this process: `child` gives it one of its own.

Knows of a DAG no more than its name and where it was opened.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, Related
from dsl.location import Location
from dsl.trace import is_authored, of_traceback

if TYPE_CHECKING:
    from dsl.author import DAG

_TRACED = 6  # frames of the author that one diagnostic names
_MAIN_GUARD = 'put what only a script does below `if __name__ == "__main__":`'


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
        raise Rejected(*ended, *told.since(path), *recorded, *_misused_options(path, module)) from problem
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
        """Return what has been told since, and what is wrong with the DAGs that were never entered."""
        author = sys.modules.get("dsl.author")
        if author is None:
            return []
        entered = author.opened_dags()
        made = [dag for dag in author.made_dags()[self._made :] if dag.location.path == path]
        idle = [dag for dag in made if dag not in entered]
        hint = "write `with DAG(…):` and its chains in that block"
        found = [
            Diagnostic(Code.UNOPENED_DAG, dag.location, f'nothing is chained in the DAG "{dag.name}"', hint)
            for dag in idle
        ]
        return [*author.strays[self._strays :], *found, *(one for dag in idle for one in dag.problems)]


def _misused_options(path: str, module: ModuleType) -> list[Diagnostic]:
    """Return what is wrong with the options of the tasks that a file defined before it ended."""
    if "dsl.author" not in sys.modules:
        return []
    from dsl.draft import option_problems

    tasks = [one for one in list(vars(module).values()) if getattr(type(one), "__argosy_task__", False)]
    return option_problems(task for task in tasks if task.location.path == path)


def _opened() -> list[DAG]:
    """Return every DAG opened so far; a file that never imported the authoring module opened none."""
    author = sys.modules.get("dsl.author")
    return list(author.opened_dags()) if author else []


def is_listable(folder: str | Path) -> bool:
    """Whether a folder lets its entries be listed and looked at."""
    return os.access(folder, os.R_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def content_of(path: str) -> bytes:
    """Return what is in a file. Raises Rejected when it cannot be read or is no regular file."""
    here = Location(path)
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode) and not is_listable(path):
            message = "this folder cannot be listed: permission denied"
            raise Rejected(_unreadable(here, message, "let yourself list it: chmod u+rx"))
        if stat.S_ISDIR(mode):
            raise Rejected(_unreadable(here, "this is a folder, not a file", "name a file in it"))
        if not stat.S_ISREG(mode):  # a named pipe waits for its writer, some devices never end
            message = "this is a pipe, a socket or a device, not a file"
            raise Rejected(_unreadable(here, message, "save what it holds as a file, and name that"))
        with open(path, "rb") as file:  # noqa: PTH123 - a path is shown as the author typed it
            return file.read()
    except FileNotFoundError:
        raise Rejected(Diagnostic(Code.FILE_NOT_FOUND, here, "the file does not exist")) from None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise Rejected(_unreadable(here, f"the file cannot be read: {reason.lower()}")) from None


def _read(path: str) -> str:
    """Return a file's text by its BOM or PEP 263 cookie, with Unix line ends; fill `linecache` with it."""
    import io
    import linecache

    text = _decoded(path, content_of(path))
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


def module_of(path: str) -> ModuleType | None:
    """Return the module that a file was executed as, None if it is gone."""
    absolute, stem = str(Path(path).absolute()), Path(path).stem
    modules = (sys.modules.get(name) for name in (f"{stem}_dag", stem))
    return next((one for one in modules if getattr(one, "__file__", None) == absolute), None)


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
