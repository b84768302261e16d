"""A compact lane: one looped task whose template holds the lane's nodes once, whatever the number of partitions.

A lane whose nodes all start after the same tasks and end in one node is that loop alone. Any other lane also has
a gate per upstream inside, so that only what depends on it is omitted, and a verdict per node outside, so that
each node ends as it would in the explicit form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hera.workflows import DAG, Parameter, Task
from hera.workflows import models as m

from dsl import encode
from dsl.graph import NodeValue
from dsl.plan import Lane, Plan, PlannedNode
from orchestrators.base import ParallelExecutionOrchestrator, give
from orchestrators.leaf import INDEX, ITEMS, RESULT, reference, run_parameter, value_name
from orchestrators.rules import Upstream, depends_of, done, upstream, when_of
from orchestrators.wiring import Wiring, conjunction, test_expression

STATE = "state"
NOP = "nop"
VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class CompactLane:
    """A lane and what its shape asks for. `exposed` are the nodes that others wait for, or that nothing does."""

    lane: Lane
    nodes: tuple[PlannedNode, ...]
    outside: tuple[str, ...]
    exposed: tuple[PlannedNode, ...]
    starts_as_one: bool
    ends_as_one: bool

    @property
    def head(self) -> PlannedNode:
        """The first node of the lane."""
        return self.nodes[0]


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
        conditions == heads and len(heads) == 1 and _is_outside(heads[0], plan, members)
    )
    starts_as_one = on_the_whole and all(set(outside) == set(head.joins) for head in heads)
    ends_as_one = starts_as_one and exposed == (sinks[0],)
    return CompactLane(lane, nodes, outside, exposed, starts_as_one, ends_as_one)


def _is_outside(node: PlannedNode, plan: Plan, members: set[str]) -> bool:
    names = {n.id: n.name for n in plan.nodes}
    return all(names[value.node] not in members and value.form == "single" for value in _read(node))


def _read(node: PlannedNode) -> list[NodeValue]:
    found: list[NodeValue] = []
    pending: list[object] = list(node.conditions)
    while pending:
        operand = pending.pop()
        pending += getattr(operand, "operands", ())
        if isinstance(operand, NodeValue):
            found.append(operand)
    return found


def lane_task(compact: CompactLane, wiring: Wiring) -> Task:
    """Return the task of `main` that runs a whole lane."""
    given = [Parameter(name=name, value=encode.tag(text)) for name, text in _given(compact, wiring).items()]
    head = compact.head
    upstreams = wiring.upstreams(head, None) if compact.starts_as_one else []
    rule = head.function.options.trigger_rule
    when: str | None
    if compact.starts_as_one:
        depends = depends_of(rule, upstreams)
        when = conjunction((when_of(rule, upstreams), wiring.conditions(head, None)))
    else:
        tasks = [
            t
            for node in compact.nodes
            for name in node.joins
            if name in compact.outside
            for t in wiring.tasks(name, node, None)
        ]
        depends, when = " && ".join(done(task) for task in dict.fromkeys(tasks)) or None, None
    return Task(
        name=compact.lane.name,
        template=compact.lane.name,
        arguments=given,
        depends=depends,
        when=encode.tag(when) if when else None,
    )


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


def lane_templates(
    plan: Plan,
    compact: CompactLane,
    orchestrators: Mapping[str, ParallelExecutionOrchestrator],
    wiring: Wiring,
) -> list[DAG]:
    """Return the two templates of a lane: the loop over its partitions, and one partition."""
    table = plan.tables[compact.lane.table]
    names = list(_given(compact, wiring))
    passed = [name for name in names if name != ITEMS]
    source = reference(ITEMS) if table.discovered_by else run_parameter(table.name)
    number = f"({source} == '' ? 0 : len(split({source}, '\\n')))"
    line = f"split({source}, '\\n')[int(item)]"
    singles = not table.discovered_by and all(len(p.items) == 1 for p in table.partitions)
    arguments = [Parameter(name="index", value="{{item}}")]
    if any(
        parameter.name == ITEMS
        for n in compact.nodes
        for parameter in orchestrators[n.name].leaf.parameters()
    ):
        arguments.append(Parameter(name=ITEMS, value=encode.tag(f"item + ';' + {line}" if singles else line)))
    if table.discovered_by:
        arguments.append(Parameter(name="count", value=encode.tag(number)))
    for name in passed:
        value = f"{{{{inputs.parameters.{name}}}}}"
        if name in _lists(compact):
            value = encode.tag(f"fromJSON({reference(name)})[int(item)]")
        arguments.append(Parameter(name=name, value=value))
    count = encode.tag(number) if table.discovered_by else str(len(table.partitions))
    loop = Task(
        name="partition",
        template=f"{compact.lane.name}-partition",
        arguments=arguments,
        with_sequence=m.Sequence(count=m.IntOrString(root=count)),
    )
    outer = DAG(
        name=compact.lane.name,
        parallelism=table.parallelism,
        inputs=[Parameter(name=name) for name in names],
        outputs=[
            Parameter(name=name, value_from=m.ValueFrom(expression=_aggregated(name)))
            for name in _outputs(compact)
        ],
        tasks=[loop],
    )
    inner = DAG(
        name=f"{compact.lane.name}-partition",
        inputs=[Parameter(name=str(argument.name)) for argument in arguments],
        outputs=[_partition_output(compact, name) for name in _outputs(compact)],
        tasks=[*_partition_tasks(compact, orchestrators, wiring)],
    )
    return [outer, inner]


def _given(compact: CompactLane, wiring: Wiring) -> dict[str, str]:
    """Return the parameters of a lane: their names and the expressions that fill them in `main`."""
    members = {node.name for node in compact.nodes}
    table = wiring.plan.tables[compact.lane.table]
    given = {ITEMS: wiring.items(table.discovered_by)} if table.discovered_by else {}
    if not compact.starts_as_one:
        waiting = {name: node for node in compact.nodes for name in node.joins}
        given |= {f"{STATE}-{name}": wiring.state(name, waiting[name]) for name in compact.outside}
    for node in compact.nodes:
        for parameter, value in node.arguments.items():
            if isinstance(value, NodeValue) and wiring.by_id[value.node].name not in members:
                whole = replace(value, form="gather") if value.form == "line" else value
                text = wiring.value(node, whole, None)
                if not compact.starts_as_one:
                    text = _if_succeeded(wiring, node, text)
                given[f"{node.name}-{parameter}"] = text
        if not compact.starts_as_one and node.conditions and not _inner(compact, node, wiring):
            test = wiring.conditions(node, None) or "true"
            given[f"when-{node.name}"] = f"({wiring_states(wiring, node, compact)} ? ({test}) : false)"
    return given


def wiring_states(wiring: Wiring, node: PlannedNode, compact: CompactLane) -> str:
    """Return the expression that is true when all upstreams of a node outside its lane succeeded."""
    tasks = [t for name in node.joins if name in compact.outside for t in wiring.tasks(name, node, None)]
    return f"all([{', '.join(upstream(task, True).status for task in tasks)}], # == 'Succeeded')"


def _if_succeeded(wiring: Wiring, node: PlannedNode, text: str) -> str:
    names = [
        name
        for name in node.joins
        if name not in wiring.compact or wiring.compact[name] != wiring.compact[node.name]
    ]
    tasks = [task for name in names for task in wiring.tasks(name, node, None)]
    return f"(all([{', '.join(upstream(task, True).status for task in tasks)}], # == 'Succeeded') ? {text} : 'null')"


def _inner(compact: CompactLane, node: PlannedNode, wiring: Wiring) -> bool:
    """Whether the conditions of a node read values of its own lane."""
    members = {member.name for member in compact.nodes}
    return any(wiring.by_id[value.node].name in members for value in _read(node))


def _lists(compact: CompactLane) -> set[str]:
    """Return the parameters that hold one value per partition, of which a partition gets its own."""
    members = {node.id for node in compact.nodes}
    return {
        f"{node.name}-{parameter}"
        for node in compact.nodes
        for parameter, value in node.arguments.items()
        if isinstance(value, NodeValue) and value.form == "line" and value.node not in members
    }


def _outputs(compact: CompactLane) -> list[str]:
    names = [f"{node.name}-{RESULT}" for node in compact.exposed if node.has_value]
    if not compact.ends_as_one:
        names += [f"{node.name}-{STATE}" for node in compact.exposed]
    return names


def _aggregated(name: str) -> str:
    """Return the expression of a loop's outputs, which has a value also where the loop had no items."""
    outputs = "tasks.partition.outputs.parameters"
    return f"type({outputs}) == 'string' ? '[]' : ({outputs}['{name}'] ?? '[]')"


def _partition_output(compact: CompactLane, name: str) -> Parameter:
    node, _, what = name.rpartition("-")
    task = f"tasks['{node}']"
    if what == STATE:
        value_from = m.ValueFrom(expression=f"{task}.status")
    elif compact.ends_as_one:
        value_from = m.ValueFrom(parameter=f"{{{{tasks.{node}.outputs.parameters.{RESULT}}}}}")
    else:
        text = f"({task}.outputs?.parameters?.{RESULT} ?? '')"
        value_from = m.ValueFrom(expression=f"{task}.status == 'Succeeded' ? {text} : ''")
    return Parameter(name=name, value_from=value_from)


def _partition_tasks(
    compact: CompactLane, orchestrators: Mapping[str, ParallelExecutionOrchestrator], wiring: Wiring
) -> list[Task]:
    members = {node.name for node in compact.nodes}
    gates = [] if compact.starts_as_one else list(compact.outside)
    tasks = [
        Task(
            name=name,
            template=NOP,
            when=encode.tag(f"inputs.parameters['{STATE}-{name}'] in ['Succeeded', 'Skipped']"),
        )
        for name in gates
    ]
    for node in compact.nodes:
        orchestrator = orchestrators[node.name]
        [task] = orchestrator.create_parallel_tasks(orchestrator.create_execution_template())
        before = [
            upstream(name, _may_skip_inside(compact, name, wiring)) for name in node.joins if name in members
        ]
        inside = [name for name in node.joins if name in gates]
        waits = [depends_of("all_success", before), *(f"{name}.Succeeded" for name in inside)]
        task.depends = " && ".join(wait for wait in waits if wait) or None
        phases = [
            *before,
            *(
                Upstream(name, f"inputs.parameters['{STATE}-{name}']", name in wiring.may_skip)
                for name in inside
            ),
        ]
        when = conjunction((when_of("all_success", phases), _condition(compact, node, wiring)))
        task.when = encode.tag(when) if when else None
        give(task, dict(_values_inside(compact, node, wiring)))
        tasks.append(task)
    if not compact.ends_as_one:
        tasks.append(
            Task(
                name="lane-end", template=NOP, depends=" && ".join(done(node.name) for node in compact.nodes)
            )
        )
    return tasks


def _values_inside(compact: CompactLane, node: PlannedNode, wiring: Wiring) -> Iterator[tuple[str, str]]:
    """Yield the arguments of a node's task inside its lane that bring values of other nodes."""
    for parameter, value in node.arguments.items():
        if isinstance(value, NodeValue):
            name = wiring.by_id[value.node].name
            inside = any(member.name == name for member in compact.nodes)
            text = (
                f"tasks['{name}'].outputs.parameters.{RESULT}"
                if inside
                else reference(f"{node.name}-{parameter}")
            )
            yield value_name(parameter), encode.tag(text)


def _may_skip_inside(compact: CompactLane, name: str, wiring: Wiring) -> bool:
    """Whether a node of the lane can be skipped in a partition that runs."""
    return not compact.starts_as_one and name in wiring.may_skip


def _condition(compact: CompactLane, node: PlannedNode, wiring: Wiring) -> str | None:
    if compact.starts_as_one or not node.conditions:
        return None
    if not _inner(compact, node, wiring):
        return f"inputs.parameters['when-{node.name}'] == 'true'"

    def text_of(value: NodeValue) -> str:
        return f"tasks['{wiring.by_id[value.node].name}'].outputs.parameters.{RESULT}"

    return conjunction(test_expression(test, text_of) for test in node.conditions)
