"""Container tasks compiled and run: the names and contents of their files, and what a failure leaves."""

import json

import pytest

from dsl.codes import Code
from tests.dags import analyzed, found
from tests.harness import BOTH, compile_file, run_here, write

TASKS = """\
@task
def letters(): return ["a", "b$$", "c"]
@task
def gathered(input_dir):
    paths = sorted(path for path in input_dir.rglob("*") if path.is_file())
    return {str(path.relative_to(input_dir)): path.read_text() for path in paths}
@task
def read(input_file): return [input_file.name, input_file.read_text()]
"""
FILES = {"a.txt": "one\n", "b.txt": "two\n", "c.txt": "three\n"}


def container(script: str, parameters: str = "", options: str = "") -> str:
    """A container task `c` that calls sh, which no name in an argv can surprise."""
    words = ["sh", "-c", script]
    return f'@task.container(image="i", {options})\ndef c({parameters}): return {words!r}\n'


def ran(folder, lowering, text, flow):
    for name, content in FILES.items():
        (folder / name).write_text(content)
    path = write(folder, f'{TASKS}{text}with DAG("d"):\n    {flow}\n')
    return run_here(compile_file(path, lowering), folder, folder / "out")


def names_and_texts(folder, lowering, text, flow):
    """What `gathered` found after the container task, and that its own folder holds the same."""
    ended = ran(folder, lowering, text, flow).succeeded()
    seen = ended.values["gathered"]
    assert {name: content.decode() for name, content in ended.files["c"].items()} == seen
    return seen


@BOTH
def test_an_index_in_a_name_is_the_items_of_a_list_that_the_run_knows(lowering, tmp_path):
    text = container("echo '$(item)' > $(OUTPUT_FILE)", "item", 'output="n{index}.c"')
    seen = names_and_texts(tmp_path, lowering, text, "Items(letters()) >> c >> gathered")
    assert seen == {"n0.c": "a\n", "n1.c": "b$$\n", "n2.c": "c\n"}


@BOTH
def test_a_container_over_such_a_list_names_its_files_by_index_where_output_is_not_given(lowering, tmp_path):
    text = container("echo $(INDEX) > $(OUTPUT_FILE)")
    seen = names_and_texts(tmp_path, lowering, text, "Items(letters()) >> c >> gathered")
    assert seen == {"0": "0\n", "1": "1\n", "2": "2\n"}


@BOTH
def test_a_key_in_a_name_is_that_of_its_item_whatever_the_kubelet_makes_of_dollars(lowering, tmp_path):
    text = container("""echo '$(x)' > '$(OUTPUT_FILE)'""", "x", 'output="{x}-$$(A)-{{{index}"')
    seen = names_and_texts(tmp_path, lowering, text, "c.expand(x=letters()) >> gathered")
    assert seen == {"a-$$(A)-{0": "a\n", "b$$-$$(A)-{1": "b$$\n", "c-$$(A)-{2": "c\n"}


@BOTH
def test_known_names_with_dollars_arrive_as_they_are(lowering, tmp_path):
    text = container("""echo '$(item)' > '$(OUTPUT_FILE)'""", "item", 'output="$$ $(x) {index}"')
    seen = names_and_texts(tmp_path, lowering, text, "Range(2) >> c >> gathered")
    assert seen == {"$$ $(x) 0": "0\n", "$$ $(x) 1": "1\n"}


@BOTH
def test_the_index_of_a_task_that_runs_once_is_zero(lowering, tmp_path):
    text = container("echo once > $(OUTPUT_FILE)", options='output="o-{index}.c"')
    assert names_and_texts(tmp_path, lowering, text, "c() >> gathered") == {"o-0.c": "once\n"}


@BOTH
@pytest.mark.parametrize(("size", "names"), [(1, ["m0", "m1", "m2"]), (2, ["m0", "m1"])])
def test_a_container_that_runs_once_per_partition_writes_one_file_for_each(size, names, lowering, tmp_path):
    text = container("echo $(INDEX) > $(OUTPUT_FILE)", options='each="partition", output="m{index}"')
    seen = names_and_texts(tmp_path, lowering, text, f"Range(3, size={size}) >> c >> gathered")
    assert seen == {name: f"{name[1:]}\n" for name in names}


@BOTH
def test_file_names_and_contents_reach_the_next_task_item_by_item(lowering, tmp_path):
    text = container("tr a-z A-Z < $(INPUT_FILE) > $(OUTPUT_FILE)", options='output="{stem}.up"')
    ended = ran(tmp_path, lowering, text, 'Files("*.txt") >> c >> read').succeeded()
    assert ended.values["read"] == [["a.up", "ONE\n"], ["b.up", "TWO\n"], ["c.up", "THREE\n"]]


@BOTH
def test_a_container_may_write_a_file_and_a_folder_of_others(lowering, tmp_path):
    text = container(
        "echo f > $(OUTPUT_FILE); echo d > $(OUTPUT_DIR)/$(INDEX).dir", options='output="{index}"'
    )
    seen = ran(tmp_path, lowering, text, "Range(2) >> c").succeeded().files["c"]
    assert seen == {"0": b"f\n", "0.dir": b"d\n", "1": b"f\n", "1.dir": b"d\n"}


@BOTH
def test_an_output_file_that_is_not_written_is_an_error(lowering, tmp_path):
    text = container(": $(OUTPUT_FILE)", options='output="{index}.txt"')
    ended = ran(tmp_path, lowering, text, "Range(2) >> c >> gathered")
    assert (ended.states["c"], ended.states["gathered"]) == ("Error", "Omitted")


@BOTH
def test_the_file_of_the_attempt_that_succeeded_takes_the_place_of_an_unfinished_one(lowering, tmp_path):
    script = "echo part > $(OUTPUT_FILE); [ $(ATTEMPT) = 2 ]; echo whole > $(OUTPUT_FILE)"
    text = container(f"set -e; {script}", options='output="{index}.txt", retries=1')
    seen = names_and_texts(tmp_path, lowering, text, "Range(2) >> c >> gathered")
    assert seen == {"0.txt": "whole\n", "1.txt": "whole\n"}


@BOTH
def test_an_attempt_that_writes_nothing_does_not_live_on_the_file_of_a_failed_one(lowering, tmp_path):
    script = "[ $(ATTEMPT) = 2 ] || { echo part > $(OUTPUT_FILE); exit 1; }"
    text = container(script, options='output="{index}.txt", retries=1')
    assert ran(tmp_path, lowering, text, "Range(2) >> c >> gathered").states["c"] == "Error"


@BOTH
def test_a_value_of_each_item_reaches_a_container_of_the_partition_as_a_list(lowering, tmp_path):
    text = container("echo '$(x)' > $(OUTPUT_FILE)", "x", 'each="partition", output="m{index}"')
    text += "@task\ndef double(item): return 2 * item\n"
    seen = names_and_texts(
        tmp_path, lowering, text, "c.expand(x=double.expand(item=Range(3, size=2))) >> gathered"
    )
    assert seen == {"m0": "[0,2]\n", "m1": "[4]\n"}


READ = '@task.container(image="i")\ndef c(): return ["cat", "$(INPUT_FILE)"]\n'
LIST = '@task.container(image="i", {})\ndef c(): return ["ls", "$(INPUT_DIR)"]\n'


@pytest.mark.parametrize(
    ("text", "flow", "problem"),
    [
        (LIST.format(""), 'Files("data/*", size=2) >> c', "UNSUPPORTED at `c`"),
        (LIST.format(""), 'Files("data/*") >> c', "UNSUPPORTED at `c`"),
        (LIST.format('each="all"'), 'Files("data/*") >> c', "UNSUPPORTED at `c`"),
        (LIST.format(""), "[mosaic(), mosaic.override(output='b')()] >> c", "UNSUPPORTED at `c`"),
        (READ, 'Files("data/*", size=2) >> c', "PARTITION_SIZE at `c`"),
        (READ, 'Files("data/*", size=2) >> c.override(each="partition")', "EACH_MISMATCH at `c"),
        (container(": $(item)", "item"), "Items(letters(), size=2) >> c", "PARTITION_SIZE at `c`"),
        (READ, 'Files("data/*") >> c.override(each="partition")', "EACH_MISMATCH at `c"),
        (READ, 'Files("data/*") >> c', None),
    ],
)
def test_what_no_argv_can_do_is_refused_at_the_authors_line(text, flow, problem, tmp_path):
    text += "@task.shell(image='i', output='a')\ndef mosaic(): return ': > $OUTPUT_FILE'\n"
    problems = found(f'{TASKS}{text}with DAG("d"):\n    {flow}\n', tmp_path)
    assert [line for line in problems if not problem or problem not in line] == []
    assert bool(problems) is bool(problem)


@pytest.mark.parametrize(
    ("text", "flow", "refused"),
    [
        (READ, 'Files("data/*") >> c', True),
        (container("echo > $(OUTPUT_FILE)", options='output="o"'), "c()", True),
        (container("date"), "c()", False),
    ],
)
def test_a_container_with_files_on_a_volume_is_refused_where_it_is_used(text, flow, refused, tmp_path):
    analysis = analyzed(f'{text}with DAG("d", storage=Volume("claim")):\n    {flow}\n', tmp_path)
    assert [d.code for d in analysis.diagnostics] == [Code.BARE_ON_VOLUME] * refused
    assert all("Artifacts" not in d.message for d in analysis.diagnostics)


WRITE = container("echo > $(OUTPUT_FILE)", options='output="{index}"')
RULE = "gathered.override(trigger_rule={!r})"
WAIT = "wait.override(trigger_rule='all_done', each='all')"


@pytest.mark.parametrize(
    ("flow", "refused"),
    [
        (f"Range(2) >> c >> {RULE.format('all_done')}", True),
        (f"Range(2) >> c >> {RULE.format('one_success')}", True),
        (f"Range(2) >> c >> {RULE.format('none_failed')}", False),
        ("Range(2) >> c >> gathered", False),
        (f"Range(2) >> c >> {WAIT} >> gathered", True),
        ("Range(2) >> c >> wait.override(each='all') >> gathered", False),
        (f"after = {WAIT}; Range(2) >> c >> after >> gathered; c >> gathered", False),
        (f"Range(2) >> c >> {WAIT}", False),
    ],
)
def test_only_a_task_that_runs_after_success_may_read_the_files_of_a_container(flow, refused, tmp_path):
    text = f'{TASKS}{WRITE}@task.shell(image="i")\ndef wait(): return "true"\nwith DAG("d"):\n    {flow}\n'
    problems = [d for d in analyzed(text, tmp_path).diagnostics if d.code is Code.UNFINISHED_FILES]
    assert len(problems) == refused


@pytest.mark.parametrize("flow", ["c()", "Range(2) >> c", "Items(letters()) >> c"])
def test_a_name_that_argo_would_read_as_a_tag_is_refused_at_output(flow, tmp_path):
    text = container("echo > $(OUTPUT_FILE)", options='output="a{{{{b{index}"')
    [problem] = found(f'{TASKS}{text}with DAG("d"):\n    {flow}\n', tmp_path)
    assert problem.startswith("UNSAFE_STRING at `output=")


def test_every_file_of_a_container_is_an_artifact_that_must_be_there(tmp_path):
    manifest = compile_file(write(tmp_path, f'{WRITE}with DAG("d"):\n    Range(2) >> c\n'))
    [leaf] = [t for t in manifest["spec"]["templates"] if t["name"] == "c"]
    [artifact] = leaf["outputs"]["artifacts"]
    assert "optional" not in artifact
    assert artifact["s3"]["key"].startswith("{{workflow.name}}/c/{{inputs.parameters.index}}/")
    assert json.dumps(artifact["archive"]) == '{"none": {}}'
