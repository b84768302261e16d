"""Archives are made and unpacked as Argo does; into their own folder and nowhere else, by every Python."""

import io
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine.manifests import dag, task, workflow

from dsl.engine import Refused, RunOptions, run
from dsl.engine.artifacts import ArtifactError, Store, refuse_escapes


def tarball(name, kind=tarfile.REGTYPE, target=""):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        packed.addfile(member)
    stream.seek(0)
    return tarfile.open(fileobj=stream)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../x", tarfile.REGTYPE, ""),
        ("a/../../x", tarfile.REGTYPE, ""),
        ("/etc/x", tarfile.REGTYPE, ""),
        ("a/l", tarfile.SYMTYPE, "../../x"),
        ("l", tarfile.SYMTYPE, "/etc"),
        ("h", tarfile.LNKTYPE, "../x"),
        ("d", tarfile.CHRTYPE, ""),
    ],
)
def test_a_member_that_leads_out_is_refused_by_name(name, kind, target):
    with tarball(name, kind, target) as packed, pytest.raises(ArtifactError, match=f"^{name} in the tarball"):
        refuse_escapes(packed)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [("a/b", tarfile.REGTYPE, ""), ("a/..b", tarfile.REGTYPE, ""), ("a/l", tarfile.SYMTYPE, "../b")],
)
def test_a_member_that_stays_inside_is_kept(name, kind, target):
    with tarball(name, kind, target) as packed:
        assert [member.name for member in refuse_escapes(packed)] == [name]


LIST = "find /got -type f | sort | xargs cat > /tmp/o; if test -x /got/run; then echo x >> /tmp/o; fi"


def passed_on(source, artifact, out):
    """Make an artifact at /made by a script, and list what another finds at /got."""
    shell = {"image": "i", "command": ["sh"]}
    make = {
        "name": "make",
        "script": {**shell, "source": source},
        "outputs": {"artifacts": [{"name": "a", "path": "/made", **artifact}]},
    }
    read = {
        "name": "read",
        "inputs": {"artifacts": [{"name": "a", "path": "/got"}]},
        "script": {**shell, "source": LIST},
        "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]},
    }
    given = [{"name": "a", "from": "{{tasks.make.outputs.artifacts.a}}"}]
    manifest = workflow(dag("main", task("make"), task("read", depends="make", artifacts=given)), make, read)
    outcome = run(manifest, RunOptions(out))
    return outcome.nodes["main/make"].artifacts["a"]["key"], outcome.nodes["main/read"].outputs["o"]


ZIP = {"archive": {"zip": {}}}


def test_a_folder_travels_as_a_zip_with_its_modes(tmp_path):
    source = "mkdir -p /made/deep; echo a > /made/deep/f; echo b > /made/run; chmod 755 /made/run"
    key, got = passed_on(source, ZIP, tmp_path)
    assert (key.rpartition("/")[2], got) == ("a.zip", "a\nb\nx")
    with zipfile.ZipFile(tmp_path / ".argosy/artifacts" / key) as archive:
        assert archive.namelist() == ["made/", "made/deep/", "made/deep/f", "made/run"]


def test_a_file_travels_as_a_zip_and_is_a_file_again(tmp_path):
    assert passed_on("echo a > /made", ZIP, tmp_path)[1] == "a"


def test_what_is_written_to_a_bucket_stays_with_the_run_and_nothing_is_read_from_one(tmp_path):
    located = {"s3": {"bucket": "b", "key": "k.tgz", "endpoint": "e"}}
    assert passed_on("echo a > /made", located, tmp_path) == ("k.tgz", "a")
    reads = {"name": "main", "container": {"image": "i", "command": ["true"]},
             "inputs": {"artifacts": [{"name": "a", "path": "/got", **located}]}}  # fmt: skip
    with pytest.raises(Refused, match=r"^not supported: bucket of artifact a of template main: "):
        run(workflow(reads), RunOptions(tmp_path / "other"))


def test_a_zip_that_is_none_is_an_error(tmp_path):
    broken = {"name": "a", "path": "/got", "s3": {"key": "inputs/broken.zip"}, **ZIP}
    (tmp_path / "broken.zip").write_text("no zip")
    reads = {
        "name": "main",
        "container": {"image": "i", "command": ["true"]},
        "inputs": {"artifacts": [broken]},
    }
    node = run(workflow(reads), RunOptions(tmp_path / "out", inputs=tmp_path)).nodes["main"]
    assert (node.phase, "artifact a failed to load: zip: " in node.message) == ("Error", True)


def test_an_optional_input_that_nobody_gave_is_no_file_of_this_machine(tmp_path):
    (tmp_path / "x").write_text("not given")
    inputs = {"artifacts": [{"name": "x", "path": str(tmp_path / "x"), "optional": True}]}
    script = {"image": "busybox:1", "command": ["sh"], "source": f"! test -e {tmp_path}/x"}
    outcome = run(
        workflow({"name": "main", "inputs": inputs, "script": script}), RunOptions(tmp_path / "out")
    )
    assert outcome.phase == "Succeeded"


@pytest.mark.slow
def test_leaves_that_add_to_one_key_at_once_lose_nothing(tmp_path):
    store, rounds, names = Store(tmp_path / "store", tmp_path), 400, "abcd"
    together = threading.Barrier(len(names), timeout=60)

    def leave(name):
        for number in range(rounds):
            left = tmp_path / f"{name}-{number}"
            (left / "deep").mkdir(parents=True)
            (left / "deep" / name).touch()
            together.wait()
            store.keep(left, f"key/{number}", {"none": {}})

    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(leave, names))
    found = sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())
    assert found == sorted(f"key/{number}/deep/{name}" for number in range(rounds) for name in names)
