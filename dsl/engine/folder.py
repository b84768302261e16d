"""The folder of a run: empty when it starts, and each of its files whole or not there.

`.argosy/run.json` names what a run makes in the folder, so that the next one there removes that and no more;
who holds `.argosy/lock` works in it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from dsl.engine.copies import remove
from dsl.engine.journal import Former, read_ends
from dsl.engine.lock import Held, is_locked, locked
from dsl.engine.refused import Refused
from dsl.engine.shown import hide

STATE, LOGS, RESULTS, STATUS, REPORT = ".argosy", "logs", "results.json", "status.json", "report.html"
GRAPH, TIMELINE, TASKS = f"{STATE}/graph.json", f"{STATE}/timeline.json", f"{STATE}/tasks"
WHOLES = f"{STATE}/wholes.jsonl"
JOURNAL = "journal.jsonl"
_LOCK, _RECORD = "lock", "run.json"
_TAKEN = re.compile(rf"({'|'.join(map(re.escape, (STATE, LOGS, RESULTS, STATUS, REPORT)))})(\.files)*")


_NOBODYS = (".DS_Store",)
"""What a system puts into a folder that somebody looks at; it is in nobody's way."""


class Unusable(Refused):
    """The folder for a run cannot be used; the text says why."""


def task_folder(out: Path, task: str) -> Path:
    """Return where a task's files are shown: a folder of its own, and none of the names that are ours.

    >>> [task_folder(Path("out"), task).name for task in ("a b", "a/b", "logs", "logs.files")]
    ['a b', 'a%2Fb', 'logs.files', 'logs.files.files']
    """
    name = component(task)
    return out / (f"{name}.files" if _TAKEN.fullmatch(name) else name)


@lru_cache(maxsize=256)
def log_file(logs: Path, task: str) -> Path:
    """Return the log of a task, which it shares with no other."""
    return logs / f"{component(task)}.log"


def leaf_name(task: str, node: str) -> str:
    """Return the name of the folder in which the leaf with the path `node` works.

    The folder is in one of the start, below `.argosy/tasks`; what the leaf wrote is there under this name and
    `.log`, unless it succeeded.
    """
    digest = hashlib.sha256(node.encode(errors="surrogatepass")).hexdigest()[:16]
    plain = re.sub(r"[^\w.-]", "_", task)[:80]
    return f"{plain}-{digest}"


def component(task: str) -> str:
    """Return a task's id as one part of a path, a different one for each id."""
    return re.sub(r"[%/\0]|^\.{1,2}$", lambda found: "".join(f"%{ord(one):02X}" for one in found[0]), task)


@contextmanager
def occupied(out: Path, *, resumed: bool) -> Iterator[None]:
    """Hold the folder of a run, which is there already if the run is `resumed`.

    Raises:
        Unusable: it holds what no run made, another process runs in it, or it cannot be made.
    """
    state = out / STATE
    with ExitStack() as held:
        with _usable(out):
            if not ((state / _LOCK).is_file() or (state / _RECORD).is_file()):
                if resumed:
                    raise Unusable(f"{out} holds no run")
                if out.is_file():
                    raise Unusable(f"{out} is a file; choose a folder")
                if not _is_free(out):
                    raise Unusable(f"{out} is not empty and holds no run; choose another folder")
                state.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(state / _LOCK))
        yield


def _is_free(out: Path) -> bool:
    """Whether a folder is not there, or holds no more than a run that was killed when it had just begun."""
    if not out.exists():
        return True
    return out.is_dir() and not any(path != out / STATE or _entries(path) for path in _entries(out))


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name not in _NOBODYS]


def clear(out: Path, tasks: Iterable[str], graph: Mapping[str, Any], *, resumed: bool) -> None:
    """Begin a run of `tasks`, and keep their graph: remove all that a former one left.

    Its record goes last, so that it is taken up here again. Of a run that is `resumed` only what it tells
    goes, and the files of tasks that are no more; others' are put right at its end.

    Raises:
        Unusable: something else is there too, or nothing can be written.
    """
    record = out / STATE / _RECORD
    with _usable(out):
        former = _made_by_former(record)
        names = [task_folder(out, task).name for task in tasks]
        files = [out / name for name in (TIMELINE, RESULTS, STATUS, REPORT, WHOLES)]
        told = [str(path.relative_to(out)) for file in files for path in (file, _aside(file))]
        if resumed:
            for path in (out / name for name in names if former and name not in former):
                if path.is_symlink() or path.exists():
                    raise Unusable(f"{path} was made by no run and has the name of a task; move it away")
            hide(set(former) - set(names), out)
            for name in told:
                remove(out / name)
        else:
            _remove_all(out, [LOGS, *told, *former])
        write(record, [json.dumps(names)])
        write(out / GRAPH, [json.dumps(graph)])


def _made_by_former(record: Path) -> list[str]:
    """Return the names that a former run put down; none where a power failure has left no more of them."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return list(map(str, json.loads(record.read_text(encoding="utf-8"))))
    return []


def _remove_all(out: Path, names: Collection[str]) -> None:
    for path in _entries(out):
        if path.name not in (STATE, *names):
            raise Unusable(f"{path} was made by no run; move it away, or choose another folder")
    for name in names:
        remove(out / name)
    for path in sorted((out / STATE).iterdir(), key=lambda path: path.name == _RECORD):
        if path.name != _LOCK:
            remove(path)


def how_it_ended(out: Path) -> tuple[float, str, float] | None:
    """Return when the run in a folder was begun, its phase and its seconds; None where there is no run.

    The phase is Running while somebody works in it, and Interrupted for a run that came to no end. The
    seconds are those since it was begun or taken up last, until now, its end, or the last that it put down.
    """
    state = out / STATE
    if not (state / _RECORD).is_file():
        return None
    former, is_running = Former(), False
    with suppress(OSError):
        is_running = is_locked(state / _LOCK)  # before its journal is read, which may end meanwhile
    with suppress(OSError):
        former = read_ends(state / JOURNAL)
    taken_up = (state / _RECORD).stat().st_mtime
    began = former.created or taken_up
    if is_running:
        return began, "Running", max(0.0, time.time() - taken_up)
    if former.phase:
        return began, former.phase, former.seconds
    return began, "Interrupted", max(0.0, _last_change(state / JOURNAL) - taken_up)


def _last_change(journal: Path) -> float:
    return journal.stat().st_mtime if journal.exists() else 0.0


def discard(out: Path) -> None:
    """Remove a run and its folder. Raises Unusable when somebody works in it or something else is there."""
    with occupied(out, resumed=True):
        clear(out, (), {}, resumed=False)
        for name in (STATE, *_NOBODYS):
            remove(out / name)
        out.rmdir()


@contextmanager
def _usable(out: Path) -> Iterator[None]:
    try:
        yield
    except Held as other:
        raise Unusable(f"{out} is in use by {other}; choose another folder, or wait for its end") from None
    except OSError as wrong:
        raise Unusable(f"{out} cannot hold a run: {wrong.strerror or wrong}") from None


def write(path: Path, pieces: Iterable[str]) -> None:
    """Write a file that is there only when it is whole."""
    aside = _aside(path)
    try:
        with aside.open("w", encoding="utf-8", errors="surrogatepass") as file:
            file.writelines(pieces)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
