"""The hook for pre-commit: it is well formed, and its command checks a folder."""

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
[HOOK] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def test_the_hook_has_what_pre_commit_asks_for():
    assert {"id", "name", "entry", "language"} <= HOOK.keys()
    assert HOOK["language"] == "python"
    assert HOOK["id"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_command_is_installed_and_fails_for_a_folder_with_an_error(tmp_path):
    command, *arguments = shlex.split(HOOK["entry"])
    assert command in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (tmp_path / "other.py").write_text("x = 1\n")
    (tmp_path / "flow.py").write_text("from dsl import DAG\nwith DAG('empty'):\n    pass\n")
    environment = {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", command, *arguments, *HOOK["args"]]
    result = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "flow.py:2:6: error[DSL221]" in result.stdout
    assert "1 error in 1 file" in result.stdout
