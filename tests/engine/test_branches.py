"""A DAG whose last task was omitted has the phase that is nearest to it, as seen from the DAG."""

import pytest
from engine.manifests import NOP, dag, ran, task, workflow

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
