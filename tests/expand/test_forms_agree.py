"""The explicit and the compact form of one DAG leave the same files, values and states, whatever fails or is skipped."""

import json
import os
import shutil
import subprocess

import pytest

from tests.expand.random_dags import NAMES, Author
from tests.harness import LOWERINGS, compile_file, run_here, write

ARGO = os.environ.get("ARGOSY_ARGO") or shutil.which("argo")
FEW, MANY = range(25), range(25, 240)


def check(seeds, folder):
    """Run a DAG per seed in both forms; return their manifests."""
    (folder / "data").mkdir()
    for number, name in enumerate(NAMES):
        (folder / "data" / f"{name}.txt").write_text(f"{name} {number}\n")
    manifests = {}
    for seed in seeds:
        text = Author(seed).text(f"dag-{seed}")
        path = write(folder, text, f"dag_{seed}.py")
        ends = {}
        for lowering in LOWERINGS:
            manifest = manifests[f"{seed}-{lowering}"] = compile_file(path, lowering)
            ends[lowering] = run_here(manifest, folder, folder / f"{seed}-{lowering}", jobs=4)
        assert ends["compact"] == ends["explicit"], text
    return manifests


def lint(manifests, folder):
    """Let the linter of Argo read many manifests at once."""
    for name, manifest in manifests.items():
        (folder / f"{name}.json").write_text(json.dumps(manifest))
    files = [str(folder / f"{name}.json") for name in manifests]
    result = subprocess.run([ARGO, "lint", "--offline", *files], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
