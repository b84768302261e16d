"""Files in; for each command as many stages as it needs, and their diagnostics, out.

A child executes the author's file and looks at its DAGs (stages 1 to 5); meanwhile this process imports Hera,
which costs most of a second. The children of many files are forks of one. Knows no layout and no exit codes.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl import forks
from dsl.child import Loaded, start
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, in_order
from dsl.garbage import paused_collection
from dsl.load import content_of, is_listable
from dsl.location import absolute

if TYPE_CHECKING:
    from dsl.compile import Compiled
    from dsl.plan import Analysis, Plan

ANALYZE = "dsl.analyze:analyze_all"
REHEARSE = "dsl.analyze:rehearse"
MANIFESTS = (".yaml", ".yml", ".json")
"""How names of files end that hold no Python but a manifest."""
_MENTIONS = {".py": re.compile(rb"\bdsl\b")} | dict.fromkeys(MANIFESTS, re.compile(rb"argoproj\.io"))
_OF_NAMED = (Code.NO_DAG, Code.NO_MANIFEST)


class Undecided(ValueError):
    """What was asked for cannot be told: which of several DAGs, or what a parameter is."""


def files_to_check(paths: Sequence[str]) -> dict[str, bool]:
    """Return the files to validate in order, and whether each was found in a folder rather than named.

    A folder means every Python file below it that mentions dsl and every manifest that mentions argoproj.io;
    hidden folders and `__pycache__` are skipped. A folder below it that cannot be read counts as a file, of
    which that is told. A file counts once, however often and in whatever spelling.
    """
    found: dict[str, tuple[str, bool]] = {}
    for path in paths:
        in_folder = Path(path).is_dir()
        for file in _files_below(Path(path)) if in_folder else [path]:
            place = absolute(file)
            first, never_named = found.get(place, (file, True))
            found[place] = first, never_named and in_folder
    return dict(found.values())


def _files_below(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files_below(path) if is_listable(path) else [str(path)]
        elif (mention := _MENTIONS.get(path.suffix)) and path.is_file() and _mentions(path, mention):
            yield str(path)


def _mentions(path: Path, mention: re.Pattern[bytes]) -> bool:
    try:
        return bool(mention.search(path.read_bytes()))
    except OSError:
        return True  # what it says is unknown, and that is worth a finding


def is_manifest(path: str) -> bool:
    """Whether a file's name says that it holds no Python but a manifest."""
    return Path(path).suffix in MANIFESTS


def validated(files: Mapping[str, bool], timeout: float) -> Generator[tuple[Diagnostic, ...]]:
    """Yield the diagnostics of every file, in order: of stages 1 to 9, or for a manifest of its own checks.

    A file that was found in a folder may lack a DAG or manifest: it may hold what others import or mount.
    """
    manifests = checked_manifests([path for path in files if is_manifest(path)])
    with closing(_checked([path for path in files if not is_manifest(path)], timeout)) as results:
        for path, in_folder in files.items():
            problems = manifests.get(path, ()) if is_manifest(path) else next(results)
            yield in_order(d for d in problems if not (in_folder and d.code in _OF_NAMED))


def checked_manifests(paths: Sequence[str]) -> dict[str, tuple[Diagnostic, ...]]:
    """Return the diagnostics of manifests by file; references between them are resolved among all."""
    found: dict[str, tuple[Diagnostic, ...]] = {}
    contents: dict[str, bytes] = {}
    for path in paths:
        try:
            contents[path] = content_of(path)
        except Rejected as rejected:
            found[path] = rejected.diagnostics
    if contents:
        from dsl.argo import validate_manifests

        found |= validate_manifests(contents)
    return found


def _checked(paths: Sequence[str], timeout: float) -> Generator[list[Diagnostic]]:
    """Yield what stages 1 to 9 find in each Python file, in order."""
    if len(paths) > 1 and forks.IS_AVAILABLE:
        with forks.in_forks(paths, ANALYZE, REHEARSE, timeout) as results:
            _import_compile()
            for loaded in results:
                yield _found_in(loaded)
        return
    for path in paths:
        with start(path, ANALYZE, timeout) as loading:
            _import_compile()
            loaded = loading.wait()
        yield _found_in(loaded)


def _import_compile() -> None:
    """Import stages 6 to 9, and with them Hera, while the child is at work."""
    with paused_collection():
        import dsl.compile  # noqa: F401
    gc.freeze()  # it stays, and is not walked again for what the stages make


def _found_in(loaded: Loaded) -> list[Diagnostic]:
    """Return what was found in a file, and what stages 6 to 9 find in the plans of its DAGs."""
    from dsl.compile import compile_plan

    analyses: Sequence[Analysis] = loaded.result or ()
    problems = list(loaded.diagnostics)
    for analysis in analyses:
        problems += analysis.diagnostics
        if analysis.plan is not None:
            problems += _collected(partial(compile_plan, analysis.plan))[1]
    return problems


def dag_names(file: str, timeout: float) -> list[str]:
    """Return the names of the DAGs of a file. Raises Rejected when there is none."""
    with start(file, ANALYZE, timeout) as loading:
        loaded = loading.wait()
    if not loaded.result:
        raise Rejected(*loaded.diagnostics)
    return [analysis.name for analysis in loaded.result]


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
        _import_compile()
        analysis, problems = _chosen(file, dag, loading.wait())
    if analysis is None or analysis.plan is None:
        return None, problems
    from dsl.compile import compile_plan

    _check_given(analysis.plan, given)
    result, more = _collected(partial(compile_plan, analysis.plan, kind))
    problems = in_order((*problems, *more))
    if result is None or any(problem.is_error for problem in problems):
        return None, problems
    set_parameters(result.manifest, given)
    return result, problems


def set_parameters(manifest: dict[str, Any], given: Mapping[str, str]) -> list[str]:
    """Set the values of a run's parameters in its manifest; return those that it does not have.

    Whether the manifest has the form of one is for its checks to say. Raises Undecided for a value that no
    manifest can hold.
    """
    spec = _inner(manifest, "spec")
    parameters = _inner(_inner(spec, "workflowSpec") or spec, "arguments").get("parameters")
    known = [one for one in parameters if isinstance(one, dict)] if isinstance(parameters, list) else []
    for name, value in given.items():
        _require_unicode(name, value)
        for parameter in known:
            if parameter.get("name") == name:
                parameter["value"] = value
    names = [one.get("name") for one in known]
    return [name for name in given if name not in names]


def _inner(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = holder.get(key)
    return inner if isinstance(inner, dict) else {}


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
