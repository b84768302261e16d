"""Files and settings in, what `dsl validate` has to say of them out. Knows no layout and no exit codes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.ignores import Ignore, ignores_in, unused, without_ignored
from dsl.load import content_of
from dsl.location import Location, absolute
from dsl.mending import Unmended, apart, check, mended, write
from dsl.settings import Settings
from dsl.stages import validated

_ROUNDS = 10
"""How often a file is mended; a fix may uncover the next one."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What `--fix` did: the findings that it mended, and by path why a file could not be."""

    diagnostics: tuple[Diagnostic, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def find(files: Mapping[str, bool], settings: Settings) -> list[Diagnostic]:
    """Return what is to be shown of files, in their order and by place in each; see `stages.files_to_check`.

    Files that were only imported come last. What several files lead to is told once, with all places that do.
    """
    spelled = {absolute(path): path for path in files}
    found: dict[tuple[Code, Location, str], Diagnostic] = {}
    unread: set[str] = set()
    with closing(validated(files, settings.timeout)) as results:
        for path, problems in zip(files, results, strict=True):
            for problem in problems:
                one = _as_given(problem, spelled)
                first = found.setdefault((one.code, one.location, one.message), one)
                related = tuple(dict.fromkeys((*first.related, *one.related)))
                found[one.code, one.location, one.message] = first._replace(related=related)
            if any(problem.code.is_unread for problem in problems):
                unread.add(path)
    remaining = heeded(found.values(), files, unread)
    order = {path: number for number, path in enumerate(files)}
    return sorted(
        (problem for problem in remaining if settings.shows(problem)),
        key=lambda d: (order.get(d.location.path, len(order)), d.location, d.code.id, d.message),
    )


def _as_given(diagnostic: Diagnostic, spelled: Mapping[str, str]) -> Diagnostic:
    """Return a finding with the paths of checked files as they were given; imports know absolute ones."""

    def place(location: Location) -> Location:
        return location._replace(path=spelled.get(absolute(location.path), location.path))

    return diagnostic._replace(
        location=place(diagnostic.location),
        related=tuple(one._replace(location=place(one.location)) for one in diagnostic.related),
        fix=diagnostic.fix and diagnostic.fix._replace(location=place(diagnostic.fix.location)),
    )


def heeded(found: Collection[Diagnostic], files: Mapping[str, bool], unread: set[str]) -> list[Diagnostic]:
    """Return the findings that comments leave, and a warning for each comment that ignores nothing."""
    ignores = _ignores([*files, *(diagnostic.location.path for diagnostic in found)])
    remaining, used = without_ignored(found, ignores)
    judged = [ignore for path in files if path not in unread for ignore in ignores.get(path, ())]
    return remaining + [unused(ignore) for ignore in judged if ignore not in used]


def worth_telling(found: Collection[Diagnostic]) -> list[Diagnostic]:
    """Return the errors, and the warnings that comments leave: an error keeps a file from being used."""
    errors = [diagnostic for diagnostic in found if diagnostic.is_error]
    remaining, _ = without_ignored(found, _ignores(diagnostic.location.path for diagnostic in found))
    told = {*errors, *remaining}
    return [diagnostic for diagnostic in found if diagnostic in told]


def _ignores(paths: Iterable[str]) -> dict[str, list[Ignore]]:
    ignores = {}
    for path in dict.fromkeys(paths):
        with suppress(Rejected):
            ignores[path] = ignores_in(path, content_of(path))
    return ignores


def find_and_mend(files: Mapping[str, bool], settings: Settings) -> tuple[list[Diagnostic], Mended]:
    """Mend what has a fix, and return what remains; only files that are checked change."""
    done: list[Diagnostic] = []
    refused: dict[str, str] = {}
    before, found = _contents(files), find(files, settings)
    for _ in range(_ROUNDS):
        fixed = [d for path, content in before.items() for d in _mend(path, content, found, refused)]
        if not fixed:
            break
        done += fixed
        before, found = _contents(files), find(files, settings)
    return found, Mended(tuple(done), refused)


def _contents(files: Iterable[str]) -> dict[str, bytes]:
    contents = {}
    for path in files:
        with suppress(Rejected):
            contents[path] = content_of(path)
    return contents


def _mend(
    path: str, content: bytes, found: Iterable[Diagnostic], refused: dict[str, str]
) -> list[Diagnostic]:
    """Mend what can be mended of a file at once; return it, or note why the file refused."""
    fixable = {d.fix: d for d in found if d.fix and d.fix.location.path == path}
    fixes = list(apart(fixable))
    if not fixes or path in refused:
        return []
    try:
        after = mended(path, content, fixes)
        check(path, after)
        write(path, content, after)
    except Unmended as problem:
        refused[path] = str(problem)
        return []
    return [fixable[fix] for fix in fixes]
