"""Hooks in a run that is taken up: those that ran are there again, and run no second time."""

import pytest
from engine.manifests import WHOLE, dag, ran, task, workflow

from dsl.engine import Resume

RETRY = {"retryStrategy": {"limit": "1"}}
LEAF = {"container": {"image": "i", "command": ["true"]}}
OUTPUT = {"name": "o", "path": "/o", "s3": {"key": "hooks/{{pod.name}}"}, "archive": WHOLE}
HOOK = {
    "container": {"image": "i", "command": ["sh", "-c", "echo {{inputs.parameters.status}} > /o"]},
    "inputs": {"parameters": [{"name": "status"}]},
    "outputs": {"artifacts": [OUTPUT]},
}
STATUS = {"parameters": [{"name": "status", "value": "{{tasks.x.status}}"}]}
OF_LOOP = {"parameters": [{"name": "status", "value": "of a loop"}]}
KINDS = {
    "pod": LEAF,
    "retry": LEAF | RETRY,
    "dag": dag("x", task("leaf")),
    "steps": {"steps": [[{"name": "leaf", "template": "leaf"}]]},
    "retried dag": dag("x", task("leaf")) | RETRY,
    "suspend": {"suspend": {"duration": "600ms"}},
    "loop": LEAF,
}


def both(manifest, out):
    """Run a manifest, and take the run up; return both outcomes and the files of hooks after each."""
    found = []
    for resume in (None, Resume()):
        outcome, _ = ran(manifest, out, resume=resume)
        files = sorted((out / ".argosy/artifacts/hooks").iterdir())
        found.append((outcome, [(path.name, path.read_text()) for path in files]))
    return found


def templates(kind):
    return {"name": "x", **KINDS[kind]}, {"name": "leaf", **LEAF}, {"name": "hook", **HOOK}


@pytest.mark.parametrize("status", ["Running", "Succeeded"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_a_status_has_started_is_taken_over(kind, status, tmp_path):
    hook = {"template": "hook", "arguments": STATUS, "expression": f'tasks.x.status == "{status}"'}
    looped = {"withItems": [1, 2], "hooks": {"r": {**hook, "arguments": OF_LOOP}}}
    more = looped if kind == "loop" else {"hooks": {"r": hook}}
    main = dag("main", task("x", **more), task("y", "leaf", "x"))
    (first, files), (again, left) = both(workflow(main, *templates(kind)), tmp_path)
    assert first.nodes["main/x.hooks.r"].phase == "Succeeded"
    assert again.to_status() == first.to_status()
    assert left == files
    assert again.taken == sum(node.type == "Pod" for node in again.nodes.values())


def test_the_exit_hook_of_a_loop_is_taken_over(tmp_path):
    hooks = {"exit": {"template": "hook", "arguments": OF_LOOP}}
    main = dag("main", task("x", withItems=[1, 2], hooks=hooks), task("y", "leaf", "x"))
    (first, files), (again, left) = both(workflow(main, *templates("loop")), tmp_path)
    assert first.nodes["main/x.onExit"].phase == "Succeeded"
    assert again.to_status() == first.to_status()
    assert (left, again.taken) == (files, sum(node.type == "Pod" for node in first.nodes.values()))


@pytest.mark.parametrize("kind", ["pod", "dag", "steps"])
def test_a_hook_on_the_running_workflow_is_taken_over(kind, tmp_path):
    arguments = {"parameters": [{"name": "status", "value": "{{workflow.status}}"}]}
    hook = {"template": "hook", "arguments": arguments, "expression": 'workflow.status == "Running"'}
    manifest = workflow(*templates(kind), entrypoint="x", hooks={"r": hook})
    (first, files), (again, left) = both(manifest, tmp_path)
    assert first.nodes["main.hooks.r"].phase == "Succeeded"
    assert again.to_status() == first.to_status()
    assert (left, again.taken) == (files, 2)
