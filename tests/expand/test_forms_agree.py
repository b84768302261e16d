"""Both forms of a DAG, explicit and compact, leave the same files, values and states, whatever fails.

And nothing fails in either unless the DAG asks for trouble: the two could be wrong alike.
DAGS is how many random ones are compared.
"""

import json
import os
import shutil
import subprocess

import pytest

from tests.expand.random_dags import NAMES, Author
from tests.expand.shapes import FUNCTIONS, SHAPES
from tests.harness import LOWERINGS, compile_file, run_here, write

ARGO = os.environ.get("ARGOSY_ARGO") or shutil.which("argo")
FEW, MANY, AT_ONCE = 10, int(os.environ.get("DAGS", "70")), 20


@pytest.fixture
def data(tmp_path):
    """Return a folder with the files that random DAGs read."""
    (tmp_path / "data").mkdir()
    for number, name in enumerate(NAMES):
        (tmp_path / "data" / f"{name}.txt").write_text(f"{name} {number}\n")
    return tmp_path


def both(seed, folder):
    """Return who wrote the DAG of a seed, its text, and its manifests in both forms by name.

    That of every other seed asks for no trouble.
    """
    author = Author(seed, rules=seed % 2 == 0, faults=seed % 2 == 0)
    path = write(folder, author.text(f"dag-{seed}"), f"dag_{seed}.py")
    return author, path.read_text(), {lowering: compile_file(path, lowering) for lowering in LOWERINGS}


def check(seeds, folder):
    """Assert of every seed that both forms of its DAG end alike, and well unless it asks for trouble.

    Return the files of their manifests.
    """
    written = []
    for seed in seeds:
        author, text, manifests = both(seed, folder)
        for lowering, manifest in manifests.items():
            written.append(folder / f"{seed}-{lowering}.json")
            written[-1].write_text(json.dumps(manifest))
        explicit, compact = (
            run_here(manifests[lowering], folder, folder / f"{seed}-{lowering}") for lowering in LOWERINGS
        )
        assert author.troubled or explicit.phase == "Succeeded", text
        assert author.troubled or not {"Failed", "Error"} & set(explicit.states.values()), text
        assert compact.phase == explicit.phase, text
        assert compact.states == explicit.states, text
        assert compact.values == explicit.values, text
        assert compact.files == explicit.files, text
    return written


def test_both_forms_of_random_dags_end_alike(data):
    check(range(FEW), data)


@pytest.mark.parametrize("shape", SHAPES)
def test_both_forms_of_every_shape_of_lane_end_alike(shape, tmp_path):
    path = write(tmp_path, f"{FUNCTIONS}    {SHAPES[shape]}\n".replace(', lowering="compact"', ""))
    explicit, compact = (
        run_here(compile_file(path, lowering), tmp_path, tmp_path / lowering) for lowering in LOWERINGS
    )
    assert (compact.phase, compact.states) == (explicit.phase, explicit.states)
    assert (compact.values, compact.files) == (explicit.values, explicit.files)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FEW, MANY, AT_ONCE))
def test_both_forms_of_many_random_dags_end_alike_and_pass_the_linter_of_argo(data, first):
    files = check(range(first, min(first + AT_ONCE, MANY)), data)
    if ARGO:
        command = [ARGO, "lint", "--offline", *map(str, files)]
        linted = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert linted.returncode == 0, linted.stdout + linted.stderr
