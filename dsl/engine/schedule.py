"""The run itself: one thread starts calls, hears what ended, and waits for events and clocks only.

DAGs, steps and retries keep their own state (`dag`, `steps`, `retry`); every node is made, ended and counted
here.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from dsl.engine.artifacts import ArtifactError
from dsl.engine.call import Call, Prepared, in_pod, prepare
from dsl.engine.clock import limit_of, patience_of
from dsl.engine.dag import DagPlan, DagRun
from dsl.engine.definition import NODE_TYPES, Definition, Template
from dsl.engine.folder import log_file
from dsl.engine.history import History
from dsl.engine.hooks import Early
from dsl.engine.journal import Record
from dsl.engine.leaf import Leaf, LeafResult, Places
from dsl.engine.leaves import Leaves
from dsl.engine.locks import Lock, Locks, Waiter
from dsl.engine.memo import Memo
from dsl.engine.node import BAD, COMPLETED, COUNTED, Inside, Node, NodeFault, alone
from dsl.engine.patch import patched
from dsl.engine.progress import LeafEvent, Progress
from dsl.engine.readiness import ADDRESS
from dsl.engine.retry import RetryRun
from dsl.engine.scope import Globals
from dsl.engine.steps import StepsRun
from dsl.engine.suspend import suspend
from dsl.engine.tags import substitute
from dsl.engine.volumes import require_volumes, volumes_by_name
from dsl.engine.whole import Whole
from dsl.engine.wholes import Wholes
from dsl.expr.depends import DAEMONED
from dsl.garbage import paused_collection

MAX_DEPTH = 99
_TOO_DEEP = "Maximum recursion depth exceeded. See https://argo-workflows.readthedocs.io/en/latest/scaling/#maximum-recursion-depth"
_EXCEEDED = "Step exceeded its deadline"
_LEFT_OUT = "left out: only another task is to run, and there is nothing of a former run to take over"
_MOST_SECONDS = 2**31 - 1
_AT_A_TIME = 256
_LONGEST_SLEEP = 0.5


_Action = tuple[Any, ...]
"""A callable and what it is called with: a run may have 100,000 of them, and a tuple is small."""


def _around(node: Node) -> Inside | None:
    """Return the calls among which a node counts, if it counts."""
    return node.boundary.inside if node.boundary and node.type in COUNTED else None


def _take_in(node: Node, result: LeafResult) -> None:
    """Give a node what its leaf left."""
    node.outputs, node.artifacts = result.outputs, result.artifacts
    node.result, node.exit_code = result.result, result.exit_code


def _limit(prepared: Prepared) -> int:
    """Return how many children a template's `parallelism` lets run at once, 0 for any number."""
    limit = prepared.body.get("parallelism")
    if limit is None or prepared.template.kind not in ("dag", "steps"):
        return 0
    try:
        return int(limit)
    except (TypeError, ValueError):
        raise NodeFault(f"parallelism of template {prepared.template.name} is no number: {limit}") from None


def _unlimited(prepared: Prepared, limit: float) -> str:
    """Return what Kubernetes says of a pod that may take no time at all, or too much."""
    wrong = f"Invalid value: {limit:.0f}: must be between 1 and {_MOST_SECONDS}, inclusive"
    return f'Pod "{prepared.scope.local["pod.name"]}" is invalid: spec.activeDeadlineSeconds: {wrong}'


class Engine:
    """State of one run. Callbacks run on the calling thread, one after another, never inside each other."""

    def __init__(
        self,
        definition: Definition,
        shared: Globals,
        places: Places,
        history: History,
        wholes: Wholes,
        jobs: int,
        progress: Progress,
    ) -> None:
        self.definition = definition
        self.history = history
        self.wholes = wholes
        self.workflow = definition.name
        self.globals = shared
        self.progress = progress
        self.nodes: dict[str, Node] = {}
        self.hangs: list[str] = []
        self.fault = ""
        """Why the workflow ends with an error, when its entry could not call an exit hook of a step."""
        self.breakdown = ""
        """Why Argo's controller breaks down."""
        self.outputs: dict[str, str] = {}
        self.output_artifacts: dict[str, dict[str, Any]] = {}
        self.events: SimpleQueue[tuple[Node, LeafResult]] = SimpleQueue()
        self.leaves = Leaves(places, history, jobs, lambda leaf, result: self.events.put((leaf.node, result)))
        self.has_deadline = self.past_deadline = False
        self.deadline = 0.0
        """When the workflow has to be over, in whole seconds of `time.time()`, if it `has_deadline`."""
        self.kept: list[tuple[str, tuple[Path, ...]]] = []
        self._ready: list[_Action] = []
        """The last is the next."""
        self._begun: list[_Action] = []
        """What the action at work has left to do, in order."""
        self._when_quiet: deque[_Action] = deque()
        self._taken_over: list[tuple[float, int, _Action]] = []
        self._freed: deque[Inside] = deque()
        self._timers: list[tuple[float, int, _Action]] = []
        self._tickets = itertools.count()
        self.locks = Locks(definition.objects, places.namespace)
        self.plans: dict[tuple[Template, str], DagPlan] = {}
        self._memo = Memo(places.cache, places.store, places.objects)
        self.backing_off: dict[Node, Callable[[], None]] = {}
        self._daemons: dict[Node | None, list[Node]] = {}
        self.early_hooks: dict[Node, Early] = {}
        self._called: dict[Node, Call] = {}

    # --- time ---

    def later(self, action: Callable[..., None], *arguments: object) -> None:
        """Run `action` after what is at work, and before what waits.

        Argo goes into a node, and to the end of what can be done there, before it begins the next beside it.
        """
        self._begun.append((action, *arguments))

    def when_quiet(self, action: Callable[..., None], *arguments: object) -> None:
        """Run `action` when all that can happen now has happened: in Argo, the next time it is woken."""
        self._when_quiet.append((action, *arguments))

    def at_last(self, action: Callable[..., None], *arguments: object) -> None:
        """Run `action` when all else that can happen now has happened, and before Argo is woken again."""
        self._when_quiet.appendleft((action, *arguments))

    def take_over(self, finished: float, action: Callable[..., None], *arguments: object) -> None:
        """Run `action`, which ends what a former run ended at a time: when it is quiet, as that ran a while.

        One after another in the order of then: what it had come to by each, it comes to again.
        """
        heapq.heappush(self._taken_over, (finished, next(self._tickets), (action, *arguments)))

    def at(self, moment: float, action: Callable[..., None], *arguments: object) -> None:
        """Run `action` when `time.monotonic()` has reached `moment`."""
        heapq.heappush(self._timers, (moment, next(self._tickets), (action, *arguments)))

    def run_until_quiet(self, is_over: Callable[[], bool]) -> None:
        """Work until `is_over()`, or until nothing is left that could change anything."""
        while not is_over():
            with paused_collection():  # most of what is made now stays
                self._work_off(is_over)
            if not self._has_work() and (self._when_quiet or self._taken_over):
                self._woken()
                if self._when_quiet:
                    self._ready.append(self._when_quiet.popleft())
                else:
                    self._ready.append(heapq.heappop(self._taken_over)[2])
                continue
            if is_over():  # a clock that nobody needs any more may be left
                return
            self.leaves.start_waiting(self._leaf_starts)
            if self._has_work():  # what was told that a leaf runs
                continue
            if not self._take_event(self._patience()) and self._is_idle():
                return

    def _work_off(self, is_over: Callable[[], bool]) -> None:
        """Do what is ready, and what gets ready by it; now and then see what has ended meanwhile.

        Not before much is done: what a short run comes to must not depend on how fast its leaves are.
        """
        while self._has_work() and not is_over():
            for _ in range(_AT_A_TIME):
                self._ready += reversed(self._begun)
                self._begun.clear()
                if not self._ready:
                    break
                action = self._ready.pop()
                action[0](*action[1:])
            if self._has_work() and not is_over():
                self.leaves.start_waiting(self._leaf_starts)
                self._take_event(0.0)

    def _has_work(self) -> bool:
        return bool(self._ready or self._begun)

    def _is_idle(self) -> bool:
        timers = len(self._timers) - (self.has_deadline and not self._is_open())
        return not (self._has_work() or timers or self.leaves.is_busy or not self.events.empty())

    def _is_open(self) -> bool:
        """Whether there is something that the workflow's deadline would end."""
        return bool(self.locks.waiting or self.backing_off or self.leaves.nodes() or self._suspended())

    def _patience(self) -> float:
        """Seconds to wait for an event, 0 not at all.

        Not for ever: a signal that comes just before this thread falls asleep is seen when it wakes up.
        """
        if not self._timers:
            return _LONGEST_SLEEP if self.leaves.is_busy else 0.0
        return min(max(0.0, self._timers[0][0] - time.monotonic()), _LONGEST_SLEEP)

    def _take_event(self, patience: float) -> bool:
        try:
            node, result = self.events.get(patience > 0.0, patience or None)
        except Empty:
            return self._fire_timers()
        self._leaf_ended(node, result)
        return True

    def _fire_timers(self) -> bool:
        fired = False
        while self._timers and self._timers[0][0] <= time.monotonic():
            action = heapq.heappop(self._timers)[2]
            self._woken()
            action[0](*action[1:])
            fired = True
        return fired

    def _woken(self) -> None:
        """Let tags see that the workflow runs: Argo tells its status when it is woken again."""
        if not self.globals.flat["workflow.status"]:
            self.globals.set("workflow.status", "Running")

    # --- calls ---

    def call(self, call: Call) -> bool:
        """Begin a call, now or when the parallelism of what it stands in allows.

        False if it never begins: that fails fast.
        """
        around = call.boundary.inside if call.boundary else None
        if around and around.fails_fast and around.bad:
            return self._refuses(call)
        if around and around.limit and around.active >= around.limit:
            heapq.heappush(around.waiting, (call.order, next(self._tickets), call))
        else:
            self._begin(call)
        return True

    def _refuses(self, call: Call) -> bool:
        """Whether a call cannot be made anyway: Argo sees that before it sees that nothing more begins."""
        try:
            self.prepared(call)
        except ValueError as wrong:
            self.refuse_call(call, str(wrong))
            return True
        return False

    def _begin(self, call: Call) -> None:
        if call.depth >= MAX_DEPTH:
            self.refuse_call(call, _TOO_DEEP, prefixed=False)
            return
        try:
            prepared = self.prepared(call)
            _limit(prepared)
            rule = prepared.body.get("synchronization")
            locks = self.locks.of(rule) if rule else ()
            patience = patience_of(prepared.body) if locks else None
        except ValueError as wrong:
            self.refuse_call(call, str(wrong))
            return
        if locks:
            call.done = partial(self._unlock_after, locks, call, call.done)
            if full := self.locks.full(locks):
                waiting = self._pending(prepared, full.wait)
                waiter = Waiter(call.order, next(self._tickets), locks, prepared, waiting)
                self.locks.wait(waiter, full)
                if patience is not None:
                    self.at(time.monotonic() + patience, self._give_up, waiter)
                return
            self.locks.take(locks, call)
        self._execute(prepared)

    def prepared(self, call: Call) -> Prepared:
        """Match a call's arguments with inputs and fill its template. Raises NodeFault and TagError."""
        retried = self._retry_rule(call) is not None
        return prepare(call, self.globals, self.workflow, self.definition.objects, retried=retried)

    def has_refused(self, path: str) -> bool:
        """Whether the call that makes the node of a path has failed at once, before anything ran."""
        node = self.nodes.get(path)
        return node is not None and bool(node.fault)

    def _retry_rule(self, call: Call) -> Mapping[str, Any] | None:
        own: Mapping[str, Any] | None = call.template.raw.get("retryStrategy")
        return self.definition.spec.get("retryStrategy") if own is None else own

    def _execute(self, prepared: Prepared) -> None:
        try:
            memo = prepared.body.get("memoize")
            outputs = None
            if memo and not self._is_known(prepared):
                self.history.make_room(prepared.call.path)
                outputs = self._memo.recall(memo)
        except NodeFault as wrong:
            self.refuse_call(prepared.call, str(wrong))
            return
        if outputs is not None:
            self._recall(prepared, outputs)
        else:
            self.enter(prepared, self._whole_node(prepared))

    def enter(self, prepared: Prepared, node: Node) -> None:
        """Run a call in its node, once or as often as its template says."""
        rule = self._retry_rule(prepared.call)
        if rule is None:
            self.run_body(prepared, node, prepared.call.done)
        else:
            RetryRun(self, prepared, rule, node).start()

    def _is_known(self, prepared: Prepared) -> bool:
        """Whether what a former run has of a call decides, and no cache: it is taken over, or shall run."""
        call = prepared.call
        node = Node(call.name, call.path, "", call.boundary, prepared.template, call.task)
        return self.history.is_chosen(node, self.definition) or self.history.has_succeeded(call.path)

    def _recall(self, prepared: Prepared, outputs: Mapping[str, Any]) -> None:
        """Give a call the outputs that a cache has for it."""
        node = self._whole_node(prepared)
        node.recalled, node.done = True, prepared.call.done
        node.outputs, node.artifacts = outputs["parameters"], outputs["artifacts"]
        node.result, node.exit_code = outputs["result"], outputs["exitCode"]
        if prepared.template.is_leaf:
            self.kept.append((prepared.template.task, self._memo.places(node)))
        self.skip_expected(node)
        self.finish(node, "Succeeded")

    def _whole_node(self, prepared: Prepared) -> Node:
        """Make and add the node of a call with all its attempts."""
        return self.node_of(prepared, node_type="" if self._retry_rule(prepared.call) is None else "Retry")

    def node_of(self, prepared: Prepared, suffix: str = "", flag: str = "", node_type: str = "") -> Node:
        """Make and add the node of a call; `suffix` distinguishes attempts."""
        call = prepared.call
        node = Node(
            call.name + suffix,
            call.path + suffix,
            node_type or NODE_TYPES[prepared.template.kind],
            call.boundary,
            prepared.template,
            call.task,
            flag=f"{call.flag} {flag}".strip(),
            order=call.order,
            depth=call.depth,
            inputs=prepared.inputs,
        )
        if prepared.template.exports:
            node.exports = prepared.body.get("outputs") or {}
        node.memo = prepared.body.get("memoize")
        node.beside = call.beside or (call.boundary is not None and call.boundary.beside)
        return self.add(node)

    def add(self, node: Node) -> Node:
        """Enter a node into the run."""
        path = node.path
        if path in self.nodes:
            node.path = node.name.replace(self.workflow, "main", 1)
        self.nodes[node.path] = node
        if around := _around(node):
            around.active += 1
        if node.boundary and node.boundary.inside:
            node.boundary.inside.nodes.append(node)
        return node

    def run_body(
        self, prepared: Prepared, node: Node, done: Callable[[Node], None], until: float | None = None
    ) -> None:
        """Run a template whose node exists, and a leaf no longer than `until`."""
        node.done = done
        kind = prepared.template.kind
        if kind in ("dag", "steps"):
            self.runs(prepared.call, node)
            whole = None if self.past_deadline else self.wholes.former(node, prepared)
            if whole:
                self.take_over(whole.finished, self._take_whole, node, whole)
                return
            self.history.node_begins(node, prepared.template)
            inner = (DagRun if kind == "dag" else StepsRun)(self, prepared, node)
            node.inside = Inside(_limit(prepared), prepared.body.get("failFast") is True, inner.abort)
            self.later(inner.start)
        elif kind == "suspend":
            suspend(self, prepared, node)
        else:
            self._queue_leaf(prepared, node, until)

    def runs(self, call: Call, node: Node) -> None:
        """Tell the caller, once, that a node runs."""
        if call.runs:
            self.later(call.runs, node)
            call.runs = None

    def refuse_call(self, call: Call, fault: str, *, prefixed: bool = True) -> None:
        """Give a call that cannot be made its node."""
        node = Node(
            call.name, call.path, "Skipped", call.boundary, call.template, call.task, order=call.order
        )
        node.flag, node.depth, node.done = call.flag, call.depth, call.done
        self.skip_expected(node)
        self.fail(self.add(node), call, fault, prefixed=prefixed)

    def fail(self, node: Node, call: Call, fault: str, *, prefixed: bool = True) -> None:
        """End a node with phase Error because of `fault`; a DAG names the task before it, but no attempt."""
        node.fault = fault
        is_own = node.name == call.name  # and not one of its attempts
        prefix = f"task '{call.name}' errored: " if call.caller == "tasks" and prefixed and is_own else ""
        self.finish(node, "Error", prefix + fault)

    def finish(self, node: Node, phase: str, message: str = "", moment: float = 0.0) -> None:
        """End a node, now or at a moment that has been, and tell whoever waits for it."""
        node.finished, node.view = moment or time.time(), None
        if self.history.taken and not moment:
            node.take_times()
        if phase == "Succeeded" and node.type in ("DAG", "Steps") and (why := self._unkept(node)):
            phase, message = "Error", why
        node.phase, node.message = phase, message
        self.history.node_ended(node)
        if node.branch is None and phase in COMPLETED:
            is_bare = node.type == "Retry" and not node.children  # what waits hangs below the last attempt
            node.branch = () if is_bare else alone(phase)
        if node.type in ("Pod", "Steps") and not node.recalled:  # of others when the DAG ends that calls them
            self.export(node)
        if node.inside:
            node.inside.abort = None
        self.wholes.ended(node)
        if around := _around(node):
            around.active -= 1
            around.bad += phase in BAD
            self._ended_in(around, node)
        if node in self._daemons:
            self.end_daemons(node)
        if node.done:
            self.later(node.done, node)
            node.done = None

    def _unkept(self, node: Node) -> str:
        """Keep in a cache what a node made that has success, if that is wanted; return why it cannot be."""
        if node.memo and not (node.recalled or node.taken or node.ip):
            try:
                self._memo.keep(node.memo, node)
            except (OSError, ArtifactError) as wrong:
                return f"could not save to config map cache: {wrong}"
        return ""

    def break_down(self, why: str) -> None:
        """End the run where Argo's controller breaks down, whatever is open."""
        self.breakdown = why
        self.finish(self.nodes["main"], "Error", "Workflow operation error")

    def spoil(self, node: Node, fault: str) -> None:
        """Let a node that has ended end with phase Error after all."""
        was_bad = node.phase in BAD
        node.phase, node.message, node.fault = "Error", fault, fault
        node.branch, node.view = alone("Error"), None
        around = _around(node)
        if around and not was_bad:
            around.bad += 1
            self._ended_in(around, node)

    def _ended_in(self, around: Inside, node: Node) -> None:
        """Begin what has waited for room, or end what fails fast.

        Argo sees to that before it goes into it: of all that is not a pod it knows the end the next time.
        """
        self._release(around)
        if around.bad:
            (self.later if node.type == "Pod" else self.when_quiet)(self._fail_fast, around)

    def _fail_fast(self, around: Inside) -> None:
        if around.fails_fast and not around.active and around.abort:
            around.abort()

    def _release(self, around: Inside) -> None:
        """Begin what has waited for room below a node.

        What begins may end at once and make room again: the loop that is at work sees to that, however often.
        """
        self._freed.append(around)
        if len(self._freed) == 1:
            while self._freed:
                self._fill(self._freed[0])
                self._freed.popleft()

    def _fill(self, around: Inside) -> None:
        if around.fails_fast and around.bad:
            around.waiting.clear()
            return
        while around.waiting and (not around.limit or around.active < around.limit):
            self._begin(heapq.heappop(around.waiting)[2])

    def export(self, node: Node) -> None:
        """Make outputs with a `globalName` outputs of the workflow.

        Pods and steps do so when they end, and every task of a DAG that is no loop does when the DAG succeeds
        (dag.go:executeDAG, v4.1.2).
        """
        node = node.children[-1] if node.type == "Retry" and node.children else node
        declared = node.exports
        if not declared or not node.has_outputs:
            return
        for parameter in declared.get("parameters") or []:
            value = node.outputs.get(str(parameter["name"]))
            if parameter.get("globalName") and value is not None:
                name = str(parameter["globalName"])
                self.outputs[name] = value
                self.globals.set(f"workflow.outputs.parameters.{name}", value)
        for found in node.artifacts.values():  # that of a DAG or of steps has the word of what made it
            if name := str(found.get("globalName") or ""):
                self.output_artifacts[name] = found
                self.globals.set(f"workflow.outputs.artifacts.{name}", found)

    # --- locks ---

    def _pending(self, prepared: Prepared, wait: str) -> Node:
        node = self._whole_node(prepared)
        node.phase, node.message = "Pending", wait
        return node

    def _unlock_after(
        self, locks: tuple[Lock, ...], call: Call, done: Callable[[Node], None], node: Node
    ) -> None:
        self.locks.release(locks, call)
        while waiter := self.locks.next(locks):
            self.locks.take(waiter.locks, waiter.prepared.call)
            self._forget(waiter.node)
            self._execute(waiter.prepared)
            if around := _around(waiter.node):  # it may have ended without taking the place again
                self._release(around)
        done(node)

    def _give_up(self, waiter: Waiter) -> None:
        """End a call that has waited for its locks as long as its template lets it."""
        if self.locks.give_up(waiter):
            waiter.node.done = waiter.prepared.call.done
            self.finish(waiter.node, "Failed", "timeout")

    def _forget(self, node: Node) -> None:
        del self.nodes[node.path]
        if node.boundary and node.boundary.inside:
            node.boundary.inside.nodes.remove(node)
        if around := _around(node):
            around.active -= 1

    def waits(self) -> list[str]:
        """Return what nodes wait for that nothing in the run will ever give."""
        locks = [f"{waiter.node.path}: {waiter.node.message}" for waiter in self.locks.waiting]
        held = [scope.path for scope in self._daemons if scope and scope.inside and scope.inside.waiting]
        held += ["the workflow"] if self.leaves.is_held_up else []
        locks += [f"daemons take up the parallelism of {each}" for each in held]
        return locks + [f"{node.path} is suspended until somebody resumes it" for node in self._suspended()]

    def _suspended(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.type == "Suspend" and node.phase == "Running"]

    # --- leaves: every process starts and ends here ---

    def _queue_leaf(self, prepared: Prepared, node: Node, until: float | None) -> None:
        node.phase = "Pending"
        if self.past_deadline:
            self._leaf_ended(node, LeafResult("Failed", _EXCEEDED))
            return
        call = prepared.call
        caller = call.boundary.template if call.boundary else None
        keeps = caller is not None and call.task in caller.read_results and not call.flag
        attempt = int(prepared.scope.local.get("retries", "0"))
        try:
            if prepared.has_tags:
                prepared = in_pod(prepared)
            body = self._patched(prepared)
            limit = limit_of(body)
            if limit is not None and (limit == 0 or limit > _MOST_SECONDS):
                raise ValueError(_unlimited(prepared, limit))
            leaf = Leaf(
                node, prepared.template, body, prepared.inputs, prepared.artifacts, keeps, attempt,
                str(prepared.scope.local.get("pod.name", "")), until,
            )  # fmt: skip
            volumes = volumes_by_name(self.definition.spec, leaf.body)
            require_volumes(leaf.containers, volumes, self.leaves.places.claims)
        except ValueError as wrong:
            self.skip_expected(node)
            self.fail(node, call, str(wrong))
            return
        if call.runs:
            self._called[node] = call
        if record := self.history.former(leaf):
            self.take_over(record.finished, self._take_leaf, leaf, record)
        elif self.history.leaves_out(leaf):
            self.progress.skipped(leaf.template.task, 1)
            self.later(self.finish, node, "Omitted", _LEFT_OUT)
        else:
            self.leaves.add(leaf, node.order)

    def _take_leaf(self, leaf: Leaf, record: Record) -> None:
        """Let a leaf start, and end as it ended in a former run; what was retried there has been told of."""
        if not leaf.node.is_done:
            leaf.log = log_file(self.leaves.places.logs, leaf.template.task)
            is_told = self.history.was_retried(record)
            self._begins(leaf)
            if not is_told:
                self._tell_started(leaf)
            self.later(self._end_taken, leaf, record, is_told)

    def _end_taken(self, leaf: Leaf, record: Record, is_told: bool) -> None:
        leaf.node.started, leaf.node.taken = record.started, True
        result = LeafResult(
            record.phase,
            record.message,
            record.exit_code,
            record.result,
            record.outputs,
            record.members,
            record.artifacts,
            self.history.take(leaf, record),
        )
        self._end_leaf(leaf, result, record.finished)
        if not is_told:
            self._tell_ended(leaf, result)

    def _take_whole(self, node: Node, whole: Whole) -> None:
        """End a DAG or steps node with all that was in it in a former run."""
        assert node.template is not None
        if node.is_done:
            return
        taken = list(self.history.take_whole(whole))
        self.kept += [(record.task, kept) for record, kept in taken if kept]
        records = {record.leaf: record for record, _ in taken}
        called = self.wholes.called(node.template)
        self.nodes.update((each.path, each) for each in whole.nodes(node, called, records))
        counts = Counter([record.task for record, _ in taken])
        if counts != (known := self.definition.leaf_counts(node.template)):  # there are loops in it
            for task, count in (counts - known).items():
                self.progress.expected(task, count)
        logs = {task: log_file(self.leaves.places.logs, task) for task in counts}
        for record, _ in taken:
            task, path, log = record.task, record.leaf, logs[record.task]
            self.progress.started(LeafEvent(task, path, 1, "Running", "", 0.0, log))
            seconds = max(0.0, record.finished - record.started)
            self.progress.ended(LeafEvent(task, path, 1, record.phase, "", seconds, log))
        self.finish(node, "Succeeded", moment=node.finished)

    def _patched(self, prepared: Prepared) -> Mapping[str, Any]:
        """Return a leaf's template with what patches say of its pod. Raises ValueError."""
        whole = substitute(str(self.definition.spec.get("podSpecPatch") or ""), prepared.scope)
        patches = [patch for patch in (whole, str(prepared.body.get("podSpecPatch") or "")) if patch]
        return patched(prepared.body, prepared.template.kind, patches, self.leaves.places.yaml)

    def _leaf_starts(self, leaf: Leaf) -> None:
        self._begins(leaf)
        self._tell_started(leaf)

    def _begins(self, leaf: Leaf) -> None:
        leaf.node.phase = "Running"
        leaf.node.ran, leaf.node.started = True, time.time()
        if call := self._called.pop(leaf.node, None):
            self.runs(call, leaf.node)

    def _tell_started(self, leaf: Leaf) -> None:
        self.progress.started(
            LeafEvent(
                leaf.template.task, leaf.node.path, leaf.attempt + 1, "Running", "", 0.0, leaf.log, leaf.lines
            )
        )

    def _leaf_ended(self, node: Node, result: LeafResult) -> None:
        if result.phase == DAEMONED:
            if not node.is_done:
                self.leaves.let_be(node)
                self.daemoned(node)
            return
        if result.message == _EXCEEDED:  # Argo does not take in any more what a pod leaves
            result = replace(result, exit_code=None, result=None, outputs={}, artifacts={})
        leaf = self.leaves.forget(node)
        if node.is_done and node.phase != DAEMONED:  # a daemon whose scope has ended
            return
        if leaf is None:
            self.finish(node, result.phase, result.message)
            return
        moment = time.time()
        if leaf.node.ran:
            try:
                result = self._put_down(leaf, result, moment)
            except OSError as wrong:
                result = LeafResult("Error", f"the journal cannot be written: {wrong}")
        self._end_leaf(leaf, result, moment)
        self._tell_ended(leaf, result)

    def _put_down(self, leaf: Leaf, result: LeafResult, moment: float) -> LeafResult:
        """Put down how a leaf that ran has ended, and what it made in a cache first. Raises OSError."""
        _take_in(leaf.node, result)
        if result.phase == "Succeeded" and (why := self._unkept(leaf.node)):
            result = replace(result, phase="Error", message=why)
        self.history.ended(leaf, result, moment)
        return result

    def put_down_ended(self) -> None:
        """After a signal: take note of the leaves that had ended before it."""
        while not self.events.empty():
            node, result = self.events.get()
            leaf, moment = self.leaves.forget(node), time.time()
            if leaf and result.phase == "Succeeded":
                with suppress(OSError):
                    self._end_leaf(leaf, self._put_down(leaf, result, moment), moment)

    def _end_leaf(self, leaf: Leaf, result: LeafResult, moment: float) -> None:
        node = leaf.node
        self._woken()
        for name, (phase, message) in result.members.items():
            member = Node(f"{node.name}.{name}", f"{node.path}/{name}", "Container", node, flag=node.flag)
            self.finish(self.add(member), phase, message, moment)
        _take_in(node, result)
        if result.kept and result.phase == "Succeeded":
            self.kept.append((leaf.template.task, result.kept))
        self.finish(node, result.phase, result.message, moment)

    def _tell_ended(self, leaf: Leaf, result: LeafResult) -> None:
        node = leaf.node
        event = LeafEvent(
            leaf.template.task, node.path, leaf.attempt + 1, result.phase, result.message,
            max(0.0, node.finished - node.started), leaf.log, leaf.lines, node.is_attempt,
        )  # fmt: skip
        self.progress.ended(event)

    def exceed_deadline(self) -> None:
        """The workflow's deadline has passed: end what is open and has a pod or waits for a clock."""
        self.past_deadline = True
        for node in self._suspended():
            self.finish(node, "Failed", _EXCEEDED)
        for waiter in self.locks.clear():
            waiter.node.done = waiter.prepared.call.done
            self.finish(waiter.node, "Failed", _EXCEEDED)
        for node in [node for node in self.leaves.nodes() if not node.is_done]:
            waiting = self.leaves.cancel(node, _EXCEEDED)
            if waiting:
                self._leaf_ended(node, LeafResult("Failed", _EXCEEDED))
        for resume in list(self.backing_off.values()):
            resume()

    # --- daemons ---

    def daemoned(self, node: Node) -> None:
        """A daemon is ready: what waits for it goes on. A later attempt of it changes nothing."""
        if node.phase == DAEMONED:
            return
        node.phase, node.ip = DAEMONED, ADDRESS
        self._daemons.setdefault(node.boundary, []).append(node)
        if node.done:
            self.later(node.done, node)
            node.done = None

    def end_daemons(self, scope: Node | None) -> None:
        """End the daemons that a DAG or steps, or the workflow itself, started: they have had success.

        Source: workflow/controller/exec_control.go:killDaemonedChildren (v4.1.2).
        """
        for node in self._daemons.pop(scope, ()):
            if self.backing_off.pop(node, None):
                self.finish(node, "Succeeded")
            for each in node.children if node.type == "Retry" else [node]:
                if each.phase == DAEMONED or not each.is_done:
                    leaf = self.leaves.end_daemon(each)
                    self.finish(each, "Succeeded")
                    self._tell_ended(leaf, LeafResult("Succeeded"))

    # --- progress ---

    def skip_expected(self, node: Node) -> None:
        """Tell the watcher that the pods below a node will not run."""
        for task, count in self.definition.leaf_counts(node.template).items():
            self.progress.skipped(task, count)
