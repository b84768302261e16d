"""A script that is forked from a warm interpreter does what it does in a fresh one."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine.manifests import dag, task, workflow
from engine.test_run import is_gone

from dsl.engine import RunOptions, run
from dsl.engine.process import Program
from dsl.engine.unstartable import LONGEST
from dsl.engine.warm import Warm
from tests.harness import heed_signals

TEXTS = re.split(r"^== (.+)\n", (Path(__file__).with_name("scripts.txt")).read_text(), flags=re.MULTILINE)[1:]
SCRIPTS = {
    **dict(zip(TEXTS[::2], map(str.encode, TEXTS[1::2]), strict=True)),
    "bytes": b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))",
    "null": b"print(1)\0",
}
FRESH = {"syntax", "null", "warned-import", "warned-syntax", "import-says"}
"""Scripts that are not forked: every run of them is to say what the first did."""


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {**kept, "A": "é\udcff", **more}


def ended(start, source, folder, env):
    """Return all that can be seen of a script which runs in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "cwd").mkdir(parents=True)
    (folder / "script").write_bytes(source)
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        command = [sys.executable, str(folder / "script")]
        process = start(Program(command, env, folder / "cwd", out.fileno(), err.fileno()))
        code = process.wait()
    files = {
        str(path): re.sub(rb"0x[0-9a-f]+", b"0x", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return type(process).__name__, code, {n: b for n, b in files.items() if "__pycache__" not in n}


@pytest.fixture
def warm():
    warm = Warm()
    yield warm
    warm.close()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_fork_does_what_a_fresh_interpreter_does(name, warm, tmp_path):
    if name == "warned-import" and sys.version_info >= (3, 12):
        pytest.skip("this Python has no module that warns")
    runs = [ended(warm.start, SCRIPTS[name], tmp_path / "leaf", environment()) for _ in range(3)]
    for found in runs[1:]:
        assert found[1:] == runs[0][1:]
    kinds = [kind for kind, _, _ in runs]
    assert kinds == ["Popen", *["Popen" if name in FRESH else "_Forked"] * 2]


def said(warm, text, folder, **more):
    """Return what a script wrote, and whether it was forked."""
    kind, _, files = ended(warm.start, text.encode(), folder, environment(**more))
    return files[f"{folder}/out"].decode(), kind == "_Forked"


def test_a_fork_sees_nothing_that_another_did(warm, tmp_path):
    text = """import json, os, sys, builtins
print(os.environ.get("B"), hasattr(json, "b"), hasattr(builtins, "b"), sys.path[1:], os.umask(0o22))
os.environ["B"] = json.b = builtins.b = "set"
sys.path.append("b")
os.umask(0)
"""
    first, *others = [said(warm, text, tmp_path / "leaf") for _ in range(4)]
    assert not first[1]
    assert others == [(first[0], True)] * 3


@pytest.mark.parametrize(
    "text",
    ["import random\nprint(random.random())", "import uuid\nprint(uuid.uuid4())",
     "import tempfile\nprint(next(tempfile._get_candidate_names()))", "import os\nprint(os.urandom(8))"],
)  # fmt: skip
def test_forks_draw_random_numbers_of_their_own(text, warm, tmp_path):
    drawn = [said(warm, text, tmp_path / "leaf") for _ in range(4)]
    assert [is_forked for _, is_forked in drawn] == [False, True, True, True]
    assert len({number for number, _ in drawn}) == 4


def test_an_environment_that_an_interpreter_reads_gets_one_of_its_own(warm, tmp_path):
    text = "import os, sys, time\nprint(os.environ.get('PYTHONPATH') in sys.path, time.tzname[0])"
    for more, ends in (({"TZ": "UTC0"}, "UTC"), ({"TZ": "XYZ3"}, "XYZ"), ({"TZ": "UTC0"}, "UTC")):
        assert [said(warm, text, tmp_path / "leaf", **more)[0] for _ in range(2)] == [f"False {ends}\n"] * 2
    found = [said(warm, text, tmp_path / "leaf", PYTHONPATH="/nowhere", TZ="UTC0") for _ in range(3)]
    assert found == [("True UTC\n", False)] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="others have no limit of one variable")
def test_no_script_starts_with_a_variable_that_is_too_long_for_a_fresh_interpreter(warm, tmp_path):
    assert [said(warm, "print(1)", tmp_path / "leaf") for _ in range(2)] == [("1\n", False), ("1\n", True)]
    with pytest.raises(OSError, match="Argument list too long"):
        said(warm, "print(1)", tmp_path / "leaf", B="x" * LONGEST)


def test_a_script_that_a_killed_interpreter_would_have_run_gets_a_fresh_one(warm, tmp_path):
    flag = str(tmp_path / "flag")
    text = f"import os\nprint('x', flush=True)\nif os.path.exists({flag!r}):\n    os.kill(os.getppid(), 9)"
    assert [said(warm, text, tmp_path / "leaf") for _ in range(2)] == [("x\n", False), ("x\n", True)]
    Path(flag).touch()
    said(warm, text, tmp_path / "leaf")
    Path(flag).unlink()
    assert [said(warm, text, tmp_path / "leaf") for _ in range(2)] == [("x\n", False), ("x\n", False)]


def test_nothing_is_left_of_interpreters_that_were_closed(warm, tmp_path):
    script = tmp_path / "script"
    script.write_text("import os, time\nos.fork()\nprint(os.getpid(), flush=True)\ntime.sleep(60)")
    out = tmp_path / "out"
    with out.open("wb") as log:
        program = Program([sys.executable, str(script)], environment(), tmp_path, log.fileno(), log.fileno())
        fresh, forked = warm.start(program), warm.start(program)
    while len(out.read_text().split()) < 4:
        time.sleep(0.02)
    os.killpg(fresh.pid, signal.SIGKILL)
    warm.close()
    assert (fresh.wait(), forked.wait()) == (-9, -9)
    assert all(is_gone(pid) for pid in out.read_text().split())


def test_a_fork_has_no_open_files_of_others_whatever_their_greatest_number_may_be(warm, tmp_path):
    if not hasattr(resource, "prlimit"):
        pytest.skip("only Linux lets others set the limit of a process")
    source = b"import os\nprint(os.getppid(), sorted(map(int, os.listdir('/dev/fd'))))"
    several = [
        os.open(os.devnull, os.O_RDONLY) for _ in range(40)
    ]  # so that the connection's number is large
    try:
        for _ in range(2):
            _, _, files = ended(warm.start, source, tmp_path / "x", environment())
    finally:
        for each in several:
            os.close(each)
    parent = int(files[str(tmp_path / "x/out")].split()[0])
    resource.prlimit(parent, resource.RLIMIT_NOFILE, (20, 20))
    kind, _, files = ended(warm.start, source, tmp_path / "x", environment())
    assert (kind, files[str(tmp_path / "x/out")]) == ("_Forked", b"%d [0, 1, 2, 3]\n" % parent)


RUN = """
import sys
from pathlib import Path
from dsl.engine import RunOptions, run

def ended(number, _):
    sys.exit(128 + number)

import signal
signal.signal(signal.SIGTERM, ended)
source = '''
import os, signal, time
signal.signal(signal.SIGTERM, {handler})
os.fork()
with open("{pids}", "a") as file:
    print(os.getpid(), os.getppid(), file=file)
time.sleep(60)
'''
leaf = {{"name": "x", "script": {{"image": "a", "command": ["python3"], "source": source}}}}
main = {{"name": "main", "dag": {{"tasks": [{{"name": "x", "template": "x", "withItems": [1, 2, 3]}}]}}}}
spec = {{"entrypoint": "main", "templates": [main, leaf]}}
manifest = {{"kind": "Workflow", "metadata": {{"name": "wf"}}, "spec": spec}}
run(manifest, RunOptions(Path("{out}"), jobs=3))
"""


@pytest.fixture(params=["signal.SIG_DFL", "signal.SIG_IGN"])
def running(request, tmp_path):
    """An engine that runs three scripts, two of them forked, and a file of their processes and parents."""
    pids = tmp_path / "pids"
    program = RUN.format(handler=request.param, pids=pids, out=tmp_path / "out")
    with subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, preexec_fn=heed_signals
    ) as process:
        until = time.monotonic() + 30
        while not pids.exists() or pids.read_text().count("\n") < 6:
            assert time.monotonic() < until
            time.sleep(0.02)
        yield process, dict(line.split() for line in pids.read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="the environment of a process is not told")
def test_a_process_that_leaves_the_session_of_a_fork_ends_with_the_run(tmp_path):
    pids = tmp_path / "pids"
    source = f"""
import os, time
pid = os.fork()
if pid == 0:
    os.setsid()
    if os.fork() == 0:
        with open({str(pids)!r}, "a") as file:
            print(os.getpid(), file=file)
        time.sleep(60)
    else:
        time.sleep(0.2)
    os._exit(0)
os.waitpid(pid, 0)
"""
    script = {"name": "x", "script": {"image": "a", "command": ["python3"], "source": source}}
    main = dag("main", task("x", withItems=[1, 2, 3]))
    assert run(workflow(main, script), RunOptions(tmp_path / "out", jobs=1)).phase == "Succeeded"
    left = pids.read_text().split()
    assert (len(left), all(map(is_gone, left))) == (3, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_engine_leaves_no_process_behind(number, running):
    process, parents = running
    process.send_signal(number)
    process.communicate(timeout=30)
    assert all(is_gone(pid) for pid in {*parents, *parents.values()} - {str(process.pid)})


def test_forks_end_with_the_engine_even_if_it_is_killed(running):
    process, parents = running
    process.kill()
    process.communicate(timeout=30)
    [fresh] = [pid for pid, parent in parents.items() if parent == str(process.pid)]
    forked = {pid for pid, parent in parents.items() if fresh not in (pid, parent)}
    assert len(forked) == 4
    assert all(is_gone(pid) for pid in forked)
    os.killpg(int(fresh), signal.SIGKILL)


def test_a_second_interrupt_does_not_wait(running):
    process, parents = running
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - began < 3.5  # of the 5 s that the leaves were given
    assert all(is_gone(pid) for pid in parents)
