"""A partition crosses its lane without waiting for the others: tasks write when they started and ended."""

import pytest

from tests.harness import BOTH, compile_file, run_here, write

SLOW = 1.5
"""Seconds that the first item stays in the first stage."""


def dag_of_three_stages(size, seconds):
    return f"""
@task
def first(item, output_file):
    import time
    if item == 0:
        time.sleep({seconds})
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


def overtaken(ended):
    """The partitions' ends of stage three that came before the first item left stage one."""
    values = ended.succeeded().values["third"]
    left = values[0][0]
    return [index for index, (_, done) in enumerate(values) if done < left]


@BOTH
@pytest.mark.parametrize("size", [1, 2])
def test_a_partition_overtakes_one_that_sleeps_in_the_first_stage(tmp_path, lowering, size):
    path = write(tmp_path, dag_of_three_stages(size, SLOW))
    ended = run_here(compile_file(path, lowering), tmp_path, tmp_path / "out", jobs=4)
    assert overtaken(ended) == list(range(size, 4))
