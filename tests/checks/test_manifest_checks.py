"""Checks of a manifest: what Argo, Kubernetes or Linux would refuse when the DAG runs."""

import pytest
from harness import write

SHELL = '@task.shell(image="i")\ndef say(x=1): return \'echo "$ITEM" "$x"\'\n'
SET = '@task.shell(image="i")\ndef say(x): return "echo $x"\n'
TWICE = '@task.shell(image="i")\ndef say(): return "echo; " * 30000\n'
MEASURE = "@task\ndef measure(item): return 1\n"
READ = "@task\ndef read(input_dir): return 1\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (SET + 'with DAG("x"):\n    say("x" * 300_000)\n', "UNSAFE_STRING"),
        (MEASURE + 'with DAG("x"):\n    measure("x" * 300_000)\n', "UNSAFE_STRING"),
        (TWICE + 'with DAG("x"):\n    say()\n', "UNSAFE_STRING"),
        (SHELL + 'with DAG("x"):\n    Items(["漢" * 45_000]) >> say\n', "PARTITION_TOO_LARGE"),
        (SHELL + 'with DAG("x"):\n    Items(["|" * 30_000]) >> say\n', "PARTITION_TOO_LARGE"),
        (MEASURE + 'with DAG("x"):\n    Items(["漢" * 25_000]) >> measure\n', "PARTITION_TOO_LARGE"),
        (READ + 'with DAG("x"):\n    Files("f/*") >> read.override(each="all")\n', "PARTITION_TOO_LARGE"),
    ],
)
def test_a_text_over_128_kib_does_not_fit_into_a_variable(body, code, tmp_path):
    (tmp_path / "f").mkdir()
    for number in range(700):
        (tmp_path / "f" / f"{number:0200}").touch()
    assert codes_after_compiling(tmp_path, body) == {code}


def test_texts_below_128_kib_fit(tmp_path):
    body = SHELL + 'with DAG("x"):\n    Items(["x" * 60_000] * 4, size=2) >> say.partial(x="y" * 100_000)\n'
    assert codes_after_compiling(tmp_path, body) == set()


@pytest.mark.parametrize(
    ("items", "hint"),
    [
        ('["z" * 200_000]', "put the long text into a file, and map over Files(…)"),
        ('["z" * 50_000] * 4, size=4', "make partitions smaller: size=…"),
    ],
)
def test_what_is_too_large_is_told_with_what_makes_it_smaller(items, hint, tmp_path):
    [finding] = found_after_compiling(tmp_path, MEASURE + f'with DAG("x"):\n    Items({items}) >> measure\n')
    assert finding.message == "partition 0 of measure holds 195 KiB of items"
    assert finding.hint == hint


def codes_after_compiling(folder, body):
    return {diagnostic.code.name for diagnostic in found_after_compiling(folder, body)}


def found_after_compiling(folder, body):
    from harness import load_file

    from dsl.compile import compile_dag

    compiled = compile_dag(load_file(write(folder, body)))
    return [diagnostic for diagnostic in compiled.diagnostics if diagnostic.is_error]
