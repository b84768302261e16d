"""Archives are made and unpacked as Argo does; into their own folder and nowhere else, by every Python."""

import errno
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine.manifests import dag, task, workflow
from engine.test_disk import LIMIT, room_for

from dsl.engine import Refused, RunOptions, run
from dsl.engine.artifacts import ArtifactError, Store, refuse_escapes
from tests.harness import without_privileges


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


def making(name, source, artifact, *, ours=False):
    """Return a template whose script leaves an artifact at /made; one of ours is told where that is."""
    script = {"image": "i", "command": ["sh"], "source": source}
    if ours:
        script["env"] = [{"name": "ARGOSY_ROOT", "value": "/argosy"}]
        script["source"] = source.replace("/made", "$ARGOSY_ROOT/made")
    path = "/argosy/made" if ours else "/made"
    outputs = {"artifacts": [{"name": "a", "path": path, **artifact}]}
    return {"name": name, "script": script, "outputs": outputs}


def passed_on(source, artifact, out, *, ours=False):
    """Make an artifact at /made by a script, and list what another finds at /got."""
    make = making("make", source, artifact, ours=ours)
    read = {
        "name": "read",
        "inputs": {"artifacts": [{"name": "a", "path": "/got"}]},
        "script": {"image": "i", "command": ["sh"], "source": LIST},
        "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]},
    }
    given = [{"name": "a", "from": "{{tasks.make.outputs.artifacts.a}}"}]
    manifest = workflow(dag("main", task("make"), task("read", depends="make", artifacts=given)), make, read)
    outcome = run(manifest, RunOptions(out))
    return outcome.nodes["main/make"].artifacts["a"]["key"], outcome.nodes["main/read"].outputs["o"]


ZIP = {"archive": {"zip": {}}}


def test_the_files_of_a_folder_travel_as_a_zip_without_their_modes(tmp_path):
    source = "mkdir -p /made/deep /made/empty; echo a > /made/deep/f; echo b > /made/run; chmod 755 /made/run"
    key, got = passed_on(source, ZIP, tmp_path)
    assert (key.rpartition("/")[2], got) == ("a.zip", "a\nb")
    with zipfile.ZipFile(tmp_path / ".argosy/artifacts" / key) as archive:
        assert archive.namelist() == ["a/deep/f", "a/run"]


def test_a_file_that_is_called_otherwise_than_its_artifact_cannot_be_zipped(tmp_path):
    node = kept("echo a > /made", ZIP, tmp_path)
    why = "stat /tmp/argo/outputs/artifacts/a: no such file or directory; "
    assert (node.phase, node.message) == ("Error", f"wait: Error (exit code 64): {why}")


NONE, TAR = {"archive": {"none": {}}}, {"archive": {"tar": {}}}


@pytest.fixture
def within_a_minute():
    """Break off what would wait for ever."""

    def stop(*_):
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("archive", [NONE, TAR, ZIP])
def test_a_pipe_in_a_folder_is_left_out(archive, tmp_path, within_a_minute):
    source = "mkdir -p /made/deep; echo a > /made/deep/f; mkfifo /made/p /made/deep/p"
    assert passed_on(source, archive, tmp_path)[1] == "a"
    assert not [path for path in tmp_path.rglob("*") if path.is_fifo()]


@pytest.mark.parametrize("archive", [NONE, TAR, ZIP])
def test_a_link_that_a_program_of_ours_leaves_is_followed(archive, tmp_path):
    source = "mkdir /made; echo a > /made/f; mkdir -p far/deep; echo b > far/deep/f; ln -s far/deep near"
    links = "ln -s $PWD/near /made/l; ln -s $PWD/near /made/m; ln -s f /made/g"
    if archive is TAR:  # which has links as links
        source, links = "mkdir far; echo a > far/f", "ln -s f far/g; ln -s $PWD/far /made"
    expected = "a\na\nb\nb" if archive is not TAR else "a"
    assert passed_on(f"{source}; {links}", archive, tmp_path, ours=True)[1] == expected


@pytest.mark.parametrize("archive", [NONE, ZIP])
def test_a_link_in_a_folder_is_left_out_where_argo_unpacks_its_own_tarball(archive, tmp_path):
    key, found = passed_on("mkdir /made; echo a > /made/f; ln -s f /made/run", archive, tmp_path)
    assert found == "a"
    if archive is ZIP:
        with zipfile.ZipFile(tmp_path / ".argosy/artifacts" / key) as packed:
            assert {name: packed.read(name) for name in packed.namelist()} == {"a/f": b"a\n", "a/run": b""}


@pytest.mark.parametrize("archive", [NONE, ZIP])
@pytest.mark.parametrize("link", ["/etc", "..", "deep/../../../f"])
def test_a_link_in_a_folder_that_leads_out_of_it_is_an_error(link, archive, tmp_path):
    main = making("main", f"mkdir /made; ln -s {link} /made/l", {"s3": {"key": "k"}, **archive})
    node = run(workflow(main), RunOptions(tmp_path)).nodes["main"]
    why = f"illegal symlink target: made/l -> {link}; "
    assert (node.phase, node.message) == ("Error", f"wait: Error (exit code 64): {why}")


def kept(source, archive, out):
    """Run a script of ours that leaves /made; return its node."""
    main = making("main", source, {"s3": {"key": "k"}, **archive}, ours=True)
    return run(workflow(main), RunOptions(out)).nodes["main"]


@pytest.mark.parametrize("archive", [NONE, ZIP])
@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("ln -s /dev/zero /made/z", "made/z is a link to what is neither a file nor a folder"),
        ("mkfifo p; ln -s $PWD/p /made/p", "made/p is a link to what is neither a file nor a folder"),
        ("ln -s . /made/self", "made/self is a link to a folder that it is in"),
        ("ln -s / /made/all", "made/all is a link to a folder that it is in"),
        ("mkdir a; ln -s $PWD/a /made/a; ln -s / a/all", "made/a/all is a link to a folder that it is in"),
        ("mkdir -p a b; ln -s $PWD/a b; ln -s $PWD/b a; ln -s $PWD/a /made/l",
         "made/l/b/a is a link to a folder that it is in"),
        ("ln -s nowhere /made/n", "made/n is a link that leads nowhere"),
        ("ln -s n /made/n", f"made/n: {os.strerror(errno.ELOOP)}"),
    ],
)  # fmt: skip
def test_a_link_that_cannot_be_followed_says_why_and_leaves_nothing(source, why, archive, tmp_path):
    with room_for(LIMIT):
        node = kept(f"mkdir /made; head -c 1000 /dev/zero > /made/f; {source}", archive, tmp_path)
    assert node.phase == "Error"
    assert why in node.message
    assert not list((tmp_path / ".argosy/aside").iterdir())
    assert sum(path.lstat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 10 * LIMIT


@pytest.mark.parametrize("archive", [NONE, TAR, ZIP])
def test_what_finds_no_room_says_so_and_leaves_nothing(archive, tmp_path):
    (tmp_path / "far").write_bytes(os.urandom(2 * LIMIT))
    with room_for(LIMIT):
        half = f"head -c {LIMIT // 2} /dev/urandom"
        made = f"{half} > /made/a; {half} > /made/b; {half} > /made/c; ln -s {tmp_path}/far /made/l"
        node = kept(f"mkdir /made; {made}", archive, tmp_path / "out")
    assert (node.phase, os.strerror(errno.EFBIG) in node.message) == ("Error", True)
    assert not list((tmp_path / "out/.argosy/aside").iterdir())


def test_what_is_kept_of_a_volume_stays_there(tmp_path):
    (tmp_path / "mine/d").mkdir(parents=True)
    (tmp_path / "mine/d/f").write_text("mine")
    (tmp_path / "mine/d/l").symlink_to("f")
    main = {
        "name": "main",
        "script": {
            "image": "i",
            "command": ["true"],
            "source": "",
            "volumeMounts": [{"name": "v", "mountPath": "/mnt"}],
        },
        "outputs": {"artifacts": [{"name": "a", "path": "/mnt/d", "s3": {"key": "k"}, **NONE}]},
    }
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    options = RunOptions(tmp_path / "out", claims={"c": tmp_path / "mine"})
    assert run(workflow(main, volumes=volumes), options).succeeded
    assert (tmp_path / "mine/d/l").is_symlink()
    for folder in (tmp_path / "mine/d", tmp_path / "out/.argosy/artifacts/k"):
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"f": "mine", "l": "mine"}


@pytest.mark.parametrize("made", ["ln /mnt/f /made", "mkdir /made; ln /mnt/f /made/f; echo y > /made/g"])
def test_a_hard_link_to_a_file_of_a_volume_is_kept_as_a_file_of_its_own(made, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/f").write_text("mine")
    mounts = [{"name": "v", "mountPath": "/mnt"}]
    main = {
        "name": "main",
        "script": {"image": "i", "command": ["sh"], "source": made, "volumeMounts": mounts},
        "outputs": {"artifacts": [{"name": "a", "path": "/made", "s3": {"key": "k"}, **NONE}]},
    }
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    options = RunOptions(tmp_path / "out", claims={"c": tmp_path / "mine"})
    assert run(workflow(main, volumes=volumes), options).succeeded
    place = tmp_path / "out/.argosy/artifacts/k"
    [kept] = [place] if place.is_file() else [path for path in place.iterdir() if path.name == "f"]
    kept.write_text("changed")
    assert (tmp_path / "mine/f").read_text() == "mine"


KEEP = """
import sys
from pathlib import Path
from dsl.engine.artifacts import Store

Store(Path(sys.argv[1], "store"), Path()).keep(Path(sys.argv[1], "left"), "k", {"none": {}})
"""


def test_a_folder_into_which_nobody_may_write_is_kept_with_all_in_it(tmp_path):
    inner, mine = tmp_path / "left/d/e", tmp_path / "mine"
    for folder in (inner, mine):
        folder.mkdir(parents=True)
        (folder / "f").write_text("x")
    (tmp_path / "left/l").symlink_to(mine)
    for folder in (inner, mine, *inner.parents[:2]):
        folder.chmod(0o500)
    command = [*without_privileges(), sys.executable, "-c", KEEP, str(tmp_path)]
    subprocess.run(command, check=True)
    found = [path.relative_to(tmp_path / "store/k") for path in (tmp_path / "store/k").rglob("f")]
    assert sorted(map(str, found)) == ["d/e/f", "l/f"]
    assert not (tmp_path / "left").exists()
    assert mine.stat().st_mode & 0o777 == 0o500  # only what is the leaf's own is opened


def test_a_socket_cannot_be_kept(tmp_path):
    left = tmp_path / "left"
    left.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(left / "s"))
    store = Store(tmp_path / "store", tmp_path)
    for archive in (NONE, TAR, ZIP):
        with pytest.raises(OSError, match=r"^left/s: sockets not supported$"):
            store.keep(left, "k", archive["archive"])


def test_a_file_of_long_ago_can_be_zipped(tmp_path):
    assert passed_on("mkdir /made; echo a > /made/f; touch -d @0 /made/f", ZIP, tmp_path)[1] == "a"


@pytest.mark.parametrize(("make", "name"), [("mkdir", r"a/a\xff/f"), ("touch", r"a/a\xff")])
def test_a_file_whose_name_no_zip_can_hold_is_named(make, name, tmp_path):
    source = (
        f'mkdir /made; cd /made; odd="$(printf \'a\\377\')"; {make} "$odd"; [ ! -d "$odd" ] || touch "$odd/f"'
    )
    output = {"artifacts": [{"name": "a", "path": "/made", **ZIP}]}
    script = {"image": "i", "command": ["sh"], "source": source}
    node = run(workflow({"name": "main", "script": script, "outputs": output}), RunOptions(tmp_path)).nodes[
        "main"
    ]
    why = f"artifact a failed to save: zip: the name of {name} is not UTF-8; "
    assert (node.phase, node.message.partition("): ")[2]) == ("Error", why)


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


def put_on_volume(folder, archive, made="mkdir /made; echo new > /made/f; echo two > /made/g"):
    """Make an artifact, and put it at /data/sub on a volume that `folder/mine` stands for."""
    shell = {"image": "i", "command": ["sh"]}
    make = {
        "name": "make",
        "script": {**shell, "source": made},
        "outputs": {"artifacts": [{"name": "a", "path": "/made", **archive}]},
    }
    read = {
        "name": "read",
        "inputs": {"artifacts": [{"name": "a", "path": "/data/sub"}]},
        "script": {**shell, "source": "", "volumeMounts": [{"name": "v", "mountPath": "/data"}]},
    }
    given = [{"name": "a", "from": "{{tasks.make.outputs.artifacts.a}}"}]
    main = dag("main", task("make"), task("read", depends="make", artifacts=given))
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    options = RunOptions(folder / "out", claims={"c": folder / "mine"})
    node = run(workflow(main, make, read, volumes=volumes), options).nodes["main/read"]
    files = [path for path in (folder / "mine").rglob("*") if path.is_file()]
    return node, {str(path.relative_to(folder / "mine")): path.read_text() for path in files}


@pytest.mark.parametrize("archive", [NONE, TAR, ZIP])
def test_an_artifact_takes_no_folder_s_place_on_a_volume(archive, tmp_path):
    (tmp_path / "mine/sub").mkdir(parents=True)
    (tmp_path / "mine/sub/precious").write_text("old")
    node, found = put_on_volume(tmp_path, archive)
    assert (node.phase, node.message.partition("artifact ")[2]) == (
        "Error",
        "a failed to load: rename to /data/sub: file exists",
    )
    assert found == {"sub/precious": "old"}


@pytest.mark.parametrize("archive", [NONE, TAR, ZIP])
def test_an_artifact_is_put_on_a_volume_beside_what_is_there(archive, tmp_path):
    (tmp_path / "mine/sub.unpacked").mkdir(parents=True)
    (tmp_path / "mine/sub.unpacked/f").write_text("old")
    node, found = put_on_volume(tmp_path, archive)
    assert node.phase == "Succeeded"
    assert found == {"sub.unpacked/f": "old", "sub/f": "new\n", "sub/g": "two\n"}


@pytest.mark.parametrize("archive", [NONE, TAR])
def test_an_artifact_takes_the_place_of_a_link_on_a_volume_and_not_what_it_leads_to(archive, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/f").write_text("old")
    (tmp_path / "mine/sub").symlink_to("f")
    node, found = put_on_volume(tmp_path, archive, "echo new > /made")
    assert (node.phase, found) == ("Succeeded", {"f": "old", "sub": "new\n"})


@pytest.mark.parametrize("depth", range(1, 7))
def test_a_path_that_leads_above_the_root_is_one_at_the_root(depth, tmp_path):
    (tmp_path / "victim").write_text("mine")
    path = f"{'/..' * depth}/victim"
    main = {
        "name": "main",
        "container": {"image": "i", "command": ["true"]},
        "outputs": {"artifacts": [{"name": "a", "path": path, **NONE}]},
    }
    node = run(workflow(main), RunOptions(tmp_path / "out")).nodes["main"]
    why = f"open /var/run/argo/outputs/artifacts{path}.tgz: no such file or directory; "
    assert (node.phase, node.message) == ("Error", f"wait: Error (exit code 64): {why}")
    assert (tmp_path / "victim").read_text() == "mine"


def left(folder, *files):
    """Return a new folder with files that hold their own names."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_no_folder_can_hold_a_file_and_what_is_below_its_key(tmp_path):
    store = Store(tmp_path / "store", tmp_path)
    store.keep(left(tmp_path / "one", "a", "c"), "k/x", {"none": {}})
    store.keep(left(tmp_path / "two", "a/b", "c"), "k/x", {"none": {}})
    assert [store.path(f"k/x/{name}").read_text() for name in ("a", "a/b", "c")] == ["a", "a/b", "c"]
    for key in ("k", "k/x"):
        with pytest.raises(ArtifactError, match=r"^k/x/a/b: of two keys one is below the other"):
            store.fetch({"s3": {"key": key}}, tmp_path / "in", link=True)


def test_what_is_under_the_key_of_others_folder_is_restored_beside_it(tmp_path):
    store = Store(tmp_path / "store", tmp_path)
    store.keep(left(tmp_path / "one", "b"), "k/a", {"none": {}})
    store.restore(left(tmp_path, "a") / "a", "k/a")
    assert [store.path(f"k/{name}").read_text() for name in ("a", "a/b")] == ["a", "b"]


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
