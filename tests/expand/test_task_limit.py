"""Argo accepts 200 tasks in a template: whatever the lowering adds to a node's own tasks counts too."""

import pytest
from harness import load_file, write

from dsl.compile import compile_dag

FUNCTIONS = """
@task
def one(item): return item
@task
def every(values): return {"ok": True}
@task(trigger_rule="none_failed")
def asked(): return 1
@task
def last(): return 1
@task
def mapped(item): return item
"""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            "v = every(Range(197) >> one); asked().when(v['ok']) >> last",
            id="a task that ends as the leaves do",
        ),
        pytest.param(
            "late = mapped.override(trigger_rule='one_success')\n"
            "    lane = Range(3, parallelism=2) >> one\n"
            "    lane >> late.expand(item=Range(120))",
            id="a gate before each partition",
        ),
        pytest.param(
            "a = Range(3, parallelism=2) >> one\n"
            "    b = mapped.expand(item=a); c = mapped.expand(item=a)\n"
            "    every(b); every(Range(195) >> one.override(task_id='many'))",
            id="what tells how the nodes of a lane ended",
        ),
    ],
)
def test_partitions_become_a_loop_before_the_tasks_are_too_many(body, tmp_path):
    path = write(tmp_path, f'{FUNCTIONS}with DAG("x"):\n    {body}\n')
    compiled = compile_dag(load_file(path))
    assert [diagnostic.code.name for diagnostic in compiled.diagnostics if diagnostic.is_error] == []
    [main] = [one for one in compiled.manifest["spec"]["templates"] if one["name"] == "main"]
    assert len(main["dag"]["tasks"]) <= 200
