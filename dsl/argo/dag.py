"""A DAG template: its graph, calls, targets, and what each task can read of the others (v4.1.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dsl.argo.arguments import check_arguments
from dsl.argo.findings import nearest
from dsl.argo.inputs import Supplied
from dsl.argo.library import Base, Home
from dsl.argo.loops import is_aggregate, is_loop, item_names, loop_fault
from dsl.argo.names import check_names, is_tag
from dsl.argo.order import RESULTS, Order, unknown_results
from dsl.argo.scope import Scope
from dsl.argo.steps import add_outputs, has_exit_hook, inline_inputs
from dsl.argo.text import PLACEHOLDER, shortened
from dsl.argo.validation import Resolved, Validation
from dsl.codes import Code

Task = Mapping[str, Any]


def check_dag(
    validation: Validation, template: Mapping[str, Any], base: Base, scope: Scope, home: Home
) -> None:
    """Report what is wrong with a DAG template whose inputs are supplied."""
    dag = template["dag"]
    tasks: Sequence[Task] = dag.get("tasks") or ()
    place = home.at("dag", "tasks")
    if not tasks:
        validation.report(Code.MISSING_FIELD, place, "the DAG has no task", "add one")
        return
    order = Order(tasks)
    _check_graph(validation, tasks, order, place)
    for code, index, clause, hint in check_names(tasks):
        named = place.at(index, "name") if tasks[index].get("name") else place.at(index)
        validation.report(code, named, clause, hint)
    _check_depends(validation, tasks, order, place)
    sequence = [*order.sequence, *sorted(set(range(len(tasks))) - set(order.sequence))]
    called: dict[int, Resolved | None] = {}
    for index in sequence:
        task = tasks[index]
        called[index] = validation.call(task, base, validation.anything(), place.at(index))
        prefix = f"tasks.{task.get('name', '')}"
        add_outputs(validation, called[index], prefix, scope, is_aggregate=is_aggregate(task))
        if place.at(index) in validation.lost:
            scope.open.add(f"{prefix}.")
    _check_target(validation, dag.get("target", ""), order, scope, home.at("dag", "target"))
    for index in sequence:
        _check_task(validation, tasks, index, called, order, scope, place.at(index))


def _check_graph(validation: Validation, tasks: Sequence[Task], order: Order, place: Home) -> None:
    for index, waits in enumerate(order.waits):
        unknown = [name for name in waits if name not in order.numbers]
        if unknown and PLACEHOLDER in f"{tasks[index].get('depends')}{tasks[index].get('dependencies')}":
            where = _where(tasks[index], "", place.at(index))
            clause = "Argo reads what a task waits for before it knows what a tag stands for"
            validation.report(Code.UNKNOWN_TASK, where, clause, "write the names of tasks")
            continue
        for name in unknown:
            where = _where(tasks[index], name, place.at(index))
            hint = _unknown_hint(name, order)
            validation.report(Code.UNKNOWN_TASK, where, f"there is no task {shortened(name)} here", hint)
    if order.cycle:
        index = order.numbers[order.cycle[0]]
        where = _where(tasks[index], order.cycle[1], place.at(index))
        clause = f"tasks wait for one another: {' -> '.join(order.cycle)}"
        validation.report(Code.TASK_CYCLE, where, clause, "remove one of these dependencies")


def _unknown_hint(name: str, order: Order) -> str:
    if name in ("and", "or", "not"):
        return "write && || !"
    if result := next((word for word in RESULTS if word.lower() == name.lower()), ""):
        return f"a result begins with a capital: {result}"
    return nearest(name, order.numbers, "add a task of this name")


def _where(task: Task, name: str, place: Home) -> Home:
    """Return where a task names another."""
    if task.get("depends"):
        return place.at("depends")
    names = task.get("dependencies") or []
    return place.at("dependencies", names.index(name)) if name in names else place.at("dependencies")


def _check_depends(validation: Validation, tasks: Sequence[Task], order: Order, place: Home) -> None:
    """Report names, results and fields that do not go with the way the DAG is ordered."""
    uses_depends = any(task.get("depends") for task in tasks)
    for index, task in enumerate(tasks):
        here, name = place.at(index), task.get("name", "")
        if (uses_depends or task.get("dependencies")) and name[:1].isdigit() and name[0].isascii():
            clause = f"{name} begins with a digit, which depends and dependencies cannot name"
            validation.report(Code.FIELD_NAME, here.at("name"), clause, "begin with a letter")
        if uses_depends and task.get("dependencies"):
            clause = "another task of this DAG has depends, so none can have dependencies"
            hint = f"write depends: {' && '.join(task['dependencies'])}"
            validation.report(Code.MIXED_DEPENDS, here.at("dependencies"), clause, hint, on_key=True)
        if uses_depends and "continueOn" in task:
            clause = "a DAG with depends cannot have continueOn"
            hint = f"write {name}.Failed or {name}.Errored in depends"
            validation.report(Code.MIXED_DEPENDS, here.at("continueOn"), clause, hint, on_key=True)
        for other, result in unknown_results(task):
            hint = nearest(result, RESULTS, f"write one of {', '.join(RESULTS)}")
            validation.report(Code.TASK_RESULT, here.at("depends"), f"{other} has no result {result}", hint)
        for other, of_items in order.waits[index].items():
            if of_items and other in order.numbers and not is_loop(tasks[order.numbers[other]]):
                clause = f"{other} has no items, so neither AnySucceeded nor AllFailed"
                hint = f"write {other}.Succeeded or {other}.Failed"
                validation.report(Code.TASK_RESULT, here.at("depends"), clause, hint)


def _check_target(validation: Validation, target: str, order: Order, scope: Scope, place: Home) -> None:
    validation.resolve_tags(target, scope, place)
    for name in target.split(" ") if target else ():
        if not is_tag(name) and name not in order.numbers:
            hint = nearest(name, order.numbers, "name tasks, with one space between them")
            validation.report(Code.UNKNOWN_TASK, place, f"there is no task {shortened(name)!r} here", hint)


def _check_task(
    validation: Validation,
    tasks: Sequence[Task],
    index: int,
    called: Mapping[int, Resolved | None],
    order: Order,
    scope: Scope,
    place: Home,
) -> None:
    """Report the tags and arguments of one task, and check its template once more with these."""
    task, resolved = tasks[index], called[index]
    prefix = f"tasks.{task.get('name', '')}"
    if task.get("hooks"):
        scope.names.add(f"{prefix}.status")
    if has_exit_hook(task):
        add_outputs(validation, resolved, prefix, scope, is_aggregate=False)
    if fault := loop_fault(task):
        validation.report(fault.code, place.at(*fault.route), fault.clause, fault.hint, on_key=True)
    own = scope.inner([*inline_inputs(task), *item_names(task)], _statuses(order, index, called))
    validation.resolve_tags(task, own, place)
    arguments = task.get("arguments") or {}
    check_arguments(validation, arguments, place.at("arguments"))
    if order.is_known(index):
        _check_sources(validation, arguments, order, index, place.at("arguments"))
    if resolved is not None:
        validation.check(resolved, Supplied(arguments), place)


def _statuses(order: Order, index: int, called: Mapping[int, Resolved | None]) -> Callable[[str], bool]:
    """Return a test for `tasks.X.status`: it can be read of tasks before this one."""

    def is_status(tag: str) -> bool:
        if not tag.startswith("tasks.") or not tag.endswith(".status"):
            return False
        name = tag[len("tasks.") : -len(".status")]
        if name in order.numbers and not order.is_known(index):
            return True
        return order.is_ancestor(name, index) and called[order.numbers[name]] is not None

    return is_status


def _check_sources(
    validation: Validation, arguments: Mapping[str, Any], order: Order, index: int, place: Home
) -> None:
    """Report arguments that are outputs of tasks which do not come before this one."""
    for kind, key in (("parameters", "value"), ("artifacts", "from")):
        for number, argument in enumerate(arguments.get(kind) or ()):
            text = argument.get(key) or ""
            if not text.startswith("{{tasks."):
                continue
            name = text.split(".")[1]
            if not order.is_ancestor(name, index):
                clause = f"it comes from {shortened(name)}, which this task does not wait for"
                hint = f"add {name} to depends" if name in order.numbers else nearest(name, order.numbers)
                validation.report(Code.UNORDERED_INPUT, place.at(kind, number, key), clause, hint)
