"""Stage 5: a graph in, a frozen plan out, in which nothing is left to decide.

Names are final, items are texts in partitions, lanes are convex, every argument says where its value comes
from. A plan is plain data: it crosses processes, compares by `==`, holds no graph and no code of the author.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dsl.author import Node
from dsl.columns import Columns, Form, Shape, shape_of
from dsl.columns import PlannedField as PlannedField
from dsl.domain import Domain
from dsl.encode import plain_json
from dsl.function import Artifacts, Each, ExecutionFunction, Storage
from dsl.graph import (
    Argument,
    Constant,
    Field,
    Graph,
    GraphNode,
    InputFiles,
    Join,
    NodeValue,
    OutputName,
    RunParameter,
)
from dsl.lanes import Lane as Lane
from dsl.lanes import make_lanes
from dsl.location import Location
from dsl.naming import SAME_NAME, Template
from dsl.operand import Condition, Output, ParamReference
from dsl.partition import Partitions, Row, divide, starts
from dsl.shelltext import mentions

PYTHON_IMAGE = "python:3.12-slim"
"""Where a bare `@task` runs."""
_ARTIFACTS = Artifacts()


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """Files that a node reads under one variable.

    `writer` is the name of the node that wrote them, None for a source's; `scope` says whose files the folder
    holds: the partition's own, all partitions', or the only ones there are. `field` is the position of the
    field that holds the path or the name that `chain` begins with.
    """

    variable: str
    kind: Literal["slot", "file", "one", "list", "dir"]
    writer: str | None
    scope: Literal["partition", "all", "single"]
    upstream: str
    field: int | None = None
    chain: tuple[Template, ...] = ()
    root: str = "inputs"


@dataclass(frozen=True, slots=True)
class Test:
    """A condition as data: an operator and its operands."""

    operator: str
    operands: tuple[Test | NodeValue | RunParameter | Constant, ...]


@dataclass(frozen=True, slots=True)
class Plans:
    """What a node that plans the items of others writes: the form of each field, and items per partition."""

    forms: tuple[Form, ...]
    size: int


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node with nothing left to decide: its name is final, its joins are keyed by upstream name."""

    id: str
    name: str
    location: Location
    function: ExecutionFunction
    each: Each
    reason: str
    table: str | None
    """The table of its items, None if it runs once."""
    partitions: Partitions
    """Its partitions; one without items if it runs once, none if only the run knows them."""
    discovered: bool
    lane: str | None
    fields: tuple[PlannedField, ...]
    inputs: tuple[PlannedInput, ...]
    outputs: tuple[OutputName, ...]
    output_dir: str | None
    arguments: Mapping[str, Argument]
    parameters: tuple[str, ...]
    """The parameters of its signature, in order."""
    has_value: bool
    conditions: tuple[Test, ...]
    joins: Mapping[str, Join]
    needs: Mapping[str, tuple[tuple[int, ...], ...]]
    """For an upstream that is regrouped: the partitions of it that each partition needs."""
    output_fields: Mapping[str, int]
    """The fields that hold the names of outputs, for a task in whose pod nobody can derive them."""
    plans: Plans | None
    """Set if the items of another node are the elements of this node's value."""

    @property
    def is_mapped(self) -> bool:
        """Whether it runs once per partition."""
        return self.table is not None

    @property
    def writes(self) -> bool:
        """Whether it writes files."""
        return bool(self.outputs) or self.output_dir is not None

    def with_image(self, image: str) -> PlannedNode:
        """Return this node in another image."""
        options = self.function.options.model_copy(update={"image": image})
        return replace(self, function=self.function.model_copy(update={"options": options}))


@dataclass(frozen=True, slots=True)
class PlannedEdge:
    """How one node waits for another, by their ids; `upstream` may be a source's name."""

    upstream: str
    downstream: str
    join: Join
    carries: str
    reason: str


@dataclass(frozen=True, slots=True)
class ItemTable:
    """The items of one domain, how many partitions run at once, and who makes the list if the run does."""

    name: str
    partitions: Partitions
    parallelism: int | None
    discovered_by: str | None
    discovered_size: int
    forms: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a manifest needs. Nodes stand upstream first; `parameters` are (default, is text) by name."""

    name: str
    location: Location
    nodes: tuple[PlannedNode, ...]
    edges: tuple[PlannedEdge, ...]
    lanes: tuple[Lane, ...]
    tables: Mapping[str, ItemTable]
    parameters: Mapping[str, tuple[str, bool]]
    storage: Storage = _ARTIFACTS
    parallelism: int | None = None
    doc: str | None = None
    tags: tuple[str, ...] = ()

    def node(self, name: str) -> PlannedNode:
        """Return a node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def lane_of(self, node: PlannedNode) -> Lane | None:
        """Return the lane that a node is in."""
        return next((lane for lane in self.lanes if lane.name == node.lane), None)


def make_plan(graph: Graph) -> Plan:
    """Return the plan of a graph whose nodes are sound."""
    nodes = list(graph)
    domains = list({id(node.domain): node.domain for node in nodes if node.domain}.values())
    labels = _labels(domains, graph.dag.params.defaults)
    columns = {id(domain): Columns(domain, graph.names) for domain in domains}
    shapes = {node.id: shape_of(node, columns) for node in nodes}
    tables = {}
    for domain in domains:
        partitions = divide(columns[id(domain)].rows(), domain.sizes)
        name = labels[id(domain)]
        discovered_by = graph.names[domain.discovered_by] if domain.discovered_by else None
        tables[name] = ItemTable(
            name,
            partitions,
            domain.parallelism,
            discovered_by,
            domain.discovered_size,
            columns[id(domain)].forms,
        )
    plans = {t.discovered_by: Plans(t.forms, t.discovered_size) for t in tables.values() if t.discovered_by}
    planned = [
        replace(planned, plans=plans.get(planned.name))
        for planned in (_planned(graph, node, shapes[node.id], tables, labels) for node in nodes)
    ]
    lanes = make_lanes(planned, tables, graph.options.lowering)
    lane_of = {name: lane.name for lane in lanes for name in lane.nodes}
    edges = [
        PlannedEdge(source, node, "scatter", _carried(graph.node(node)), "a source's items start partitions")
        for source, node in graph.sources
    ]
    for before, after, facts in graph.digraph.edges(data=True):
        edges.append(PlannedEdge(before, after, facts["join"], facts["carries"], facts["reason"]))
    return Plan(
        graph.dag.name,
        graph.dag.location,
        tuple(replace(node, lane=lane_of.get(node.name)) for node in planned),
        tuple(edges),
        lanes,
        tables,
        {name: _parameter(value) for name, value in graph.dag.params.defaults.items()},
        graph.options.storage,
        graph.options.parallelism,
        graph.options.doc_md,
        graph.options.tags,
    )


def stand_alone(function: ExecutionFunction, name: str, partitions: Partitions) -> PlannedNode:
    """Return the plan of one function over files that stand by themselves, outside any DAG.

    A shell text finds a file as INPUT_FILE; it writes what it names OUTPUT_FILE.
    """
    text = function.command if isinstance(function.command, str) else ""
    reads = PlannedInput("INPUT_FILE", "slot", None, "partition", "source", 0)
    writes = OutputName("OUTPUT_FILE", SAME_NAME)
    return PlannedNode(
        function.name,
        name,
        Location(function.name),
        function,
        "item",
        "it stands alone",
        "items",
        partitions,
        False,
        None,
        (PlannedField(None),),
        (reads,),
        (writes,) if mentions(text, "OUTPUT_FILE") else (),
        None,
        {},
        (),
        mentions(text, "RESULT_FILE") or function.kind == "python",
        (),
        {},
        {},
        {},
        None,
    )


def _planned(
    graph: Graph,
    node: GraphNode,
    shape: Shape,
    tables: Mapping[str, ItemTable],
    labels: Mapping[int, str],
) -> PlannedNode:
    table = labels[id(node.domain)] if node.domain else None
    partitions = tables[table].partitions if table else _once(node)
    count = len(_first_row(partitions))
    fields = tuple(shape.fields.get(position, PlannedField(None)) for position in range(count))
    if node.domain is not None and node.domain.discovered_by:
        fields = tuple(
            shape.fields.get(position, PlannedField(None))
            for position in range(max(shape.fields, default=-1) + 1)
        )
    return PlannedNode(
        node.id,
        graph.names[node.id],
        node.location,
        node.function,
        node.each,
        node.reason,
        table,
        partitions,
        node.domain is not None and node.domain.discovered_by is not None,
        None,
        fields,
        tuple(_input(graph, node, files, shape.inputs.get(i)) for i, files in enumerate(node.inputs)),
        node.outputs,
        node.output_dir,
        node.arguments,
        tuple(node.reading.named),
        node.reading.has_value,
        tuple(_test(graph, condition, node) for condition, _ in node.conditions),
        {
            graph.names[b]: graph.digraph.edges[b, node.id]["join"]
            for b in graph.digraph.predecessors(node.id)
        },
        _needs(graph, node),
        shape.outputs,
        None,
    )


def _first_row(partitions: Partitions) -> Row:
    return next(iter(partitions.rows), ())


def _once(node: GraphNode) -> Partitions:
    """Return the one partition of a node that runs once; its items are source files that it reads as one."""
    columns = [
        [str(value) for value in files.written.domain.columns[files.column]]
        for files in node.inputs
        if files.kind == "slot" and files.written.domain and files.column
    ]
    rows = list(zip(*columns, strict=True)) if columns else []
    return divide(rows, [len(rows)])


def _input(graph: Graph, node: GraphNode, files: InputFiles, position: int | None) -> PlannedInput:
    written = files.written
    writer = graph.names[written.writer] if written.writer else None
    scope: Literal["partition", "all", "single"] = "all"
    if written.domain is None:
        scope = "single"
    elif written.domain is node.domain:
        scope = "partition"
    root = node.domain.files[files.column] if node.domain and files.column in node.domain.files else "inputs"
    return PlannedInput(
        files.variable, files.kind, writer, scope, files.upstream, position, files.chain, str(root)
    )


def _needs(graph: Graph, node: GraphNode) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Return, for each regrouped upstream, the partitions that each partition of the node needs."""
    needs: dict[str, tuple[tuple[int, ...], ...]] = {}
    for before in graph.digraph.predecessors(node.id):
        ancestor = graph.node(before).domain
        if graph.digraph.edges[before, node.id]["join"] != "regroup" or not (node.domain and ancestor):
            continue
        rows = node.domain.rows_in(ancestor) or ()
        firsts = starts(node.domain.sizes)
        needs[graph.names[before]] = tuple(
            tuple(sorted({ancestor.partition_of[row] for row in rows[first : first + size]}))
            for first, size in zip(firsts, node.domain.sizes, strict=True)
        )
    return needs


def _test(graph: Graph, condition: object, node: GraphNode) -> Test:
    """Return a condition as data; a bare operand is a test for true."""
    if isinstance(condition, Condition):
        return Test(
            condition.operator, tuple(_operand(graph, operand, node) for operand in condition.operands)
        )
    return Test("==", (_operand(graph, condition, node), Constant(True)))


def _operand(graph: Graph, operand: object, node: GraphNode) -> Test | NodeValue | RunParameter | Constant:
    if isinstance(operand, Condition):
        return _test(graph, operand, node)
    if isinstance(operand, ParamReference):
        return RunParameter(operand.name, isinstance(operand.default, str))
    if isinstance(operand, Node):
        operand = Output(operand, (), node.location)
    if isinstance(operand, Output):
        upstream = graph.node(graph.ids[id(operand.node)])
        form: Literal["line", "single"] = "line" if upstream.is_mapped else "single"
        return NodeValue(upstream.id, form, operand.path, operand.fallback)
    return Constant(operand)


def _labels(domains: Sequence[Domain], taken: Iterable[str]) -> dict[int, str]:
    """Return a name for each domain that no parameter of the run has."""
    free = (f"items-{number}" if number else "items" for number in itertools.count())
    names = (name for name in free if name not in set(taken))
    return {id(domain): next(names) for domain in domains}


def _carried(node: GraphNode) -> str:
    if any(files.kind == "slot" for files in node.inputs):
        return "files"
    return "value" if any(isinstance(argument, Field) for argument in node.arguments.values()) else "order"


def _parameter(value: object) -> tuple[str, bool]:
    return (value, True) if isinstance(value, str) else (plain_json(value), False)
