"""A task that is chosen to run in; whether a template calls it, and whether it can run alone, out."""

from __future__ import annotations

from dsl.engine.ancestry import before_task
from dsl.engine.definition import Definition, Task, Template
from dsl.engine.journal import Former
from dsl.engine.refused import Refused
from dsl.engine.results import tasks_of


def known_tasks(definition: Definition) -> list[str]:
    """Return the names that a task can be chosen by: ids of execution functions, or those in the manifest."""
    templates = definition.templates.values()
    if any(template.is_task for template in templates):
        return tasks_of(definition)
    named = (task.name for template in templates for task in template.calls)
    return list(dict.fromkeys([*tasks_of(definition), *named]))


def calls(
    definition: Definition, template: Template | None, chosen: str, above: tuple[Template, ...] = ()
) -> bool:
    """Whether a template is that of a task, or calls it somewhere below."""
    if template is None or template in above:
        return False
    return template.task == chosen or any(
        task.name == chosen
        or calls(definition, definition.called(task.raw, template), chosen, (*above, template))
        for task in template.calls
    )


def refuse_without_inputs(definition: Definition, only: str, former: Former) -> None:
    """Raise Refused when a task cannot run alone: it never ran, and one before it never had success."""
    named = [task for template in definition.templates.values() for task in template.calls]
    own = {only}.union(*(_leaves(definition, task) for task in named if task.name == only))
    if not own.isdisjoint(record.task for record in former.records.values()):
        return  # what it needs was there then, or was rightly skipped
    good = {record.task for record in former.records.values() if record.phase == "Succeeded"}
    missing = sorted(_needed(definition, own) - good)
    if missing:
        raise Refused(
            f"not supported: only {only}; it needs {', '.join(missing)}, which has not succeeded yet"
        )


def _needed(definition: Definition, own: set[str]) -> set[str]:
    """Return the tasks of all leaves that stand before one that is to run."""
    needed: set[str] = set()
    for template in definition.templates.values():
        for task in template.calls:
            if not own.isdisjoint(_leaves(definition, task)):
                above = before_task(template, task.name)
                needed.update(*(_leaves(definition, each) for each in template.calls if each.name in above))
    return needed


def _leaves(definition: Definition, task: Task, seen: tuple[str, ...] = ()) -> set[str]:
    """Return the tasks of the leaves that a call starts; a daemon, which leaves nothing, runs again."""
    template = definition.called(task.raw)
    if template is None or template.name in seen or template.is_daemon:
        return set()
    if template.is_leaf:
        return {template.task}
    return set().union(*(_leaves(definition, each, (*seen, template.name)) for each in template.calls))
