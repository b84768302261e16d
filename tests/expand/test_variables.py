"""The variables that a shell or container task may use without declaring them are all set."""

import pytest

from dsl.checks.shell import _WORKER_SETS
from dsl.compile import compile_dag
from tests.harness import BOTH, compile_file, load_file, run_here, write

WINDOWS = 'Windows("2024-01-01", "2024-01-03", every="1d"{})'
DAYS = [["2024-01-01T00:00:00", "2024-01-02T00:00:00"], ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]]
SHELL = """\
from dsl import Windows
@task.shell(image="i")
def say(): return {text!r}
with DAG("d"):
    {flow}
"""


def ran(folder, text, flow, lowering=None):
    folder.mkdir(exist_ok=True)
    path = write(folder, SHELL.format(text=text, flow=flow))
    return run_here(compile_file(path, lowering), folder, folder / "out").succeeded().values["say"]


@BOTH
@pytest.mark.parametrize("division", ["", ", size=2"])
def test_a_window_is_in_the_variables_of_its_item(lowering, division, tmp_path):
    text = 'echo "$DATA_INTERVAL_START $DATA_INTERVAL_END" > "$RESULT_FILE"'
    assert ran(tmp_path, text, f"{WINDOWS.format(division)} >> say", lowering) == [" ".join(d) for d in DAYS]


def test_a_run_without_windows_has_empty_ones(tmp_path):
    text = 'echo "<$DATA_INTERVAL_START$DATA_INTERVAL_END>" > "$RESULT_FILE"'
    assert ran(tmp_path, text, "say()") == "<>"
    assert ran(tmp_path, text, "Items([1]) >> say") == ["<>"]


def test_a_container_has_the_window_too(tmp_path):
    body = """\
from dsl import Windows
@task.container(image="i")
def say(): return ["sh", "-c", "echo $(DATA_INTERVAL_START) > $(OUTPUT_FILE)"]
@task.container(image="i", output="o")
def once(): return ["sh", "-c", "echo '$(DATA_INTERVAL_END)' > $(OUTPUT_FILE)"]
with DAG("d"):
    """
    path = write(tmp_path, f'{body}{WINDOWS.format("")} >> say.override(output="{{index}}"); once()\n')
    compiled = compile_dag(load_file(path))
    assert compiled.diagnostics == ()
    files = run_here(compiled.manifest, tmp_path, tmp_path / "out").succeeded().files
    assert files["say"] == {"0": f"{DAYS[0][0]}\n".encode(), "1": f"{DAYS[1][0]}\n".encode()}
    assert files["once"] == {"o": b"\n"}


def test_a_template_names_no_variable_twice(tmp_path):
    text = 'echo "$DATA_INTERVAL_START"'
    path = write(tmp_path, SHELL.format(text=text, flow=f"{WINDOWS.format('')} >> say"))
    [script] = [t["script"] for t in compile_file(path)["spec"]["templates"] if "script" in t]
    names = [variable["name"] for variable in script["env"]]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("word", sorted(_WORKER_SETS))
def test_a_word_that_needs_no_declaration_is_set(word, tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    files = 'Files("a.txt") >> say'
    flows = {"INPUT_FILE": files, "INPUT_DIR": files, "OUTPUT_FILE": files, "ITEM": "Items([1]) >> say"}
    text = f': "${word}"; echo "$RUN_ID" > "$RESULT_FILE"'
    text += '; : > "$OUTPUT_FILE"' if word == "OUTPUT_FILE" else ""
    assert ran(tmp_path, text, flows.get(word, "Items([1]) >> say"))
    if word not in flows and word != "OUTPUT_DIR":
        assert ran(tmp_path / "once", text, "say()")


def test_the_documentation_of_a_task_is_a_note_on_its_template(tmp_path):
    text = '@task.shell(image="i", doc_md="Cleans {{x}}.")\ndef clean(): return "true"\n'
    text += 'with DAG("d"):\n    clean()\n'
    [template] = [t for t in compile_file(write(tmp_path, text))["spec"]["templates"] if t["name"] == "clean"]
    assert template["metadata"]["annotations"]["argosy/doc"] == "Cleans \\u007b\\u007bx}}."
