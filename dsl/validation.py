"""Files and settings in, what `dsl validate` has to say of them out. Knows no layout and no exit codes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field

from dsl.diagnostics import Diagnostic, Rejected
from dsl.ignores import ignores_in, unused, without_ignored
from dsl.load import content_of
from dsl.location import absolute
from dsl.mending import Unmended, apart, mended, write
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

    Files that were only imported come last. What was found by several files is told once.
    """
    found: dict[Diagnostic, None] = {}
    unread: set[str] = set()
    with closing(validated(files, settings.timeout)) as results:
        for path, problems in zip(files, results, strict=True):
            found |= dict.fromkeys(problems)
            if any(problem.code.is_unread for problem in problems):
                unread.add(path)
    remaining = heeded(found, files, unread)
    order = {absolute(path): number for number, path in enumerate(files)}
    return sorted(
        (problem for problem in remaining if settings.shows(problem)),
        key=lambda d: (order.get(absolute(d.location.path), len(order)), d.location, d.code.id, d.message),
    )


def heeded(found: Collection[Diagnostic], files: Mapping[str, bool], unread: set[str]) -> list[Diagnostic]:
    """Return the findings that comments leave, and a warning for each comment that ignores nothing."""
    paths = {absolute(path): path for path in files}
    for diagnostic in found:
        paths.setdefault(absolute(diagnostic.location.path), diagnostic.location.path)
    ignores = {}
    for place, path in paths.items():
        with suppress(Rejected):
            ignores[place] = ignores_in(path, content_of(path))
    remaining, used = without_ignored(found, ignores)
    judged = [place for place, path in paths.items() if path in files and path not in unread]
    idle = [ignore for place in judged for ignore in ignores.get(place, ()) if ignore not in used]
    return remaining + [unused(ignore) for ignore in idle]


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
        write(path, content, mended(path, content, fixes))
    except Unmended as problem:
        refused[path] = str(problem)
        return []
    return [fixable[fix] for fix in fixes]
