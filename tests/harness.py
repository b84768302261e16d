"""The text of a DAG file in; what it compiles to, and how that ends here and on a cluster, out as `Ended`.

A test on the cluster needs KUBECONFIG, the argo CLI, and the folder of the artifact repository: ARGOSY_S3,
else `s3/artifacts` beside the KUBECONFIG.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dsl import load
from dsl.author import DAG
from dsl.compile import compile_dag
from dsl.diagnostics import Rejected
from dsl.engine import RunOptions, run
from dsl.engine.definition import read_definition
from dsl.engine.node import Node
from dsl.engine.results import make_results

LOWERINGS = ("explicit", "compact")
BOTH = pytest.mark.parametrize("lowering", LOWERINGS)
WAIT = 900
"""Seconds that a workflow of a test may take."""

on_cluster = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        "KUBECONFIG" not in os.environ or not shutil.which("argo"), reason="needs KUBECONFIG and the argo CLI"
    ),
]


@dataclass(frozen=True)
class Ended:
    """How a run ended: states and values by task id, files by task id and path below it."""

    phase: str
    message: str
    states: Mapping[str, str]
    values: Mapping[str, Any]
    files: Mapping[str, Mapping[str, bytes]]

    def succeeded(self) -> "Ended":
        """Return this run, which succeeded."""
        assert self.phase == "Succeeded", (self.message, self.states)
        return self


def write(folder: Path, text: str, name: str = "dag.py") -> Path:
    """Write a DAG file that begins with the imports every one needs."""
    path = folder / name
    head = "from dsl import DAG, Files, InFile, Items, OutFile, Range, Repartition, task\n"
    path.write_text(head + text, encoding="utf-8")
    return path


def load_file(path: Path) -> DAG:
    """Return the one DAG of a file, loaded in this process, whose state stays as it was."""
    argv, entries, modules = list(sys.argv), list(sys.path), dict(sys.modules)
    try:
        [dag] = load.execute(str(path))
    finally:
        sys.argv[:], sys.path[:] = argv, entries
        for name in set(sys.modules) - set(modules):
            if getattr(sys.modules[name], "__file__", None) == str(path.absolute()):
                del sys.modules[name]
    return dag


def compile_file(path: Path, lowering: str | None = None) -> dict[str, Any]:
    """Return the manifest of the one DAG of a file, in the form that `lowering` forces."""
    dag = load_file(path)
    if lowering:
        dag.options["lowering"] = lowering
    return compile_dag(dag).manifest


def codes(path: Path) -> set[str]:
    """Return the names of the codes of the errors that keep a file from being compiled."""
    with pytest.raises(Rejected) as caught:
        compile_file(path)
    return {diagnostic.code.name for diagnostic in caught.value.diagnostics if diagnostic.is_error}


def run_here(manifest: Mapping[str, Any], inputs: Path, out: Path, **options: Any) -> Ended:
    """Run a manifest by the engine; `inputs` is the DAG file's folder."""
    outcome = run(manifest, RunOptions(out=out, inputs=inputs, **{"jobs": 4, **options}))
    results = json.loads((out / "results.json").read_text(encoding="utf-8", errors="surrogatepass"))
    files = {task: contents(out / task) for task in results["tasks"]}
    return _ended(results, outcome.message, files)


def run_on_cluster(manifest: Mapping[str, Any], folder: Path, *options: str) -> Ended:
    """Submit a manifest, wait for its end and delete the workflow; `options` are those of `argo submit`."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    submitted = json.loads(argo("submit", "-o", "json", *options, str(path)))
    name = submitted["metadata"]["name"]
    subprocess.run(["argo", "wait", name], stdout=subprocess.DEVNULL, timeout=WAIT, check=False)
    status = json.loads(argo("get", "-o", "json", name))["status"]
    definition = read_definition(manifest, name)
    nodes = [_node(node, definition.templates) for node in status["nodes"].values()]
    results = make_results(definition, nodes, status["phase"])
    files: dict[str, dict[str, bytes]] = {}
    for template in definition.templates.values():
        if key := template.annotations.get("argosy/key"):
            own = files.setdefault(template.task, {})
            for partition in sorted((store() / name / key).glob("*")):
                own |= contents(partition)
    ended = _ended(results, status.get("message", ""), {t: files.get(t, {}) for t in results["tasks"]})
    if ended.phase == "Succeeded":
        argo("delete", name)
        shutil.rmtree(store() / name, ignore_errors=True)
    return ended


def stage(folder: Path, *names: str) -> None:
    """Copy what stands below a DAG file's folder to where a cluster's tasks look for it."""
    for name in names:
        shutil.copytree(folder / name, store() / "inputs" / name, dirs_exist_ok=True)


def store() -> Path:
    """Return the folder that the cluster's artifact repository keeps its objects in."""
    beside = Path(os.environ["KUBECONFIG"]).parent / "s3" / "artifacts"
    return Path(os.environ.get("ARGOSY_S3", beside))


def argo(*arguments: str) -> str:
    """Return what the CLI printed; it fails as the CLI does."""
    ended = subprocess.run(["argo", *arguments], capture_output=True, text=True, timeout=WAIT, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _ended(results: Mapping[str, Any], message: str, files: Mapping[str, Mapping[str, bytes]]) -> Ended:
    tasks = results["tasks"]
    return Ended(
        results["phase"],
        message,
        {task: found["state"] for task, found in tasks.items()},
        {task: found["value"] for task, found in tasks.items()},
        files,
    )


def _node(node: Mapping[str, Any], templates: Mapping[str, Any]) -> Node:
    """Return a node of Argo's status as one of a run here."""
    flags = node.get("nodeFlag") or {}
    parameters = (node.get("outputs") or {}).get("parameters") or []
    return Node(
        node["name"],
        node["name"],
        node["type"],
        template=templates.get(node.get("templateName", "")),
        phase=node["phase"],
        message=node.get("message", ""),
        flag=" ".join(flag for flag in ("hooked", "retried") if flags.get(flag)),
        ran=node["type"] == "Pod" and node["phase"] in ("Succeeded", "Failed", "Error"),
        outputs={parameter["name"]: parameter.get("value") for parameter in parameters},
    )


def heed_signals():
    """Let a child be interrupted (as `preexec_fn`), also where these tests run under nohup or behind `&`."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def let_others_in(folder):
    """Let any user reach a folder of a test: root may read everything, so a test of that is somebody else."""
    for path in (folder, *folder.parents):
        if path.stat().st_mode & 0o055 != 0o055:
            path.chmod(path.stat().st_mode | 0o055)


def without_privileges() -> list[str]:
    """Return what to put before a command for which permissions of files shall count, or skip the test."""
    if os.geteuid():
        return []
    rights = "-dac_override,-dac_read_search"
    program = shutil.which("setpriv") or pytest.skip("needs setpriv, or another user")
    return [program, f"--bounding-set={rights}", f"--inh-caps={rights}"]
