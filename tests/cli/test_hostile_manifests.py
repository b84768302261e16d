"""Manifests and places that nothing can be done with end a command with words and 1 or 2, never with 101."""

import copy
import json
import os
from pathlib import Path

import pytest

from dsl.cli import exit_code
from dsl.engine import run

SOUND = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "w", "annotations": {}},
    "spec": {
        "entrypoint": "main",
        "parallelism": 2,
        "arguments": {"parameters": [{"name": "p", "value": "1"}]},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "templates": [
            {
                "name": "main",
                "dag": {
                    "tasks": [
                        {
                            "name": "a",
                            "template": "leaf",
                            "arguments": {"parameters": [{"name": "x", "value": "1"}]},
                        },
                        {"name": "b", "template": "s", "depends": "a", "when": "true", "withItems": [1]},
                    ]
                },
            },
            {"name": "s", "steps": [[{"name": "n", "template": "nop"}]]},
            {"name": "nop", "suspend": {"duration": "0"}},
            {
                "name": "leaf",
                "metadata": {"annotations": {"argosy/node": "leaf"}},
                "retryStrategy": {"limit": "1", "backoff": {"duration": "1"}},
                "inputs": {"parameters": [{"name": "x", "default": "1"}]},
                "outputs": {
                    "parameters": [{"name": "o", "valueFrom": {"path": "/x/o", "default": "d"}}],
                    "artifacts": [{"name": "f", "path": "/x/f", "optional": True}],
                },
                "script": {
                    "image": "i",
                    "command": ["true"],
                    "source": "x",
                    "env": [{"name": "E", "value": "v"}],
                    "volumeMounts": [{"name": "v", "mountPath": "/x"}],
                },
            },
        ],
    },
}
HOSTILE = ("x", ["x"], {"x": 1}, 5, None, [None], "{{=", "\\x")


def places(value, path=()):
    """Yield the path of every value in a manifest."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def with_value(path, value):
    """Return the sound manifest with another value at a path."""
    manifest = copy.deepcopy(SOUND)
    if not path:
        return value
    holder = manifest
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return manifest


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(here, capfd):
    def said(*arguments):
        capfd.readouterr()
        code = exit_code(list(arguments))
        out, err = capfd.readouterr()
        return code, out + err

    return said


def written(text, name="flow.yaml"):
    Path(name).write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return name


@pytest.mark.parametrize("path", list(places(SOUND)), ids=lambda path: ".".join(map(str, path)) or "all")
def test_a_manifest_with_anything_anywhere_is_never_our_mistake(path, said):
    for number, value in enumerate(HOSTILE):
        code, words = said("run", written(with_value(path, value)), "--quiet", "--out", f"out{number}")
        assert code in (0, 1, 2), (value, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Workflow\nspec: x\n", "spec: this is text, not a mapping"),
        ("kind: Workflow\nmetadata: [x]\n", "metadata: this is a list, not a mapping"),
        (
            "kind: Workflow\nspec: {arguments: {parameters: [x]}}\n",
            "spec.arguments.parameters[0]: this is text, not a mapping",
        ),
        ("kind: Workflow\nspec: {volumes: [null]}\n", "flow.yaml:2:18: error[DSL414]: this element is empty"),
        ("kind: Workflow\nspec: {parallelism: true}\n", "spec.parallelism: this is a truth value"),
        ("kind: Workflow\nspec: {templates: [{name: 5}]}\n", "spec.templates[0].name: this is the number 5"),
    ],
)
def test_a_form_that_argo_does_not_read_is_named_by_its_path(text, words, said):
    code, output = said("run", written(text))
    assert code == 1
    assert words in output


@pytest.mark.parametrize("name", ["..", ".", "../../up", "/", "\ud800"])
def test_the_folder_of_a_run_stays_below_its_own(name, said, here):
    code, words = said("run", written(with_value(("metadata", "name"), name)), "--quiet")
    assert code in (0, 1, 2), words
    assert {path.name for path in here.iterdir()} <= {".argosy", "flow.yaml"}
    assert [path.name for path in here.glob(".argosy/*") if path.name[:1].isdigit()] == []


@pytest.mark.parametrize("out", ["taken", "taken/deeper", "n" * 300])
def test_an_out_that_can_be_no_folder_is_wrong_usage(out, said):
    written("", "taken")
    code, words = said("run", written(SOUND), "--out", out)
    assert code == 2
    assert any(word in words for word in ("holds no run", "cannot hold a run", "is a file"))


@pytest.mark.parametrize("path", ["n" * 300, "closed"])
def test_a_path_that_cannot_be_read_is_wrong_usage(path, said, here):
    closed = here / "closed"
    closed.mkdir(mode=0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # root may read everything
        code, words = said("validate", str(closed) if path == "closed" else path)
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
    assert code == 2
    assert "cannot read " in words


@pytest.mark.parametrize("command", ["compile", "graph", "plan"])
@pytest.mark.parametrize("name", ["flow.yaml", "flow.yml", "flow.json"])
def test_a_manifest_is_not_read_as_python(command, name, said):
    code, words = said(command, written(SOUND, name))
    assert code == 2
    assert f"{name} is a manifest, and this command takes the Python file of a DAG" in words


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e999", "[" * 10_000, "1" * 5000, "\udcff", '{"a": NaN}']
)
def test_a_value_that_argo_cannot_read_as_json_is_wrong_usage(value, said):
    text = "from dsl import DAG, task\n@task\ndef f(x): return x\nwith DAG('d', params={'x': 1}) as dag:\n"
    code, words = said("compile", written(text + "    f(dag.params.x)\n", "flow.py"), "-p", f"x={value}")
    assert code == 2
    assert "x takes JSON" in words or "is not UTF-8" in words


def test_text_that_is_no_unicode_is_wrong_usage_for_a_manifest_too(said):
    code, words = said("run", written(SOUND), "-p", "p=\udcff")
    assert (code, "is not UTF-8 text" in words) == (2, True)


def test_the_sound_manifest_is_one(here):
    from dsl.engine import RunOptions

    assert run(SOUND, RunOptions(out=here / "out")).succeeded
