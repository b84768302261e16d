"""A manifest in; run by the engine in a folder of its own, watched, and told of at the end.

Knows where results go and how they are shown, nothing of how a run goes on.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from dsl.documents import yaml_value
from dsl.engine import (
    Missing,
    NoTask,
    Outcome,
    Refused,
    Resume,
    RunOptions,
    Unsupported,
    Unusable,
    component,
    fresh_name,
    rows_of,
    run,
    shown_files,
    task_folder,
)
from dsl.names import did_you_mean
from dsl.openfiles import affordable
from dsl.report import console, counted, in_columns, visible
from dsl.runs import folder_of, former_run, keep_newest
from dsl.watch import closing, going_on, untold, watcher, why_it_ended

__all__ = ["Missing", "Options", "Refused", "Resume", "Unsupported", "Unusable", "run_here"]
_LISTED = 10
"""Files of one task that are listed by name."""
_NO_ROOM = os.strerror(errno.ENOSPC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run needs beside its manifest; input files are relative to the folder `inputs`.

    `objects` are documents that the manifest refers to, `mounts` folders by the names of claims and volumes;
    `runtime` is a program that runs images, `""` for processes.
    With `resume` the run in `out` is taken up, or `former`: its folder, its name, or `""` for the newest.
    `keep` is how many finished runs of this DAG are left, this one among them. `again` is the command that
    takes up what becomes of this run.
    """

    inputs: Path
    parameters: Mapping[str, str]
    jobs: int | None = None
    out: Path | None = None
    objects: Sequence[Mapping[str, Any]] = ()
    mounts: Mapping[str, Path] = field(default_factory=dict)
    runtime: str = ""
    resume: Resume | None = None
    former: str = ""
    keep: int | None = None
    again: str = ""


def run_here(manifest: dict[str, Any], options: Options, *, quiet: bool, as_json: bool) -> bool:
    """Run a manifest and say how it ended; return whether it succeeded.

    Progress goes to standard error, the table or results.json to standard output. Raises Refused, before it
    starts, for what the engine does not do, and KeyboardInterrupt or SystemExit, after telling, for a signal.
    """
    parent, name, screen = folder_of(manifest), fresh_name(manifest), console(sys.stderr)
    if options.resume:
        out = _followed(options.out or former_run(parent, options.former))
    else:
        out = options.out or parent / component(name)
    runs = _Runs(parent, out, out.resolve())
    chosen = RunOptions(
        out=runs.place,
        jobs=_jobs(options, screen),
        parameters=dict(options.parameters),
        inputs=options.inputs.absolute(),
        claims=options.mounts,
        objects=options.objects,
        cache=Path(".argosy", "cache"),
        runtime=options.runtime,
        name=name,
        resume=options.resume,
        yaml=yaml_value,
        begun=runs.point,
    )
    ending = _Ending(runs, options, screen, quiet=quiet, as_json=as_json)
    try:
        with watcher(screen, quiet=quiet) as watch:
            outcome = run(manifest, chosen, watch)
    except NoTask as wrong:
        raise Unusable(f"there is no task {visible(wrong.task)}; {visible(_meant(wrong))}") from None
    except (KeyboardInterrupt, SystemExit):
        if results := _written(out):
            ending.tell(results, "interrupted", "")
        raise
    _warn(outcome, screen)
    messages = (outcome.message, *(node.message for node in outcome.nodes.values()))
    has_room = not any(_NO_ROOM in message for message in messages)
    ending.tell(
        outcome.results, outcome.phase, why_it_ended(outcome), outcome.taken,
        has_room=has_room, is_stuck=bool(outcome.stuck),
    )  # fmt: skip
    return outcome.succeeded


def _jobs(options: Options, screen: Console) -> int:
    """Return how many tasks run at once, and say so where they are fewer than wanted."""
    wanted = options.jobs or os.cpu_count() or 1
    jobs = affordable(wanted)
    if jobs < wanted:
        screen.print(
            f"{counted(jobs, 'task')} at once instead of {wanted}: no more files may be open (ulimit -n)"
        )
    return jobs


class _Runs(NamedTuple):
    """The folder of a run as it is shown, and by no link; `parent` is where the runs of its DAG are."""

    parent: Path
    out: Path
    place: Path

    def point(self) -> None:
        """Let `latest` point to this run, if it is among the others."""
        if self.place.parent == self.parent.resolve():
            _point_to(self.place)

    def keep(self, count: int | None) -> None:
        """Remove all but the newest runs, if a count is given; `latest` points to what is left."""
        if count is not None:
            keep_newest(self.parent, count, self.out)
        if not (self.parent / "latest").exists():
            self.point()


class _Ending:
    """What is said when a run has ended, which begins now."""

    def __init__(self, runs: _Runs, options: Options, screen: Console, *, quiet: bool, as_json: bool) -> None:
        self._runs = runs
        self._options = options
        self._screen = screen
        self._quiet = quiet
        self._as_json = as_json
        self._began = time.monotonic()

    def tell(
        self,
        results: Mapping[str, Any],
        phase: str,
        message: str,
        taken: int = 0,
        *,
        has_room: bool = True,
        is_stuck: bool = False,
    ) -> None:
        """Print results, the table and the last line; `taken` leaves are those of a former run."""
        out, screen = self._runs.out, self._screen
        line = closing(phase, message, time.monotonic() - self._began, str(out), taken)
        self._runs.keep(self._options.keep)
        if self._as_json:
            console().out("".join(rows_of(results)), end="", highlight=False)
        if not self._quiet:
            _show(out, results["tasks"], line, screen if self._as_json else console())
        elif phase != "Succeeded":
            screen.print(line)
        if phase != "Succeeded":
            screen.print(going_on(self._options.again, has_room=has_room, is_stuck=is_stuck))


def _warn(outcome: Outcome, screen: Console) -> None:
    """Say which failures nobody has been told of yet, and which results may not be what they seem."""
    states = {task: str(facts["state"]) for task, facts in outcome.results["tasks"].items()}
    screen.print(untold(outcome, states), end="")
    if outcome.outdated:
        names = visible(", ".join(outcome.outdated))
        screen.print(Text(f"out of date: {names}; `--resume` runs what has changed", style="yellow"))
    for name in outcome.doubtful:
        changed = f"the folder of {visible(name)} was changed after the run was killed"
        doubt = "a task of it went on alone, and the change is taken for its work; --force if it is not"
        screen.print(Text(f"{changed}: {doubt}", style="yellow"))


def _meant(wrong: NoTask) -> str:
    guess = did_you_mean(wrong.task, wrong.known)
    return f"did you mean {guess}?" if guess else f"there are: {', '.join(wrong.known)}"


def _followed(out: Path) -> Path:
    """Return where a run's folder is, by no link: `latest` may lead to another before this one ends."""
    if not out.is_symlink():
        return out
    place, here = out.resolve(), Path.cwd()
    return place.relative_to(here) if place.is_relative_to(here) else place


def _point_to(out: Path) -> None:
    """Let `latest` beside a run's folder point to it; where links are not possible there is none."""
    link = out.parent / "latest"
    aside = out.parent / f".{out.name}"
    with suppress(OSError):
        aside.unlink(missing_ok=True)
        aside.symlink_to(out.name)
        aside.replace(link)


def _written(out: Path) -> dict[str, Any]:
    """Return what results.json holds, nothing when a full disk kept it from being written."""
    with suppress(FileNotFoundError):
        text = (out / "results.json").read_text(encoding="utf-8", errors="surrogatepass")
        return dict(json.loads(text))
    return {}


def _show(out: Path, tasks: Mapping[str, Any], line: Text, screen: Console) -> None:
    """Show a table of the tasks, the files that each made, and the last line of the run."""
    folders = {task: task_folder(out, task).name for task in tasks}
    shown = shown_files(out, folders.values())
    files = {task: shown[folder] for task, folder in folders.items()}
    rows = [("task", "state", "pods", "attempts", "files")]
    for task, facts in tasks.items():
        counts = (str(facts["pods"]), str(facts["attempts"]), str(len(files[task]) or ""))
        rows.append((visible(task), _state(facts), *counts))
    screen.print(in_columns(rows))
    for path in (path for paths in files.values() for path in _some(paths)):
        screen.print(Text(visible(str(path)), style="dim"))
    screen.print(line)


def _state(facts: Mapping[str, Any]) -> str:
    """Return the state of a task, or how many of its nodes are in which where they are in several."""
    several = facts.get("states")
    return ", ".join(f"{count} {state}" for state, count in several.items()) if several else facts["state"]


def _some(paths: list[Path]) -> list[str]:
    shown = [str(path) for path in paths[:_LISTED]]
    more = len(paths) - len(shown)
    return [*shown, f"and {counted(more, 'file')} more in {paths[0].parent}"] if more else shown
