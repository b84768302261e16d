"""Checks of the graph that are about a task's own text and names."""

import pytest
from dags import analyzed, found


def shell(text, signature="", call="say()"):
    return f'@task.shell(image="i")\ndef say({signature}): return {text!r}\nwith DAG("x"):\n    {call}\n'


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (shell("echo $nope"), "UNDECLARED_VARIABLE at `$nope`: nothing sets $nope in say"),
        (
            shell("echo", "PATH=1"),
            "INVALID_PARAMETER_NAME at `PATH`: 'PATH' of say cannot be a variable of the task",
        ),
        (
            shell("echo", "größe=1"),
            "INVALID_PARAMETER_NAME at `größe`: 'größe' of say cannot be a variable of the task",
        ),
        (
            shell("echo $x", "x", "say('\\0')"),
            "UNSAFE_STRING at `say('\\0')`: x of say holds a NUL character, which no environment "
            "variable can",
        ),
        (
            '@task.shell(image="i")\ndef say(x): return f"echo {x}"\nwith DAG("x"):\n    say(1)\n',
            "SHELL_BODY at `f\"echo {x}\"`: the value of 'x' is known only when the task runs, not while "
            "its text is built",
        ),
        (
            '@task.shell(image="i")\ndef say(): return str(1 / 0)\nwith DAG("x"):\n    say()\n',
            "BODY_RAISED at `1 / 0`: the body of say raised ZeroDivisionError: division by zero",
        ),
        (
            '@task.shell\ndef say(): return "echo"\nwith DAG("x"):\n    say()\n',
            "MISSING_IMAGE at `say()`: say names no image",
        ),
        ('with DAG("x"): pass\n', """EMPTY_DAG at `DAG("x")`: the DAG 'x' has no nodes"""),
        (
            'with DAG("x"):\n    Files("data/*.tif") >> measure; Files("data/a.tif") >> measure()\n',
            "BARE_AND_CALLED at `measure()`: measure is used both bare and called, which makes two nodes",
        ),
    ],
)
def test_a_check_points_at_the_authors_words(body, after, tmp_path):
    assert found(body, tmp_path) == [after]


@pytest.mark.parametrize(
    "text",
    ["x=1; echo $x", "for f in *; do echo $f; done", "echo ${nope:-}", "echo $HOME $INPUT_FILE_", "# $nope"],
)
def test_a_variable_that_something_sets_is_no_finding(text, tmp_path):
    lines = found(shell(text.replace("_", "")) if "HOME" not in text else shell("echo $HOME"), tmp_path)
    assert lines == []


def test_all_problems_are_found_at_once(tmp_path):
    body = 'with DAG("x"):\n    total(); Files("no/*") >> clean; total([1], limt=1)\n'
    assert [line.partition(" ")[0] for line in found(body, tmp_path)] == [
        "MISSING_ARGUMENT",
        "NO_MATCH",
        "UNKNOWN_ARGUMENT",
    ]


BAD_NAME = b"data/\xff.tif".decode(errors="surrogateescape")
NO_NUL = "holds a NUL character, which no environment variable can"


@pytest.mark.parametrize(
    ("chain", "files", "place", "message"),
    [
        ('Files("data/*.tif") >> clean >> warp', [BAD_NAME], 'Files("data/*.tif")',
         "the name of 'data/\\xff.tif' is not UTF-8"),
        ('Files("data/*.tif") >> clean >> Repartition(count=1) >> warp', [BAD_NAME, f"{BAD_NAME}.tif"],
         'Files("data/*.tif")', "the name of 'data/\\xff.tif', and of 1 more, is not UTF-8"),
        ('Files("data/{k}.tif") >> [clean, say, say()]', [BAD_NAME], 'Files("data/{k}.tif")',
         "the name of 'data/\\xff.tif' is not UTF-8"),
        ('Files("data/*.tif") >> [clean, warp]', ["data/{{.tif"], 'Files("data/*.tif")',
         "the file 'data/{{.tif' is an artifact, and Argo has no escape for {{ in the name of one"),
        ('Items([{"k": "a"}, {"k": "\0"}]) >> [say, say()]', [], r'Items([{"k": "a"}, {"k": "\0"}])',
         f"k of item 1 {NO_NUL}"),
        ('Items(["\0"]) >> [each, each()]', [], r'Items(["\0"])', f"item 0 {NO_NUL}"),
        ("say.override(env={'A': '\0'}).expand(k=['a'])", [], r"env={'A': '\0'}",
         f"the variable A in env= {NO_NUL}"),
        ("nul() >> nul()", [], r'"a\0"', f"the text of nul {NO_NUL}"),
    ],
)  # fmt: skip
def test_a_text_that_several_tasks_cannot_take_is_told_once_where_it_stands(
    chain, files, place, message, tmp_path
):
    body = f"""
@task.shell(image="i")
def say(k): return "echo $k"
@task.shell(image="i")
def each(): return "echo $ITEM"
@task.shell(image="i")
def nul(): return "a\0"
with DAG("x"):
    {chain}
"""
    (tmp_path / "data").mkdir()
    for name in files:
        (tmp_path / name).touch()
    [line] = [line for line in found(body.replace("\0", "\\0"), tmp_path) if "UNSAFE" in line]
    assert line == f"UNSAFE_STRING at `{place}`: {message}"


def test_source_files_of_two_sources_reach_no_folder_through_tasks_that_write_none(tmp_path):
    body = (
        '@task.shell(image="i")\ndef one(): return "cat $INPUT_FILE"\n'
        '@task.shell(image="i")\ndef two(): return "cat $INPUT_FILE"\n'
        '@task.shell(image="i")\ndef every(): return "ls $INPUT_DIR"\n'
        'with DAG("x"):\n    [Files("data/*.tif") >> one, Files("data/a.tif") >> two] >> every\n'
    )
    after = "files of Files and Files-2 reach every through tasks that write none"
    assert found(body, tmp_path) == [f"NO_COMMON_SOURCE at `every`: {after}"]


@pytest.mark.parametrize("signature", ["PATH: InFile", "IFS: OutFile", "LD_X: InDir"])
def test_a_file_parameter_becomes_a_variable_too(signature, tmp_path):
    name = signature.partition(":")[0]
    lines = found(shell("true", signature, "Files('data/*.tif') >> say"), tmp_path)
    message = f"INVALID_PARAMETER_NAME at `{name}"
    assert [line for line in lines if line.startswith(message)], lines


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("@task\ndef b(größe): return größe\nwith DAG('x'):\n    b(total([1]))\n", "größe"),
        (
            "@task\ndef b(größe: InFile): return 1\nwith DAG('x'):\n    Files('data/*.tif') >> b\n",
            "größe: InFile",
        ),
        (shell("echo $x", "x=1").replace('image="i"', 'image="i", env={"x": "2"}'), "x"),
    ],
)
def test_a_name_that_a_manifest_cannot_hold_is_pointed_at(body, name, tmp_path):
    [line] = found(body, tmp_path)
    assert line.startswith(f"INVALID_PARAMETER_NAME at `{name}`")


def test_a_python_parameter_may_have_any_letters_where_its_value_is_known(tmp_path):
    assert found("@task\ndef b(größe): return größe\nwith DAG('x'):\n    b(1)\n", tmp_path) == []


def test_a_variable_that_nothing_sets_is_found_in_an_argv_too(tmp_path):
    body = """
@task.container(image="i")
def run(crs): return ["gdal", "$(crs)", "$(INDEX)", "$(OWN)", "--nope=$(cr)"]
with DAG("x"):
    run.override(env={"OWN": "1"})(3)
"""
    [line] = found(body, tmp_path)
    assert line.endswith("nothing sets $(cr) in run")


@pytest.mark.parametrize("rule", ["one_success", "all_done_min_one_success", "none_failed_min_one_success"])
def test_a_rule_that_forgives_one_arm_needs_a_default_for_its_value(rule, tmp_path):
    body = f"""
@task(trigger_rule="{rule}")
def late(x, y): return x
with DAG("x"):
    n = total([1])
    late(show.override(task_id="a", each="all")(1).when(n > 1), show.override(task_id="b", each="all")(1))
"""
    lines = found(body, tmp_path)
    assert lines
    assert all(line.startswith("SKIPPABLE_VALUE") for line in lines)


def test_a_value_is_there_if_its_node_is_the_one_that_must_succeed(tmp_path):
    body = """
@task(trigger_rule="one_success")
def late(x): return x
with DAG("x"):
    late(show.override(each="all")(1).when(total([1]) > 1))
"""
    assert found(body, tmp_path) == []


def test_a_variable_that_is_a_key_becomes_one_by_its_parameter(tmp_path):
    [finding] = analyzed(shell("echo $site", "", 'Items([{"site": 1}]) >> say'), tmp_path).diagnostics
    assert finding.message == "nothing sets $site in say"
    assert finding.hint == "site is a key of the items; add the parameter site to the function"


def test_an_edge_to_itself_is_told_apart_from_the_knot_around_it(tmp_path):
    two = "@task\ndef a(): return 1\n@task\ndef b(): return 1\n"
    assert found(two + 'with DAG("x"):\n    a >> b >> a\n    a >> a\n', tmp_path) == [
        "DEPENDENCY_CYCLE at `a >> b`: nodes wait for one another: a → b → a",
        "SELF_EDGE at `a >> a`: a waits for itself",
    ]


@pytest.mark.parametrize(
    ("size", "call", "hint"),
    [
        (1, "total([1])", 'let a task reduce them to one value, or map too: n >> total, each="item"'),
        (2, "total([1])", "let a task reduce them to one value, or map both over one source with size=1"),
        (2, "n >> show", "let a task reduce them to one value, or map both over one source with size=1"),
    ],
)
def test_the_hint_for_a_condition_on_many_values_is_what_is_not_so_yet(size, call, hint, tmp_path):
    head = f'with DAG("x"):\n    n = Range(4, size={size}) >> show.override(task_id="n")\n'
    body = f'{head}    ({call}).when(n["a"])\n'
    [finding] = analyzed(body.replace("(n >> show).when", "n >> show.when"), tmp_path).diagnostics
    assert (finding.code.name, finding.hint) == ("CONDITION_VALUE", hint)
