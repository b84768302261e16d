"""Orchestrators used alone: what they make runs, with the files that each function reads and writes."""

import pytest
from hera.workflows import DAG, Workflow

from orchestrators import (
    ContainerParallelExecutionOrchestrator,
    ExecutionFunction,
    ParallelConfig,
    PythonParallelExecutionOrchestrator,
    RecipeConfig,
    ShellParallelExecutionOrchestrator,
)
from tests.harness import run_here

FILES = {"data/a.tif": "one", "data/b.tif": "three", "c.tif": "seventeen"}
SHELL, PYTHON, CONTAINER = (
    ShellParallelExecutionOrchestrator,
    PythonParallelExecutionOrchestrator,
    ContainerParallelExecutionOrchestrator,
)


def made(kind, size, command=None, function=None, **options):
    """Return the orchestrator of a function over FILES."""
    recipe = RecipeConfig(name="r", inputs=[*FILES], image="i", parallel=ParallelConfig(partition_size=size))
    given = {"command": command} if command else {"function": function}
    return kind(recipe, ExecutionFunction(name="f", options=options, **given))


def ran(folder, *arguments, **options):
    """Return how the workflow ends that holds nothing but what an orchestrator makes."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with Workflow(name="w", entrypoint="main") as workflow:
        orchestrator = made(*arguments, **options)
        template = orchestrator.create_execution_template()
        with DAG(name="main"):
            orchestrator.create_parallel_tasks(template)
    return run_here(workflow.to_dict(), folder, folder / "out").succeeded()


def size(input_file):
    return input_file.stat().st_size


def copy(input_file, output_file, upper=True):
    text = input_file.read_text()
    output_file.write_text(text.upper() if upper else text)


def listed(input_files):
    return [path.name for path in input_files]


def inside(input_dir, output_dir):
    for path in input_dir.iterdir():
        (output_dir / f"{path.stem}.txt").write_text(path.read_text())


def where(item, index, partition_count):
    return [item, index, partition_count]


def joined(input_files, output_file):
    output_file.write_text("+".join(path.read_text() for path in input_files))


@pytest.mark.parametrize("pods", [1, 2, 3])
def test_a_python_function_gets_the_file_of_each_item(pods, tmp_path):
    assert ran(tmp_path, PYTHON, pods, function=size).values["f"] == [3, 5, 9]


@pytest.mark.parametrize("pods", [1, 2])
def test_a_python_function_writes_a_file_per_item_under_the_name_it_came_by(pods, tmp_path):
    files = ran(tmp_path, PYTHON, pods, function=copy).files["f"]
    assert files == {"a.tif": b"ONE", "b.tif": b"THREE", "c.tif": b"SEVENTEEN"}


def test_a_python_function_may_read_all_files_of_its_partition(tmp_path):
    assert ran(tmp_path, PYTHON, 2, function=listed).values["f"] == [["a.tif", "b.tif"], ["c.tif"]]


def test_a_python_function_may_read_a_folder_and_write_one(tmp_path):
    files = ran(tmp_path, PYTHON, 2, function=inside).files["f"]
    assert files == {"a.txt": b"one", "b.txt": b"three", "c.txt": b"seventeen"}


def test_a_python_function_gets_its_item_and_values_of_the_run(tmp_path):
    found = ran(tmp_path, PYTHON, 2, function=where).values["f"]
    assert found == [["data/a.tif", 0, 2], ["data/b.tif", 1, 2], ["c.tif", 2, 2]]


def test_one_file_of_several_is_called_as_its_options_say(tmp_path):
    files = ran(tmp_path, PYTHON, 2, function=joined, output="all-{index}.txt").files["f"]
    assert files == {"all-0.txt": b"one+three", "all-1.txt": b"seventeen"}


@pytest.mark.parametrize("pods", [1, 2])
def test_a_shell_text_reads_and_writes_the_file_of_each_item(pods, tmp_path):
    text = 'tr a-z A-Z < "$INPUT_FILE" > "$OUTPUT_FILE"; echo "$ITEM" > "$RESULT_FILE"'
    ended = ran(tmp_path, SHELL, pods, text, output="{stem}.up")
    assert ended.files["f"] == {"a.up": b"ONE", "b.up": b"THREE", "c.up": b"SEVENTEEN"}
    assert ended.values["f"] == [*FILES]


def test_a_shell_text_may_read_the_folder_of_its_partition(tmp_path):
    ended = ran(tmp_path, SHELL, 2, 'cd "$INPUT_DIR"; echo * > "$RESULT_FILE"')
    assert ended.values["f"] == ["a.tif b.tif", "c.tif"]


def test_a_program_that_a_text_calls_finds_the_file_in_its_environment(tmp_path):
    ended = ran(tmp_path, SHELL, 2, "sh -c 'v=INPUT_''FILE; printenv $v | sed s,.*/,, > \"$RESULT_FILE\"'")
    assert ended.values["f"] == ["a.tif", "b.tif", "c.tif"]


def test_an_argv_reads_and_writes_the_file_of_its_item(tmp_path):
    ended = ran(tmp_path, CONTAINER, 1, ("cp", "$(INPUT_FILE)", "$(OUTPUT_FILE)"), output="{stem}-{index}.up")
    assert ended.files["f"] == {"a-0.up": b"one", "b-1.up": b"three", "c-2.up": b"seventeen"}


def test_an_argv_names_its_output_by_its_input_where_nothing_else_is_said(tmp_path):
    files = ran(tmp_path, CONTAINER, 1, ("cp", "$(INPUT_FILE)", "$(OUTPUT_FILE)")).files["f"]
    assert files == {name.rpartition("/")[2]: text.encode() for name, text in FILES.items()}


def needs(input_file, scale):
    return scale


def mixed(input_file, input_dir):
    return None


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((CONTAINER, 2, ("cat", "$(INPUT_FILE)")), {}, "one item per pod"),
        ((CONTAINER, 1, ("ls", "$(INPUT_DIR)")), {}, "one INPUT_FILE, not INPUT_DIR"),
        ((CONTAINER, 1, ("cp", "$(INPUT_FILE)", "$(OUTPUT_FILE)")), {"output": "a/b"}, "slash"),
        ((PYTHON, 1), {"function": needs}, "nothing gives it scale"),
        ((PYTHON, 1), {"function": mixed}, "both input_file and input_dir"),
        ((PYTHON, 1), {"function": joined}, "name it by output="),
        ((PYTHON, 1), {"function": joined, "output": "{stem}"}, "nothing here is called 'stem'"),
        ((PYTHON, 1), {"function": copy, "output": "{year}"}, "nothing here is called 'year'"),
        ((PYTHON, 1), {"function": size, "each": "all"}, "each='all'"),
        ((SHELL, 1, 'ls "$INPUT_DIR" "$INPUT_FILE"'), {}, "both INPUT_FILE and INPUT_DIR"),
    ],
)
def test_what_only_a_dag_could_give_is_a_value_error(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        made(*arguments, **options).create_execution_template()
