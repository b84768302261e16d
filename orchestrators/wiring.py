"""How tasks of `main` refer to one another: what they wait for, where values come from, when they skip."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from dsl import encode
from dsl.argument import Constant, NodeValue, RunParameter, may_skip
from dsl.names import partition_name
from dsl.plan import Plan, PlannedNode, Test
from orchestrators.leaf import RESULT, run_parameter
from orchestrators.rules import WHOLE, Upstream, upstream

STATE = "state"
_OPERATORS = {"and": " && ", "or": " || "}


class Wiring:
    """The tasks that stand for each node in `main`, and the expressions that read them.

    `compact` names the lane task of each node in a compact lane, `ends` the task that ends as such a node
    does: its lane, or a verdict of its own. `listed` are the nodes whose lane says how each partition ended.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.by_id = {node.id: node for node in plan.nodes}
        self.by_name = {node.name: node for node in plan.nodes}
        self.compact = {name: lane.name for lane in plan.lanes if lane.compact for name in lane.nodes}
        self.ends: dict[str, str] = dict(self.compact)
        self.listed: set[str] = set()
        self.may_skip = may_skip(node.waiting for node in plan.nodes)
        self._taken = {*self.by_name, *(lane.name for lane in plan.lanes)}

    def free_name(self, name: str) -> str:
        """Return a name for one more task of `main`: this one, or one that begins with it."""
        found = next(free_names(name, self._taken))
        self._taken.add(found)
        return found

    def tasks(self, name: str, waiting: PlannedNode, partition: int | None) -> list[str]:
        """Return the tasks of `main` that one task of the node `waiting` waits for because of node `name`."""
        node = self.by_name[name]
        if not node.is_mapped:
            return [name]
        if name in self.compact:
            return [self.ends[name]]
        indexes: Iterable[int] = range(len(node.partitions))
        if partition is not None and waiting.joins[name] == "aligned":
            indexes = [partition]
        elif partition is not None and name in waiting.needs:
            indexes = waiting.needs[name][partition]
        return [partition_name(name, index) for index in indexes]

    def in_one_lane(self, name: str, other: PlannedNode) -> bool:
        """Whether two nodes stand in one compact lane."""
        return name in self.compact and self.compact[name] == self.compact.get(other.name)

    def upstreams(self, waiting: PlannedNode, partition: int | None) -> list[Upstream]:
        """Return everything that one task of a node waits for."""
        whole = waiting.function.options.trigger_rule in WHOLE
        found = []
        for name in waiting.joins:
            may_skip = name in self.may_skip
            if name in self.listed and not whole:
                phases = f"fromJSON({self.phases(name, waiting)})"
                found.append(Upstream(self.ends[name], phases, may_skip, many=True))
            else:
                found += [upstream(task, may_skip) for task in self.tasks(name, waiting, partition)]
        return found

    def phases(self, name: str, waiting: PlannedNode) -> str:
        """Return the expression of a JSON list: how each task of a node ended, or one phase for all."""
        if name in self.listed:
            lane = task_of(self.compact[name])
            states = f"{lane}.outputs.parameters['{name}-{STATE}']"
            return f"({lane}.status == 'Succeeded' ? {states} : toJson([{lane}.status]))"
        statuses = ", ".join(f"{task_of(task)}.status" for task in self.tasks(name, waiting, None))
        return f"toJson([{statuses}])"

    def value(
        self, waiting: PlannedNode, value: NodeValue, partition: int | None, *, early: bool = False
    ) -> str:
        """Return the expression of a value's text, its fallback where its node did not succeed.

        `early`: it is read before it is known whether the node `waiting` runs.
        """
        if value.by_task:
            value = replace(value, path=(), fallback=())
        node = self.by_id[value.node]
        guarded = early or waiting.function.options.trigger_rule != "all_success"
        if value.form == "line" and partition is not None and node.name not in self.compact:
            names = [partition_name(node.name, partition)]
        else:
            names = self.tasks(node.name, waiting, None if value.form == "gather" else partition)
        if node.name in self.listed:
            text = f"{task_of(self.compact[node.name])}.outputs.parameters['{node.name}-{RESULT}']"
        elif node.name in self.compact:
            lane = task_of(self.compact[node.name])
            safe = f"({lane}.outputs?.parameters?.{RESULT} ?? '[]')"
            text = safe if guarded else f"{lane}.outputs.parameters['{RESULT}']"
        else:
            plain = (f"{task_of(name)}.outputs.parameters['{RESULT}']" for name in names)
            maybe = (f"({task_of(name)}.outputs?.parameters?.{RESULT} ?? 'null')" for name in names)
            texts = [*(maybe if guarded else plain)]
            text = f"toJson([{', '.join(texts)}])" if value.form == "gather" else texts[0]
        if not guarded:
            return part(text, value.path)
        phases = ", ".join(f"{task_of(name)}.status" for name in names)
        succeeded = f"{phases} == 'Succeeded'" if len(names) == 1 else f"all([{phases}], # == 'Succeeded')"
        return f"({succeeded} ? {part(text, value.path)} : {absent(value)})"

    def lines(self, node: PlannedNode) -> str:
        """Return the expression of a JSON list with the value text of each partition of a node in a lane."""
        lane = task_of(self.compact[node.name])
        texts = f"({lane}.outputs?.parameters?.{RESULT} ?? '[]')"
        if node.name in self.listed:  # such a lane never fails, so Argo knows its outputs where it knows it
            texts = f"{lane}.outputs.parameters['{node.name}-{RESULT}']"
        return f"({lane}.status == 'Succeeded' ? {texts} : '[]')"

    def items(self, name: str) -> str:
        """Return the expression of the partitions that a node plans for others."""
        return f"{task_of(name)}.outputs.parameters['items']"

    def conditions(self, node: PlannedNode, partition: int | None) -> str | None:
        """Return the expression of a node's conditions, None if it has none."""
        return condition(node, lambda value: self.value(node, value, partition))


def free_names(name: str, taken: Iterable[str]) -> Iterator[str]:
    """Yield names that begin with `name` and are not taken."""
    numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    return (one for one in numbered if one not in taken)


def task_of(name: str) -> str:
    """Return the expression of a task of the same template."""
    return f"tasks[{encode.literal(name)}]"


def absent(value: NodeValue) -> str:
    """Return the expression of the text that stands for a value whose node did not succeed."""
    if not value.fallback:
        return "''"
    [fallback] = value.fallback
    if value.form == "gather" and isinstance(fallback, list):
        lines = [f"{number} {encode.json_text(one)}" for number, one in enumerate(fallback)]
        return encode.literal(encode.json_text(lines))
    start = "0 " if value.form == "line" else ""
    return encode.literal(start + encode.json_text(fallback))


def part(text: str, path: tuple[str | int, ...]) -> str:
    """Return the expression of JSON text: all of it, or what keys and indexes lead to, brace-safe again."""
    if not path:
        return text
    found = f"toJson({decoded(text, path)})"
    return f"replace(replace({found}, '\\u007b\\u007b', '\\u007b\\\\u007b'), '\\u0024', '\\\\u0024')"


def decoded(text: str, path: tuple[str | int, ...]) -> str:
    """Return the expression of the value that keys and indexes lead to in JSON text."""
    steps = "".join(f"[{step if isinstance(step, int) else encode.literal(step)}]" for step in path)
    return f"fromJSON({text}){steps}"


def conjunction(expressions: Iterable[str | None]) -> str | None:
    """Return the expressions joined by `&&`, None if there is none."""
    parts = [expression for expression in expressions if expression]
    return " && ".join(f"({one})" if len(parts) > 1 else one for one in parts) or None


def condition(node: PlannedNode, text_of: Callable[[NodeValue], str]) -> str | None:
    """Return the expression of a node's conditions, None if it has none.

    `text_of` gives that of a value's text. A condition on a value that is absent does not hold.
    """
    known: list[str] = []
    if node.function.options.trigger_rule != "all_success":
        known = [f"{text_of(value)} != ''" for value in values_read(node) if not value.fallback]
    return conjunction((*known, *(test_expression(test, text_of) for test in node.conditions)))


def values_read(node: PlannedNode) -> list[NodeValue]:
    """Return the values that a node's conditions read, each whole and once."""
    found: dict[str, NodeValue] = {}
    pending: list[object] = list(node.conditions)
    while pending:
        operand = pending.pop(0)
        if isinstance(operand, Test):
            pending += operand.operands
        elif isinstance(operand, NodeValue):
            found.setdefault(operand.node, NodeValue(operand.node, operand.form, (), operand.fallback))
    return list(found.values())


def test_expression(test: Test, text_of: Callable[[NodeValue], str]) -> str:
    """Return the expression of one condition; `text_of` gives that of a node's value, as JSON text."""

    def operand(value: Test | NodeValue | RunParameter | Constant) -> str:
        if isinstance(value, Test):
            return f"({test_expression(value, text_of)})"
        if isinstance(value, RunParameter):
            raw = run_parameter(value.name)
            return raw if value.is_text else f"fromJSON({raw})"
        if isinstance(value, Constant):
            return constant(value.value)
        text = text_of(NodeValue(value.node, value.form, (), value.fallback))
        if value.form == "line":
            text = f"{text}[indexOf({text}, ' ') + 1:]"
        return decoded(text, value.path)

    operands = [operand(value) for value in test.operands]
    if test.operator == "not":
        return f"not {operands[0]}"
    return _OPERATORS.get(test.operator, f" {test.operator} ").join(operands)


def constant(value: object) -> str:
    """Return a constant of the author's as an expression."""
    if value is None:
        return "nil"
    if isinstance(value, str):
        return encode.literal(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return f"fromJSON({encode.literal(encode.json_text(value))})"
