"""Decorated functions: plain outside a DAG, nodes inside, with ids and options."""

import pytest
from dags import analyzed, found, planned, runs

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
            ["INVALID_OPTION at `each='items'`: each='items': there is no such each"],
        ),
        (
            "total.override(retries=-1)([1])",
            ["INVALID_RETRIES at `retries=-1`: retries=-1: input should be greater than or equal to 0"],
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
        """UNKNOWN_OPTION at `"retires"`: there is no option 'retires'""",
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
    body = 'with DAG("x", params={"limit": 3, "title": "ice"}) as dag:\n'
    body += "    total([dag.params.title.default], dag.params.limit)\n"
    assert planned(body, tmp_path).parameters == {"limit": ("3", False), "title": ("ice", True)}
    assert found(body.replace("params.limit", "params.limt"), tmp_path) == [
        "UNKNOWN_RUN_PARAMETER at `dag.params.limt`: the DAG has no parameter 'limt'; it has: limit, title"
    ]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("task(max)", "has no signature that Python can read"),
        ("task(functools.partial(max, 1))", "is no function with a name"),
        ("task(5)", "is no function with a name"),
        ("@task\nasync def f(): return 1", "is async, and nothing awaits what it returns"),
        ("@task\ndef f(): yield 1", "is a generator, and what it returns is no value"),
        (
            "class C:\n    @task\n    def f(self): return 1",
            "C.f is a method, and no object of its class travels to the task",
        ),
    ],
)
def test_what_cannot_be_an_execution_function_is_refused_where_it_is_decorated(function, words, tmp_path):
    [line] = found(f"import functools\n{function}\n", tmp_path)
    assert line.startswith("UNFIT_FUNCTION at ")
    assert line.endswith(words)


def test_a_positional_only_parameter_cannot_be_passed_by_name(tmp_path):
    [line] = found('@task\ndef f(a, /): return a\nwith DAG("x"):\n    f(1); f(2)\n', tmp_path)
    assert line == "UNSUPPORTED at `a`: a of f is positional-only, and a task gets its arguments by name"


def test_what_stars_collect_stays_empty(tmp_path):
    assert found('@task\ndef f(*args, **more): return 1\nwith DAG("x"):\n    f()\n', tmp_path) == []


def test_the_text_of_a_shell_task_is_built_once(tmp_path):
    body = """
calls = []
@task.shell(image="i")
def say():
    calls.append(1)
    assert len(calls) == 1
    return "true"
with DAG("x"):
    say() >> say() >> say.override(retries=1)()
"""
    assert found(body, tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("retry_delay=5", "retry_delay says how to retry, and there are no retries"),
        ("retry_exit_codes=[3]", "retry_exit_codes says how to retry, and there are no retries"),
        (
            "retries=2, retry_exponential_backoff=True",
            "retry_exponential_backoff doubles retry_delay, and there is none",
        ),
        ("env={'a=b': '1'}", "env={'a=b': '1'}: 'a=b' cannot be the name of a variable"),
        ("env={'': '1'}", "env={'': '1'}: '' cannot be the name of a variable"),
        ("env={'RUN_ID': '1'}", "env={'RUN_ID': '1'}: the run itself sets RUN_ID"),
        ("env={'ARGOSY_ROOT': '1'}", "env={'ARGOSY_ROOT': '1'}: the run itself sets ARGOSY_ROOT"),
        (
            "image='a{{=1+1}} b'",
            "image='a{{=1+1}} b': the name of an image has no spaces",
        ),
    ],
)
def test_options_that_would_have_no_effect_or_a_wrong_one_are_pointed_at(options, message, tmp_path):
    [line] = found(f'with DAG("x"):\n    total.override({options})([1])\n', tmp_path)
    assert line.split()[0] in ("IDLE_OPTION", "INVALID_ENVIRONMENT", "INVALID_IMAGE")
    assert line.endswith(f"`: {message}")


def test_a_name_for_a_file_says_nothing_where_a_task_writes_a_folder(tmp_path):
    body = '@task(output="{{index}}.txt")\ndef c(input_files: list, {}): pass\n'
    body += 'with DAG("x"):\n    Files("data/*.tif") >> c\n'
    message = "output= names a file, and c writes any number of them into output_dir"
    assert found(body.format("output_dir"), tmp_path) == [
        f'IDLE_OPTION at `output="{{index}}.txt"`: {message}'
    ]
    assert found(body.format("output_dir, output_file"), tmp_path) == []


@pytest.mark.parametrize(
    "options", ["retries=0, retry_delay=5", "env={'HOME': '/tmp'}", "image='r.io:5/a/b@sha256:0'"]
)
def test_options_that_have_an_effect_are_no_finding(options, tmp_path):
    body = f'with DAG("x", default_args={{"retry_delay": 1}}):\n    total.override({options})([1])\n'
    assert found(body, tmp_path) == []


@pytest.mark.parametrize(
    ("dag", "message"),
    [
        ("params={'a b.c': 1}", "the parameter 'a b.c' has other characters than a-z, A-Z, 0-9, - and _"),
        (
            "params={'a': object}",
            "the default of the parameter a is no JSON value: Object of type type is not JSON serializable",
        ),
        (
            "storage=Volume('')",
            "storage=Volume(claim=''): a claim's name has a-z, 0-9, - and ., and begins and ends with a "
            "letter or digit",
        ),
    ],
)
def test_what_a_manifest_cannot_hold_of_a_dag_is_pointed_at(dag, message, tmp_path):
    [line] = found(f'with DAG("x", {dag}):\n    total([1])\n', tmp_path)
    assert line.endswith(f"`: {message}")


def test_every_parameter_of_a_run_is_an_attribute(tmp_path):
    body = 'with DAG("x", params={"defaults": 5, "problems": 6}) as dag:\n'
    body += "    total(dag.params.defaults, dag.params.problems)\n"
    [node] = planned(body, tmp_path).nodes
    assert node.arguments["sizes"].name == "defaults"


def test_a_parameter_of_another_dag_is_pointed_at(tmp_path):
    body = 'other = DAG("y", params={"x": 1})\nwith DAG("x"):\n    total(other.params.x)\n'
    [_, line] = found(body, tmp_path)
    assert line.startswith(
        "UNKNOWN_RUN_PARAMETER at `total(other.params.x)`: x is a parameter of another DAG"
    )


def test_a_function_that_only_stands_in_a_class_is_a_task(tmp_path):
    assert found('class C:\n    @task\n    def f(x): return x\nwith DAG("x"):\n    C.f(1)\n', tmp_path) == []


@pytest.mark.parametrize("indent", ["", "    "])
def test_an_option_that_is_assigned_sets_nothing(indent, tmp_path):
    body = f'with DAG("x"):\n    total([1])\n{indent}total.retries = 3\n{indent}total.note = 3\n'
    [finding] = analyzed(body, tmp_path).diagnostics
    assert finding.code.name == "UNKNOWN_ATTRIBUTE"
    assert finding.message == "assigning .retries sets no option of the task"
    assert finding.hint == "write total.override(retries=3)"


@pytest.mark.parametrize("number", ["300", "-1", "True", "'3'"])
def test_no_program_ends_with_a_number_beyond_a_byte(number, tmp_path):
    body = f'with DAG("x"):\n    total.override(retries=1, retry_exit_codes=[0, 255, {number}])([1])\n'
    [line] = found(body, tmp_path)
    assert line.startswith("INVALID_RETRIES at `retry_exit_codes=")
    assert line.endswith(f": exit codes are whole numbers from 0 to 255, and {number} is none")


@pytest.mark.parametrize(
    ("dag", "override", "message", "hint"),
    [
        ("", "taskid='a'", "there is no option 'taskid'", "did you mean 'task_id'?"),
        (", tags='a'", "", "tags='a': it takes a list", "write tags=['a']"),
        ("", "retry_exit_codes=3", "retry_exit_codes=3: it takes a list", "write retry_exit_codes=[3]"),
    ],
)
def test_a_wrong_option_is_told_with_the_right_one(dag, override, message, hint, tmp_path):
    body = f'with DAG("x"{dag}):\n    total.override({override})([1])\n'
    [finding] = analyzed(body, tmp_path).diagnostics
    assert (finding.message, finding.hint) == (message, hint)
