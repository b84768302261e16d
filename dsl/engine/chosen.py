"""A task that is chosen to run in; whether a template calls it, and whether it can run alone, out."""

from __future__ import annotations

from dsl.engine.ancestry import before_task
from dsl.engine.definition import Definition, Task, Template
from dsl.engine.journal import Former
from dsl.engine.refusals import reachable
from dsl.engine.refused import NoTask, Refused
from dsl.engine.results import tasks_of


def refuse_unknown(definition: Definition, task: str) -> None:
    """Raise NoTask for a task that the run does not have."""
    known = _known_tasks(definition)
    if task not in known:
        raise NoTask(task, known)


def _known_tasks(definition: Definition) -> list[str]:
    """Return the names that a task can be chosen by: ids of execution functions, or those in the manifest."""
    templates = reachable(definition)
    if any(template.is_task for template in templates):
        return tasks_of(definition)
    named = (task.name for template in templates for task in template.calls)
    return list(dict.fromkeys([*tasks_of(definition), *named]))


def calls(definition: Definition, template: Template | None, chosen: str) -> bool:
    """Whether a template is that of a task, or calls it somewhere below."""
    below = definition.below(template) if template else ()
    return any(each.task == chosen or any(task.name == chosen for task in each.calls) for each in below)


def refuse_without_inputs(definition: Definition, only: str, former: Former) -> None:
    """Raise Refused when a task cannot run alone: it never ran, and one before it never had success."""
    templates = reachable(definition)
    named = ((task, template) for template in templates for task in template.calls if task.name == only)
    own = {only}.union(*(_leaves(definition, task, caller) for task, caller in named))
    if not own.isdisjoint(record.task for record in former.records.values()):
        return  # what it needs was there then, or was rightly skipped
    good = {record.task for record in former.records.values() if record.phase == "Succeeded"}
    missing = sorted(_needed(definition, templates, only) - good)
    if missing:
        raise Refused(
            f"not supported: only {only}; it needs {', '.join(missing)}, which has not succeeded yet"
        )


def _needed(definition: Definition, templates: list[Template], only: str) -> set[str]:
    """Return the tasks of all leaves that stand before a task, or before what it stands in."""
    needed: set[str] = set()
    for caller in templates:
        leaves = {task.name: _leaves(definition, task, caller) for task in caller.calls}
        for task in caller.calls:
            if task.name == only or calls(definition, definition.called(task.raw, caller), only):
                needed.update(*(leaves[name] for name in before_task(caller, task.name)))
    return needed


def _leaves(definition: Definition, task: Task, caller: Template) -> set[str]:
    """Return the tasks of the leaves that a call starts; a daemon, which leaves nothing, runs again."""
    called = definition.called(task.raw, caller)
    below = definition.below(called) if called else ()
    return {each.task for each in below if each.is_leaf and not each.is_daemon}
