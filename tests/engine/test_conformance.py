"""What a real Argo 4.1.2 did with a manifest, and what the engine does.

Phases, messages, inputs, outputs, artifacts.
"""

import base64
import functools
import hashlib
import io
import json
import os
import re
import shutil
import socket
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from dsl.argo import validate_manifest
from dsl.engine import Refused, RunOptions, Silent, run
from dsl.location import Location

HERE = Path(__file__).parent / "conformance"
SUPPORT = json.loads((HERE / "support.json").read_text())
CASES = sorted(path.stem for path in (HERE / "cases").glob("*.json"))
BUSYBOX = shutil.which("busybox")
NEED_BUSYBOX = {"artifact-input-optional-not-supplied", "misc-daemon"}
SLOW = {
    "hook-step-pod-hooks", "hook-task-failing-hook", "hook-task-running", "hook-workflow-running",
    "parallelism-lane-dags-one-at-a-time", "parallelism-nested-dag-lanes", "parallelism-template-dag",
    "parallelism-workflow-pods", "retry-backoff", "retry-backoff-maxduration", "retry-variables",
    "timeout-template-active-deadline", "timeout-with-retry", "timeout-workflow-deadline-exit-handler",
    "timeout-workflow-deadline-suspend", "misc-suspend-duration-units",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _image(tmp_path_factory):
    """Let the tools of the image be found first that are other ones on this machine, or none."""
    tools = tmp_path_factory.mktemp("image")
    for tool in ("ls", "httpd", "wget") if BUSYBOX else ():
        (tools / tool).symlink_to(BUSYBOX)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", str(tools), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def counts(request):
    """How many cases ended how; told at the end."""
    counts = Counter()
    yield counts
    told = ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))
    request.config.pluginmanager.get_plugin("terminalreporter").write_line(f"\nconformance: {told}")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case in SLOW else []) for case in CASES]
)
def test_the_engine_does_what_argo_did(case, tmp_path, counts):
    if case in NEED_BUSYBOX and not BUSYBOX:
        pytest.skip("needs busybox")
    manifest = json.loads(without_a_machine_of_its_own((HERE / "cases" / f"{case}.json").read_text()))
    expected = json.loads((HERE / "outcomes" / f"{case}.json").read_text())
    counts["refused" if "rejected" in expected else "failed"] += 1
    if "rejected" in expected:
        assert is_refused(manifest, tmp_path)
        return
    assert differences(manifest, expected, tmp_path) == []
    counts["failed"] -= 1
    counts["passed"] += 1


def without_a_machine_of_its_own(text):
    """Let a server have a port that is free here, and serve a folder that is not below `/`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    return text.replace("8099", port).replace(" /s", " s")


def is_refused(manifest, out):
    """Whether the checks before a run, or the run, refuse what Argo rejected."""
    if any(diagnostic.is_error for diagnostic in validate_manifest(manifest, Location("case.json"))):
        return True
    with pytest.raises(Refused):
        run(manifest, RunOptions(out))
    return True


def differences(manifest, expected, out):
    """Run a case and name the fields in which it differs from what Argo did."""
    name = manifest["metadata"]["name"]
    told = Told()
    host = {"h": out.with_name(f"{out.name}-host")}
    outcome = run(manifest, RunOptions(out, jobs=4, objects=[SUPPORT], claims=host), told)
    actual = declared(observed(outcome, name, out / ".argosy" / "artifacts"), out / ".argosy" / "tasks")
    ignored = expected.get("nondeterministic", [])
    wanted = {key: value for key, value in expected.items() if key != "nondeterministic"}
    if "order" in wanted:
        wanted["order"] = {pair: holds for pair, holds in wanted["order"].items() if told.knows(pair)}
        actual["order"] = {pair: told.is_before(*pair.split("<")) for pair in wanted["order"]}
    if wanted.pop("stuck", False):
        assert outcome.stuck
        actual["phase"], actual["message"] = wanted["phase"], wanted["message"]
    return [
        line
        for line in compared(wanted, actual)
        if not any(line.startswith((f"{path}:", f"{path}.")) for path in ignored)
    ]


class Told(Silent):
    """The starts and ends of leaves, in order."""

    def __init__(self):
        self.lines = []

    def started(self, event):
        self.lines.append(("started", f"{event.node}/"))

    def ended(self, event):
        self.lines.append(("ended", f"{event.node}/"))

    def places(self, word, path):
        lines = enumerate(self.lines)
        return [n for n, (what, node) in lines if what == word and node.startswith(f"main/{path}/")]

    def knows(self, pair):
        """Whether both are told of: a suspend node is not."""
        return all(self.places("started", path) for path in pair.split("<"))

    def is_before(self, first, second):
        return max(self.places("ended", first)) < min(self.places("started", second))


def declared(value, tasks):
    """Write the paths of a leaf's folder as its program finds them in a container."""
    if isinstance(value, dict):
        return {key: declared(inner, tasks) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    leaf = rf"{re.escape(str(tasks))}/[^/]+/[\w.-]+"
    for here, there in {r"\.pod/script\b": "/argo/staging/script", "(?=/)": "", "": "/"}.items():
        value = re.sub(leaf + here, there, value)
    return value


def compared(wanted, actual, path=""):
    if isinstance(wanted, dict) and isinstance(actual, dict):
        keys = sorted(set(wanted) | set(actual))
        return [
            line
            for key in keys
            for line in compared(wanted.get(key), actual.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if wanted == actual else [f"{path}: {wanted!r} became {actual!r}"]


def observed(outcome, name, store):
    status = outcome.to_status()
    status.pop("stuck", None)
    for path, node in status["nodes"].items():
        for artifact in outcome.nodes[path].artifacts:
            node["artifacts"] = {**node["artifacts"], artifact: content(node["artifacts"][artifact], store)}
    status["artifacts"] = {key: content(found, store) for key, found in outcome.artifacts.items()}
    if not status["artifacts"]:
        del status["artifacts"]
    return normal(status, name)


def content(artifact, store):
    if "raw" in artifact:
        return artifact
    place = store / artifact["key"]
    if place.is_dir():
        files = (file for file in sorted(place.rglob("*")) if file.is_file())
        return {**artifact, "dir": {str(file.relative_to(place)): text(file.read_bytes()) for file in files}}
    if not place.is_file():
        return {**artifact, "missing": True}
    found = place.read_bytes()
    if found[:2] == b"\x1f\x8b":
        with tarfile.open(fileobj=io.BytesIO(found)) as tarball:
            members = sorted(tarball.getmembers(), key=lambda member: member.name)
            return {
                **artifact,
                "tgz": dict(functools.partial(member_of, tarball)(member) for member in members),
            }
    return {**artifact, "file": text(found)}


def member_of(tarball, member):
    if member.isdir():
        return f"{member.name}/", None
    return member.name, text(tarball.extractfile(member).read())


def text(found):
    try:
        return found.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(found[:2000]).decode(), "length": len(found)}


def normal(value, name):
    if isinstance(value, dict):
        return {normal(key, name): normal(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner, name) for inner in value]
    if not isinstance(value, str):
        return value
    value = re.sub(re.escape(name) + r"((?:-[a-zA-Z0-9][-a-zA-Z0-9]*?)?)-\d{5,10}\b", name + r"\1-ID", value)
    value = re.sub(
        r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d{4} UTC|[+-]\d\d:\d\d))?", "TIME", value
    )
    value = value.replace("127.0.0.1", "IP")
    if len(value) > 2000:
        digest = hashlib.sha256(value.encode()).hexdigest()
        return {"length": len(value.encode()), "sha256": digest, "head": value[:40], "tail": value[-40:]}
    return value
