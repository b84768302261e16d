"""Argo's own reader takes what is written for what was meant."""

import json
import os
import shutil
import subprocess

import pytest

from dsl import manifest
from tests.hostile import HOSTILE, WORDS

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        "KUBECONFIG" not in os.environ or not shutil.which("argo"), reason="needs KUBECONFIG and the argo CLI"
    ),
]

PROGRAM = "set -eu\nif true; then\n  echo '---'\nfi\n---\n"


@pytest.mark.parametrize("write", [manifest.to_json, manifest.to_yaml])
def test_argo_reads_every_string_as_it_was(tmp_path, write):
    texts = [*HOSTILE, *WORDS, PROGRAM, PROGRAM.strip()]
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "manifest-", "annotations": dict.fromkeys(WORDS, "y")},
        "spec": {
            "entrypoint": "main",
            "arguments": {"parameters": [{"name": f"p{n}", "value": text} for n, text in enumerate(texts)]},
            "templates": [{"name": "main", "suspend": {"duration": "0"}}],
        },
    }
    path = tmp_path / "workflow.yaml"
    path.write_text(write(workflow))
    command = ["argo", "submit", "--dry-run", "-o", "json", str(path)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    read = json.loads(printed)
    assert [parameter["value"] for parameter in read["spec"]["arguments"]["parameters"]] == texts
    assert set(read["metadata"]["annotations"]) >= set(WORDS)
