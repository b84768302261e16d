"""The runs of DAGs in their folders below `.argosy`: listed, found by name, removed when there are too many.

Knows which folders are ours, nothing of what is in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from dsl.engine import Unusable, discard, how_it_ended
from dsl.names import did_you_mean, object_name
from dsl.report import in_columns, visible

_ROOT = Path(".argosy")
_FINISHED = ("Succeeded", "Failed", "Error")


class Run(NamedTuple):
    """A run: `when` it was begun, and how many seconds it took, or takes, since it was taken up last."""

    dag: str
    name: str
    when: datetime
    phase: str
    seconds: float
    folder: Path


def folder_of(manifest: Mapping[str, Any]) -> Path:
    """Return where the runs of a manifest are."""
    metadata = manifest.get("metadata") or {}
    return _ROOT / object_name(metadata.get("name") or metadata.get("generateName") or "run")


def all_runs(dags: Iterable[str] | None = None) -> list[Run]:
    """Return the runs of some DAGs, or of all of them, the newest first."""
    folders = sorted(_ROOT.glob("*")) if dags is None else [_ROOT / object_name(dag) for dag in dags]
    found = [run for folder in folders for run in _runs(folder)]
    return sorted(found, key=lambda run: (run.when, run.name), reverse=True)


def _runs(parent: Path) -> Iterator[Run]:
    for folder in sorted(parent.glob("*")):
        ended = None if folder.is_symlink() else how_it_ended(folder)
        if ended is not None:
            began, phase, seconds = ended
            yield Run(parent.name, folder.name, datetime.fromtimestamp(began), phase, seconds, folder)


def former_run(parent: Path, name: str) -> Path:
    """Return the folder of a former run: its path, its name below `parent`, or `""` for the newest there.

    Raises Unusable when there is none.
    """
    runs = [run.name for run in sorted(_runs(parent), key=lambda run: (run.when, run.name))]
    if not name:
        if not runs:
            raise Unusable(f"there is no former run in {parent}")
        return parent / runs[-1]
    for folder in (parent / name, Path(name)):
        if how_it_ended(folder) is not None:
            return folder
    guess = did_you_mean(name, runs)
    hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(runs)}" if runs else "there is none"
    raise Unusable(f"there is no run {visible(name)} in {parent}; {hint}")


def find_run(name: str | None = None) -> Path:
    """Return a run by its folder, by its name with or without its DAG, or the newest of all.

    Raises Unusable when there is none.
    """
    if name is not None:
        for folder in (Path(name), _ROOT / name):
            if how_it_ended(folder) is not None:
                return folder
        if Path(name).exists():
            raise Unusable(f"{visible(name)} holds no run")
    runs = all_runs()
    if name is None:
        if not runs:
            raise Unusable(f"there is no run below {_ROOT}; `dsl run FILE` makes one")
        return runs[0].folder
    names = {known: run.folder for run in reversed(runs) for known in (f"{run.dag}/{run.name}", run.name)}
    if name in names:
        return names[name]
    meant = did_you_mean(name, names)
    raise Unusable(f"there is no run {visible(name)}" + (f"; did you mean {meant}?" if meant else ""))


def keep_newest(parent: Path, number: int, current: Path) -> None:
    """Remove finished runs but for the newest, among which the current one counts; it is never removed."""
    finished = [run for run in _runs(parent) if run.phase in _FINISHED]
    own = current.resolve()
    finished.sort(key=lambda run: (run.folder.resolve() == own, run.when, run.name), reverse=True)
    for run in finished[max(number, 1) :]:
        with suppress(Unusable):  # somebody has just taken it up, or put something of his own there
            discard(run.folder)


def to_table(runs: list[Run]) -> Text:
    """Return the runs in columns."""
    rows = [("dag", "run", "when", "phase", "seconds", "folder")]
    for run in runs:
        moment = f"{run.when:%Y-%m-%d %H:%M:%S}"
        folder = visible(str(run.folder))
        rows.append((visible(run.dag), visible(run.name), moment, run.phase, f"{run.seconds:.1f}", folder))
    return in_columns(rows)


def to_json(runs: list[Run]) -> str:
    """Return the runs as JSON."""
    facts = [
        {
            "dag": run.dag,
            "run": run.name,
            "when": run.when.isoformat(timespec="seconds"),
            "phase": run.phase,
            "seconds": run.seconds,
            "folder": str(run.folder),
        }
        for run in runs
    ]
    return json.dumps(facts, indent=2)
