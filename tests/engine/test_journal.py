"""The journal of a run: what it cannot make durable is told of, and nothing is added to it any more."""

import errno
import json
import os
import time
from pathlib import Path

import pytest
from engine.manifests import dag, phases, task, workflow

from dsl.engine import Resume, RunOptions, Silent, run
from dsl.engine.journal import Journal, Record, make_durable, read_journal


def losing(_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def add_on(journal):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        journal.add(Record("main/a", "a", "", "Succeeded"))
        time.sleep(0.05)


def test_what_a_disk_has_lost_is_an_error_of_all_that_comes_after(tmp_path):
    journal = Journal(tmp_path / "journal", losing)
    with pytest.raises(OSError, match="Input/output error"):
        add_on(journal)
    assert journal.settle().errno == errno.EIO
    journal.close("Succeeded", 1.0)
    assert read_journal(tmp_path / "journal").phase == ""


def test_a_file_system_that_cannot_make_files_durable_is_no_fault(tmp_path):
    reading, writing = os.pipe()
    make_durable(writing)
    os.close(reading)
    os.close(writing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        make_durable(writing)


class Breaking(Silent):
    """Takes the open journal away when the second leaf has ended."""

    def __init__(self, journal):
        self.journal, self.ends = journal, 0

    def ended(self, event):
        self.ends += 1
        if self.ends == 2:
            [file] = (
                int(each.name)
                for each in Path("/proc/self/fd").iterdir()
                if each.is_symlink() and os.readlink(each) == str(self.journal)  # noqa: PTH115 - of a number
            )
            gone = os.open(self.journal, os.O_PATH)
            os.dup2(gone, file)
            os.close(gone)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_run_whose_journal_was_lost_is_an_error(tmp_path):
    main = dag("main", task("a", "x"), task("b", "x", "a"))
    manifest = workflow(
        main, {"name": "x", "script": {"image": "busybox:1", "command": ["sh"], "source": ""}}
    )
    outcome = run(manifest, RunOptions(tmp_path), Breaking(tmp_path / ".argosy/journal.jsonl"))
    assert phases(outcome) == dict.fromkeys(("main", "main/a", "main/b"), "Succeeded")
    assert outcome.phase == "Error"
    assert outcome.message == "the journal cannot be written: [Errno 9] Bad file descriptor"
    for name in ("results", "status"):
        assert json.loads((tmp_path / f"{name}.json").read_text())["phase"] == "Error"
    assert run(manifest, RunOptions(tmp_path, resume=Resume())).succeeded


def test_a_line_of_another_version_is_left_out(tmp_path):
    manifest = workflow(
        dag("main", task("a", "x")), {"name": "x", "script": {"image": "i", "command": ["sh"], "source": ""}}
    )
    assert run(manifest, RunOptions(tmp_path)).succeeded
    record = {"leaf": "main/b", "task": "x", "fingerprint": "", "phase": "Succeeded", "files": []}
    others = [
        {**record, "more": 1},
        {"leaf": "main/b"},
        {"mount": "m", "more": 1},
        {"began": 1.0},
        {"ended": True},
    ]
    with (tmp_path / ".argosy/journal.jsonl").open("a") as journal:
        journal.writelines(f"{json.dumps(line)}\n" for line in others)
    outcome = run(manifest, RunOptions(tmp_path, resume=Resume()))
    assert (outcome.phase, outcome.taken) == ("Succeeded", 1)
    assert "main/b" not in read_journal(tmp_path / ".argosy/journal.jsonl").records
