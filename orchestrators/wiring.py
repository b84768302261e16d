"""How tasks of `main` refer to one another: what they wait for, where values come from, when they are skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from dsl import encode
from dsl.graph import Constant, NodeValue, RunParameter
from dsl.names import partition_name
from dsl.plan import Plan, PlannedNode, Test
from orchestrators.leaf import RESULT, run_parameter
from orchestrators.rules import BAD, Upstream, upstream

_OPERATORS = {"and": " && ", "or": " || "}
_INHERITS_NO_SKIP = ("all_done", "always", "none_failed")


class Wiring:
    """The tasks that stand for each node in `main`, and the expressions that read them.

    `compact` names the lane task of each node in a compact lane, `ends` the task that ends as such a node does:
    its lane, or a verdict of its own.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.by_id = {node.id: node for node in plan.nodes}
        self.by_name = {node.name: node for node in plan.nodes}
        self.compact = {name: lane.name for lane in plan.lanes if lane.compact for name in lane.nodes}
        self.ends: dict[str, str] = dict(self.compact)
        self.may_skip = _skippable(plan)

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

    def upstreams(self, waiting: PlannedNode, partition: int | None) -> list[Upstream]:
        """Return everything that one task of a node waits for."""
        return [
            upstream(task, name in self.may_skip)
            for name in waiting.joins
            for task in self.tasks(name, waiting, partition)
        ]

    def state(self, name: str, waiting: PlannedNode) -> str:
        """Return the expression of one phase for all tasks of a node: Succeeded, Failed or Skipped."""
        phases = (
            "[" + ", ".join(upstream(task, True).status for task in self.tasks(name, waiting, None)) + "]"
        )
        return f"(any({phases}, # in {BAD}) ? 'Failed' : all({phases}, # == 'Succeeded') ? 'Succeeded' : 'Skipped')"

    def value(self, waiting: PlannedNode, value: NodeValue, partition: int | None) -> str:
        """Return the expression of a value's text, its fallback where its node did not succeed."""
        node = self.by_id[value.node]
        if value.form == "gather" and node.name in self.compact:
            lane = self.compact[node.name]
            return self._guarded(waiting, node, lane, f"{node.name}-{RESULT}", value)
        if value.form == "gather":
            names = self.tasks(node.name, waiting, None)
            return (
                "toJson(["
                + ", ".join(self._guarded(waiting, node, name, RESULT, value) for name in names)
                + "])"
            )
        [task] = self.tasks(node.name, waiting, partition)
        return self._guarded(waiting, node, task, RESULT, value)

    def items(self, name: str) -> str:
        """Return the expression of the partitions that a node plans for others."""
        return f"{_task(name)}.outputs.parameters['items']"

    def conditions(self, node: PlannedNode, partition: int | None) -> str | None:
        """Return the expression of a node's conditions, None if it has none."""
        return conjunction(
            test_expression(test, lambda value: self.value(node, value, partition))
            for test in node.conditions
        )

    def _guarded(
        self, waiting: PlannedNode, node: PlannedNode, task: str, output: str, value: NodeValue
    ) -> str:
        """Return the text of one output; a task that may not have succeeded is asked for its phase first."""
        plain = f"{_task(task)}.outputs.parameters[{encode.literal(output)}]"
        succeeds = waiting.function.options.trigger_rule in ("all_success",)
        if succeeds and not value.fallback:
            return part(plain, value.path)
        fallback = encode.literal(encode.json_text(value.fallback[0])) if value.fallback else "''"
        safe = f"({_task(task)}.outputs?.parameters?.{output} ?? 'null')"
        if "-" in output:
            safe = plain
        return f"({_task(task)}.status == 'Succeeded' ? {part(safe, value.path)} : {fallback})"


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


def test_expression(test: Test, text_of: Callable[[NodeValue], str]) -> str:
    """Return the expression of a condition; `text_of` gives that of a node's value, as JSON text."""

    def operand(value: Test | NodeValue | RunParameter | Constant) -> str:
        if isinstance(value, Test):
            return f"({test_expression(value, text_of)})"
        if isinstance(value, RunParameter):
            raw = run_parameter(value.name)
            return raw if value.is_text else f"fromJSON({raw})"
        if isinstance(value, Constant):
            return constant(value.value)
        whole = NodeValue(value.node, value.form, (), value.fallback)
        text = text_of(whole)
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


def _task(name: str) -> str:
    return f"tasks[{encode.literal(name)}]"


def _skippable(plan: Plan) -> frozenset[str]:
    found: set[str] = set()
    for node in plan.nodes:
        inherits = node.function.options.trigger_rule not in _INHERITS_NO_SKIP and found & set(node.joins)
        if node.conditions or inherits:
            found.add(node.name)
    return frozenset(found)
