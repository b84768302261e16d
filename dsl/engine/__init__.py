"""The local engine: a manifest in, processes on this machine, an Outcome out.

It knows Argo's language and nothing of how the manifest was made. What it cannot do it refuses before
anything starts; what would make Argo wait for ever ends with the reason. Below `out` it leaves
`results.json`, `status.json`, `logs/`, a folder of files per execution function, and its own state in
`.argosy/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsl.engine.artifacts import Store
from dsl.engine.definition import Definition, Refused, read_definition
from dsl.engine.folder import LOGS, RESULTS, STATE, STATUS, Unusable, prepare, task_folder, write
from dsl.engine.leaf import Places
from dsl.engine.outcome import NodeOutcome, Outcome
from dsl.engine.progress import LeafEvent, Progress, Silent
from dsl.engine.refusals import refuse
from dsl.engine.results import link_files, make_results, rows, tasks_of
from dsl.engine.schedule import Engine
from dsl.engine.variables import make_globals
from dsl.engine.volumes import Claims
from dsl.engine.workflow import WorkflowRun

__all__ = [
    "LeafEvent",
    "NodeOutcome",
    "Outcome",
    "Progress",
    "Refused",
    "RunOptions",
    "Silent",
    "Unusable",
    "run",
    "task_folder",
]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run: `out` is the run's folder, `jobs` how many leaves at once.

    `inputs` is the folder that artifact keys `inputs/…` are relative to; `claims` gives folders to volume
    claims by name, others are made below `out`; `name` is `workflow.name` where the manifest's own shall not
    be used.
    """

    out: Path
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: Path = field(default_factory=Path.cwd)
    claims: Mapping[str, Path] = field(default_factory=dict)
    name: str = ""


def run(manifest: Mapping[str, Any], options: RunOptions, progress: Progress | None = None) -> Outcome:
    """Run a manifest to its end.

    What a former run left in `out` is removed first. Results are written however the run ends.

    Raises:
        Refused: it uses what the engine does not do, or what Argo would not accept; nothing was started.
        Unusable: `out` holds something else, or cannot be written; nothing was started.
        KeyboardInterrupt, SystemExit: from a signal; every process group was killed first.
    """
    definition = read_definition(manifest, options.name)
    refuse(definition)
    shared = make_globals(definition, options.parameters)
    out = options.out.absolute()
    prepare(out, tasks_of(definition))
    state = out / STATE
    store = Store(state / "artifacts", options.inputs.absolute())
    given = {name: path.absolute() for name, path in options.claims.items()}
    claims = Claims(state / "claims", given, options.inputs.absolute())
    places = Places(store, claims, state / "tasks", out / LOGS, definition.name, definition.spec)
    engine = Engine(definition, shared, places, _jobs(definition, options.jobs), progress or Silent())
    workflow = WorkflowRun(engine)
    try:
        outcome = workflow.outcome()
    except BaseException as wrong:
        try:
            engine.leaves.stop()
        finally:
            with suppress(OSError):
                _write(out, definition, engine, workflow.broken_off(wrong))
        raise
    finally:
        engine.leaves.close()
        claims.clear()
    try:
        _write(out, definition, engine, outcome)
    except OSError as wrong:
        return replace(outcome, phase="Error", message=f"the results cannot be written: {wrong}")
    return outcome


def _jobs(definition: Definition, jobs: int) -> int:
    limit = definition.spec.get("parallelism")
    return max(1, min(jobs, int(limit)) if limit else jobs)


def _write(out: Path, definition: Definition, engine: Engine, outcome: Outcome) -> None:
    results = make_results(definition, engine.nodes.values(), outcome.phase)
    write(out / RESULTS, rows(results, "tasks", results["tasks"].items()))
    status = replace(outcome, nodes={}).to_status()
    write(out / STATUS, rows(status, "nodes", ((p, node.to_status()) for p, node in outcome.nodes.items())))
    link_files(engine.kept, results["tasks"], out)
