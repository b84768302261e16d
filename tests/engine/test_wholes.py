"""DAGs and steps that are taken over as a whole: all is as it is leaf by leaf, for less work."""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from engine.manifests import AGG, NOP, dag, leaf, task, workflow
from engine.test_resume import INDEX, Bench, files_of
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.engine import Resume, RunOptions, Silent, run

WHOLES, JOURNAL = ".argosy/wholes.jsonl", ".argosy/journal.jsonl"
SEEN, PART = "{{inputs.parameters.seen}}", "{{inputs.parameters.index}}"
LAST = {"result": {"parameter": "{{steps.last.outputs.parameters.result}}"}}
DATA = {"name": "data", "path": "/argosy/data", "s3": {"key": "inputs/data.txt"}}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def calls(bench, manifest, ran=(), *, begun=False):
    """Return how many functions are called while a run is taken up, or begun."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        bench.run(manifest, None if begun else Resume())
    finally:
        sys.setprofile(None)
    assert bench.ran == list(ran)
    return count


def loop_of(bench, count, text="true"):
    inner = dag("partition", task("a", parameters={"index": "{{inputs.parameters.index}}"}), inputs=["index"])
    calling = task("partition", withSequence={"count": str(count)}, parameters=INDEX)
    return workflow(
        dag("main", task("lane")), dag("lane", calling), inner, leaf("a", bench.source("a", text))
    )


def test_a_finished_loop_is_taken_over_for_a_part_of_the_work(bench):
    manifest = loop_of(bench, 60)
    base = calls(bench, workflow(dag("main", task("nop")), NOP), begun=True)
    bench.run(manifest)
    whole = calls(bench, manifest) - base
    (bench.out / WHOLES).unlink()
    assert whole < (calls(bench, manifest) - base) / 2


def test_of_a_loop_that_failed_the_good_items_are_taken_over_for_a_part_of_the_work(bench):
    manifest = loop_of(bench, 60, f"[ $INDEX != 7 ] || [ -e {bench.folder}/mended ]")
    failed = bench.folder / "failed"
    base = calls(bench, workflow(dag("main", task("nop")), NOP), begun=True)
    assert bench.run(manifest).phase == "Failed"
    shutil.copytree(bench.out, failed, symlinks=True)
    (bench.folder / "mended").touch()
    whole = calls(bench, manifest, ["a-7"]) - base
    shutil.rmtree(bench.out)
    failed.rename(bench.out)
    (bench.out / WHOLES).unlink()
    assert whole < (calls(bench, manifest, ["a-7"]) - base) * 2 / 3


class Lane(NamedTuple):
    """A DAG of its own, of a form; `word` is in what its leaves make, `above` are lanes that they read."""

    form: str
    word: str
    items: str
    above: frozenset[int]


def program_of(bench, name, lane):
    tried = f"{bench.folder}/{name}-$INDEX"
    fails = f"[ -e {tried} ] || {{ touch {tried}; exit 1; }}" if lane.form == "flaky" else ":"
    fails = f"[ $INDEX != a ] || [ -e {bench.folder}/mended ]" if lane.form == "broken" else fails
    read = "cat data $(find -L in/ -type f | sort)"
    tell = f"echo {lane.word} $P $SEEN >> out/{name}-$INDEX; echo '{{\"{lane.word}\": 1}}' > result"
    return f"{fails}; mkdir -p in; {read} > out/{name}-$INDEX; {tell}"


def lane_of(bench, number, lane):
    """Return the call of a lane and its templates."""
    name, above = f"l{number}", [f"l{other}" for other in sorted(lane.above) if other < number]
    inputs = [{"name": f"in{each}", "path": f"/argosy/in/{each}", "optional": True} for each in above]
    artifacts = [{**files_of(f"{each}-a"), "name": f"in{each}"} for each in above]
    names = ("P", "workflow.parameters.p"), ("SEEN", "inputs.parameters.seen")
    env = [{"name": variable, "value": f"{{{{{tag}}}}}"} for variable, tag in names]
    rule = {"retryStrategy": {"limit": "2"}} if lane.form in ("retry", "flaky") else {}
    program = bench.source(name, program_of(bench, name, lane))
    a = leaf(f"{name}-a", program, inputs=["seen"], artifacts=[*inputs, DATA], env=env, **rule)

    def calling(task_name, index, seen=SEEN, **more):
        given = {"index": index, "seen": seen}
        return task(task_name, a["name"], parameters=given, artifacts=artifacts, **more)

    result = {"result": {"parameter": "{{tasks.a.outputs.parameters.result}}"}}
    inner = dag(f"{name}-part", calling("a", PART), inputs=["index", "seen"], outputs=result)
    loop = task("part", inner["name"], withItems=list(lane.items), parameters={**INDEX, "seen": SEEN})
    if lane.form == "steps":
        last = calling("last", "last", "{{steps.part.status}}")
        whole = {**dag(name, inputs=["seen"], outputs=LAST), "steps": [[loop], [last]]}
        del whole["dag"]
    else:
        when = {"when": "{{inputs.parameters.seen}} == never"} if lane.form == "when" else {}
        more = [task("nop", depends="part", **when)] if lane.form in ("when", "pause") else []
        listed = {"result": {"expression": AGG("part", "result")}}
        whole = dag(name, loop, *more, inputs=["seen"], outputs=listed)
    seen = "".join(f"{{{{tasks.{each}.outputs.parameters.result}}}}" for each in above) or "none"
    depends = {"depends": " && ".join(above)} if above else {}
    return task(name, parameters={"seen": seen}, **depends), [whole, inner, a]


def lanes(bench, all_lanes, p="p"):
    made = [lane_of(bench, number, lane) for number, lane in enumerate(all_lanes)]
    templates = [template for _, below in made for template in below]
    parameters = {"parameters": [{"name": "p", "value": p}]}
    return workflow(dag("main", *(call for call, _ in made)), *templates, NOP, arguments=parameters)


FORMS = ["loop", "loop", "steps", "retry", "flaky", "broken", "when", "pause"]
LANES = st.lists(
    st.builds(Lane, st.sampled_from(FORMS), st.sampled_from("xy"), st.sampled_from(["a", "ab"]),
              st.frozensets(st.integers(0, 1))),
    min_size=1, max_size=3,
)  # fmt: skip


def changed(bench, all_lanes, change, number):
    """Return the lanes and the parameter after a change; files are changed at once."""
    number, p = number % len(all_lanes), "p"
    lane, rest = all_lanes[number], list(all_lanes)
    (bench.folder / "mended").touch()
    files = [path for path in (bench.out / ".argosy/artifacts").rglob(f"l{number}-*") if path.is_file()]
    if change == "word":
        rest[number] = lane._replace(word="z")
    elif change == "items":
        rest[number] = lane._replace(items="b")
    elif change == "parameter":
        p = "q"
    elif change == "data":
        (bench.folder / "data.txt").write_text("other")
    elif change == "gone" and files:
        min(files).unlink()
    elif change == "spoilt" and files:
        min(files).write_text("spoilt")
    elif change == "torn":
        lines = (bench.out / JOURNAL).read_text().splitlines(keepends=True)
        whole = [line for line in lines if f'"main/l{number}/part(0:' not in line]
        (bench.out / JOURNAL).write_text("".join(whole))
    return rest, p


def told(bench, outcome, moment):
    """Return all that can be seen of a run, but for the times of what it has not taken over."""

    def was(seconds):
        return seconds if seconds < moment else None

    nodes = {
        path: node._replace(started=was(node.started), finished=was(node.finished))
        for path, node in outcome.nodes.items()
    }
    left = {name: text for name, text in bench.left().items() if name != "status.json"}
    status = json.loads((bench.out / "status.json").read_text())
    return nodes, status, left, bench.ran, outcome.taken, outcome.phase


CHANGES = ["none", "none", "word", "items", "parameter", "data", "gone", "spoilt", "torn"]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(all_lanes=LANES, change=st.sampled_from(CHANGES), number=st.integers(0, 2), times=st.integers(1, 2))
def test_what_is_taken_over_as_a_whole_is_the_same_as_leaf_by_leaf(all_lanes, change, number, times):
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        (bench.folder / "data.txt").write_text("data")
        bench.run(lanes(bench, all_lanes))
        for _ in range(times - 1):
            bench.again(lanes(bench, all_lanes))
        then, p = changed(bench, all_lanes, change, number)
        manifest = lanes(bench, then, p)
        former = bench.folder / "former"
        shutil.copytree(bench.out, former, symlinks=True)
        between = time.time()
        whole = told(bench, bench.again(manifest), between)
        shutil.rmtree(bench.out)
        former.rename(bench.out)
        (bench.out / WHOLES).unlink()
        assert told(bench, bench.again(manifest), between) == whole


def wholes(bench):
    return [json.loads(line)["path"] for line in (bench.out / WHOLES).read_text().splitlines()]


def test_the_largest_wholes_are_kept(bench):
    lane = Lane("loop", "x", "a", frozenset())
    (bench.folder / "data.txt").touch()
    manifest = lanes(bench, [lane, lane])
    bench.run(manifest)
    assert wholes(bench) == ["main"]
    manifest["spec"]["templates"].append({"name": "bad", "suspend": {"duration": "x"}})
    manifest["spec"]["templates"][0]["dag"]["tasks"].append(task("bad"))
    (bench.out / WHOLES).unlink()
    assert bench.again(manifest).phase == "Error"
    assert (bench.ran, wholes(bench)) == ([], ["main/l0", "main/l1"])


def test_a_run_that_was_interrupted_keeps_what_had_ended_as_wholes(bench):
    manifest = loop_of(bench, 3, "[ $INDEX != 2 ] || sleep 60")
    with pytest.raises(KeyboardInterrupt):
        run(manifest, RunOptions(bench.out, jobs=1, inputs=bench.folder), Interrupting())
    assert wholes(bench) == ["main/lane/partition(0:0)"]


def test_a_run_that_was_killed_keeps_what_had_ended_as_wholes(bench):
    manifest = loop_of(bench, 4)
    child = os.fork()
    if not child:
        run(manifest, RunOptions(bench.out, jobs=1, inputs=bench.folder), Killing())
    os.waitpid(child, 0)
    assert wholes(bench) == [f"main/lane/partition({number}:{number})" for number in (0, 1)]
    assert bench.again(manifest, jobs=1).taken == 2
    assert (bench.ran, wholes(bench)) == (["a-2", "a-3"], ["main"])


class Killing(Silent):
    """Kills the run when the third leaf starts."""

    def started(self, event):
        if event.node.startswith("main/lane/partition(2:2)"):
            os.kill(os.getpid(), signal.SIGKILL)


class Interrupting(Silent):
    """Interrupts the run when the second leaf starts."""

    def started(self, event):
        if event.node.startswith("main/lane/partition(1:1)"):
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("more", "second"),
    [
        ({"arguments": {"parameters": [{"name": "index", "value": "{{tasks.a.startedAt}}"}]}}, {}),
        ({"arguments": {"parameters": [{"name": "index", "value": "{{= toJson(tasks) }}"}]}}, {}),
        ({"hooks": {"h": {"template": "nop", "expression": "tasks.b.status == 'Failed'"}}}, {}),
        ({"template": "{{= 'b' }}"}, {}),
        ({"when": "false"}, {}),
        ({}, {"memoize": {"key": "k", "cache": {"configMap": {"name": "c"}}}}),
        ({}, {"daemon": True}),
        ({}, {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
    ],
)
def test_what_may_come_out_otherwise_is_looked_at_leaf_by_leaf(more, second, bench):
    b = leaf("b", bench.source("b", "sleep 0.2"), **second)
    if "volumes" in second:
        b["script"]["volumeMounts"] = [{"name": "v", "mountPath": "/argosy/v"}]
    call = {**task("b", depends="a", parameters={"index": "0"}), **more}
    main = dag("main", task("a", parameters={"index": "0"}), call)
    manifest = workflow(main, leaf("a", bench.source("a")), b, NOP)
    (bench.folder / "data.txt").touch()
    assert bench.run(manifest).succeeded
    assert wholes(bench) == []


def test_variables_that_change_while_a_run_goes_on_keep_it_from_being_taken_over_as_a_whole(bench):
    a = leaf("a", bench.source("a"))
    a["outputs"]["parameters"][0]["globalName"] = "g"
    bench.run(workflow(dag("main", task("a", parameters={"index": "0"})), a))
    assert wholes(bench) == []


def test_what_was_taken_over_though_it_is_out_of_date_is_not_kept_as_a_whole(bench):
    lane = Lane("loop", "x", "a", frozenset())
    (bench.folder / "data.txt").touch()
    bench.run(lanes(bench, [lane, lane]))
    changed_one = lanes(bench, [lane._replace(word="y"), lane])
    assert bench.again(changed_one, Resume(only="l1-a")).outdated == ("l0-a",)
    assert wholes(bench) == []
    bench.again(changed_one)
    assert bench.ran == ["l0-a"]


@pytest.mark.parametrize(
    ("made", "given_value"),
    [
        ("printf '{%s' '{tasks.a.startedAt}}' > result", "{{tasks.a.outputs.parameters.result}}"),
        ("true", "{{workflow.parameters.p}}"),
    ],
)
def test_a_value_that_brings_tags_in_is_filled_anew(made, given_value, bench):
    call = task("b", depends="a", parameters={"index": given_value})
    main = dag("main", task("a", parameters={"index": "0"}), call)
    a, b = leaf("a", bench.source("a", made)), leaf("b", bench.source("b", "true"))
    parameters = {} if "tasks" in given_value else {"p": "{{tasks.a.startedAt}}"}
    assert bench.run(workflow(main, a, b), parameters=parameters).succeeded
    assert wholes(bench) == []


def config(text):
    return {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"key": text}}


def library(bench, word):
    made = workflow(
        leaf("a", bench.source("a", f"echo {word} > out/a")), name="library", kind="WorkflowTemplate"
    )
    del made["spec"]["entrypoint"]
    return made


def test_what_a_manifest_refers_to_counts(bench):
    env = [{"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "key"}}}]
    called = {**task("a", parameters={"index": "0"}), "templateRef": {"name": "library", "template": "a"}}
    del called["template"]
    main = dag("main", called, task("b", parameters={"index": "0"}))
    manifest = workflow(main, leaf("b", bench.source("b", "echo $C > out/b"), env=env))
    bench.run(manifest, objects=[config("1"), library(bench, "x")])
    assert wholes(bench) == ["main"]
    bench.again(manifest, objects=[config("1"), library(bench, "y")])
    assert bench.ran == ["a-0"]
    bench.again(manifest, objects=[config("2"), library(bench, "y")])
    assert (bench.ran, (bench.out / "b/b").read_text()) == (["b-0"], "2\n")


def test_files_of_another_folder_of_inputs_count(bench):
    lane = Lane("loop", "x", "a", frozenset())
    for folder, text in ((bench.folder, "one"), (bench.folder / "other", "two")):
        folder.mkdir(exist_ok=True)
        (folder / "data.txt").write_text(text)
    bench.run(lanes(bench, [lane]))
    bench.again(lanes(bench, [lane]), inputs=bench.folder / "other")
    assert (bench.ran, (bench.out / "l0-a/l0-a").read_text()) == (["l0-a"], "twox p none\n")


def test_what_is_told_of_leaves_that_are_taken_over_as_a_whole_is_the_same(bench):
    told_before = []
    lane = Lane("loop", "x", "ab", frozenset())
    (bench.folder / "data.txt").touch()
    bench.run(lanes(bench, [lane, lane]))
    for _ in range(2):
        said = Telling()
        run(lanes(bench, [lane, lane]), RunOptions(bench.out, inputs=bench.folder, resume=Resume()), said)
        told_before.append((said.counts, sorted(said.events)))
        (bench.out / WHOLES).unlink()
    assert told_before[0] == told_before[1]


class Telling(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.counts, self.events = Counter(), []

    def expected(self, task, count):
        self.counts[task] += count

    def started(self, event):
        self.events.append(("started", event.task, event.node, event.attempt, event.log))

    def ended(self, event):
        self.events.append(("ended", event.task, event.node, event.attempt, event.phase, event.seconds))
