"""The folder of a run: empty when it starts, and each of its files whole or not there.

`.argosy/run.json` names what a run makes in the folder, so that the next one there removes that and no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from dsl.engine.copies import remove
from dsl.engine.definition import Refused

STATE, LOGS, RESULTS, STATUS = ".argosy", "logs", "results.json", "status.json"
_OWN = (LOGS, RESULTS, STATUS)
_TAKEN = re.compile(rf"({'|'.join(map(re.escape, (STATE, *_OWN)))})(\.files)*")


class Unusable(Refused):
    """The folder for a run cannot be used; the text says why."""


def task_folder(out: Path, task: str) -> Path:
    """Return where a task's files are shown: a folder of its own, and none of the names that are ours.

    >>> [task_folder(Path("out"), task).name for task in ("a b", "a/b", "logs", "logs.files")]
    ['a b', 'a%2Fb', 'logs.files', 'logs.files.files']
    """
    name = _component(task)
    return out / (f"{name}.files" if _TAKEN.fullmatch(name) else name)


def log_file(logs: Path, task: str) -> Path:
    """Return the log of a task, which it shares with no other."""
    return logs / f"{_component(task)}.log"


def _component(task: str) -> str:
    """Return a task's id as one part of a path, a different one for each id."""
    return re.sub(r"[%/\0]|^\.{1,2}$", lambda found: "".join(f"%{ord(one):02X}" for one in found[0]), task)


def prepare(out: Path, tasks: Iterable[str]) -> None:
    """Make the folder of a run of `tasks`, without what a former run left there.

    Raises:
        Unusable: it holds what no run made, or nothing can be written to it.
    """
    record = out / STATE / "run.json"
    try:
        if record.is_file():
            _clear(out, json.loads(record.read_text(encoding="utf-8")))
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Unusable(f"{out} is not empty and holds no run; choose another folder")
        record.parent.mkdir(parents=True)
        write(record, [json.dumps([task_folder(out, task).name for task in tasks])])
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
