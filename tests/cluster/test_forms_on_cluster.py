"""Lanes of every shape end on a cluster as they do here, whatever fails or is skipped, and never hang."""

import pytest

from tests.expand.shapes import FUNCTIONS, SHAPES
from tests.harness import compile_file, on_cluster, run_here, run_on_cluster, write

pytestmark = on_cluster


@pytest.mark.parametrize("shape", SHAPES)
def test_a_lane_ends_on_a_cluster_as_it_does_here(tmp_path, shape):
    manifest = compile_file(write(tmp_path, f"{FUNCTIONS}    {SHAPES[shape]}\n"))
    here = run_here(manifest, tmp_path, tmp_path / "out")
    there = run_on_cluster(manifest, tmp_path)
    assert (there.phase, there.states, there.values) == (here.phase, here.states, here.values)
    assert there.files == here.files
