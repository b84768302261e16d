"""What becomes of an author's file, whatever it does. Each runs in its own child, as for the commands."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsl.child import ChildFailed, in_child, start
from dsl.codes import Code
from dsl.diagnostics import Rejected
from dsl.load import content_of
from dsl.location import Location
from tests.harness import heed_signals

WITH_DAG = 'from dsl import DAG\nwith DAG("one"):\n    pass\n'
COUNT = "builtins:len"
SLEEP = "time.sleep(60)"


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(content, name="flow.py"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return write


def only(loaded):
    assert loaded.result is None
    (diagnostic,) = loaded.diagnostics
    return diagnostic


def count(path):
    loaded = in_child(path, COUNT, 20)
    assert loaded.diagnostics == ()
    return loaded.result


def test_the_dags_of_a_file_reach_the_named_function(written):
    assert count(written(WITH_DAG)) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + WITH_DAG.encode(),
        WITH_DAG.replace("\n", "\r\n").encode(),
        b"# coding: latin-1\n# \xe9t\xe9\n" + WITH_DAG.encode(),
        WITH_DAG.replace("one", "été").encode(),
    ],
    ids=["bom", "windows-lines", "latin-1", "utf-8"],
)
def test_every_encoding_that_python_reads_is_read(written, content):
    assert count(written(content)) == 1


def test_a_path_may_have_blanks_and_any_letters(written):
    assert count(written(WITH_DAG, "mes données/été 雪 'x'.py")) == 1


def test_a_file_named_like_a_standard_module_does_not_replace_it(written):
    path = written("import random\nassert random.random\n" + WITH_DAG, "json.py")
    assert [analysis.name for analysis in in_child(path, "dsl.analyze:analyze_all", 20).result] == ["one"]


def test_neighbours_are_imported_and_their_dags_do_not_count(written):
    written(WITH_DAG.replace("one", "other"), "neighbour.py")
    assert count(written("import neighbour\n" + WITH_DAG)) == 1
    problem = only(in_child(written("import neighbour\n"), COUNT, 20))
    assert problem.code is Code.NO_DAG
    assert [Path(r.location.path).name for r in problem.related] == ["neighbour.py"]


def test_the_main_block_does_not_run(written):
    assert count(written(WITH_DAG + 'if __name__ == "__main__":\n    raise SystemExit\n')) == 1


def test_a_thread_that_never_ends_does_not_hold_it_up(written):
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    assert count(written(thread + WITH_DAG)) == 1


def test_a_missing_file_and_a_folder_are_told_apart(written):
    written("", "folder/x.py")
    assert only(in_child("nowhere.py", COUNT, 20)).code is Code.FILE_NOT_FOUND
    assert only(in_child("folder", COUNT, 20)).message == "this is a folder, not a file"


def test_a_pipe_that_nobody_writes_to_holds_nothing_up(written):
    os.mkfifo("pipe.py")
    assert only(in_child("pipe.py", COUNT, 20)).message == "this is a pipe, a socket or a device, not a file"
    os.mkfifo("pipe.yaml")
    with pytest.raises(Rejected, match="a pipe"):
        content_of("pipe.yaml")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"x = 1\ny = '\xe9'\n", 2, "byte 0xe9 is not utf-8 text"),
        (b"# caf\xe9\n", 1, "byte 0xe9 is not utf-8 text"),
        (b"# coding: klingon\n", 1, "unknown encoding: klingon"),
        (b"x = 1\n\0\n", 2, "the file holds a zero byte: it is not text"),
    ],
)
def test_what_is_no_text_is_unreadable_at_its_line(written, content, line, message):
    problem = only(in_child(written(content), COUNT, 20))
    assert (problem.code, problem.location.line, problem.message) == (Code.FILE_UNREADABLE, line, message)


@pytest.mark.parametrize("text", ["import dsl\ndsl.Dag('x')\n", "from dsl import Dag\n"])
def test_a_misspelt_name_of_the_package_is_told_with_the_right_one(written, text):
    assert only(in_child(written(text), COUNT, 20)).hint == "did you mean DAG?"


def test_a_syntax_error_is_at_its_place(written):
    problem = only(in_child(written("x = 1\nif x = 2:\n    pass\n"), COUNT, 20))
    assert problem.code is Code.SYNTAX
    assert problem.location == Location("flow.py", 2, 4, 9)


def test_columns_count_characters(written):
    problem = only(in_child(written('été = "é"; été.nope\n'), COUNT, 20))
    assert problem.location == Location("flow.py", 1, 12, 20)


def test_lines_end_where_python_says_they_do(written):
    text = "x = '\x0c \u2028 \x85'\nnope; é = 1\n"
    problem = only(in_child(written(text), COUNT, 20))
    assert problem.location == Location("flow.py", 2, 1, 5)


def test_a_syntax_error_of_a_neighbour_is_in_its_file(written):
    written("def (:\n", "neighbour.py")
    problem = only(in_child(written("\nimport neighbour\n"), COUNT, 20))
    assert (problem.code, Path(problem.location.path).name) == (Code.SYNTAX, "neighbour.py")
    assert [str(r.location) for r in problem.related] == ["flow.py:2:1"]


def test_an_exception_is_at_the_authors_innermost_line(written):
    written("import json\ndef read():\n    json.loads('{')\n", "neighbour.py")
    problem = only(in_child(written("import neighbour\nneighbour.read()\n"), COUNT, 20))
    assert problem.code is Code.IMPORT_FAILED
    assert problem.message.startswith("loading stopped here: json.decoder.JSONDecodeError: Expecting")
    assert (Path(problem.location.path).name, problem.location.line) == ("neighbour.py", 3)
    assert [r.location for r in problem.related] == [Location("flow.py", 2, 1, 17)]


def test_a_missing_package_is_named_in_the_hint(written):
    problem = only(in_child(written("import not_installed.part\n"), COUNT, 20))
    assert problem.code is Code.IMPORT_FAILED
    assert problem.hint == "install not_installed beside dsl, or import it inside the tasks that use it"


def test_an_exception_is_worded_as_python_words_it(written):
    problem = only(in_child(written("value = 1\nvalu\n"), COUNT, 20))
    assert problem.message.startswith("loading stopped here: NameError: name 'valu' is not defined")


def test_an_exception_that_cannot_be_shown_is_reported(written):
    bad = "class Bad(Exception):\n    def __str__(self):\n        raise KeyError\nraise Bad\n"
    assert only(in_child(written(bad), COUNT, 20)).location.line == 4


def test_what_the_author_rejects_passes_through(written):
    author = (
        "from dsl.diagnostics import *\nfrom dsl.codes import Code\nfrom dsl.location import Location\n"
        'raise Rejected(Diagnostic(Code.UNSUPPORTED, Location("flow.py", 4), "not here"))\n'
    )
    assert only(in_child(written(author), COUNT, 20)).message == "not here"


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("import sys\nsys.exit(3)\n", 2, "ended Python with status 3"),
        ("raise SystemExit('enough')\n", 1, "ended Python with status 'enough'"),
        ("import os\nos._exit(0)\n", 0, "ended Python with status 0"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", 0, "SIGKILL (out of memory?)"),
        ("import os\nos.abort()\n", 2, "was killed by SIGABRT"),
    ],
)
def test_a_file_that_ends_python_is_reported(written, content, line, words):
    problem = only(in_child(written(content), COUNT, 20))
    assert (problem.code, problem.location.line) == (Code.LOAD_EXITED, line)
    assert words in problem.message


@pytest.mark.parametrize(
    "spoil",
    [
        "for n in range(3, 40):\n    try: os.write(n, b'N.')\n    except OSError: pass",
        "os.closerange(3, 256)",
    ],
)
def test_a_file_that_spoils_its_answer_is_reported(written, capfd, spoil):
    problem = only(in_child(written(f"import os\n{spoil}\n{WITH_DAG}"), COUNT, 20))
    assert problem.code is Code.LOAD_EXITED
    assert "file descriptors that it did not open" in problem.message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("hang", ["while True:\n    pass\n", f"import time\n{SLEEP}\n"])
def test_an_endless_file_is_stopped_where_it_hangs(written, hang):
    for limit in (2, 10, 30):  # on a busy machine the first may end before the file begins
        began = time.monotonic()
        problem = only(in_child(written(hang), COUNT, limit))
        assert time.monotonic() - began < limit + 20
        if problem.location.line:
            break
    assert problem.code is Code.LOAD_TIMEOUT
    place = problem.location
    line = hang.splitlines()[place.line - 1]
    assert line[place.column - 1 : place.end_column - 1] in ("while True:", "pass", SLEEP)
    assert problem.message == f"loading took longer than {limit} s and was still at this line"


def test_a_dag_without_chains_still_counts_as_one(written):
    assert only(in_child(written("x = 1\n"), COUNT, 20)).code is Code.NO_DAG


def test_two_dags_of_one_name_are_refused_at_the_second(written):
    loaded = in_child(written(WITH_DAG + WITH_DAG), COUNT, 20)
    (problem,) = loaded.diagnostics
    assert (problem.code, problem.location.line) == (Code.DUPLICATE_DAG, 5)
    assert loaded.result == 1


def test_what_the_file_prints_goes_to_standard_error(written, capfd):
    noise = "import os\nprint('to out')\nos.write(1, b'raw out')\nos.write(2, b'raw err')\n"
    assert count(written(noise + WITH_DAG)) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "to out\nraw outraw err"


def test_standard_input_is_empty(written):
    problem = only(in_child(written("input()\n"), COUNT, 20))
    assert problem.hint == "a DAG file has no standard input: make it a parameter of the DAG"


def test_a_set_has_the_same_order_every_time(written):
    path = written('print(list({"a", "b", "c", "d", "e", "f"}))\n' + WITH_DAG)
    program = f"from dsl.child import in_child; in_child({path!r}, {COUNT!r}, 20)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    printed = {
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True).stderr
        for _ in range(3)
    }
    assert len(printed) == 1


def test_our_own_failure_is_not_the_authors(written):
    with pytest.raises(ChildFailed, match="AttributeError"):
        in_child(written(WITH_DAG), "builtins:no_such_function", 20)


def alive(pid):
    status = Path(f"/proc/{pid}/stat")
    if not Path("/proc").exists():
        return subprocess.run(["kill", "-0", str(pid)], capture_output=True).returncode == 0
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(pid) for pid in path.read_text().split()]


SPAWNING = """\
import os, subprocess, sys, time
nested = subprocess.Popen(["sleep", "60"])
with open("pids", "w") as file:
    file.write(f"{os.getpid()} {nested.pid}\\n")
time.sleep(60)
"""


def test_stopping_ends_what_the_file_started(written):
    with start(written(SPAWNING), COUNT, 30):
        pids = wait_for(Path("pids"))
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_interrupt_leaves_no_orphans(written):
    program = f"from dsl.child import in_child; in_child({written(SPAWNING)!r}, {COUNT!r}, 30)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program]
    parent = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, preexec_fn=heed_signals)
    pids = wait_for(Path("pids"))
    parent.send_signal(signal.SIGINT)
    parent.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)
