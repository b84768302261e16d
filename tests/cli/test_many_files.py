"""Many files at once: each is looked at apart from the others, and what one does hides none of them."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from dsl import stages, validation
from dsl.codes import Code
from dsl.diagnostics import Rejected
from dsl.load import content_of
from dsl.settings import Settings
from tests.harness import heed_signals, let_others_in

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
GOOD = 'from dsl import DAG, task\n@task\ndef f(): return 1\nwith DAG("good"): f()\n'
TYPO = GOOD.replace("@task", "@task(retires=1)")
WRITES = "for n in range(3, 40):\n    try: os.write(n, b'not ours')\n    except OSError: pass\n"
BROKEN = {
    "endless.py": ("import dsl\nwhile True:\n    pass\n", Code.LOAD_TIMEOUT),
    "exits.py": ("import dsl, sys\nsys.exit(0)\n", Code.LOAD_EXITED),
    "leaves.py": ("import dsl, os\nos._exit(0)\n", Code.LOAD_EXITED),
    "crashes.py": ("import dsl, ctypes\nctypes.string_at(0)\n", Code.LOAD_EXITED),
    "kills.py": ("import dsl, os\nos.kill(os.getpid(), 9)\n", Code.LOAD_EXITED),
    "writes.py": (f"import os\n{WRITES}{GOOD}", Code.LOAD_EXITED),
    "closes.py": (f"import os\nos.closerange(3, 256)\n{GOOD}", Code.LOAD_EXITED),
    "raises.py": ("import dsl\nraise BaseException\n", Code.IMPORT_FAILED),
    "syntax.py": ("import dsl\nif\n", Code.SYNTAX),
    "bytes.py": (b"import dsl\n'\xe9'\n", Code.FILE_UNREADABLE),
}
ODD = {
    "prints.py": "print('to standard output')\n" + GOOD,
    "forks.py": "import os\nos.fork()\n" + GOOD,
    "reads.py": "import sys\nassert sys.stdin.read() == ''\n" + GOOD,
    "clears.py": "import sys\nsys.path.clear(); sys.argv.clear()\n" + GOOD,
    "moves.py": "import os\nos.chdir('/')\nos.environ.clear()\n" + GOOD,
    "starts.py": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n" + GOOD,
    "mes données 雪\n.py": GOOD,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def found(paths, timeout=20):
    """Return the codes that were found in each file."""
    files = stages.files_to_check(paths)
    with closing(stages.validated(files, timeout)) as results:
        return {
            path: {problem.code for problem in problems}
            for path, problems in zip(files, results, strict=True)
        }


def test_one_broken_file_hides_no_other(here, capfd):
    here(**{name: text for name, (text, _) in BROKEN.items()}, **ODD, **{"last.py": TYPO})
    expected = {name: {code} for name, (_, code) in BROKEN.items()}
    expected |= {name: set() for name in ODD} | {"last.py": {Code.UNKNOWN_OPTION}}
    codes = found(["."], timeout=8)
    assert {name: codes[name] for name in expected} == expected
    assert list(codes) == sorted(expected)
    printed = capfd.readouterr()
    assert (printed.out, "Traceback" in printed.err) == ("", False)


def test_a_file_sees_what_it_would_see_alone(here):
    seen = (
        "import dsl, os, sys\n"
        "with open(os.path.basename(__file__) + '.seen', 'w') as file:\n"
        "    import yaml\n"
        "    keys = sorted(k for k in os.environ if k != 'PYTEST_CURRENT_TEST')\n"
        "    theirs = sorted(m for m in sys.modules if not m.startswith('dsl.') and m not in ('a', 'b'))\n"
        "    print(theirs, sys.path, sys.argv[1:], keys, os.getcwd(), hash('a'), __name__ in sys.modules,\n"
        "          os.getpgid(0) == os.getpid(), yaml.__file__, os.isatty(0), file=file)\n"
    )
    here(**{"a.py": seen + GOOD, "b.py": seen.replace("__name__", "'b'") + GOOD, "yaml.py": ""})
    works = {Code.WORK_AT_IMPORT}  # it writes down what it sees
    assert found(["a.py"]) == {"a.py": works}
    alone = Path("a.py.seen").read_text()
    assert found(["a.py", "b.py"]) == {"a.py": works, "b.py": works}
    assert Path("a.py.seen").read_text() == alone
    assert Path("b.py.seen").read_text() == alone
    assert str(Path("yaml.py").absolute()) in alone


def test_a_file_counts_once_in_whatever_spelling(here):
    here(**{"a.py": GOOD, "sub/b.py": GOOD, "sub/none.py": "x = 1\n", ".hidden/c.py": GOOD})
    Path("sub/loop").symlink_to(Path.cwd())
    Path("sub/gone.py").symlink_to("nowhere.py")
    listed = stages.files_to_check(["./a.py", "a.py", ".", "sub/../a.py", "sub"])
    assert listed == {"./a.py": False, str(Path("sub/b.py")): True}


def test_manifests_are_found_by_what_they_mention(here):
    manifest = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"
    here(**{"a.yaml": manifest, "b.yml": "x: 1\n", "c.json": "{}", "d.py": GOOD})
    assert stages.files_to_check(["."]) == {"a.yaml": True, "d.py": True}
    assert stages.files_to_check(["b.yml"]) == {"b.yml": False}


@pytest.mark.parametrize("mode", [0, 0o400, 0o100])
def test_a_folder_that_cannot_be_listed_is_a_finding_and_the_rest_is_checked(here, mode, tmp_path):
    here(**{"flows/closed/a.py": GOOD, "flows/z.py": GOOD})
    let_others_in(tmp_path)
    user = os.geteuid()
    closed = Path("flows/closed")
    os.chown(closed, 65534 if user == 0 else -1, -1)
    closed.chmod(mode)
    try:
        if user == 0:
            os.seteuid(65534)  # root may read everything
        files = stages.files_to_check(["flows"])
        with pytest.raises(Rejected) as rejected:
            content_of("flows/closed")
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
    assert list(files) == ["flows/closed", "flows/z.py"]
    [problem] = rejected.value.diagnostics
    assert problem.message == "this folder cannot be listed: permission denied"


def test_a_missing_manifest_is_a_finding(here):
    assert found(["nowhere.yaml"]) == {"nowhere.yaml": {Code.FILE_NOT_FOUND}}


def test_manifests_alone_need_neither_hera_nor_networkx(here):
    here(**{"a.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"})
    program = (
        "import sys, dsl.cli\ndsl.cli.exit_code(['validate', 'a.yaml'])\n"
        "sys.exit(any(name in sys.modules for name in ('hera', 'networkx', 'pydantic')))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT).returncode == 0


def pids(names):
    deadline = time.monotonic() + 60
    while not all(Path(name).exists() and Path(name).read_text().endswith("\n") for name in names):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(word) for name in names for word in Path(name).read_text().split()]


def is_alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return state.strip() not in ("", "Z") and not state.startswith("Z")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_however_it_is_ended_nothing_stays_behind(here, number, code):
    text = (
        "import dsl, os, subprocess, time\nnested = subprocess.Popen(['sleep', '60'])\n"
        "with open(__file__ + '.pids', 'w') as file:\n"
        "    file.write(f'{os.getpid()} {nested.pid} {os.getppid()}\\n')\n"
        "time.sleep(60)\n"
    )
    here(**{"a.py": text, "b.py": text})
    command = [sys.executable, "-m", "dsl", "validate", "."]
    parent = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=heed_signals
    )
    started = pids(["a.py.pids"])
    parent.send_signal(number)
    parent.communicate(timeout=30)
    assert parent.returncode == code
    deadline = time.monotonic() + 60
    while alive := [pid for pid in started if is_alive(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def test_what_several_files_lead_to_is_told_once_at_the_path_that_was_given(here):
    here(**{f"{name}.py": "import dsl, lib\n" for name in "abc"}, **{"lib.py": "import dsl\nif\n"})
    [problem] = validation.find(stages.files_to_check(["."]), Settings())
    assert (problem.code, str(problem.location)) == (Code.SYNTAX, "lib.py:2:3")
    assert [str(one.location) for one in problem.related] == ["a.py:1:1", "b.py:1:1", "c.py:1:1"]


def test_findings_come_in_the_order_of_the_files(here):
    here(**{f"{name}.py": TYPO for name in "edcba"})
    command = [sys.executable, "-m", "dsl", "validate", "--format", "json", "d.py", ".", "a.py"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 1
    places = [one["location"]["path"] for one in json.loads(result.stdout)["diagnostics"]]
    assert places == ["d.py", "a.py", "b.py", "c.py", "e.py"]


def test_a_named_file_without_a_manifest_is_told_and_one_of_a_folder_is_not(here):
    here(**{"a.yaml": "# argoproj.io\nkind: ConfigMap\n"})
    assert found(["a.yaml"]) == {"a.yaml": {Code.NO_MANIFEST}}
    assert found(["."]) == {"a.yaml": set()}
