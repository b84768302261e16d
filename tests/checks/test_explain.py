"""Every code has a page, and what it says is so: Wrong draws exactly this code, Right draws nothing."""

import linecache
import re
import sys
from pathlib import Path

import pytest

from dsl.argo import validate_manifests
from dsl.codes import Code
from dsl.diagnostics import Rejected, in_order
from dsl.explain import page
from dsl.load import duplicates, execute
from dsl.report import to_text
from dsl.validation import heeded

FOLDER = Path(__file__).parents[2] / "dsl" / "explain"
UNSHOWN = {
    Code.FILE_NOT_FOUND: "there is no file to show",
    Code.FILE_UNREADABLE: "Markdown is UTF-8 and cannot hold other bytes",
    Code.FOLDER_UNREADABLE: "root may list every folder; tests/author has one for the others",
    Code.LOAD_TIMEOUT: "it would take its time; tests/load has one",
}
BESIDE = dict.fromkeys((Code.INVALID_SCHEDULE, Code.INVALID_TIME_ZONE), Code.UNSUPPORTED)
"""What the wrong file of a page draws as well: this version makes no CronWorkflow."""
INPUTS = [
    *("data/a.tif", "data/b.tif", "data/c.tif"),
    *("raw/a.tif", "raw/b.tif", "masks/a.tif"),
    *(f"many/{number:03}.tif" for number in range(200)),
]
SECTIONS = re.compile(
    r"# (?P<id>DSL\d+) (?P<summary>.+)\n\n(?P<why>(?:.+\n)+)\n"
    r"## Wrong\n\n```(?P<language>python|sh|yaml)\n(?P<wrong>(?:.*\n)+?)```\n\n"
    r"## Report\n\n```text\n(?P<report>(?:.*\n)*?)```\n\n"
    r"## Right\n\n```(?P=language)\n(?P<right>(?:.*\n)+?)```\n"
)
SHOWN = [code for code in Code if code not in UNSHOWN]


def sections(code):
    match = SECTIONS.fullmatch(page(code))
    assert match, f"{code.slug}.md has another form"
    return match


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in INPUTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path
    sys.modules.pop("flow", None)
    linecache.checkcache()


def diagnosed(text, language):
    """Return what stages 1 to 9 say of a file, or what is said of manifests, in this process."""
    if language == "yaml":
        Path("flow.yaml").write_text(text)
        return validate_manifests({"flow.yaml": text.encode()})["flow.yaml"]
    from dsl.analyze import analyze_all
    from dsl.compile import compile_plan

    Path("flow.py").write_text(text)
    try:
        dags = execute("flow.py")
        found = [*duplicates(dags)]
        for analysis in analyze_all(dags):
            found += analysis.diagnostics
            if analysis.plan is not None:
                found += compile_plan(analysis.plan).diagnostics
    except Rejected as rejected:
        found = [*rejected.diagnostics]
    return in_order(heeded(found, {"flow.py": False}, set()))


@pytest.mark.parametrize("code", Code, ids=lambda code: code.slug)
def test_every_code_has_a_page_under_its_own_heading(code):
    assert sections(code)["id"] == code.id
    assert sections(code)["summary"] == code.summary
    assert code in UNSHOWN or sections(code)["language"] in ("python", "yaml")


@pytest.mark.parametrize("code", SHOWN, ids=lambda code: code.slug)
def test_wrong_draws_the_code_and_the_report_is_as_shown(code, folder, rewrite):
    parts = sections(code)
    problems = diagnosed(parts["wrong"], parts["language"])
    assert {problem.code for problem in problems} == {code, BESIDE.get(code, code)}
    report = to_text(problems).plain.replace(str(folder.resolve()), "/home/ann")
    if rewrite:
        start, end = parts.span("report")
        text = page(code)
        (FOLDER / f"{code.slug}.md").write_text(f"{text[:start]}{report}{text[end:]}", encoding="utf-8")
    else:
        assert report == parts["report"]


@pytest.mark.parametrize("code", SHOWN, ids=lambda code: code.slug)
def test_right_draws_nothing(code, folder):
    assert diagnosed(sections(code)["right"], sections(code)["language"]) == ()
