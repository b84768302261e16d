"""Keywords of `.expand` name the items of a source for a node and those after it, and for nobody else."""

import itertools

import pytest
from harness import compile_file, run_here, write

FUNCTIONS = """
@task
def first(x): return x
@task
def other(item, x=5): return [item, x]
@task
def plain(item): return item
@task
def third(v, x): return [v, x]
@task
def named(file: InFile, x): return [file.name, x]
@task
def grid(x, y): return [x, y]
@task
def one(x: InFile, y=0): return x.name
@task.shell(image="busybox:1")
def text(crs="EPSG:1"): return 'printf "%s %s" "${INPUT_FILE##*/}" "$crs" > "$RESULT_FILE"'
@task.shell(image="busybox:1")
def raster(crs: InFile): return 'cat "$crs" > "$RESULT_FILE"'
@task(output="{x}.txt")
def write(x, output_file): output_file.write_text(str(x))
@task(output="{key}.txt")
def keyed(x, output_file): output_file.write_text(str(x))
@task
def read(input_files, x=0): return [sorted(path.name for path in input_files), x]
@task
def every(input_dir): return sorted(path.name for path in input_dir.iterdir())
"""


def values(body, folder):
    """Return the values of a DAG whose statements stand in this order."""
    lines = "".join(f"    {line}\n" for line in ["s = Items([1, 2])", "f = Files('f/*')", *body])
    manifest = compile_file(write(folder, f'{FUNCTIONS}with DAG("x"):\n{lines}'))
    return run_here(manifest, folder, folder / "out").succeeded().values


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "f").mkdir()
    for name in "ab":
        (tmp_path / "f" / name).write_text(name * 2)
    return tmp_path


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_nodes_name_the_items_of_one_source_in_any_order(order, folder):
    statements = [
        "s >> other",
        "first.expand(x=s) >> other.override(task_id='after')",
        "grid.expand(x=s, y=[8])",
    ]
    found = values([statements[number] for number in order], folder)
    assert found == {
        "other": [[1, 5], [2, 5]],
        "first": [1, 2],
        "after": [[1, 1], [2, 2]],
        "grid": [[1, 8], [2, 8]],
    }


@pytest.mark.parametrize("order", [1, -1])
def test_a_keyword_for_files_is_no_file_of_other_nodes(order, folder):
    found = values(["raster.expand(crs=f)", "f >> text"][::order], folder)
    assert found == {"raster": ["aa", "bb"], "text": ["a EPSG:1", "b EPSG:1"]}


@pytest.mark.parametrize(
    ("statement", "node", "value"),
    [
        ("grid.expand_zip(x=s, y=s)", "grid", [[1, 1], [2, 2]]),
        ("grid.expand(x=s, y=s)", "grid", [[1, 1], [2, 2]]),
        ("grid.expand(x=s, y=Items([3, 4]))", "grid", [[1, 3], [1, 4], [2, 3], [2, 4]]),
        ("s >> grid.expand(x=s, y=[3])", "grid", [[1, 3], [2, 3]]),
        ("first.expand(x=s) >> other.expand(x=[3])", "other", [[1, 3], [2, 3]]),
        ("third.expand(v=first.expand(x=s))", "third", [[1, 1], [2, 2]]),
        ("named.partial(file=write.expand(x=s))()", "named", [["1.txt", 1], ["2.txt", 2]]),
        ("write.expand(x=s) >> every", "every", ["1.txt", "2.txt"]),
        ("keyed.expand(x=s) >> every", "every", ["1.txt", "2.txt"]),
        ("write.expand(x=s) >> Repartition(by='x') >> read", "read", [[["1.txt"], 1], [["2.txt"], 2]]),
        ("one.expand(x=f) >> every", "every", ["a", "b"]),
        ("one.expand(x=f, y=[1, 2]) >> every", "every", ["a", "b"]),
        ("one.expand(x=f, y=[1, 2])", "one", ["a", "a", "b", "b"]),
    ],
)
def test_a_source_that_others_map_over_can_be_expanded(statement, node, value, folder):
    before, after = (
        values(order, folder) for order in (["s >> plain", statement], [statement, "s >> plain"])
    )
    assert before[node] == after[node] == value
