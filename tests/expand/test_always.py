"""The rule "always": what waits for nothing may stand after others and has no value of theirs."""

import pytest

from tests.harness import BOTH, codes, compile_file, run_here, write

BEFORE = """\
@task
def a(): return {"n": 1}
@task
def rows(item): return item
@task(trigger_rule="always")
def b(x=0): return x
@task(trigger_rule="always")
def each(x=0, item=0): return x
with DAG("d") as dag:
"""


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        "b(a())",
        "b(a().default(5))",
        'b().when(a()["n"] == 1)',
        "s = Items([1, 2]); mapped = s >> rows; each.expand(x=mapped)",
        "s = Items([1, 2]); up = a(); s >> each.partial(x=up)",
    ],
)
def test_it_is_refused_where_it_reads_a_value(body, lowering, tmp_path):
    path = write(tmp_path, BEFORE.replace('"d")', f'"d", lowering="{lowering}")') + f"    {body}\n")
    assert codes(path) == {"NEVER_RUNS"}


@BOTH
def test_it_runs_beside_what_fails_and_what_stands_before_it(lowering, tmp_path):
    body = '    up = a.override(task_id="up")(); up >> b(); Items([1, 2]) >> each.override(task_id="e")\n'
    path = write(tmp_path, BEFORE.replace('return {"n": 1}', "raise SystemExit(3)") + body)
    ended = run_here(compile_file(path, lowering), tmp_path, tmp_path / "out")
    assert ended.states == {"up": "Failed", "b": "Succeeded", "e": "Succeeded"}
