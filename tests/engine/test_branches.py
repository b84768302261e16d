"""A DAG whose last task was omitted has the phase that is nearest to it, as seen from the DAG."""

import pytest
from engine.manifests import NOP, dag, phases, ran, task, workflow

BROKEN = dag("broken", task("e", "nop", when="(("))
FAILS = {"name": "fails", "steps": [[{"name": "e", "template": "broken"}]]}
ASIDE = task("aside", "nop", when="false")


@pytest.mark.parametrize(
    ("inner", "phase"),
    [
        ([task("a", "fails")], "Error"),
        ([task("a", "fails"), ASIDE], "Failed"),
        ([task("a", "nop"), ASIDE], "Succeeded"),
    ],
)
def test_a_skipped_task_that_waits_for_none_passes_on_how_its_dag_ended(inner, phase, tmp_path):
    main = dag("main", task("inner"), task("last", "nop", depends="inner.Omitted"))
    outcome, _ = ran(workflow(main, dag("inner", *inner), BROKEN, FAILS, NOP), tmp_path)
    assert (outcome.nodes["main/inner"].phase, outcome.nodes["main/last"].phase) == (
        "Succeeded" if phase == "Succeeded" else "Failed",
        "Omitted",
    )
    assert outcome.phase == phase


def test_what_a_hook_spoils_ends_a_dag_that_fails_fast(tmp_path):
    hook = {"h": {"template": "ok", "expression": "tasks.a.status + 1 > 2"}}
    main = dag("main", task("a", "ok", hooks=hook), task("b", "ok", depends="a.Errored"), failFast=True)
    well = {"name": "ok", "script": {"image": "i", "command": ["true"], "source": ""}}
    outcome, _ = ran(workflow(main, well), tmp_path)
    assert (outcome.phase, phases(outcome).get("main/b")) == ("Failed", None)
    assert outcome.message == "template has failed or errored children and failFast enabled"


def test_nothing_is_retried_in_a_dag_that_has_failed_fast_and_a_dag_above_waits_for_ever(tmp_path):
    source = f"echo ran >> {tmp_path}/log; exit 1"
    fails = {"name": "fails", "script": {"image": "i", "command": ["sh"], "source": source}}
    inner = dag("inner", task("r", "fails"), failFast=True)
    retried = {**fails, "retryStrategy": {"limit": "2"}}
    outcome, _ = ran(workflow(dag("main", task("inner")), inner, retried), tmp_path / "dag")
    assert "main/inner/r: main/inner failed before it could be retried" in outcome.stuck
    assert (outcome.nodes["main/inner"].phase, outcome.nodes["main/inner/r"].phase) == ("Failed", "Running")
    steps = {"name": "main", "steps": [[{"name": "inner", "template": "inner"}]]}
    assert ran(workflow(steps, inner, retried), tmp_path / "steps")[0].phase == "Failed"
    assert (tmp_path / "log").read_text() == "ran\n" * 2
