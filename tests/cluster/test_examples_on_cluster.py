"""Every example ends on a cluster as it ends here: the same states, values and files."""

from pathlib import Path

import pytest

from tests.harness import compile_file, on_cluster, run_here, run_on_cluster, stage

pytestmark = on_cluster
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module", autouse=True)
def data():
    stage(
        EXAMPLES,
        *(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir() and folder.name[0] not in "._"),
    )


@pytest.mark.parametrize("topic", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_an_example_ends_on_a_cluster_as_it_ends_here(tmp_path, topic):
    manifest = compile_file(EXAMPLES / f"{topic}.py")
    here = run_here(manifest, EXAMPLES, tmp_path / "out").succeeded()
    there = run_on_cluster(manifest, tmp_path).succeeded()
    assert there.states == here.states
    assert there.values == here.values
    assert there.files == here.files
