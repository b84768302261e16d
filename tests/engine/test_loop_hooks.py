"""The exit hook of a loop as a whole, beside those of its items."""

import pytest
from engine.manifests import NOP, dag, ran, task, workflow

SLOW = {"name": "slow", "suspend": {"duration": "1"}}


@pytest.mark.parametrize(
    ("after", "runs"),
    [
        ([], True),
        ([task("after", "slow", depends="loop")], True),
        ([task("after", "nop", depends="loop.Failed")], False),
    ],
)
def test_it_runs_when_something_that_has_not_ended_waits_for_the_loop_or_nothing_does(after, runs, tmp_path):
    loop = task("loop", "nop", withSequence={"count": "2"}, hooks={"exit": {"template": "nop"}})
    manifest = workflow(dag("main", task("other", "slow"), loop, *after), SLOW, NOP)
    outcome, _ = ran(manifest, tmp_path)
    assert outcome.succeeded
    assert {"main/loop(0:0).onExit", "main/loop(1:1).onExit"} < set(outcome.nodes)
    assert ("main/loop.onExit" in outcome.nodes) == runs
