"""Commands over files, folders and DAGs, from argv to what is printed."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from dsl.cli import exit_code
from dsl.stages import files_to_check

FLOW = """\
from dsl import DAG, Items, task


@task
def measure(item) -> int:
    return item * 2


@task
def total(sizes: list[int], limit: int, title="") -> dict:
    return {"sum": sum(sizes), "ok": sum(sizes) < limit}


with DAG("sea-ice", params={"limit": 100, "title": "ice"}) as dag:
    total(Items([1, 2, 3], size=2) >> measure, dag.params.limit, dag.params.title)
"""
WARNED = FLOW.replace("    total(", "    measure(4)\n    total(")
SECOND = '\nwith DAG("other"):\n    Items(["a"]) >> measure\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dsl(here, capfd):
    def run(*arguments):
        capfd.readouterr()
        code = exit_code(list(arguments))
        return Result(code, *capfd.readouterr())

    return run


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def written(text, name="flow.py"):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_a_folder_means_its_python_files_that_mention_dsl(here):
    for name in ("b.py", "a.py", "deep/c.py", ".hidden/d.py", "__pycache__/e.py", "f.txt"):
        written("import dsl\n", f"flows/{name}")
    written("dslx = 1\n", "flows/g.py")
    assert files_to_check(["flows"]) == {"flows/a.py": True, "flows/b.py": True, "flows/deep/c.py": True}
    assert files_to_check(["flows/g.py", "flows/a.py"]) == {"flows/g.py": False, "flows/a.py": False}


def test_validate_says_when_there_is_nothing_to_say(dsl):
    result = dsl("validate", written(FLOW))
    assert (result.returncode, result.stdout, result.stderr) == (0, "1 file: no problems\n", "")


def test_validate_reports_files_in_order_and_every_dag(dsl):
    written(FLOW, "flows/a.py")
    written(FLOW + SECOND.replace("measure", "measur"), "flows/b.py")
    written("from dsl import (\n", "flows/c.py")
    written("from dsl import task\n", "flows/shared.py")
    result = dsl("validate", "flows")
    heads = [line.split(" ")[0:2] for line in result.stdout.splitlines() if "error[" in line]
    assert heads == [["flows/b.py:18:21:", "error[DSL104]:"], ["flows/c.py:1:17:", "error[DSL103]:"]]
    assert result.stdout.endswith("2 errors in 4 files\n")
    assert result.returncode == 1


def test_a_warning_fails_only_under_strict(dsl):
    path = written(WARNED.replace("    measure(4)\n", "    measure(4)\n    measure\n"))
    relaxed = dsl("validate", path, "--format", "json")
    found = json.loads(relaxed.stdout)["diagnostics"]
    assert relaxed.returncode == 0
    assert [each["severity"] for each in found] == ["warning"] * len(found)
    assert dsl("validate", path, "--strict").returncode == int(bool(found))


def test_compile_prints_only_the_manifest(dsl):
    result = dsl("compile", written("print('noise')\n" + FLOW), "--format", "json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["kind"] == "Workflow"
    assert result.stderr == "noise\n"


def test_compile_makes_the_same_bytes_every_time(dsl):
    path = written(FLOW)
    assert dsl("compile", path).stdout == dsl("compile", path).stdout != ""


def test_compile_writes_a_file_and_explains(dsl):
    result = dsl("compile", written(FLOW), "-o", "out.yaml", "--explain", "--kind", "WorkflowTemplate")
    assert result.returncode == 0, result.stderr
    assert "kind: WorkflowTemplate" in Path("out.yaml").read_text()
    assert result.stdout.strip()


def test_a_parameter_of_the_run_is_set(dsl):
    path = written(FLOW)
    result = dsl("compile", path, "-p", "limit=7", "-p", "title=a=b", "--format", "json")
    parameters = json.loads(result.stdout)["spec"]["arguments"]["parameters"]
    values = {parameter["name"]: parameter.get("value") for parameter in parameters}
    assert values["limit"] == "7"
    assert values["title"] == "a=b"
    wrong = dsl("compile", path, "-p", "limmit=7")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "the run has no parameter limmit; it has: limit, title" in wrong.stderr
    assert "limit takes JSON" in dsl("compile", path, "-p", "limit=many").stderr


def test_a_file_with_several_dags_asks_for_one(dsl):
    path = written(FLOW + SECOND)
    for command in ("compile", "graph", "plan", "run"):
        result = dsl(command, path)
        assert result.returncode == 2
        assert "several DAGs: sea-ice, other; choose one with --dag" in result.stderr
    assert dsl("graph", path, "--dag", "nobody").returncode == 2
    assert dsl("graph", path, "--dag", "other").stdout.startswith("other\n")


def test_an_error_prevents_every_result(dsl):
    path = written(FLOW.replace("params={", "parameters={").replace("dag.params.limit", "3"))
    for command in ("compile", "graph", "plan", "run"):
        result = dsl(command, path)
        assert (result.returncode, result.stdout) == (1, "")
        assert "error[DSL" in result.stderr


def test_a_plan_has_the_documented_form(dsl):
    plan = json.loads(dsl("plan", written(FLOW), "--format", "json").stdout)
    assert plan["dag"] == "sea-ice"
    measure = next(node for node in plan["nodes"] if node["id"] == "measure")
    assert (measure["each"], measure["partitions"], measure["pods"]) == ("item", 2, 2)
    joins = [(edge["to"], edge["join"], edge["carries"]) for edge in plan["edges"]]
    assert ("total", "gather", "value") in joins


@pytest.mark.parametrize("form", ["tree", "mermaid", "dot", "json"])
def test_every_drawing_names_every_node(dsl, form):
    text = dsl("graph", written(FLOW), "--format", form).stdout
    assert "measure" in text
    assert "total" in text


def test_a_run_prints_its_results(dsl):
    result = dsl("run", written(FLOW), "--out", "out", "--json", "--quiet", "-p", "limit=5")
    assert result.returncode == 0, result.stderr
    results = json.loads(result.stdout)
    assert results["phase"] == "Succeeded"
    assert results["tasks"]["measure"]["value"] == [2, 4, 6]
    assert results["tasks"]["total"]["value"] == {"sum": 12, "ok": False}
    assert json.loads(Path("out/results.json").read_text()) == results


def test_a_run_shows_its_tasks_and_keeps_the_latest(dsl):
    result = dsl("run", written(FLOW))
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["measure", "Succeeded", "2", "2"] in rows
    assert Path(".argosy/sea-ice/latest/results.json").exists()
    assert "measure: 2/2" in result.stderr


def test_a_run_takes_the_folder_of_a_former_run_and_no_other(dsl):
    path = written(FLOW)
    assert dsl("run", path, "--out", "out").returncode == 0
    assert dsl("run", path, "--out", "out").returncode == 0
    written("mine", "other/file.txt")
    result = dsl("run", path, "--out", "other")
    assert (result.returncode, result.stdout) == (2, "")
    assert "other is not empty and holds no run; choose another folder" in result.stderr
    result = dsl("run", path, "--out", "flow.py/out")
    assert (result.returncode, result.stdout) == (2, "")
    assert "Not a directory" in result.stderr


def test_a_failed_run_is_1_and_says_where_the_log_is(dsl):
    result = dsl("run", written(FLOW.replace("item * 2", "item / 0")), "--out", "out")
    assert result.returncode == 1
    assert "failed" in result.stdout.splitlines()[-1]
    assert "; log: " in result.stderr


def test_a_quiet_run_is_silent_but_for_what_failed(dsl):
    path = written(FLOW)
    assert dsl("run", path, "--quiet") == (0, "", "")
    result = dsl("run", written(FLOW.replace("item * 2", "item / 0")), "--quiet")
    assert (result.returncode, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert len([line for line in lines if line.startswith("measure (main/") and "; log: " in line]) == 2
    assert any("ZeroDivisionError: division by zero" in line for line in lines)
    assert lines[-2].startswith("failed")
    assert lines[-1].endswith("--resume` goes on; what succeeded is not repeated")
    assert not any(line.startswith(("measure: ", "total: ")) for line in lines)


@pytest.mark.parametrize("options", [["--quiet"], ["--json"], []])
def test_a_condition_that_has_no_value_is_told(dsl, options):
    text = (
        FLOW.replace("    total(", "    out = total(")
        + '    total.partial(limit=1)([1]).when(out["ok"] < "a")\n'
    )
    result = dsl("run", written(text), *options)
    assert result.returncode == 1
    told = [line for line in result.stderr.splitlines() if "main/total-2 error: " in line]
    words = "main/total-2 error: failed to evaluate expression: invalid operation: bool < string (1:62)"
    assert [line[: len(words)] for line in told] == [words]


def test_a_compiled_manifest_runs_as_its_dag_does(dsl):
    for form in ("yaml", "json"):
        dsl("compile", written(FLOW), "-o", f"flow.{form}", "--format", form)
        results = json.loads(dsl("run", f"flow.{form}", "--json", "--quiet").stdout)
        assert results["tasks"]["total"]["value"] == {"sum": 12, "ok": True}


def test_a_manifest_that_is_none_is_refused(dsl):
    assert dsl("run", written("- a\n", "flow.yaml")).returncode == 1
    assert dsl("run", written("", "flow.yaml")).returncode == 1
    assert dsl("run", "nowhere.yaml").returncode == 1
