"""The folder of a run in, one HTML file that shows it out: no network, no other file, nothing executed.

What the run says is data: `report.js` reads it from a JSON block and sets it as text, never as markup, and a
policy in the page lets no other script run. The page is ASCII: it is the same in every encoding.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from dsl.engine.causes import cause_of, end_of
from dsl.engine.folder import (
    GRAPH,
    JOURNAL,
    LOGS,
    RESULTS,
    STATE,
    STATUS,
    TASKS,
    TIMELINE,
    leaf_name,
    log_file,
    task_folder,
)
from dsl.engine.journal import read_journal
from dsl.page.pods import BAD, RETRIED, Pod, ended_pods, pods_of, seconds
from dsl.report import visible

_TEXT = 200  # characters of a value, of a pod's name and of its inputs that are shown
_MESSAGE = 500
_LOGS = 20  # failed pods of a function whose lines are shown
_LINES, _BYTES = 40, 8192  # of a log that are shown
_WORST = ("Succeeded", "Skipped", "Omitted", RETRIED, *BAD)


class Damaged(ValueError):
    """A file of a run cannot be read, or is not what a run leaves; the text says which."""


def page(out: Path) -> str:
    """Return the page of the run in a folder. Raises Damaged."""
    style, script, html = (_part(f"report.{kind}") for kind in ("css", "js", "html"))
    content = {
        "@POLICY@": f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        "@STYLE@": style,
        "@SCRIPT@": script,
        "@RUN@": embedded(facts(out)),
    }
    for mark, text in content.items():  # the run comes last: what it says is not looked at again
        html = html.replace(mark, text)
    return html


def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="ascii")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(value: object) -> str:
    r"""Return JSON that stands in a `script` element and ends neither it nor begins a comment there.

    >>> embedded("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def facts(out: Path) -> dict[str, Any]:
    """Return what the page shows; of a run without results its graph, logs and journal. Raises Damaged."""
    graph = _read(out / GRAPH)
    is_over = (out / STATUS).exists()
    results, status, timeline = (_read(out / name) if is_over else {} for name in (RESULTS, STATUS, TIMELINE))
    try:
        if is_over:
            pods = list(pods_of(status, timeline))
            began, ended = seconds(timeline, "startedAt"), seconds(timeline, "finishedAt")
        else:
            journal = read_journal(out / STATE / JOURNAL)
            pods = list(ended_pods(journal))
            began, ended = journal.created or None, None
        return {
            "dag": visible(str(graph["dag"])),
            "run": visible(out.resolve().name),
            "phase": visible(str(status["phase"])) if is_over else "",
            "message": visible(str(status["message"])) if is_over else "",
            "began": began,
            "ended": ended,
            **_functions(out, graph, pods, results.get("tasks") or {}, began or 0.0, is_over),
            "logs": _logs(out, pods),
            "notes": {} if is_over else _notes(out, graph["functions"]),
        }
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as wrong:
        why = _cut(f"{type(wrong).__name__}: {wrong}")
        raise Damaged(f"{out} does not hold what a run leaves: {why}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except OSError as wrong:
        raise Damaged(f"cannot read {path}: {wrong.strerror}") from None
    except (ValueError, RecursionError):
        raise Damaged(f"{path} is damaged: it is no JSON") from None
    if not isinstance(found, dict):
        raise Damaged(f"{path} is damaged: it is no JSON object")
    return found


# --- functions ---


def _functions(
    out: Path,
    graph: Mapping[str, Any],
    pods: Iterable[Pod],
    tasks: Mapping[str, Any],
    began: float,
    is_over: bool,
) -> dict[str, Any]:
    """Return what became of every function, the edges between their places in that list, and the pods."""
    own: dict[str, list[Pod]] = {name: [] for name in (*graph["functions"], *tasks)}
    for pod in pods:
        own.setdefault(pod.function, []).append(pod)
    places = {name: place for place, name in enumerate(own)}
    return {
        "functions": [_function(out, name, ran, tasks.get(name) or {}, is_over) for name, ran in own.items()],
        "edges": [[places[before], places[after]] for before, after in graph["edges"]],
        "pods": [[places[pod.function], *_row(out, pod, began)] for pod in pods],
    }


def _function(
    out: Path, name: str, pods: list[Pod], task: Mapping[str, Any], is_over: bool
) -> dict[str, Any]:
    """Return what the page shows of a function; at work it has no state until a pod has failed."""
    count, size = _files(task_folder(out, name))
    states = (pod.state for pod in pods if is_over or pod.state in BAD)
    return {
        "name": visible(name or "(inline)"),
        "state": visible(str(task.get("state") or max(states, key=_rank, default=""))),
        "value": _value(task.get("value")),
        "files": count,
        "bytes": size,
    }


def _value(value: object) -> str:
    """Return the beginning of a value, nothing for a list that no partition had a value for."""
    values = value if isinstance(value, list) else [value]
    is_none = all(each is None for each in values)
    return "" if is_none else _cut(json.dumps(value, ensure_ascii=False))


def _rank(state: str) -> int:
    return _WORST.index(state) if state in _WORST else len(_WORST)


def _files(folder: Path) -> tuple[int, int]:
    """Return how many files a function left, and how many bytes."""
    paths = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    return len(paths), sum(path.lstat().st_size for path in paths)


# --- pods ---


def _row(out: Path, pod: Pod, began: float) -> list[Any]:
    """Return what the page shows of a pod as a short array; times are milliseconds of the run."""
    times = (at and round((at - began) * 1000) for at in (pod.started, pod.finished))
    inputs = ", ".join(f"{name}={value}" for name, value in pod.inputs.items())
    failed = pod.state in (RETRIED, *BAD)
    words = cause_of(pod.function, pod.message, _log(out, pod))[0] if failed else pod.message
    message = _cut(words, _MESSAGE)
    return [
        _cut(pod.name), pod.attempt, visible(pod.state), visible(pod.exit_code), message, _cut(inputs), *times
    ]  # fmt: skip


def _cut(text: str, length: int = _TEXT) -> str:
    return visible(text if len(text) <= length else f"{text[:length]}...")


# --- logs ---


def _logs(out: Path, pods: Iterable[Pod]) -> dict[int, str]:
    """Return the last lines of failed pods by their place; of each function the first that failed."""
    shown: Counter[str] = Counter()
    logs = {}
    for place, pod in enumerate(pods):
        if pod.state in BAD and shown[pod.function] < _LOGS:
            shown[pod.function] += 1
            logs[place] = _last_lines(_log(out, pod))
    return logs


def _log(out: Path, pod: Pod) -> Path:
    return out / TASKS / f"{leaf_name(pod.function, pod.path)}.log"


def _notes(out: Path, functions: Iterable[str]) -> dict[str, str]:
    """Return the last lines of what the functions of a run at work have logged so far."""
    found = {name: _last_lines(log_file(out / LOGS, name)) for name in functions}
    return {visible(name): lines for name, lines in found.items() if lines}


def _last_lines(log: Path) -> str:
    return "\n".join(map(visible, end_of(log, _BYTES)[-_LINES:]))
