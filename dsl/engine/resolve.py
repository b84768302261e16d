"""A DAG's task or a step in, what it calls with its tags filled out: once, and for each item of a loop.

Source: workflow/controller/dag.go:resolveDependencyReferences and steps.go:resolveReferences (v4.1.2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dsl.engine.arguments import absent_arguments, fill, without
from dsl.engine.call import Prepared
from dsl.engine.definition import Task
from dsl.engine.loops import Item, Items
from dsl.engine.node import NodeFault
from dsl.engine.scope import Scope
from dsl.engine.tags import Document, MissingError, Mode, substitute
from dsl.engine.task_text import check_closed, check_within, is_open, task_text
from dsl.expr import gojson
from dsl.expr.condition import ConditionError, is_false, is_true

Artifacts = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]


def resolved(task: Task, outer: Prepared, scope: Scope, artifacts_of: Artifacts) -> dict[str, Any]:
    """Fill the tags of a task, `when` first: when it is false the rest stays as it is.

    `outer` is the call of the template that holds it, `scope` has its other nodes too;
    `artifacts_of` finds the artifacts that arguments refer to.

    Raises:
        TagError: a tag cannot be replaced; MissingError when Argo would wait for it.
        NodeFault: a tag is left open.
        ConditionError: `when` is no condition, and the task is no loop.
    """
    raw: dict[str, Any] = outer.filled(task.document)
    when = str(raw.get("when") or "")
    if when:
        if outer.passes and is_open({"when": when}):
            check_closed(gojson.dumps(when))
        when = substitute(when, scope, Mode.NODES)
        try:
            if not is_true(when):
                return {**raw, "when": when}
        except ConditionError:
            if not task.is_loop:
                raise
    if outer.passes and is_open(raw):
        check_closed(task_text({**task.raw, **raw, "hooks": None}, True))
    arguments = raw.get("arguments") or {}
    absent = absent_arguments(arguments, scope)
    given = without(arguments, absent) if absent else arguments
    new: dict[str, Any] = fill({**raw, "arguments": given}, scope, Mode.NODES)
    located = list(artifacts_of(new["arguments"]).values())
    return {**new, "when": when, "arguments": {**new["arguments"], "artifacts": located}}


def resolved_items(
    task: Task, raw: dict[str, Any], items: Items, scope: Scope, keys: Sequence[str]
) -> Iterator[tuple[Item, dict[str, Any]]]:
    """Fill the tags of each item in the fields `keys` of a resolved loop; return what each calls.

    All are filled before the first is given away, and none is kept longer than the caller keeps it.

    Raises:
        NodeFault: a name that nothing will ever define.
        TagError: a tag cannot be replaced.
    """
    fields = {key: raw[key] for key in keys if raw.get(key)}
    document = Document(fields)
    mode = Mode.UNUSED if is_false(str(raw.get("when") or "")) else Mode.ALL
    if is_open(fields):
        text = task_text({**task.raw, **raw}, "withItems" in keys)
        try:
            check_closed(text)
        except NodeFault as fault:
            raise NodeFault(f"unable to parse argo variable: {fault}") from None
        if mode is Mode.ALL:
            check_within(text)
    try:
        filled = deque(document.filled(scope.with_local(item.variables), mode) for item in items)
    except MissingError as missing:
        raise NodeFault(str(missing)) from None
    return ((item, {**raw, **filled.popleft()}) for item in items)
