"""Conditions: one value per task, written with operators, never with Python's words."""

import pytest
from dags import edges, found, planned

from dsl import plan

TASKS = """
@task
def check(input_file) -> dict: return {"ok": True}
@task(trigger_rule="all_done")
def late(x): return x
"""


def dag(body):
    params = ', params={"limit": 3}' if "params.limit" in body else ""
    return TASKS + f'with DAG("x"{params}) as dag:\n    one = total([1])\n    {body}\n'


def test_a_condition_is_data_and_an_edge(tmp_path):
    plan = planned(dag("show(1).when((one['a'] > 3) & ~(one == dag.params.limit))"), tmp_path)
    [test] = plan.nodes[-1].conditions
    assert (test.operator, [inner.operator for inner in test.operands]) == ("and", [">", "not"])
    assert edges(plan) == ["total → show aligned value"]


def test_tasks_and_chains_stand_on_both_sides_of_a_condition(tmp_path):
    several = "total.partial(sizes=[1]) & one & (total.partial(sizes=[1]) > 3) | total([2])"
    [test] = planned(dag(f"show(1).when({several})"), tmp_path).nodes[-1].conditions
    assert (test.operator, test.operands[0].operator) == ("or", "and")


def test_a_condition_on_a_chain_is_one_on_every_node_of_it(tmp_path):
    plan = planned(dag('(Files("data/*.tif") >> clean >> warp).when(one > 1)'), tmp_path)
    assert {node.id: len(node.conditions) for node in plan.nodes} == {"total": 0, "clean": 1, "warp": 1}


def test_a_bare_task_can_be_compared(tmp_path):
    plan = planned(
        dag(
            'Files("data/*.tif") >> check >> measure.when(check["ok"]); '
            "show(1).when(total.partial(sizes=[1]) > 3)"
        ),
        tmp_path,
    )
    assert "check → measure aligned files" in edges(plan)


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (
            "show(1).when(one > 1 and one < 3)",
            "CONDITION_AS_BOOL at `one > 1 and one < 3`: an output has no truth value before the DAG runs",
        ),
        (
            "[each for each in one]",
            "OUTPUT_ITERATED at `one`: an output cannot be iterated before the DAG runs",
        ),
        ("show(1).when(3)", "CONDITION_VALUE at `show(1).when(3)`: 3 is no condition"),
        (
            "show(1).when(one is None)",
            "CONDITION_VALUE at `show(1).when(one is None)`: False is no condition",
        ),
        (
            "show(1).when(one > {1})",
            "NOT_JSON at `show(1).when(one > {1})`: the condition compares with {1}, which is no JSON "
            "value: Object of type set is not JSON serializable",
        ),
        (
            "Files('data/*.tif', size=2) >> check; show(1).when(check['ok'])",
            "CONDITION_VALUE at `show(1).when(check['ok'])`: check has many values, and the condition "
            "of show needs one",
        ),
        (
            "Files('data/*.tif') >> clean; show(1).when(clean == 1)",
            "NO_VALUE at `show(1).when(clean == 1)`: the condition reads the value of clean, which has none",
        ),
        (
            "late(show(1).when(one > 1))",
            "SKIPPABLE_VALUE at `late(show(1).when(one > 1))`: show may not have succeeded when late "
            "runs, so x may be absent",
        ),
    ],
)
def test_a_condition_that_cannot_be_is_pointed_at(body, after, tmp_path):
    body = body.replace("show(1)", "show.override(each='all')(1)")
    assert found(dag(body), tmp_path) == [after.replace("show(1)", "show.override(each='all')(1)")]


def test_a_default_takes_the_place_of_an_absent_value(tmp_path):
    assert found(dag("late(total([2]).when(one > 1).default(0))"), tmp_path) == []


@pytest.mark.parametrize(
    ("condition", "after"),
    [
        ("one.file('x')", "CONDITION_VALUE: a file is no condition"),
        ("one == one.file('x')", "CONDITION_VALUE: a file is no condition"),
        ("(one > 1) & 5", "CONDITION_VALUE: 5 is neither true nor false"),
        (
            "one > 2**63",
            "CONDITION_VALUE: the condition compares with 9223372036854775808, and Argo's whole numbers have "
            "64 bits",
        ),
        ("one[1:2] > 1", "NOT_JSON: slice(1, 2, None) is no key of a value"),
        ("one > outer.params.y", "UNKNOWN_RUN_PARAMETER: y is a parameter of another DAG"),
    ],
)
def test_what_is_no_condition_is_never_dropped(condition, after, tmp_path):
    body = dag(f"show.override(each='all')(1).when({condition})")
    body = f'outer = DAG("outer", params={{"y": 1}})\n{body}'
    [line] = [line for line in found(body, tmp_path) if not line.startswith("UNOPENED_DAG")]
    assert line.partition(" at `")[0] + ": " + line.partition("`: ")[2] == after


def test_true_may_stand_beside_a_condition(tmp_path):
    assert found(dag("show.override(each='all')(1).when((one > 1) & True)"), tmp_path) == []


@pytest.mark.parametrize("condition", ["one['ok']", "~one['ok']", "~(~one['ok'] | (one['n'] > 1))"])
def test_a_value_that_stands_alone_in_a_condition_is_tested_for_true(condition, tmp_path):
    pending = [
        *planned(dag(f"show.override(each='all')(1).when({condition})"), tmp_path).nodes[-1].conditions
    ]
    while pending:
        test = pending.pop()
        assert isinstance(test, plan.Test), "a value is no truth by itself"
        if test.operator in ("and", "or", "not"):
            pending += test.operands
