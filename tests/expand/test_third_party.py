"""A third party's orchestrator: a package with an entry point, found by its name, compiled and run."""

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: argosy-loud\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[argosy.orchestrators]\nloud = argosy_loud:LoudOrchestrator\n",
    "RECORD": "",
}
PACKAGE = '''\
"""Shell tasks that say what they do."""

import sys

from orchestrators.shell import ShellParallelExecutionOrchestrator


class LoudOrchestrator(ShellParallelExecutionOrchestrator):
    """Expands a shell task whose template says who made it."""

    def create_execution_template(self):
        print(f"{self.node.id} has a template", file=sys.stderr)
        template = super().create_execution_template()
        template.annotations = {**(template.annotations or {}), "loud": "yes"}
        return template
'''
DAG = """\
from dsl import DAG, Items, task

@task.kind("loud", image="busybox:1", output="{index}.txt")
def shout(item):
    return 'echo "$item" | tr a-z A-Z > "$OUTPUT_FILE"; echo loud > "$RESULT_FILE"'

with DAG("loud"):
    Items(["ice", "sea", "wind"], size=2) >> shout
"""
BROKEN = "[argosy.orchestrators]\nbroken = argosy_nowhere:Nobody\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the package into a folder of its own and return it."""
    folder = tmp_path_factory.mktemp("third")
    wheel, target = folder / "argosy_loud-1.0-py3-none-any.whl", folder / "target"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("argosy_loud.py", PACKAGE)
        for name, text in METADATA.items():
            archive.writestr(f"argosy_loud-1.0.dist-info/{name}", text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    options = ["--no-deps", "--no-cache-dir", "--target", str(target), str(wheel)]
    ended = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return target


def dsl(folder, *arguments, path=()):
    """Run the command line where the folders of `path` are installed."""
    search = ":".join(map(str, (*path, ROOT)))
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": search}
    command = [sys.executable, "-m", "dsl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_an_installed_orchestrator_expands_its_tasks(installed, tmp_path):
    (tmp_path / "flow.py").write_text(DAG)
    ended = dsl(tmp_path, "compile", "--format", "json", "flow.py", path=[installed])
    assert ended.returncode == 0, ended.stderr
    templates = {template["name"]: template for template in json.loads(ended.stdout)["spec"]["templates"]}
    assert templates["shout"]["metadata"]["annotations"]["loud"] == "yes"
    assert [task["name"] for task in templates["main"]["dag"]["tasks"]][:2] == [
        "shout-partition-0",
        "shout-partition-1",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("lowering", ["explicit", "compact"])
def test_a_template_is_made_once(installed, tmp_path, lowering):
    (tmp_path / "flow.py").write_text(DAG.replace('"loud")', f'"loud", lowering="{lowering}")'))
    ended = dsl(tmp_path, "compile", "flow.py", path=[installed])
    assert (ended.returncode, ended.stderr) == (0, "shout has a template\n")


@pytest.mark.slow
def test_its_tasks_run_here(installed, tmp_path):
    (tmp_path / "flow.py").write_text(DAG)
    ended = dsl(tmp_path, "run", "--quiet", "--out", "out", "flow.py", path=[installed])
    assert ended.returncode == 0, ended.stderr
    written = {path.name: path.read_text() for path in (tmp_path / "out" / "shout").iterdir()}
    assert written == {"0.txt": "ICE\n", "1.txt": "SEA\n", "2.txt": "WIND\n"}
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["tasks"]["shout"]["value"] == ["loud", "loud", "loud"]


@pytest.mark.slow
def test_an_orchestrator_that_is_not_installed_is_a_diagnostic_at_its_node(tmp_path):
    (tmp_path / "flow.py").write_text(DAG)
    ended = dsl(tmp_path, "validate", "flow.py")
    assert ended.returncode == 1
    assert "flow.py:8:46: error[DSL401]: there is no orchestrator for 'loud' tasks" in ended.stdout
    assert "hint: install the package that has it" in ended.stdout


@pytest.mark.slow
def test_an_orchestrator_that_cannot_be_imported_is_a_diagnostic_too(tmp_path):
    (tmp_path / "flow.py").write_text(DAG.replace('"loud", image', '"broken", image'))
    folder = tmp_path / "argosy_broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA["METADATA"].replace("loud", "broken"))
    (folder / "entry_points.txt").write_text(BROKEN)
    ended = dsl(tmp_path, "validate", "flow.py", path=[tmp_path])
    assert ended.returncode == 1
    assert "error[DSL401]: the orchestrator of 'broken' tasks cannot be imported: No module" in ended.stdout
