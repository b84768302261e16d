"""Sets of manifests in, what the real `argo lint --offline` and our own checks say of them out."""

import os
import re
import shutil
import subprocess

from dsl.argo.batch import Manifest, inspect
from dsl.argo.findings import Gate
from dsl.codes import Severity
from dsl.documents import read_documents

ARGO = os.environ.get("ARGOSY_ARGO") or shutil.which("argo")
GROUP = 30
"""Sets that one call of argo lints: its start takes time, and so does each call anew after a broken file."""


def argo_lint(sets, folder):
    """Return argo's first message on each set, None for one that it accepts.

    A set is named and has texts; sets must not share names to refer to. One file that cannot be decoded ends
    a whole call, as does a crash, so what is left is linted again.
    """
    names, found = list(sets), {}
    for start in range(0, len(names), GROUP):
        found |= _lint({name: sets[name] for name in names[start : start + GROUP]}, folder)
    return found


def _lint(sets, folder):
    found, files = dict.fromkeys(sets), {}
    for number, (name, texts) in enumerate(sets.items()):
        for index, text in enumerate(texts):
            path = folder / f"{number}-{index}.yaml"
            path.write_text(text, encoding="utf-8", errors="surrogatepass")
            files[str(path)] = name
    while files:
        command = [ARGO, "lint", "--offline", "--output", "simple", *files]
        # A fifth of the time of so short a call would be the collection of garbage.
        environment = {**os.environ, "KUBECONFIG": "/nonexistent", "NO_COLOR": "1", "GOGC": "off"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
        if broken := re.search(r"failed to parse YAML from file (\S+): (.*)", run.stderr):
            name = files[broken[1]]
            found[name] = broken[2]
            files = {path: other for path, other in files.items() if other != name}
            continue
        if "panic" in run.stderr or "duplicate" in run.stderr:
            return found | _halves(sets, run.stderr, folder)
        for path, message in re.findall(r"^(\S+\.yaml): in .*?\): (.*)$", run.stdout, re.M):
            if path in files and found[files[path]] is None:
                found[files[path]] = message
        if "found nothing to lint" in run.stdout:
            found |= dict.fromkeys(set(files.values()), "found nothing to lint")
        break
    return found


def _halves(sets, message, folder):
    names = list(sets)
    if len(names) == 1:
        return {names[0]: message.strip().splitlines()[0]}
    middle = len(names) // 2
    parts = [{name: sets[name] for name in part} for part in (names[:middle], names[middle:])]
    return _lint(parts[0], folder) | _lint(parts[1], folder)


def inspected(texts):
    """Return the errors of each gate that our checks find in a set: what lint refuses, what the CRD does."""
    manifests, lint, crd = [], [], []
    for number, text in enumerate(texts):
        read = read_documents(text.encode("utf-8", "surrogatepass"), f"{number}.yaml")
        lint += [problem.message for problem in read.problems]
        for document in read.documents:
            if isinstance(document.value, dict) and document.value.get("kind") in Manifest.KINDS:
                manifests.append(Manifest(document.value, document.path, document.place))
    if not manifests:
        lint.append("nothing to lint")
    for one in inspect(manifests):
        if one.finding.code.severity is Severity.ERROR:
            (lint if one.finding.gate is Gate.LINT else crd).append(one.finding.message)
    return lint, crd
