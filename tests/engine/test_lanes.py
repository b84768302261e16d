"""A partition crosses its lane without waiting for the others: one waits until the others have ended."""

import pytest

from tests.harness import BOTH, compile_file, run_here, write

WAIT = 60
"""Seconds after which the first item does not wait any longer in the first stage."""


def dag_of_three_stages(size, folder):
    return f"""
@task
def first(item, output_file):
    import time
    from pathlib import Path
    for _ in range({WAIT} * 50 if item == 0 else 0):
        if len(list(Path({str(folder)!r}).iterdir())) == 4 - {size}:
            break
        time.sleep(0.02)
    output_file.write_text(f"{{item}} {{len(list(Path({str(folder)!r}).iterdir()))}}")

@task.shell(image="busybox:1")
def second():
    return 'cat "$INPUT_FILE" >"$OUTPUT_FILE"'

@task
def third(input_file) -> list:
    from pathlib import Path
    item, seen = input_file.read_text().split()
    (Path({str(folder)!r}) / item).touch()
    return [int(item), int(seen)]

with DAG("lanes"):
    Range(4, size={size}) >> first >> second >> third
"""


@BOTH
@pytest.mark.parametrize("size", [1, 2])
def test_a_partition_overtakes_one_that_stays_in_the_first_stage(tmp_path, lowering, size):
    ended_items = tmp_path / "ended"
    ended_items.mkdir()
    path = write(tmp_path, dag_of_three_stages(size, ended_items))
    ended = run_here(compile_file(path, lowering), tmp_path, tmp_path / "out", jobs=4).succeeded()
    assert ended.values["third"][0] == [0, 4 - size]
