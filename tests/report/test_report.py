"""How findings look, to the caret."""

import json

import pytest
from rich.console import Console

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Related
from dsl.location import Location
from dsl.report import console, summary, to_github, to_json, to_text


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    count = iter(range(100))

    def write(text):
        path = f"flow{next(count)}.py"
        (tmp_path / path).write_text(text, encoding="utf-8")
        return path

    return write


def shown(*diagnostics):
    return to_text(diagnostics).plain.splitlines()


def test_a_finding_shows_its_line_carets_hint_and_related_places(source):
    path = source('with DAG("x"):\n    a >> b\n    b >> a\n')
    related = (Related("and this", Location(path, 3, 5, 11)),)
    where = Location(path, 2, 5, 11)
    message = '"a" and "b" wait for one another'
    assert shown(Diagnostic(Code.DEPENDENCY_CYCLE, where, message, "remove one", related)) == [
        f'{path}:2:5: error[DSL201]: "a" and "b" wait for one another',
        "  2 |     a >> b",
        "    |     ^^^^^^",
        "  hint: remove one",
        f"  {path}:3:5: and this",
        "    3 |     b >> a",
        "      |     ^^^^^^",
    ]


def test_findings_are_apart(source):
    one = Diagnostic(Code.NO_DAG, Location("none.py"), "no")
    assert shown(one, one) == ["none.py: error[DSL107]: no", "", "none.py: error[DSL107]: no"]


def test_carets_stand_below_wide_characters_and_tabs(source):
    path = source('\t"雪國", wrong\n')
    lines = shown(Diagnostic(Code.NOT_A_NODE, Location(path, 1, 8, 13), "no"))
    assert lines[1:] == ['  1 |     "雪國", wrong', "    |             ^^^^^"]


def test_a_column_beyond_the_line_is_no_crash(source):
    path = source("x = (\n")
    assert shown(Diagnostic(Code.SYNTAX, Location(path, 1, 40, 99), "no"))[1:] == [
        "  1 | x = (",
        "    |      ^",
    ]


def test_a_long_line_is_cut_around_the_place(source):
    path = source("a" * 400 + " WRONG " + "b" * 400)
    _, line, carets = shown(Diagnostic(Code.SYNTAX, Location(path, 1, 402, 407), "no"))
    assert len(line) < 125
    assert line.endswith("...")
    assert line[carets.index("^") : carets.rindex("^") + 1] == "WRONG"


def test_what_looks_like_markup_or_steers_a_terminal_is_shown_as_text(source):
    path = source("x = '[red]\x1b[31m\u202e'\n")
    hostile = Diagnostic(Code.SYNTAX, Location(path, 1, 5, 9), "[red]a[/] \x1b[2J\n:smile:", "[link=x]")
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(to_text([hostile]))
    assert captured.get().splitlines() == [
        f"{path}:1:5: error[DSL103]: [red]a[/] \\x1b[2J\\n:smile:",
        "  1 | x = '[red]\\x1b[31m\\u202e'",
        "    |     ^^^^",
        "  hint: [link=x]",
        "",
    ]


def test_no_color_is_obeyed_on_a_terminal(source, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Console(force_terminal=True, color_system="truecolor")
    with terminal.capture() as captured:
        terminal.print(to_text([Diagnostic(Code.NO_DAG, Location("x.py"), "no")]))
    assert "\x1b[31m" not in captured.get()
    assert "\x1b[1;31m" not in captured.get()


def test_the_summary_counts():
    error = Diagnostic(Code.NO_DAG, Location("x.py"), "no")
    warning = Diagnostic(Code.FILES_UNREAD, Location("x.py"), "no")
    assert summary([error, warning, error], 3) == "2 errors, 1 warning in 3 files"
    assert summary([warning], 1) == "1 warning in 1 file"
    assert summary([], 1) == "1 file: no problems"


def test_json_has_the_documented_form():
    related = (Related("first", Location("a.py", 1, 2)),)
    finding = Diagnostic(Code.NO_DAG, Location("x\udcff.py"), "no", "do", related)
    assert json.loads(to_json([finding])) == {
        "diagnostics": [
            {
                "code": "DSL107",
                "severity": "error",
                "message": "no",
                "hint": "do",
                "location": {"path": "x\udcff.py", "line": 0, "column": 0},
                "related": [{"message": "first", "location": {"path": "a.py", "line": 1, "column": 2}}],
            }
        ]
    }


def test_a_github_annotation_is_one_line():
    finding = Diagnostic(Code.FILES_UNREAD, Location("a,b:c.py", 3, 4, 9), "100%\nreally", "do")
    assert to_github([finding]) == (
        "::warning file=a%2Cb%3Ac.py,title=DSL314 files reach a task that does not read them,"
        "line=3,col=4,endLine=3,endColumn=9::100%25%0Areally%0Ahint: do"
    )
