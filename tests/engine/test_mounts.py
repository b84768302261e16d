"""A folder given for a volume: what the user changes there counts, what tasks write there does not.

And nothing else of a leaf is put there: not what it mounts within that folder.
"""

import json
import os
import signal
import sys
import time

import pytest
from engine.manifests import dag, leaf, task, workflow

from dsl.engine import Resume, RunOptions, Unsupported, run

VOLUMES = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]


def script(source, *, mounts=True):
    volume = {"name": "v", "mountPath": "/mnt/v"}
    return {"image": "x", "command": ["sh"], "source": source, "volumeMounts": [volume] if mounts else []}


class Bench:
    """A script that mounts a given folder, and how it ran."""

    def __init__(self, folder):
        self.given, self.out = folder / "given", folder / "out"
        self.given.mkdir()
        (self.given / "first").write_text("one")

    def run(self, program, **options):
        main = {"name": "main", "script": script(f"cd /mnt/v; {program}")}
        options["claims"] = {"c": self.given}
        outcome = run(workflow(main, volumes=VOLUMES), RunOptions(self.out, **options))
        assert outcome.succeeded
        return outcome.taken

    def again(self, program, **options):
        """Return how many leaves were taken over."""
        return self.run(program, resume=Resume(), **options)

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


class HostBench(Bench):
    """A script that mounts a path of this machine."""

    def run(self, program, *, path="", kind="", **options):
        host = {"path": str(path or self.given), "type": kind}
        main = {"name": "main", "script": script(program)}
        manifest = workflow(main, volumes=[{"name": "v", "hostPath": host}])
        outcome = run(manifest, RunOptions(self.out, **options))
        assert outcome.succeeded
        return outcome.taken


@pytest.fixture
def host(tmp_path):
    return HostBench(tmp_path)


def test_what_the_user_changes_at_a_path_of_this_machine_runs_what_mounts_it_again(host):
    program = "cat /mnt/v/first; echo x > /mnt/v/made"
    host.run(program)
    assert host.again(program) == 1
    (host.given / "first").write_text("twooo")
    assert [host.again(program), host.again(program)] == [0, 1]
    (host.given / "second").touch()
    assert [host.again(program), host.again(program)] == [0, 1]
    host.forget_the_end()
    (host.given / "second").unlink()
    assert host.again(program) == 0


def test_a_file_of_this_machine_counts_by_itself(host):
    path = host.given / "first"
    host.run("cat /mnt/v", path=path)
    (host.given / "second").touch()
    assert host.again("cat /mnt/v", path=path) == 1
    path.write_text("two")
    assert [host.again("cat /mnt/v", path=path) for _ in range(2)] == [0, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_what_the_system_tells_of_itself_is_no_change(host):
    for path in ("/proc", "/sys"):
        host.run("true", path=path)
        assert host.again("true", path=path) == 1


def test_a_path_that_is_not_there_is_not_made_to_look_at_it(host):
    path = host.given / "later"
    host.run("true", path=path)
    assert not path.exists()
    assert host.again("true", path=path) == 1
    path.mkdir()
    (path / "new").touch()
    assert host.again("true", path=path) == 0


def test_a_path_that_is_made_to_mount_it_is_no_change(host):
    made = {"path": host.given / "made", "kind": "DirectoryOrCreate"}
    host.run("echo x > /mnt/v/f", **made)
    assert [host.again("echo x > /mnt/v/f", **made) for _ in range(2)] == [1, 1]


def test_of_a_whole_machine_not_all_is_looked_at(host):
    host.run("true", path="/")
    journal = (host.out / ".argosy/journal.jsonl").read_text()
    notes = [json.loads(line) for line in journal.splitlines() if line.startswith('{"mount"')]
    assert all(100 < len(note["files"]) < 50_000 for note in notes)


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


def test_another_folder_in_the_place_of_a_given_one_is_not_taken_for_it(bench):
    bench.run("cat first")
    bench.forget_the_end()
    bench.given.rename(bench.given.with_name("moved"))
    bench.given.mkdir()
    (bench.given / "first").write_text("two")
    os.utime(bench.given / "first", ns=(0, 0))
    sign = bench.out / ".argosy/mounted"
    os.utime(
        sign, ns=(sign.stat().st_mtime_ns + 10**12,) * 2
    )  # all in it is older than the last sign of life
    assert [bench.again("cat first"), bench.again("cat first")] == [0, 1]
    bench.given = bench.given.with_name("moved")
    assert [bench.again("cat first"), bench.again("cat first")] == [0, 1]


def test_a_program_of_ours_runs_again_for_another_folder_of_its_results(tmp_path):
    made = leaf(
        "main", "mkdir -p disk/wf; echo x > disk/wf/f", env=[{"name": "ARGOSY_OUT", "value": "disk/wf"}]
    )
    made["script"]["volumeMounts"] = [{"name": "v", "mountPath": "/argosy/disk"}]
    manifest = workflow(made, volumes=VOLUMES, arguments={"parameters": [{"name": "index", "value": "0"}]})
    for name, taken in (("one", 0), ("one", 1), ("other", 0), ("other", 1)):
        resume = Resume() if (tmp_path / "out").exists() else None
        outcome = run(manifest, RunOptions(tmp_path / "out", claims={"c": tmp_path / name}, resume=resume))
        assert (outcome.phase, outcome.taken) == ("Succeeded", taken)
        assert (tmp_path / name / "wf/f").read_text() == "x\n"


def test_a_given_folder_may_hold_the_run_and_links_that_lead_round(bench):
    bench.out = bench.given / "out"
    (bench.given / "round").symlink_to(bench.given)
    bench.run("true")
    assert bench.again("true") == 1


def test_a_link_that_cannot_be_followed_hides_nothing_beside_it(bench):
    (bench.given / "aa").symlink_to("aa")
    (bench.given / "deep").mkdir()
    bench.run("cat first")
    for name in ("first", "zz", "deep/zz"):
        (bench.given / name).write_text("twooo")
        assert [bench.again("cat first"), bench.again("cat first")] == [0, 1]
    (bench.given / "aa").unlink()
    (bench.given / "aa").symlink_to("nothing")
    assert [bench.again("cat first"), bench.again("cat first")] == [0, 1]


def test_what_a_task_changed_before_a_kill_is_no_change_and_what_the_user_adds_is(bench):
    bench.run("echo x >> first; rm -f second")
    bench.forget_the_end()
    assert [bench.again("echo x >> first; rm -f second") for _ in range(2)] == [1, 1]
    bench.forget_the_end()
    (bench.given / "second").write_text("new")
    assert bench.again("echo x >> first; rm -f second") == 0
    assert (bench.given / "first").read_text() == "onex\nx\n"


def test_what_changes_when_a_run_that_is_taken_up_has_begun_is_the_work_of_its_tasks(bench):
    bench.run("cat first")
    assert bench.again("cat first", begun=lambda: (bench.given / "first").write_text("two")) == 1
    assert bench.again("cat first") == 1


class Pair:
    """Task a changes a given folder, then task b does so late, and stays until the run is taken up again."""

    def __init__(self, folder, *, mounts=True):
        self.given, self.late, self.leader = folder / "given", folder / "late", folder / "leader"
        self.out = folder / "out"
        self.given.mkdir()
        (self.given / "first").write_text("one\n")
        stays = (
            f"echo $$$$ > {self.leader}; sleep 0.8; echo >> {self.given}/first; touch {self.late}; sleep 60"
        )
        self.manifest = workflow(
            dag("main", task("a"), task("b", depends="a")),
            {"name": "a", "script": script("echo a >> /mnt/v/first")},
            {"name": "b", "script": script(f"test -e {self.late} && exit; {stays}", mounts=mounts)},
            volumes=VOLUMES,
        )

    def begin(self):
        """Run in a process of its own; return its id."""
        child = os.fork()
        if not child:
            run(self.manifest, RunOptions(self.out, claims={"c": self.given}))
            os._exit(1)
        return child

    def taken(self, *, doubtful=()):
        """Take the run up again; return how many leaves were taken over."""
        outcome = run(self.manifest, RunOptions(self.out, claims={"c": self.given}, resume=Resume()))
        assert outcome.succeeded
        assert outcome.doubtful == doubtful
        return outcome.taken


def kill(child, *others):
    for process in (child, *others):
        os.kill(process, signal.SIGKILL)
    os.waitpid(child, 0)


def wait_for(path):
    while not path.exists():
        time.sleep(0.01)


@pytest.mark.parametrize(("mounts", "taken"), [(True, 1), (False, 0)])
def test_a_task_that_works_on_after_a_kill_changes_what_it_mounts_and_no_more(mounts, taken, tmp_path):
    pair = Pair(tmp_path, mounts=mounts)
    child = pair.begin()
    wait_for(pair.leader)
    kill(child)
    wait_for(pair.late)
    assert pair.taken(doubtful=("c",) if mounts else ()) == taken


@pytest.mark.parametrize("user_changes", [False, True])
def test_what_a_task_changed_until_it_was_killed_with_its_run_is_no_change(user_changes, tmp_path):
    pair = Pair(tmp_path)
    child = pair.begin()
    wait_for(pair.late)
    kill(child, -int(pair.leader.read_text()))
    if user_changes:
        time.sleep(0.6)  # as long as the last sign of life may be late
        (pair.given / "first").write_text("two")
    assert pair.taken() == (not user_changes)


OUTER = {"name": "v", "mountPath": "/mnt/v"}
INNER = {"name": "e", "mountPath": "/mnt/v/deep/e"}
CONFIG = {"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "1"}}


@pytest.mark.parametrize(
    "outer", [{"persistentVolumeClaim": {"claimName": "c"}}, {"hostPath": {"path": "/nowhere"}}]
)
@pytest.mark.parametrize("is_set", [False, True])
def test_a_volume_within_a_folder_that_others_have_too_is_refused_by_name(is_set, outer, bench):
    shell = {"name": "main", "image": "x", "command": ["true"]}
    container = {"container": {**shell, "volumeMounts": [INNER, OUTER]}}
    members = {"containers": [{**shell, "volumeMounts": [INNER]}], "volumeMounts": [OUTER]}
    main = {"name": "main", **({"containerSet": members} if is_set else container)}
    volumes = [{"name": "v", **outer}, {"name": "e", "emptyDir": {}}]
    why = r"^not supported: volume e within volume v of template main: others would find it in that folder"
    with pytest.raises(Unsupported, match=why):
        run(workflow(main, volumes=volumes), RunOptions(bench.out, claims={"c": bench.given}))


def test_a_volume_within_a_given_folder_is_an_error_and_leaves_that_folder_alone(bench):
    (bench.given / "deep/e").mkdir(parents=True)
    main = {"name": "main", "script": {**script("true"), "volumeMounts": [OUTER, INNER]}}
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "e", "emptyDir": {}}]
    node = run(workflow(main, volumes=volumes), RunOptions(bench.out, claims={"v": bench.given})).nodes[
        "main"
    ]
    why = "volume e cannot be mounted at /mnt/v/deep/e: others would find it in that folder"
    assert (node.phase, node.message.partition(";")[0]) == ("Error", why)
    assert list((bench.given / "deep/e").iterdir()) == []
    assert not (bench.given / "deep/e").is_symlink()


def test_what_is_mounted_within_an_empty_folder_is_found_there(bench):
    mounts = [OUTER, INNER, {"name": "m", "mountPath": "/mnt/v/k", "subPath": "k"}]
    source = "echo x > /mnt/v/deep/e/f; cat /mnt/v/k /mnt/v/deep/e/f > /tmp/o"
    outputs = {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}
    main = {"name": "main", "script": {**script(source), "volumeMounts": mounts}, "outputs": outputs}
    empty = [{"name": name, "emptyDir": {}} for name in "ve"]
    manifest = workflow(main, volumes=[*empty, {"name": "m", "configMap": {"name": "m"}}])
    assert run(manifest, RunOptions(bench.out, objects=[CONFIG])).nodes["main"].outputs == {"o": "1x"}


def test_a_place_within_a_volume_that_would_be_outside_is_an_error(bench):
    volume = {"name": "v", "mountPath": "/mnt/v", "subPath": "../beside"}
    main = {"name": "main", "script": {**script("echo x > /mnt/v/f"), "volumeMounts": [volume]}}
    options = RunOptions(bench.out, claims={"c": bench.given})
    node = run(workflow(main, volumes=VOLUMES), options).nodes["main"]
    why = "subPath: Invalid value: \"../beside\": must not contain '..'"
    assert (node.phase, node.message) == ("Error", why)
    assert sorted(path.name for path in bench.given.parent.iterdir()) == ["given", "out"]
