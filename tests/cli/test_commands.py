"""The command line: what is printed where, and the exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsl.cli import exit_code
from dsl.codes import Code
from tests.harness import heed_signals

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(**more):
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def dsl(*arguments, **more):
    command = [sys.executable, "-m", "dsl", *arguments]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=60)


def test_help_imports_nothing_heavy(here):
    heavy = "'hera', 'pydantic', 'networkx', 'rich', 'yaml'"
    program = f"import sys, dsl.cli; sys.exit(any(name in sys.modules for name in ({heavy})))"
    assert subprocess.run([sys.executable, "-c", program], env=environment()).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frob"], "No such command"),
        (["compile"], "Missing argument"),
        (["explain", "DSL999"], "`dsl explain` lists them"),
        (["compile", "x.py", "-p", "novalue"], "-p takes NAME=VALUE"),
        (["graph", "x.py", "--format", "svg"], "is not one of"),
        (["validate", "."], "nothing in . mentions dsl or argoproj.io"),
    ],
)
def test_wrong_usage_is_2(here, arguments, words):
    result = dsl(*arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["validate", "compile", "graph", "plan", "run"])
def test_a_missing_file_is_an_error_of_every_command(command, here, capfd):
    assert exit_code([command, "nowhere.py"]) == 1
    assert "nowhere.py: error[DSL101]: the file does not exist" in "".join(capfd.readouterr())


def test_explain_prints_the_page_in_any_case(here):
    pages = {dsl("explain", word).stdout for word in ("DSL201", "dsl201", "dependency-cycle")}
    assert len(pages) == 1
    assert pages.pop().startswith("# DSL201 nodes wait for one another\n")


def test_explain_lists_every_code(here):
    listed = dsl("explain").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [code.id for code in Code]


def test_no_color_and_no_terminal_leave_no_escapes(here):
    Path("flow.py").write_text("import dsl\nx = (\n")
    assert "\x1b" not in dsl("validate", ".", TERM="xterm-256color").stdout


def test_text_that_the_terminal_cannot_show_is_spelled_out(here):
    Path("flow.py").write_text("raise ValueError('\\u96ea')\n", encoding="utf-8")
    result = dsl("validate", "flow.py", PYTHONIOENCODING="ascii")
    assert result.returncode == 1
    assert "ValueError: \\u96ea" in result.stdout


def interrupted(number):
    Path("flow.py").write_text(
        "import os, time\nopen('pid', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(60)\n"
    )
    return interrupted_at_work(number, "validate")


def interrupted_at_work(number, name):
    command = [sys.executable, "-m", "dsl", name, "flow.py"]
    pipe = subprocess.PIPE
    parent = subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, preexec_fn=heed_signals)
    deadline = time.monotonic() + 60
    while not (Path("pid").exists() and Path("pid").read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    parent.send_signal(number)
    said = parent.communicate(timeout=60)
    child = int(Path("pid").read_text())
    assert any(ended(child) for _ in range(200))
    return parent.returncode, *(text.decode() for text in said)


def ended(process):
    time.sleep(0.02)
    return subprocess.run(["kill", "-0", str(process)], capture_output=True).returncode != 0


def test_an_interrupt_is_130_and_leaves_no_child(here):
    assert interrupted(signal.SIGINT)[0] == 130


def test_a_termination_is_143_and_leaves_no_child(here):
    assert interrupted(signal.SIGTERM)[0] == 143


def test_a_closed_terminal_is_129_and_leaves_no_child(here):
    assert interrupted(signal.SIGHUP)[0] == 129


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_an_interrupted_run_tells_of_its_results_and_leaves_no_process(here, number, code):
    Path("flow.py").write_text(
        "from dsl import DAG, task\n\n\n@task\ndef hang():\n"
        f"    import os, time\n    open({str(here / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        "    time.sleep(60)\n\n\n@task\ndef late():\n    pass\n\n\nwith DAG('hanging'):\n    hang() >> late\n"
    )
    returned, out, err = interrupted_at_work(number, "run")
    again = "`dsl run flow.py --resume` goes on; what succeeded is not repeated\n"
    assert (returned, err) == (code, again)
    *table, last = out.splitlines()
    assert [line.split() for line in table[1:]] == [
        ["hang", "Failed", "1", "1"],
        ["late", "Omitted", "0", "0"],
    ]
    folder = Path(".argosy/hanging/latest").resolve().relative_to(here.resolve())
    assert re.fullmatch(rf"interrupted after \d+\.\d s; results in {folder}", last)
    results = json.loads((folder / "results.json").read_text())
    assert (results["phase"], results["tasks"]["late"]["state"]) == ("Interrupted", "Omitted")


def test_an_interrupt_in_the_imports_of_the_command_is_130_and_silent(here):
    Path("click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    result = subprocess.run(
        [sys.executable, "-m", "dsl", "explain"],
        env=environment(PYTHONPATH=str(here)),
        capture_output=True,
        preexec_fn=heed_signals,
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet", "--json"]])
@pytest.mark.parametrize(("program", "code"), [("true", 0), ("false", 1)])
def test_a_run_that_nobody_reads_of_ends_as_it_would(here, options, program, code):
    leaf = {"name": "f", "container": {"image": "busybox:1", "command": [program]}}
    spec = {"entrypoint": "f", "templates": [leaf]}
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "d"},
        "spec": spec,
    }
    Path("flow.json").write_text(json.dumps(manifest))
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "dsl", "run", "flow.json", *options]
    result = subprocess.run(command, env=environment(), stdout=written, stderr=written)
    os.close(written)
    assert result.returncode == code
    assert Path(".argosy/d/latest/results.json").exists()


def test_a_forgiven_failure_that_fails_the_run_is_named_and_nothing_of_ours(here):
    Path("flow.py").write_text(
        "from dsl import DAG, task\n\n\n"
        "@task\ndef bad():\n    raise ValueError\n\n\n"
        "@task(trigger_rule='one_failed')\ndef alarm():\n    pass\n\n\n"
        "@task\ndef never():\n    pass\n\n\n"
        "with DAG('d'):\n    bad >> [alarm, never]\n"
    )
    result = dsl("run", "flow.py")
    assert result.returncode == 1
    assert "the run failed because bad failed\n" in result.stderr
    assert "verdict" not in result.stderr + result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("command", ["validate", "compile", "graph", "plan", "run", "explain"])
def test_an_output_that_takes_no_more_is_1_and_one_line(here, command):
    Path("flow.py").write_text("from dsl import DAG, task\n@task\ndef f(): return 1\nwith DAG('d'): f()\n")
    arguments = [command] if command == "explain" else [command, "flow.py"]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "dsl", *arguments],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert result.returncode == 1, result.stderr
    said = [line for line in result.stderr.splitlines() if not line.startswith("f: 1/1")]
    assert said == ["dsl: cannot write: No space left on device"]


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_a_reader_that_leaves_is_no_mistake_of_ours(here, form):
    Path("flow.py").write_text("import dsl\nx = (\n")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "dsl", "validate", "--format", form, "flow.py"]
    result = subprocess.run(
        command, env=environment(), stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_our_own_mistake_is_101_with_a_report_to_send(here):
    program = (
        "import sys, dsl.cli, dsl.explain\n"
        "def page(code): raise KeyError('broken')\n"
        "dsl.explain.page = page\n"
        "sys.exit(dsl.cli.exit_code(['explain', 'DSL101']))\n"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=environment(TMPDIR=str(here)), capture_output=True, text=True)
    assert result.returncode == 101
    assert result.stdout == ""
    (report,) = here.glob("argosy-*.txt")
    assert str(report) in result.stderr
    assert "KeyError: 'broken'" in report.read_text()


@pytest.mark.parametrize(("soft", "hard", "told"), [(64, 64, True), (64, 4096, False)])
def test_a_run_has_no_more_tasks_at_once_than_files_may_be_open(here, soft, hard, told):
    Path("flow.py").write_text(
        "import time\n\nfrom dsl import DAG, Range, task\n\n\n@task\ndef f(item):\n    time.sleep(0.5)\n\n\n"
        "with DAG('many'):\n    Range(30, size=1) >> f\n"
    )
    limited = (
        f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard})); import dsl.cli as c; c.main()"
    )
    command = [sys.executable, "-c", limited, "run", "flow.py", "--jobs", "30", "--quiet"]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    words = "6 tasks at once instead of 30: no more files may be open (ulimit -n)\n"
    assert result.stderr == (words if told else "")
