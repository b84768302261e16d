"""Former runs: taken up, listed and removed by the options of `dsl run`."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from dsl.cli import exit_code
from dsl.engine.lock import locked
from dsl.engine.unstartable import LONGEST
from tests.harness import write

TEXT = """
@task.shell(image="busybox:1")
def first():
    return 'echo {word} > "$OUTPUT_FILE"; echo "first $ITEM" >> {log}'

@task.shell(image="busybox:1")
def second():
    return 'cat "$INPUT_FILE" > "$OUTPUT_FILE"; echo "second $PARTITION_ID" >> {log}; [ ! -e {log}.fails ]'

with DAG("two"):
    Items(["a", "b"], size=1) >> first >> second
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edit(tmp_path)
    return tmp_path


def edit(folder, word="one"):
    write(folder, TEXT.format(log=folder / "log", word=word), "two.py")


@pytest.fixture
def dsl(capfd):
    def call(*arguments):
        code = exit_code(["run", *arguments])
        said = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return call


def ran(here):
    """Return what ran since the last look."""
    lines = sorted((here / "log").read_text().splitlines()) if (here / "log").exists() else []
    (here / "log").unlink(missing_ok=True)
    return lines


@pytest.fixture
def runs(dsl):
    return lambda *arguments: json.loads(dsl("--list", "--json", *arguments).stdout)


def test_a_run_is_taken_up_where_it_failed(here, dsl, runs):
    (here / "log.fails").touch()
    failed = dsl("two.py", "--jobs", "1")
    assert failed.returncode == 1
    assert failed.stderr.endswith("`dsl run two.py --resume` goes on; what succeeded is not repeated\n")
    options = ["--out", "o u t", "--dag", "two", "--quiet"]
    again = "`dsl run two.py --dag two --out 'o u t' --resume` goes on; "
    assert dsl("two.py", *options).stderr.splitlines()[-1].startswith(again)
    (here / "log.fails").unlink()
    ran(here)
    result = dsl("two.py", "--resume")
    assert (result.returncode, ran(here)) == (0, ["second 0", "second 1"])
    assert "2 pods taken over; results in .argosy/two/" in result.stdout
    assert [run["phase"] for run in runs()] == ["Succeeded"]
    again = dsl("--resume", "two.py", "--json")
    assert (again.returncode, ran(here)) == (0, [])
    assert json.loads(again.stdout)["tasks"]["second"]["attempts"] == 2


def test_a_changed_function_runs_again_and_so_does_what_is_asked_for(here, dsl, runs):
    assert dsl("two.py", "--out", "out").returncode == 0
    edit(here, "two")
    ran(here)
    assert dsl("two.py", "--out", "out", "--resume").returncode == 0
    assert ran(here) == ["first a", "first b", "second 0", "second 1"]
    assert dsl("two.py", "--out", "out", "--from", "second").returncode == 0
    assert ran(here) == ["second 0", "second 1"]
    assert dsl("two.py", "--out", "out", "--only", "first").returncode == 0
    assert ran(here) == ["first a", "first b"]
    edit(here, "three")
    only = dsl("two.py", "--out", "out", "--only", "second")
    assert (only.returncode, ran(here)) == (0, ["second 0", "second 1"])
    assert "out of date: first; `--resume` runs what has changed\n" in only.stderr
    assert dsl("two.py", "--out", "out", "--force").returncode == 0
    assert len(ran(here)) == 4


def test_what_cannot_be_taken_up_is_wrong_usage(here, dsl, runs):
    assert "there is no former run in .argosy/two" in dsl("two.py", "--resume").stderr
    assert dsl("two.py").returncode == 0
    [run] = runs()
    misspelt = dsl("two.py", "--resume", f"{run['run']}x")
    assert misspelt.returncode == 2
    assert f"dsl: there is no run {run['run']}x in .argosy/two; did you mean {run['run']}?" in misspelt.stderr
    task = dsl("two.py", "--from", "secnd")
    assert task.returncode == 2
    assert "dsl: there is no task secnd; did you mean second?\n" in task.stderr
    assert dsl("two.py", "--from", "first", "--only", "first").returncode == 2
    assert dsl("two.py", "--resume", "x", "--out", "y").returncode == 2
    assert "Missing argument 'FILE'" in dsl("--resume").stderr


def test_a_folder_in_use_is_refused_and_a_lock_that_is_left_is_none(here, dsl, runs):
    assert dsl("two.py", "--out", "out").returncode == 0
    hold = "import fcntl, sys; f = open('out/.argosy/lock', 'r+'); fcntl.lockf(f, fcntl.LOCK_EX)"
    command = [sys.executable, "-c", f"{hold}; print(1, flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        Path("out/.argosy/lock").write_text(str(other.pid))
        for options in ((), ("--resume",)):
            result = dsl("two.py", "--out", "out", *options)
            assert result.returncode == 2
            assert f"out is in use by process {other.pid}; choose another folder" in result.stderr
        other.communicate()
    assert Path("out/results.json").exists()
    assert dsl("two.py", "--out", "out", "--resume").returncode == 0


def test_the_newest_runs_are_kept(here, dsl, runs):
    for _ in range(3):
        assert dsl("two.py", "--quiet").returncode == 0
    listed = runs("--dag", "two")
    assert len(listed) == 3
    Path(listed[2]["folder"], "mine.txt").touch()
    Path(".argosy/two/mine").mkdir()
    Path(listed[1]["folder"], ".argosy/lock").unlink()
    assert dsl("two.py", "--keep", "2", "--quiet").returncode == 0
    left = [run["run"] for run in runs()]
    assert left[1:] == [listed[0]["run"], listed[2]["run"]]
    assert Path(".argosy/two/mine").exists()
    assert Path(".argosy/two/latest/results.json").exists()
    shown = dsl("--list").stdout.splitlines()
    assert shown[0].split() == ["dag", "run", "when", "phase", "seconds", "folder"]
    assert shown[1].split()[:2] == ["two", left[0]]
    assert runs("--dag", "other") == []


@pytest.mark.parametrize(
    "options", [("--out", "{}/{}", "--resume"), ("--resume", "{}/{}"), ("--resume", "{1}")]
)
def test_the_run_that_has_just_ended_is_kept_however_it_is_named(options, here, dsl, runs):
    for _ in range(2):
        assert dsl("two.py", "--quiet").returncode == 0
    oldest = runs()[-1]["run"]
    parent = Path(".argosy/two").absolute()
    named = [option.format(parent, oldest) for option in options]
    assert dsl("two.py", *named, "--keep", "1", "--quiet").returncode == 0
    assert [run["run"] for run in runs()] == [oldest]
    assert (parent / "latest").resolve().name == oldest
    assert (parent / "latest/results.json").exists()


def test_the_latest_run_is_the_one_that_is_under_way(here, dsl):
    assert dsl("two.py", "--quiet").returncode == 0
    former = Path(".argosy/two/latest").resolve()
    look = f"readlink {here}/.argosy/two/latest >> {here}/log"
    (here / "two.py").write_text((here / "two.py").read_text().replace("echo one >", f"{look}; echo one >"))
    ran(here)
    assert dsl("two.py", "--quiet").returncode == 0
    latest = Path(".argosy/two/latest").resolve()
    assert latest != former
    assert [line for line in ran(here) if line.startswith("two-")] == [latest.name] * 2


def test_the_latest_run_can_be_taken_up_by_that_name(here, dsl, runs):
    assert dsl("two.py", "--quiet").returncode == 0
    assert dsl("two.py", "--resume", "latest", "--quiet").returncode == 0
    [run] = runs()
    assert Path(".argosy/two/latest").resolve().name == run["run"]


def test_a_full_disk_keeps_nothing_from_being_told(here, dsl, small):
    text = "@task\ndef first():\n    return 'x' * 1_100_000\n\nwith DAG('two'):\n    first()\n"
    write(here, text, "two.py")
    out = str(small / "out")
    shown = dsl("two.py", "--out", out)
    assert shown.returncode == 1
    assert shown.stdout.splitlines()[1].split() == ["first", "Succeeded", "1", "1"]
    assert " s: the results cannot be written: [Errno 28] No space left on device; " in shown.stdout
    told = f"the disk is full: free some space, then `dsl run two.py --out {out} --resume` goes on; "
    assert shown.stderr.splitlines()[-1].startswith(told)
    printed = json.loads(dsl("two.py", "--out", out, "--resume", "--json").stdout)
    assert (printed["phase"], printed["tasks"]["first"]["state"]) == ("Error", "Succeeded")
    subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
    again = dsl("two.py", "--out", out, "--resume")
    assert (again.returncode, "1 pod taken over" in again.stdout) == (0, True)


CAUSES = """
import os, signal

@task(execution_timeout="1s")
def late():
    import time
    time.sleep(60)

@task
def crash():
    os.kill(os.getpid(), signal.SIGSEGV)

@task
def wrong():
    raise ValueError("no band 3")

@task.container(image="busybox:1")
def gone():
    return ["no-such-program"]

with DAG("causes"):
    late(), crash(), wrong(), gone()
"""
REASONS = {
    "late": r"stopped after 1s by its execution_timeout= \(activeDeadlineSeconds or timeout in a .*",
    "crash": r".*139, killed by SIGSEGV.*",
    "wrong": r"ValueError: no band 3",
    "gone": r'.*exec: "no-such-program": executable file not found in \$PATH; images are not run here, .*',
}


def test_the_reason_of_a_failure_names_what_the_author_knows_everywhere(here, dsl):
    write(here, CAUSES, "causes.py")
    told = dsl("causes.py", "--out", "out", "--quiet").stderr
    tasks = json.loads(Path("out/results.json").read_text())["tasks"]
    assert exit_code(["report", "out"]) == 0
    page = Path("out/report.html").read_text()
    for task, reason in REASONS.items():
        assert re.fullmatch(reason, tasks[task]["reason"]), tasks[task]
        assert re.search(rf"(?m)^{task} .* (failed|error): {reason}", told)
        assert tasks[task]["reason"].partition('"')[0][-30:] in page
    assert "longer than the specified deadline" in Path("out/status.json").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="others have no limit of one variable")
def test_an_argument_that_is_too_long_is_told_by_its_name_with_what_to_do(here, dsl):
    text = f"""
@task
def text():
    return "x" * {LONGEST}

@task.shell(image="busybox:1")
def count(words):
    return 'echo "$words" | wc -w'

with DAG("long"):
    count(text())
"""
    write(here, text, "long.py")
    size = f"{LONGEST + len('ARGOSY_P_words=')} bytes, and Linux takes {LONGEST}"
    why = f": the argument words has {size}; let it travel as a file, along `>>` "
    assert why in dsl("long.py", "--out", "out", "--quiet").stderr
    assert why in json.loads(Path("out/results.json").read_text())["tasks"]["count"]["reason"]


def test_the_table_counts_the_states_of_a_task_that_ended_in_several(here, dsl):
    text = """
@task
def number(item):
    return item

@task
def late(item):
    assert item < 4

with DAG("several"):
    n = Items([1, 2, 3, 4], size=1) >> number
    n >> late.when(n > 1)
"""
    write(here, text, "several.py")
    rows = dsl("several.py").stdout.splitlines()
    assert re.fullmatch(r"number +Succeeded +4 +4", rows[1])
    assert re.fullmatch(r"late +1 Failed, 1 Skipped, 2 Succeeded +3 +3", rows[2])


def test_a_file_of_the_user_is_no_output_of_a_task(here, dsl):
    dsl("two.py", "--out", "o")
    (here / "o" / "first" / "mine.txt").write_text("x")
    shown = dsl("two.py", "--out", "o", "--resume").stdout
    assert re.search(r"^first +Succeeded +2 +2 +2$", shown, re.M)
    assert "mine.txt" not in shown


def test_the_seconds_of_a_list_count_from_when_a_run_was_taken_up_last(here, dsl, runs):
    dsl("two.py")
    [run] = runs()
    state = here / run["folder"] / ".argosy"
    journal = state / "journal.jsonl"
    *lines, _ = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines))
    os.utime(journal, (1000, 1000))
    os.utime(state / "run.json", (988, 988))
    [killed] = runs()
    assert (killed["phase"], killed["seconds"]) == ("Interrupted", 12)
    os.utime(state / "run.json", (time.time() - 50, time.time() - 50))
    with locked(state / "lock"):
        [at_work] = runs()
    assert at_work["phase"] == "Running"
    assert 50 <= at_work["seconds"] < 60


def test_a_runtime_that_does_not_answer_is_one_error_before_anything_starts(here, dsl, monkeypatch):
    docker = here / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    refused = dsl("two.py", "--runtime", "docker")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "docker does not answer: Cannot connect to the Docker daemon" in refused.stderr
    assert not (here / ".argosy").exists()


FLAKY = """
@task(retries=2)
def flaky(attempt):
    if attempt < 2:
        raise ValueError("not yet")

with DAG("flaky"):
    flaky()
"""


def test_a_failure_after_which_a_retry_had_success_is_told_once(here, dsl):
    write(here, FLAKY, "flaky.py")
    said = dsl("flaky.py").stderr
    assert "not yet" in said
    assert "1/1, 1 failed" not in said
    again = dsl("flaky.py", "--resume", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert dsl("flaky.py", "--resume").stderr == "flaky: 1/1, 1 retry\n"


SUSPENDED = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: waits}
spec:
  entrypoint: main
  templates:
  - {name: main, suspend: {}}
"""


def test_a_run_that_would_wait_for_ever_says_what_to_do_before_it_is_taken_up(here, dsl):
    (here / "waits.yaml").write_text(SUSPENDED)
    shown = dsl("waits.yaml")
    assert re.search(
        r"^error after \d\.\d s: Argo would wait for ever: main is suspended", shown.stdout, re.M
    )
    cure = "change the manifest (give a `suspend` a `duration`), then `dsl run waits.yaml --resume` goes on"
    assert f"nobody ends that wait here: {cure}" in shown.stderr


def test_a_list_is_of_the_file_that_is_named_and_says_when_there_is_no_run(here, dsl, runs):
    write(here, "@task\ndef f(): pass\n\nwith DAG('one'):\n    f()\n", "one.py")
    Path("three.yaml").write_text("kind: Workflow\nmetadata: {generateName: two-}\n")
    assert dsl("two.py", "--quiet").returncode == 0
    assert [run["dag"] for run in runs("two.py")] == ["two"]
    assert [run["dag"] for run in runs("three.yaml")] == ["two"]
    assert runs("one.py") == []
    none = dsl("--list", "one.py")
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr == "there is no run of one here; `dsl run --list` lists all\n"
    assert "there is no run of zzz here" in dsl("--list", "--dag", "zzz").stderr
    assert "DSL101" in dsl("--list", "gone.py").stderr
    Path("three.yaml").write_text("kind: Workflow\nmetadata: {name: a}\n---\nkind: Workflow\n")
    assert dsl("--list", "three.yaml").returncode == 2
    kept = dsl("--list", "--keep", "1")
    assert kept.returncode == 2
    assert "--list runs and removes nothing; leave out --keep" in kept.stderr
