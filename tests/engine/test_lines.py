"""Values of mapped tasks along aligned joins: what an item, and what a partition, gets of them."""

from tests.harness import BOTH, compile_file, run_here, write

SHELL = '@task.shell(image="busybox:1"{})\ndef {}(x):\n    return \'printf "%s\\\\n" "$x" >"$RESULT_FILE"\'\n'
PYTHON = "@task{}\ndef {}(x):\n    return x\n"
EACH = 'each="partition"'
TASKS = (
    "@task\ndef tell(item):\n    return None if item == 3 else [item]\n"
    f"@task({EACH})\ndef count(items):\n    return len(items)\n"
    + SHELL.format("", "sh_item")
    + SHELL.format(f", {EACH}", "sh_partition")
    + PYTHON.format("", "py_item")
    + PYTHON.format(f"({EACH})", "py_partition")
)


def values(folder, lowering, upstream):
    readers = ("sh_item", "sh_partition", "py_item", "py_partition")
    lines = "".join(f"    {reader}.expand(x=upstream)\n" for reader in readers)
    text = f'{TASKS}with DAG("lines"):\n    upstream = Range(5, size=2) >> {upstream}\n{lines}'
    ended = run_here(compile_file(write(folder, text), lowering), folder, folder / "out")
    return [ended.succeeded().values[reader] for reader in readers]


@BOTH
def test_an_item_gets_its_value_and_a_partition_the_list_of_its_items_values(tmp_path, lowering):
    assert values(tmp_path, lowering, "tell") == [
        ["[0]", "[1]", "[2]", "", "[4]"],
        ["[[0],[1]]", "[[2],null]", "[[4]]"],
        [[0], [1], [2], None, [4]],
        [[[0], [1]], [[2], None], [[4]]],
    ]


@BOTH
def test_items_and_their_partition_get_the_one_value_of_a_partition(tmp_path, lowering):
    assert values(tmp_path, lowering, "count") == [
        ["2", "2", "2", "2", "1"],
        ["2", "2", "1"],
        [2, 2, 2, 2, 1],
        [2, 2, 1],
    ]
