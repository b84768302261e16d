"""The page of a run: which facts it shows, and that it shows them as facts whatever they say."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from engine.manifests import NOP, dag, leaf, ran, task, workflow
from hypothesis import given
from hypothesis import strategies as st

from dsl.cli import dsl
from dsl.engine import RunOptions, run
from dsl.engine.definition import read_definition
from dsl.engine.graph import make_graph
from dsl.page import embedded, facts, page
from tests.harness import BOTH, compile_file, write

ROOT = Path(__file__).parents[1]


def graph_of(*templates, **spec):
    graph = make_graph(read_definition(workflow(*templates, **spec)))
    return [f"{before} > {after}" for before, after in graph.edges]


def leaves(*names):
    return [leaf(name, ":") for name in names]


# --- the graph ---


@BOTH
def test_the_graph_of_a_dag_is_what_its_author_chained(lowering):
    path = ROOT / "examples/three_stages.py"
    graph = make_graph(read_definition(compile_file(path, lowering)))
    assert graph.functions == ("words", "long_words", "alphabetical")
    assert graph.edges == (("words", "long_words"), ("long_words", "alphabetical"))


def test_templates_without_a_process_are_looked_through():
    inner, wait = dag("inner", task("b"), task("nop")), task("wait", "nop", "a")
    main = dag("main", task("a"), wait, task("inner", None, "wait"), task("c", None, "inner"))
    assert graph_of(main, inner, NOP, *leaves("a", "b", "c")) == ["a > b", "a > c", "b > c"]


def test_steps_wait_for_the_group_before():
    main = {"name": "main", "steps": [[task("a"), task("b")], [task("nop")], [task("c"), task("d", "a")]]}
    assert graph_of(main, NOP, *leaves("a", "b", "c")) == ["a > c", "b > a", "b > c"]


def test_a_template_that_calls_itself_has_an_end():
    again = dag("again", task("a"), task("again", None, "a", when="false"), task("b", None, "again"))
    main = dag("main", task("again"))
    assert graph_of(main, again, *leaves("a", "b")) == ["a > b"]


def test_templates_deeper_than_argo_calls_them_are_left_out():
    chain = [dag(f"d{n}", task(f"d{n + 1}")) for n in range(2000)]
    main = dag("main", task("a"), task("d0", None, "a"), task("d1990", None, "d0"))
    assert graph_of(main, *chain, *leaves("a", "d2000")) == ["a > d2000"]


def test_what_nothing_calls_is_no_function_of_the_run_and_an_exit_handler_is_one():
    definition = read_definition(workflow(dag("main", task("a")), *leaves("a", "b", "c"), onExit="c"))
    assert make_graph(definition).functions == ("a", "c")


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1])))
def test_of_plain_tasks_the_graph_is_what_they_depend_on(pairs):
    names = "abcdefgh"
    tasks = [
        task(name, None, " && ".join(names[one] for one, other in sorted(pairs) if other == place))
        for place, name in enumerate(names)
    ]
    expected = sorted(f"{names[one]} > {names[other]}" for one, other in pairs)
    assert graph_of(dag("main", *reversed(tasks)), *leaves(*names)) == expected


# --- the facts ---

INDEX = {"index": "{{item}}"}


@pytest.fixture
def failed(tmp_path):
    """Return the folder of a run in which partition 1 fails once, and partition 2 twice and for good."""
    source = (
        'mkdir out; echo x$INDEX > out/$INDEX; echo "said $INDEX"; [ $INDEX = 0 ] || [ $INDEX$ATTEMPT = 11 ]'
    )
    attempt = {"name": "ATTEMPT", "value": "{{retries}}"}
    flaky = leaf("a", source, env=[attempt], retryStrategy={"limit": "1"})
    main = dag("main", task("a", withItems=[0, 1, 2], parameters=INDEX), task("b", None, "a"))
    out = tmp_path / ".argosy" / "wf" / "one"
    ran(workflow(main, flaky, leaf("b", ":")), out)
    return out


def test_a_pod_has_a_row_for_each_attempt_and_one_that_did_not_run_has_one(failed):
    found = facts(failed)
    rows = [(found["functions"][row[0]]["name"], *row[1:5]) for row in found["pods"]]
    assert sorted(rows) == [
        ("a", "a(0:0)", 1, "Succeeded", "0"),
        ("a", "a(1:1)", 1, "Retried", "1"),
        ("a", "a(1:1)", 2, "Succeeded", "0"),
        ("a", "a(2:2)", 1, "Retried", "1"),
        ("a", "a(2:2)", 2, "Failed", "1"),
        ("b", "b", 0, "Omitted", ""),
    ]
    assert all(0 <= row[-2] <= row[-1] < 60_000 for row in found["pods"])


def test_functions_have_their_states_files_and_the_lines_of_those_that_failed_for_good(failed):
    found = facts(failed)
    assert (found["dag"], found["run"], found["phase"], found["edges"]) == ("wf", "one", "Failed", [[0, 1]])
    assert [(fn["name"], fn["state"], fn["files"], fn["bytes"]) for fn in found["functions"]] == [
        ("a", "Failed", 2, 6),
        ("b", "Omitted", 0, 0),
    ]
    [(place, lines)] = found["logs"].items()
    assert found["pods"][place][1:3] == ["a(2:2)", 2]
    assert lines == "said 2"


def test_of_a_long_log_the_end_is_shown_and_of_many_failures_the_first_of_each_function(tmp_path):
    noisy = leaf("a", "seq 1000000; exit 1")
    main = dag("main", task("a", withItems=list(range(25)), parameters=INDEX), task("b", parameters=INDEX))
    main["dag"]["tasks"][1]["arguments"]["parameters"][0]["value"] = "0"
    ran(workflow(main, noisy, leaf("b", "exit 1")), tmp_path)
    found = facts(tmp_path)
    shown = [found["functions"][found["pods"][place][0]]["name"] for place in found["logs"]]
    assert (shown.count("a"), shown.count("b")) == (20, 1)
    assert found["logs"][0].splitlines() == [str(n) for n in range(999_961, 1_000_001)]


def test_a_manifest_of_others_has_its_templates_as_functions(tmp_path):
    plain = {"name": "x", "container": {"image": "i", "command": ["sh", "-c", "exit 3"]}}
    ran(workflow(dag("main", task("one", "x"), task("two", "x")), plain), tmp_path)
    found = facts(tmp_path)
    assert [(fn["name"], fn["state"]) for fn in found["functions"]] == [("x", "Failed")]
    assert [row[4:6] for row in found["pods"]] == [["3", "main: Error (exit code 3)"]] * 2


def test_what_failed_without_a_pod_is_there_and_what_failed_by_one_below_it_is_not(tmp_path):
    once = {"parameters": {"index": "0"}}
    outputs = {"o": {"parameter": "{{tasks.a.outputs.parameters.x}}"}}
    faulty, inner = dag("faulty", task("a", **once), outputs=outputs), dag("inner", task("b", **once))
    main = dag("main", task("x", "inner", withParam="{}"), task("y", "faulty"), task("z", "inner"))
    main["dag"]["failFast"] = False
    ran(workflow(main, faulty, inner, leaf("a", ":"), leaf("b", "exit 1")), tmp_path)
    found = facts(tmp_path)
    rows = [(found["functions"][fn]["name"], *row) for fn, *row in found["pods"]]
    assert {row[1]: (row[0], *row[2:4], row[5][:25]) for row in rows} == {
        "x": ("inner", 0, "Error", "withParam value could not"),
        "y": ("faulty", 0, "Error", "task 'wf.y' errored: Unab"),
        "y/a": ("a", 1, "Succeeded", ""),
        "z/b": ("b", 1, "Failed", "main: Error (exit code 1)"),
    }


def test_what_the_compiler_adds_to_end_as_tasks_do_is_no_pod(tmp_path):
    text = """
@task
def bad():
    raise ValueError

@task(trigger_rule="one_failed")
def alarm():
    pass

@task
def never():
    pass

with DAG("A {{title}}"):
    bad >> [alarm, never]
"""
    run(compile_file(write(tmp_path, text)), RunOptions(tmp_path / "out"))
    found = facts(tmp_path / "out")
    assert found["dag"] == "A {{title}}"
    assert [fn["name"] for fn in found["functions"]] == ["bad", "alarm", "never"]
    assert {(row[1], row[2], row[3]) for row in found["pods"]} == {
        ("bad", 1, "Failed"), ("alarm", 1, "Succeeded"), ("never", 0, "Omitted")
    }  # fmt: skip


@pytest.fixture
def at_work(failed):
    """Return the folder of that run as if it were at work, when all but `b` has ended."""
    for name in ("results.json", "status.json", ".argosy/timeline.json"):
        (failed / name).unlink()
    return failed


def pods_in(found):
    return sorted((found["functions"][row[0]]["name"], *row[1:5]) for row in found["pods"])


def test_a_run_at_work_shows_its_graph_and_what_has_ended(at_work):
    found = facts(at_work)
    assert (found["phase"], found["ended"], found["edges"]) == ("", None, [[0, 1]])
    assert pods_in(found) == [
        ("a", "a(0:0)", 1, "Succeeded", "0"),
        ("a", "a(1:1)", 1, "Retried", "1"),
        ("a", "a(1:1)", 2, "Succeeded", "0"),
        ("a", "a(2:2)", 1, "Retried", "1"),
        ("a", "a(2:2)", 2, "Failed", "1"),
    ]
    assert [fn["state"] for fn in found["functions"]] == ["Failed", ""]
    assert [lines.startswith("said 2") for lines in found["logs"].values()] == [True]
    start, end = found["pods"][0][-2:]
    assert 0 <= start < end < 60_000


def test_a_run_that_was_taken_up_shows_no_former_failure(at_work):
    with (at_work / ".argosy/journal.jsonl").open("a") as journal:
        journal.write('{"began":1.0,"parameters":{}}\n')
    found = facts(at_work)
    assert pods_in(found) == [("a", "a(0:0)", 1, "Succeeded", "0"), ("a", "a(1:1)", 2, "Succeeded", "0")]
    assert [fn["state"] for fn in found["functions"]] == ["", ""]


# --- what the run says is data ---


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.block, self._inside = [], "", False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._inside = ("id", "run") in attributes

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, text):
        self.block += text if self._inside else ""


HOSTILE = st.text() | st.sampled_from(
    [
        "</script>",
        "<!--<script>",
        "]]>",
        "<img src=x>",
        "\u2028",
        "\u202e",
        "\0",
        "&lt;",
        "'\"`",
        "\ud800",
    ]
)


@given(st.recursive(HOSTILE, lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner)))
def test_what_is_embedded_comes_back_and_ends_no_element(value):
    html = Elements(f'<p><script type="application/json" id="run">{embedded(value)}</script></p>')
    assert html.tags == ["p", "script"]
    assert json.loads(html.block) == value


def test_a_page_is_one_file_that_names_no_other(failed):
    text = page(failed)
    assert text.isascii()
    html = Elements(text)
    assert html.tags.count("script") == 2
    assert not {"link", "img", "iframe", "object", "base"} & set(html.tags)
    assert not re.findall(r"\b(?:src|href)=(?!\"#)|@import|url\(|https?://(?!www\.w3\.org/2000/svg)", text)


# --- the command ---


def told(*arguments):
    return CliRunner().invoke(dsl, ["report", *map(str, arguments)])


def test_the_report_of_the_latest_run_is_written_into_its_folder(failed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = told()
    assert result.output == ".argosy/wf/one/report.html\n"
    assert Path(result.output.strip()).read_text() == page(failed)
    ran(workflow(dag("main", task("nop")), NOP), failed)
    assert not (failed / "report.html").exists()


def test_a_report_goes_where_it_is_sent(failed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told("one", "--out", "-").output == page(failed)
    assert told(failed, "--out", "x.html").output == "x.html\n"
    assert Path("x.html").read_text() == page(failed)
    assert not (failed / "report.html").exists()


FILES = ("results.json", "status.json", ".argosy/timeline.json", ".argosy/graph.json")
DAMAGED = [
    *((name, text) for name in FILES for text in ("", "{", "[]", "[" * 100_000)),
    *((name, "{}") for name in FILES[1:]),
    *((name, '{"nodes": 1}') for name in FILES[1:]),
    ("results.json", '{"tasks": [1]}'),
    ("status.json", '{"nodes": {"main": {"type": "Pod"}}, "phase": "Failed", "message": ""}'),
    (".argosy/timeline.json", '{"startedAt": "soon", "nodes": {}}'),
    (".argosy/graph.json", '{"dag": "x", "functions": ["a"], "edges": [["a", "z"]]}'),
]


@pytest.mark.parametrize(("name", "text"), DAMAGED)
def test_a_damaged_file_is_told_of_in_one_line(name, text, failed):
    (failed / name).write_text(text)
    result = told(failed, "--out", "-")
    last = result.output.splitlines()[-1]
    assert result.exit_code == 2
    assert last.startswith("Error: ")
    assert str(failed) in last


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["oen"], "Error: there is no run oen; did you mean one?"),
        ([".argosy"], "Error: .argosy holds no run"),
        (["x" * 300], f"Error: cannot read {'x' * 300}/.argosy/run.json: File name too long"),
        (
            ["one", "--out", "nowhere/x.html"],
            "Error: cannot write nowhere/x.html: No such file or directory; `--out FILE` writes it elsewhere",
        ),
    ],
)
def test_what_cannot_be_reported_is_wrong_usage(arguments, said, failed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = told(*arguments)
    assert (result.exit_code, result.output.splitlines()[-1]) == (2, said)


def test_the_page_says_task_as_the_table_of_a_run_does(failed):
    shown = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page(failed), flags=re.DOTALL)
    assert "Tasks" in shown
    assert "unction" not in shown
