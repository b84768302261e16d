"""The folders of runs on this machine: newest first, or the one that a person means."""

from __future__ import annotations

from pathlib import Path

from dsl.engine.folder import begun, is_run
from dsl.names import did_you_mean

ROOT = Path(".argosy")
"""Where runs that were given no folder are: `<dag>/<run>` below it."""


class UnknownRun(ValueError):
    """There is no such run; the text says so."""


def all_runs(root: Path = ROOT) -> list[Path]:
    """Return the folders of the runs of all DAGs, newest first."""
    folders = [path for path in root.glob("*/*") if not path.is_symlink() and is_run(path)]
    return sorted(folders, key=lambda path: (begun(path), path), reverse=True)


def find_run(name: str | None = None, root: Path = ROOT) -> Path:
    """Return a run by its folder, by its name with or without its DAG, or the newest one of all.

    Raises:
        UnknownRun: there is none.
    """
    if name is not None and is_run(Path(name)):
        return Path(name)
    runs = all_runs(root)
    if not runs and name is None:
        raise UnknownRun(f"there is no run below {root}; `dsl run FILE` makes one")
    if name is None:
        return runs[0]
    if is_run(root / name):
        return root / name
    if Path(name).exists():
        raise UnknownRun(f"{name} holds no run")
    names = {known: run for run in reversed(runs) for known in (str(run.relative_to(root)), run.name)}
    if name in names:
        return names[name]
    meant = did_you_mean(name, names)
    raise UnknownRun(f"there is no run {name}" + (f"; did you mean {meant}?" if meant else ""))
