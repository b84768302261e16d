"""Hooks with an expression: when they start, how often, and who waits for them."""

import pytest
from engine.manifests import NOP, dag, phases, ran, task, workflow


def script(name, source, **more):
    return {"name": name, "script": {"image": "i", "command": ["sh"], "source": source}, **more}


RUNNING = {"r": {"template": "hook", "expression": 'tasks.x.status == "Running"'}}
RETRY = {"retryStrategy": {"limit": "1"}}


def until(path):
    """Wait for a file, but not for ever."""
    return f"for _ in $(seq 200); do test -e {path} && exit; sleep 0.05; done; exit 1"


@pytest.mark.parametrize("more", [{}, RETRY])
def test_a_hook_on_a_running_task_runs_beside_it_and_once(more, tmp_path):
    x, hook = script("x", until(f"{tmp_path}/made"), **more), script("hook", f"echo >> {tmp_path}/made")
    main = dag("main", task("x", hooks=RUNNING), task("after", "nop", "x"))
    outcome, _ = ran(workflow(main, x, hook, NOP), tmp_path / "out")
    assert outcome.succeeded
    assert outcome.nodes["main/x.hooks.r"].flag == "hooked"
    assert (tmp_path / "made").read_text() == "\n"


def test_a_hook_on_a_running_step_or_dag_runs_beside_it(tmp_path):
    inner = dag("inner", task("x"))
    x, hook = script("x", until(f"{tmp_path}/made")), script("hook", f"echo >> {tmp_path}/made")
    expression = 'steps["x"].status == "Running"'
    step = {"name": "x", "template": "inner", "hooks": {"r": {"template": "hook", "expression": expression}}}
    outcome, _ = ran(workflow({"name": "main", "steps": [[step]]}, inner, x, hook), tmp_path / "out")
    assert outcome.succeeded
    assert (tmp_path / "made").read_text() == "\n"


def test_what_waits_for_a_task_waits_for_the_hook_that_started_beside_it(tmp_path):
    hooks = {**RUNNING, "s": {"template": "nop", "expression": 'tasks.x.status == "Succeeded"'},
             "exit": {"template": "exit"}}  # fmt: skip
    main = dag("main", task("x", hooks=hooks), task("after", depends="x"))
    slow = script("hook", f"sleep 1; touch {tmp_path}/made")
    made = f"test -e {tmp_path}/made"
    scripts = script("x", "true"), slow, script("after", made), script("exit", made)
    outcome, _ = ran(workflow(main, *scripts, NOP), tmp_path / "out")
    assert set(phases(outcome).values()) == {"Succeeded"}
    assert {"main/x.hooks.r", "main/x.hooks.s", "main/x.onExit"} < set(outcome.nodes)


def test_a_task_that_never_ran_has_no_hook_of_a_running_one(tmp_path):
    x = script("x", "true", memoize={"key": "k", "cache": {"configMap": {"name": "c"}}})
    main = dag("main", task("x", hooks=RUNNING), task("y", "x", "x", hooks={
        "r": {"template": "hook", "expression": 'tasks.y.status == "Running"'}}))  # fmt: skip
    outcome, _ = ran(workflow(main, x, script("hook", "true")), tmp_path)
    assert [path for path in outcome.nodes if "hooks" in path] == ["main/x.hooks.r"]
