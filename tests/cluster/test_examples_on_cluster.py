"""Every example ends on a cluster as it ends here."""

from pathlib import Path

import pytest

from tests.harness import compile_file, on_cluster, run_here, run_on_cluster, stage

pytestmark = on_cluster
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("topic", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_an_example_has_the_same_states_values_and_files_as_here(topic, tmp_path):
    manifest = compile_file(EXAMPLES / f"{topic}.py")
    stage(EXAMPLES, "data")
    there = run_on_cluster(manifest, tmp_path).succeeded()
    assert there == run_here(manifest, EXAMPLES, tmp_path / "here")
