"""Random manifests end on a cluster, node by node, as they do here: phases, messages, inputs and outputs.

DRAWN is the first seed and DRAWN_COUNT how many; several workflows are in flight at once.
"""

import json
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dsl.engine import RunOptions, run
from tests.drawn import drawn
from tests.harness import argo, on_cluster

pytestmark = on_cluster

FIRST, COUNT = (
    int(os.environ.get(name, default)) for name, default in (("DRAWN", "0"), ("DRAWN_COUNT", "130"))
)
IN_FLIGHT = 8
LIMIT = 240
"""Seconds that a workflow may take; the busiest ones have five pods one after another."""
QUIET = 6
"""Seconds without a change after which the controller is made to look again: it can miss its own update."""
OPEN = 30
"""Seconds without a change after which a workflow counts as one that nothing will end."""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """What the engine says, by seed."""
    folder = tmp_path_factory.mktemp("here")
    outcomes = {seed: run(drawn(seed), RunOptions(folder / str(seed), jobs=4)) for seed in SEEDS}
    return {seed: seen_here(outcome) for seed, outcome in outcomes.items()}


SEEDS = range(FIRST, FIRST + COUNT)


@pytest.fixture(scope="module")
def there(here, tmp_path_factory):
    """What the cluster says, by seed."""
    folder = tmp_path_factory.mktemp("there")
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        return dict(zip(here, pool.map(lambda seed: on_argo(seed, folder), here), strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_node_ends_as_it_does_here(seed, here, there):
    assert there[seed] == here[seed]


def test_most_of_them_end(here):
    assert sum("pods" in seen for seen in here.values()) <= 0.25 * COUNT


def on_argo(seed, folder):
    """Run a manifest on the cluster until it ends, or nothing happens any more."""
    manifest, name = drawn(seed), f"drawn-{seed}-{os.getpid()}"
    manifest["metadata"]["name"] = name
    path = folder / f"{seed}.json"
    path.write_text(json.dumps(manifest))
    argo("submit", str(path))
    until = time.monotonic() + LIMIT
    before, changed, poked = None, time.monotonic(), time.monotonic()
    while True:
        found = json.loads(argo("get", "-o", "json", name))
        if (found["metadata"].get("labels") or {}).get("workflows.argoproj.io/completed") == "true":
            break
        is_open = time.monotonic() > changed + OPEN and not waiting_pods(found)
        if is_open or time.monotonic() > until:
            argo("terminate", name)
            return open_there(seen_there(found, name, seed))
        if found.get("status") != before:
            before, changed = found.get("status"), time.monotonic()
        elif time.monotonic() - max(changed, poked) > QUIET and shutil.which("kubectl"):
            poked = time.monotonic()
            annotation = f"poke={poked:.0f}"
            subprocess.run(["kubectl", "annotate", "--overwrite", "workflow", name, annotation],
                           capture_output=True, check=False)  # fmt: skip
        time.sleep(1)
    argo("delete", name)
    return seen_there(found, name, seed)


def seen_here(outcome):
    """Return phase, message and nodes of a run of the engine, as far as both sides have them.

    Of what Argo would never end, only how its pods ended.
    """
    nodes = {path: node.to_status() for path, node in outcome.nodes.items()}
    seen = normal({"phase": outcome.phase, "message": outcome.message, "nodes": nodes}, outcome.name)
    return open_there(seen) if outcome.stuck else seen


def open_there(seen):
    """Return how the pods ended of a workflow that does not end."""
    return {"pods": {path: node["phase"] for path, node in seen["nodes"].items() if node["type"] == "Pod"}}


def waiting_pods(workflow):
    """Whether something of a workflow is still to come without anybody's help."""
    nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
    return any(node["type"] in ("Pod", "Suspend") and not node.get("finishedAt") for node in nodes)


def seen_there(workflow, name, seed):
    """Return the same of a workflow of the cluster."""
    status = workflow.get("status") or {}
    nodes = status.get("nodes") or {}

    def path_of(node):
        shown = node.get("displayName", node["name"])
        if node["name"] == name:
            return "main"
        owner = nodes.get(node.get("boundaryID", ""))
        shown = shown.replace(name, "main")
        return f"{path_of(owner)}/{shown}" if owner else shown

    told = {path_of(node): of_node(node) for node in nodes.values()}
    found = {"phase": status.get("phase"), "message": status.get("message", ""), "nodes": told}
    return normal(json.loads(json.dumps(found).replace(name, f"drawn-{seed}")), f"drawn-{seed}")


def of_node(node):
    outputs = node.get("outputs") or {}
    found = {
        "type": node["type"],
        "phase": node.get("phase"),
        "message": node.get("message", ""),
        "exitCode": outputs.get("exitCode"),
        "result": outputs.get("result"),
        "inputs": parameters((node.get("inputs") or {}).get("parameters")),
        "outputs": parameters(outputs.get("parameters")),
        "flag": node.get("nodeFlag"),
    }
    return {key: value for key, value in found.items() if value or key in ("type", "phase", "message")}


def parameters(listed):
    return {parameter["name"]: parameter.get("value") for parameter in listed or []}


def normal(value, name):
    """Leave out the hashes in the names of nodes and pods."""
    text = re.sub(
        rf"{name}((?:-[a-zA-Z0-9][-a-zA-Z0-9]*?)?)-\d{{5,10}}\b", rf"{name}\1-ID", json.dumps(value)
    )
    return json.loads(text)
