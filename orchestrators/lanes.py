"""A compact lane: one looped task whose template holds the lane's nodes once, for any number of partitions.

A lane whose nodes all start after the same tasks and end in one node is that loop alone. In any other lane a
partition is told how the tasks that its nodes wait for have ended, and gates keep back what depends on those
that failed; the lane lists how its nodes ended in every partition, and a verdict per node ends in `main` as
the node does. So nodes decide, not lanes, and each ends as it would in the explicit form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hera.workflows import DAG, Parameter, Task
from hera.workflows import models as m

from dsl import encode
from dsl.argument import NodeValue
from dsl.function import TriggerRule
from dsl.plan import ItemTable, Lane, Plan, PlannedNode
from orchestrators.base import Expansion, give
from orchestrators.leaf import ITEMS, RESULT, brought, reference, run_parameter, value_name
from orchestrators.rules import WHOLE, Upstream, admits, depends_of, done, phases_of, upstream, when_of
from orchestrators.wiring import (
    STATE,
    Wiring,
    absent,
    condition,
    conjunction,
    free_names,
    task_of,
    values_read,
)

NOP = "nop"
VERDICT = "verdict"
_OWN = ("aligned", "regroup")
"""Joins by which a partition waits for some partitions of an upstream only."""


@dataclass(frozen=True, slots=True)
class CompactLane:
    """A lane and what its shape asks for. `exposed` are the nodes that others wait for, or nothing does."""

    lane: Lane
    table: ItemTable
    nodes: tuple[PlannedNode, ...]
    outside: tuple[str, ...]
    exposed: tuple[PlannedNode, ...]
    starts_as_one: bool
    ends_as_one: bool

    @property
    def head(self) -> PlannedNode:
        """The first node of the lane."""
        return self.nodes[0]

    @property
    def members(self) -> frozenset[str]:
        """The names of its nodes."""
        return frozenset(node.name for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Entrance:
    """What lets a task of `main` begin; `gates` are tasks that `depends` needs beside those of the plan."""

    depends: str | None
    when: str | None
    gates: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class _Passed:
    """A parameter that a partition gets: its expression in `main`, and in the loop, which picks from it."""

    name: str
    outer: str
    inner: str


def make_lane(plan: Plan, lane: Lane) -> CompactLane:
    """Return what the shape of a lane asks for."""
    members = set(lane.nodes)
    nodes = tuple(node for node in plan.nodes if node.name in members)
    outside = tuple(dict.fromkeys(before for node in nodes for before in node.joins if before not in members))
    heads = [node for node in nodes if not members & set(node.joins)]
    consumed = {before for node in plan.nodes if node.name not in members for before in node.joins}
    waited = {before for node in nodes for before in node.joins}
    sinks = [node for node in nodes if node.name not in waited]
    exposed = tuple(node for node in nodes if node.name in consumed or node in sinks)
    conditions = [node for node in nodes if node.conditions]
    on_the_whole = not conditions or (
        conditions == heads and len(heads) == 1 and all(v.form == "single" for v in values_read(heads[0]))
    )
    starts_as_one = on_the_whole and all(
        set(outside) == set(head.joins) and not any(join in _OWN for join in head.joins.values())
        for head in heads
    )
    ends_as_one = starts_as_one and exposed == (sinks[0],) and not _asked_for_each(plan, sinks[0])
    return CompactLane(lane, plan.tables[lane.table], nodes, outside, exposed, starts_as_one, ends_as_one)


def _asked_for_each(plan: Plan, node: PlannedNode) -> bool:
    """Whether a later node needs to know of each partition how it ended."""
    return any(
        after.joins[node.name] in _OWN or after.function.options.trigger_rule not in WHOLE
        for after in plan.nodes
        if node.name in after.joins
    )


def entrance(wiring: Wiring, name: str, rule: TriggerRule, upstreams: Sequence[Upstream]) -> Entrance:
    """Return what lets the task `name` begin; a rule about the partitions of a lane needs a gate."""
    when = when_of(rule, upstreams)
    if rule not in ("one_success", "all_done_min_one_success") or not any(one.many for one in upstreams):
        return Entrance(depends_of(rule, upstreams), when)
    admitted = admits(rule, phases_of(upstreams))
    gate = Task(
        name=wiring.free_name(f"{name}-ready"),
        template=NOP,
        depends=depends_of("all_done", upstreams),
        when=encode.tag(admitted) if admitted else None,
    )
    waits = depends_of("all_done", upstreams)
    return Entrance(f"{waits} && {gate.name}.Succeeded", when, (gate,))


def lane_tasks(compact: CompactLane, wiring: Wiring) -> list[Task]:
    """Return the tasks of `main` that run a whole lane: the lane, behind a gate where its rule needs one."""
    entered = _entrance(compact, wiring)
    lane = Task(
        name=compact.lane.name,
        template=compact.lane.name,
        arguments=[Parameter(name=one.name, value=encode.tag(one.outer)) for one in _passed(compact, wiring)],
        depends=entered.depends,
        when=encode.tag(entered.when) if entered.when else None,
    )
    return [*entered.gates, lane]


def _entrance(compact: CompactLane, wiring: Wiring) -> Entrance:
    head = compact.head
    rule = head.function.options.trigger_rule
    planner = compact.table.discovered_by
    listed = [upstream(planner, planner in wiring.may_skip)] if planner else []
    if compact.starts_as_one:
        entered = entrance(wiring, compact.lane.name, rule, wiring.upstreams(head, None))
        conditions = wiring.conditions(head, None)
        if rule == "all_success":
            listed = []
    else:
        tasks = [
            task
            for node in compact.nodes
            for name in node.joins
            if name in compact.outside and name != planner
            for task in wiring.tasks(name, node, None)
        ]
        entered = Entrance(" && ".join(done(task) for task in dict.fromkeys(tasks)) or None, None)
        conditions = None
    waits = [wait for wait in (depends_of("all_success", listed), entered.depends) if wait]
    when = conjunction((when_of("all_success", listed), entered.when, conditions))
    return Entrance(" && ".join(waits) or None, when, entered.gates)


def verdict_tasks(compact: CompactLane) -> list[Task]:
    """Return a task of `main` per exposed node that ends as the node does, none if the lane itself does."""
    if compact.ends_as_one:
        return []
    lane = compact.lane.name
    tasks = []
    for node in compact.exposed:
        states = f"tasks['{lane}'].outputs.parameters['{node.name}-{STATE}']"
        bad = "# in ['Failed', 'Error', 'Omitted']"
        runs = f"not (any(fromJSON({states}), # == 'Skipped') && none(fromJSON({states}), {bad}))"
        when = f"tasks['{lane}'].status == 'Succeeded' && {runs}"
        given = [Parameter(name="states", value=encode.tag(states))]
        depends = f"({lane}.Succeeded || {lane}.Skipped)"
        tasks.append(
            Task(name=node.name, template=VERDICT, arguments=given, depends=depends, when=encode.tag(when))
        )
    return tasks


def lane_templates(compact: CompactLane, expansions: Mapping[str, Expansion], wiring: Wiring) -> list[DAG]:
    """Return the two templates of a lane: the loop over its partitions, and one partition."""
    table = compact.table
    passed = _passed(compact, wiring)
    source = reference(ITEMS) if table.discovered_by else run_parameter(table.name)
    number = f"({source} == '' ? 0 : len(split({source}, '\\n')))"
    arguments = [Parameter(name="index", value="{{item}}")]
    leaves = [expansions[node.name].orchestrator.leaf for node in compact.nodes]
    declared = {parameter.name for leaf in leaves for parameter in leaf.parameters()}
    if ITEMS in declared:
        line = f"split({source}, '\\n')[int(item)]"
        singles = not table.discovered_by and set(table.partitions.sizes) <= {1}
        arguments.append(Parameter(name=ITEMS, value=encode.tag(f"item + ';' + {line}" if singles else line)))
    if "count" in declared:
        arguments.append(Parameter(name="count", value=encode.tag(number)))
    arguments += [Parameter(name=p.name, value=encode.tag(p.inner)) for p in passed if p.name != ITEMS]
    count = encode.tag(number) if table.discovered_by else str(len(table.partitions))
    loop = Task(
        name="partition",
        template=f"{compact.lane.name}-partition",
        arguments=arguments,
        with_sequence=m.Sequence(count=m.IntOrString(root=count)),
    )
    outputs = _outputs(compact)
    outer = DAG(
        name=compact.lane.name,
        parallelism=table.parallelism,
        inputs=[Parameter(name=one.name) for one in passed],
        outputs=[Parameter(name=n, value_from=m.ValueFrom(expression=_aggregated(n))) for n in outputs],
        tasks=[loop],
    )
    inner = DAG(
        name=f"{compact.lane.name}-partition",
        inputs=[Parameter(name=str(argument.name)) for argument in arguments],
        outputs=[_partition_output(compact, name) for name in outputs],
        tasks=[*_partition_tasks(compact, expansions, wiring)],
    )
    return [outer, inner]


def _passed(compact: CompactLane, wiring: Wiring) -> list[_Passed]:
    """Return the parameters of a lane: items, how upstreams ended, and values of nodes outside."""
    members, planner = compact.members, compact.table.discovered_by
    found: dict[str, _Passed] = {}
    if planner:
        found[ITEMS] = _Passed(ITEMS, wiring.items(planner), "")
    for node in compact.nodes:
        for name, join in node.joins.items():
            if not compact.starts_as_one and name not in members and name != planner:
                own = join in _OWN
                inner = _own_states(name, node) if own else reference(_state(name, own))
                found[_state(name, own)] = _Passed(_state(name, own), wiring.phases(name, node), inner)
        for parameter, value in brought(node).items():
            if wiring.by_id[value.node].name not in members:
                found[f"{node.name}-{parameter}"] = _passed_value(
                    compact, wiring, node, f"{node.name}-{parameter}", value
                )
        if not compact.starts_as_one:
            for number, value in enumerate(values_read(node)):
                name = _tested(node, number)
                if wiring.by_id[value.node].name not in members:
                    found[name] = _passed_value(compact, wiring, node, name, value)
    return list(found.values())


def _passed_value(
    compact: CompactLane, wiring: Wiring, node: PlannedNode, name: str, value: NodeValue
) -> _Passed:
    """Return the parameter that brings a value from outside; a partition gets its own of one value each."""
    if value.form != "line":
        early = not compact.starts_as_one
        return _Passed(name, wiring.value(node, value, None, early=early), reference(name))
    texts = f"fromJSON({reference(name)})"
    text = f"{texts}[int(item)]"
    picked = f"(len({texts}) > int(item) && {text} != '' ? {text} : {absent(value)})"
    return _Passed(name, wiring.lines(wiring.by_id[value.node]), picked)


def _state(name: str, own: bool) -> str:
    """Return the parameter that says how an upstream ended: for this partition, or everywhere."""
    return f"{name}-{STATE}" if own else f"{name}-{STATE}s"


def _tested(node: PlannedNode, number: int) -> str:
    """Return the parameter that brings a value for a node's conditions; no argument can be called that."""
    return f"{node.name}-if-{number}"


def _own_states(name: str, node: PlannedNode) -> str:
    """Return the expression, in the loop, of the phases of what one partition waits for."""
    states = f"fromJSON({reference(_state(name, True))})"
    picked = f"[{states}[int(item)]]"
    if name in node.needs:
        needs = encode.literal(json.dumps(node.needs[name], separators=(",", ":")))
        picked = f"map(fromJSON({needs})[int(item)], {states}[int(#)])"
    return f"toJson(len({states}) == 1 ? {states} : {picked})"


def _outputs(compact: CompactLane) -> list[str]:
    if compact.ends_as_one:
        return [RESULT] if compact.exposed[0].has_value else []
    results = [f"{node.name}-{RESULT}" for node in compact.exposed if node.has_value]
    return results + [f"{node.name}-{STATE}" for node in compact.exposed]


def _aggregated(name: str) -> str:
    """Return the expression of a loop's outputs, which has a value also where the loop had no items."""
    outputs = "tasks.partition.outputs.parameters"
    none = '["Succeeded"]' if name.endswith(f"-{STATE}") else "[]"
    return f"type({outputs}) == 'string' ? '{none}' : ({outputs}['{name}'] ?? '{none}')"


def _partition_output(compact: CompactLane, name: str) -> Parameter:
    if compact.ends_as_one:
        text = f"{{{{tasks.{compact.exposed[0].name}.outputs.parameters.{RESULT}}}}}"
        return Parameter(name=name, value_from=m.ValueFrom(parameter=text))
    node, _, what = name.rpartition("-")
    expression = f"{task_of(node)}.status"
    if what == RESULT:
        text = f"({task_of(node)}.outputs?.parameters?.{RESULT} ?? '')"
        expression = f"{task_of(node)}.status == 'Succeeded' ? {text} : ''"
    return Parameter(name=name, value_from=m.ValueFrom(expression=expression))


def _partition_tasks(
    compact: CompactLane, expansions: Mapping[str, Expansion], wiring: Wiring
) -> Iterator[Task]:
    members = compact.members
    gates: dict[str, str] = {}
    known: dict[str, set[str]] = {}
    for node in compact.nodes:
        rule = node.function.options.trigger_rule
        [task] = expansions[node.name].tasks()
        inside = [name for name in node.joins if name in members]
        before = [upstream(n, not compact.starts_as_one and n in wiring.may_skip) for n in inside]
        above = {name for n in inside for name in known[n]}
        states = {} if compact.starts_as_one else _states(compact, node)
        known[node.name] = above | {*states}
        after = [
            Upstream("", f"fromJSON({reference(parameter)})", name in wiring.may_skip, many=True)
            for parameter, name in states.items()
            if parameter not in above
        ]
        waits = [depends_of("all_success", before)]
        admitted = admits(rule, phases_of(after)) if after else None
        if admitted and admitted not in gates:
            gates[admitted] = next(free_names("ready", {*members, *gates.values()}))
            yield Task(name=gates[admitted], template=NOP, when=encode.tag(admitted))
        if admitted:
            waits.append(f"{gates[admitted]}.Succeeded")
        task.depends = " && ".join(wait for wait in waits if wait) or None
        conditions = None if compact.starts_as_one else _condition(compact, node, wiring)
        when = conjunction((when_of(rule, [*before, *after]), conditions))
        task.when = encode.tag(when) if when else None
        give(task, dict(_values_inside(compact, node, wiring)))
        yield task
    if not compact.ends_as_one:
        ends = " && ".join(done(node.name) for node in compact.nodes)
        yield Task(name="lane-end", template=NOP, depends=ends)


def _states(compact: CompactLane, node: PlannedNode) -> dict[str, str]:
    """Return the parameters that say how upstreams outside the lane ended, and whose they are."""
    outside = [name for name in node.joins if name in compact.outside and name != compact.table.discovered_by]
    return {_state(name, node.joins[name] in _OWN): name for name in outside}


def _values_inside(compact: CompactLane, node: PlannedNode, wiring: Wiring) -> Iterator[tuple[str, str]]:
    """Yield the arguments of a node's task inside its lane that bring values of other nodes."""
    for parameter, value in brought(node).items():
        name = wiring.by_id[value.node].name
        inside = name in compact.members
        text = f"tasks['{name}'].outputs.parameters.{RESULT}" if inside else f"{node.name}-{parameter}"
        yield value_name(parameter), encode.tag(text if inside else reference(text))


def _condition(compact: CompactLane, node: PlannedNode, wiring: Wiring) -> str | None:
    """Return the expression of a node's conditions in one partition of its lane."""
    numbers = {value.node: number for number, value in enumerate(values_read(node))}

    def text_of(value: NodeValue) -> str:
        name = wiring.by_id[value.node].name
        if name in compact.members:
            return f"tasks['{name}'].outputs.parameters.{RESULT}"
        return reference(_tested(node, numbers[value.node]))

    return condition(node, text_of)
