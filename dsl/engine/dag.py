"""One run of a DAG template: which task may begin, what became of it, and the phase and outputs of the whole.

Source: workflow/controller/dag.go (v4.1.2). A task is settled when its node, and the hooks on it, are done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dsl.engine.arguments import artifacts_of, fill, parameters_of
from dsl.engine.call import Call, Prepared
from dsl.engine.definition import Task, Template, is_loop
from dsl.engine.group import GroupRun
from dsl.engine.hooks import Hooked, Which, look, look_now, run_hooks, watch
from dsl.engine.loops import items_of
from dsl.engine.node import (
    BAD,
    COMPLETED,
    FAILED_FAST,
    NO_TEMPLATE,
    NOTHING,
    Branch,
    Node,
    NodeFault,
    further,
    merged,
    shown,
    view_of,
)
from dsl.engine.outputs import template_outputs
from dsl.engine.resolve import resolved, resolved_items
from dsl.engine.scope import Scope, View
from dsl.engine.tags import MissingError, Mode, TagError
from dsl.expr.condition import ConditionError, is_true
from dsl.expr.depends import result_of
from dsl.expr.gojson import Value

if TYPE_CHECKING:
    from dsl.engine.schedule import Engine

_ENDS = ("Pod", "Suspend", "Skipped")
"""What has nothing in it: what waits for it hangs below itself."""
_LOOP_FIELDS = (
    "when", "arguments", "template", "templateRef", "inline", "withParam", "withSequence", "withItems",
    "hooks",
)  # fmt: skip


class DagPlan(NamedTuple):
    """What is the same for every run of a DAG with the same targets; tasks in the order they are visited."""

    targets: tuple[str, ...]
    order: tuple[str, ...]
    dependents: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, template: Template, target: str) -> DagPlan:
        """Return the plan; `target` is the template's own, tags filled."""
        targets = tuple(target.split(" ")) if target else tuple(template.targets)
        wanted = set(targets).union(*(template.tasks[name].ancestors for name in targets))
        order = tuple(sorted(wanted, key=lambda name: template.tasks[name].rank))
        below: dict[str, list[str]] = {name: [] for name in order}
        for name in order:
            for dependency in template.tasks[name].dependencies.tasks:
                below[dependency].append(name)
        return cls(targets, order, {name: tuple(names) for name, names in below.items()})


class Views(Mapping[str, View]):
    """What a task may read of other tasks, made when asked for."""

    def __init__(self, nodes: Mapping[str, Node], names: frozenset[str], workflow: str) -> None:
        self.nodes = nodes
        self.names = names
        self.workflow = workflow

    def __getitem__(self, name: str) -> View:
        if name not in self:
            raise KeyError(name)
        return view_of(self.nodes[name], self.workflow)

    def __contains__(self, name: object) -> bool:
        return name in self.names and name in self.nodes

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name in self.nodes)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class DagRun:
    """The state of one DAG node."""

    def __init__(self, engine: Engine, prepared: Prepared, node: Node) -> None:
        self.engine = engine
        self.prepared = prepared
        self.node = node
        is_open = prepared.template.has_open_order
        self.template = prepared.template.ordered(prepared.scope) if is_open else prepared.template
        self.tasks = self.template.tasks
        self.nodes: dict[str, Node] = {}
        self.open = 0
        self.pending: dict[str, int] = {}
        self.unhooked: set[Node] = set()
        """What has ended and whose exit hook could not be called."""
        self.visited: set[Node] = set()
        """What has ended and had its hooks looked at with it, not only as a target."""

    def start(self) -> None:
        """Begin the tasks that wait for nothing."""
        target = str((self.prepared.body.get("dag") or {}).get("target") or "")
        template = self.template
        try:
            if (template, target) not in self.engine.plans:
                self.engine.plans[template, target] = DagPlan.of(template, target)
        except KeyError as unknown:
            self.engine.fail(self.node, self.prepared.call, f"target {unknown} does not exist")
            return
        self.plan = self.engine.plans[template, target]
        for name in self.plan.order:
            self.pending[name] = len(self.tasks[name].dependencies.tasks)
        for name in self.plan.order:
            if not self.pending[name]:
                self._schedule(name)

    def _schedule(self, name: str) -> None:
        self.open += 1
        self.engine.later(self._begin, self.tasks[name])

    # --- one task ---

    def _begin(self, task: Task) -> None:
        if self.node.is_done:
            return
        try:
            if task.dependencies.text and not task.dependencies.hold(self._results(task)):
                self._closed(task, "Omitted", "omitted: depends condition not met")
                return
            scope = self.scope_of(task)
            raw = resolved(task, self.prepared, scope, lambda given: artifacts_of(given, scope))
            if is_loop(raw):
                self._expand(task, raw, scope)
            elif task.is_loop and is_loop(self.prepared.filled(task.document)):
                self._enter(task, raw)
            else:
                self.run(task, task.name, raw, 0, self._task_ended)
        except MissingError as missing:
            self.engine.hangs.append(f"task {self.node.path}/{task.name}: {missing}")
            self.close_one()
        except (TagError, NodeFault, ConditionError, ValueError) as wrong:
            self._closed(task, "Error", str(wrong))

    def _results(self, task: Task) -> dict[str, dict[str, Any]]:
        results = {}
        for name in task.dependencies.tasks:
            node = self.nodes[name]
            group = [child.phase for child in node.children] if node.type == "TaskGroup" else None
            results[name] = result_of(node.phase, group)
        return results

    def scope_of(self, task: Task) -> Scope:
        """Return what a task can see. Raises NodeFault when an ancestor's outputs cannot be listed."""
        for name in task.ancestors:
            if self.nodes[name].type == "TaskGroup":
                if self.nodes[name].template is None or self.tasks[name].raw.get("inline"):
                    raise NodeFault(_missing(self.tasks[name]))
                view_of(self.nodes[name], self.engine.workflow)
        views = Views(self.nodes, task.ancestors, self.engine.workflow)
        return Scope(self.engine.globals, self.prepared.scope.local, "tasks", views)

    def run(self, task: Task, name: str, raw: dict[str, Any], index: int, done: Value) -> None:
        """Run one task or one item of it."""
        engine, order = self.engine, (*self.node.order, task.rank, index)
        template = engine.definition.called(raw, self.prepared.template)
        when = str(raw.get("when") or "")
        skipped = ("", "")
        try:
            if not is_true(when):
                skipped = ("Skipped", f"when '{when}' evaluated false")
        except ConditionError as wrong:
            skipped = ("Error", str(wrong))
        if not skipped[0] and template is None:
            skipped = ("Error", f"template {raw.get('template')} not found")
        if skipped[0] or template is None:
            node = self._unstarted(task, name, order)
            node.done = done
            engine.finish(node, *skipped)
            return
        arguments = raw.get("arguments") or {}
        located = {str(artifact["name"]): artifact for artifact in arguments.get("artifacts") or []}
        call = Call(
            f"{self.node.name}.{name}",
            f"{self.node.path}/{name}",
            template,
            done,
            parameters_of(arguments),
            located,
            self.node,
            "tasks",
            task.name,
            order=order,
            depth=self.node.depth + 1,
        )
        hooked = _hooked(task)
        if not task.is_loop:
            watch(engine, self, hooked, call)
        if not engine.call(call):
            if self.node.inside and not self.node.inside.active:
                self.abort()
            return
        if not task.is_loop and hooked.others and task.name in self.plan.targets and template.is_leaf:
            self._look_at_target(hooked, call.path)

    def _unstarted(self, task: Task, name: str, order: tuple[int, ...]) -> Node:
        node = Node(
            f"{self.node.name}.{name}", f"{self.node.path}/{name}", "Skipped", self.node, task=task.name
        )
        node.template = self.engine.definition.called(task.raw, self.prepared.template)
        node.order = order
        if not task.is_loop:
            self.engine.skip_expected(node)
        return self.engine.add(node)

    def _closed(self, task: Task, phase: str, message: str) -> None:
        """End a task that never started."""
        node = self._unstarted(task, task.name, (*self.node.order, task.rank, 0))
        self.engine.finish(node, phase, message)
        self._ended(task, node, exits=False)

    # --- loops ---

    def _expand(self, task: Task, raw: dict[str, Any], scope: Scope) -> None:
        items = items_of(raw)
        if not items:
            self._closed(task, "Skipped", "Skipped, empty params")
            return
        node = Node(f"{self.node.name}.{task.name}", f"{self.node.path}/{task.name}", "TaskGroup", self.node)
        node.task = task.name
        node.template = self.engine.definition.called(raw, self.prepared.template)
        hooks = fill(task.raw.get("hooks") or {}, self.prepared.scope, Mode.LENIENT)
        calls = resolved_items(task, {**raw, "hooks": hooks}, items, scope, _LOOP_FIELDS)
        self.engine.add(node)
        self.nodes[task.name] = node
        for name, count in self.engine.definition.leaf_counts(node.template).items():
            self.engine.progress.expected(name, count * len(items))
        if task.raw.get("hooks"):
            look(self.engine, self, _hooked(task), node)
        GroupRun(self, task, node, calls, len(items)).start()

    def _enter(self, task: Task, raw: dict[str, Any]) -> None:
        """Run a loop over a list of another node that is "": Argo calls its template in the loop's own node.

        A pod never ends there.
        """
        node = Node(f"{self.node.name}.{task.name}", f"{self.node.path}/{task.name}", "TaskGroup", self.node)
        node.task = task.name
        node.template = self.engine.definition.called(raw, self.prepared.template)
        self.engine.add(node)
        self.nodes[task.name] = node
        if node.template is None or node.template.is_leaf:
            self.engine.hangs.append(f'task {node.path}: withParam is ""')
            self.close_one()
            return
        done = partial(self._entered, task)
        call = Call(node.name, node.path, node.template, done, parameters_of(raw.get("arguments") or {}))
        call.boundary, call.depth = self.node, self.node.depth + 1
        try:
            self.engine.enter(self.engine.prepared(call), node)
        except (TagError, NodeFault) as wrong:
            self.engine.fail(node, call, str(wrong))
            self._settled(task, node)

    def _entered(self, task: Task, node: Node) -> None:
        if node.inside:  # what waits for it hangs below what it begins with, and of steps below nothing
            node.branch = further(merged(shown(each, node.phase) for each in _roots(node)), 1)
        self._settled(task, node)

    def group_ended(self, task: Task, group: Node, *, in_passing: bool) -> None:
        """Go on after a loop; `in_passing` when Argo found it complete while it assessed the DAG."""
        if self.node.is_done:
            return
        if not in_passing:
            self._ended(task, group, exits=False)
        elif self.open > 1 or not self._assess():
            self.engine.when_quiet(self._look_at_group, task, group)

    def _look_at_group(self, task: Task, group: Node) -> None:
        """Run the hooks of a loop that was complete when Argo came back to it."""
        if self.node.is_done:
            return
        self._match_again(task, group)
        self.visited.add(group)
        settled = partial(self._settled, task, group)
        run_hooks(self.engine, self, _hooked(task), group, settled, "all")

    def _match_again(self, task: Task, node: Node) -> None:
        """Match arguments with a template as they are written: Argo does so when it visits an ended task."""
        arguments = self.prepared.filled(task.document).get("arguments") or {}
        artifacts = {str(artifact["name"]): artifact for artifact in arguments.get("artifacts") or []}
        if node.template:
            written = parameters_of(arguments)
            call = Call(node.name, node.path, node.template, lambda _: None, written, artifacts)
            try:
                self.engine.prepared(call)
            except (TagError, NodeFault) as wrong:
                node.message = str(wrong)

    def comes_to(self, task: Task) -> bool:
        """Whether Argo, when it assesses the DAG, comes to a loop before anything that runs."""
        arrivals = self._arrivals()
        mine = (arrivals[task.name][0][1], task.rank)
        nodes = {name: self.engine.nodes.get(f"{self.node.path}/{name}") for name in arrivals}
        return all(
            mine <= (arrivals[name][0][1], self.tasks[name].rank)
            for name, node in nodes.items()
            if node is not None and node.is_at_work
        )

    # --- ends ---

    def _task_ended(self, node: Node) -> None:
        task = self.tasks[node.task]
        self.nodes[task.name] = node
        self._ended(task, node, exits=not node.fault and node.type != "Skipped")

    def _ended(self, task: Task, node: Node, *, exits: bool) -> None:
        """Run the hooks of what has ended, then what waits for it.

        Argo sees that a pod has ended before it looks at what waits for it. All else ends while it looks, and
        its hooks have their turn when Argo visits it again, but for the exit hook if it `exits`, and for
        those of a target.
        """
        if self.node.is_done:
            return
        if node.fault:
            self.engine.when_quiet(self._visit_again, task, node)
        hooked, settled = _hooked(task), partial(self._settled, task, node)
        run = partial(run_hooks, self.engine, self, hooked, node)
        if node.type == "Pod" and exits and not node.recalled:
            self.visited.add(node)
            run(settled, "all")
            return
        is_target = task.name in self.plan.targets
        others = partial(run, settled, "others") if is_target and hooked.others else settled
        if exits:
            run(others, "exit")
        else:
            others()
        is_left = hooked.has_exit and not exits
        if is_left or (hooked.others and not is_target):
            which: Which = "exit" if is_target else "all" if is_left else "others"
            self.engine.when_quiet(self._look_again, task, node, which)

    def _look_again(self, task: Task, node: Node, which: Which) -> None:
        """Run the hooks that are left: Argo does so when it visits an ended task again, if it ever does."""
        if self._is_visited(task):
            self.open += 1
            self.visited.add(node)
            run_hooks(self.engine, self, _hooked(task), node, self.close_one, which)

    def _visit_again(self, task: Task, node: Node) -> None:
        if self._is_visited(task):
            self._match_again(task, node)

    def _is_visited(self, task: Task) -> bool:
        """Whether Argo visits an ended task: it does so with targets, and what others wait for."""
        waiting = [name for name in self.plan.dependents[task.name] if not self._has_ended(name)]
        return not self.node.is_done and bool(waiting or task.name in self.plan.targets)

    def _has_ended(self, name: str) -> bool:
        node = self.nodes.get(name)
        return node is not None and node.is_done

    # --- hooks ---

    def statuses(self, task: Task) -> Mapping[str, str]:
        """Return nothing: the hooks of a task see the tasks before it."""
        return {}

    def _look_at_target(self, hooked: Hooked, path: str) -> None:
        """Start hooks of a target whose pod has not: Argo looks at these at once."""
        node = self.engine.nodes.get(path)
        if node is not None and node.phase == "Pending":
            look_now(self.engine, self, hooked, node, node.phase)

    def hook_failed(self, hooked: Hooked, node: Node, fault: str) -> None:
        """End the hooked node with it when Argo visits that, and the whole DAG if it is a target."""
        if node in self.visited:
            early = self.engine.early_hooks.get(node)
            if early and early.fault:  # Argo does not take in any more what becomes of its pod
                node.outputs, node.artifacts, node.result, node.exit_code = NOTHING, NOTHING, None, None
            self.engine.spoil(node, fault)
        if hooked.name in self.plan.targets:
            self._broken(fault)

    def exit_failed(self, node: Node, fault: str) -> None:
        """Take note of it: the node of the hook says why, if there is one."""
        self.unhooked.add(node)

    def _broken(self, fault: str) -> None:
        """End with an error that kept Argo from connecting what waits for the DAG."""
        if not self.node.is_done:
            self.node.branch = ()
            self.engine.fail(self.node, self.prepared.call, fault)

    def _settled(self, task: Task, node: Node) -> None:
        self.nodes[task.name] = node
        for name in self.plan.dependents[task.name]:
            self.pending[name] -= 1
            if not self.pending[name]:
                self._schedule(name)
        self.close_one()

    def close_one(self) -> None:
        """Note that a task has settled, or a hook beside, and end with the last."""
        self.open -= 1
        if self.open or self.node.is_done or (self.node.inside and self.node.inside.is_stuck):
            return
        if not self._assess():
            self.engine.hangs.append(f"{self.node.path}: a target task can never run")

    def abort(self) -> None:
        """The template fails fast, a child has failed and none is active any more.

        What might be retried in here never is: a DAG above waits for it for ever.
        """
        if self.node.is_done:
            return
        inside = self.node.inside.nodes if self.node.inside else ()
        retried = [node.path for node in inside if node.type == "Retry" and not node.is_done]
        if retried:
            if self.node.boundary and self.node.boundary.inside:
                self.node.boundary.inside.is_stuck = True
            self.engine.hangs.append(f"{retried[0]}: {self.node.path} failed before it could be retried")
        self.engine.finish(self.node, "Failed", FAILED_FAST)

    def _assess(self) -> bool:
        """End with the phase that the targets give, False while that cannot be told: nothing reaches one."""
        try:
            _ = [self.scope_of(self.tasks[name]) for name in self.plan.targets if name in self.nodes]
        except NodeFault as wrong:  # Argo reads a target's variables once more
            self.engine.fail(self.node, self.prepared.call, str(wrong))
            return True
        arrivals = self._arrivals()
        phase = "Succeeded"
        fails_fast = (self.prepared.body.get("dag") or {}).get("failFast") is not False
        for name in self.plan.targets:
            phases = self._phases(name, arrivals)
            if not phases:
                phase = ""
                if not fails_fast:
                    break
                continue
            bad = next((each for each in phases if each in BAD), "")
            if bad and not self.tasks[name].continues_on(bad):
                phase = bad
                if fails_fast:
                    break
        if phase == "Succeeded":
            self._succeed()
        elif phase:
            self._arrivals(phase)
            self.engine.finish(self.node, phase)
        return bool(phase)

    def _phases(self, name: str, arrivals: Mapping[str, Branch]) -> tuple[str, ...]:
        """Return the phases of an ended task as its branches show them, nearest first."""
        node = self.nodes.get(name)
        if node is None or not node.is_done or name not in arrivals:
            return ()
        return (node.phase,) if node.phase in COMPLETED else tuple(phase for phase, _ in arrivals[name])

    def _arrivals(self, first: str = "Succeeded") -> dict[str, Branch]:
        """Return what comes from above to each task that has begun and is reached; sets the DAG's branch.

        A skipped task that waits for none passes on `first`: success in here, and to what is outside the
        phase with which the DAG ends.
        """
        below: dict[str, Branch] = {}
        outer: dict[str, Branch] = {}
        arrivals: dict[str, Branch] = {}
        for name in self.plan.order:
            node, names = self.nodes.get(name), self.tasks[name].dependencies.tasks
            above = further(merged(below.get(dep, ()) for dep in names), 1)
            arriving = above if names else ((first, 1),)
            if not arriving:
                continue
            arrivals[name] = arriving
            if node is None or not node.is_done:
                continue
            if names and all(self.nodes[dep].hides_next for dep in names if below.get(dep)):
                del arrivals[name]
                below[name] = outer[name] = arriving if node.type in _ENDS else node.branch or arriving
                continue
            below[name] = arriving if node.branch is None else further(node.branch, arriving[0][1])
            outer[name] = below[name] if node.outer is None else further(node.outer, arriving[0][1])
        self.node.branch = merged(outer.get(name, ()) for name in self.plan.targets)
        return arrivals

    def _succeed(self) -> None:
        views = Views(self.nodes, frozenset(self.nodes), self.engine.workflow)
        scope = Scope(None, self.prepared.scope.local, "tasks", views)
        for name in self.tasks:
            if name in self.nodes:
                self.engine.export(self.nodes[name])
        if named := next(filter(None, map(_without_index, self.nodes.values())), ""):
            what = f"failed to parse '{named}' as int"
            self.engine.break_down(f'{what}: strconv.Atoi: parsing "{named}": invalid syntax')
            return
        try:
            _ = [views[name] for name, node in self.nodes.items() if node.type == "TaskGroup"]
            outputs, artifacts = template_outputs(self.prepared, scope)
        except (TagError, NodeFault) as wrong:
            self._broken(str(wrong))
            return
        self.node.outputs, self.node.artifacts = outputs, artifacts
        self.engine.finish(self.node, "Succeeded")


def _hooked(task: Task) -> Hooked:
    return Hooked(task, task.raw, task.name)


def _roots(group: Node) -> list[Node]:
    """Return what waits for nothing in a DAG that runs in the node of a loop."""
    if group.type != "TaskGroup" or not group.inside or not group.template:
        return []
    tasks = group.template.tasks
    first = {name for name, task in tasks.items() if not task.dependencies.tasks}
    return [node for node in group.inside.nodes if node.task in first and not node.flag]


def _without_index(group: Node) -> str:
    """Return the name in which Argo does not find the index of an item: it looks when there are two."""
    names = [node.name for node in _roots(group)[1:2]]
    return next((name for name in names if "(" not in name), "")


def _missing(task: Task) -> str:
    """Return what Argo says of a loop whose template is its own or depends on the item: it looks by name."""
    if task.raw.get("inline"):
        return NO_TEMPLATE
    reference = task.raw.get("templateRef") or {}
    return f"template {reference.get('template')} not found in workflow template {reference.get('name')}"
