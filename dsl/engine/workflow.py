"""The run of a whole workflow: its entry, its own hooks, its exit handler, its deadline and its phase."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from dsl.engine.arguments import fill, parameters_of
from dsl.engine.call import Call
from dsl.engine.clock import moment
from dsl.engine.definition import Template
from dsl.engine.hooks import exit_hook
from dsl.engine.node import BAD, Node, NodeFault
from dsl.engine.outcome import Outcome
from dsl.engine.schedule import Engine
from dsl.engine.scope import Scope
from dsl.engine.tags import Mode, TagError, substitute
from dsl.expr import gojson
from dsl.expr.depends import DAEMONED
from dsl.expr.expression import compiled
from dsl.expr.gojson import Value
from dsl.garbage import paused_collection


class WorkflowRun:
    """Drives an engine from the entry to the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.spec = engine.definition.spec
        self.main: Node | None = None
        self.exit: Node | None = None
        self.hooks = 0
        self.seen: set[str] = set()
        self.started = time.time()

    def outcome(self) -> Outcome:
        """Run everything and say how it ended."""
        template = self.engine.definition.templates[str(self.spec["entrypoint"])]
        if self.engine.globals.fault:
            return self._ended("Failed", self.engine.globals.fault)
        if self.spec.get("suspend"):
            self.engine.hangs.append("the workflow is suspended until somebody resumes it")
            return self._stuck()
        try:
            self._lock()
        except NodeFault as wrong:
            return self._ended("Failed", f"Failed to acquire the synchronization lock. {wrong}")
        self._start_deadline()
        for task, count in self.engine.definition.leaf_counts(template).items():
            self.engine.progress.expected(task, count)
        try:
            entry = self._call(template, "", self.spec.get("arguments") or {}, self._main_ended)
        except TagError as wrong:  # the controller only notes it in its log, each time it looks
            self.engine.hangs.append(f"spec.arguments: {wrong}")
            return self._stuck()
        self.engine.call(entry)
        self.engine.when_quiet(self._look)
        self.engine.run_until_quiet(lambda: self.main is not None and not self.hooks)
        if self.main is None:
            return self._stuck()
        if self.engine.breakdown:
            return self._ended("Error", self.engine.breakdown)
        phase = self.main.phase if self.main.phase in BAD else "Succeeded"
        message = (self.engine.fault or self.main.message) if phase in BAD else ""
        if self.main.fault and self.main.phase == "Error":
            message = f"error in entry template execution: {self.main.fault}"
        self.engine.globals.set("workflow.status", phase)
        self._start_hooks()
        self.engine.run_until_quiet(lambda: not self.hooks)
        if not self._run_exit(phase):
            return self._stuck()
        if self.exit and self.exit.fault:
            phase, message = "Error", f"error in exit template execution : {self.exit.fault}"
        elif self.exit and self.exit.phase in BAD and phase == "Succeeded":
            phase, message = self.exit.phase, self.exit.message
        self._end_open()
        return self._ended(phase, message)

    def _call(self, template: Template, suffix: str, arguments: Mapping[str, Any], done: Value) -> Call:
        scope = Scope(self.engine.globals, {})
        filled = fill(arguments, scope, Mode.LENIENT)
        located = {str(artifact["name"]): artifact for artifact in filled.get("artifacts") or []}
        parameters = parameters_of(filled)
        given = {
            name: self.engine.globals.flat.get(f"workflow.parameters.{name}", value) if not suffix else value
            for name, value in parameters.items()
        }
        name = self.engine.workflow + suffix
        call = Call(name, f"main{suffix}", template, done, given, located, flag="hooked" if suffix else "")
        call.order = (0,)
        call.beside = bool(suffix) and self.main is None
        return call

    def _lock(self) -> None:
        """Take the locks of the workflow itself. Raises NodeFault."""
        rule = fill(self.spec.get("synchronization") or {}, Scope(self.engine.globals, {}), Mode.LENIENT)
        self.engine.locks.take(self.engine.locks.of(rule), self)

    def _main_ended(self, node: Node) -> None:
        self.main = node

    def _exit_ended(self, node: Node) -> None:
        self.exit = node

    def _hook_ended(self, node: Node) -> None:
        self.hooks -= 1
        if node.fault:
            self._hook_failed(node.fault)

    # --- hooks ---

    def _look(self) -> None:
        """Start the hooks of a workflow that runs: Argo knows when it looks at it for the second time."""
        if self.main is None:
            self._start_hooks()

    def _start_hooks(self) -> None:
        """Start the workflow's hooks whose expression holds now and that have not run yet."""
        for name, hook in (self.spec.get("hooks") or {}).items():
            if name == "exit" or name in self.seen:
                continue
            try:
                expression = substitute(str(hook.get("expression") or ""), Scope(self.engine.globals, {}))
                holds = compiled(expression).truth(self.engine.globals.tree())
            except ValueError as wrong:
                self._hook_failed(str(wrong))
                return
            if not holds:
                continue
            self.seen.add(name)
            self.hooks += 1
            named = {key: hook.get(key) for key in ("template", "templateRef")}
            holder = fill(named, Scope(self.engine.globals, {}), Mode.LENIENT)
            template = self.engine.definition.called(holder)
            if template is None:
                self._refuse(holder, f".hooks.{name}", self._hook_ended)
                continue
            arguments = hook.get("arguments") or {}
            self.engine.call(self._call(template, f".hooks.{name}", arguments, self._hook_ended))

    def _refuse(self, hook: Mapping[str, Any], suffix: str, done: Callable[[Node], None]) -> None:
        """Give a hook that calls what is not there its node."""
        node = Node(self.engine.workflow + suffix, f"main{suffix}", "Skipped", flag="hooked")
        node.done, node.fault = done, f"template {hook.get('template')} not found"
        self.engine.finish(self.engine.add(node), "Error", node.fault)

    def _hook_failed(self, fault: str) -> None:
        """Note a hook that cannot be evaluated or called at the entry, which that ends if it runs."""
        entry = self.engine.nodes["main"]
        if self.main is None:
            self.engine.finish(entry, "Error", fault)
        else:
            self.engine.spoil(entry, fault)

    def _run_exit(self, phase: str) -> bool:
        """Run the exit handler; False when it would never end."""
        hook = exit_hook(self.spec, self.spec)
        if hook is None:
            return True
        self.engine.past_deadline = False
        shared = self.engine.globals
        shared.set("workflow.status", phase)
        shared.set("workflow.duration", f"{time.time() - self.started:.6f}")
        shared.set("workflow.failures", self._failures())
        self._call_exit(hook)
        self.engine.run_until_quiet(lambda: self.exit is not None)
        return self.exit is not None

    def _call_exit(self, hook: Mapping[str, Any]) -> None:
        template = self.engine.definition.called(hook)
        if template is None:
            self._refuse(hook, ".onExit", self._exit_ended)
            return
        for task, count in self.engine.definition.leaf_counts(template).items():
            self.engine.progress.expected(task, count)
        try:
            self.engine.call(self._call(template, ".onExit", hook["arguments"], self._exit_ended))
        except TagError as wrong:
            call = self._call(template, ".onExit", {}, self._exit_ended)
            self.engine.refuse_call(call, str(wrong))

    def _failures(self) -> str:
        """Return the failed nodes as Argo does: JSON inside a JSON string, `"null"` when nothing failed."""
        failed = [
            {
                "displayName": self.engine.workflow if node.path == "main" else node.path.rsplit("/", 1)[-1],
                "message": node.message,
                "templateName": node.template.name if node.template else "",
                "phase": node.phase,
                "podName": node.identity(self.engine.workflow),
                "finishedAt": moment(int(node.finished)),
            }
            for node in self.engine.nodes.values()
            if node.phase in BAD
        ]
        return json.dumps(gojson.dumps(failed) if failed else "null", ensure_ascii=False)

    # --- time and ends ---

    def broken_off(self, why: BaseException) -> Outcome:
        """Return how far the run came before `why`: what had begun failed, the rest is omitted.

        Argo fails both when a workflow is terminated; here a state says whether there is anything to look at.
        """
        is_bug = isinstance(why, Exception)
        phase, message = ("Error", f"{type(why).__name__}: {why}") if is_bug else ("Failed", "interrupted")
        self._break_off(message)
        return self._ended(phase, message)

    def _end_open(self) -> None:
        """End what is still at work when the workflow has ended, as its entry did at once with an error.

        Argo leaves such nodes as they were, for ever, and their pods to themselves. So are nodes here that no
        pod keeps open.
        """
        self.engine.end_daemons(None)
        if not all(node.is_done for node in self.engine.leaves.nodes()):
            self.engine.leaves.stop()
            self.engine.put_down_ended()
            self._break_off("stopped when the workflow ended")

    def _break_off(self, message: str) -> None:
        """Let what had begun and is open be failed, and what had not be omitted."""
        nodes = self.engine.nodes
        ran = [path for path, node in nodes.items() if node.ran]
        begun = {path[: mark.start()] for path in ran for mark in re.finditer(r"[/(]|$", path)}
        for path, node in nodes.items():
            if not node.is_done or node.phase == DAEMONED:
                node.phase, node.message = ("Failed" if path in begun else "Omitted"), message
                node.finished = time.time()

    def _start_deadline(self) -> None:
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is not None:
            self.engine.has_deadline = True
            self.engine.at(time.monotonic() + float(str(seconds)), self._exceeded)
            self.engine.deadline = int(self.started) + float(str(seconds))

    def _exceeded(self) -> None:
        self.engine.has_deadline = False
        if self.main is None:
            self.engine.exceed_deadline()

    def _stuck(self) -> Outcome:
        reasons = [*self.engine.hangs, *self.engine.waits()] or ["nothing is left to run"]
        shown = "; ".join(dict.fromkeys(reasons))
        return self._ended("Error", f"Argo would wait for ever: {shown}", stuck=shown)

    def _ended(self, phase: str, message: str, stuck: str = "") -> Outcome:
        self.engine.end_daemons(None)
        with paused_collection():
            nodes = {path: node.to_outcome() for path, node in self.engine.nodes.items()}
        artifacts = {
            name: {"key": (found.get("s3") or {}).get("key", "")}
            for name, found in self.engine.output_artifacts.items()
        }
        return Outcome(
            self.engine.workflow, phase, message, nodes, self.engine.outputs, artifacts, stuck,
            started=self.started, finished=time.time(),
        )  # fmt: skip
