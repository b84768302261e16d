"""Every builder of expressions on a real Argo, kubelet and sh: what a program reads is what was sent."""

import json
import os
import shutil
import subprocess

import pytest

from dsl import encode
from tests.hostile import HOSTILE

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        "KUBECONFIG" not in os.environ or not shutil.which("argo"), reason="needs KUBECONFIG and the argo CLI"
    ),
]

VALUES = {
    "null": None,
    "flag": True,
    "large": 12345678901234567890,
    "ratio": 0.1,
    "tag": ["{{workflow.name}}", "$(HOME)"],
    "nest": {"a": {"b": {}}},
}
HEX = """set -eu
mkdir -p /tmp/out
for name in $NAMES; do
  eval "encoded=\\${V_$name}"
  decoded=$(printf '%bx' "$encoded")
  printf '%s ' "$name"
  printf '%s' "${decoded%x}" | od -An -v -tx1 | tr -d ' \\n'
  echo
done >/tmp/out/hex
"""
PYTHON_HEX = """import os, sys
with open("/tmp/hex", "w") as out:
    for name in os.environ["NAMES"].split():
        print(name, os.environb[b"V_" + name.encode()].hex(), file=out)
    print("argv", *(os.fsencode(word).hex() or "-" for word in sys.argv[1:]), file=out)
"""


def shell_values() -> dict[str, str]:
    values = {"line": encode.tag(encode.octal_line("inputs.parameters.items"))}
    for number, text in enumerate(HOSTILE):
        parameter = f"workflow.parameters['p{number}']"
        values[f"static_{number}"] = encode.octal(text)
        values[f"literal_{number}"] = encode.tag(encode.as_octal(encode.literal(text)))
        values[f"raw_{number}"] = encode.tag(encode.as_octal(parameter))
        values[f"json_{number}"] = encode.tag(
            encode.as_octal(encode.shell_text(f"inputs.parameters['j{number}']"))
        )
        values[f"field_{number}"] = encode.tag(
            encode.as_octal(encode.field_text(f"inputs.parameters['f{number}']"))
        )
    for name in VALUES:
        values[f"value_{name}"] = encode.tag(
            encode.as_octal(encode.shell_text(f"inputs.parameters['{name}']"))
        )
    return values


def python_values() -> dict[str, str]:
    values = {"line": encode.line(0, [HOSTILE])}
    for number, text in enumerate(HOSTILE):
        parameter = f"workflow.parameters['p{number}']"
        values[f"static_{number}"] = encode.json_text(text)
        values[f"literal_{number}"] = encode.tag(encode.brace_safe(encode.literal(text)))
        values[f"raw_{number}"] = encode.tag(encode.brace_safe(parameter))
    return values


def kubelet_values() -> dict[str, str]:
    values = {}
    for number, text in enumerate(HOSTILE):
        values[f"static_{number}"] = encode.kubelet_literal(text)
        values[f"literal_{number}"] = encode.tag(encode.kubelet(encode.literal(text)))
        values[f"raw_{number}"] = encode.tag(encode.kubelet(f"workflow.parameters['p{number}']"))
        values[f"beside_{number}"] = encode.kubelet_literal(text) + encode.tag(encode.kubelet("'{'")) * 2
    return values


def leaf(name: str, image: str, command: list[str], values: dict[str, str], **more: object) -> dict:
    env = [{"name": encode.BRACE_VARIABLE, "value": "{"}, {"name": "NAMES", "value": " ".join(values)}]
    env += [{"name": f"V_{key}", "value": value} for key, value in values.items()]
    path = "/tmp/out/hex" if image == "busybox:1" else "/tmp/hex"
    return {
        "name": name,
        "inputs": {"parameters": [{"name": n} for n in inputs()]} if name == "shell" else {},
        "outputs": {"parameters": [{"name": "hex", "valueFrom": {"path": path}}]},
        "container": {
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": command,
            "env": env,
            **more,
        },
    }


def inputs() -> dict[str, str]:
    """The input parameters of the shell task, as another task's arguments would write them."""
    fields = {f"f{number}": encode.field(text) for number, text in enumerate(HOSTILE)}
    values = {f"j{number}": encode.json_text(text) for number, text in enumerate(HOSTILE)}
    others = {name: encode.json_text(value) for name, value in VALUES.items()}
    return {"items": encode.line(7, [[text, "x"] for text in HOSTILE]), **fields, **values, **others}


def workflow() -> dict:
    arguments = [{"name": name, "value": value} for name, value in inputs().items()]
    argv = [encode.kubelet_literal(text) for text in HOSTILE]
    argv += [encode.tag(encode.kubelet(encode.literal(text))) for text in HOSTILE]
    python = ["python3", "-c", PYTHON_HEX.replace("$", "$$")]
    templates = [
        {
            "name": "main",
            "dag": {
                "tasks": [
                    {"name": "shell", "template": "shell", "arguments": {"parameters": arguments}},
                    {"name": "python", "template": "python"},
                    {"name": "kubelet", "template": "kubelet"},
                ]
            },
        },
        leaf("shell", "busybox:1", ["sh", "-c", HEX.replace("$", "$$")], shell_values()),
        leaf("python", "python:3.12-slim", python, python_values()),
        leaf("kubelet", "python:3.12-slim", python, kubelet_values(), args=argv),
    ]
    parameters = [{"name": f"p{number}", "value": text} for number, text in enumerate(HOSTILE)]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "encode-"},
        "spec": {"entrypoint": "main", "arguments": {"parameters": parameters}, "templates": templates},
    }


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """By template: what its program read, in hexadecimal words, by name."""
    path = tmp_path_factory.mktemp("encode") / "workflow.json"
    path.write_text(json.dumps(workflow()))
    submitted = argo("submit", "--wait", "-o", "json", str(path))
    name = json.loads(submitted)["metadata"]["name"]
    nodes = json.loads(argo("get", "-o", "json", name))["status"]["nodes"].values()
    assert {node["phase"] for node in nodes} == {"Succeeded"}, nodes
    argo("delete", name)
    return {
        node["templateName"]: {
            line.split(" ")[0]: line.split(" ")[1:]
            for line in node["outputs"]["parameters"][0]["value"].splitlines()
        }
        for node in nodes
        if node["type"] == "Pod"
    }


def argo(*arguments: str) -> str:
    return subprocess.run(
        ["argo", *arguments], stdout=subprocess.PIPE, text=True, timeout=300, check=True
    ).stdout


def read(outputs: dict[str, list[str]], prefix: str) -> list[str]:
    return [bytes.fromhex(outputs[f"{prefix}_{number}"][0]).decode() for number in range(len(HOSTILE))]


@pytest.mark.parametrize("prefix", ["static", "literal", "raw", "json", "field"])
def test_sh_reads_the_same_bytes(outputs, prefix):
    assert read(outputs["shell"], prefix) == list(HOSTILE)


def test_sh_reads_the_same_line(outputs):
    line = bytes.fromhex(outputs["shell"]["line"][0]).decode()
    assert line == ";".join(["7", *(f"{text}|x" for text in HOSTILE)])


def test_sh_gets_json_that_is_no_string_as_it_stands_and_nothing_for_null(outputs):
    found = {key: bytes.fromhex(words[0]).decode() for key, words in outputs["shell"].items()}
    assert {name: found[f"value_{name}"] for name in VALUES} == {
        "null": "",
        "flag": "true",
        "large": "12345678901234567890",
        "ratio": "0.1",
        "tag": '["\\u007b\\u007bworkflow.name}}","\\u0024(HOME)"]',
        "nest": '{"a":{"b":{}}}',
    }


@pytest.mark.parametrize("prefix", ["static", "literal", "raw"])
def test_python_reads_the_same_text_from_json(outputs, prefix):
    assert [json.loads(text) for text in read(outputs["python"], prefix)] == list(HOSTILE)


def test_python_reads_the_same_line(outputs):
    line = bytes.fromhex(outputs["python"]["line"][0]).decode()
    assert line == encode.line(0, [HOSTILE])


@pytest.mark.parametrize("prefix", ["static", "literal", "raw"])
def test_the_kubelet_leaves_the_text_in_the_environment(outputs, prefix):
    assert read(outputs["kubelet"], prefix) == list(HOSTILE)


def test_the_kubelet_leaves_text_beside_tags(outputs):
    assert read(outputs["kubelet"], "beside") == [f"{text}{{{{" for text in HOSTILE]


def test_the_kubelet_leaves_arguments(outputs):
    words = outputs["kubelet"]["argv"]
    assert [bytes.fromhex(word.replace("-", "")).decode() for word in words] == [*HOSTILE, *HOSTILE]
