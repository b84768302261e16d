"""Random manifests are taken by Argo's linter, run here to an end, and end the same way each time."""

import json
import os
import random
import shutil
import subprocess
from collections import Counter

import pytest

from dsl.argo import validate_manifest
from dsl.engine import Resume, RunOptions, run
from dsl.location import Location
from tests.drawn import drawn

SEEDS = range(160)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return {seed: run(drawn(seed), RunOptions(folder / str(seed), jobs=4)) for seed in SEEDS}


@pytest.mark.slow
def test_most_end_and_their_nodes_end_in_every_way(outcomes):
    assert sum(not outcome.stuck for outcome in outcomes.values()) >= 130
    phases = Counter(node.phase for outcome in outcomes.values() for node in outcome.nodes.values())
    assert min(phases[phase] for phase in ("Succeeded", "Failed", "Error", "Skipped", "Omitted")) > 50
    types = Counter(node.type for outcome in outcomes.values() for node in outcome.nodes.values())
    assert min(types[kind] for kind in ("TaskGroup", "Retry", "Steps", "DAG", "Suspend", "Pod")) > 10


@pytest.mark.slow
def test_they_end_the_same_way_each_time(outcomes, tmp_path):
    for seed in SEEDS[::5]:
        again = run(drawn(seed), RunOptions(tmp_path / str(seed), jobs=1))
        assert again.to_status() == outcomes[seed].to_status()


def hooked(manifest):
    """Give tasks of DAGs hooks that begin when the tasks run and when they have succeeded."""
    templates = manifest["spec"]["templates"]
    templates.append({"name": "hook", "suspend": {"duration": "50ms"}})
    tasks = [task for template in templates for task in (template.get("dag") or {}).get("tasks") or []]
    for number, task in enumerate(tasks):
        for name in ("Running", "Succeeded") if number % 2 else ():
            expression = f"tasks['{task['name']}'].status == '{name}'"
            task.setdefault("hooks", {})[name.lower()] = {"template": "hook", "expression": expression}
    return manifest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "seeds"), [(drawn, SEEDS[::2]), (lambda seed: hooked(drawn(seed)), SEEDS[1::4])]
)
def test_taken_up_from_any_place_of_the_journal_they_end_as_undisturbed(made, seeds, tmp_path):
    for seed in seeds:
        out = tmp_path / str(seed)
        first = run(made(seed), RunOptions(out, jobs=4))
        journal = out / ".argosy/journal.jsonl"
        whole = journal.read_bytes()
        for length in (len(whole), random.Random(seed).randrange(len(whole))):
            journal.write_bytes(whole[:length])
            again = run(made(seed), RunOptions(out, jobs=4, resume=Resume()))
            assert again.to_status() == first.to_status(), seed


def test_our_checks_find_nothing_in_them():
    found = {seed: validate_manifest(drawn(seed), Location(f"{seed}.json")) for seed in SEEDS}
    assert {seed: problems for seed, problems in found.items() if any(one.is_error for one in problems)} == {}


@pytest.mark.skipif(not shutil.which("argo"), reason="needs the argo CLI")
def test_argo_lints_them(tmp_path):
    for seed in SEEDS:
        (tmp_path / f"{seed}.json").write_text(json.dumps(drawn(seed)))
    command = ["argo", "lint", "--offline", *map(str, sorted(tmp_path.iterdir()))]
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    assert ended.returncode == 0, ended.stdout
