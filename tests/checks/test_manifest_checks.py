"""Checks of a manifest: what Argo, Kubernetes or Linux would refuse when the DAG runs."""

import pytest
from harness import write

SHELL = '@task.shell(image="i")\ndef say(x=1): return \'echo "$ITEM" "$x"\'\n'
SET = '@task.shell(image="i")\ndef say(x): return "echo $x"\n'
TWICE = '@task.shell(image="i")\ndef say(): return "echo; " * 30000\n'
MEASURE = "@task\ndef measure(item): return 1\n"
WORDS = '@task.container(image="i")\ndef echo(): return ["echo", "x" * 140_000]\n'
READ = "@task\ndef read(input_dir): return 1\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (SET + 'with DAG("x"):\n    say("x" * 300_000)\n', "UNSAFE_STRING"),
        (MEASURE + 'with DAG("x"):\n    measure("x" * 300_000)\n', "UNSAFE_STRING"),
        (TWICE + 'with DAG("x"):\n    say()\n', "UNSAFE_STRING"),
        (WORDS + 'with DAG("x"):\n    echo()\n', "UNSAFE_STRING"),
        (SHELL + 'with DAG("x"):\n    Items(["漢" * 45_000]) >> say\n', "PARTITION_TOO_LARGE"),
        (SHELL + 'with DAG("x"):\n    Items(["|" * 30_000]) >> say\n', "PARTITION_TOO_LARGE"),
        (MEASURE + 'with DAG("x"):\n    Items(["漢" * 25_000]) >> measure\n', "PARTITION_TOO_LARGE"),
        (READ + 'with DAG("x"):\n    Files("f/*") >> read.override(each="all")\n', "PARTITION_TOO_LARGE"),
    ],
)
def test_a_text_over_128_kib_does_not_fit_into_a_variable_or_an_argument(body, code, tmp_path):
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


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("Range(2500) >> measure", None),
        ("Range(3500) >> measure", "STATUS_SIZE"),
        ("Range(5000) >> measure", "STATUS_LIMIT"),
        ("Range(5000, size=2) >> measure", None),
        ("Range(2500) >> measure.override(retries=1)", "STATUS_SIZE"),
        ("Items([hex(n)[3:] for n in noise], size=10) >> measure", "STATUS_LIMIT"),
        ("Items(['0' * 200] * 3000, size=10) >> measure", None),
    ],
)
def test_a_status_is_warned_of_before_it_is_too_large_and_grows_with_items(body, code, tmp_path):
    head = "import random\nnoise = [random.Random(n).getrandbits(900) + 2**900 for n in range(3000)]\n"
    compiled = compiled_in(tmp_path, f'{head}{MEASURE}with DAG("x"):\n    {body}\n')
    found = [diagnostic.code.name for diagnostic in compiled.diagnostics]
    assert found == [code] * (code is not None)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("Items(['0' * 1000] * 1500, size=50) >> measure", "put the items into files, many in each"),
        ("Files('f/*', size=50) >> size", "map over folders of files"),
        ("Items(['0' * 1000] * 600, size=50) >> [measure, other]", 'lowering="compact"'),
        ("[measure.override(each='all')('0' * 100_000) for _ in range(12)]", "put long constants and texts"),
    ],
)
def test_a_manifest_that_is_too_large_is_told_with_what_makes_it_smaller(body, hint, tmp_path):
    (tmp_path / "f").mkdir()
    for number in range(5000):
        (tmp_path / "f" / f"{number:0240}").touch()
    text = (
        f'{MEASURE}@task\ndef other(item): return 1\n@task\ndef size(input_files): return 1\nwith DAG("x"):\n'
    )
    found = found_after_compiling(tmp_path, f"{text}    {body}\n")
    [finding] = [one for one in found if one.code.name == "MANIFEST_SIZE"]
    assert hint in finding.hint


def codes_after_compiling(folder, body):
    return {diagnostic.code.name for diagnostic in found_after_compiling(folder, body)}


def found_after_compiling(folder, body):
    return [diagnostic for diagnostic in compiled_in(folder, body).diagnostics if diagnostic.is_error]


def compiled_in(folder, body):
    from harness import load_file

    from dsl.compile import compile_dag

    return compile_dag(load_file(write(folder, body)))
