"""Outputs that a cache keeps, and locks: who waits for whom."""

import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from engine.manifests import NOP, dag, phases, task, workflow
from hypothesis import given
from hypothesis import strategies as st

from dsl.engine import Resume, RunOptions, Silent, run
from dsl.engine.artifacts import Store
from dsl.engine.copies import remove
from dsl.engine.locks import Lock, Locks, Waiter
from dsl.engine.memo import Memo
from dsl.engine.node import Node
from dsl.engine.objects import Objects

TYPE = "workflows.argoproj.io/configmap-type"
RULE = {"key": "k-{{inputs.parameters.x}}", "cache": {"configMap": {"name": "memo"}}}


def made(source="echo made > /tmp/o; echo file > /tmp/f", **more):
    artifact = {"name": "f", "path": "/tmp/f", "archive": {"none": {}}, "s3": {"key": "made"}}
    return {
        "name": "make",
        "inputs": {"parameters": [{"name": "x", "default": "1"}]},
        "outputs": {
            "parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}, "globalName": "g"}],
            "artifacts": [artifact],
        },
        "script": {"image": "i", "command": ["sh"], "source": source},
        "memoize": RULE,
        **more,
    }


def reading():
    read = {
        "name": "read",
        "inputs": {"artifacts": [{"name": "f", "path": "/in/f"}]},
        "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]},
        "script": {"image": "i", "command": ["sh"], "source": "cp /in/f /tmp/o"},
    }
    artifact = {"name": "f", "from": "{{tasks.make.outputs.artifacts.f}}"}
    return read, task("read", depends="make", artifacts=[artifact])


def ran(manifest, tmp_path, name="one", objects=()):
    return run(manifest, RunOptions(tmp_path / name, jobs=4, cache=tmp_path / "cache", objects=objects))


def test_another_run_takes_over_what_a_cache_keeps(tmp_path):
    read, reads = reading()
    manifest = workflow(dag("main", task("make"), reads), made(), read)
    first, second = ran(manifest, tmp_path), ran(manifest, tmp_path, "two")
    assert [run.nodes["main/make"].memo_hit for run in (first, second)] == [False, True]
    assert (second.nodes["main/make"].exit_code, second.nodes["main/make"].outputs) == ("0", {"o": "made"})
    assert second.nodes["main/read"].outputs == {"o": "file"}
    assert second.outputs == first.outputs == {"g": "made"}
    assert json.loads((tmp_path / "two/status.json").read_text())["nodes"]["main/make"]["memoHit"] is True


@pytest.mark.parametrize("more", [{}, {"retryStrategy": {"limit": "1"}}])
def test_what_a_cache_gives_is_shown_like_what_a_task_has_made(more, tmp_path):
    manifest = workflow(dag("main", task("make")), made(**more))
    for name in ("one", "two"):
        assert ran(manifest, tmp_path, name).succeeded
        assert (tmp_path / name / "make/made").read_text() == "file\n"


class Cached:
    """A cache with an entry of two files, as a run that has it uses it."""

    def __init__(self, folder):
        self.store = Store(folder / "store", folder)
        self.memo = Memo(folder / "cache", self.store, Objects())
        self.rule = {"key": "k", "cache": {"configMap": {"name": "memo"}}}

    def keep(self, text, names="fg", odd=""):
        node = Node("wf.x", "main/x", "Pod", None)
        node.outputs, node.artifacts = {}, {name: {"s3": {"key": name}} for name in "fg"}
        for name in "fg":
            remove(self.store.path(name))
        for name in names:
            self.store.path(name).parent.mkdir(exist_ok=True)
            self.store.path(name).write_text(text)
        if odd:
            os.mkfifo(self.store.path(odd))
        self.memo.keep(self.rule, node)

    def recalled(self, other):
        """Return what is in the files that a run with another store gets."""
        store = Store(other, other)
        if self.memo._replace(store=store).recall(self.rule) is None:
            return None
        return [store.path(name).read_text() for name in "fg"]


def test_an_entry_that_could_not_be_replaced_stays_as_it_was(tmp_path):
    cached = Cached(tmp_path)
    cached.keep("one")
    with pytest.raises(OSError, match="g is no file"):
        cached.keep("two", names="f", odd="g")
    assert cached.recalled(tmp_path / "a/store") == ["one", "one"]
    cached.keep("two")
    assert cached.recalled(tmp_path / "b/store") == ["two", "two"]


def test_an_artifact_that_was_nothing_is_nothing_again(tmp_path):
    cached = Cached(tmp_path)
    cached.keep("one", names="f")
    store = Store(tmp_path / "a/store", tmp_path)
    assert cached.memo._replace(store=store).recall(cached.rule) is not None
    assert [store.path(name).exists() for name in "fg"] == [True, False]


def test_an_entry_whose_files_are_just_being_replaced_is_none(tmp_path):
    cached = Cached(tmp_path)
    cached.keep("one")
    [files] = (tmp_path / "cache/memo/k.files").iterdir()
    (files / "g").unlink()
    assert cached.recalled(tmp_path / "a/store") is None


def test_the_files_of_former_entries_go(tmp_path):
    cached = Cached(tmp_path)
    cached.keep("one")
    fresh, old = (tmp_path / "cache/memo/k.files" / name for name in ("fresh", "old"))
    fresh.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    cached.keep("two")
    assert len(list(fresh.parent.iterdir())) == 2
    assert fresh.exists()  # another run may be about to fill it


@pytest.mark.parametrize("more", [{}, {"retryStrategy": {"limit": 1}}])
def test_what_a_run_itself_kept_is_taken_over_with_its_files(more, tmp_path):
    read, reads = reading()
    read["script"]["source"] += f"; [ -e {tmp_path}/fixed ]"
    manifest = workflow(dag("main", task("make"), reads), made(**more), read)
    assert run(manifest, RunOptions(tmp_path / "out", jobs=4)).phase == "Failed"
    (tmp_path / "fixed").touch()
    again = run(manifest, RunOptions(tmp_path / "out", jobs=4, resume=Resume()))
    assert (again.phase, again.taken, again.nodes["main/make"].memo_hit) == ("Succeeded", 1, False)
    assert again.nodes["main/read"].outputs == {"o": "file"}


@pytest.mark.parametrize("more", [{}, {"retryStrategy": {"limit": "1"}}])
def test_what_a_run_takes_over_is_as_old_in_its_cache_as_it_was(more, tmp_path):
    read, reads = reading()
    read["script"]["source"] += f"; [ -e {tmp_path}/fixed ]"
    manifest = workflow(dag("main", task("make"), reads), made(**more), read)
    assert ran(manifest, tmp_path).phase == "Failed"
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    (tmp_path / "fixed").touch()
    options = RunOptions(tmp_path / "one", jobs=4, cache=tmp_path / "cache", resume=Resume())
    assert run(manifest, options).succeeded
    assert kept
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.parametrize(
    ("resume", "again"),
    [
        (Resume(), ""),
        (Resume(force=True), "mn"),
        (Resume(start="m"), "mn"),
        (Resume(start="n"), "n"),
        (Resume(only="m"), "m"),
    ],
)
def test_what_is_chosen_to_run_is_not_recalled(resume, again, tmp_path):
    m, n = ({**made(f"printf {name} >> {tmp_path}/log"), "name": name, "outputs": {}} for name in "mn")
    n["memoize"] = {**RULE, "key": "n"}
    manifest = workflow(dag("main", task("m"), task("n", depends="m")), m, n)
    ran(manifest, tmp_path, "former")
    ran(manifest, tmp_path)
    cache = {"cache": tmp_path / "cache"}
    outcome = run(manifest, RunOptions(tmp_path / "one", resume=resume, **cache))
    assert (outcome.succeeded, (tmp_path / "log").read_text()) == (True, f"mn{again}")


def test_a_dag_that_calls_what_is_chosen_to_run_is_not_recalled(tmp_path):
    inner = {**dag("d", task("m"), inputs=["x"]), "memoize": RULE}
    m = {"name": "m", "script": {"image": "i", "command": ["sh"], "source": f"printf m >> {tmp_path}/log"}}
    manifest = workflow(dag("main", task("d", parameters={"x": "1"})), inner, m)
    ran(manifest, tmp_path, "former")
    ran(manifest, tmp_path)
    run(manifest, RunOptions(tmp_path / "one", cache=tmp_path / "cache", resume=Resume(start="m")))
    assert (tmp_path / "log").read_text() == "mm"


def test_without_a_folder_a_cache_goes_with_its_run(tmp_path):
    manifest = workflow(dag("main", task("make"), task("again", "make", "make")), made())
    for _ in range(2):
        outcome = run(manifest, RunOptions(tmp_path))
        assert [outcome.nodes[f"main/{name}"].memo_hit for name in ("make", "again")] == [False, True]


@pytest.mark.parametrize(("age", "hit"), [("1h", True), ("10ms", False), ("", True)])
def test_what_is_too_old_is_made_again(age, hit, tmp_path):
    manifest = workflow(dag("main", task("make")), made(memoize={**RULE, "maxAge": age}))
    ran(manifest, tmp_path)
    time.sleep(0.05)
    assert ran(manifest, tmp_path).nodes["main/make"].memo_hit is hit


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"key": "a/b"}, "invalid cache key: a/b"),
        ({"key": ""}, "invalid cache key: "),
        ({"key": "k", "maxAge": "x"}, 'invalid maxAge: time: invalid duration "x"'),
        ({"key": "k", "maxAge": "5"}, 'invalid maxAge: time: missing unit in duration "5"'),
    ],
)
def test_a_key_or_an_age_that_is_none_is_the_node_s_error(rule, why, tmp_path):
    outcome = ran(workflow(dag("main", task("make")), made(memoize={**RULE, **rule})), tmp_path)
    assert outcome.nodes["main/make"].message == f"task 'wf.make' errored: {why}"
    assert outcome.nodes["main/make"].memo_hit is None


@pytest.mark.parametrize(
    ("cache", "labels", "why"),
    [
        ("", {}, "task 'wf.make' errored: resource name may not be empty"),
        ("Memo", {}, 'could not save to config map cache: ConfigMap "Memo" is invalid: metadata.name: '),
        ("conf", {}, f"task 'wf.make' errored: memoization configmap doesn't have {TYPE} label, refusing"),
        ("conf", {TYPE: "Parameter"},
         f"task 'wf.make' errored: memoization configmap doesn't have label {TYPE} = Cache, refusing"),
        ("conf", {TYPE: "Cache"}, ""),
    ],
)  # fmt: skip
def test_what_is_no_cache_is_the_node_s_error(cache, labels, why, tmp_path):
    template = made(memoize={"key": "k", "cache": {"configMap": {"name": cache}}})
    objects = [{"kind": "ConfigMap", "metadata": {"name": "conf", "labels": labels}, "data": {}}]
    outcome = ran(workflow(dag("main", task("make")), template), tmp_path, objects=objects)
    assert outcome.nodes["main/make"].message.startswith(why)
    assert outcome.phase == ("Error" if why else "Succeeded")


def test_what_could_not_be_kept_runs_again_when_its_run_is_taken_up(tmp_path):
    long = made(f"echo x >> {tmp_path}/log; touch /tmp/o /tmp/f", memoize={**RULE, "key": 300 * "k"})
    manifest = workflow(dag("main", task("make")), long)
    options = RunOptions(tmp_path / "out", cache=tmp_path / "cache")
    outcomes = [run(manifest, options), run(manifest, replace(options, resume=Resume()))]
    assert [outcome.nodes["main/make"].phase for outcome in outcomes] == ["Error", "Error"]
    assert outcomes[1].nodes["main/make"].message.startswith("could not save to config map cache: ")
    assert (tmp_path / "log").read_text() == "x\nx\n"


def test_what_failed_is_not_kept_and_a_retry_keeps_what_succeeded_at_last(tmp_path):
    source = (
        f"echo x >> {tmp_path}/log; test $(wc -l < {tmp_path}/log) = 2 && echo made > /tmp/o && echo > /tmp/f"
    )
    manifest = workflow(dag("main", task("make")), made(source, retryStrategy={"limit": 1}))
    first, second = ran(manifest, tmp_path), ran(manifest, tmp_path)
    assert {path: node.memo_hit for path, node in first.nodes.items()} == {
        "main": None, "main/make": False, "main/make(0)": False, "main/make(1)": False,
    }  # fmt: skip
    assert second.nodes["main/make"].type == "Retry"
    assert second.nodes["main/make"].outputs == {"o": "made"}
    assert list(second.nodes) == ["main", "main/make"]


def test_a_dag_or_steps_that_succeeded_is_not_run_again(tmp_path):
    inner = {**dag("d", task("n", "nop"), inputs=["x"]), "memoize": RULE}
    steps = {"name": "s", "steps": [[{"name": "n", "template": "nop"}]], "memoize": {**RULE, "key": "s"}}
    manifest = workflow(dag("main", task("d", parameters={"x": "1"}), task("s")), inner, steps, NOP)
    ran(manifest, tmp_path)
    assert sorted(ran(manifest, tmp_path).nodes) == ["main", "main/d", "main/s"]


# --- locks ---

LIMIT = {"kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"two": "2", "none": "0"}}


def semaphore(key):
    return {"semaphores": [{"configMapKeyRef": {"name": "conf", "key": key}}]}


def test_a_semaphore_lets_as_many_in_as_its_config_map_says(tmp_path):
    log = tmp_path / "log"
    source = f"echo in >> {log}; sleep 0.2; echo out >> {log}"
    locked = {"name": "x", "script": {"image": "i", "command": ["sh"], "source": source},
              "synchronization": semaphore("two")}  # fmt: skip
    assert ran(workflow(dag("main", task("x", withItems=[1, 2, 3, 4])), locked), tmp_path, objects=[LIMIT])
    inside = [sum({"in": 1, "out": -1}[line] for line in log.read_text().split()[:n]) for n in range(1, 9)]
    assert max(inside) == 2


LOCKS = {name: Lock(name, limit) for name, limit in (("a", 1), ("b", 1), ("c", 2))}
WANTED = st.lists(st.sets(st.sampled_from("abc"), min_size=1).map(sorted), max_size=12)


@given(WANTED, st.randoms())
def test_the_first_whose_locks_are_all_free_is_next(wanted, random):
    locks, holding, waiting = Locks(Objects(), "argo"), [], []
    for ticket, names in enumerate(wanted):
        call = Waiter((), ticket, tuple(LOCKS[name] for name in names), None, None)
        if full := locks.full(call.locks):
            locks.wait(call, full)
            waiting.append(call)
        else:
            locks.take(call.locks, call)
            holding.append(call)
    while holding:
        ended = holding.pop(random.randrange(len(holding)))
        locks.release(ended.locks, ended)
        begun = []
        while call := locks.next(ended.locks):
            locks.take(call.locks, call)
            begun.append(call)
        expected = []
        for call in waiting:
            held = Counter(lock for other in (*holding, *expected) for lock in other.locks)
            if all(held[lock] < lock.limit for lock in call.locks):
                expected.append(call)
        assert begun == expected
        holding += begun
        waiting = [call for call in waiting if call not in begun]
        assert locks.waiting == waiting
    assert not waiting


def test_who_waits_for_other_locks_is_not_looked_at(tmp_path):
    def calls(count):
        found = []
        call = task("x", withSequence={"count": str(count)}, parameters={"p": "{{=int(asInt(item) / 8)}}"})
        mutexes = {"mutexes": [{"name": "m{{inputs.parameters.p}}"}]}
        locked = {**NOP, "name": "x", "inputs": {"parameters": [{"name": "p"}]}, "synchronization": mutexes}
        sys.setprofile(lambda *_: found.append(None))
        try:
            assert ran(workflow(dag("main", call), locked), tmp_path, str(count)).succeeded
        finally:
            sys.setprofile(None)
        return len(found)

    assert calls(400) / calls(100) < 5


class Watching(Silent):
    """Counts the nodes of the workflow `waits` that wait, whenever a leaf has ended."""

    def __init__(self):
        self.waiting = []

    def ended(self, event):
        nodes = [
            each for each in gc.get_objects() if isinstance(each, Node) and each.name.startswith("waits")
        ]
        self.waiting.append(sum(node.phase == "Pending" for node in nodes))


def test_a_node_that_waited_for_a_lock_makes_room_for_the_one_that_runs(tmp_path):
    locked = {"name": "x", "script": {"image": "i", "command": ["true"], "source": ""},
              "synchronization": {"mutexes": [{"name": "m"}]}}  # fmt: skip
    manifest = workflow(dag("main", task("x", withItems=[1, 2, 3])), locked, name="waits")
    watching = Watching()
    assert run(manifest, RunOptions(tmp_path), watching).succeeded
    assert watching.waiting == [2, 1, 0]


def test_a_node_that_waited_for_a_lock_in_vain_makes_room_for_the_next(tmp_path):
    mutex = {"synchronization": {"mutexes": [{"name": "m"}]}}
    bad = made(**mutex, name="bad", memoize={**RULE, "key": "no key"})
    slow = {"name": "slow", "script": {"image": "i", "command": ["sleep"], "args": ["0.3"], "source": ""}}
    second = dag("second", task("bad"), task("nop"), parallelism=1)
    manifest = workflow(dag("main", task("slow"), task("second")), {**slow, **mutex}, bad, second, NOP)
    found = phases(ran(manifest, tmp_path))
    assert (found["main/second/bad"], found["main/second/nop"]) == ("Error", "Succeeded")


@pytest.mark.parametrize("key", ["none", "gone"])
def test_a_semaphore_without_a_limit_is_an_error(key, tmp_path):
    why = f"failed to initialize semaphore argo/ConfigMap/conf/{key} with limit"
    inside = workflow(dag("main", task("x", "nop")), {**NOP, "synchronization": semaphore(key)})
    assert ran(inside, tmp_path, objects=[LIMIT]).nodes["main/x"].message.endswith(f"errored: {why}")
    whole = ran(workflow(dag("main", task("x", "nop")), NOP, synchronization=semaphore(key)), tmp_path)
    assert (whole.phase, whole.nodes) == ("Failed", {})
    assert whole.message == f"Failed to acquire the synchronization lock. {why}"


def test_a_node_that_wants_what_its_workflow_holds_waits_for_ever(tmp_path):
    mutex = {"mutexes": [{"name": "m-{{workflow.name}}"}]}
    manifest = workflow(
        dag("main", task("x", "nop")), {**NOP, "synchronization": mutex}, synchronization=mutex
    )
    outcome = ran(manifest, tmp_path)
    assert "main/x: Waiting for argo/Mutex/m-wf lock. Lock status: 0/1" in outcome.stuck


def test_a_deadline_ends_a_wait_for_a_lock(tmp_path):
    mutex = {"mutexes": [{"name": "m"}]}
    manifest = workflow(
        dag("main", task("x", "nop")), {**NOP, "synchronization": mutex}, synchronization=mutex,
        activeDeadlineSeconds=1,
    )  # fmt: skip
    assert ran(manifest, tmp_path).nodes["main/x"].message == "Step exceeded its deadline"


@pytest.mark.parametrize("limit", [{"timeout": "1s"}, {"timeout": "1m", "pendingTimeout": "1s"}])
def test_a_timeout_of_its_own_ends_a_wait_for_a_lock(limit, tmp_path):
    held = {"synchronization": {"mutexes": [{"name": "m"}]}}
    holds = {"name": "holds", "suspend": {"duration": "2"}, **held}
    manifest = workflow(
        dag("main", task("a", "holds"), task("make"), task("b", "nop", depends="make.Failed")),
        holds, made(memoize=None, **limit, **held), NOP,
    )  # fmt: skip
    outcome = ran(manifest, tmp_path)
    assert (outcome.nodes["main/make"].phase, outcome.nodes["main/make"].message) == ("Failed", "timeout")
    assert phases(outcome)["main/b"] == "Succeeded"


def test_a_lock_that_is_asked_for_twice_is_the_node_s_error(tmp_path):
    twice = {"mutexes": [{"name": "m"}, {"name": "m"}]}
    outcome = ran(workflow(dag("main", task("x", "nop")), {**NOP, "synchronization": twice}), tmp_path)
    assert outcome.nodes["main/x"].message.endswith("is invalid: duplicate synchronization item found")


@pytest.mark.parametrize(
    ("spec", "why"),
    [({}, "main/x is suspended until somebody resumes it"), ({"suspend": True}, "the workflow is suspended")],
)
def test_a_run_that_waits_to_be_resumed_ends_with_the_reason(spec, why, tmp_path):
    forever = {"name": "forever", "suspend": {}}
    manifest = workflow(dag("main", task("x", "forever"), task("y", "nop")), forever, NOP, **spec)
    outcome = ran(manifest, tmp_path)
    assert why in outcome.stuck
    assert phases(outcome).get("main/y", "Succeeded") == "Succeeded"
    assert threading.active_count() == 1


@pytest.mark.parametrize(
    ("more", "spec", "phase", "count"),
    [
        ({}, {}, "Succeeded", 2000),
        ({"script": {"image": "i", "command": ["sleep"], "args": ["60"], "source": ""}, "memoize": None},
         {"activeDeadlineSeconds": 1}, "Failed", 2000),
        ({"podSpecPatch": "{", "memoize": None}, {}, "Error", 1),  # then Argo makes no other items
    ],
    ids=["recalled", "past the deadline", "refused"],
)  # fmt: skip
def test_what_ends_at_once_makes_room_for_the_next_however_often(tmp_path, more, spec, phase, count):
    looped = dag("main", task("make", withSequence={"count": "2000"}), parallelism=1)
    outcome = ran(workflow(looped, {**made(), **more}, **spec), tmp_path)
    assert outcome.phase == phase
    assert [node.phase for path, node in outcome.nodes.items() if "(" in path] == [phase] * count
