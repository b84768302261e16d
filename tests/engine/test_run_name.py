"""The name of a run: its own, valid in Kubernetes, kept when it is taken up; what it leaves lies below it."""

import json
import re
import subprocess
import sys
import time

import pytest
from engine.manifests import dag, ran, task, workflow

from dsl.cli import exit_code
from dsl.engine import Resume, RunOptions, fresh_name, run
from dsl.page import page
from tests.harness import write

VOLUME = """
import json, pathlib
from dsl import Volume

@task.shell(image="busybox:1", output="{index}-{item}.txt")
def make(item):
    return 'echo "$item" > "$OUTPUT_FILE"'

@task.shell(image="busybox:1", output="all.txt")
def gather():
    return 'ls "$INPUT_DIR" > "$OUTPUT_FILE"; echo "$RUN_ID" > "$RESULT_FILE"'

with DAG("v", storage=Volume("claim")):
    Items(json.loads(pathlib.Path(__file__).with_name("items.json").read_text()), size=1) >> make >> gather
"""
SHOW = {
    "name": "show",
    "script": {
        "image": "busybox:1", "command": ["sh"],
        "source": "echo {{workflow.name}} {{workflow.uid}} $ARGO_WORKFLOW_NAME",
    },
}  # fmt: skip


def showing(kind="Workflow", **metadata):
    main = dag("main", task("show"), task("last", "show", "show"), outputs={
        "o": {"parameter": "{{tasks.show.outputs.result}}"}})  # fmt: skip
    manifest = workflow(main, SHOW, kind=kind)
    if kind == "CronWorkflow":
        manifest["spec"] = {"schedules": ["* * * * *"], "workflowSpec": manifest["spec"]}
    return {**manifest, "metadata": metadata}


def shown(manifest, out, **options):
    """Run, and return the name of the run, which is everywhere the same, and its uid."""
    outcome, _ = ran(manifest, out, **options)
    name, uid, set_in_pod = outcome.nodes["main"].outputs["o"].split()
    assert name == outcome.name == set_in_pod == json.loads((out / "results.json").read_text())["run"]
    return name, uid


@pytest.fixture
def dsl(capfd):
    def call(*arguments):
        code = exit_code(["run", *arguments, "--json", "--quiet"])
        said = capfd.readouterr()
        assert code == 0, said.err
        return json.loads(said.out)

    return call


def test_two_runs_on_one_volume_find_nothing_of_each_other(tmp_path, monkeypatch, dsl):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, VOLUME, "v.py")
    (tmp_path / "store").mkdir()
    found, ids = [], []
    for items in ("abc", "xy"):
        (tmp_path / "items.json").write_text(json.dumps(list(items)))
        results = dsl("v.py", "--mount", "claim=store")
        [gathered] = tmp_path.glob(".argosy/v/latest/gather/*")
        found.append(gathered.read_text().split())
        ids.append(results["run"])
        assert results["tasks"]["gather"]["value"] == results["run"]
    assert found == [["0-a.txt", "1-b.txt", "2-c.txt"], ["0-x.txt", "1-y.txt"]]
    assert len(set(ids)) == 2
    assert {path.name for path in (tmp_path / "store").iterdir()} == set(ids)


def test_latest_is_the_run_that_was_begun_last_until_it_is_removed(tmp_path, monkeypatch, dsl):
    monkeypatch.chdir(tmp_path)
    waiting = {"command": ["sh", "-c", "until [ -e %s ]; do sleep 0.05; done" % (tmp_path / "go")]}
    for name, container in {"long": waiting, "short": {"command": ["true"]}}.items():
        leaf = {"name": "main", "container": {"image": "busybox:1", **container}}
        manifest = {**workflow(leaf), "metadata": {"generateName": "ice-"}}
        (tmp_path / f"{name}.json").write_text(json.dumps(manifest))
    latest = tmp_path / ".argosy/ice/latest"
    with subprocess.Popen([sys.executable, "-m", "dsl", "run", "long.json", "--quiet"]) as long:
        while not latest.exists():
            time.sleep(0.05)
        first = latest.resolve()
        dsl("short.json")
        second = latest.resolve()
        (tmp_path / "go").touch()
        assert long.wait() == 0
    assert first != second == latest.resolve()
    dsl("long.json", "--keep", "1")
    assert latest.resolve().is_dir()
    assert {first, second}.isdisjoint({latest.resolve()})


def test_a_run_has_one_name_in_its_results_its_folder_its_report_and_the_list(tmp_path, monkeypatch, dsl):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text(json.dumps(showing(generateName="ice-")))
    name = dsl("w.json")["run"]
    [listed] = dsl("--list")
    assert (listed["dag"], listed["run"], listed["folder"]) == ("ice", name, f".argosy/ice/{name}")
    assert f'"run":"{name}"' in page(tmp_path / ".argosy/ice/latest")
    assert dsl("w.json", "--resume", name)["run"] == name
    assert dsl("w.json")["run"] != name


def test_a_run_that_is_taken_up_keeps_its_name(tmp_path):
    manifest, out = showing(generateName="ice-"), tmp_path / "out"
    first = shown(manifest, out)
    again = run(manifest, RunOptions(out, resume=Resume(), name="other"))
    assert (again.name, again.taken) == (first[0], 2)
    assert shown(manifest, out, resume=Resume(force=True)) == first
    assert shown(manifest, out)[0] != first[0]


def test_a_workflow_that_has_a_name_keeps_it_and_has_an_uid_of_its_own(tmp_path):
    names, uids = zip(*(shown(showing(name="wf"), tmp_path / n, name="other") for n in "ab"), strict=True)
    assert names == ("wf", "wf")
    assert uids[0] != uids[1]


@pytest.mark.parametrize("kind", ["WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"])
def test_what_is_run_more_than_once_gives_each_run_a_name(kind, tmp_path):
    names = [shown(showing(kind, name="nightly"), tmp_path / each)[0] for each in "ab"]
    assert names[0] != names[1]
    assert all(re.fullmatch(r"nightly-\d{8}-\d{6}-\w{6}", name) for name in names)


@pytest.mark.parametrize(
    "metadata", [{"generateName": "ice-"}, {"generateName": f"{'long-' * 20}"}, {"name": "x" * 63}, {}, None]
)
def test_a_name_that_is_made_up_is_valid_in_kubernetes(metadata):
    name = fresh_name({"metadata": metadata})
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 63
    assert name != fresh_name({"metadata": metadata})


def test_a_name_that_is_a_path_makes_no_folder_elsewhere(tmp_path, monkeypatch, dsl):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text(json.dumps(showing(generateName="../../x-")))
    dsl("w.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".argosy", "w.json"]
