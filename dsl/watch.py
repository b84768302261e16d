"""What the engine tells of a run in; a live display on a terminal, plain lines elsewhere, out."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from dsl.engine.causes import cause_of
from dsl.engine.outcome import Outcome
from dsl.engine.progress import LeafEvent
from dsl.report import counted, visible

_BAR = 24
_SILENCE = 30.0  # seconds after which a run without a terminal says how far it is
_VERDICT = (
    "verdict"  # the template, reserved in manifests of ours, of a task without pods that ends as others do
)
_NAMED = 4
_ALIKE, _OF_TASK = 3, 10
"""Failures that are shown of one cause, and of one task."""
_OF_ITEM = re.compile(r"^item \d+ \(.*?\): |\d+")
"""What differs from item to item in a cause."""
_CHILD_VERB = {"Failed": "failed", "Error": "errored"}
_CHILD = re.compile(r"child '.*' (failed|errored)")
"""Argo's message about what failed by something below it."""
_REPEATED = re.compile(r"((?:/[^/]+){1,3}?)(\1{3,})(?![^/])")
_GOOD = ("Succeeded", "Skipped", "Omitted")


@dataclass(slots=True)
class Tally:
    """How far the pods of one task are."""

    expected: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    retries: int = 0
    began: float | None = None

    @property
    def done(self) -> int:
        """Pods that will not run any more."""
        return self.succeeded + self.failed + self.skipped

    @property
    def total(self) -> int:
        """Pods that are known of."""
        return max(self.expected, self.done + self.running)

    def facts(self) -> str:
        """Return the counts that are worth a word.

        >>> Tally(expected=5, running=1, succeeded=3, retries=2).facts()
        '3/5, 1 running, 2 retries'
        """
        facts = [f"{self.done}/{self.total}"]
        for number, word in ((self.running, "running"), (self.failed, "failed"), (self.skipped, "not run")):
            facts += [f"{number} {word}"] if number else []
        if self.retries:
            facts.append(f"{self.retries} {'retry' if self.retries == 1 else 'retries'}")
        return ", ".join(facts)

    def pace(self, now: float) -> str:
        """Return how fast its pods end and how long the others will take, `""` while nobody can know.

        >>> Tally(expected=100, running=2, succeeded=30, began=5.0).pace(now=20.0)
        '2.0/s, 35 s left'
        """
        ended = self.succeeded + self.failed
        if self.began is None or not (ended and self.running and now > self.began):
            return ""
        rate = ended / (now - self.began)
        return f"{_rate(rate)}, {_duration((self.total - self.done) / rate)} left"


def _rate(rate: float) -> str:
    """Return a number per second in the largest unit that leaves a digit before the point.

    >>> [_rate(rate) for rate in (12.34, 0.5, 0.001)]
    ['12.3/s', '30.0/min', '3.6/h']
    """
    for unit, seconds in (("s", 1), ("min", 60)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.1f}/{unit}"
    return f"{rate * 3600:.1f}/h"


def _duration(seconds: float) -> str:
    """Return a time in its two largest units.

    >>> [_duration(seconds) for seconds in (0.2, 59.6, 200, 7500)]
    ['0 s', '1 min 0 s', '3 min 20 s', '2 h 5 min']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Watch:
    """Counts what happens, per task in the order of first mention; tells of failures, draws nothing else."""

    def __init__(self, console: Console) -> None:
        self.tallies: dict[str, Tally] = {}
        self._console = console
        self._shown: Counter[tuple[str, str]] = Counter()
        self._hidden: Counter[tuple[str, Path]] = Counter()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say how many failures were not shown."""
        for (task, log), more in self._hidden.items():
            place = visible(str(log))
            self._console.print(f"{visible(task)}: {counted(more, 'failure')} more like these; log: {place}")

    def _tally(self, task: str) -> Tally:
        return self.tallies.setdefault(task, Tally())

    def expected(self, task: str, count: int) -> None:
        """More pods of a task may run."""
        self._tally(task).expected += count

    def started(self, event: LeafEvent) -> None:
        """A process starts; a second attempt takes back the failure of the first."""
        tally = self._tally(event.task)
        tally.running += 1
        if tally.began is None:
            tally.began = time.monotonic()
        if event.attempt > 1:
            tally.retries += 1
            tally.failed = max(tally.failed - 1, 0)

    def ended(self, event: LeafEvent) -> None:
        """A process ended."""
        tally = self._tally(event.task)
        tally.running = max(tally.running - 1, 0)
        if event.phase in _GOOD:
            tally.succeeded += 1
        else:
            tally.failed += 1
            self._failed(event)

    def _failed(self, event: LeafEvent) -> None:
        """Show a failure at once, unless its task had enough of them, or of its kind."""
        cause, lines = cause_of(event.task, event.message, event.lines)
        of_task, of_kind = (event.task, ""), (event.task, f"{event.phase} {_OF_ITEM.sub('', cause)}")
        if self._shown[of_task] < _OF_TASK and self._shown[of_kind] < _ALIKE:
            self._shown.update((of_task, of_kind))
            self._console.print(failure(event, cause, lines))
        else:
            self._hidden[event.task, event.log] += 1

    def skipped(self, task: str, count: int) -> None:
        """Expected pods will not run."""
        self._tally(task).skipped += count


class Lines(Watch):
    """One line for every failure, and one for every task whose pods are all done.

    A long run says now and then how far it is.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._said: set[str] = set()
        self._last = time.monotonic()

    def expected(self, task: str, count: int) -> None:
        """Wait for these too."""
        super().expected(task, count)
        self._said.discard(task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say how tasks ended that were not tried again."""
        for task, tally in self.tallies.items():
            if tally.failed and tally.done == tally.total:
                self._finished(task)
        super().__exit__(kind, error, trace)

    def started(self, event: LeafEvent) -> None:
        """Say how the task ends now where the failure of its last pod seemed to be its end."""
        super().started(event)
        if event.attempt > 1:
            self._said.discard(event.task)

    def ended(self, event: LeafEvent) -> None:
        """Say it when it failed, or was the last; that it was, nobody knows while it may be tried again."""
        super().ended(event)
        if event.phase in _GOOD or not event.may_go_on:
            self._finished(event.task)

    def skipped(self, task: str, count: int) -> None:
        """Say it when these were the last."""
        super().skipped(task, count)
        self._finished(task)

    def _finished(self, task: str) -> None:
        tally = self.tallies[task]
        if tally.done == tally.total and task not in self._said:
            self._said.add(task)
            self._say(task)
        elif time.monotonic() - self._last > _SILENCE:
            self._say(task)

    def _say(self, task: str) -> None:
        tally, now = self.tallies[task], time.monotonic()
        self._last = now
        self._console.print(", ".join(filter(None, (f"{visible(task)}: {tally.facts()}", tally.pace(now)))))


class Screen(Watch):
    """A bar for every task, redrawn in place; failures scroll by above."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live = Live(self, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars away; a table follows."""
        self._live.stop()
        super().__exit__(kind, error, trace)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the bars that fit; what is done gives way first."""
        rows = list(self.tallies.items())
        room = max(options.size.height - 2, 1)
        if len(rows) > room:
            rows = [row for row in rows if row[1].running or row[1].done < row[1].total][:room]
        width = max((cell_len(visible(task)) for task, _ in rows), default=0)
        now = time.monotonic()
        for task, tally in rows:
            yield _bar(visible(task), width, tally, now)


def _bar(task: str, width: int, tally: Tally, now: float) -> Text:
    filled = _BAR * tally.done // tally.total if tally.total else 0
    colour = "red" if tally.failed else "green" if tally.total and tally.done == tally.total else "cyan"
    return Text.assemble(
        task + " " * (width - cell_len(task)),
        "  ",
        ("━" * filled, colour),
        ("━" * (_BAR - filled), "bright_black"),
        f"  {tally.facts()}",
        (f"  {tally.pace(now)}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def failure(event: LeafEvent, cause: str, lines: Iterable[str]) -> Text:
    """Return a line that says which pod failed, how, and where its log is; below it the end of the log."""
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    message = f": {visible(cause)}" if cause else ""
    text = Text.assemble(
        (visible(event.task), "bold"),
        f" ({visible(event.node)}{again}) ",
        (event.phase.lower(), "bold red"),
        f"{message}; log: {visible(str(event.log))}",
    )
    for line in lines:
        text.append(f"\n  | {visible(line)}", style="dim")
    return text


def untold(outcome: Outcome, states: Mapping[str, str]) -> Text:
    """Return a line for every node that failed by itself and has no pod: a condition that has no value.

    `states` are those of the author's tasks. What the compiler put beside them to end as they do says
    nothing; where it decides the run, the tasks are named that made it fail.
    """
    bad = {path: node for path, node in outcome.nodes.items() if node.phase in ("Failed", "Error")}
    verdicts = [path for path, node in bad.items() if states and node.template == _VERDICT]
    above = {path[: mark.start()] for path in bad for mark in re.finditer(r"[/(]", path)}
    shown: dict[str, list[Text]] = {}
    for path, node in bad.items():
        is_below = any(f"{path}/".startswith(f"{verdict}/") for verdict in verdicts)
        is_cause = node.message and node.type != "Pod" and not _CHILD.fullmatch(node.message)
        if not is_cause or path in above or is_below:
            continue
        place, phase = (visible(_folded(path)), "bold"), (node.phase.lower(), "bold red")
        line = Text.assemble(place, " ", phase, f": {visible(node.message)}\n")
        shown.setdefault(node.message, []).append(line)
    lines = []
    for alike in shown.values():
        lines += alike[:_ALIKE]
        if len(alike) > _ALIKE:
            lines.append(Text(f"and {counted(len(alike) - _ALIKE, 'node')} more like these\n"))
    if f"main/{_VERDICT}" in verdicts:
        lines.append(Text(f"the run failed because {_cause(states)}\n"))
    return Text().join(lines)


def _folded(path: str) -> str:
    """Return a path with what recursion repeats in it written once.

    >>> _folded("main/[0]/again/again/again/again/again/x")
    'main/[0]/again (5 times)/x'
    """
    return _REPEATED.sub(lambda found: f"{found[1]} ({len(found[0]) // len(found[1])} times)", path)


def _cause(states: Mapping[str, str]) -> str:
    """Return which tasks failed, or were omitted where none did."""
    failed = [visible(task) for task, state in states.items() if state in ("Failed", "Error")]
    omitted = [visible(task) for task, state in states.items() if state == "Omitted"]
    names, verb = (failed, "failed") if failed else (omitted, "did not run")
    shown = (
        names[:_NAMED] if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
    )
    *first, last = shown
    return f"{', '.join(first)}{' and ' if first else ''}{last} {verb}"


def watcher(console: Console, *, quiet: bool = False) -> Watch:
    """Return a live display for a terminal, plain lines for anything else; failures alone when quiet."""
    if quiet:
        return Watch(console)
    return Screen(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)


def why_it_ended(outcome: Outcome) -> str:
    """Return the message of a run; where it names what failed by a hash, by its path."""
    if _CHILD.fullmatch(outcome.message):
        for path, node in outcome.nodes.items():
            is_child = path.startswith("main/") and path.count("/") == 1 and node.type != "StepGroup"
            if is_child and node.phase in ("Failed", "Error"):
                return f"{path} {_CHILD_VERB[node.phase]}"
    return outcome.message


def closing(phase: str, message: str, seconds: float, out: str, taken: int = 0) -> Text:
    """Return the last line of a run, of which so many pods were taken over from a former one."""
    style = "bold green" if phase == "Succeeded" else "bold red"
    said = f": {visible(message)}" if message else ""
    over = f"; {counted(taken, 'pod')} taken over" if taken else ""
    return Text.assemble(
        (phase.lower(), style), f" after {seconds:.1f} s{said}{over}; results in {visible(out)}"
    )


def going_on(command: str, *, has_room: bool, is_stuck: bool) -> Text:
    """Return what to do about a run that did not succeed, for want of room or of an end too."""
    first = "" if has_room else "the disk is full: free some space, then "
    if is_stuck:
        first = "nobody ends that wait here: change the manifest (give a `suspend` a `duration`), then "
    return Text(f"{first}`{visible(command)}` goes on; what succeeded is not repeated")
