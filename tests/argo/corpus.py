"""The stored cases: each a valid set of `seeds.yaml` with edits, and what argo 4.1.2 and we say of it."""

import copy
import json
import re
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent
FILE = FOLDER / "cases.jsonl"
SEEDS = yaml.safe_load((FOLDER / "seeds.yaml").read_text(encoding="utf-8"))
CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def rule(case):
    """Return what a case is about; several have it in common."""
    return case["name"].rpartition(" ")[0]


def edit(files, path, value):
    """Change one place: `PATH: value` sets, `PATH-` removes, `PATH+` appends; `1:` means the second file.

    Raises:
        LookupError, TypeError: when there is no such place.
    """
    index, _, route = path.rpartition(":")
    *steps, last = [int(n) if n else name for name, n in STEP.findall(route.rstrip("-+"))]
    owner = files[int(index or 0)]
    for step in steps:
        owner = owner[step]
    if path.endswith("-"):
        del owner[last]
    elif path.endswith("+"):
        owner[last].append(value)
    else:
        owner[last] = value


def separated(files, number):
    """Return a set in a namespace of its own, its cluster templates under names of their own."""
    files = json.loads(json.dumps(files).replace('"common"', f'"common-{number}"'))
    for manifest in files:
        manifest["metadata"].setdefault("namespace", f"n{number}")
    return files


def texts(case, number):
    """Return the files of a case as JSON, which is YAML too."""
    files = separated(copy.deepcopy(SEEDS[case["base"]]), number)
    edits = json.loads(json.dumps(case["edits"]).replace('"common"', f'"common-{number}"'))
    for path, value in edits.items():
        edit(files, path, value)
    return [json.dumps(file) for file in files]
