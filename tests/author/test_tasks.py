"""Decorated functions: plain outside a DAG, nodes inside, with ids and options."""

import pytest
from dags import found, planned, runs

from dsl import task


@task
def double(x: int, y: int = 2) -> int:
    return x * y


@task.shell(image="i")
def hello(name):
    return f"echo {name}"


def test_outside_a_dag_a_task_is_the_plain_function():
    assert double(4) == double.fn(4) == 8
    assert hello("you") == "echo you"
    assert (double.__name__, double.__wrapped__) == ("double", double.fn)


def test_partial_and_override_leave_the_function_as_it_was():
    assert (double.partial(y=3).arguments, double.arguments) == ({"y": 3}, {})
    assert (double.override(retries=1).options, double.options) == ({"retries": 1}, {})


def test_each_call_is_a_node_and_the_bare_function_is_one(tmp_path):
    last = 'show.override(task_id="last", each="all").partial(item=1)'
    body = f'with DAG("x"):\n    total([1]) >> total([2]) >> {last}\n'
    assert list(runs(planned(body, tmp_path))) == ["total", "total-2", "last"]


def test_ids_count_in_order_around_those_that_are_given(tmp_path):
    body = 'with DAG("x"):\n    total([1]); total.override(task_id="total")([2]); total([3]); (lambda: 0)()\n'
    assert list(runs(planned(body, tmp_path))) == ["total-2", "total", "total-3"]


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ("total.override(retires=2)([1])", ["UNKNOWN_OPTION at `retires=2`: there is no option 'retires'"]),
        (
            "total.override(each='items')([1])",
            ["INVALID_OPTION at `each='items'`: each='items': input should be 'item', 'partition' or 'all'"],
        ),
        (
            "total.override(retries=-1)([1])",
            ["INVALID_OPTION at `retries=-1`: retries=-1: input should be greater than or equal to 0"],
        ),
        ("total([1], limt=2)", ["UNKNOWN_ARGUMENT at `limt=2`: total has no parameter 'limt'"]),
        (
            "total([1], 2, 3)",
            ["UNKNOWN_ARGUMENT at `total([1], 2, 3)`: total takes 2 positional arguments, 3 are given"],
        ),
        (
            "total([1], sizes=[2])",
            [
                "UNKNOWN_ARGUMENT at `total([1], sizes=[2])`: total gets sizes twice, by its position "
                "and by its name"
            ],
        ),
        ("total()", ["MISSING_ARGUMENT at `total()`: total gets no value for sizes"]),
        (
            "total(sizes={1, 2})",
            [
                "NOT_JSON at `sizes={1, 2}`: sizes={1, 2} is no JSON value: Object of type set is not "
                "JSON serializable"
            ],
        ),
        (
            "total(sizes=[total([1])])",
            ["NOT_JSON at `sizes=[total([1])]`: sizes of total-2 holds a node inside a list"],
        ),
        (
            "measure(input_file=Files('data/*.tif'))",
            [
                "UNKNOWN_ARGUMENT at `input_file=Files('data/*.tif')`: input_file of measure is a "
                "source, which has many items"
            ],
        ),
        (
            "total.override(task_id='a')([1]); total.override(task_id='a')([1])",
            ["DUPLICATE_TASK_ID at `total.override(task_id='a')([1])`: the task_id 'a' is taken"],
        ),
    ],
)
def test_a_wrong_option_or_argument_is_pointed_at(body, after, tmp_path):
    assert found(f'with DAG("x"):\n    {body}\n', tmp_path) == after


def test_a_wrong_option_of_the_dag_is_said_once(tmp_path):
    options = 'parallelism=0, storage="x", default_args={"retires": 1}'
    body = f'with DAG("x", {options}):\n    total([1]); total([2])\n'
    assert found(body, tmp_path) == [
        "INVALID_OPTION at `parallelism=0`: parallelism=0: input should be greater than or equal to 1",
        """INVALID_OPTION at `storage="x"`: storage='x': write Artifacts() or Volume("claim")""",
        """UNKNOWN_OPTION at `default_args={"retires": 1}`: there is no option 'retires'""",
    ]


def test_default_args_give_way_to_the_decorator_and_that_to_override(tmp_path):
    body = """
@task(retries=2)
def count(): return 1
with DAG("x", default_args={"image": "d", "retries": 1}):
    total([1]) >> count.override(retries=3, task_id="most") >> count
"""
    plan = planned(body, tmp_path)
    assert [(n.function.options.image, n.function.options.retries) for n in plan.nodes] == [
        *(("d", 1), ("d", 3), ("d", 2))
    ]


def test_parameters_of_the_run_are_text_or_json_after_their_default(tmp_path):
    body = 'with DAG("x", params={"limit": 3, "title": "ice"}) as dag:\n    total([1], dag.params.limit)\n'
    assert planned(body, tmp_path).parameters == {"limit": ("3", False), "title": ("ice", True)}
    assert found(body.replace("params.limit", "params.limt"), tmp_path) == [
        "UNKNOWN_RUN_PARAMETER at `dag.params.limt`: the DAG has no parameter 'limt'; it has: limit, title"
    ]
