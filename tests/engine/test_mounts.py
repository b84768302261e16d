"""A folder given for a volume: what the user changes there counts, what tasks write there does not."""

import json

import pytest
from engine.manifests import workflow

from dsl.engine import Resume, RunOptions, run


class Bench:
    """A script that mounts a given folder, and how it ran."""

    def __init__(self, folder):
        self.given, self.out = folder / "given", folder / "out"
        self.given.mkdir()
        (self.given / "first").write_text("one")

    def run(self, program, resume=None):
        main = {
            "name": "main",
            "script": {
                "image": "x",
                "command": ["sh"],
                "source": f"cd /mnt/v; {program}",
                "volumeMounts": [{"name": "v", "mountPath": "/mnt/v"}],
            },
        }
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
        outcome = run(
            workflow(main, volumes=volumes), RunOptions(self.out, claims={"c": self.given}, resume=resume)
        )
        assert outcome.succeeded
        return outcome.taken

    def again(self, program):
        """Return how many leaves were taken over."""
        return self.run(program, Resume())

    def forget_the_end(self):
        """Let the journal end as it does when the run is killed after its last leaf."""
        journal = self.out / ".argosy/journal.jsonl"
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines if not line.get("ended")))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_file_in_a_given_folder_that_the_user_changes_runs_what_mounts_it_again(bench):
    bench.run("cat first")
    assert bench.again("cat first") == 1
    (bench.given / "first").write_text("twooo")
    assert bench.again("cat first") == 0
    (bench.given / "second").write_text("new")
    assert bench.again("cat first") == 0
    (bench.given / "second").unlink()
    assert [bench.again("cat first"), bench.again("cat first")] == [0, 1]


def test_what_a_task_writes_into_a_given_folder_is_no_change(bench):
    program = "echo x >> first; mkdir -p new; echo y > new/second"
    bench.run(program)
    assert [bench.again(program), bench.again(program)] == [1, 1]
    assert (bench.given / "first").read_text() == "onex\n"


def test_what_a_task_wrote_before_a_kill_is_no_change_and_what_it_found_counts(bench):
    bench.run("echo y > second")
    bench.forget_the_end()
    assert bench.again("echo y > second") == 1
    bench.forget_the_end()
    (bench.given / "first").write_text("twooo")
    assert bench.again("echo y > second") == 0


def test_a_given_folder_may_hold_the_run_and_links_that_lead_round(bench):
    bench.out = bench.given / "out"
    (bench.given / "round").symlink_to(bench.given)
    bench.run("true")
    assert bench.again("true") == 1
