"""Disks without room and folders that may not be written, where nobody is root: limits and permissions."""

import json
import os
import resource
from collections import Counter
from contextlib import contextmanager

import pytest
from engine.manifests import NOP, dag, leaf, phases, task, workflow

from dsl.engine import Resume, RunOptions, Unusable, run

LIMIT = 64 * 1024
NOBODY = 65534


@contextmanager
def room_for(size):
    """Let this process and what it starts write no byte of a file beyond `size`."""
    former, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (former, most))


def test_a_leaf_that_finds_no_room_fails_and_runs_again_when_there_is(tmp_path):
    source = f"mkdir out; echo $INDEX >> {tmp_path}/log; head -c $INDEX /dev/zero > out/$INDEX"
    loop = task("a", withItems=[1000, 100000], parameters={"index": "{{item}}"})
    manifest = workflow(dag("main", loop), leaf("a", source))
    with room_for(LIMIT):
        outcome = run(manifest, RunOptions(tmp_path / "out", jobs=1))
    assert phases(outcome) == {
        "main": "Failed", "main/a": "Failed", "main/a(0:1000)": "Succeeded", "main/a(1:100000)": "Failed",
    }  # fmt: skip
    again = run(manifest, RunOptions(tmp_path / "out", resume=Resume()))
    assert (again.phase, again.taken) == ("Succeeded", 1)
    assert Counter((tmp_path / "log").read_text().split()) == {"1000": 1, "100000": 2}
    assert (tmp_path / "out/a/100000").stat().st_size == 100000


def test_a_journal_that_finds_no_room_keeps_what_it_holds_and_repeats_none_of_it(tmp_path):
    out = tmp_path / "out"
    source = (
        f"echo $INDEX >> {tmp_path}/log; {{ echo $INDEX; head -c 8000 /dev/zero | tr '\\0' a; }} > result"
    )
    loop = task("a", withItems=list(range(10)), parameters={"index": "{{item}}"})
    manifest = workflow(dag("main", loop), leaf("a", source))
    with room_for(LIMIT):
        outcome = run(manifest, RunOptions(out, jobs=1))
    assert outcome.phase == "Error"
    lost = [node.message for node in outcome.nodes.values() if node.phase == "Error" and node.type == "Pod"]
    assert 0 < len(lost) < 10
    assert all(message.startswith("the journal cannot be written: ") for message in lost)
    lines = [json.loads(line) for line in (out / ".argosy/journal.jsonl").read_text().splitlines()]
    kept = [line["outputs"]["result"][0] for line in lines if "leaf" in line]
    assert len(kept) + len(lost) == 10
    again = run(manifest, RunOptions(out, resume=Resume()))
    assert (again.phase, again.taken) == ("Succeeded", len(kept))
    assert json.loads((out / "results.json").read_text())["phase"] == "Succeeded"
    times = Counter((tmp_path / "log").read_text().split())
    assert times == {str(n): 1 if str(n) in kept else 2 for n in range(10)}


def as_nobody(work):
    """Do a work in a process that is not root's; return what it returns."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if not os.geteuid():
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            said = work()
        except BaseException as wrong:
            said = repr(wrong)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        return file.read()


def test_a_folder_that_may_not_be_written_is_refused_and_left_alone(tmp_path):
    manifest = workflow(dag("main", task("nop")), NOP)
    assert run(manifest, RunOptions(tmp_path / "former")).succeeded
    places = [tmp_path, *tmp_path.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    for folder in tmp_path.parents:
        folder.chmod(folder.stat().st_mode | 0o111)

    def refused():
        said = []
        for options in (
            RunOptions(tmp_path / "out"),
            RunOptions(tmp_path / "former"),
            RunOptions(tmp_path / "former", resume=Resume()),
        ):
            with pytest.raises(Unusable) as caught:
                run(manifest, options)
            said.append(str(caught.value).removeprefix(f"{tmp_path}/"))
        return "; ".join(said)

    said = as_nobody(refused)
    for place in places:
        place.chmod(0o755 if place.is_dir() else 0o644)
    why = "cannot hold a run: Permission denied"
    assert said == f"out {why}; former {why}; former {why}"
    assert (tmp_path / "former/results.json").exists()
