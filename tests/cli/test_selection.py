"""Which findings are shown: by options, settings in pyproject.toml and comments in the author's file."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from dsl import validation
from dsl.cli import exit_code
from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.documents import comments_of
from dsl.ignores import ignores_in
from dsl.location import Location
from dsl.settings import InvalidSettings, Settings, codes_of, settings_for

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
REMOVE = "remove it from the comment"
NAME = "name what it is for, as in `# dsl: ignore[DSL301]`"
WRONG = """\
from dsl import DAG, task
@task.shell(image="busybox:1")
def f(): return "echo $nobody"
@task(retires=1)
def g(): return 1
with DAG("x"):
    f()
    g()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("flow.py").write_text(WRONG)
    return tmp_path


@pytest.fixture
def validate(here, capsys):
    def run(*arguments):
        """Return the exit code, and the codes that were found in order."""
        code = exit_code(["validate", "--format", "json", *arguments, "flow.py"])
        printed = capsys.readouterr().out
        shown = json.loads(printed) if printed else {"diagnostics": []}
        [schema] = re.findall(r"^```json\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        jsonschema.validate(shown, json.loads(schema))
        return code, [one["code"] for one in shown["diagnostics"]]

    return run


def test_codes_and_how_they_begin_select_and_ignore(validate):
    assert validate() == (1, ["DSL225", "DSL205"])
    assert validate("--select", "DSL225") == (0, ["DSL225"])
    assert validate("--select", "dsl1,DSL205") == (1, ["DSL205"])
    assert validate("--ignore", "DSL2") == (0, [])
    assert validate("--ignore", "DSL225", "--ignore", "DSL205,DSL3") == (0, [])
    assert validate("--select", "DSL2", "--ignore", "DSL205", "--strict") == (1, ["DSL225"])


def test_nothing_hides_that_a_file_was_not_checked(validate):
    Path("flow.py").write_text("import dsl\nif  # dsl: ignore[DSL103]\n")
    assert validate("--ignore", "DSL1") == (1, ["DSL103"])
    assert validate("--select", "DSL4") == (1, ["DSL103"])


@pytest.mark.parametrize("flag", ["--select", "--ignore"])
def test_an_unknown_code_is_wrong_usage(here, capsys, flag):
    assert exit_code(["validate", flag, "DSL2O5", "flow.py"]) == 2
    assert "no code is or begins with 'DSL2O5'; `dsl explain` lists the codes" in capsys.readouterr().err


def test_the_nearest_settings_count_and_the_command_line_goes_before_them(here):
    Path("pyproject.toml").write_text('[tool.argosy]\nselect = ["DSL2"]\nstrict = true\ntimeout = 7\n')
    Path("sub/deep").mkdir(parents=True)
    Path("sub/pyproject.toml").write_text("[tool.other]\n")
    assert settings_for(["sub/deep"], {}) == Settings(("DSL2",), (), True, 7.0)
    assert settings_for(["sub/x.py", "y.py"], {"strict": False}) == Settings(("DSL2",), (), False, 7.0)
    Path("sub/pyproject.toml").write_text('[tool.argosy]\nignore = ["DSL225, DSL3"]\n')
    assert settings_for(["sub/deep"], {"select": ("DSL1",)}) == Settings(("DSL1",), ("DSL225", "DSL3"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("selct = []", "tool.argosy has no key 'selct'; did you mean 'select'?"),
        ("color = 1", "tool.argosy has no key 'color'; keys: select, ignore, strict, timeout"),
        ('select = "DSL2"', 'tool.argosy.select takes a list of codes, such as ["DSL314"]'),
        ('ignore = ["DSL9"]', "tool.argosy.ignore: no code is or begins with 'DSL9'"),
        ("strict = 1", "tool.argosy.strict takes true or false"),
        ("timeout = true", "tool.argosy.timeout takes seconds, from 0.1 to 86400"),
        ("timeout = 0", "tool.argosy.timeout takes seconds, from 0.1 to 86400"),
        ("timeout = nan", "tool.argosy.timeout takes seconds, from 0.1 to 86400"),
        ("strict =", "cannot read"),
    ],
)
def test_settings_that_mean_nothing_are_wrong_usage(here, text, words):
    Path("pyproject.toml").write_text(f"[tool.argosy]\n{text}\n")
    with pytest.raises(InvalidSettings, match=re.escape(words)):
        settings_for(["flow.py"], {})


def test_wrong_settings_are_exit_code_2(here, capsys):
    Path("pyproject.toml").write_text("[tool]\nargosy = 5\n")
    assert exit_code(["validate", "flow.py"]) == 2
    assert "tool.argosy is no table" in capsys.readouterr().err


def test_codes_have_commas_between_or_stand_alone():
    assert codes_of(["DSL2, DSL301", "dsl4,"]) == ("DSL2", "DSL301", "DSL4")


def heeded(text, *lines, code=Code.NO_MATCH, path="flow.py"):
    """Return what remains of findings at lines of a file: codes and lines."""
    Path(path).write_text(text)
    found = [Diagnostic(code, Location(path, line, 1, 2), "no") for line in lines]
    remaining = validation.heeded(found, {path: False}, set())
    return [(one.code.id, one.location.line) for one in remaining]


def test_a_comment_ignores_its_codes_on_its_line(here):
    text = "a = 1  # dsl: ignore[DSL302, DSL301]\nb = 2  # why  # dsl:ignore [DSL301] because\nc = 3\n"
    assert heeded(text, 1, 2, 3) == [("DSL301", 3), ("DSL121", 1)]
    assert heeded(text, 1, code=Code.PARTITION_SIZE) == [("DSL121", 1), ("DSL121", 2)]


def test_a_comment_after_several_lines_of_text_is_for_all_of_them(here):
    text = 'a = """\none\n"""  # dsl: ignore[DSL301]\nb = 1 + \\\n    2  # dsl: ignore[DSL301]\nc = (1,\n2)\n'
    assert heeded(text, 1, 3, 4, 5, 6) == [("DSL301", 6)]
    assert heeded("f(\n    1,\n    2,  # dsl: ignore[DSL301]\n)\n", 2, 3) == [("DSL301", 2)]


def test_a_string_is_no_comment(here):
    text = "a = '# dsl: ignore[DSL301]'\nb = '''\n# dsl: ignore[DSL301]\n'''\n"
    assert heeded(text, 1, 2, 3) == [("DSL301", 1), ("DSL301", 2), ("DSL301", 3)]


def test_comments_of_a_manifest_count_and_its_text_does_not(here):
    text = (
        "a: 1 # dsl: ignore[DSL301]\nb: '# dsl: ignore[DSL301]'\n"
        "c: |  # dsl: ignore[DSL301]\n  # dsl: ignore[DSL301]\n  text\n"
        "# dsl: ignore[DSL302]\nd: [1, # dsl: ignore[DSL301]\n  2]\n"
    )
    assert heeded(text, 1, 2, 3, 4, 7, path="x.yaml") == [("DSL301", 2), ("DSL301", 4), ("DSL121", 6)]
    assert [(line, column) for line, column, _ in comments_of(text)] == [(1, 6), (3, 7), (6, 1), (7, 8)]
    assert list(comments_of("\x00 # b\n")) == []


@pytest.mark.parametrize(
    ("comment", "message", "hint"),
    [
        ("# dsl: ignore[DSL301]", "there is no DSL301 on this line", REMOVE),
        ("# dsl: ignore[DSL30]", "there is no code 'DSL30'", "`dsl explain` lists the codes"),
        ("# dsl: ignore[DSL104]", "DSL104 is always reported: the file was not checked", REMOVE),
        ("# dsl: ignore", "the comment names no code and ignores nothing", NAME),
        ("# dsl: ignore[]", "the comment names no code and ignores nothing", NAME),
    ],
)
def test_a_comment_that_ignores_nothing_is_a_warning(here, comment, message, hint):
    Path("flow.py").write_text(f"x = 1  {comment}\n")
    [warning] = validation.heeded([], {"flow.py": False}, set())
    assert (warning.code, warning.message, warning.hint) == (Code.UNUSED_IGNORE, message, hint)
    assert validation.heeded([], {"flow.py": False}, {"flow.py"}) == []


def test_comments_of_what_is_only_imported_count_and_may_be_idle(here):
    Path("lib.py").write_text("x = 1  # dsl: ignore[DSL301]\ny = 2  # dsl: ignore[DSL301]\n")
    found = [Diagnostic(Code.NO_MATCH, Location(str(here / "lib.py"), 1, 1), "no")]
    assert validation.heeded(found, {"flow.py": False}, set()) == []


def test_what_no_tokenizer_reads_has_no_comments():
    for content in (
        b"'''\n# dsl: ignore[DSL301]",
        b"\xff # dsl: ignore[DSL301]",
        b"# coding: x\n# dsl: ignore[]",
    ):
        assert ignores_in("x.py", content) == []
    assert ignores_in("x.yaml", b"\xff # dsl: ignore[DSL301]") == []


def test_a_comment_in_the_authors_file_decides_the_exit_code(validate):
    Path("flow.py").write_text(
        WRONG.replace("retires=1)", "retires=1)  # dsl: ignore[DSL205]").replace(
            '$nobody"', '$nobody"  # dsl: ignore[DSL225]'
        )
    )
    assert validate("--strict") == (0, [])


@pytest.mark.parametrize("command", ["compile", "graph", "plan", "run"])
def test_comments_hide_warnings_from_every_command_and_no_error(here, capfd, command):
    ignored = WRONG.replace('$nobody"', '$nobody"  # dsl: ignore[DSL225]')
    Path("flow.py").write_text(ignored.replace("retires=1", "retries=1"))
    quiet = ["--quiet"] if command == "run" else []
    exit_code([command, "flow.py", *quiet])
    assert "DSL225" not in capfd.readouterr().err
    Path("flow.py").write_text(ignored.replace("retires=1)", "retires=1)  # dsl: ignore[DSL205]"))
    assert exit_code([command, "flow.py", *quiet]) == 1
    told = capfd.readouterr().err
    assert "DSL205" in told
    assert "DSL225" not in told
