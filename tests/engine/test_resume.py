"""A run that is taken up again: what stands is not repeated, what a change concerns is, and no more."""

import json
import os
import re
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import pytest
from engine.manifests import NOP, dag, leaf, phases, task, workflow
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.engine import Refused, Resume, RunOptions, Silent, Unusable, run
from dsl.engine.artifacts import Store
from dsl.engine.contents import Contents

INDEX, FIRST = {"index": "{{item}}"}, {"index": "0"}
RESULT = "{{tasks.a.outputs.parameters.result}}"


class Bench:
    """A folder in which runs are begun and taken up; what ran since the last look is in `ran`."""

    def __init__(self, folder):
        self.folder, self.out, self.log = folder, folder / "out", folder / "log"

    def source(self, name, text=""):
        """Return a program that leaves its name in the log and a file."""
        return f"echo {name}-$INDEX >> {self.log}; mkdir -p out; {text or f'echo {name} > out/{name}-$INDEX'}"

    def run(self, manifest, resume=None, **options):
        self.log.write_text("")
        made = RunOptions(self.out, **{"jobs": 2, "inputs": self.folder, "resume": resume, **options})
        return run(manifest, made)

    def again(self, manifest, resume=None, **options):
        return self.run(manifest, resume or Resume(), **options)

    @property
    def ran(self):
        return sorted(self.log.read_text().split())

    def left(self):
        """Return all that a caller sees of the run."""
        return {
            str(path.relative_to(self.out)): path.read_bytes()
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and ".argosy" not in path.parts and "logs" not in path.parts
        }


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def files_of(name):
    return {"name": "in", "s3": {"key": f"{{{{workflow.name}}}}/{name}"}}


def two_stages(bench, first="", last="", items=("x", "y")):
    """A loop, and a task that reads all files of it by the prefix of their keys."""
    read = {"name": "in", "path": "/argosy/in"}
    show = last or "cat in/*/* > out/all"
    return workflow(
        dag("main", task("a", withItems=list(items), parameters=INDEX),
            task("b", depends="a", parameters=FIRST, artifacts=[files_of("a")])),
        leaf("a", bench.source("a", first)), leaf("b", bench.source("b", show), artifacts=[read]),
    )  # fmt: skip


def test_what_succeeded_is_taken_over(bench):
    manifest = two_stages(bench)
    first = bench.run(manifest)
    left = bench.left()
    again = bench.again(manifest)
    assert (bench.ran, again.taken) == ([], 3)
    assert bench.left() == left
    assert first.to_status() == again.to_status()


def emptied(path):
    """Let a file be zeros that looks as before, as a power failure may leave it."""
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("boot", "has_ended", "again"), [("before", False, ["a-x"]), ("before", True, []), (None, False, [])]
)
def test_after_a_power_failure_files_are_what_they_hold_and_not_what_they_look_like(
    boot, has_ended, again, bench
):
    manifest = two_stages(bench)
    bench.run(manifest)
    left, journal = bench.left(), bench.out / ".argosy/journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    if not lines[0]["boot"]:
        pytest.skip("nothing tells here when the system was started")
    lines[0]["boot"] = boot or lines[0]["boot"]
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines if has_ended or "ended" not in line))
    emptied(bench.out / ".argosy/artifacts/wf/a/x/a-x")
    assert bench.again(manifest).taken == 3 - len(again)
    assert bench.ran == again
    if again:
        assert bench.left() == left


def test_what_holds_nodes_of_a_former_run_has_their_times(bench):
    def manifest(last=""):
        a = leaf("a", bench.source("a"), retryStrategy={"limit": 1})
        steps = {"name": "steps", "steps": [[task("a", parameters=FIRST)], [task("nop", when="false")]]}
        inner = dag("inner", task("a", withItems=[0, 1], parameters=INDEX), task("steps"))
        b = leaf("b", bench.source("b", last))
        main = dag("main", task("inner"), task("b", depends="inner", parameters=FIRST))
        return workflow(main, inner, steps, a, b, NOP)

    bench.run(manifest())
    between = time.time()
    again = bench.again(manifest())
    types = {node.type for node in again.nodes.values() if 0 < node.started < node.finished < between}
    assert types == {"DAG", "TaskGroup", "Steps", "StepGroup", "Retry", "Pod"}
    assert [path for path, node in again.nodes.items() if node.finished > between] == [
        "main/inner/steps/[1]", "main/inner/steps/nop",
    ]  # fmt: skip
    nodes = bench.again(manifest("echo other")).nodes
    assert nodes["main"].started < nodes["main/inner"].finished < between < nodes["main"].finished


def test_a_loop_that_was_broken_off_again_has_ended_when_its_last_item_did(bench):
    deeper = dag("deeper", task("x", parameters=FIRST))
    deep = dag("deep", task("deeper", when="{{inputs.parameters.when}}"), inputs=["when"])
    loop = task("b", "deep", withItems=["true", "1 1", "false"], parameters={"when": "{{item}}"})
    main = dag("main", loop, failFast=True)
    manifest = workflow(main, deep, deeper, leaf("x", bench.source("x", "sleep 0.2")))
    bench.run(manifest)
    between = time.time()
    again = bench.again(manifest)
    assert (again.phase, again.taken, "main/b(2:false)" in again.nodes) == ("Failed", 1, False)
    assert again.nodes["main"].finished < between


def test_a_changed_program_runs_again_with_what_it_changes(bench):
    bench.run(two_stages(bench))
    bench.again(two_stages(bench, last="cat in/*/* in/*/* > out/all"))
    assert bench.ran == ["b-0"]
    bench.again(two_stages(bench, first="echo new > out/a-$INDEX", last="cat in/*/* in/*/* > out/all"))
    assert bench.ran == ["a-x", "a-y", "b-0"]
    assert (bench.out / "b/all").read_text() == "new\nnew\nnew\nnew\n"


def test_a_changed_program_that_makes_the_same_leaves_what_reads_it_alone(bench):
    bench.run(two_stages(bench))
    bench.again(two_stages(bench, first="echo a  > out/a-$INDEX"))
    assert bench.ran == ["a-x", "a-y"]


def test_a_partition_that_is_gone_leaves_nothing_to_read(bench):
    bench.run(two_stages(bench))
    bench.again(two_stages(bench, items="x"))
    assert bench.ran == ["b-0"]
    assert (bench.out / "b/all").read_text() == "a\n"
    assert sorted(path.name for path in (bench.out / "a").iterdir()) == ["a-x"]


def test_a_result_that_was_changed_or_removed_is_made_again(bench):
    bench.run(two_stages(bench))
    (bench.out / "a/a-x").write_text("changed")
    bench.again(two_stages(bench))
    assert bench.ran == ["a-x"]
    (bench.out / ".argosy/artifacts/wf/b/0/all").unlink()
    bench.again(two_stages(bench))
    assert bench.ran == ["b-0"]
    assert (bench.out / "b/all").read_text() == "a\na\n"


def test_an_input_file_counts_by_its_content(bench):
    read = {"name": "in", "path": "/argosy/in", "s3": {"key": "inputs/data.txt"}}
    manifest = workflow(
        leaf("main", bench.source("a", "cat in > out/copy"), inputs=["unused"], artifacts=[read]),
        arguments={"parameters": [{"name": "index", "value": "0"}, {"name": "unused", "value": ""}]},
    )
    data = bench.folder / "data.txt"
    data.write_text("one")
    bench.run(manifest)
    data.write_text("one")
    bench.again(manifest)
    assert bench.ran == []
    data.write_text("two")
    bench.again(manifest)
    assert bench.ran == ["a-0"]
    assert (bench.out / "main/copy").read_text() == "two"


def replaced(path, text):
    """Write another file of the same size and time, and put it in the place of one, as `rsync -t` does."""
    kept = path.stat()
    aside = path.with_name("aside")
    aside.write_text(text)
    os.utime(aside, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    aside.replace(path)


def rewritten(path, text):
    """Write a file anew and give it back the time that it had, as `cp -p` does."""
    kept = path.stat()
    path.write_text(text)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))


@pytest.mark.parametrize("change", [replaced, rewritten])
def test_an_input_file_of_the_same_size_and_time_counts_by_its_content(change, bench):
    read = {"name": "in", "path": "/argosy/in", "s3": {"key": "inputs/data.txt"}}
    main = leaf("main", bench.source("a", "cat in > out/copy"), artifacts=[read])
    manifest = workflow(main, arguments={"parameters": [{"name": "index", "value": "0"}]})
    data = bench.folder / "data.txt"
    data.write_text("one")
    bench.run(manifest)
    change(data, "two")
    bench.again(manifest)
    assert (bench.out / "main/copy").read_text() == "two"


def test_a_result_that_was_linked_since_is_not_read_again(tmp_path):
    result = tmp_path / "result"
    result.write_text("one")
    [note] = Contents([], lambda _: None).note(result)
    (tmp_path / "link").hardlink_to(result)
    rewritten(result, "two")  # what reads it would see that
    assert Contents([note], lambda _: None).is_as_noted(note)


def test_a_folder_to_which_a_file_comes_while_it_is_looked_at_is_looked_at_again(tmp_path):
    (tmp_path / "first").write_text("one")

    def leave_another(_):
        (tmp_path / "other").write_text("two")
        contents.note(tmp_path / "other")

    contents = Contents([], leave_another)
    assert contents.of(tmp_path) != contents.of(tmp_path)
    assert contents.of(tmp_path) == Contents([], lambda _: None).of(tmp_path)


def test_a_folder_in_one_that_a_leaf_has_left_is_looked_at_again(tmp_path):
    contents, inner = Contents([], lambda _: None), tmp_path / "folder/inner"
    assert contents.of(inner) == ""
    inner.mkdir(parents=True)
    (inner / "file").touch()
    contents.note(tmp_path / "folder")
    assert contents.of(inner) == Contents([], lambda _: None).of(inner) != ""


def one_key(bench, middle="cat in/f > out/copy"):
    """Three tasks in a row: a and c leave a file under one key, b reads its folder in between."""

    def latest(name):
        made = leaf(name, bench.source(name, f"echo {name} > out/latest"), key="latest/f")
        made["outputs"]["artifacts"][0]["path"] = "/argosy/out/latest"
        return made

    read = {"name": "in", "path": "/argosy/in", "s3": {"key": "latest"}}
    return workflow(
        dag("main", task("a", parameters=FIRST), task("b", depends="a", parameters=FIRST),
            task("c", depends="b", parameters=FIRST)),
        latest("a"), leaf("b", bench.source("b", middle), artifacts=[read]), latest("c"),
    )  # fmt: skip


def test_leaves_that_leave_one_key_one_after_another_are_taken_over(bench):
    manifest = one_key(bench)
    bench.run(manifest)
    left = bench.left()
    for _ in range(2):
        assert bench.again(manifest).taken == 3
        assert (bench.ran, bench.left()) == ([], left)
    assert '"file"' not in (bench.out / ".argosy/journal.jsonl").read_text()  # none was read again
    assert (bench.out / ".argosy/artifacts/latest/f").read_text() == "c\n"


def test_what_reads_a_key_that_was_taken_later_reads_what_was_there_in_its_time(bench):
    bench.run(one_key(bench))
    other = one_key(bench, middle="cat in/f in/f > out/copy")
    bench.again(other)
    assert (bench.ran, (bench.out / "b/copy").read_text()) == (["b-0"], "a\na\n")
    assert (bench.out / ".argosy/artifacts/latest/f").read_text() == "c\n"
    assert bench.again(other).taken == 3


def test_a_file_that_another_took_the_key_of_goes_with_its_leaf(bench):
    bench.run(one_key(bench))
    assert any((bench.out / ".argosy/aside").iterdir())
    manifest = one_key(bench)
    manifest["spec"]["templates"][0] = dag("main", task("c", parameters=FIRST))
    assert bench.again(manifest).taken == 1
    assert not any((bench.out / ".argosy/aside").iterdir())


def test_leaves_that_race_for_one_key_leave_it_to_the_one_that_had_it_last(bench):
    quick = "echo x > out/latest"
    made = leaf("a", bench.source("a", f"[ $INDEX = y ] || sleep 0.5; {quick}"), key="latest.txt")
    manifest = workflow(dag("main", task("a", withItems=["x", "y"], parameters=INDEX)), made)
    bench.run(manifest)
    inode = (bench.out / ".argosy/artifacts/latest.txt/latest").stat().st_ino
    assert bench.again(manifest).taken == 2
    assert (bench.out / ".argosy/artifacts/latest.txt/latest").stat().st_ino == inode


def test_leaves_that_race_leave_a_key_as_it_was_after_one_has_read_it_before(bench):
    read = {"name": "in", "path": "/argosy/in", "s3": {"key": "latest.txt"}, "optional": True}
    text = "[ $INDEX = x ] || sleep 0.5; echo x > out/latest"
    manifest = workflow(
        dag("main", task("r", parameters=FIRST),
            task("a", depends="r", withItems=["x", "y"], parameters=INDEX)),
        leaf("r", bench.source("r"), artifacts=[read]), leaf("a", bench.source("a", text), key="latest.txt"),
    )  # fmt: skip
    bench.run(manifest)
    inode = (bench.out / ".argosy/artifacts/latest.txt/latest").stat().st_ino
    assert bench.again(manifest).taken == 3
    assert (bench.out / ".argosy/artifacts/latest.txt/latest").stat().st_ino == inode


def test_nobody_reads_a_folder_that_a_killed_run_had_just_emptied(bench):
    read = {"name": "in", "path": "/argosy/in", "s3": {"key": "all/of/them"}, "optional": True}
    manifest = workflow(
        dag("main", task("r", parameters=FIRST), task("w", depends="r", parameters=FIRST)),
        leaf("r", bench.source("r"), artifacts=[read]),
        leaf("w", bench.source("w", "echo > out/w"), key="all/of/them"),
    )
    bench.run(manifest)
    (bench.out / ".argosy/artifacts/all/of/them/w").unlink()
    assert bench.again(manifest).succeeded
    assert bench.ran == ["w-0"]


def growing(bench, last="true", **texts):
    """Three tasks in a row that tell how many files there are under a key and add one; then one more."""
    read = {"name": "in", "path": "/argosy/in", "s3": {"key": "all/of/them"}, "optional": True}

    def grows(name):
        text = f"find -L in -type f | wc -l > result; {texts.get(name, '')} echo {name} > out/{name}"
        return leaf(name, bench.source(name, text), key="all/of/them", artifacts=[read])

    tasks = [task(name, depends=above, parameters=FIRST) for above, name in pairwise(["", *"abcz"])]
    return workflow(dag("main", *tasks), *map(grows, "abc"), leaf("z", bench.source("z", last)))


@pytest.mark.parametrize(
    ("changed", "again"),
    [({}, "z"), ({"a": "true;"}, "az"), ({"b": "true;"}, "bz"), ({"a": "echo >> out/other;"}, "abcz")],
)
def test_nobody_reads_what_others_left_under_a_key_later(changed, again, bench):
    bench.run(growing(bench, last="false"))
    for _ in range(2):
        outcome = bench.again(growing(bench, **changed))
        assert bench.ran == [f"{name}-0" for name in again]
        extra = len(again) - 2 if "other" in str(changed) else 0
        counts = [outcome.nodes[f"main/{name}"].outputs["result"] for name in "abc"]
        assert counts == ["0", str(1 + bool(extra)), str(2 + bool(extra))]
        again = ""
    left = sorted(path.name for path in (bench.out / ".argosy/artifacts/all/of/them").iterdir())
    assert left == sorted(["a", "b", "c", *(["other"] if extra else [])])


def test_what_is_read_before_a_run_stops_again_is_put_back_by_the_next(bench):
    bench.run(growing(bench, last="false"))
    bench.again(growing(bench, last="false", a="exit 1;"))
    assert not (bench.out / ".argosy/artifacts/all").exists()
    assert bench.again(growing(bench)).taken == 2
    assert bench.ran == ["a-0", "z-0"]


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("keys", [("k/a", "k/a/b"), ("k/a/b", "k/a")])
def test_keys_of_which_one_is_below_the_other_are_two_objects(keys, kind, bench):
    """An object store has no folders (in S3 `a` and `a/b` are names like any others)."""

    def keeps(name, key):
        made = leaf(name, bench.source(name, f"mkdir out/d; echo {name} | tee out/f > out/d/f"), key=key)
        is_below = kind == "folder" and key == "k/a/b"
        made["outputs"]["artifacts"][0]["path"] = f"/argosy/out/{'d' if is_below else 'f'}"
        return made

    def manifest(last="cat"):
        read = [{"name": name, "path": f"/argosy/in/{name}"} for name in "ab"]
        given = [{"name": name, "s3": {"key": key}} for name, key in zip("ab", keys, strict=True)]
        c = leaf("c", bench.source("c", f"{last} $(find -L in -type f | sort) > out/all"), artifacts=read)
        tasks = task("a", parameters=FIRST), task("b", depends="a", parameters=FIRST)
        tasks = *tasks, task("c", depends="b", parameters=FIRST, artifacts=given)
        return workflow(dag("main", *tasks), keeps("a", keys[0]), keeps("b", keys[1]), c)

    assert bench.run(manifest()).succeeded
    assert (bench.out / "c/all").read_text() == "a\nb\n"
    left = bench.left()
    for _ in range(2):
        assert bench.again(manifest()).taken == 3
        assert (bench.ran, bench.left()) == ([], left)
    assert bench.again(manifest(last="head -v")).succeeded
    assert bench.ran == ["c-0"]


def test_a_leaf_that_added_to_a_key_of_others_stands_for_its_own_files_alone(bench):
    made = leaf("a", bench.source("a"), key="all")
    manifest = workflow(dag("main", task("a", withItems=["x", "y"], parameters=INDEX)), made)
    bench.run(manifest, jobs=1)
    (bench.out / "a/a-x").unlink()
    (bench.out / ".argosy/artifacts/all/a-x").unlink()
    bench.again(manifest)
    assert bench.ran == ["a-x"]


def test_a_parameter_of_the_former_run_holds_until_another_is_given(bench):
    manifest = workflow(
        leaf("main", 'echo "$INDEX" > $ARGOSY_ROOT/result'),
        arguments={"parameters": [{"name": "index", "value": "0"}]},
    )
    bench.run(manifest, parameters={"index": "1"})
    assert bench.again(manifest).nodes["main"].outputs == {"result": "1"}
    again = bench.again(manifest, parameters={"index": "2"})
    assert (again.nodes["main"].outputs, again.taken) == ({"result": "2"}, 0)
    assert bench.again(manifest).taken == 1


def test_a_failed_leaf_runs_again_and_its_neighbours_do_not(bench):
    text = f"[ $INDEX = y ] && [ ! -e {bench.folder}/fixed ] && exit 1; echo a > out/a-$INDEX"
    manifest = two_stages(bench, first=text)
    assert bench.run(manifest).phase == "Failed"
    (bench.folder / "fixed").touch()
    again = bench.again(manifest)
    assert (bench.ran, again.phase, again.taken) == (["a-y", "b-0"], "Succeeded", 1)
    assert json.loads((bench.out / "results.json").read_text())["tasks"]["a"]["attempts"] == 2


def test_the_failed_attempts_before_a_success_are_taken_over_without_their_pauses(bench):
    text = f"echo x >> {bench.folder}/tries; [ $(wc -l < {bench.folder}/tries) = 3 ] || exit 1"
    again = {"limit": "3", "backoff": {"duration": "1", "maxDuration": "30"}}
    a = leaf("a", bench.source("a", text), retryStrategy=again)
    last = f"[ -e {bench.folder}/fixed ]"
    main = dag("main", task("a", parameters=FIRST), task("b", depends="a", parameters=FIRST))
    manifest = workflow(main, a, leaf("b", bench.source("b", last)))
    first = bench.run(manifest)
    (bench.folder / "fixed").touch()
    later = bench.again(manifest)
    assert (bench.ran, later.phase, later.taken) == (["b-0"], "Succeeded", 3)
    attempts = [f"main/a({number})" for number in range(3)]
    assert [later.nodes[path] for path in attempts] == [first.nodes[path] for path in attempts]


def an_hour_earlier(seconds):
    return str(int(seconds[0]) - 3600)


def test_the_time_between_two_runs_is_no_part_of_the_longest_duration_of_a_retry(bench):
    text = f"echo x >> {bench.folder}/tries; [ $(wc -l < {bench.folder}/tries) != 1 ] || exit 1"
    retry = {"limit": "1", "backoff": {"duration": "10ms", "maxDuration": "60"}}
    a = leaf("a", bench.source("a", f"{text}; sleep 0.5; echo > out/a"), retryStrategy=retry)
    manifest = workflow(dag("main", task("a", parameters=FIRST)), a)
    assert bench.run(manifest).succeeded
    next((bench.out / ".argosy/artifacts").rglob("a")).joinpath("0/a").unlink()
    journal = bench.out / ".argosy/journal.jsonl"
    journal.write_text(re.sub(r"(?<=\":)\d{10}(?=\.)", an_hour_earlier, journal.read_text()))
    again = bench.again(manifest)
    assert (again.phase, again.taken) == ("Succeeded", 1)


def test_a_pause_that_is_over_is_not_made_again(bench):
    pause = {"name": "pause", "suspend": {"duration": "1"}}
    manifest = workflow(dag("main", task("pause"), task("a", depends="pause", parameters=FIRST)),
                        pause, leaf("a", bench.source("a", f"[ -e {bench.folder}/fixed ]")))  # fmt: skip
    bench.run(manifest)
    (bench.folder / "fixed").touch()
    manifest["spec"]["templates"][0]["dag"]["tasks"].append(task("c", "pause"))
    records = [json.loads(line) for line in (bench.out / ".argosy/journal.jsonl").read_text().splitlines()]
    assert "main/pause" in [record.get("leaf") for record in records]
    assert bench.again(manifest).succeeded


def test_the_exit_handler_of_the_run_runs_at_each_of_its_ends(bench):
    def exits(name, **more):
        return leaf(name, bench.source(name, "echo {{workflow.status}} > out/status"), **more)

    a = leaf("a", bench.source("a", f"[ -e {bench.folder}/fixed ]"))
    handler = dag("handler", task("part", withItems=["x", "y"]), task("bye", parameters=FIRST))
    part = dag("part", task("last", parameters=FIRST))
    manifest = workflow(
        dag("main", task("a", parameters=FIRST)),
        a,
        handler,
        part,
        exits("last"),
        exits("bye"),
        onExit="handler",
    )
    assert bench.run(manifest).phase == "Failed"
    (bench.folder / "fixed").touch()
    assert bench.again(manifest).phase == "Succeeded"
    assert bench.ran == ["a-0", "bye-0", "last-0", "last-0"]
    assert (bench.out / "bye/status").read_text() == "Succeeded\n"
    assert bench.again(manifest).taken == 1
    assert bench.ran == ["bye-0", "last-0", "last-0"]
    bench.again(manifest, Resume(only="a"))
    assert bench.ran == ["a-0"]


def test_force_runs_all_again_and_keeps_the_moment_of_the_run(bench):
    source = "echo {{workflow.creationTimestamp.s}} > out/now; touch -d @0 out/now"
    manifest = two_stages(bench, first=source)
    bench.run(manifest)
    left = bench.left()
    bench.again(manifest, Resume(force=True))
    assert bench.ran == ["a-x", "a-y", "b-0"]
    assert bench.left() == left


def chain(bench, **texts):
    names = ["a", "b", "c", "d"]
    above = {"b": "a", "c": "b"}
    tasks = [
        task(name, parameters=FIRST, **({"depends": above[name]} if name in above else {})) for name in names
    ]
    return workflow(
        dag("main", *tasks), *(leaf(name, bench.source(name, texts.get(name, ""))) for name in names)
    )


def test_from_a_task_on_all_after_it_runs_again(bench):
    bench.run(chain(bench))
    bench.again(chain(bench), Resume(start="b"))
    assert bench.ran == ["b-0", "c-0"]


WAIT = {
    "name": "a",
    "suspend": {"duration": "10ms"},
    "metadata": {"annotations": {"argosy/node": "a", "argosy/key": "a"}},
}


@pytest.mark.parametrize("skipped", [leaf("a", "true"), WAIT])
def test_from_a_task_that_was_skipped_all_after_it_runs_again(skipped, bench):
    tasks = task("a", parameters=FIRST, when="{{workflow.parameters.p}} == yes"), task("b", "nop", "a")
    tasks = *tasks, task("c", depends="b", parameters=FIRST)
    arguments = {"parameters": [{"name": "p", "value": "no"}]}
    manifest = workflow(dag("main", *tasks), skipped, NOP, leaf("c", bench.source("c")), arguments=arguments)
    assert phases(bench.run(manifest))["main/a"] == "Skipped"
    assert bench.again(manifest, Resume(start="a"), parameters={"p": "yes"}).succeeded
    assert bench.ran == ["c-0"]
    assert bench.again(manifest).succeeded
    assert bench.ran == []


class Stopping(Silent):
    """Interrupts the run when a task starts."""

    def __init__(self, task):
        self.task = task

    def started(self, event):
        if event.task == self.task:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("resume", "stopped", "then"),
    [
        (Resume(start="b"), "b", ["b-0", "c-0"]),
        (Resume(start="b"), "c", ["c-0"]),
        (Resume(only="b"), "b", ["b-0"]),
    ],
)
def test_what_was_to_run_again_and_did_not_come_to_it_does_in_the_next_run(resume, stopped, then, bench):
    manifest = chain(bench, b="true", c="true")  # which leave no file that would be missed
    bench.run(manifest)
    with pytest.raises(KeyboardInterrupt):
        run(manifest, RunOptions(bench.out, jobs=1, resume=resume), Stopping(stopped))
    bench.again(manifest, Resume(only="d"))
    assert bench.ran == ["d-0"]
    for ran in (then, []):
        assert bench.again(manifest).succeeded
        assert bench.ran == ran


def test_only_a_task_runs_again_and_what_others_left_stands(bench):
    bench.run(chain(bench))
    outcome = bench.again(chain(bench, a="echo changed > out/a"), Resume(only="b"))
    assert (bench.ran, outcome.phase, outcome.outdated) == (["b-0"], "Succeeded", ("a",))


def test_only_a_task_leaves_out_of_date_what_reads_its_new_files(bench):
    bench.run(made(bench, [("old", "0", ()), ("word", "0", {0}), ("word", "0", ())]))
    changed = made(bench, [("new", "0", ()), ("word", "0", {0}), ("word", "0", ())])
    outcome = bench.again(changed, Resume(only="t0"))
    assert (bench.ran, outcome.phase, outcome.outdated) == (["t0-0"], "Succeeded", ("t1",))
    assert bench.again(changed).outdated == ()
    assert bench.ran == ["t1-0"]


def test_only_a_task_does_not_turn_the_failure_of_another_into_success(bench):
    bench.run(chain(bench, b="exit 1"))
    outcome = bench.again(chain(bench, b="exit 1"), Resume(only="a"))
    assert (bench.ran, outcome.phase) == (["a-0"], "Failed")
    assert phases(outcome)["main/b"] == "Failed"


def test_only_a_task_leaves_out_what_never_ran(bench):
    fails = chain(bench, b="exit 1")
    bench.run(fails)
    outcome = bench.again(chain(bench), Resume(only="b"))
    assert bench.ran == ["b-0"]
    assert phases(outcome)["main/c"] == "Omitted"
    assert outcome.nodes["main/c"].message.startswith("left out: only another task is to run")


def test_only_a_task_whose_inputs_were_never_made_is_refused(bench):
    bench.run(chain(bench, a="exit 1"))
    left = bench.left()
    with pytest.raises(Refused, match=r"only c; it needs a, b, which has not succeeded yet$"):
        bench.again(chain(bench), Resume(only="c"))
    assert bench.left() == left


def test_what_a_task_needs_that_is_called_on_ever_so_many_ways_is_found_at_once(bench):
    def runs(name, source):
        return {"name": name, "script": {"image": "x", "command": ["sh"], "source": source}}

    inner = [dag(f"t{level}", task("a", f"t{level + 1}"), task("b", f"t{level + 1}")) for level in range(60)]
    main = dag("main", task("t", "t0", when="false"), task("f"), task("c", None, "t && f"))
    manifest = workflow(main, *inner, runs("t60", ""), runs("f", "exit 1"), runs("c", ""))
    bench.run(manifest)
    with pytest.raises(Refused, match="only c; it needs f, t60, which has not succeeded yet"):
        bench.again(manifest, Resume(only="c"))


def test_a_folder_without_a_run_cannot_be_taken_up(bench):
    with pytest.raises(Unusable, match="holds no run"):
        bench.again(chain(bench))
    assert not bench.out.exists()


def test_a_torn_line_costs_its_own_leaf_alone(bench):
    manifest = two_stages(bench)
    bench.run(manifest)
    journal = bench.out / ".argosy/journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert b'"leaf":"main/b"' in lines[-2]
    journal.write_bytes(b"".join(lines[:-2]) + lines[-2][:40])
    bench.again(manifest)
    assert bench.ran == ["b-0"]
    bench.again(manifest)
    assert bench.ran == []


def test_what_has_no_record_is_not_seen_by_anybody(bench):
    manifest = two_stages(bench)
    bench.run(manifest)
    stray = bench.out / ".argosy/artifacts/wf/a/z/stray"
    stray.parent.mkdir()
    stray.write_text("stray")
    bench.again(manifest, Resume(start="b"))
    assert (bench.out / "b/all").read_text() == "a\na\n"


class Interrupting(Silent):
    """Interrupts the run when the first leaf is told to have ended, and all others have ended too."""

    def __init__(self, log):
        self.log = log

    def ended(self, event):
        while len(self.log.read_text().split()) < 2:
            time.sleep(0.01)
        time.sleep(1)
        raise KeyboardInterrupt


def test_what_had_ended_when_an_interrupt_came_is_taken_over(bench):
    manifest = two_stages(bench)
    bench.log.write_text("")
    with pytest.raises(KeyboardInterrupt):
        run(manifest, RunOptions(bench.out, jobs=2), Interrupting(bench.log))
    assert json.loads((bench.out / "results.json").read_text())["tasks"]["a"]["state"] == "Succeeded"
    bench.again(manifest)
    assert bench.ran == ["b-0"]


CLAIM = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}]}


def on_volume(bench, name, text, out=None):
    made = leaf(name, bench.source(name, text), env=[{"name": "ARGOSY_OUT", "value": out}] if out else [])
    made["script"]["volumeMounts"] = [{"name": "v", "mountPath": "/argosy/disk"}]
    return made


def test_what_reads_a_volume_runs_again_when_what_lies_there_has_changed(bench):
    def manifest(text):
        first = on_volume(bench, "a", f"mkdir -p disk/a; {text} > disk/a/f", "disk/a")
        return workflow(
            dag("main", task("a", parameters=FIRST), task("b", depends="a", parameters=FIRST),
                task("c", parameters=FIRST)),
            first, on_volume(bench, "b", "cp disk/a/f out/f"), on_volume(bench, "c", "true"), **CLAIM,
        )  # fmt: skip

    bench.run(manifest("echo 1"))
    bench.again(manifest("echo 1 "))
    assert bench.ran == ["a-0"]
    bench.again(manifest("echo 2"))
    assert bench.ran == ["a-0", "b-0"]
    assert (bench.out / "b/f").read_text() == "2\n"


@pytest.mark.parametrize("is_nested", [True, False])
@pytest.mark.parametrize("on_disk", [True, False])
def test_what_stands_below_a_task_that_fails_again_is_taken_over_when_that_is_mended(
    on_disk, is_nested, bench
):
    read = {"name": "in", "path": "/argosy/in"}

    def manifest(first):
        place = "disk/b" if on_disk else "out"
        b = on_volume(bench, "b", f"mkdir -p {place}; cat in/a > {place}/f", on_disk and place)
        c = on_volume(bench, "c", "find -L in/ disk/ -type f > out/all")
        for each in (b, c):
            each["inputs"]["artifacts"] = [read]
        left = {**files_of("b/0"), "optional": True}
        tasks = [
            task("a", parameters=FIRST),
            task("b", depends="a", parameters=FIRST, artifacts=[files_of("a/0")]),
            task("c", depends="a.Failed && b.Omitted", parameters=FIRST, artifacts=[left]),
        ]
        whole = [dag("main", task("inner")), dag("inner", *tasks)] if is_nested else [dag("main", *tasks)]
        return workflow(*whole, leaf("a", bench.source("a", first)), b, c, **CLAIM)

    bench.run(manifest("echo 1 > out/a"))
    assert bench.ran == ["a-0", "b-0"]
    left = bench.left()
    for ran in (["a-0", "c-0"], ["a-0"]):
        bench.again(manifest("exit 1"))
        assert (bench.ran, (bench.out / "c/all").read_text()) == (ran, "")
    bench.again(manifest("echo 1 > out/a "))
    assert bench.ran == ["a-0"]
    assert bench.left().keys() == left.keys()


def without_the_record_of(bench, leaf):
    """Let the journal end as if the run had been killed before a leaf was put down."""
    journal = bench.out / ".argosy/journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if f'"leaf":"{leaf}"' not in line))


@pytest.mark.parametrize("is_given", [True, False])
@pytest.mark.parametrize("is_forced", [True, False])
def test_a_partition_that_is_gone_leaves_nothing_on_a_volume(is_forced, is_given, bench):
    def manifest(items, first="a"):
        out = f"disk/{{{{workflow.name}}}}/{first}/{{{{inputs.parameters.index}}}}"
        made = on_volume(bench, "a", f"o=disk/wf/{first}/$INDEX; mkdir -p $o; echo $INDEX > $o/f", out)
        return workflow(
            dag("main", task("a", withItems=list(items), parameters=INDEX),
                task("b", depends="a", parameters=FIRST)),
            made, on_volume(bench, "b", "cat disk/wf/*/*/f > out/all"), **CLAIM,
        )  # fmt: skip

    own = bench.folder / "disk/wf/mine"
    own.mkdir(parents=True)
    (own / "f").write_text("mine")
    options = {"claims": {"disk": bench.folder / "disk"} if is_given else {}}
    bench.run(manifest("xyz"), **options)
    if not is_forced:
        without_the_record_of(bench, "main/a(2:z)")
    bench.again(manifest("xy"), Resume(force=is_forced), **options)
    assert (bench.out / "b/all").read_text() == "x\ny\n"
    bench.again(manifest("xy", "other"), Resume(force=is_forced), **options)
    assert (bench.out / "b/all").read_text() == "x\ny\n"
    assert (own / "f").read_text() == "mine"


def test_names_of_files_may_hold_anything(bench):
    text = "printf x > 'out/new\nline'; printf y > out/ü; printf z > \"out/$(printf '\\377')\""
    manifest = two_stages(bench, first=text, last="cat in/x/* > out/all")
    bench.run(manifest)
    left = bench.left()
    assert {Path(name).name for name in left} > {"new\nline", "ü", "\udcff"}
    bench.again(manifest)
    assert (bench.ran, bench.left()) == ([], left)


def test_a_loop_under_a_limit_of_parallelism_is_taken_over_however_long(bench):
    limited = dag("main", task("a", withSequence={"count": "1500"}), parallelism=1)
    manifest = workflow(
        limited, {"name": "a", "script": {"image": "x", "command": ["true"], "source": ""}}, NOP
    )
    bench.run(manifest, jobs=4)
    assert bench.again(manifest).taken == 1500


def made(bench, tasks):
    """Return a DAG in which each task, of a word, items and whom it reads, reads all files of those."""
    calls, leaves = [], []
    for number, (word, items, above) in enumerate(tasks):
        name, names = f"t{number}", [f"t{other}" for other in sorted(above) if other < number]
        inputs = [{"name": other, "path": f"/argosy/in/{other}", "optional": True} for other in names]
        given = [{**files_of(other), "name": other} for other in names]
        more = {"depends": " && ".join(names)} if names else {}
        calls.append(task(name, withItems=list(items), parameters=INDEX, artifacts=given, **more))
        read = "mkdir -p in; cat /dev/null $(find -L in/ -type f | sort)"
        program = f"{read} > out/{name}; echo {word} >> out/{name}"
        leaves.append(leaf(name, bench.source(name, program), artifacts=inputs))
    return workflow(dag("main", *calls), *leaves)


TASKS = st.lists(
    st.tuples(st.sampled_from("xy"), st.sampled_from(["a", "ab", "b"]), st.frozensets(st.integers(0, 2))),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(first=TASKS, then=TASKS)
def test_whatever_is_changed_a_run_taken_up_ends_as_a_fresh_one(first, then):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        bench, fresh = Bench(Path(one)), Bench(Path(other))
        bench.run(made(bench, first))
        manifest = made(bench, then)
        fresh.run(manifest)
        bench.again(manifest)
        assert {**bench.left(), "status.json": b""} == {**fresh.left(), "status.json": b""}
        bench.again(manifest)
        assert bench.ran == []


def test_a_loop_of_dags_whose_items_share_a_file_leaves_the_same_one_when_it_is_taken_up(bench):
    mended = bench.folder / "mended"
    inner = dag("part", task("a", parameters={"index": "{{inputs.parameters.index}}"}), inputs=["index"])
    a = leaf("a", bench.source("a", "echo $INDEX > out/f"), key="{{workflow.name}}/k")
    read = {"name": "in", "path": "/argosy/in"}
    source = bench.source("b", f"test -e {mended} || exit 1; cat in/f > out/all")
    b = leaf("b", source, artifacts=[read])
    loop = task("part", withItems=[0, 1, 2], parameters=INDEX)
    last = task("b", depends="part", parameters=FIRST, artifacts=[files_of("k")])
    manifest = workflow(dag("main", loop, last), inner, a, b)
    assert not bench.run(manifest, jobs=1).succeeded
    mended.touch()
    for ran in (["b-0"], []):
        assert bench.again(manifest, jobs=1).succeeded
        assert bench.ran == ran
        assert (bench.out / "b/all").read_text() == "2\n"


def test_what_a_failed_task_left_is_gone_before_a_cache_gives_what_takes_its_place(bench):
    good = bench.folder / "good"
    source = f"test -e {good} && echo good > out/f && exit; echo half > out/f; exit 1"
    memo = {"key": "k", "cache": {"configMap": {"name": "c"}}}
    a = leaf("a", bench.source("a", source), key="mk", memoize=memo)
    read = {"name": "in", "path": "/argosy/in"}
    b = leaf("b", bench.source("b", "cat in/f > out/all"), artifacts=[read])
    last = task("b", depends="a", parameters=FIRST, artifacts=[{"name": "in", "s3": {"key": "mk"}}])
    manifest = workflow(dag("main", task("a", parameters=FIRST), last), a, b)
    cache = bench.folder / "cache"
    assert not bench.run(manifest, cache=cache).succeeded
    good.touch()
    assert run(manifest, RunOptions(bench.folder / "other", cache=cache)).succeeded
    assert bench.again(manifest, cache=cache).succeeded
    assert (bench.out / "b/all").read_text() == "good\n"


@pytest.mark.parametrize("left", ["", "[1", "null"])
def test_a_record_of_a_run_that_a_power_failure_emptied_is_as_good_as_none(left, bench):
    manifest = workflow(dag("main", task("a", parameters=FIRST)), leaf("a", bench.source("a")))
    assert bench.run(manifest).succeeded
    (bench.out / ".argosy/run.json").write_text(left)
    assert bench.again(manifest).taken == 1


def test_a_file_that_got_the_inode_of_one_that_is_gone_is_not_taken_for_it(tmp_path):
    store = Store(tmp_path / "store", tmp_path)
    notes = []
    for text in ("one", "two"):
        left = tmp_path / "left"
        left.write_text(text)
        store.keep(left, "k", {"none": {}})
        notes += Contents([], lambda _: None).note(store.root / "k")
    other = (*notes[0][:3], notes[0][3] + 1, notes[0][-1])
    assert (store.is_aside(notes[0]), store.is_aside(other), store.is_aside(notes[1])) == (True, False, False)
    store.drop([other])
    assert store.is_aside(notes[0])
    store.drop(notes)
    assert not store.is_aside(notes[0])
