"""Traps in calls: tags that wait for ever, outputs that may be absent, hooks and arguments of no use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from dsl.argo.findings import Route, nearest
from dsl.argo.loops import is_loop
from dsl.argo.order import Order
from dsl.argo.scope import names_of
from dsl.argo.text import is_closed, strings
from dsl.argo.trap_texts import check_depends, check_when
from dsl.codes import Code

if TYPE_CHECKING:
    from dsl.argo.traps import Traps

Task = Mapping[str, Any]
_READ: Final = re.compile(r"\{\{\s*(?:tasks|steps)\.([^.}\s]+)\.([^}]*?)\s*\}\}")
_APART: Final = ("hooks", "onExit", "inline")
"""Parts of a task that are read after it has ended, or have tasks of their own."""


def check_dag(traps: Traps, tasks: Sequence[Task], place: Route) -> None:
    """Note tags of tasks that read what does not come before them."""
    order = Order(tasks)
    for index, task in enumerate(tasks):
        here = (*place, index)
        check_depends(traps, tasks, index, here)
        for route, name, what, is_start in _reads(task):
            if name not in order.numbers:
                continue
            if not order.is_ancestor(name, index):
                if not (is_start and route[:1] == ("arguments",)):
                    clause = f"it reads {name}, which this task does not wait for, so it waits for ever"
                    hint = f"add {name} to depends"
                    traps.warn(Code.NEVER_RESOLVED, (*here, *route), clause, hint)
                continue
            other = tasks[order.numbers[name]]
            if what == "outputs.result" and _may_run_without(task, other, name):
                clause = f"{name} has a condition; when it is skipped, its result never comes"
                hint = f"add the same when:, or wait for {name}.Succeeded"
                traps.warn(Code.ABSENT_OUTPUT, (*here, *route), clause, hint)
            if what.startswith("outputs.parameters.") and _may_lack_items(task, other, name):
                clause = f"when no item of {name} succeeds, its list of {what.split('.')[2]} never comes"
                hint = f"wait for {name}.AnySucceeded"
                traps.warn(Code.ABSENT_OUTPUT, (*here, *route), clause, hint)


def _reads(task: Task) -> list[tuple[Route, str, str, bool]]:
    """Return the simple tags of a task that read another: where, whom, what, whether it begins so."""
    return [
        (route, match[1], match[2], match.start() == 0)
        for route, text in strings(task)
        if route[0] not in _APART and is_closed(text)
        for match in _READ.finditer(text)
    ]


def _may_run_without(task: Task, other: Task, name: str) -> bool:
    """Whether a task runs also when the other was skipped by its own condition."""
    if not other.get("when") or task.get("when") or is_loop(other):  # a loop ends as a whole
        return False
    return bool(_ends_awaited(task, name) & {"", "Skipped"})


def _may_lack_items(task: Task, other: Task, name: str) -> bool:
    """Whether a task runs also when a loop had no items, or none that succeeded."""
    if not is_loop(other) or task.get("when"):
        return False
    awaited = _ends_awaited(task, name)
    of_run = "{{" in f"{other.get('withParam')}{other.get('withSequence')}"
    return bool(awaited & {"Failed", "Errored", "AllFailed"}) or (of_run and bool(awaited & {"", "Skipped"}))


def _ends_awaited(task: Task, name: str) -> set[str]:
    """Return after which ends of another a task runs, as `depends` names them; "" is the name alone."""
    depends = task.get("depends", "")
    if not depends:
        return {""} if name in (task.get("dependencies") or ()) else set()
    return set(re.findall(rf"(?<![-\w]){re.escape(name)}(?:\.(\w+))?(?![-\w.])", depends))


def check_group(traps: Traps, steps: Sequence[Task], place: Route) -> None:
    """Note tags of steps that read a step of their own group."""
    names = {step.get("name") for step in steps}
    for index, step in enumerate(steps):
        for route, name, _, _ in _reads(step):
            if name in names:
                clause = f"it reads {name}, which runs at the same time, so it waits for ever"
                hint = "move this step into a later group"
                traps.warn(Code.NEVER_RESOLVED, (*place, index, *route), clause, hint)


def check_call(traps: Traps, call: Task, place: Route) -> None:
    """Note a call whose condition, hooks or arguments do not work out."""
    check_when(traps, call, place)
    _check_hooks(traps, call, place)
    called = traps.template(call)
    if called is None:
        return
    for kind in ("parameters", "artifacts"):
        known = names_of(called.get("inputs"), kind)
        for index, name in enumerate(names_of(call.get("arguments"), kind)):
            if name and name not in known:
                clause = f"{called.get('name') or 'the template'} has no input {name}"
                route = (*place, "arguments", kind, index, "name")
                traps.warn(Code.UNUSED_ARGUMENT, route, clause, nearest(name, known, "remove it"))


def _check_hooks(traps: Traps, call: Task, place: Route) -> None:
    if call.get("onExit"):
        check_hook(traps, {"template": call["onExit"]}, (*place, "onExit"))
    for name, hook in (call.get("hooks") or {}).items():
        check_hook(traps, hook, (*place, "hooks", name))
        if place[-2] == "tasks" and name != "exit" and not hook.get("expression"):
            route = (*place, "hooks", name)
            traps.warn(Code.HOOK, route, "the hook has no expression", "add expression:", on_key=True)


def check_hook(traps: Traps, hook: Task, route: Route) -> None:
    """Note a hook that calls what is not there."""
    called = hook.get("template", "")
    if not called or "{{" in called or "templateRef" in hook or "workflowTemplateRef" in traps.spec:
        return
    if traps.template(hook) is None:
        hint = nearest(called, names_of(traps.spec, "templates"), "add a template of this name")
        traps.warn(Code.HOOK, route, f"there is no template {called} for the hook", hint)
