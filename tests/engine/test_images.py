"""Leaves run in real containers by podman: what stands for files on a cluster is bound into them."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import pytest
from engine.manifests import NOP, dag, ran, task, workflow

from dsl.engine import Refused, RunOptions, Unusable, run
from tests.harness import compile_file, heed_signals, run_here, write

IMAGE = "localhost/argosy-test:1"
PODMAN, BUSYBOX = shutil.which("podman"), shutil.which("busybox")
PLAIN = """
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
"""What podman needs where it may neither raise limits nor manage groups of processes."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PODMAN and BUSYBOX), reason="needs podman and a static busybox"),
]


@pytest.fixture(scope="module", autouse=True)
def image(tmp_path_factory):
    """An image with busybox, under a configuration with which this machine runs it."""
    folder = tmp_path_factory.mktemp("podman")
    (folder / "containers.conf").write_text(PLAIN)
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    (folder / "storage.conf").write_text(storage)
    tarball(folder / "image.tar")
    settings = {"CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}
    for more in ({}, {"CONTAINERS_CONF": f"{folder}/containers.conf"}):
        env = {**os.environ, **settings, **more}
        podman("import", f"{folder}/image.tar", IMAGE, env=env)
        if podman("run", "--rm", IMAGE, "/bin/sh", "-c", "exit 7", env=env) == 7:
            break
    else:
        pytest.skip("podman runs no container here")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**settings, **more}.items():
            patch.setenv(name, value)
        yield
    podman("system", "reset", "--force", env=env)


def podman(*words, env=None):
    return subprocess.run([PODMAN, *words], capture_output=True, env=env, timeout=120, check=False).returncode


def tarball(path):
    with tarfile.open(path, "w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        tools = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout
        for tool in set(tools.split()) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        mark = tarfile.TarInfo("etc/mark")
        mark.size = 5
        tar.addfile(mark, io.BytesIO(b"image"))
        for name in ("tmp", "data"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)


def left():
    """Return the containers that are still there."""
    return json.loads(
        subprocess.run([PODMAN, "ps", "--all", "--format", "json"], capture_output=True, check=True).stdout
    )


def in_containers(manifest, out, **options):
    outcome = run(manifest, RunOptions(out, jobs=2, runtime="podman", **options))
    assert left() == []
    return outcome


def script(source, *outputs, **more):
    container = {"image": IMAGE, "command": ["sh"], "source": source, **more.pop("script", {})}
    declared = [{"name": f"o{n}", "valueFrom": {"path": path}} for n, path in enumerate(outputs)]
    return {"name": "main", "script": container, "outputs": {"parameters": declared}, **more}


def test_a_program_finds_its_image_its_inputs_and_its_variables(tmp_path):
    main = script(
        'cat /etc/mark /in/a > /data/o; echo "$A|$HOME|$(id -u)" > /o; cat $0 | wc -l > /new',
        "/data/o", "/o", "/new",
        inputs={"artifacts": [{"name": "a", "path": "/in/a", "raw": {"data": " and input"}}]},
        script={"env": [{"name": "A", "value": "a\nb $(B)"}, {"name": "PATH", "value": "/bin"}]},
    )  # fmt: skip
    node = in_containers(workflow(main), tmp_path).nodes["main"]
    assert (node.message, node.exit_code) == ("", "0")
    assert node.outputs == {"o0": "image and input", "o1": "a\nb $(B)|/|0", "o2": "0"}


def test_exit_code_stdout_and_working_folder_are_those_of_the_container(tmp_path):
    main = dag(
        "main", task("c"), task("n", "nop", "c.Failed", parameters={"x": "{{tasks.c.outputs.result}}"})
    )
    words = {"image": IMAGE, "command": ["sh", "-c"], "args": ["pwd; exit 9"], "workingDir": "/data"}
    nop = {**NOP, "inputs": {"parameters": [{"name": "x"}]}}
    outcome = in_containers(workflow(main, {"name": "c", "container": words}, nop), tmp_path)
    assert outcome.nodes["main/c"].message == "main: Error (exit code 9)"
    assert outcome.nodes["main/n"].inputs == {"x": "/data"}


def test_volumes_and_artifacts_travel_between_containers(tmp_path):
    mounts = [{"name": "w", "mountPath": "/w"}, {"name": "s", "mountPath": "/s"}]
    first = {
        "name": "prep",
        "image": IMAGE,
        "command": ["sh", "-c", "cat /s/pw > /w/f"],
        "volumeMounts": mounts,
    }
    command = ["sh", "-c", "mkdir /made; cp /w/f /made/f"]
    make = {
        "name": "make", "initContainers": [first],
        "volumes": [{"name": "w", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s"}}],
        "container": {"image": IMAGE, "command": command, "volumeMounts": mounts},
        "outputs": {"artifacts": [{"name": "d", "path": "/made"}]},
    }  # fmt: skip
    read = script("cat /got/f > /o", "/o", inputs={"artifacts": [{"name": "d", "path": "/got"}]})
    given = [{"name": "d", "from": "{{tasks.make.outputs.artifacts.d}}"}]
    main = dag("main", task("make"), task("read", depends="make", artifacts=given))
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"pw": "hidden"}}
    manifest = workflow(main, make, {**read, "name": "read"})
    outcome = in_containers(manifest, tmp_path, objects=[secret])
    assert outcome.nodes["main/read"].outputs == {"o0": "hidden"}


def test_a_secret_is_not_among_the_words_of_a_process(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "of the caller")
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}]
    source = "for p in /host/[0-9]*/cmdline; do cat $p; done > /data/words; echo $TOKEN > /o"
    mounts = [{"name": "h", "mountPath": "/host"}]
    main = script(source, "/data/words", "/o", script={"env": env, "volumeMounts": mounts})
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"pw": "hidden-9f2"}}
    manifest = workflow(main, volumes=[{"name": "h", "hostPath": {"path": "/proc"}}])
    outputs = in_containers(manifest, tmp_path, objects=[secret]).nodes["main"].outputs
    assert outputs["o1"] == "hidden-9f2"
    assert "--env=TOKEN" in outputs["o0"]
    assert "hidden-9f2" not in outputs["o0"]


@pytest.mark.parametrize("storage", ["Artifacts()", "Volume('disk')"])
def test_our_own_manifests_run_in_containers(storage, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a.txt", "b; |c.txt"):
        (tmp_path / "data" / name).write_text(f"{name}\n")
    text = f"""
from dsl import Artifacts, Volume

@task.shell(image="{IMAGE}")
def copy():
    return 'cp "$INPUT_FILE" "$OUTPUT_FILE"'

@task.shell(image="{IMAGE}", output="all.txt")
def gather():
    return 'cat "$INPUT_DIR"/* > "$OUTPUT_FILE"; wc -l < "$OUTPUT_FILE" > "$RESULT_FILE"'

with DAG("d", storage={storage}):
    Files("data/*.txt") >> copy >> gather
"""
    manifest = compile_file(write(tmp_path, text))
    ended = run_here(manifest, tmp_path, tmp_path / "out", runtime="podman").succeeded()
    assert ended.values["gather"] == "2"
    assert left() == []


def test_a_deadline_kills_the_container(tmp_path):
    began = time.monotonic()
    main = script("trap '' TERM; sleep 90; sleep 90", activeDeadlineSeconds=3)
    outcome = in_containers(workflow(main), tmp_path)
    assert outcome.message == "Pod was active on the node longer than the specified deadline"
    assert time.monotonic() - began < 60


def test_an_interrupt_leaves_no_container(tmp_path):
    manifest = workflow(script(f"trap '' TERM; echo > {tmp_path}/w/up; sleep 90; sleep 90"))
    manifest["spec"]["templates"][0]["script"]["volumeMounts"] = [{"name": "w", "mountPath": f"{tmp_path}/w"}]
    manifest["spec"]["volumes"] = [{"name": "w", "persistentVolumeClaim": {"claimName": "w"}}]
    (tmp_path / "w").mkdir()
    (tmp_path / "flow.json").write_text(json.dumps(manifest))
    command = [sys.executable, "-m", "dsl", "run", "flow.json", "--runtime", "podman", "--mount", "w=w"]
    with subprocess.Popen(command, cwd=tmp_path, preexec_fn=heed_signals) as process:
        until = time.monotonic() + 60
        while not (tmp_path / "w" / "up").exists():
            assert time.monotonic() < until
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert left() == []


def test_an_image_without_a_command_runs_what_it_says(tmp_path):
    bare = {"name": "main", "container": {"image": IMAGE, "args": ["/bin/sh", "-c", "exit 4"]}}
    assert in_containers(workflow(bare), tmp_path).nodes["main"].exit_code == "4"


def test_what_cannot_be_is_said_before_anything_starts(tmp_path):
    side = {"name": "s", "image": IMAGE, "command": ["sh"]}
    with pytest.raises(Refused, match=r"^not supported: sidecars in containers of template main: "):
        run(workflow(script("", sidecars=[side])), RunOptions(tmp_path, runtime="podman"))
    with pytest.raises(Unusable, match=r"^no-such-program is not installed$"):
        ran(workflow(script("")), tmp_path, runtime="no-such-program")
