"""What the user wrote stays as it is, whatever tasks do to their inputs; a task that does it is told of."""

import re
import time

import pytest
from engine.manifests import dag, task, workflow

from dsl.engine import Resume, RunOptions, run
from dsl.engine.artifacts import ArtifactError, Store
from dsl.engine.given import Given
from dsl.engine.relocate import Layout
from dsl.engine.volumes import Claims
from tests.harness import compile_file, run_here, write

SHELL = """
@task.shell(image="busybox:1", retries=1)
def spoil():
    return 'echo x >> "$INPUT_FILE"; cat "$INPUT_FILE" > "$OUTPUT_FILE"'
"""
PYTHON = """
@task
def spoil(input_file):
    input_file.write_text("spoiled")
"""
CONTAINER = """
@task.container(image="busybox:1", retries=1, output="{stem}.c")
def spoil():
    return ["sh", "-c", "echo x > $(INPUT_FILE); cp $(INPUT_FILE) $(OUTPUT_FILE)"]
"""
FOLDER = """
@task.shell(image="busybox:1")
def spoil():
    return 'for f in "$INPUT_DIR"/*; do echo x > "$f"; done'
"""
COPY = """
@task.shell(image="busybox:1")
def copy():
    return 'cp "$INPUT_FILE" "$OUTPUT_FILE"'
"""


def chained(folder, text, chain="Files('data/*.txt') >> spoil", storage="Artifacts()"):
    (folder / "data").mkdir(exist_ok=True)
    for name in ("a.txt", "b; |c.txt"):
        (folder / "data" / name).write_text(f"{name}\n")
    options = f"from dsl import Artifacts, Volume\n\n\nwith DAG('d', storage={storage}):\n    {chain}\n"
    return compile_file(write(folder, text + options))


def untouched(folder):
    texts = {path.name: path.read_text() for path in (folder / "data").iterdir()}
    return texts == {name: f"{name}\n" for name in ("a.txt", "b; |c.txt")}


@pytest.mark.parametrize("text", [SHELL, PYTHON, CONTAINER, FOLDER])
def test_a_task_that_changes_its_input_fails_and_leaves_the_users_file_alone(text, tmp_path):
    ended = run_here(chained(tmp_path, text), tmp_path, tmp_path / "out")
    assert ended.states == {"spoil": "Failed"}
    assert untouched(tmp_path)


@pytest.mark.parametrize("text", [SHELL, PYTHON, FOLDER])
def test_a_volume_holds_copies_of_the_users_files(text, tmp_path):
    manifest = chained(tmp_path, text, storage="Volume('disk')")
    ended = run_here(manifest, tmp_path, tmp_path / "out")
    assert ended.states == {"spoil": "Failed"}
    assert untouched(tmp_path)


@pytest.mark.parametrize("storage", ["Artifacts()", "Volume('disk')"])
def test_a_retry_reads_the_users_file_as_it_was(storage, tmp_path):
    text = """
@task.shell(image="busybox:1", retries=1)
def once():
    return 'cat "$INPUT_FILE" > "$OUTPUT_FILE"; [ $ATTEMPT = 2 ] || { echo x > "$INPUT_FILE"; exit 3; }'
"""
    manifest = chained(tmp_path, text, "Files('data/*.txt') >> once", storage)
    ended = run_here(manifest, tmp_path, tmp_path / "out").succeeded()
    assert ended.files == {"once": {"a.txt": b"a.txt\n", "b; |c.txt": b"b; |c.txt\n"}}


def test_the_copies_on_a_volume_go_with_the_run(tmp_path):
    manifest = chained(tmp_path, COPY, "Files('data/*.txt') >> copy", "Volume('disk')")
    run_here(manifest, tmp_path, tmp_path / "out").succeeded()
    assert not list((tmp_path / "out/.argosy").rglob("inputs"))


@pytest.mark.parametrize("ends", ["well", "killed"])
def test_what_a_task_put_into_a_folder_inputs_of_its_volume_stays_when_the_copies_go(ends, tmp_path):
    def claims():
        return Claims(tmp_path / "claims", {}, tmp_path)

    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / name).write_text("the user's")
    own = tmp_path / "claims/other/inputs/f"
    beside = tmp_path / "claims/disk/inputs/data/own"
    run = claims()
    for place in (own, beside):
        place.parent.mkdir(parents=True)
        place.write_text("a task's")
    run.stage("0;data/a|1;data/b|2", [0], ["disk"])
    assert (tmp_path / "claims/disk/inputs/data/a").read_text() == "the user's"
    (run if ends == "well" else claims()).clear()
    left = [path for path in (tmp_path / "claims").rglob("*") if path.is_file()]
    assert sorted(left) == [beside, own]


def test_a_folder_inputs_of_a_volume_is_still_there_for_the_next_run(tmp_path):
    made = {"metadata": {"name": "work"}, "spec": {}}
    again = tmp_path / "again"

    def script(name, source):
        mounts = [{"name": "work", "mountPath": "/work"}]
        return {
            "name": name,
            "script": {"image": "i", "command": ["sh"], "source": source, "volumeMounts": mounts},
        }

    first = script("first", "mkdir /work/inputs; echo 1 > /work/inputs/f")
    second = script("second", f"cat /work/inputs/f && test -e {again}")
    main = dag("main", task("first"), task("second", depends="first"))
    manifest = workflow(main, first, second, volumeClaimTemplates=[made])
    assert run(manifest, RunOptions(tmp_path / "out")).phase == "Failed"
    again.touch()
    assert run(manifest, RunOptions(tmp_path / "out", resume=Resume())).phase == "Succeeded"


def test_a_container_that_changes_a_file_of_a_former_task_fails_by_the_name_of_that_file(tmp_path):
    manifest = chained(tmp_path, COPY + CONTAINER, "Files('data/a.txt') >> copy >> spoil")
    outcome = run(manifest, RunOptions(tmp_path / "out", inputs=tmp_path))
    first, second = (outcome.nodes[f"main/spoil-partition-0({attempt})"] for attempt in (0, 1))
    assert (first.phase, first.message) == ("Failed", "the program changed its input a.txt in place")
    assert (second.phase, second.message.rpartition(": ")[2]) == (
        "Error",
        "a.txt was changed in place by a task that read it",
    )


def test_a_container_may_move_its_input_to_its_results(tmp_path):
    text = """
@task.container(image="busybox:1", output="{stem}.c")
def move():
    return ["mv", "$(INPUT_FILE)", "$(OUTPUT_FILE)"]
"""
    manifest = chained(tmp_path, COPY + text, "Files('data/a.txt') >> copy >> move")
    assert run_here(manifest, tmp_path, tmp_path / "out").succeeded().files["move"] == {"a.c": b"a.txt\n"}


def test_the_claim_of_a_foreign_manifest_does_not_lead_to_the_users_files(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    template = {
        "name": "main",
        "script": {
            "image": "busybox:1",
            "command": ["sh"],
            "source": "for f in /mnt/disk/inputs/*; do echo x > $f; done; ls /mnt/disk > /tmp/o",
            "volumeMounts": [{"name": "v", "mountPath": "/mnt/disk"}],
        },
        "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]},
    }
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "wf"},
        "spec": {
            "entrypoint": "main",
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}],
            "templates": [template],
        },
    }
    outcome = run(manifest, RunOptions(tmp_path / "out", inputs=tmp_path))
    assert "mine" not in str(outcome.nodes["main"].outputs)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_that_is_an_item_is_copied_with_what_its_links_lead_to(tmp_path):
    text = """
@task.shell(image="busybox:1")
def spoil():
    return 'echo x > "$INPUT_FILE/link"'
"""
    (tmp_path / "far").write_text("far\n")
    (tmp_path / "zarr" / "a").mkdir(parents=True)
    (tmp_path / "zarr" / "a" / "link").symlink_to(tmp_path / "far")
    (tmp_path / "zarr" / "a" / "nowhere").symlink_to(tmp_path / "gone")
    manifest = chained(tmp_path, text, "Files('zarr/*/') >> spoil")
    assert run_here(manifest, tmp_path, tmp_path / "out").states == {"spoil": "Failed"}
    assert (tmp_path / "far").read_text() == "far\n"


def test_what_many_tasks_read_is_looked_at_once_before_they_run(tmp_path):
    left, count = tmp_path / "left", 3000
    left.mkdir()
    for number in range(count):
        (left / str(number)).touch()
    store = Store(tmp_path / "store", tmp_path)
    began = time.process_time()
    store.keep(left, "all", {"none": {}})
    once = time.process_time() - began
    for number in range(20):
        given = Given(Layout(tmp_path / f"leaf-{number}", "/argosy", []))
        given.put("in", {"path": "/argosy/in", "s3": {"key": "all"}}, store)
    assert time.process_time() - began < 4 * once
    (store.root / "all/7").write_text("changed")
    assert given.changed() == "7"
    other = Given(Layout(tmp_path / "leaf", "/argosy", []))
    with pytest.raises(ArtifactError, match="7 was changed in place by a task that read it"):
        other.put("in", {"path": "/argosy/in", "s3": {"key": "all"}}, store)
    left.write_text("as it shall be")
    store.keep(left, "all/7", {"none": {}})
    other.put("in", {"path": "/argosy/in", "s3": {"key": "all"}}, store)


def rewriting(folder, change):
    """Return how a container that changes a user's file, and one that changes the file of a task, end."""
    text = COPY + CONTAINER.replace("echo x > $(INPUT_FILE)", change)
    manifest = chained(
        folder, text, "Files('data/a.txt') >> spoil; Files('data/a.txt') >> copy >> spoil.override()"
    )
    nodes = run(manifest, RunOptions(folder / "out", inputs=folder)).nodes
    return [node for path, node in nodes.items() if path.endswith("(0)") and "/spoil" in path]


def test_a_container_that_changes_its_input_and_puts_size_and_time_back_is_found(tmp_path):
    change = "touch -r $(INPUT_FILE) t; echo b.txt > $(INPUT_FILE); touch -r t $(INPUT_FILE)"
    messages = [node.message for node in rewriting(tmp_path, change)]
    assert messages == ["the program changed its input a.txt in place"] * 2
    assert untouched(tmp_path)


@pytest.mark.parametrize(
    "change", ["chmod +x $(INPUT_FILE)", "ln $(INPUT_FILE) l", "ln -L $(INPUT_FILE) $(OUTPUT_FILE); exit"]
)
def test_a_container_may_use_its_input_otherwise(change, tmp_path):
    assert [node.phase for node in rewriting(tmp_path, change)] == ["Succeeded"] * 2


@pytest.mark.parametrize("storage", ["Artifacts()", "Volume('disk')"])
def test_an_input_has_the_permissions_of_the_users_file_and_folders_can_be_removed(storage, tmp_path):
    text = """
@task.shell(image="busybox:1")
def keep():
    return 'mv "$INPUT_FILE" "$OUTPUT_FILE"'
"""
    (tmp_path / "tools" / "a").mkdir(parents=True)
    modes = {"text": 0o644, "run": 0o755, "mine": 0o400}
    for name, mode in modes.items():
        for place in (tmp_path / "tools" / name, tmp_path / "tools" / "a" / name):
            place.write_text(name)
            place.chmod(mode)
    (tmp_path / "tools" / "a").chmod(0o555)
    manifest = chained(
        tmp_path, text, "Files('tools/*') >> keep; Files('tools/*/') >> keep.override()", storage
    )
    run_here(manifest, tmp_path, tmp_path / "out").succeeded()
    for name, mode in modes.items():
        assert (tmp_path / "out/keep" / name).stat().st_mode & 0o777 == mode
        assert (tmp_path / "out/keep-2/a" / name).stat().st_mode & 0o777 == mode
    assert (tmp_path / "out/keep-2/a").stat().st_mode & 0o777 == 0o755  # it can be removed


def test_a_task_that_changes_a_file_in_a_mounted_folder_changes_it_there_and_fails(tmp_path):
    (tmp_path / "mine/inputs/data").mkdir(parents=True)
    (tmp_path / "mine/inputs/data/a.txt").write_text("a.txt\n")
    manifest = chained(tmp_path, SHELL, "Files('data/a.txt') >> spoil", "Volume('disk')")
    options = RunOptions(tmp_path / "out", inputs=tmp_path, claims={"disk": tmp_path / "mine"})
    assert run(manifest, options).phase == "Failed"
    assert (tmp_path / "mine/inputs/data/a.txt").read_text() == "a.txt\nx\nx\n"
    assert untouched(tmp_path)


@pytest.mark.parametrize(
    ("storage", "given", "message"),
    [
        ("Artifacts()", "", "one/(current|latest) is a link to a folder that it is in"),
        ("Volume('disk')", "", "one/(current|latest) is a link to a folder that it is in"),
        ("Volume('disk')", "disk", "^$"),
    ],
)
def test_a_folder_with_links_to_itself_has_an_end(storage, given, message, tmp_path):
    text = """
@task.shell(image="busybox:1")
def copy():
    return 'cat "$INPUT_FILE/f" > "$OUTPUT_FILE"'
"""
    one = tmp_path / "data/one"
    one.mkdir(parents=True)
    (one / "f").write_text("one")
    for name in ("current", "latest"):
        (one / name).symlink_to(".")
    manifest = chained(tmp_path, text, "Files('data/*/') >> copy", storage)
    (tmp_path / "disk/inputs").mkdir(parents=True)
    (tmp_path / "disk/inputs/data").symlink_to(tmp_path / "data")
    claims = {given: tmp_path / given} if given else {}
    outcome = run(manifest, RunOptions(tmp_path / "out", inputs=tmp_path, claims=claims))
    assert any(re.search(message, node.message) for node in outcome.nodes.values() if node.type == "Pod")
