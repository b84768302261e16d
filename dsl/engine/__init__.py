"""The local engine: a manifest in, processes on this machine, an Outcome out.

It knows Argo's language and nothing of how the manifest was made. What it cannot do it refuses before
anything starts; what would make Argo wait for ever ends with the reason. Below `out` it leaves
`results.json`, `status.json`, `logs/`, a folder of files per execution function, and its own state in
`.argosy/`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsl.engine.artifacts import Store
from dsl.engine.causes import cause_of
from dsl.engine.chosen import refuse_unknown, refuse_without_inputs
from dsl.engine.definition import Definition, read_definition
from dsl.engine.folder import (
    JOURNAL,
    LOGS,
    RESULTS,
    STATE,
    STATUS,
    TASKS,
    TIMELINE,
    WHOLES,
    Unusable,
    clear,
    component,
    discard,
    how_it_ended,
    leaf_name,
    occupied,
    task_folder,
    write,
)
from dsl.engine.graph import make_graph
from dsl.engine.history import History, InTheWay, Resume
from dsl.engine.journal import Former, Journal, read_journal
from dsl.engine.leaf import Places
from dsl.engine.mounts import Mounts
from dsl.engine.node import Node
from dsl.engine.objects import read_objects
from dsl.engine.orphans import Groups, end_left, marks_of
from dsl.engine.outcome import NodeOutcome, Outcome
from dsl.engine.progress import LeafEvent, Progress, Silent
from dsl.engine.refusals import refuse
from dsl.engine.refused import Missing, NoTask, Refused, Unsupported
from dsl.engine.results import link_files, make_results, rows, rows_of, tasks_of
from dsl.engine.run_name import fresh_name
from dsl.engine.runtime import Containers, Processes
from dsl.engine.schedule import Engine
from dsl.engine.shown import shown_files
from dsl.engine.storage import task_folders
from dsl.engine.variables import make_globals
from dsl.engine.volumes import Claims
from dsl.engine.whole import read_wholes
from dsl.engine.wholes import Wholes
from dsl.engine.work import Work
from dsl.engine.workflow import WorkflowRun
from dsl.garbage import paused_collection

__all__ = [
    "LeafEvent",
    "Missing",
    "NoTask",
    "NodeOutcome",
    "Outcome",
    "Progress",
    "Refused",
    "Resume",
    "RunOptions",
    "Silent",
    "Unsupported",
    "Unusable",
    "component",
    "discard",
    "fresh_name",
    "how_it_ended",
    "rows_of",
    "run",
    "shown_files",
    "task_folder",
]

_INTERRUPTED = "Interrupted"
"""The phase of a run that came to no end, but in `status.json`, which has Argo's phases alone."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run: `out` is the run's folder, `jobs` how many leaves at once.

    `inputs` is the folder that artifact keys `inputs/…` are relative to; `claims` gives folders to volume
    claims, and to volumes, by name, others are made below `out`; `objects` are documents of what the manifest
    refers to, WorkflowTemplates, ConfigMaps and Secrets; `cache` is where templates with `memoize` keep what
    they made, else it goes with the run; `runtime` is podman or docker where images shall run and not
    processes; `name` is that of a new run whose manifest is no Workflow with a name, where `""` is made up;
    `resume` says how to take up the run that `out` holds, instead of beginning one; `yaml` reads a patch that
    is not JSON, and raises ValueError; `begun` is called when `out` holds the run and nothing of it has
    started.
    """

    out: Path
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: Path = field(default_factory=Path.cwd)
    claims: Mapping[str, Path] = field(default_factory=dict)
    objects: Sequence[Mapping[str, Any]] = ()
    cache: Path | None = None
    runtime: str = ""
    name: str = ""
    resume: Resume | None = None
    yaml: Callable[[str], Any] = json.loads
    begun: Callable[[], None] = lambda: None


def run(manifest: Mapping[str, Any], options: RunOptions, progress: Progress | None = None) -> Outcome:
    """Run a manifest to its end, or take up the run in `out` again.

    Unless it is taken up, what a former run left there is removed. Results are written however the run ends.

    Raises:
        Refused: it uses what the engine does not do, or what Argo would not accept; nothing was started.
        NoTask: it has not the task that is chosen to run again; nothing was started.
        Unusable: `out` holds something else, is in use, or cannot be written; nothing was started, unless
            what a former run left there cannot be removed.
        KeyboardInterrupt, SystemExit: from a signal; every process group was killed first.
    """
    definition = read_definition(manifest, options.name, read_objects(options.objects))
    program = _found(options.runtime)
    refuse(definition, in_containers=bool(program))
    if not options.resume:
        make_globals(definition, options.parameters, 0.0)
    elif options.resume.choice:
        refuse_unknown(definition, options.resume.choice[0])
    out = options.out.resolve()  # a link on the way may lead elsewhere before the run ends
    with occupied(out, resumed=options.resume is not None):
        return _run(definition, options, out, program, progress or Silent())


def _run(definition: Definition, options: RunOptions, out: Path, program: str, progress: Progress) -> Outcome:
    began, state, resume = time.monotonic(), out / STATE, options.resume
    former = read_journal(state / JOURNAL) if resume else Former()
    left = read_wholes(out / WHOLES) if resume else {}
    definition = replace(definition, name=former.name or definition.name)
    parameters = {**former.parameters, **options.parameters}
    created = former.created or time.time()
    shared = make_globals(definition, parameters, created)
    if resume and resume.only:
        refuse_without_inputs(definition, resume.only, former)
    outlived = end_left(state)
    graph = make_graph(definition).to_json()
    is_kept = bool(former.records) and not (resume and resume.force)
    clear(out, tasks_of(definition), graph, resumed=is_kept)
    store = Store(state / "artifacts", options.inputs.absolute())
    given = {name: path.absolute() for name, path in options.claims.items()}
    claims = Claims(state / "claims", given, options.inputs.absolute())
    work = Work(out / TASKS)
    journal, groups = _opened(out, definition.name, created, parameters, resume)
    places = Places(
        store,
        claims,
        work,
        groups,
        out / TASKS,
        out / LOGS,
        (options.cache or state / "cache").absolute(),
        definition.name,
        shared.flat["workflow.namespace"],
        marks_of(state),
        Containers(program, state) if program else Processes(),
        definition.spec,
        definition.objects,
        options.yaml,
    )
    phase = _INTERRUPTED
    claims.clear()
    work.clear()
    mounts = Mounts(given, former.mounts, journal.add_mount, out, outlived=outlived)
    try:
        options.begun()
        stored = task_folders(definition, claims) if resume else []
        history = History(out, places, journal, former, mounts, resume, stored)
        wholes = Wholes(definition, shared, places, history, left, out / WHOLES)
        jobs = _jobs(definition, options.jobs)
        engine = Engine(definition, shared, places, history, wholes, jobs, progress)
        outcome = _outcome(engine, journal, out)
        phase = outcome.phase
    except InTheWay as wrong:
        raise Unusable(str(wrong)) from None
    finally:
        groups.close()
        end_left(state)
        work.close()
        claims.clear()
        mounts.close()
        journal.close(phase, time.monotonic() - began)
    outdated, doubtful = tuple(sorted(history.outdated)), tuple(sorted(mounts.doubtful))
    return replace(outcome, taken=history.taken, outdated=outdated, doubtful=doubtful)


def _opened(
    out: Path, name: str, created: float, parameters: Mapping[str, str], resume: Resume | None
) -> tuple[Journal, Groups]:
    try:
        journal = Journal(out / STATE / JOURNAL)
        journal.begin(name, created, parameters, resume.choice if resume else None)
        return journal, Groups(out / STATE)
    except OSError as wrong:
        raise Unusable(f"{out} cannot hold a run: {wrong.strerror or wrong}") from None


def _outcome(engine: Engine, journal: Journal, out: Path) -> Outcome:
    """Run to the end and leave the results, before daemons have had time to end."""
    try:
        return _with_results(engine, journal, out)
    finally:
        engine.leaves.close()


def _with_results(engine: Engine, journal: Journal, out: Path) -> Outcome:
    workflow = WorkflowRun(engine)
    try:
        outcome = workflow.outcome()
    except BaseException as wrong:
        try:
            engine.leaves.stop()
            engine.put_down_ended()
        finally:
            with suppress(OSError):
                outcome = workflow.broken_off(wrong)
                results = _results(out, engine, outcome)
                if not isinstance(wrong, Exception):
                    results["phase"] = _INTERRUPTED
                _write(out, outcome, results)
                engine.wholes.close(list(engine.nodes.values()))
                link_files(engine.kept, results["tasks"], out)
        raise
    with paused_collection():
        if lost := journal.settle():
            outcome = replace(outcome, phase="Error", message=f"the journal cannot be written: {lost}")
        results = _results(out, engine, outcome)
        try:
            link_files(engine.kept, results["tasks"], out)
            _write(out, outcome, results)
        except OSError as wrong:
            results["phase"] = "Error"
            outcome = replace(outcome, phase="Error", message=f"the results cannot be written: {wrong}")
            with suppress(OSError):
                _write(out, outcome, results)
        engine.wholes.close(list(engine.nodes.values()))
    return replace(outcome, results=results)


def _found(runtime: str) -> str:
    """Return the path of a program that runs containers, `""` for processes. Raises Unusable."""
    path = shutil.which(runtime) if runtime else ""
    if path is None:
        raise Unusable(f"{runtime} is not installed")
    if path:
        asked = subprocess.run(
            [path, "version"], capture_output=True, text=True, errors="replace", check=False
        )
        if asked.returncode:  # that of docker needs its daemon
            raise Unusable(f"{runtime} does not answer: {asked.stderr.strip()}")
    return path


def _jobs(definition: Definition, jobs: int) -> int:
    limit = definition.spec.get("parallelism")
    return max(1, min(jobs, int(limit)) if limit else jobs)


def _results(out: Path, engine: Engine, outcome: Outcome) -> dict[str, Any]:
    def reason(node: Node) -> str:
        task = node.template.task if node.template else ""
        log = out / TASKS / f"{leaf_name(task, node.path)}.log"
        return cause_of(task, node.message, log)[0]

    return make_results(engine.definition, engine.nodes.values(), outcome.phase, reason)


def _write(out: Path, outcome: Outcome, results: Mapping[str, Any]) -> None:
    bare, nodes = replace(outcome, nodes={}), outcome.nodes.items()
    write(out / TIMELINE, rows(bare.to_timeline(), "nodes", ((p, node.to_timeline()) for p, node in nodes)))
    write(out / RESULTS, rows_of(results))
    write(out / STATUS, rows(bare.to_status(), "nodes", ((p, node.to_status()) for p, node in nodes)))
