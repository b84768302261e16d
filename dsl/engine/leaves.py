"""The leaves of a run that wait and run: how many at once, and in which order they start.

Each that runs has a thread, which only waits.
"""

from __future__ import annotations

import heapq
import itertools
import math
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from dsl.engine.execution import run_leaf
from dsl.engine.folder import log_file
from dsl.engine.history import History
from dsl.engine.leaf import SCOPE_ENDED, UNLOGGED, Leaf, LeafResult, Places
from dsl.engine.node import Node
from dsl.expr.depends import DAEMONED


class Leaves:
    """The leaves that wait and run; the least `order` starts first.

    Daemons that are ready and hooks of what runs, which may wait for them, run beside them: they take no
    place but in the parallelism of the workflow, and as many hooks run at once as others may.
    """

    def __init__(
        self, places: Places, history: History, jobs: int, ended: Callable[[Leaf, LeafResult], None]
    ) -> None:
        self.places = places
        self.history = history
        self.jobs = jobs
        self._ended = ended
        self._tickets = itertools.count()
        self._waiting: list[tuple[tuple[int, ...], int, Leaf]] = []
        self._hooks_waiting: list[tuple[tuple[int, ...], int, Leaf]] = []
        self._leaves: dict[Node, Leaf] = {}
        self._started: set[Node] = set()
        self._running: set[Node] = set()
        self._hooks: set[Node] = set()
        self._daemons: set[Node] = set()
        self._given: SimpleQueue[Leaf | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._logs = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a leaf runs that will end."""
        return bool(self._running or self._hooks)

    @property
    def is_held_up(self) -> bool:
        """Whether a leaf waits and daemons leave it no place."""
        waits = self._waiting or self._hooks_waiting
        return bool(waits and self._daemons and self._places_left() < 1)

    def _places_left(self) -> float:
        """Return how many more may run and take a place."""
        return min(self.jobs - len(self._running), self._room())

    def _room(self) -> float:
        """Return how many more the parallelism of the workflow lets run."""
        limit = self.places.spec.get("parallelism")
        return int(limit) - sum(map(len, (self._running, self._hooks, self._daemons))) if limit else math.inf

    def nodes(self) -> list[Node]:
        """Return the nodes of all leaves that wait or run."""
        return list(self._leaves)

    def add(self, leaf: Leaf, order: tuple[int, ...]) -> None:
        """Let a leaf wait for its turn."""
        self._leaves[leaf.node] = leaf
        waiting = self._hooks_waiting if leaf.node.beside else self._waiting
        heapq.heappush(waiting, (order, next(self._tickets), leaf))

    def start_waiting(self, starts: Callable[[Leaf], None]) -> None:
        """Start as many as may run; `starts` hears of each."""
        while self._hooks_waiting and len(self._hooks) < self.jobs and self._room() > 0:
            self._start(heapq.heappop(self._hooks_waiting)[2], self._hooks, starts)
        while self._waiting and self._places_left() > 0:
            self._start(heapq.heappop(self._waiting)[2], self._running, starts)

    def _start(self, leaf: Leaf, among: set[Node], starts: Callable[[Leaf], None]) -> None:
        """Start a leaf unless it has been taken out."""
        if leaf.node not in self._leaves:
            return
        leaf.log = log_file(self.places.logs, leaf.template.task)
        leaf.lines = self.places.tasks / f"{leaf.folder_name}.log"
        starts(leaf)
        among.add(leaf.node)
        self._started.add(leaf.node)
        self._given.put(leaf)
        if len(self._threads) < len(self._started):  # an ended daemon has its own for a while
            self._threads.append(threading.Thread(target=self._work, daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        while leaf := self._given.get():
            self._run(leaf)

    def _run(self, leaf: Leaf) -> None:
        if leaf.template.is_daemon:
            leaf.ready = partial(self._ended, leaf, LeafResult(DAEMONED))
        try:
            self.history.fingerprint(leaf)
            with self.history.at_work(leaf):
                result = run_leaf(leaf, self.places)
            result.files = self.history.files(result.left)
        except Exception as wrong:
            result = LeafResult("Error", f"{type(wrong).__name__}: {wrong}")
        try:
            with self._logs:
                _append(leaf.lines, leaf.log)
            if result.phase == "Succeeded":
                leaf.lines.unlink(missing_ok=True)
        except OSError as wrong:
            result = LeafResult("Error", f"{UNLOGGED}: {wrong}")
        self._ended(leaf, result)

    def forget(self, node: Node) -> Leaf | None:
        """Take an ended leaf out."""
        for among in (self._started, self._running, self._hooks, self._daemons):
            among.discard(node)
        return self._leaves.pop(node, None)

    def let_be(self, node: Node) -> None:
        """Let a daemon that is ready run beside the others."""
        self._running.discard(node)
        self._hooks.discard(node)
        self._daemons.add(node)

    def end_daemon(self, node: Node) -> Leaf:
        """Stop a daemon whose scope has ended, or let it not start."""
        self._daemons.discard(node)
        leaf = self._leaves[node] if node in self._started else self._leaves.pop(node)
        leaf.group.stop(SCOPE_ENDED)
        return leaf

    def cancel(self, node: Node, reason: str) -> bool:
        """Stop a leaf; True when it had not started, so that nobody else will end it."""
        self._leaves[node].group.stop(reason)
        return node not in self._started

    def stop(self) -> None:
        """Kill everything: first asked, soon forced; returns when no process is left."""
        leaves = list(self._leaves.values())
        try:
            for leaf in leaves:
                leaf.group.stop("interrupted")
            self._join(2.0)
        finally:  # a second interrupt must not leave a process behind
            for leaf in leaves:
                leaf.group.kill()
            self._join(5.0)
            self.places.runtime.close()

    def close(self) -> None:
        """End what only waits for more leaves, and daemons that nobody waits for any more."""
        for leaf in self._leaves.values():
            leaf.group.stop(SCOPE_ENDED)
        self._join(6.0)  # longer than a stubborn daemon is let live
        self.places.runtime.close()

    def _join(self, seconds: float) -> None:
        """Wait for the threads to end what they run, and no longer than some seconds."""
        until = time.monotonic() + seconds
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))


def _append(lines: Path, log: Path) -> None:
    """Add what one leaf wrote to the log of its task: lines of two leaves never mix."""
    try:
        is_empty = lines.stat().st_size == 0
    except FileNotFoundError:  # it could not begin
        return
    if not (is_empty and log.exists()):
        log.parent.mkdir(parents=True, exist_ok=True)
        with lines.open("rb") as source, log.open("ab") as target:
            shutil.copyfileobj(source, target)
