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
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_hook_on_a_running_task_runs_beside_it_and_once(jobs, more, tmp_path):
    x, hook = script("x", until(f"{tmp_path}/made"), **more), script("hook", f"echo >> {tmp_path}/made")
    main = dag("main", task("x", hooks=RUNNING), task("after", "nop", "x"))
    outcome, _ = ran(workflow(main, x, hook, NOP), tmp_path / "out", jobs=jobs)
    assert outcome.succeeded
    assert outcome.nodes["main/x.hooks.r"].flag == "hooked"
    assert (tmp_path / "made").read_text() == "\n"


@pytest.mark.parametrize("jobs", [1, 2])
def test_as_many_hooks_of_what_runs_run_at_once_as_others(jobs, tmp_path):
    names = [f"t{number}" for number in range(9)]
    hooks = [{"r": {"template": "hook", "expression": f'tasks.{name}.status == "Running"'}} for name in names]
    main = dag("main", *(task(name, "inner", hooks=own) for name, own in zip(names, hooks, strict=True)))
    at_once = f"cd {tmp_path}; f=$(mktemp h.XXXXXX); sleep 0.2; ls h.* | wc -l >> most; rm $f"
    manifest = workflow(main, dag("inner", task("x")), script("x", "true"), script("hook", at_once))
    outcome, _ = ran(manifest, tmp_path / "out", jobs=jobs)
    assert outcome.succeeded
    counts = (tmp_path / "most").read_text().split()
    assert len(counts) == 9
    assert max(map(int, counts)) == jobs


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


@pytest.mark.parametrize("more", [{}, RETRY])
def test_all_that_a_hook_on_a_running_task_calls_needs_no_place(more, tmp_path):
    hook = dag("hook", task("a"), task("b", depends="a", withItems=["1", "2"]))
    main = dag("main", task("x", hooks=RUNNING))
    called = script("a", "true", **more), script("b", f"touch {tmp_path}/made", **more)
    manifest = workflow(main, hook, script("x", until(f"{tmp_path}/made")), *called)
    outcome, _ = ran(manifest, tmp_path / "out", jobs=1)
    assert outcome.succeeded


def test_a_hook_on_the_running_workflow_runs_beside_it(tmp_path):
    main, hook = script("main", f"touch {tmp_path}/made"), script("hook", until(f"{tmp_path}/made"))
    hooks = {"r": {"template": "hook", "expression": 'workflow.status == "Running"'}}
    outcome, _ = ran(workflow(main, hook, hooks=hooks), tmp_path / "out", jobs=1)
    assert set(phases(outcome).values()) == {"Succeeded"}


def test_hooks_on_running_tasks_need_room_in_the_parallelism_of_the_workflow(tmp_path):
    most = f"mkdir {tmp_path}/only; sleep 0.2; rmdir {tmp_path}/only"
    main = dag("main", task("x", hooks=RUNNING))
    scripts = script("x", most), script("hook", most)
    outcome, _ = ran(workflow(main, *scripts, parallelism=1), tmp_path / "out")
    assert set(phases(outcome).values()) == {"Succeeded"}


def test_a_hook_on_a_step_may_wait_for_another_of_its_group(tmp_path):
    both = 'steps.x.status == "Succeeded" && steps.y.status == "Succeeded"'
    slow = {"name": "slow", "suspend": {"duration": "1"}}
    steps = [
        {"name": "x", "template": "slow"},
        {"name": "y", "template": "nop", "hooks": {"h": {"template": "nop", "expression": both}}},
    ]
    main = {"name": "main", "steps": [steps, [{"name": "z", "template": "nop"}]]}
    outcome, _ = ran(workflow(main, slow, NOP), tmp_path)
    assert list(phases(outcome))[-3:] == ["main/y.hooks.h", "main/[1]", "main/z"]
