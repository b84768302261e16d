"""What a node of a large run costs, in memory and in work."""

import gc
import shutil
import tracemalloc

import pytest
from engine.manifests import NOP, ROOT, dag, ran, task, workflow
from hypothesis import given
from hypothesis import strategies as st

from dsl.engine import RunOptions, Silent, run
from dsl.engine.contents import json_of
from dsl.engine.fingerprint import Texts
from dsl.engine.scope import Scope
from dsl.engine.tags import Document
from tests.harness import compile_file, run_here, write

PARAMETER = {"parameters": {"p": "{{item}}"}}


def peak(count, folder, more, template):
    """Return the most bytes that were taken while a loop over a template ran."""
    main = dag("main", task("x", withSequence={"count": str(count)}, **more))
    tracemalloc.start()
    try:
        outcome, _ = ran(workflow(main, {"name": "x", **template}), folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert len(outcome.nodes) == count + 2


@pytest.mark.parametrize(
    ("more", "template"),
    [
        ({}, {"suspend": {"duration": "0"}}),
        ({}, {"suspend": {"duration": "0.3s"}}),
        ({"when": "{{item}} < 0"}, {"suspend": {"duration": "0"}}),
        (PARAMETER, {"suspend": {"duration": "0"}, "inputs": {"parameters": [{"name": "p"}]}}),
    ],
)
def test_a_node_without_a_process_takes_little_memory(more, template, tmp_path):
    small, large = (peak(count, tmp_path / str(count), more, template) for count in (100, 800))
    assert (large - small) / 700 < 1280


class Weighing(Silent):
    """Notes how many bytes are taken when a number of leaves have ended."""

    def __init__(self, count):
        self.left, self.taken = count, 0

    def ended(self, event):
        self.left -= 1
        if not self.left:
            gc.collect()
            self.taken = tracemalloc.get_traced_memory()[0]


def test_leaves_that_have_ended_take_no_memory_for_their_programs(tmp_path):
    script = {"image": "i", "command": ["sh"], "source": f": {'x' * 100_000} {{{{inputs.parameters.p}}}}"}
    template = {"name": "x", "script": script, "inputs": {"parameters": [{"name": "p"}]}}
    main = dag("main", task("x", withSequence={"count": "160"}, **PARAMETER))
    weighing = Weighing(160)
    tracemalloc.start()
    try:
        run(workflow(main, template), RunOptions(tmp_path, jobs=4), weighing)
    finally:
        tracemalloc.stop()
    assert 0 < weighing.taken < 160 * 100_000 / 2


def test_garbage_is_not_searched_for_again_and_again_while_nodes_are_made(tmp_path):
    searches = []
    gc.callbacks.append(lambda phase, _: searches.append(phase))
    try:
        ran(workflow(dag("main", task("nop", withSequence={"count": "2000"})), NOP), tmp_path)
    finally:
        gc.callbacks.pop()
    assert len(searches) < 10


@pytest.mark.parametrize("place", ["real", "link"])
def test_a_shell_task_without_files_starts_no_program_but_its_shell(place, tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = '@task.shell(image="i")\ndef say(item):\n    return ":"\nwith DAG("d"):\n    Range(2) >> say\n'
    manifest = compile_file(write(tmp_path, text))
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to(shutil.which("sh"))
    monkeypatch.setenv("PATH", str(tools))
    run_here(manifest, tmp_path, tmp_path / place / "out").succeeded()


def test_a_second_attempt_in_one_folder_finds_no_scratch_folder_made(tmp_path):
    source = 'pwd >>"$ARGOSY_ROOT/where"; cd "$ARGOSY_ROOT"; [ "$(sed -n 2p where)" = "$PWD" ]'
    container = {"name": "main", "image": "i", "command": ["sh", "-c", source], "env": [ROOT]}
    members = {"retryStrategy": {"retries": "2"}, "containers": [container]}
    outcome, _ = ran(workflow(dag("main", task("x")), {"name": "x", "containerSet": members}), tmp_path)
    assert outcome.phase == "Succeeded", outcome.message


def containers(inner):
    return st.lists(inner) | st.dictionaries(st.text(), inner)


@given(st.recursive(st.sampled_from(["", "a", "{{x}}", '"\\é', None, 1, True]), containers, max_leaves=20))
def test_the_text_of_a_filled_template_is_that_of_its_value(value):
    document, texts = Document(value), Texts()
    for x in ("1", '"', "1"):
        filled = document.filled(Scope(None, {"x": x}))
        assert texts.of(filled, document.value) == json_of(filled)
