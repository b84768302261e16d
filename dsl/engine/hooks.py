"""Hooks on tasks, steps and loops: `hooks.<name>` with their expressions, `hooks.exit` and `onExit`.

Source: workflow/controller/hooks.go and exit_handler.go (v4.1.2). Argo looks at an expression whenever it
reconciles; here it is looked at when the node runs, and when it has ended: the owner knows when Argo does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from dsl.engine.arguments import absent_arguments, artifacts_of, fill, parameters_of, without
from dsl.engine.call import Call, Prepared
from dsl.engine.definition import Task
from dsl.engine.node import COMPLETED, Node, NodeFault, further, shown
from dsl.engine.scope import Scope
from dsl.engine.tags import Mode, TagError, substitute
from dsl.expr.expression import compiled

if TYPE_CHECKING:
    from dsl.engine.schedule import Engine

Which = Literal["all", "exit", "others"]
_LOOKED_AT_LATER = ("DAG", "Steps", "Retry", "TaskGroup")
"""What runs from the moment in which it is made: Argo sees that the next time it reconciles."""


class Hooked(NamedTuple):
    """What has hooks: a task or a step, or an item of a loop with its own text and name."""

    task: Task
    raw: Mapping[str, Any]
    name: str

    @property
    def others(self) -> dict[str, Mapping[str, Any]]:
        """Return the hooks that run when their expressions hold."""
        return {name: hook for name, hook in (self.raw.get("hooks") or {}).items() if name != "exit"}

    @property
    def has_exit(self) -> bool:
        """Whether it has a hook that runs when it has ended, whatever became of it."""
        return bool(self.raw.get("onExit") or (self.raw.get("hooks") or {}).get("exit"))


class Owner(Protocol):
    """The DAG or steps run in which a hooked node stands."""

    node: Node
    prepared: Prepared

    def scope_of(self, task: Task) -> Scope:
        """Return what the task can see."""

    def statuses(self, task: Task) -> Mapping[str, str]:
        """Return the status of each node beside that the hooks of the task can see too."""

    def hook_failed(self, hooked: Hooked, node: Node, fault: str) -> None:
        """Take note that a hook could not be evaluated, or not be called."""

    def exit_failed(self, node: Node, fault: str) -> None:
        """Take note of that for an exit hook."""


class _Countdown:
    """Calls `done` with the first fault, `""` for none, when as many hooks have ended as were started."""

    def __init__(self, count: int, done: Callable[[str], None]) -> None:
        self.count = count
        self.done = done
        self.fault = ""

    def one(self, fault: str) -> None:
        self.fault = self.fault or fault
        self.count -= 1
        if not self.count:
            self.done(self.fault)


class Early:
    """Hooks of a node that started while it ran, by their names, and the fault that kept others from it."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.fault = ""
        self._running = 0
        self._done: Callable[[], None] | None = None

    def begin(self) -> None:
        """Note that some begin."""
        self._running += 1

    def end(self, fault: str) -> None:
        """Note that those have ended."""
        self.fault = self.fault or fault
        self._running -= 1
        if not self._running and self._done:
            self._done()

    def then(self, done: Callable[[], None]) -> None:
        """Call `done` as soon as all have ended."""
        if self._running:
            self._done = done
        else:
            done()


def watch(engine: Engine, owner: Owner, hooked: Hooked, call: Call) -> None:
    """Let the hooks on a call that want it to run start when it does."""
    if hooked.others:
        call.runs = partial(look, engine, owner, hooked)


def look(engine: Engine, owner: Owner, hooked: Hooked, node: Node) -> None:
    """Start the hooks that want a node to run; of one that has just been made at Argo's next look."""
    if node.type in _LOOKED_AT_LATER:
        engine.when_quiet(_look_if_running, engine, owner, hooked, node)
    else:
        look_now(engine, owner, hooked, node, "Running")


def _look_if_running(engine: Engine, owner: Owner, hooked: Hooked, node: Node) -> None:
    if not node.is_done:
        look_now(engine, owner, hooked, node, "Running")


def look_now(engine: Engine, owner: Owner, hooked: Hooked, node: Node, status: str) -> None:
    """Start the hooks whose expressions hold with this status of a node."""
    if owner.node.is_done:
        return
    early = engine.early_hooks.setdefault(node, Early())
    if early.fault:
        return
    try:
        chosen = _chosen(owner, hooked, node, early.names, status)
    except (ValueError, LookupError, TypeError) as wrong:
        early.fault = str(wrong)
        owner.hook_failed(hooked, node, early.fault)
        return
    early.names |= set(chosen)
    early.begin()

    def ended(fault: str) -> None:
        early.end(fault)
        if fault:
            owner.hook_failed(hooked, node, fault)

    _start(engine, owner, hooked, node, chosen, ended)


def run_hooks(
    engine: Engine,
    owner: Owner,
    hooked: Hooked,
    node: Node,
    done: Callable[[], None],
    which: Which = "all",
) -> None:
    """Run the hooks of a node that has ended, then call `done`."""
    last = exit_hook(hooked.raw, engine.definition.spec) if which != "others" else None
    others = hooked.others if which != "exit" else {}
    if not others and last is None:
        done()
        return
    early = engine.early_hooks.get(node) or Early()
    ended = partial(early.then, done)

    def then(fault: str) -> None:
        fault = fault or early.fault
        if others and fault:
            owner.hook_failed(hooked, node, fault)
            ended()
        else:
            early.then(partial(_run_exit, engine, owner, hooked, node, last, done))

    if early.fault and others:
        then("")
        return
    try:
        chosen = _chosen(owner, hooked, node, early.names, node.status) if others else {}
    except (ValueError, LookupError, TypeError) as wrong:
        then(str(wrong))
        return
    if others:
        early.names |= set(chosen)
        engine.early_hooks[node] = early
    _start(engine, owner, hooked, node, chosen, then)


def _run_exit(
    engine: Engine,
    owner: Owner,
    hooked: Hooked,
    node: Node,
    hook: Mapping[str, Any] | None,
    done: Callable[[], None],
) -> None:
    if hook is None or node.phase not in COMPLETED:
        done()
        return

    def ended(fault: str) -> None:
        if fault:
            owner.exit_failed(node, fault)
        done()

    try:
        expression = hook.get("expression")
        if expression and not _is_true(str(expression), owner, hooked, node.status):
            done()
            return
    except (ValueError, LookupError, TypeError) as wrong:
        ended(str(wrong))
        return
    _start(engine, owner, hooked, node, {"onExit": hook}, ended)


def exit_hook(raw: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the exit hook; without arguments of its own it receives the workflow's."""
    given = spec.get("arguments") or {}
    if raw.get("onExit"):
        return {"template": raw["onExit"], "arguments": given}
    hook = (raw.get("hooks") or {}).get("exit")
    return hook if hook is None or hook.get("arguments") else {**hook, "arguments": given}


def _chosen(
    owner: Owner, hooked: Hooked, node: Node, started: set[str], status: str
) -> dict[str, Mapping[str, Any]]:
    """Return the hooks whose expression holds now. Raises ValueError, LookupError, TypeError."""
    chosen = {}
    for name, hook in hooked.others.items():
        if name in started:
            continue
        if not hook.get("expression"):
            raise NodeFault(f"Expression required for hook {node.name}.hooks.{name}")
        if _is_true(str(hook["expression"]), owner, hooked, status):
            chosen[name] = hook
    return chosen


def _is_true(expression: str, owner: Owner, hooked: Hooked, status: str) -> bool:
    filled = substitute(expression, owner.prepared.scope)
    return compiled(filled).truth(_scope(owner, hooked, status).variables())


def _scope(owner: Owner, hooked: Hooked, status: str) -> _HookScope:
    """Return what an expression sees: of its own node the status only."""
    scope = owner.scope_of(hooked.task)
    own = {**owner.statuses(hooked.task), f"{scope.prefix}.{hooked.name}.status": status}
    return _HookScope(scope, own)


def _with_outputs(scope: _HookScope, hooked: Hooked, source: Node) -> _HookScope:
    """Return what arguments see: the outputs of the node too."""
    own = dict(scope.own)
    for name, value in source.outputs.items():
        own[f"{scope.prefix}.{hooked.name}.outputs.parameters.{name}"] = value or ""
    for name, artifact in source.artifacts.items():
        own[f"{scope.prefix}.{hooked.name}.outputs.artifacts.{name}"] = artifact
    return _HookScope(scope, own)


class _HookScope(Scope):
    """A scope in which what hooks see of their own node stands beside the nodes before it."""

    __slots__ = ("own",)

    def __init__(self, scope: Scope, own: Mapping[str, Any]) -> None:
        super().__init__(scope.globals, {**scope.local, **own}, scope.prefix, scope.views)
        self.own = own

    def variables(self) -> Mapping[str, Any]:
        known = dict(super().variables())
        nodes = dict(known.get(self.prefix) or {})
        for name, value in self.own.items():
            _, node, *path = name.split(".")
            inner = nodes[node] = dict(nodes.get(node) or {})
            for part in path[:-1]:
                inner[part] = dict(inner.get(part) or {})
                inner = inner[part]
            inner[path[-1]] = value
        return {**known, self.prefix: nodes}


def _start(
    engine: Engine,
    owner: Owner,
    hooked: Hooked,
    node: Node,
    hooks: Mapping[str, Mapping[str, Any]],
    done: Callable[[str], None],
) -> None:
    """Call hooks, then `done` with why one could not be called, `""` if all were."""
    if not hooks:
        done("")
        return
    countdown = _Countdown(len(hooks), done)

    def ended(hook: Node) -> None:
        if node.type == "Retry" and hook.name.endswith(".onExit"):  # then what waits hangs below the hook
            node.branch = ((hook.phase if hook.phase in COMPLETED else node.phase, 1),)
            node.outer = further(shown(hook, node.phase), 1)
            node.hides_next = hook.type == "Retry"
        countdown.one(hook.fault)

    for name, hook in hooks.items():
        suffix = ".onExit" if name == "onExit" else f".hooks.{name}"
        named = {key: hook.get(key) for key in ("template", "templateRef")}
        holder = fill(named, owner.prepared.scope, Mode.LENIENT)
        template = engine.definition.called(holder, owner.prepared.template)
        if template is None:
            missing = Node(node.name + suffix, node.path + suffix, "Skipped", node.boundary, flag="hooked")
            missing.done, missing.fault = ended, f"template {holder.get('template')} not found"
            engine.finish(engine.add(missing), "Error", missing.fault)
            continue
        call = Call(node.name + suffix, node.path + suffix, template, ended, boundary=node.boundary)
        call.flag, call.order, call.depth = "hooked", node.order, owner.node.depth + 1
        call.task, call.beside = node.task, not node.is_done
        try:
            arguments = _filled(owner, hooked, node, hook.get("arguments") or {}, is_exit=name == "onExit")
            call.parameters, call.artifacts = parameters_of(arguments[0]), arguments[1]
        except (TagError, NodeFault) as wrong:
            engine.refuse_call(call, str(wrong))
            continue
        engine.call(call)


def _filled(
    owner: Owner, hooked: Hooked, node: Node, arguments: Mapping[str, Any], *, is_exit: bool
) -> tuple[Mapping[str, Any], Mapping[str, Mapping[str, Any]]]:
    """Return the arguments of a hook with their tags filled, and its artifacts.

    Argo fills what is said of nodes only when the hooked one has outputs, and for its exit hook.

    Raises:
        TagError: a tag cannot be replaced, or an artifact is not there; NodeFault for a loop before.
    """
    source = node.children[-1] if node.type == "Retry" and node.children else node
    if not is_exit and not source.has_outputs:
        filled = fill(arguments, owner.prepared.scope, Mode.LENIENT)
        return filled, artifacts_of(filled, owner.prepared.scope, lenient=True)
    scope = _with_outputs(_scope(owner, hooked, node.status), hooked, source)
    filled = fill(without(arguments, absent_arguments(arguments, scope)), scope, Mode.LENIENT)
    return filled, artifacts_of(filled, scope, lenient=True)
