"""Checks of stage 4: what is wrong with a graph as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import networkx as nx

from dsl.argument import NodeValue
from dsl.checks.shell import shell_syntax
from dsl.checks.unfinished import unfinished_files
from dsl.codes import Code
from dsl.construct import entry_of, keyword_of
from dsl.diagnostics import Diagnostic, Related
from dsl.graph import Graph, knots
from dsl.names import template_names

_IGNORES_FAILURE = ("all_done", "one_done", "all_failed", "one_failed", "none_skipped")
"""Rules under which a node runs although an upstream failed."""


def empty_dag(graph: Graph) -> Iterator[Diagnostic]:
    """A DAG without nodes has nothing to run."""
    if not graph.dag.nodes and not graph.dag.problems:
        message = f"the DAG {graph.dag.name!r} has no nodes"
        yield Diagnostic(Code.EMPTY_DAG, graph.dag.location, message, "chain tasks inside its with block")


def dependency_cycle(graph: Graph) -> Iterator[Diagnostic]:
    """Nodes that wait for one another never start."""
    for knot in knots(graph.waits):
        for node_id in (node_id for node_id in knot if graph.waits.has_edge(node_id, node_id)):
            location = graph.waits.edges[node_id, node_id]["location"]
            message = f"{node_id} waits for itself"
            hint = "remove this edge, or call the function twice"
            yield Diagnostic(Code.SELF_EDGE, location, message, hint)
        if len(knot) == 1:
            continue
        inside = graph.waits.subgraph(knot).edges
        edges = [(a, b) for a, b in graph.waits.edges if (a, b) in inside and a != b]
        places = sorted((graph.waits.edges[edge]["location"], edge) for edge in edges)
        path = " → ".join((*_path(edges, knot[0]), knot[0]))
        related = tuple(Related(f"{a} → {b}", place) for place, (a, b) in places[1:])
        message = f"nodes wait for one another: {path}"
        yield Diagnostic(Code.DEPENDENCY_CYCLE, places[0][0], message, "remove one of these edges", related)


def bare_and_called(graph: Graph) -> Iterator[Diagnostic]:
    """A function used bare and called is two nodes, which is seldom meant."""
    bare = {id(node.task): node for node in graph.dag.nodes if node.bare}
    for node in graph.dag.nodes:
        if not node.bare and id(node.task) in bare:
            name = node.task.__name__
            message = f"{name} is used both bare and called, which makes two nodes"
            related = (Related("used bare", bare[id(node.task)].location),)
            hint = f"name one of them: {name}.override(task_id=…)"
            yield Diagnostic(Code.BARE_AND_CALLED, node.location, message, hint, related)


def colliding_names(graph: Graph) -> Iterator[Diagnostic]:
    """Ids that differ only in case or signs would be one name, so all but one get a stranger one."""
    first: dict[str, str] = {}
    for node in graph:
        [plain] = template_names([node.id]).values()
        other = first.setdefault(plain, node.id)
        if other != node.id:
            message = f"{other!r} and {node.id!r} would both be called {plain} in Argo"
            related = (Related(f"{other} is called {graph.names[other]}", graph.node(other).location),)
            hint = f"rename one of them; {node.id} is called {graph.names[node.id]} there"
            yield Diagnostic(Code.COLLIDING_NAMES, node.location, message, hint, related)


def unused_run_parameter(graph: Graph) -> Iterator[Diagnostic]:
    """A parameter of the run that nothing takes changes nothing, whatever a run sets it to."""
    place = keyword_of(graph.dag.location, "params")
    for name in graph.dag.defaults:
        if name not in graph.dag.used_params:
            message = f"no task takes the parameter {name}"
            hint = f"pass it to a task as dag.params.{name}, or remove it"
            yield Diagnostic(Code.UNUSED_RUN_PARAMETER, entry_of(place, name), message, hint)


def forgiven_failure(graph: Graph) -> Iterator[Diagnostic]:
    """The leaves decide how a run ends; where all of them run although a node failed, the run succeeds."""
    tells: dict[str, bool] = {}
    for node in reversed(list(graph)):
        after = list(graph.waits.successors(node.id))
        if any(one not in tells for one in after):
            tells[node.id] = True  # what is below it is not known
            continue
        below = [graph.node(one) for one in after]
        strict = [one.id for one in below if one.options.trigger_rule not in _IGNORES_FAILURE]
        # Who takes a value that may be absent says what to take in its place, and means that.
        meant = any(
            isinstance(a, NodeValue) and a.node == node.id for b in below for a in b.arguments.values()
        )
        tells[node.id] = not after or meant or any(tells[one] for one in strict)
        if not tells[node.id] and not strict:
            message = f"the run succeeds although {node.id} failed: {', '.join(after)} runs all the same"
            hint = f"let a task without trigger_rule= wait for {node.id} too"
            yield Diagnostic(Code.FORGIVEN_FAILURE, node.location, message, hint)


def _path(edges: Sequence[tuple[str, str]], first: str) -> list[str]:
    """Return the nodes of one cycle of edges, from its first node on."""
    cycle = nx.find_cycle(nx.DiGraph(edges), first)
    return [str(edge[0]) for edge in cycle]


GRAPH_CHECKS = (
    empty_dag,
    dependency_cycle,
    bare_and_called,
    colliding_names,
    unused_run_parameter,
    forgiven_failure,
    shell_syntax,
    unfinished_files,
)
