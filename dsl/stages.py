"""Files in; for each command as many stages as it needs, and their diagnostics, out.

A child executes the author's file and looks at its DAGs (stages 1 to 5); meanwhile this process imports Hera,
which costs most of a second. Knows no layout and no exit codes.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, in_order
from dsl.load import Loaded, Loading, start
from dsl.location import Location
from dsl.shape import misshapen

if TYPE_CHECKING:
    from dsl.compile import Compiled
    from dsl.plan import Analysis, Plan

ANALYZE = "dsl.analyze:analyze_all"
_AT_ONCE = 2
_MENTION = re.compile(rb"\bdsl\b")


class Undecided(ValueError):
    """What was asked for cannot be told: which of several DAGs, or what a parameter is."""


def dag_files(paths: Sequence[str]) -> dict[str, bool]:
    """Return the files to validate in order, and whether each was found in a folder rather than named.

    A folder means every Python file below it that mentions dsl; hidden folders and `__pycache__` are skipped.
    """
    found: dict[str, bool] = {}
    for path in paths:
        if Path(path).is_dir():
            for inside in _python_files(Path(path)):
                found.setdefault(str(inside), True)
        else:
            found[path] = False
    return found


def _python_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _python_files(path)
        elif path.suffix == ".py" and path.is_file() and _MENTION.search(path.read_bytes()):
            yield path


def validated(files: dict[str, bool], timeout: float) -> Generator[tuple[Diagnostic, ...]]:
    """Yield the diagnostics of stages 1 to 9 for every file, in order; two files are loaded at once.

    A file that was found in a folder may lack a DAG: it may hold what others import.
    """
    with ExitStack() as stack:

        def begin(path: str, in_folder: bool) -> tuple[bool, Loading]:
            return in_folder, stack.enter_context(start(path, ANALYZE, timeout))

        rest = iter(files.items())
        at_work = deque(begin(*file) for file in islice(rest, _AT_ONCE))
        from dsl.compile import compile_plan  # it imports Hera, and the children are at work

        while at_work:
            in_folder, loading = at_work.popleft()
            loaded = loading.wait()
            at_work.extend(begin(*file) for file in islice(rest, 1))
            problems = [d for d in loaded.diagnostics if not (in_folder and d.code is Code.NO_DAG)]
            for analysis in loaded.result or ():
                problems += analysis.diagnostics
                if analysis.plan is not None:
                    problems += _collected(partial(compile_plan, analysis.plan))[1]
            yield in_order(problems)


def analyzed(file: str, dag: str | None, timeout: float) -> tuple[Analysis | None, tuple[Diagnostic, ...]]:
    """Return what is known of one DAG of a file, and diagnostics; None when there is no sound plan.

    Raises Undecided when the file holds several DAGs and none was named, or not the one that was.
    """
    with start(file, ANALYZE, timeout) as loading:
        return _chosen(file, dag, loading.wait())


def compiled(
    file: str, dag: str | None, timeout: float, kind: str, given: Mapping[str, str]
) -> tuple[Compiled | None, tuple[Diagnostic, ...]]:
    """Return the manifest of one DAG of a file, and diagnostics; None when errors prevent it.

    Raises Undecided as `analyzed` does, and for given parameters that the run does not have or cannot read.
    """
    with start(file, ANALYZE, timeout) as loading:
        from dsl.compile import compile_plan  # it imports Hera, and the child is at work

        analysis, problems = _chosen(file, dag, loading.wait())
    if analysis is None or analysis.plan is None:
        return None, problems
    _check_given(analysis.plan, given)
    result, more = _collected(partial(compile_plan, analysis.plan, kind))
    problems = in_order((*problems, *more))
    if result is None or any(problem.is_error for problem in problems):
        return None, problems
    set_parameters(result.manifest, given)
    return result, problems


def require_shape(manifest: object, file: str) -> None:
    """Raise Rejected for a manifest in which something has a form that Argo does not read."""
    wrong = [
        Diagnostic(Code.SYNTAX, Location(file), f"{path} is {form}", f"write {expected} there")
        for path, form, expected in misshapen(manifest)
    ]
    if wrong:
        raise Rejected(*wrong)


def set_parameters(manifest: dict[str, Any], given: Mapping[str, str]) -> None:
    """Set the values of a run's parameters in its manifest.

    Raises Undecided for a parameter that is not there, and for a value that no manifest can hold.
    """
    spec = manifest.get("spec") or {}
    arguments = (spec.get("workflowSpec") or spec).get("arguments") or {}
    parameters = {parameter.get("name"): parameter for parameter in arguments.get("parameters") or []}
    for name, value in given.items():
        if name not in parameters:
            raise Undecided(f"the run has no parameter {name}")
        _require_unicode(name, value)
        parameters[name]["value"] = value


def _check_given(plan: Plan, given: Mapping[str, str]) -> None:
    known = ", ".join(plan.parameters) or "none"
    for name, value in given.items():
        if name not in plan.parameters:
            raise Undecided(f"the run has no parameter {name}; it has: {known}")
        _require_unicode(name, value)
        if not plan.parameters[name][1]:
            try:
                json.dumps(json.loads(value), allow_nan=False)  # Python reads NaN and 1e999, Go does not
            except (ValueError, RecursionError):
                raise Undecided(f"{name} takes JSON, as its default is, and {value!r} is none") from None


def _require_unicode(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Undecided(f"the value of {name} is not UTF-8 text") from None


def _chosen(file: str, dag: str | None, loaded: Loaded) -> tuple[Analysis | None, tuple[Diagnostic, ...]]:
    found: Sequence[Analysis] = loaded.result or ()
    if not found:
        return None, loaded.diagnostics
    names = ", ".join(analysis.name for analysis in found)
    if dag is None and len(found) > 1:
        raise Undecided(f"{file} holds several DAGs: {names}; choose one with --dag")
    chosen = next((analysis for analysis in found if dag in (None, analysis.name)), None)
    if chosen is None:
        raise Undecided(f"{file} holds no DAG {dag}, but {names}")
    problems = in_order((*loaded.diagnostics, *chosen.diagnostics))
    sound = chosen.plan is not None and not any(problem.is_error for problem in problems)
    return chosen if sound else None, problems


def _collected(compiling: Callable[[], Compiled]) -> tuple[Compiled | None, tuple[Diagnostic, ...]]:
    try:
        result = compiling()
    except Rejected as rejected:
        return None, rejected.diagnostics
    return result, result.diagnostics
