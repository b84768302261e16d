"""A partition crosses its lane on a cluster without waiting for the others."""

import pytest

from tests.harness import BOTH, compile_file, on_cluster, run_on_cluster, write

pytestmark = on_cluster
SLOW = 40
"""Seconds that the first item stays in the first stage: other partitions start six pods meanwhile."""


def dag_of_three_stages(size):
    return f"""
@task
def first(item, output_file):
    import time
    if item == 0:
        time.sleep({SLOW})
    output_file.write_text(str(time.time()))

@task.shell(image="busybox:1")
def second():
    return 'cat "$INPUT_FILE" >"$OUTPUT_FILE"'

@task
def third(input_file) -> list:
    import time
    return [float(input_file.read_text()), time.time()]

with DAG("lanes"):
    Range(4, size={size}) >> first >> second >> third
"""


@BOTH
@pytest.mark.parametrize("size", [1, 2])
def test_a_partition_overtakes_one_that_sleeps_in_the_first_stage(tmp_path, lowering, size):
    path = write(tmp_path, dag_of_three_stages(size))
    values = run_on_cluster(compile_file(path, lowering), tmp_path).succeeded().values["third"]
    first_left = values[0][0]
    assert [index for index, (_, done) in enumerate(values) if done < first_left] == list(range(size, 4))
