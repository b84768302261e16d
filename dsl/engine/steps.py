"""One run of a steps template: groups one after another, the steps of a group side by side.

Source: workflow/controller/steps.go (v4.1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dsl.engine.arguments import artifacts_of, fill, parameters_of
from dsl.engine.call import Call, Prepared
from dsl.engine.definition import Task, is_loop
from dsl.engine.hooks import Hooked, run_hooks, watch
from dsl.engine.loops import Items, items_of
from dsl.engine.node import BAD, FAILED_FAST, Node, NodeFault, aggregated, further, merged, shown, view_of
from dsl.engine.outputs import template_outputs
from dsl.engine.resolve import resolved, resolved_items
from dsl.engine.scope import Scope, View
from dsl.engine.tags import MissingError, Mode, TagError
from dsl.expr.condition import ConditionError, is_true

if TYPE_CHECKING:
    from dsl.engine.schedule import Engine

_LOOP_FIELDS = ("when", "arguments", "template", "templateRef", "hooks")
Unit = tuple[Task, str, dict[str, Any], int]


class StepsRun:
    """The state of one steps node."""

    def __init__(self, engine: Engine, prepared: Prepared, node: Node) -> None:
        self.engine = engine
        self.prepared = prepared
        self.node = node
        self.views: dict[str, View] = {}
        self.scope = Scope(engine.globals, prepared.scope.local, "steps", self.views)
        self.index = -1
        self.group = node
        self.steps: list[Task] = []
        self.children: list[tuple[Task, Node]] = []
        self.hooked: list[tuple[Hooked, Node]] = []
        """What has ended and has hooks that may still start: the others of the group have not all ended."""
        self.open = 0
        self.distance = 1
        """Edges from the node to the group."""
        self.fault = ""

    def scope_of(self, task: Task) -> Scope:
        """Return what a step can see: the steps of the groups before."""
        return self.scope

    def statuses(self, task: Task) -> Mapping[str, str]:
        """Return the status of each step that stands before this one in its group."""
        prefix = f"{self.group.name}."
        nodes = [self.engine.nodes.get(f"{self.node.path}/{other.name}") for other in self.steps[: task.rank]]
        return {f"steps.{node.name.removeprefix(prefix)}.status": node.status for node in nodes if node}

    def start(self) -> None:
        """Begin the next group, or end."""
        self.index += 1
        groups = self.prepared.template.groups
        if self.index == len(groups):
            self._succeed()
            return
        self.steps, self.children = groups[self.index], []
        name, path = f"{self.node.name}[{self.index}]", f"{self.node.path}/[{self.index}]"
        self.group = self.engine.add(Node(name, path, "StepGroup", self.node))
        try:
            units = self._units()
        except MissingError as missing:
            self.engine.hangs.append(f"{path}: {missing}")
            return
        except (TagError, NodeFault, ConditionError) as wrong:
            self._group_failed(str(wrong))
            return
        self._run(units)

    # --- a group's steps ---

    def _units(self) -> list[Unit]:
        """Return what the group runs: steps, and the items of those that are loops."""
        try:
            pairs = [(step, self._resolved(step)) for step in self.steps]
        except MissingError:
            raise
        except (TagError, NodeFault, ConditionError) as wrong:
            raise NodeFault(f"failed to resolve references: {wrong}") from None
        units: list[Unit] = []
        for step, raw in pairs:
            if not is_loop(raw):
                units.append((step, step.name, raw, 0))
                continue
            items = items_of(raw)
            if not items:
                self._closed(step, step.name, "Skipped", "Skipped, empty params")
            units += self._expanded(step, raw, items)
        return units

    def _expanded(self, step: Task, raw: dict[str, Any], items: Items) -> list[Unit]:
        template = self.engine.definition.called(step.raw, self.prepared.template)
        for name, count in self.engine.definition.leaf_counts(template).items():
            self.engine.progress.expected(name, count * len(items))
        hooks = fill(step.raw.get("hooks") or {}, self.prepared.scope, Mode.LENIENT)
        calls = resolved_items(step, {**raw, "hooks": hooks}, items, self.scope, _LOOP_FIELDS)
        return [
            (step, f"{step.name}({index}:{item.label})", new, index)
            for index, (item, new) in enumerate(calls)
        ]

    def _resolved(self, step: Task) -> dict[str, Any]:
        def located(arguments: dict[str, Any]) -> dict[str, dict[str, Any]]:
            try:
                return artifacts_of(arguments, self.scope, lenient=True)
            except TagError as wrong:
                raise TagError(f"unable to resolve references: {wrong}") from None

        return resolved(step, self.prepared, self.scope, located)

    def _run(self, units: list[Unit]) -> None:
        self.open = 1
        for step, name, raw, index in units:
            when = str(raw.get("when") or "")
            try:
                if not is_true(when):
                    self._closed(step, name, "Skipped", f"when '{when}' evaluated false")
                    continue
            except ConditionError as wrong:
                self._closed(step, name, "Error", str(wrong))
                self._broken(str(wrong))
                break
            self.open += 1
            self._call(step, name, raw, index)
            if self.engine.has_refused(f"{self.node.path}/{name}"):  # Argo begins no more of the group
                break
        self._one_less()

    def _call(self, step: Task, name: str, raw: dict[str, Any], index: int) -> None:
        template = self.engine.definition.called(
            {**raw, "inline": step.raw.get("inline")}, self.prepared.template
        )
        hooked = Hooked(step, {**step.raw, "hooks": raw["hooks"]} if step.is_loop else step.raw, name)
        done = partial(self._ended, hooked)
        full, path = f"{self.group.name}.{name}", f"{self.node.path}/{name}"
        order = (*self.node.order, self.index, step.rank, index)
        if template is None:
            node = self.engine.add(Node(full, path, "Skipped", self.node, task=step.name))
            node.done, node.fault = done, f"template {raw.get('template')} not found"
            self.engine.finish(node, "Error", node.fault)
            return
        arguments = raw.get("arguments") or {}
        located = {str(artifact["name"]): artifact for artifact in arguments.get("artifacts") or []}
        parameters = parameters_of(arguments)
        call = Call(
            full, path, template, done, parameters, located, self.node, "steps", step.name, order=order
        )
        call.depth = self.node.depth + 1
        watch(self.engine, self, hooked, call)
        self.engine.call(call)

    def _closed(self, step: Task, name: str, phase: str, message: str) -> None:
        node = Node(
            f"{self.group.name}.{name}", f"{self.node.path}/{name}", "Skipped", self.node, task=step.name
        )
        node.template = self.engine.definition.called(step.raw, self.prepared.template)
        self.engine.skip_expected(node)
        self.engine.finish(self.engine.add(node), phase, message)
        self.children.append((step, node))

    def _ended(self, hooked: Hooked, node: Node) -> None:
        if self.node.is_done:
            return
        settled = partial(self._settled, hooked.task, node)
        if node.fault:
            self._broken(f"step group deemed errored due to child {node.name} error: {node.fault}")
            settled()
        else:
            if hooked.others:
                self.hooked.append((hooked, node))
            run_hooks(self.engine, self, hooked, node, settled)

    def _broken(self, fault: str) -> None:
        """End the group as soon as all in it have ended, and a workflow whose entry this is at once."""
        self.fault = fault
        if self.node.boundary is None and not self.node.is_done:
            self._group_failed(fault)

    def hook_failed(self, hooked: Hooked, node: Node, fault: str) -> None:
        """End the group with it, as soon as all in it have ended."""
        self.fault = self.fault or fault

    def exit_failed(self, fault: str) -> None:
        """End the group with it, and the workflow at once if these are its steps."""
        self.fault = self.fault or fault
        if self.node.boundary is None and self.node.name == self.engine.workflow:
            self.engine.fault = fault

    def _settled(self, step: Task, node: Node) -> None:
        self.children.append((step, node))
        self._one_less()

    def _one_less(self) -> None:
        self.open -= 1
        if self.open:
            return
        again, self.hooked = sorted(self.hooked, key=lambda ended: ended[1].order), []
        self.open = len(again)
        for hooked, node in again:
            run_hooks(self.engine, self, hooked, node, self._one_less, "others")
        if not again:
            self._group_ended()

    # --- ends ---

    def abort(self) -> None:
        """The template fails fast, a child has failed and none is active any more."""
        if not self.node.is_done:
            self._set_branch("Failed")
            self.engine.finish(self.group, "Failed", FAILED_FAST)
            self.engine.finish(self.node, "Failed", FAILED_FAST)

    def _group_ended(self) -> None:
        if self.node.is_done:
            return
        if self.fault:
            self._group_failed(self.fault)
            return
        for step, node in sorted(self.children, key=lambda child: child[1].order):
            if node.phase in BAD and not step.continues_on(node.phase):
                message = f"child '{node.identity(self.engine.workflow)}' failed"
                self._set_branch("Failed")
                self.engine.finish(self.group, "Failed", message)
                self.engine.finish(self.node, "Failed", message)
                return
        self._set_branch("Succeeded")
        self.engine.finish(self.group, "Succeeded")
        try:
            self._show()
        except NodeFault as wrong:
            self.engine.fail(self.node, self.prepared.call, str(wrong))
            return
        nearest = merged(shown(node, "Succeeded") for _, node in self.children)
        self.distance += 2 + nearest[0][1] if nearest else 1
        self.engine.later(self.start)

    def _group_failed(self, message: str) -> None:
        self._set_branch("Error")
        self.engine.finish(self.group, "Error", message)
        if self.engine.fault:
            self.engine.finish(self.node, "Error", "Workflow operation error")
        else:
            self.engine.finish(self.node, "Failed", message)

    def _set_branch(self, phase: str) -> None:
        """What a DAG sees below this node: the last group's steps; nothing when it made none."""
        self.group.children = [node for _, node in self.children]
        found = merged(shown(node, phase, outside=True) for _, node in self.children)
        if self.children or self.index == 0:
            self.node.branch = further(found, self.distance + 1)

    def _show(self) -> None:
        workflow = self.engine.workflow
        for step in self.steps:
            nodes = [node for owner, node in self.children if owner is step]
            single = next((node for node in nodes if node.name == f"{self.group.name}.{step.name}"), None)
            if single is not None:
                self.views[step.name] = view_of(single, workflow, with_artifacts=True)
            else:
                ran = sorted((node for node in nodes if node.type != "Skipped"), key=lambda node: node.order)
                group = view_of(self.group, workflow)
                self.views[step.name] = View({**group.flat, **aggregated(ran)}, {})

    def _succeed(self) -> None:
        scope = Scope(None, self.prepared.scope.local, "steps", self.views)
        try:
            outputs, artifacts = template_outputs(self.prepared, scope)
        except (TagError, NodeFault) as wrong:
            self.engine.fail(self.node, self.prepared.call, str(wrong))
            return
        self.node.outputs, self.node.artifacts = outputs, artifacts
        self.engine.finish(self.node, "Succeeded")
