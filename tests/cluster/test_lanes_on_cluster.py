"""A partition crosses its lane on a cluster without waiting for the others."""

import pytest

from tests.engine.test_lanes import dag_of_three_stages, overtaken
from tests.harness import BOTH, compile_file, on_cluster, run_on_cluster, write

pytestmark = on_cluster
SLOW = 40
"""Seconds that the first item stays in the first stage: other partitions start six pods meanwhile."""


@BOTH
@pytest.mark.parametrize("size", [1, 2])
def test_a_partition_overtakes_one_that_sleeps_in_the_first_stage(tmp_path, lowering, size):
    path = write(tmp_path, dag_of_three_stages(size, SLOW))
    ended = run_on_cluster(compile_file(path, lowering), tmp_path)
    assert overtaken(ended) == list(range(size, 4))
