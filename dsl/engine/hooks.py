"""Hooks on tasks, steps and loops: `hooks.<name>` with their expressions, `hooks.exit` and `onExit`.

Source: workflow/controller/hooks.go and exit_handler.go (v4.1.2). Argo looks at an expression whenever it
reconciles; here it is looked at when the node runs, and once more when it has ended. A loop is looked at when
it has ended, as if it ran and then as it is. Argo misses the end of a suspend node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dsl.engine.arguments import absent_arguments, artifacts_of, fill, parameters_of, without
from dsl.engine.call import Call, Prepared
from dsl.engine.definition import Task
from dsl.engine.node import COMPLETED, Node, NodeFault, further, shown
from dsl.engine.scope import Scope
from dsl.engine.tags import Mode, TagError
from dsl.expr.expression import compiled

if TYPE_CHECKING:
    from dsl.engine.schedule import Engine


class Owner(Protocol):
    """The DAG or steps run in which a hooked node stands."""

    node: Node
    prepared: Prepared

    def scope_of(self, task: Task) -> Scope:
        """Return what the task can see."""


class _Countdown:
    """Calls `done` when as many hooks have ended as were started."""

    def __init__(self, count: int, done: Callable[[], None]) -> None:
        self.count = count
        self.done = done

    def one(self, _: Node | None = None) -> None:
        self.count -= 1
        if not self.count:
            self.done()


class Early:
    """Hooks of a node that started while it ran, by their names."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self._countdown = _Countdown(2, lambda: None)

    def ended(self) -> None:
        """Note that the last of them has ended."""
        self._countdown.one()

    def before(self, done: Callable[[], None]) -> Callable[[], None]:
        """Return what, when it is called, calls `done`, as soon as they have ended."""
        self._countdown.done = done
        return self._countdown.one


def watch(engine: Engine, owner: Owner, task: Task, call: Call) -> None:
    """Let the hooks on a call that want it to run start when it does."""
    if any(name != "exit" for name in task.raw.get("hooks") or {}):
        call.runs = partial(_start_early, engine, owner, task)


def _start_early(engine: Engine, owner: Owner, task: Task, node: Node) -> None:
    hooks = [(name, hook) for name, hook in (task.raw.get("hooks") or {}).items() if name != "exit"]
    try:
        scope = _running(_scope(owner, task, node), task)
        chosen = [(name, hook) for name, hook in hooks if _is_true(hook.get("expression"), scope, False)]
    except (ValueError, LookupError, TypeError):  # its end will tell
        return
    early = engine.early_hooks[node] = Early({name for name, _ in chosen})
    _start(engine, owner, node, chosen, scope, early.ended)


def run_hooks(
    engine: Engine,
    owner: Owner,
    task: Task,
    node: Node,
    done: Callable[[], None],
    which: Literal["all", "exit", "others"] = "all",
) -> None:
    """Run the hooks of a node that has ended, then call `done`.

    An expression that cannot be evaluated is the node's error.
    """
    hooks = dict(task.raw.get("hooks") or {})
    last = exit_hook(task.raw, hooks, engine.definition.spec) if which != "others" else None
    hooks = {} if which == "exit" else {name: hook for name, hook in hooks.items() if name != "exit"}
    if not hooks and last is None:
        done()
        return
    early = engine.early_hooks.pop(node, None)
    if early:
        hooks = {name: hook for name, hook in hooks.items() if name not in early.names}
    try:
        scope = _scope(owner, task, node)
        chosen = [(name, hook) for name, hook in hooks.items() if _applies(node, task, hook, scope)]
        ends = last is not None and node.phase in COMPLETED and _is_true(last.get("expression"), scope, True)
    except (ValueError, LookupError, TypeError) as wrong:
        engine.spoil(node, str(wrong))
        (early.before(done) if early else done)()
        return
    finish = partial(_start, engine, owner, node, [("onExit", last)], scope, done) if last and ends else done
    _start(engine, owner, node, chosen, scope, early.before(finish) if early else finish)


def has_exit_hook(task: Task) -> bool:
    """Whether a task has a hook that runs when it has ended, whatever became of it."""
    return bool(task.raw.get("onExit") or (task.raw.get("hooks") or {}).get("exit"))


def exit_hook(
    raw: Mapping[str, Any], hooks: Mapping[str, Any], spec: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the exit hook; without arguments of its own it receives the workflow's."""
    hook = hooks.get("exit") or ({"template": raw["onExit"]} if raw.get("onExit") else None)
    if hook is None or hook.get("arguments"):
        return hook
    return {**hook, "arguments": spec.get("arguments") or {}}


def _scope(owner: Owner, task: Task, node: Node) -> Scope:
    scope = owner.scope_of(task)
    prefix = scope.prefix
    own: dict[str, Any] = {f"{prefix}.{task.name}.status": node.status}
    source = node.children[-1] if node.type == "Retry" and node.children else node
    for name, value in source.outputs.items():
        own[f"{prefix}.{task.name}.outputs.parameters.{name}"] = value or ""
    for name, artifact in source.artifacts.items():
        own[f"{prefix}.{task.name}.outputs.artifacts.{name}"] = artifact
    return _HookScope(scope, own)


class _HookScope(Scope):
    """A scope in which the hooked node's own outputs stand beside those of the nodes before it."""

    def __init__(self, scope: Scope, own: Mapping[str, Any]) -> None:
        super().__init__(scope.globals, {**scope.local, **own}, scope.prefix, scope.views)
        self.own = own

    def variables(self) -> Mapping[str, Any]:
        known = dict(super().variables())
        nodes = dict(known[self.prefix])
        for name, value in self.own.items():
            _, node, *path = name.split(".")
            inner = nodes[node] = dict(nodes.get(node) or {})
            for part in path[:-1]:
                inner[part] = dict(inner.get(part) or {})
                inner = inner[part]
            inner[path[-1]] = value
        return {**known, self.prefix: nodes}


def _is_true(expression: str | None, scope: Scope, default: bool) -> bool:
    if not expression:
        return default
    return bool(compiled(expression).value(scope.variables()))


def _running(scope: Scope, task: Task) -> Scope:
    return _HookScope(scope, {f"{scope.prefix}.{task.name}.status": "Running"})


def _applies(node: Node, task: Task, hook: Mapping[str, Any], scope: Scope) -> bool:
    expression = str(hook.get("expression") or "")
    if node.type != "Suspend" and _is_true(expression, scope, False):
        return True
    return node.type == "TaskGroup" and _is_true(expression, _running(scope, task), False)


def _start(
    engine: Engine,
    owner: Owner,
    node: Node,
    hooks: list[tuple[str, Mapping[str, Any]]],
    scope: Scope,
    done: Callable[[], None],
) -> None:
    if not hooks:
        done()
        return
    countdown = _Countdown(len(hooks), done)

    def ended(hook: Node) -> None:
        if node.type == "Retry" and hook.name.endswith(".onExit"):  # then what waits hangs below the hook
            node.branch = ((hook.phase if hook.phase in COMPLETED else node.phase, 1),)
            node.outer = further(shown(hook, node.phase), 1)
        countdown.one(hook)

    for name, hook in hooks:
        suffix = ".onExit" if name == "onExit" else f".hooks.{name}"
        template = engine.definition.called(hook, owner.prepared.template)
        if template is None:
            missing = Node(node.name + suffix, node.path + suffix, "Skipped", node.boundary, flag="hooked")
            missing.done = ended
            engine.finish(engine.add(missing), "Error", f"template {hook.get('template')} not found")
            continue
        call = Call(node.name + suffix, node.path + suffix, template, ended, boundary=node.boundary)
        call.flag, call.order, call.depth = "hooked", node.order, owner.node.depth + 1
        call.task, call.beside = node.task, not node.is_done
        try:
            arguments = hook.get("arguments") or {}
            filled = fill(without(arguments, absent_arguments(arguments, scope)), scope, Mode.LENIENT)
            call.parameters = parameters_of(filled)
            call.artifacts = artifacts_of(filled, scope, lenient=True)
        except (TagError, NodeFault) as wrong:
            engine.refuse_call(call, str(wrong))
            continue
        engine.call(call)
