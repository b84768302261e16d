"""Stage 5: a graph in, its plan out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from dsl.argument import Constant, Field, NodeValue, RunParameter
from dsl.author import Node
from dsl.columns import Columns, Shape, shape_of
from dsl.domain import Domain
from dsl.encode import plain_json
from dsl.graph import Graph, GraphNode, InputFiles
from dsl.lanes import make_lanes
from dsl.operand import Condition, Output, ParamReference
from dsl.partition import Partitions, Row, divide, starts
from dsl.plan import ItemTable, Plan, PlannedEdge, PlannedField, PlannedInput, PlannedNode, Plans, Test


def make_plan(graph: Graph) -> Plan:
    """Return the plan of a graph whose nodes are sound."""
    nodes = list(graph)
    domains = list({id(node.domain): node.domain for node in nodes if node.domain}.values())
    labels = _labels(domains, graph.dag.defaults)
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
        {name: _parameter(value) for name, value in graph.dag.defaults.items()},
        graph.options.storage,
        graph.options.parallelism,
        graph.options.doc_md,
        graph.options.tags,
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
        _input_bytes(node),
    )


def _input_bytes(node: GraphNode) -> int | None:
    """Return the bytes of the source files that a node reads, None if it reads files that the run writes."""
    found: dict[object, int] = {}
    for written in (files.written for files in node.inputs):
        if written.writer is not None or written.domain is None or written.column is None:
            return None
        found |= {path: written.domain.bytes[path] for path in written.domain.columns[written.column]}
    return sum(found.values())


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
    """Return a condition as data; a value that stands alone, or in `&`, `|` or `~`, is a test for true."""
    if not isinstance(condition, Condition):
        return Test("==", (_operand(graph, condition, node), Constant(True)))
    read = _test if condition.operator in ("and", "or", "not") else _operand
    return Test(condition.operator, tuple(read(graph, operand, node) for operand in condition.operands))


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
