"""The folder of a run: empty when it starts, and each of its files whole or not there.

`.argosy/run.json` names what a run makes in the folder, so that the next one there removes that and no more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dsl.engine.copies import remove
from dsl.engine.refused import Refused

STATE, LOGS, RESULTS, STATUS, REPORT = ".argosy", "logs", "results.json", "status.json", "report.html"
RECORD, GRAPH, TIMELINE = (f"{STATE}/{name}.json" for name in ("run", "graph", "timeline"))
TASKS = f"{STATE}/tasks"
_OWN = (LOGS, RESULTS, STATUS, REPORT)
_TAKEN = re.compile(rf"({'|'.join(map(re.escape, (STATE, *_OWN)))})(\.files)*")


class Unusable(Refused):
    """The folder for a run cannot be used; the text says why."""


def task_folder(out: Path, task: str) -> Path:
    """Return where a task's files are shown: a folder of its own, and none of the names that are ours.

    >>> [task_folder(Path("out"), task).name for task in ("a b", "a/b", "logs", "logs.files")]
    ['a b', 'a%2Fb', 'logs.files', 'logs.files.files']
    """
    name = component(task)
    return out / (f"{name}.files" if _TAKEN.fullmatch(name) else name)


def is_run(out: Path) -> bool:
    """Whether a run was made in a folder."""
    return (out / RECORD).is_file()


def begun(out: Path) -> int:
    """Return when the run in a folder began, in nanoseconds since 1970. Raises OSError."""
    return (out / RECORD).stat().st_mtime_ns


def log_file(logs: Path, task: str) -> Path:
    """Return the log of a task, which it shares with no other."""
    return logs / f"{component(task)}.log"


def leaf_name(task: str, node: str) -> str:
    """Return the name of the folder, below `.argosy/tasks`, in which the leaf with the path `node` works.

    What it wrote is beside the folder, under this name and `.log`, unless it succeeded.
    """
    digest = hashlib.sha256(node.encode(errors="surrogatepass")).hexdigest()[:16]
    plain = re.sub(r"[^\w.-]", "_", task)[:80]
    return f"{plain}-{digest}"


def component(task: str) -> str:
    """Return a task's id as one part of a path, a different one for each id."""
    return re.sub(r"[%/\0]|^\.{1,2}$", lambda found: "".join(f"%{ord(one):02X}" for one in found[0]), task)


def prepare(out: Path, tasks: Iterable[str], graph: Mapping[str, Any]) -> None:
    """Make the folder of a run of `tasks`, without what a former run left there, and keep the graph in it.

    Raises:
        Unusable: it holds what no run made, or nothing can be written to it.
    """
    record = out / RECORD
    try:
        if record.is_file():
            _clear(out, json.loads(record.read_text(encoding="utf-8")))
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Unusable(f"{out} is not empty and holds no run; choose another folder")
        record.parent.mkdir(parents=True)
        write(record, [json.dumps([task_folder(out, task).name for task in tasks])])
        write(out / GRAPH, [json.dumps(graph)])
    except OSError as wrong:
        raise Unusable(f"{out} cannot hold a run: {wrong.strerror or wrong}") from None


def _clear(out: Path, tasks: list[str]) -> None:
    """Remove what a run made, its record last: what was interrupted here is taken up again."""
    for name in (*_OWN, *tasks):
        remove(out / name)
    state = out / STATE
    for path in sorted(state.iterdir(), key=lambda path: path.name == "run.json"):
        remove(path)
    state.rmdir()


def write(path: Path, pieces: Iterable[str]) -> None:
    """Write a file that is there only when it is whole."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8", errors="surrogatepass") as file:
            file.writelines(pieces)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
