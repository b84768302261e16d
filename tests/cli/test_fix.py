"""`dsl validate --fix`: what is corrected, what else of a file stays, and when a file is left alone."""

from pathlib import Path

import pytest

from dsl.cli import exit_code
from dsl.diagnostics import Fix
from dsl.location import Location
from dsl.mending import Unmended, apart, check, mended, write
from dsl.spelling import ATTRIBUTE, FIELD, FILE, KEYWORD, respelt

WRONG = """\
from dsl import DAG, Files, task

@task(retires=2)
def measure(x: int):
    return x

@task.shell(image="busybox:1", output="{sten}.txt")
def copy(input_file):
    return 'cat "$input_file" >"$OUTPUT_FILE"'

with DAG("ice", params={"limit": 1}, tagz=["é", "雪"]) as dag:
    measure(x=dag.params.limt)
    measure.override(retris=1)(x=dag.params["limitt"])
    Files("*.txt", szie=2) >> copy
    measure(xx=3)
"""
RIGHT = (
    WRONG.replace("retires", "retries")
    .replace("sten", "stem")
    .replace("tagz", "tags")
    .replace("limt", "limit")
    .replace("limitt", "limit")
    .replace("retris", "retries")
    .replace("szie", "size")
    .replace("xx=3", "x=3")
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("x")
    return tmp_path


def at(line, column, end, path="flow.py"):
    return Location(path, line, column, end)


def test_every_misspelt_name_is_corrected_and_the_rest_decides_the_exit_code(here, capsys):
    Path("flow.py").write_text(WRONG, encoding="utf-8")
    assert exit_code(["validate", "flow.py"]) == 1
    assert Path("flow.py").read_text(encoding="utf-8") == WRONG
    assert "; `dsl validate --fix` corrects " in capsys.readouterr().out
    assert exit_code(["validate", "--fix", "flow.py"]) == 0
    assert Path("flow.py").read_text(encoding="utf-8") == RIGHT
    printed = capsys.readouterr().out.splitlines()
    assert "flow.py:3:7: fixed[DSL205]: there is no option 'retires'; now 'retries'" in printed
    assert len([line for line in printed if ": fixed[" in line]) == 8
    assert printed[-1] == "1 file: no problems"


@pytest.mark.parametrize(
    ("options", "use"),
    [
        ("retries=1, retires=2", "f(x=1)"),
        ('excution_timeout="1s", executon_timeout="2s"', "f(x=1)"),
        ('retires=2, **{"retries": 1}', "f(x=1)"),
        ("", "f(x=1, xx=2)"),
        ("", "f(1, xx=2)"),
        ("", "Items([1], size=1, szie=2) >> f"),
        ("", 'f(x=dag.params["nn"])'),
    ],
)
def test_a_name_stays_that_another_argument_has_or_may_mean(here, options, use):
    text = f"from dsl import DAG, Items, task\n@task({options})\ndef f(x): return x\n"
    text += f'with DAG("d", params={{"n": 1}}) as dag:\n    {use}\n'
    Path("flow.py").write_text(text)
    assert exit_code(["validate", "--fix", "flow.py"]) == 1
    assert Path("flow.py").read_text() == text


def test_python_that_would_no_longer_compile_is_refused():
    check("x.yaml", b"f(a=1, a=1)")
    with pytest.raises(Unmended, match="keyword argument repeated"):
        check("x.py", b"f(a=1, a=1)")


def test_what_is_ignored_or_only_imported_is_not_corrected(here, capsys):
    Path("lib.py").write_text("from dsl import task\n@task(retires=1)\ndef f(): return 1\n")
    text = "from dsl import DAG, task\nfrom lib import f\n@task(retires=2)  # dsl: ignore[DSL205]\n"
    text += 'def g(): return 1\nwith DAG("d"): f(); g()\n'
    Path("flow.py").write_text(text)
    assert exit_code(["validate", "--fix", "flow.py"]) == 1
    assert Path("flow.py").read_text() == text
    assert "retires" in Path("lib.py").read_text()
    assert exit_code(["validate", "--fix", "--ignore", "DSL205", "flow.py"]) == 0
    assert exit_code(["validate", "--fix", "."]) == 0
    assert "retries" in Path("lib.py").read_text()


@pytest.mark.parametrize(
    "content",
    [
        b"x = 1\r\ny = 'retires'\rf(retires=1)\n\x0c\r\n",
        b"\xef\xbb\xbfx = 1\n\nf(retires=1)",
        "# coding: latin-1\né = 1\nf(retires=1)\n".encode("latin-1"),
        "# coding: utf-8\nx = '\u2028'\nf(retires=1)\n".encode(),
    ],
    ids=["line ends", "bom", "latin-1", "utf-8"],
)
def test_encoding_bom_and_line_ends_stay(content):
    after = mended("x.py", content, [Fix(at(3, 3, 10), "retries")])
    assert after == content.replace(b"retires=1", b"retries=1")


def test_columns_count_characters_also_in_a_manifest():
    fix = Fix(at(1, 8, 10), "b")
    assert mended("x.yaml", "é: [雪, aa]\n".encode(), [fix]) == "é: [雪, b]\n".encode()


def test_a_name_that_the_encoding_lacks_is_refused():
    with pytest.raises(Unmended, match="ascii"):
        mended("x.py", b"# coding: ascii\nf(a=1)\n", [Fix(at(2, 3, 4), "雪")])


def test_fixes_that_overlap_wait_for_one_another():
    fixes = [Fix(at(1, 3, 6), "a"), Fix(at(1, 5, 9), "b"), Fix(at(1, 6, 8), "c"), Fix(at(2, 1, 2), "d")]
    assert [fix.replacement for fix in apart([*fixes, fixes[0]])] == ["a", "c", "d"]


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(here):
    Path("sub").mkdir()
    target = Path("sub/flow.py")
    target.write_bytes(b"before")
    target.chmod(0o751)
    Path("link.py").symlink_to(target)
    write("link.py", b"before", b"after")
    assert target.read_bytes() == b"after"
    assert target.stat().st_mode & 0o7777 == 0o751
    assert Path("link.py").is_symlink()
    assert list(Path("sub").iterdir()) == [target]


def test_a_file_that_changed_meanwhile_stays_as_it_is(here):
    Path("flow.py").write_bytes(b"changed")
    with pytest.raises(Unmended, match="it has changed since it was checked"):
        write("flow.py", b"before", b"after")
    assert Path("flow.py").read_bytes() == b"changed"
    assert {path.name for path in here.iterdir()} == {"a.txt", "flow.py"}


def test_a_file_that_is_gone_is_refused(here):
    with pytest.raises(Unmended, match="no such file"):
        write("nowhere/flow.py", b"", b"")


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("wrong=1", KEYWORD, "right=1"),
        ("wrong = wrong", KEYWORD, "right = wrong"),
        ("wrong == 1", KEYWORD, None),
        ("f(wrong=1)", KEYWORD, None),
        ("d.params.wrong", ATTRIBUTE, "d.params.right"),
        ("d.params['wrong']", ATTRIBUTE, "d.params['right']"),
        ("d.wrong.x", ATTRIBUTE, None),
        ("d.params[NAME]", ATTRIBUTE, None),
        ('output="{wrong}-wrong.txt"', FIELD, 'output="{right}-wrong.txt"'),
        ('output="{wrong}{wrong}"', FIELD, None),
        ('image="{wrong}"', FIELD, None),
        ('output={"a": "b", "wrong": "c"}', FILE, 'output={"a": "b", "right": "c"}'),
        ('output={"a": "wrong"}', FILE, None),
    ],
)
def test_a_name_is_respelt_only_where_it_certainly_stands(here, text, form, expected):
    Path("forms.py").write_text(f"  {text}\n")
    fix = respelt(at(1, 3, 3 + len(text), "forms.py"), form, "wrong", "right")
    content = Path("forms.py").read_bytes()
    assert (fix and mended("forms.py", content, [fix]).decode().strip()) == expected
