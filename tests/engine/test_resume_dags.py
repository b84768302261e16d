"""DAGs of authors that are taken up again, in both forms and both kinds of storage."""

import pytest

from dsl.engine import Resume
from tests.harness import BOTH, compile_file, run_here, write

TEXT = """
from dsl import Artifacts, Volume

@task.shell(image="busybox:1")
def copy():
    return 'cat "$INPUT_FILE" > "$OUTPUT_FILE"; echo "copy $(basename "$INPUT_FILE")" >> {log}'

@task
def size(input_file) -> int:
    import pathlib
    with open({log!r}, "a") as log:
        print("size", pathlib.Path(input_file).name, file=log)
    return len(pathlib.Path(input_file).read_text())

@task.shell(image="busybox:1", each="all")
def join():
    return 'cat "$INPUT_DIR"/* > "$OUTPUT_DIR/all"; echo join >> {log}'

@task
def total(sizes: list[int]) -> int:
    with open({log!r}, "a") as log:
        print("total", file=log)
    return sum(sizes)

with DAG("d", storage={storage}):
    copied = Files("data/*.txt") >> copy
    copied >> join
    total(copied >> size)
"""


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


class Bench:
    def __init__(self, folder):
        self.folder, self.log = folder, folder / "log"
        (folder / "data").mkdir()
        for name in "abc":
            (folder / f"data/{name}.txt").write_text(name)

    def run(self, storage, lowering, **options):
        """Compile and run; return the states, files and values, and what ran."""
        path = write(self.folder, TEXT.format(log=str(self.log), storage=storage))
        self.log.write_text("")
        manifest = compile_file(path, lowering)
        ended = run_here(manifest, self.folder, self.folder / "out", **options).succeeded()
        return ended, sorted(self.log.read_text().splitlines())


@BOTH
@pytest.mark.parametrize("storage", ["Artifacts()", "Volume('disk')"])
def test_what_an_input_file_concerns_runs_again_and_nothing_else(storage, lowering, bench):
    first, ran = bench.run(storage, lowering)
    assert len(ran) == 8
    assert bench.run(storage, lowering, resume=Resume()) == (first, [])
    (bench.folder / "data/b.txt").write_text("longer")
    changed, ran = bench.run(storage, lowering, resume=Resume())
    assert ran == ["copy b.txt", "join", "size b.txt", "total"]
    assert changed.files["join"] == {"all": b"alongerc"}
    assert (changed.values["total"], changed.values["size"]) == (8, [1, 6, 1])
    (bench.folder / "data/c.txt").unlink()
    fewer, ran = bench.run(storage, lowering, resume=Resume())
    assert ran == ["join", "total"]
    assert fewer.files["join"] == {"all": b"alonger"}
    assert sorted(fewer.files["copy"]) == ["a.txt", "b.txt"]
    (bench.folder / "data/d.txt").write_text("d")
    more, ran = bench.run(storage, lowering, resume=Resume())
    assert ran == ["copy d.txt", "join", "size d.txt", "total"]
    assert more.values["size"] == [1, 6, 1]


@BOTH
def test_a_task_that_asks_how_many_partitions_there_are_runs_again_when_that_changes(lowering, tmp_path):
    text = """
@task.shell(image="busybox:1")
def by_name(item):
    return 'echo "sh $PARTITION_COUNT" >> "$item"'

@task
def by_argument(item, partition_count):
    with open(item, "a") as log:
        print("argument", partition_count, file=log)

@task
def by_variable(item):
    import os
    with open(item, "a") as log:
        print("variable", os.environ["PARTITION_COUNT"], file=log)

with DAG("d"):
    Items({items}) >> [by_name, by_argument, by_variable]
"""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    for items, resume in (([a], None), ([a, b], Resume())):
        manifest = compile_file(write(tmp_path, text.format(items=items)), lowering)
        run_here(manifest, tmp_path, tmp_path / "out", resume=resume).succeeded()
    ran = sorted((tmp_path / "a").read_text().splitlines())
    assert ran == ["argument 1", "argument 2", "sh 1", "sh 2", "variable 1", "variable 2"]
