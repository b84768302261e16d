"""Valid files of authors, put together at random, draw nothing, compile, and are accepted by Argo."""

import gzip
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dsl.analyze import analyze_all
from dsl.argo import validate_manifest
from dsl.compile import compile_plan
from dsl.load import execute
from dsl.location import Location
from tests.expand.random_dags import NAMES, Author
from tests.harness import write

ARGO = os.environ.get("ARGOSY_ARGO") or shutil.which("argo")
ACCEPTS = Draft202012Validator(
    json.loads(gzip.decompress((Path(__file__).parents[1] / "workflow.schema.json.gz").read_bytes()))
)
HEAD = """\
import json, os, re, sys
from functools import cache
from pathlib import Path
"""

# What stands before the DAG, and what stands in it: each is right, and near to something that is wrong.
IDIOMS = {
    "awk": (
        "@task.shell(image='busybox:1', output='{stem}.txt')\n"
        'def awk(): return """awk \'{print $1 + $2}\' "$INPUT_FILE" > "$OUTPUT_FILE" """\n',
        'Files("data/*.txt") >> awk',
    ),
    "heredoc": (
        '@task.shell(image="busybox:1")\ndef here(word):\n    return """\n'
        'cat <<\'END\' > "$RESULT_FILE"\n$1 $undefined $(word)\nEND\necho "$word" # if then $nope\n"""\n',
        'here("a")',
    ),
    "shell function": (
        '@task.shell(image="busybox:1")\ndef calls():\n    return """\n'
        'greet() { echo "$1"; }\ngreet hello\nset -- a b; echo "$2"\n'
        'case "$HOME" in /*) greet x;; esac\n"""\n',
        "calls()",
    ),
    "constants in text": (
        'SCALE = 3\n@task.shell(image="busybox:1")\ndef scaled(): return f"echo $(( {SCALE} * 2 ))"\n',
        "scaled()",
    ),
    "argv": (
        '@task.container(image="busybox:1")\ndef argv(path="/etc/hosts"): return ["cat", "$(path)", "a|b"]\n'
        '@task.container(image="busybox:1")\ndef inner(x=1): return ["sh", "-c", "echo $x > /dev/null"]\n',
        "argv() >> inner",
    ),
    "modules": (
        "@task\ndef modules():\n    import contextlib, csv, zoneinfo\n    try:\n        import numpy\n"
        "    except ImportError:\n        numpy = None\n"
        "    with contextlib.suppress(ImportError):\n        import scipy\n"
        "    return [csv.__name__, zoneinfo.__name__]\n",
        "modules()",
    ),
    "own image": (
        '@task(image="ghcr.io/ann/science:7")\ndef own():\n    import numpy\n    return numpy.pi\n',
        "own()",
    ),
    "helpers": (
        "LIMITS = {'a': [1, 2]}\n@cache\ndef helper(n): return LIMITS['a'][n]\n"
        "@task\ndef helped(n: int = 0) -> int:\n    found = []\n"
        "    found.append(helper(n))\n    return found[0]\n"
        "@task\ndef twice(n: int) -> int: return helped.fn(n) * 2\n",
        "twice(helped())",
    ),
    "names like secrets": (
        "token_count = '123456789a'\nTOKEN_FILE = '/run/secrets/token'\n"
        "@task.shell(image='busybox:1')\n"
        "def login(password=''):\n"
        "    return 'curl https://ann@example.org/secret-token >/dev/null; echo $password'\n",
        "login()",
    ),
    "reading at import": (
        "beside = Path(__file__).parent\nlisted = sorted(path.name for path in beside.glob('data/*.txt'))\n"
        "text = (beside / 'data' / listed[0]).read_text()\n"
        "with open(beside / 'data' / listed[1]) as file: file.read()\n"
        "@task\ndef show(item): return item\n",
        "Items(listed, size=2) >> show",
    ),
    "script": (
        "def main():\n    import subprocess\n    subprocess.run(['true'])\n@task\ndef scripted(): return 1\n",
        'scripted(); assert __name__ != "__main__" or main()',
    ),
    "loop": (
        "@task\ndef looped(n): return n\n@task\ndef all_of(a, b): return [a, b]\n",
        "made = [looped(n) for n in range(2)]\n    all_of(*made)",
    ),
    "condition": (
        "@task\ndef decide() -> dict: return {'n': 1}\n@task\ndef act(): return 1\n",
        "out = decide()\n    act().when((out['n'] > 0) & (out['n'] < 3)); print(out, file=sys.stderr)",
    ),
    "side by side": (
        "@task\ndef left(): return 1\n@task\ndef right(): return 2\n@task\ndef below(): return 3\n",
        "[left, right] >> below; below << left.override(task_id='again')",
    ),
    "rules": (
        "@task\ndef work(): return 1\n@task(trigger_rule='all_done')\ndef tidy(): return 1\n"
        "@task\ndef publish(): return 1\n",
        "work >> [tidy, publish]",
    ),
    "options": (
        "@task(retries=2, retry_delay='10s', execution_timeout='1h30m', cpu='500m', memory='2Gi',\n"
        "      env={'MODE': 'fast'}, image='localhost:5000/ann/Py:3'.lower())\n"
        "def options(): return os.environ['MODE']\n",
        "options()",
    ),
    "outfile": (
        "from dsl import OutFile as Out\n@task.shell(image='busybox:1', output='{index}.txt')\n"
        "def writes(item, made: Out):\n"
        "    return 'python3 -c \"import os; open(os.environ[\\'made\\'])\" || echo $item'\n",
        "Range(2) >> writes",
    ),
}


@pytest.fixture(scope="module")
def folder():
    """Return a folder with the files that random DAGs read."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "data").mkdir()
        for number, stem in enumerate(NAMES):
            (Path(name) / "data" / f"{stem}.txt").write_text(f"{stem} {number}\n")
        yield Path(name)


def file_of(seed, idioms):
    """Return the text of a DAG file: a random DAG of the seed, and some idioms around and in it."""
    before = "".join(IDIOMS[name][0] for name in idioms)
    inside = "".join(f"    {IDIOMS[name][1]}\n" for name in idioms)
    return f"{HEAD}{before}{Author(seed, rules=False).text(f'dag-{seed}')}{inside}"


def manifests(folder, text):
    """Return the manifests of a file in which nothing is found."""
    path = write(folder, text)
    made = []
    for analysis in analyze_all(execute(str(path))):
        assert analysis.diagnostics == ()
        compiled = compile_plan(analysis.plan)
        assert compiled.diagnostics == ()
        assert validate_manifest(compiled.manifest, Location(str(path))) == ()
        made.append(compiled.manifest)
    return made


@given(st.integers(0, 10**6), st.lists(st.sampled_from(sorted(IDIOMS)), max_size=4, unique=True))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_valid_file_draws_nothing_and_fits_the_schema_of_argo(folder, seed, idioms):
    for manifest in manifests(folder, file_of(seed, idioms)):
        assert [error.message for error in ACCEPTS.iter_errors(manifest)] == []


@pytest.mark.parametrize("idiom", IDIOMS)
def test_an_idiom_that_is_right_draws_nothing(idiom, folder):
    before, inside = IDIOMS[idiom]
    assert manifests(folder, f'{HEAD}{before}with DAG("flow"):\n    {inside}\n')


@pytest.mark.slow
@pytest.mark.skipif(not ARGO, reason="needs argo on the PATH, or its place in ARGOSY_ARGO")
def test_the_linter_of_argo_accepts_what_validates(folder, tmp_path):
    names = sorted(IDIOMS)
    for seed in range(40):
        idioms = [names[seed % len(names)], names[(seed * 7 + 3) % len(names)]]
        for manifest in manifests(folder, file_of(seed, dict.fromkeys(idioms))):
            (tmp_path / f"{seed}.json").write_text(json.dumps(manifest))
    command = [ARGO, "lint", "--offline", *map(str, sorted(tmp_path.glob("*.json")))]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
