"""Stage 3: a DAG in, a `networkx.DiGraph` of its execution functions out; edges carry join and location.

Every node gets its id, what it reads and writes, its domain (the items it maps over) and where each argument
comes from. What is unsound is reported and left out with what depends on it; the rest is still checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import networkx as nx

from dsl.argument import Argument, Join, NodeValue, OutputName, may_skip
from dsl.author import DAG
from dsl.diagnostics import Diagnostic
from dsl.domain import Column, Domain
from dsl.function import DagOptions, Each, ExecutionFunction, TaskOptions
from dsl.location import Location
from dsl.naming import Template
from dsl.operand import Condition
from dsl.reading import Reading


@dataclass(frozen=True, slots=True)
class Written:
    """A file that a node writes, or a source's (`writer` is None): for each item, partition, or once."""

    writer: str | None
    domain: Domain | None
    each: Each
    variable: str
    column: Column | None
    chain: tuple[Template, ...]
    many: bool = False
    """Whether it is a folder of files whose names only the run knows."""
    passed_on_by: str | None = None
    """The node through which files come that it did not write."""


@dataclass(frozen=True, slots=True)
class InputFiles:
    """Files that a node reads under one variable, and how it finds them among what `written` describes."""

    variable: str
    written: Written
    kind: Literal["slot", "file", "one", "list", "dir"]
    upstream: str
    column: Column | None = None
    chain: tuple[Template, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphNode:
    """An execution function in its place: what it reads, what it maps over, what it writes."""

    id: str
    location: Location
    function: ExecutionFunction
    options: TaskOptions
    reading: Reading
    each: Each
    reason: str
    domain: Domain | None
    inputs: tuple[InputFiles, ...]
    outputs: tuple[OutputName, ...]
    output_dir: str | None
    arguments: Mapping[str, Argument]
    conditions: tuple[tuple[object, Location], ...]
    written: tuple[Written, ...]
    keywords: Mapping[str, str]
    """What it and the nodes after it call columns of the domain, beside their own names."""

    @property
    def is_mapped(self) -> bool:
        """Whether it runs once per partition."""
        return self.domain is not None


@dataclass(frozen=True, slots=True)
class Graph:
    """The DAG as a graph: nodes carry a `GraphNode` as `node`, edges `join`, `carries`, `reason`, `location`.

    `waits` holds every node that was recorded, sound or not; `ids` are by identity of the
    author's nodes; `functions` are the author's, by node; `sources` are edges from sources: (name of the
    source, id of the node).
    """

    dag: DAG
    options: DagOptions
    digraph: nx.DiGraph[str]
    waits: nx.DiGraph[str]
    ids: Mapping[int, str]
    names: Mapping[str, str]
    functions: Mapping[str, Callable[..., object]]
    sources: tuple[tuple[str, str], ...]
    problems: tuple[Diagnostic, ...]

    def __iter__(self) -> Iterator[GraphNode]:
        """Iterate over the nodes, upstream first, in the author's order where the edges leave a choice."""
        yield from map(self.node, self.digraph)  # they were added in this order

    def node(self, node_id: str) -> GraphNode:
        """Return a node by its id."""
        found: GraphNode = self.digraph.nodes[node_id]["node"]
        return found

    def without(self, unsound: Collection[str]) -> Graph:
        """Return the graph without some nodes and all that wait for them."""
        below = {after for node_id in unsound for after in nx.descendants(self.digraph, node_id)}
        kept = self.digraph.copy()
        kept.remove_nodes_from({*unsound, *below})
        sources = tuple((source, node_id) for source, node_id in self.sources if node_id in kept)
        return replace(self, digraph=kept, sources=sources)


def operands(condition: object) -> Iterator[object]:
    """Return what a condition compares, at every depth."""
    if isinstance(condition, Condition):
        for operand in condition.operands:
            yield from operands(operand)
    else:
        yield condition


def join_of(upstream: GraphNode, node: GraphNode) -> tuple[Join, str]:
    """Return how an edge connects the partitions of its ends, and why."""
    if node.domain is None:
        if upstream.domain is None:
            return "aligned", "one task after one task"
        return "gather", f"{node.id} runs once, after all partitions"
    if upstream.domain is None:
        return "scatter", f"every partition waits for {upstream.id}"
    gathers = any(
        isinstance(a, NodeValue) and a.node == upstream.id and a.form == "gather"
        for a in node.arguments.values()
    )
    if gathers:
        return "barrier", f"{node.id} takes the values of all partitions"
    if upstream.domain is node.domain:
        return "aligned", f"both map over {node.domain.name}"
    if node.domain.rows_in(upstream.domain) is not None and any(
        i.written.writer == upstream.id for i in node.inputs
    ):
        return "regroup", f"{node.domain.name} divides the files of {upstream.id} anew"
    return "barrier", f"{upstream.id} maps over {upstream.domain.name}, {node.id} over {node.domain.name}"


def knots(digraph: nx.DiGraph[str]) -> list[list[str]]:
    """Return the groups of nodes that wait for one another or themselves, each sorted."""
    groups = [sorted(group) for group in nx.strongly_connected_components(digraph)]
    return sorted(group for group in groups if len(group) > 1 or digraph.has_edge(group[0], group[0]))


def skippable(graph: Graph) -> frozenset[str]:
    """Return the nodes that may be skipped: those with a condition, and what inherits a skip."""
    upstreams = graph.digraph.pred
    return may_skip(
        (node.id, node.options.trigger_rule, bool(node.conditions), upstreams[node.id]) for node in graph
    )
