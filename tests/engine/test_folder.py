"""The folder of a run: what a former run left, what is not ours, and one name from several partitions."""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engine.manifests import NOP, ROOT, dag, leaf, ran, task, workflow

from dsl.engine import Refused, Resume, RunOptions, Silent, Unusable, discard, how_it_ended, run
from dsl.engine.lock import locked
from tests.harness import let_others_in

INDEX = {"index": "{{item}}"}
SUMMARY = 'mkdir out; echo "$INDEX" > out/summary.txt; echo "$INDEX" > out/own-$INDEX.txt'


def loop(name, items):
    return task(name, withItems=items, parameters=INDEX)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_run_in_the_folder_of_a_former_one_finds_nothing_of_it(tmp_path):
    out = tmp_path / "out"
    ran(workflow(dag("main", loop("a", ["x", "y"]), task("nop")), leaf("a", SUMMARY), NOP), out)
    (out / "a/mine.txt").touch()
    _, tasks = ran(workflow(dag("main", loop("a", ["x"])), leaf("a", SUMMARY)), out)
    assert tasks["a"]["pods"] == 1
    assert names(out / "a") == ["own-x.txt", "summary.txt"]
    assert names(out / ".argosy/artifacts") == ["wf/a/x/own-x.txt", "wf/a/x/summary.txt"]
    assert (out / "logs/a.log").read_text() == ""


def test_a_run_that_was_broken_off_is_cleared_too(tmp_path):
    ran(workflow(dag("main", loop("a", ["x"])), leaf("a", SUMMARY)), tmp_path / "out")
    (tmp_path / "out/results.json").unlink()
    _, tasks = ran(workflow(dag("main", loop("b", ["x"])), leaf("b", SUMMARY)), tmp_path / "out")
    assert list(tasks) == ["b"]
    assert not (tmp_path / "out/a").exists()


def test_the_report_of_a_former_run_is_cleared_with_it(tmp_path):
    out = tmp_path / "out"
    for _ in range(2):
        ran(workflow(dag("main", task("nop")), NOP), out)
        assert not (out / "report.html").exists()
        (out / "report.html").touch()


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / ".argosy/some-dag/run.json").mkdir(parents=True)
    (tmp_path / "results.json").write_text("mine")
    with pytest.raises(Refused, match="is not empty and holds no run"):
        run(workflow(dag("main", task("nop")), NOP), RunOptions(tmp_path))
    assert names(tmp_path) == ["results.json"]
    with pytest.raises(Refused, match=r"results\.json is a file; choose a folder"):
        run(workflow(dag("main", task("nop")), NOP), RunOptions(tmp_path / "results.json"))


def test_a_run_that_was_killed_when_it_had_just_begun_leaves_its_folder_free(tmp_path):
    (tmp_path / "out/.argosy").mkdir(parents=True)
    outcome, _ = ran(workflow(dag("main", task("nop")), NOP), tmp_path / "out")
    assert (outcome.succeeded, outcome.taken) == (True, 0)


def test_what_a_system_puts_into_each_folder_is_in_nobodys_way(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for _ in range(2):
        (out / ".DS_Store").touch()
        ran(workflow(dag("main", task("nop")), NOP), out)
    assert (out / ".DS_Store").exists()
    discard(out)
    assert not out.exists()


def test_a_run_stays_in_the_folder_that_a_link_led_to_when_it_began(tmp_path):
    link = tmp_path / "latest"
    manifest = workflow(dag("main", loop("a", ["x"])), leaf("a", SUMMARY))
    for name in ("one", "other"):
        ran(manifest, tmp_path / name)
    before = names(tmp_path / "other")

    def turn():
        link.unlink()
        link.symlink_to("other")

    link.symlink_to("one")
    (tmp_path / "one/results.json").unlink()
    outcome = run(manifest, RunOptions(link, resume=Resume(force=True), begun=turn))
    assert (outcome.phase, names(tmp_path / "other")) == ("Succeeded", before)
    assert (tmp_path / "one/results.json").exists()


def test_a_folder_in_the_place_of_a_new_task_keeps_the_run_from_being_taken_up(tmp_path):
    nop = {"name": "nop", "script": {"image": "x", "command": ["sh"], "source": ""}}
    manifest = workflow(dag("main", task("nop")), nop)
    ran(manifest, tmp_path)
    left = names(tmp_path)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/mine.txt").touch()
    more = workflow(dag("main", task("nop"), task("maps")), nop, {**nop, "name": "maps"})
    with pytest.raises(Unusable, match="maps was made by no run"):
        run(more, RunOptions(tmp_path, resume=Resume()))
    assert names(tmp_path) == sorted([*left, "maps/mine.txt"])
    (tmp_path / "maps").rename(tmp_path / "mine")
    assert run(more, RunOptions(tmp_path, resume=Resume())).taken == 1
    assert (tmp_path / "mine/mine.txt").exists()


def test_a_result_takes_no_place_of_what_no_run_made(tmp_path):
    def leaving(text):
        tasks = [task(name, parameters={"index": "0"}) for name in "ab"]
        return workflow(dag("main", *tasks), *(leaf(name, text) for name in "ab"))

    put = {"a/notes.txt": "mine", "a/dir/deep/mine.txt": "mine", "b/dir": "mine"}
    later = leaving("mkdir -p out/dir; echo its | tee out/notes.txt > out/new; echo its > out/dir/notes.txt")
    ran(leaving("mkdir out; echo its > out/old"), tmp_path)
    for path, text in put.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for _ in range(2):
        outcome = run(later, RunOptions(tmp_path, resume=Resume()))
        why = f"{tmp_path}/a/notes.txt was made by no run and has the name of a result; move it away"
        assert (outcome.phase, outcome.message) == ("Error", f"the results cannot be written: {why}")
        assert json.loads((tmp_path / "results.json").read_text())["phase"] == "Error"
        assert {path: (tmp_path / path).read_text() for path in put} == put
        assert not (tmp_path / "a/old").exists()
        assert [(tmp_path / path).read_text() for path in ("a/new", "b/new", "a/dir/notes.txt")] == [
            "its\n"
        ] * 3
    for path in put:
        (tmp_path / path).unlink()
    outcome = run(later, RunOptions(tmp_path, resume=Resume()))
    assert (outcome.phase, outcome.taken) == ("Succeeded", 2)
    assert names(tmp_path / "a") == names(tmp_path / "b") == ["dir/notes.txt", "new", "notes.txt"]


BOTH = workflow(dag("main", loop("a", ["x", "y"]), loop("b", ["x"])), leaf("a", SUMMARY), leaf("b", SUMMARY))
ONE = workflow(dag("main", loop("a", ["x"])), leaf("a", SUMMARY))


def test_what_no_run_made_stays_beside_its_results_when_it_is_taken_up(tmp_path):
    ran(BOTH, tmp_path)
    for place in ("a", "a/x", "b"):
        (tmp_path / place / "notes.txt").touch()
    for manifest in (BOTH, ONE):
        assert run(manifest, RunOptions(tmp_path, resume=Resume())).succeeded
    assert names(tmp_path / "a") == ["notes.txt", "own-x.txt", "summary.txt", "x/notes.txt"]
    assert names(tmp_path / "b") == ["notes.txt"]


@pytest.mark.parametrize("left", [None, ""])
def test_a_run_without_a_list_of_its_results_shows_none_of_those_that_are_gone(left, tmp_path):
    ran(BOTH, tmp_path)
    (tmp_path / ".argosy/shown.json").unlink()
    if left is not None:
        (tmp_path / ".argosy/shown.json").write_text(left)
    assert run(ONE, RunOptions(tmp_path, resume=Resume())).succeeded
    assert names(tmp_path / "a") == ["own-x.txt", "summary.txt"]
    assert not (tmp_path / "b").exists()


def test_files_beside_a_former_run_are_named_and_keep_its_folder_from_being_used(tmp_path):
    out = tmp_path / "out"
    ran(workflow(dag("main", task("nop")), NOP), out)
    (out / "mine.txt").touch()
    left = names(out)
    for resume in (None, Resume(force=True)):
        with pytest.raises(
            Unusable, match=r"out/mine.txt was made by no run; move it away, or choose another"
        ):
            run(workflow(dag("main", task("nop")), NOP), RunOptions(out, resume=resume))
    assert names(out) == left


def test_a_folder_that_cannot_be_made_is_refused_before_anything_starts(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="Not a directory"):
        run(workflow(dag("main", task("nop")), NOP), RunOptions(tmp_path / "file/out"))


def looking(out):
    """Start a process that looks again and again how the run in a folder ended; return its id."""
    child = os.fork()
    if not child:
        while True:
            how_it_ended(out)
    return child


def test_a_look_at_a_run_keeps_nobody_from_taking_it_up(tmp_path):
    ran(workflow(dag("main", task("nop")), NOP), tmp_path)
    lock = tmp_path / ".argosy/lock"
    lock.write_text("written")
    assert how_it_ended(tmp_path)[1] == "Succeeded"
    assert lock.read_text() == "written"
    child = looking(tmp_path)
    try:
        for _ in range(2000):
            with locked(lock):
                pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_run_is_running_as_long_as_its_folder_is_held_by_this_process_or_another(tmp_path):
    ran(workflow(dag("main", task("nop")), NOP), tmp_path)
    with locked(tmp_path / ".argosy/lock"):
        assert how_it_ended(tmp_path)[1] == "Running"
        look = f"print(how_it_ended(Path({str(tmp_path)!r}))[1])"
        other = f"from pathlib import Path; from dsl.engine import how_it_ended; {look}"
        assert subprocess.check_output([sys.executable, "-c", other], text=True) == "Running\n"
        with pytest.raises(Refused, match=f"is in use by process {os.getpid()}"):
            ran(workflow(dag("main", task("nop")), NOP), tmp_path)
    assert how_it_ended(tmp_path)[1] == "Succeeded"


def test_one_name_from_several_partitions_is_kept_below_each(tmp_path):
    ran(workflow(dag("main", loop("a", ["x", "y"])), leaf("a", SUMMARY)), tmp_path / "out")
    assert names(tmp_path / "out/a") == ["own-x.txt", "own-y.txt", "x/summary.txt", "y/summary.txt"]


def test_a_file_named_as_a_partition_shares_its_folder_with_nothing(tmp_path):
    source = 'mkdir out; echo "$INDEX" > out/same; echo "$INDEX" > out/$((1 - INDEX))'
    ran(workflow(dag("main", loop("a", [0, 1])), leaf("a", source)), tmp_path / "out")
    assert names(tmp_path / "out/a") == ["0/1", "0/same", "1/0", "1/same"]


def test_a_task_named_logs_has_a_folder_beside_the_logs(tmp_path):
    ran(workflow(dag("main", loop("logs", ["x"])), leaf("logs", SUMMARY)), tmp_path / "out")
    assert names(tmp_path / "out/logs.files") == ["own-x.txt", "summary.txt"]
    assert names(tmp_path / "out/logs") == ["logs.log"]


def test_a_link_deep_in_an_output_becomes_what_it_points_to(tmp_path):
    source = 'echo own > own; mkdir -p out/sub; ln -s "$PWD/own" out/sub/l'
    ran(workflow(dag("main", loop("a", ["x"])), leaf("a", source)), tmp_path / "out")
    assert (tmp_path / "out/a/sub/l").read_text() == "own\n"
    assert not (tmp_path / "out/a/sub/l").is_symlink()


def test_a_link_that_leads_nowhere_is_an_error_that_names_it(tmp_path):
    source = "mkdir -p out/sub; ln -s nowhere out/sub/l"
    outcome, _ = ran(workflow(dag("main", loop("a", ["x"])), leaf("a", source)), tmp_path / "out")
    assert outcome.nodes["main/a(0:x)"].phase == "Error"
    assert "out/sub/l is a link that leads nowhere" in outcome.nodes["main/a(0:x)"].message


class Breaking(Silent):
    def ended(self, event):
        raise KeyboardInterrupt


def test_what_breaks_a_run_off_leaves_its_results(tmp_path):
    manifest = workflow(dag("main", loop("a", ["x", "y"])), leaf("a", SUMMARY))
    with pytest.raises(KeyboardInterrupt):
        run(manifest, RunOptions(tmp_path / "out", jobs=1), Breaking())
    status = json.loads((tmp_path / "out/status.json").read_text())
    assert (status["phase"], status["message"]) == ("Failed", "interrupted")
    assert json.loads((tmp_path / "out/results.json").read_text())["phase"] == "Interrupted"
    nodes = {path: node["phase"] for path, node in status["nodes"].items()}
    assert nodes == {
        "main": "Failed",
        "main/a": "Failed",
        "main/a(0:x)": "Succeeded",
        "main/a(1:y)": "Omitted",
    }


def test_a_task_that_a_run_broken_off_never_reached_has_not_failed(tmp_path):
    manifest = workflow(
        dag("main", loop("a", ["x"]), task("b", depends="a")), leaf("a", SUMMARY), leaf("b", SUMMARY)
    )
    with pytest.raises(KeyboardInterrupt):
        run(manifest, RunOptions(tmp_path / "out"), Breaking())
    tasks = json.loads((tmp_path / "out/results.json").read_text())["tasks"]
    assert {name: (facts["state"], facts["pods"]) for name, facts in tasks.items()} == {
        "a": ("Succeeded", 1),
        "b": ("Omitted", 0),
    }


def test_times_lie_beside_the_status_which_two_runs_share(tmp_path):
    retried = leaf("a", "sleep 0.1; [ $INDEX = 0 ] || exit 1", retryStrategy={"limit": "1"})
    manifest = workflow(dag("main", loop("a", [0, 1])), retried)
    began = datetime.now(UTC)
    ran(manifest, tmp_path / "out", jobs=1)
    ran(manifest, tmp_path / "again")
    assert (tmp_path / "out/status.json").read_text() == (tmp_path / "again/status.json").read_text()
    graph = json.loads((tmp_path / "out/.argosy/graph.json").read_text())
    assert graph == {"dag": "wf", "functions": ["a"], "edges": []}
    found = json.loads((tmp_path / "out/.argosy/timeline.json").read_text())
    nodes = {path: node for path, node in found["nodes"].items() if node["task"] == "a"}
    assert sorted(nodes) == sorted(f"main/a{end}" for end in (
        "", "(0:0)", "(0:0)(0)", "(1:1)", "(1:1)(0)", "(1:1)(1)"))  # fmt: skip
    attempts = [times_of(nodes[path]) for path in ("main/a(0:0)(0)", "main/a(1:1)(0)", "main/a(1:1)(1)")]
    moments = [
        times_of(found)[0],
        *(moment for attempt in attempts for moment in attempt),
        times_of(found)[1],
    ]
    assert moments == sorted(moments)  # one job, and a leaf starts when its process does
    assert began - timedelta(milliseconds=1) <= moments[0]
    assert moments[-1] <= datetime.now(UTC)


def times_of(timed):
    return tuple(datetime.fromisoformat(timed[key]) for key in ("startedAt", "finishedAt"))


class Filling(Silent):
    def __init__(self, out):
        self.out = out

    def ended(self, event):
        (self.out / ".results.json.part").symlink_to("/dev/full")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_results_that_cannot_be_written_are_an_error_and_not_half_there(tmp_path):
    out = tmp_path / "out"
    outcome = run(workflow(dag("main", loop("a", ["x"])), leaf("a", SUMMARY)), RunOptions(out), Filling(out))
    assert (outcome.phase, outcome.message[:33]) == ("Error", "the results cannot be written: [E")
    told = [json.loads((out / name).read_text())["phase"] for name in ("results.json", "status.json")]
    assert told == ["Error", "Error"]


class Lines(Silent):
    def __init__(self):
        self.found = {}

    def ended(self, event):
        self.found[event.node] = event.lines.read_text() if event.lines.exists() else None


def test_a_failed_pod_has_its_own_lines_beside_the_log_of_its_task(tmp_path):
    source = 'echo "first $INDEX"; sleep 0.1; echo "last $INDEX"; [ $INDEX = 0 ] || exit 1'
    lines = Lines()
    manifest = workflow(dag("main", loop("a", [0, 1, 2])), leaf("a", source))
    run(manifest, RunOptions(tmp_path / "out", jobs=3), lines)
    assert lines.found == {
        "main/a(0:0)": None,
        "main/a(1:1)": "first 1\nlast 1\n",
        "main/a(2:2)": "first 2\nlast 2\n",
    }
    log = (tmp_path / "out/logs/a.log").read_text().split("\n")
    assert sorted(log) == sorted(["", *(f"{word} {n}" for word in ("first", "last") for n in range(3))])
    assert [line[-1:] for line in log[:-1:2]] == [line[-1:] for line in log[1::2]]


def test_only_what_tools_need_of_the_callers_environment_reaches_a_task(tmp_path, monkeypatch):
    for name in ("ARGOSY_SECRET", "PYTHONPATH", "AWS_SECRET_ACCESS_KEY", "GDAL_DATA", "LC_NUMERIC"):
        monkeypatch.setenv(name, "given")
    source = "mkdir out; env > out/env"
    ran(workflow(dag("main", loop("a", ["x"])), leaf("a", source, env=[ROOT])), tmp_path / "out")
    shown = (tmp_path / "out/a/env").read_text().splitlines()
    assert {line for line in shown if line.endswith("=given")} == {"GDAL_DATA=given", "LC_NUMERIC=given"}


def test_tasks_whose_names_look_alike_share_neither_log_nor_files(tmp_path):
    tasks = ["a b", "a_b", "a/b", "a%2Fb", "..", "logs", "logs.files"]
    leaves = [leaf(f"t{n}", f"echo {n}; {SUMMARY}") for n in range(len(tasks))]
    for n, template in enumerate(leaves):
        template["metadata"]["annotations"]["argosy/node"] = tasks[n]
    ran(workflow(dag("main", *(loop(f"t{n}", ["x"]) for n in range(len(tasks)))), *leaves), tmp_path / "out")
    logs = {path.name: path.read_text() for path in (tmp_path / "out/logs").iterdir()}
    assert logs == {
        "a b.log": "0\n",
        "a_b.log": "1\n",
        "a%2Fb.log": "2\n",
        "a%252Fb.log": "3\n",
        "%2E%2E.log": "4\n",
        "logs.log": "5\n",
        "logs.files.log": "6\n",
    }
    folders = {path.parent.name for path in (tmp_path / "out").glob("*/summary.txt")}
    assert folders == {"a b", "a_b", "a%2Fb", "a%252Fb", "%2E%2E", "logs.files", "logs.files.files"}


def succeeds_without_root(action, folder):
    """Return whether an action succeeds for somebody who cannot read and write everything."""
    let_others_in(folder)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            action()
            os._exit(0)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_folders_that_a_task_makes_read_only_are_in_nobodys_way(tmp_path):
    out = tmp_path / "out"
    made = (
        "mkdir -p own/mod/deep; mkfifo pipe; touch own/mod/deep/file; chmod -R a-w own; chmod 0 own/mod/deep"
    )
    manifest = workflow(dag("main", loop("a", ["x"])), leaf("a", f"{made}; exit 7"))
    work = ".argosy/tasks/*/*/own/mod/deep"

    def live():
        for resume in (None, Resume(), Resume(), None):
            outcome = run(manifest, RunOptions(out, resume=resume))
            assert outcome.nodes["main/a(0:x)"].message == "main: Error (exit code 7)"
            assert len(list(out.glob(work))) == 1
        discard(out)
        assert not out.exists()

    assert succeeds_without_root(live, tmp_path)


def read_only(word):
    made = f"mkdir -p out/d/e; echo {word} > out/d/e/f; chmod -R a-w out/d"
    return workflow(dag("main", loop("a", ["x"])), leaf("a", made))


def test_results_that_a_task_makes_read_only_are_made_again(tmp_path):
    def live():
        out = tmp_path / "out"
        for word, resume in (("one", None), ("other", Resume()), ("third", Resume(force=True))):
            assert run(read_only(word), RunOptions(out, resume=resume)).succeeded
            assert (out / "a/d/e/f").read_text() == f"{word}\n"

    assert succeeds_without_root(live, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="a folder of somebody else is needed")
def test_results_that_cannot_be_removed_keep_the_run_from_being_taken_up(tmp_path):
    out = tmp_path / "out"

    def again():
        with pytest.raises(Unusable, match=r"left is in the way: .*/d/e"):
            run(read_only("other"), RunOptions(out, resume=Resume()))

    assert succeeds_without_root(lambda: run(read_only("one"), RunOptions(out)), tmp_path)
    os.chown(out / ".argosy/artifacts/wf/a/x/d/e", 0, 0)
    assert succeeds_without_root(again, tmp_path)


def test_leaves_of_ours_share_a_script_that_goes_with_the_run(tmp_path):
    manifest = workflow(dag("main", loop("a", "xy")), leaf("a", 'echo "$0"'))
    former = tmp_path / "out/.argosy/tasks/0/scripts"
    for resume in (None, Resume(force=True)):
        outcome = run(manifest, RunOptions(tmp_path / "out", resume=resume))
        assert outcome.succeeded
        first, second = (tmp_path / "out/logs/a.log").read_text().splitlines()[-2:]
        assert first == second
        assert list((tmp_path / "out/.argosy/tasks").iterdir()) == []
        former.mkdir(parents=True)
        (former / "0").touch()  # as a run leaves it that is killed


def test_a_plain_name_of_a_folder_that_a_kill_has_left_goes_when_the_run_is_taken_up(tmp_path):
    out, begun = tmp_path / "with blanks" / "out", tmp_path / "begun"
    first = f"echo /x/o > {begun}.part; mv {begun}.part {begun}; sleep 60"
    main = {
        "name": "main",
        "script": {"image": "i", "command": ["sh"], "source": f"test -e {begun} || {{ {first}; }}"},
        "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/x/o", "default": ""}}]},
    }
    child = os.fork()
    if not child:
        with suppress(BaseException):
            run(workflow(main), RunOptions(out))
        os._exit(1)
    while not begun.exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    name = Path(begun.read_text().rstrip("\n")).parents[2]
    assert (" " in str(name), name.is_symlink()) == (False, True)
    assert run(workflow(main), RunOptions(out, resume=Resume())).succeeded
    assert not name.parent.exists()
