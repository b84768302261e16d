"""Whatever an author writes, the command line answers with a finding or a plan, never with our mistake."""

import json
from pathlib import Path

import pytest

from dsl.cli import exit_code

HEAD = """\
import enum, functools, sys
from dsl import DAG, Files, InFile, Items, Range, Repartition, Volume, Windows, task
class Word(str, enum.Enum):
    A = "a"
class Bad:
    def __repr__(self): sys.exit(3)
deep = endless = []
for _ in range(100_000): deep = [deep]
endless.append(endless)
@task
def f(x): return x
@task
def g(item): return 1
@task
def n(): return 1
@task
def h(input_file, output_file): return 1
"""
ACCEPTED = [
    "f(Word.A); f.override(task_id=Word.A)(1); f({Word.A: [Word.A]}); f.expand(x=[Word.A])",
    "f(f(3).default(Word.A)); n().when(f(2) == Word.A)",
    "Items([{Word.A: Word.A}]) >> g",
    "f(dag.params.defaults); f(dag.params.problems)",
    'Files("*.py") >> h.override(task_id="a:b") >> Repartition(size=2) >> h.override(task_id="q")',
    'Windows("9999-12-31", "9999-12-31T12:00", every="1d") >> g',
    'n.override(env={"HOME": "/tmp"})()',
    "Range(3, size=10**30) >> g",
]
REFUSED = [
    *('Files("{1}.py") >> h', 'Files("[z-a1].py") >> h', 'Files("a\\0b") >> h', 'Files("\\ud800") >> h'),
    'Files("*.py") >> h >> Repartition(by="{1}.txt") >> h.override(task_id="q")',
    'Files("*.py") >> h >> Repartition(by=lambda name: sys.exit()) >> h.override(task_id="q")',
    *("f(n()[1:2])", "f(n()[1.5])", "f(1).when(n()[None] > 1)", 'f(n()["\\ud800"])', 'f(n()["a"][{}])'),
    'Items([{"a:b": 2}]) >> g.override(task_id="a")',
    *("dag.params[5]; n()", "dag.params[[]]; n()"),
    *(
        "n.override(doc_md='\\ud800')()",
        "n.override(image='\\ud800')()",
        "n.override(env={'A': '\\ud800'})()",
    ),
    *("Range(10**20) >> g", "Range(10**8) >> g", "Range(3, parallelism=10**30) >> g"),
    'Windows("2024-01-01", "2025-01-01", every="9999999999999d") >> g',
    'Windows("0001-01-01", "9999-12-31", every=1) >> g',
    'Windows("2024-01-01", "2025-01-01", every=float("inf")) >> g',
    *(
        f"n.override(retries=1, retry_delay={delay})()"
        for delay in ("float('inf')", "float('nan')", "10**400")
    ),
    "n.override(retries=10**30)()",
    *("f(endless)", "f(deep)", "Items(endless) >> g", "Items(deep) >> g", "f(n().default(endless))"),
    *("f(1).when(n() == endless)", "n.override(output=deep)()", "f(Bad())", "Bad() >> n; n().when(Bad())"),
    *("f.expand_kwargs([{1: 2}])", "f.expand_kwargs([3])", "f.expand_kwargs(5)"),
    *("task(max)(1, 2)", "task(functools.partial(f, 1))", "task(5)"),
    *("task.shell(image='i')(lambda: sys.exit())()", "f(10**5000)", "f(b'x')", "Items([{1: 2}]) >> g"),
    *("n.override(task_id=['x'])()", "n.override(task_id='\\ud800')()", "n.override(output={1: 2})()"),
    *("n.override(env=5)()", "n.override(env={1: 2})()", 'Files("*.py", weight="9" * 5000) >> h'),
]
DAGS = [
    *('"x", params={"x": object()}', '"x", params={"x": float("nan")}', '"x", params={"x": ["\\ud800"]}'),
    *('"x", params={1: 2}', '"x", params=5', '"x", params={"x": endless}', '"x", tags=deep'),
    *('"x", doc_md="\\ud800"', '"x", tags=["\\ud800"]', '"x", **{"\\ud800": 1}', '"x", parallelism=10**30'),
    *('"\\ud800"', "[]", "{}", "5", '"x", default_args={1: 2}', '"x", default_args=5', '"x", storage=5'),
    *('"x", storage=Volume("")', '"x", storage=Volume(5)'),
]


def verdicts(folder, monkeypatch, capsys, texts):
    """Return the exit code of validating all of these files at once, and whether each has an error."""
    monkeypatch.chdir(folder)
    for number, text in enumerate(texts):
        Path(f"dag{number:03}.py").write_text(HEAD + text, encoding="utf-8")
    code = exit_code(["validate", "--format", "json", "."])
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    wrong = {one["location"]["path"] for one in found if one["severity"] == "error"}
    return code, [f"dag{number:03}.py" in wrong for number in range(len(texts))]


def in_a_dag(body, arguments='"x", params={"defaults": 1, "problems": 2}'):
    return f"with DAG({arguments}) as dag:\n    {body}\n"


def test_what_json_and_argo_can_hold_is_accepted(tmp_path, monkeypatch, capsys):
    code, wrong = verdicts(tmp_path, monkeypatch, capsys, [in_a_dag(body) for body in ACCEPTED])
    assert [body for body, is_wrong in zip(ACCEPTED, wrong, strict=True) if is_wrong] == []
    assert code == 0


@pytest.mark.slow
def test_what_they_cannot_hold_is_a_finding(tmp_path, monkeypatch, capsys):
    texts = [*map(in_a_dag, REFUSED), *(in_a_dag("n()", dag) for dag in DAGS)]
    code, wrong = verdicts(tmp_path, monkeypatch, capsys, texts)
    assert [text for text, is_wrong in zip(texts, wrong, strict=True) if not is_wrong] == []
    assert code == 1
