"""The engine killed at any moment: what has its record is not repeated, nothing of the results is lost.

KILLS is how often it is killed at random moments.
"""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from engine.manifests import dag, leaf, task, workflow
from engine.test_run import is_gone

import dsl
from dsl.engine import Resume, RunOptions, Silent, run
from dsl.engine.artifacts import Store
from dsl.engine.journal import Journal
from dsl.engine.memo import Memo
from dsl.engine.orphans import Groups, end_left, told_by_proc, told_by_ps

pytestmark = pytest.mark.slow
INDEX = {"index": "{{item}}"}
KILLS = int(os.environ.get("KILLS", "50"))
LONGEST = 0.6
"""Seconds that a run may work until it is killed."""


PYTHON = """
import os
os.chdir(os.environ["ARGOSY_ROOT"])
name = "py-" + os.environ["INDEX"]
with open(%r, "a") as log:
    log.write(name + "\\n")
os.mkdir("out")
for path in ("out/" + name, "result"):
    with open(path, "w") as file:
        file.write(name)
"""


def pipeline(log):
    """36 leaves in lanes of three and three that gather, hooks, then what may have faults of its own.

    Each tells the log that it ran, and leaves a file; the last two write on in one that was given.
    """

    def program(name, text):
        return f'echo {name}-$INDEX >> {log}; mkdir -p out; {text}; echo "{name}-$INDEX" > result'

    def read(key):
        return [{"name": "in", "path": "/argosy/in", "s3": {"key": key}}]

    own = "{{workflow.name}}/%s/{{inputs.parameters.index}}"
    index = {"index": "{{inputs.parameters.index}}"}
    stages = [task("a", parameters=index), task("b", depends="a", parameters=index),
              task("c", depends="b", parameters=index)]  # fmt: skip
    on_volume = leaf("volume", program("volume", "mkdir -p disk/v; echo v > disk/v/f"),
                     env=[{"name": "ARGOSY_OUT", "value": "disk/v"}])  # fmt: skip
    on_volume["script"]["volumeMounts"] = [{"name": "v", "mountPath": "/argosy/disk"}]

    def on_given(name):
        foreign = leaf(name, "")
        source = f"echo {name}-$INDEX >> {log}; echo x >> /mnt/f; echo {name}-$INDEX | tee /argosy/result"
        foreign["script"] |= {"env": [{"name": "INDEX", "value": "0"}], "source": source}
        foreign["script"]["volumeMounts"] = [{"name": "given", "mountPath": "/mnt"}]
        return foreign

    def hooks(name, *statuses):
        hooks = {each.lower(): f"tasks.{name}.status == '{each}'" for each in statuses}
        return {each: {"template": "hook", "expression": expression, "arguments": called(f"{name}-{each}")}
                for each, expression in hooks.items()}  # fmt: skip

    def called(index):
        return {"parameters": [{"name": "index", "value": index}]}

    python = leaf("py", "")
    python["script"] |= {"command": ["python3"], "source": PYTHON % str(log)}
    lane = dag("lane", *stages, inputs=["index"])
    return workflow(
        dag("main", task("lane", withSequence={"count": "11"}, parameters=INDEX,
                         hooks=hooks("lane", "Running", "Succeeded")),
            task("all", depends="lane", parameters={"index": "0"}),
            task("end", depends="all", withSequence={"count": "2"}, parameters=INDEX),
            task("again", depends="all", parameters={"index": "0"},
                 hooks=hooks("again", "Running", "Succeeded")),
            task("pause", depends="again",
                 hooks={"exit": {"template": "hook", "arguments": called("pause-exit")}}),
            task("py", depends="pause", withSequence={"count": "3"}, parameters=INDEX),
            *(task(name, depends=above, parameters={"index": "0"}) for above, name in pairwise(
                ("all", "volume", "retried", "cached", "old", "new", "stored", "restored")))),
        lane,
        {"name": "pause", "suspend": {"duration": "100ms"}},
        python,
        on_volume,
        on_given("stored"),
        on_given("restored"),
        leaf("retried", program("retried", "echo {{retries}} > out/f; [ {{retries}} = 1 ] || exit 1"),
             retryStrategy={"limit": "2"}),
        leaf("again", program("again", "echo x > out/f"), retryStrategy={"limit": "2"}),
        leaf("hook", program("hook", "echo x > out/f")),
        leaf("cached", program("cached", "echo x > out/f"),
             memoize={"key": "k", "cache": {"configMap": {"name": "m"}}}),
        *(leaf(name, program(name, f"echo {name} > out/f; ls in > out/before-{name}"), key="latest",
               artifacts=[{**read("latest")[0], "optional": True}]) for name in ("old", "new")),
        leaf("a", program("a", "echo $INDEX > out/f")),
        leaf("b", program("b", "cat in/f > out/f; echo b >> out/f"), artifacts=read(own % "a")),
        leaf("c", program("c", "cat in/f > out/f; echo c >> out/f"), artifacts=read(own % "b")),
        leaf("all", program("all", "cat in/*/f > out/all"), artifacts=read("{{workflow.name}}/c")),
        leaf("end", program("end", "wc -l < in/all > out/lines"), artifacts=read("{{workflow.name}}/all/0")),
        volumes=[{"name": name, "persistentVolumeClaim": {"claimName": claim}}
                 for name, claim in (("v", "disk"), ("given", "store"))],
    )  # fmt: skip


class Bench:
    def __init__(self, folder):
        self.out, self.log = folder / "out", folder / "log"
        self.manifest = pipeline(self.log)
        self.log.touch()
        self.store = folder / "store"
        self.store.mkdir()
        (self.store / "f").touch()

    def begin(self, progress=None, boundary=0):
        """Run in a process of its own, on from what there is; return its id."""
        child = os.fork()
        if not child:
            try:
                if boundary:
                    kill_at(boundary, Store.keep, Store._move, Store._set_aside, Journal._add, Memo.keep)
                resume = Resume() if (self.out / ".argosy/run.json").exists() else None
                claims = {"store": self.store}
                run(self.manifest, RunOptions(self.out, jobs=3, claims=claims, resume=resume), progress)
                os._exit(0)
            except BaseException as wrong:
                os.write(2, f"{wrong!r}\n".encode())
                os._exit(1)
        return child

    def live(self, progress=None, boundary=0, seconds=None):
        """Run for so many seconds, or on; return whether the run came to its end."""
        child = self.begin(progress, boundary)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        return code == 0

    def recorded(self):
        """Return what the log calls the leaves whose success is on record."""
        journal = self.out / ".argosy/journal.jsonl"
        lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
        records = [json.loads(line) for line in lines if line.endswith("\n") and '"leaf"' in line]
        good = (record["outputs"] for record in records if record["phase"] == "Succeeded")
        return {outputs["result"] for outputs in good if outputs}  # a pause has none

    def ran(self):
        """Return how often each leaf ran."""
        return Counter(self.log.read_text().split())

    def left(self):
        return {
            str(path.relative_to(self.out)): contents(path)
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and ".argosy" not in path.parts and "logs" not in path.parts
        }


def contents(path):
    """Return what is in a file; the nodes in status.json are in the order in which they began."""
    return json.loads(path.read_text()) if path.suffix == ".json" else path.read_bytes()


class Killing(Silent):
    """Kills its own process when something has happened so many times."""

    def __init__(self, after):
        self.after = after

    def started(self, event):
        self.after -= 1
        if not self.after:
            os.kill(os.getpid(), signal.SIGKILL)

    ended = started


def kill_at(number, *functions):
    """Let this process kill itself when functions, or what they call of C, have begun and ended so often."""
    codes, counted = {function.__code__ for function in functions}, itertools.count(1)

    def look(frame, event, _):
        if frame.f_code in codes and next(counted) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(look)
    sys.setprofile(look)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("undisturbed"))
    assert bench.live()
    return bench.left()


def lives(bench, kills):
    """Live until the end; `kills` has the terms of each life. Return kills, lost and repeated leaves."""
    killed, lost, repeated, good, before = 0, set(), 0, set(), Counter()
    for options in kills:
        over = bench.live(**options)
        now = bench.ran()
        repeated += sum(now[name] - before[name] for name in good)
        found = bench.recorded()
        lost |= good - found
        good, before = found, now
        if over:
            break
        killed += 1
    return killed, lost, repeated


def test_a_kill_within_the_store_or_the_journal_costs_nothing_that_has_its_record(tmp_path, undisturbed):
    bench = Bench(tmp_path)
    killed, lost, repeated = lives(bench, ({"boundary": number} for number in range(1, 400)))
    assert (killed > 40, lost, repeated) == (True, set(), 0)
    assert bench.left() == undisturbed


def test_a_kill_between_two_leaves_costs_nothing_that_has_its_record(tmp_path, undisturbed):
    bench = Bench(tmp_path)
    killed, lost, repeated = lives(bench, ({"progress": Killing(number)} for number in range(1, 200)))
    assert (killed > 60, lost, repeated) == (True, set(), 0)
    assert bench.left() == undisturbed


def test_a_kill_at_any_moment_loses_nothing_and_repeats_nothing(tmp_path, undisturbed, capsys):
    random.seed(4)
    killed, lost, repeated, number = 0, set(), 0, 0
    while killed < KILLS:
        folder = tmp_path / str(number)
        folder.mkdir()
        bench = Bench(folder)
        kills = ({"seconds": random.uniform(0, LONGEST)} for _ in range(KILLS))
        more = lives(bench, itertools.chain(kills, [{}]))  # a busy machine may not get to the end otherwise
        assert bench.left() == undisturbed
        shutil.rmtree(folder)
        killed, lost, repeated, number = killed + more[0], lost | more[1], repeated + more[2], number + 1
    with capsys.disabled():
        sys.stdout.write(f"\n{killed} kills in {number} runs: {len(lost)} lost, {repeated} repeated\n")
    assert (lost, repeated) == (set(), 0)


def test_a_journal_that_ends_anywhere_is_taken_up(tmp_path, undisturbed):
    first = Bench(tmp_path)
    assert first.live()
    journal = first.out / ".argosy/journal.jsonl"
    whole = journal.read_bytes()
    for length in random.Random(4).sample(range(len(whole)), 8):
        journal.write_bytes(whole[:length])
        # What the cache has without a record is a hit, and shown as one; what is taken over is kept once.
        shutil.rmtree(first.out / ".argosy/cache", ignore_errors=True)
        assert first.live()
        assert first.left() == undisturbed


def test_a_leaf_that_is_killed_has_failed_and_no_more(tmp_path):
    killing = {"name": "x", "script": {"image": "x", "command": ["sh"], "source": "kill -9 $$$$"}}
    outcome = run(workflow(dag("main", task("x")), killing), RunOptions(tmp_path / "out"))
    assert (outcome.phase, outcome.nodes["main/x"].exit_code) == ("Failed", "137")


@pytest.mark.parametrize("hides", ["", "exec env -i "])
def test_what_outlives_a_killed_run_ends_when_it_is_taken_up(hides, tmp_path):
    bench = Bench(tmp_path)
    pid = tmp_path / "pid"
    own = f"echo $$$$ > {pid}.part; mv {pid}.part {pid}"
    program = f"{own}; sleep 60; touch {tmp_path}/late"
    source = f"[ -e {pid} ] && exit; {hides}{shutil.which('sh')} -c '{program}'"
    slow = {"name": "x", "script": {"image": "x", "command": ["sh"], "source": source}}
    bench.manifest = workflow(dag("main", task("x")), slow)
    child = bench.begin()
    while not pid.exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    orphan = int(pid.read_text())
    os.kill(orphan, 0)
    assert bench.live()
    assert is_gone(orphan)
    assert not (tmp_path / "late").exists()


def test_what_outlives_a_killed_run_unseen_writes_nothing_into_what_is_taken_up(tmp_path):
    """A process that has left both its group and its environment."""
    bench = Bench(tmp_path)
    late = f"touch {tmp_path}/begun; until test -e {tmp_path}/go; do sleep 0.05; done"
    late += f"; echo orphan; echo orphan > /tmp/o; touch {tmp_path}/over"
    begun = f"setsid -w env -i $(command -v sh) -c '{late}'"
    then = f"touch {tmp_path}/go; until test -e {tmp_path}/over; do sleep 0.05; done; echo own"
    source = (
        f"if test -e {tmp_path}/begun; then {then}; else {begun}; fi; test -e /tmp/o || echo own > /tmp/o"
    )
    outputs = {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}
    x = {"name": "x", "script": {"image": "x", "command": ["sh"], "source": source}, "outputs": outputs}
    bench.manifest = workflow(dag("main", task("x")), x)
    child = bench.begin()
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    outcome = run(bench.manifest, RunOptions(bench.out, resume=Resume()))
    assert outcome.nodes["main/x"].outputs == {"o": "own"}
    assert (bench.out / "logs/x.log").read_text() == "own\n"


def test_a_process_began_when_both_proc_and_ps_say():
    if sys.platform != "linux" or not shutil.which("ps"):
        pytest.skip("needs both")
    since = time.clock_gettime(time.CLOCK_BOOTTIME) - told_by_proc(os.getpid())
    assert abs(time.time() - told_by_ps(os.getpid()) - since) < 5


@pytest.mark.parametrize(("earlier", "is_killed"), [(0, True), (60, False)])
def test_a_process_is_only_killed_if_it_began_before_its_id_was_noted(earlier, is_killed, tmp_path):
    groups = Groups(tmp_path)
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        groups.note(process.pid)
        groups.close()
        boot, note = (tmp_path / "groups").read_text().splitlines()
        leader, noted = note.split()
        (tmp_path / "groups").write_text(f"{boot}\n{leader} {float(noted) - earlier}\n")
        end_left(tmp_path)
        assert (process.poll() is not None) == is_killed
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("earlier", "is_killed"), [(0, True), (60, False)])
@pytest.mark.parametrize("group", ["None", "os.setpgrp"])
def test_who_is_in_a_session_without_a_leader_is_killed_if_it_began_soon_after_the_note(
    group, earlier, is_killed, tmp_path
):
    starts = f"import os, subprocess; print(subprocess.Popen(['sleep', '60'], preexec_fn={group}).pid)"
    groups = Groups(tmp_path)
    leader = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", starts], start_new_session=True, stdout=subprocess.PIPE
    )
    groups.note(leader.pid)
    with leader:
        orphan = int(leader.stdout.readline())
    groups.close()
    boot, noted = (tmp_path / "groups").read_text().splitlines()
    (tmp_path / "groups").write_text(f"{boot}\n{leader.pid} {float(noted.split()[1]) - earlier}\n")
    try:
        assert end_left(tmp_path) == is_killed
        assert is_gone(orphan) == is_killed
    finally:
        with suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)


def test_what_outlives_a_killed_run_and_its_own_leader_ends_too(tmp_path):
    bench = Bench(tmp_path)
    pid, go = tmp_path / "pid", tmp_path / "go"
    orphan = f"echo $$$$ > {pid}.part; mv {pid}.part {pid}; sleep 60; touch {tmp_path}/late"
    wait = f"until test -e {go}; do sleep 0.05; done"
    source = f"test -e {pid} && exit; env -i {shutil.which('sh')} -c '{orphan}' & {wait}"
    slow = {"name": "x", "script": {"image": "x", "command": ["sh"], "source": source}}
    bench.manifest = workflow(dag("main", task("x")), slow)
    child = bench.begin()
    while not pid.exists():
        time.sleep(0.01)
    leader = os.getsid(int(pid.read_text()))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    go.touch()
    assert is_gone(leader)
    assert bench.live()
    assert is_gone(int(pid.read_text()))
    assert not (tmp_path / "late").exists()


NESTED = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from dsl.engine import RunOptions, run
Path({pid!r}).write_text(str(os.getpid()))
run(json.loads({manifest!r}), RunOptions(Path({out!r})))
"""


def test_what_outlives_a_killed_run_in_a_task_of_another_ends_when_that_is_taken_up(tmp_path):
    bench = Bench(tmp_path)
    pid, inner = tmp_path / "pid", tmp_path / "inner"
    slow = f"echo $$$$ > {pid}.part; mv {pid}.part {pid}; sleep 60; touch {tmp_path}/late"
    manifest = workflow({"name": "main", "script": {"image": "x", "command": ["sh"], "source": slow}})
    names = {"root": str(Path(dsl.__file__).parents[1]), "pid": str(inner), "out": f"{tmp_path}/nested"}
    (tmp_path / "nested.py").write_text(NESTED.format(manifest=json.dumps(manifest), **names))
    source = f"[ -e {pid} ] || {sys.executable} {tmp_path}/nested.py"
    calls = {"name": "x", "script": {"image": "x", "command": ["sh"], "source": source}}
    bench.manifest = workflow(dag("main", task("x")), calls)
    child = bench.begin()
    while not pid.exists():
        time.sleep(0.01)
    for each in (int(inner.read_text()), child):
        os.kill(each, signal.SIGKILL)
    os.waitpid(child, 0)
    assert bench.live()
    assert is_gone(int(pid.read_text()))
    assert not (tmp_path / "late").exists()
