"""What a run does beside its nodes: refusing, stopping, killing, locking, telling."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from engine.manifests import NOP, dag, phases, ran, task, workflow

from dsl.engine import LeafEvent, Refused, RunOptions, Silent, run
from tests.harness import heed_signals


def script(name, source, **more):
    return {"name": name, "script": {"image": "busybox:1", "command": ["sh"], "source": source}, **more}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ({"name": "x", "http": {"url": "http://a"}}, "http template x: it works through Argo's agent"),
        (
            {"name": "x", "container": {"image": "a"}},
            "image without command of template x: only the image knows",
        ),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_name(template, reason, tmp_path):
    with pytest.raises(Refused, match=f"^not supported: {reason}"):
        run(workflow(dag("main", task("x")), template), RunOptions(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_template_that_nothing_calls_may_be_anything(tmp_path):
    outcome, _ = ran(workflow(dag("main", task("nop")), NOP, {"name": "x", "http": {}}), tmp_path)
    assert outcome.succeeded


def test_a_wait_without_end_is_an_error_that_says_why(tmp_path):
    waits = task("b", "nop", parameters={"x": "pre-{{tasks.a.outputs.parameters.x}}"})
    outcome, _ = ran(workflow(dag("main", task("a", "nop"), waits), NOP), tmp_path)
    assert outcome.phase == "Error"
    assert "main/b: failed to resolve {{tasks.a.outputs.parameters.x}}" in outcome.stuck


@pytest.mark.parametrize("kind", ["WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"])
def test_every_kind_that_carries_a_workflow_runs(kind, tmp_path):
    manifest = workflow(dag("main", task("nop")), NOP, kind=kind)
    if kind == "CronWorkflow":
        manifest["spec"] = {"schedules": ["* * * * *"], "workflowSpec": manifest["spec"]}
    assert run(manifest, RunOptions(tmp_path, name="again")).name == "again"


def test_parameters_of_the_caller_override_those_of_the_manifest(tmp_path):
    show = script("x", "echo {{workflow.parameters.a}}{{= workflow.parameters.b }} > /tmp/o")
    show["outputs"] = {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}
    manifest = workflow(show, entrypoint="x", arguments={"parameters": [{"name": "a", "value": "1"}]})
    outcome = run(manifest, RunOptions(tmp_path, parameters={"a": "2", "b": "3"}))
    assert outcome.nodes["main"].outputs == {"o": "23"}


def test_a_mutex_lets_one_in_at_a_time(tmp_path):
    log = tmp_path / "log"
    source = f"echo in >> {log}; sleep 0.05; echo out >> {log}"
    locked = script("x", source, synchronization={"mutexes": [{"name": "m"}]})
    ran(workflow(dag("main", task("x", withItems=[1, 2, 3, 4])), locked), tmp_path / "out")
    assert log.read_text().split() == ["in", "out"] * 4


def test_template_parallelism_counts_children_and_jobs_count_processes(tmp_path):
    log = tmp_path / "log"
    source = f"echo in >> {log}; sleep 0.05; echo out >> {log}"
    main = dag("main", task("x", withItems=[1, 2, 3]), parallelism=1)
    ran(workflow(main, script("x", source)), tmp_path / "out")
    assert log.read_text().split() == ["in", "out"] * 3
    log.unlink()
    ran(workflow(dag("main", task("x", withItems=[1, 2])), script("x", source)), tmp_path / "other", jobs=1)
    assert log.read_text().split() == ["in", "out"] * 2


def test_a_timeout_kills_the_whole_process_group_and_is_told_with_its_limit(tmp_path):
    slow = script("x", f"printf half; sleep 61 & echo $! $$$$ > {tmp_path}/pids; sleep 62", timeout="2s")
    outcome, tasks = ran(workflow(dag("main", task("x")), slow), tmp_path / "out")
    assert [is_gone(pid) for pid in (tmp_path / "pids").read_text().split()] == [True, True]
    assert outcome.nodes["main/x"].message == "Pod was active on the node longer than the specified deadline"
    why = "stopped after 2s by its execution_timeout= (activeDeadlineSeconds or timeout in a manifest)"
    assert (tmp_path / "out/logs/x.log").read_text() == f"half\nargosy: x: {why}\n"
    assert tasks["x"]["reason"] == why


def test_children_that_a_leaf_leaves_behind_do_not_hold_the_run(tmp_path):
    leaves = dag("main", task("x"), task("y", "nop", "x", parameters={"a": "{{tasks.x.outputs.result}}"}))
    source = f"sleep 63 & echo $! > {tmp_path}/pid; echo done"
    began = time.monotonic()
    outcome, _ = ran(workflow(leaves, script("x", source), NOP), tmp_path / "out")
    assert time.monotonic() - began < 60
    assert outcome.nodes["main/x"].result == "done"
    assert is_gone((tmp_path / "pid").read_text().strip())


def is_gone(pid):
    """Whether a process ends soon; one that only waits to be reaped has ended."""
    for _ in range(500):
        try:
            os.kill(int(pid), 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except ProcessLookupError:
            return True
        except FileNotFoundError:
            pass  # a system without /proc, or it has just ended
        time.sleep(0.02)
    return False


def test_an_exit_handler_sees_status_and_failures_once_everything_ended(tmp_path):
    source = "printf '%s %s' {{workflow.status}} '{{= fromJSON(workflow.failures) }}' > /tmp/o"
    bye = script("bye", source, outputs={"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]})
    handler = dag(
        "exit", task("bye", when="{{= workflow.status != 'Succeeded' }}"), task("ok", "nop", when="false")
    )
    manifest = workflow(dag("main", task("f")), script("f", "exit 3"), bye, handler, NOP,
                        hooks={"exit": {"template": "exit"}})  # fmt: skip
    outcome, _ = ran(manifest, tmp_path)
    assert outcome.phase == "Failed"
    assert phases(outcome)["main.onExit/ok"] == "Skipped"
    assert outcome.nodes["main.onExit/bye"].outputs["o"].startswith("Failed [{")
    assert '"message":"main: Error (exit code 3)"' in outcome.nodes["main.onExit/bye"].outputs["o"]


def test_declared_paths_of_a_foreign_template_are_moved_into_its_own_folder(tmp_path):
    make = script("make", "mkdir -p {{outputs.artifacts.o.path}}; echo hi > /tmp/there/dir/a.txt")
    make["outputs"] = {"artifacts": [{"name": "o", "path": "/tmp/there/dir"}]}
    show = {
        "name": "show",
        "inputs": {"artifacts": [{"name": "i", "path": "/data"}]},
        "container": {"image": "x", "command": ["sh", "-c"], "args": ["cat /data/a.txt $(A)"],
                      "env": [{"name": "A", "value": "/data/a.txt"}]},
    }  # fmt: skip
    source = {"name": "i", "from": "{{tasks.make.outputs.artifacts.o}}"}
    end = task("z", "nop", "show", parameters={"r": "{{tasks.show.outputs.result}}"})
    manifest = workflow(
        dag("main", task("make"), task("show", depends="make", artifacts=[source]), end), make, show, NOP
    )
    outcome, _ = ran(manifest, tmp_path)
    assert outcome.nodes["main/show"].result == "hi\nhi"


def begun_in(folder, out, source, path=None):
    """Run a script that begins in a folder and leaves `o`; return its node."""
    shown = script("main", source)
    shown["script"]["workingDir"] = str(folder)
    shown["outputs"] = {"parameters": [{"name": "o", "valueFrom": {"path": path or f"{folder}/o"}}]}
    return run(workflow(shown), RunOptions(out)).nodes["main"]


@pytest.mark.parametrize("above", ["", ".."])
def test_a_script_begins_in_its_own_folder_where_a_path_is_declared(above, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    folder = os.path.normpath(here / above)
    node = begun_in(folder, tmp_path / "out", "mkdir -p here; echo x | tee here/o > o", f"{here}/o")
    assert (node.phase, node.outputs) == ("Succeeded", {"o": "x"})
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_without_programs_in_which_a_script_begins_is_its_own_everywhere(is_there, tmp_path):
    folder = tmp_path / "anybody"
    if is_there:
        folder.mkdir()
        folder.chmod(0o1777)
    node = begun_in(folder, tmp_path / "out", f"echo x > a; cat {folder}/a > /x/o", "/x/o")
    assert (node.phase, node.outputs) == ("Succeeded", {"o": "x"})
    assert not (folder / "a").exists()


def test_a_script_begins_where_this_machine_has_its_programs(tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "program").write_text("echo x > $1")
    node = begun_in(folder, tmp_path / "out", "sh program /x/o", "/x/o")
    assert (node.phase, node.outputs) == ("Succeeded", {"o": "x"})


class Recorded(Silent):
    def __init__(self):
        self.lines = []

    def expected(self, task, count):
        self.lines.append(f"expected {task} {count}")

    def started(self, event: LeafEvent):
        self.lines.append(f"started {event.node} {event.attempt}")

    def ended(self, event: LeafEvent):
        self.lines.append(f"ended {event.node} {event.phase}")

    def skipped(self, task, count):
        self.lines.append(f"skipped {task} {count}")


def test_progress_hears_of_every_pod_that_may_run_runs_or_will_not(tmp_path):
    recorded = Recorded()
    main = dag("main", task("f"), task("s", "x", "f"), task("l", "x", withItems=["a"]))
    run(workflow(main, script("f", "exit 1"), script("x", "")), RunOptions(tmp_path, jobs=1), recorded)
    assert sorted(recorded.lines) == sorted([
        "expected f 1", "expected x 1", "expected x 1",
        "started main/f 1", "ended main/f Failed", "skipped x 1",
        "started main/l(0:a) 1", "ended main/l(0:a) Succeeded",
    ])  # fmt: skip


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_an_interrupt_kills_what_runs_and_is_passed_on(trap, tmp_path):
    program = textwrap.dedent(f"""
        from pathlib import Path
        from dsl.engine import RunOptions, run
        source = "{trap}echo $$$$ > {tmp_path}/pid; sleep 64 & echo $! >> {tmp_path}/pid; sleep 64"
        leaf = {{"name": "x", "script": {{"image": "a", "command": ["sh"], "source": source}}}}
        main = {{"name": "main", "dag": {{"tasks": [{{"name": "x", "template": "x"}}]}}}}
        spec = {{"entrypoint": "main", "templates": [main, leaf]}}
        manifest = {{"kind": "Workflow", "metadata": {{"name": "wf"}}, "spec": spec}}
        try:
            run(manifest, RunOptions(Path("{tmp_path}/out")))
        except KeyboardInterrupt:
            print("interrupted")
    """)
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed_signals) as process:
        until = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or (tmp_path / "pid").read_text().count("\n") < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert [is_gone(pid) for pid in (tmp_path / "pid").read_text().split()] == [True, True]


def test_a_cron_workflow_knows_when_it_was_scheduled(tmp_path):
    show = script("main", "echo {{workflow.scheduledTime}} {{workflow.labels.team}} > /tmp/o")
    show["outputs"] = {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}
    manifest = {
        "kind": "CronWorkflow",
        "metadata": {"name": "wf"},
        "spec": {
            "schedules": ["* * * * *"],
            "workflowMetadata": {"labels": {"team": "maps"}},
            "workflowSpec": workflow(show)["spec"],
        },
    }
    outputs = run(manifest, RunOptions(tmp_path)).nodes["main"].outputs
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ maps", outputs["o"])
