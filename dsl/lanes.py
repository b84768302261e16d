"""Stage 5: planned nodes in, their lanes out: convex, each with the form of its manifest and the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx

from dsl.argument import TEMPLATES, hides_failure
from dsl.names import template_names
from dsl.plan import EXPLICIT_TASKS, ItemTable, Lane, PlannedNode

_GATED = ("one_success", "all_done_min_one_success")
"""Rules for which a task has a gate where it asks how the partitions of a lane ended."""
EXPLICIT_WAITS = 2000
"""Waits of a barrier, partitions times partitions, that are still written out one by one."""


def make_lanes(
    nodes: Sequence[PlannedNode], tables: Mapping[str, ItemTable], lowering: str | None
) -> tuple[Lane, ...]:
    """Return the lanes: mapped nodes linked by aligned joins, as long as merging them makes no cycle."""
    lane_of: dict[str, int] = {}
    for index, node in enumerate(nodes):
        if not node.is_mapped:
            continue
        lane_of[node.name] = index
        if node.function.options.trigger_rule != "all_success":
            continue
        for before, join in node.joins.items():
            upstream = next(n for n in nodes if n.name == before)
            if join == "aligned" and upstream.function.options.trigger_rule == "all_success":
                merged = {
                    name: lane_of[before] if lane == lane_of[node.name] else lane
                    for name, lane in lane_of.items()
                }
                if _is_acyclic(nodes, merged):
                    lane_of = merged
    compact = _compact_tables(nodes, tables, lowering)
    words = template_names(
        [f"{node.name} lane" for node in nodes], {*TEMPLATES, *(node.name for node in nodes)}
    )
    names = {node.name: words[f"{node.name} lane"] for node in nodes}
    lanes = []
    for index in dict.fromkeys(lane_of.values()):
        members = tuple(name for name, lane in lane_of.items() if lane == index)
        table = next(node.table for node in nodes if node.name == members[0])
        assert table
        lanes.append(Lane(names[members[0]], table, members, table in compact, compact.get(table, "")))
    return tuple(lanes)


def _is_acyclic(nodes: Sequence[PlannedNode], lane_of: Mapping[str, int]) -> bool:
    """Whether lanes, each taken as one node, still wait for one another in one direction only."""
    merged: nx.DiGraph[object] = nx.DiGraph()
    for node in nodes:
        for before in node.joins:
            ends = lane_of.get(before, before), lane_of.get(node.name, node.name)
            if ends[0] != ends[1]:
                merged.add_edge(*ends)
            elif node.joins[before] != "aligned":
                return False
    return nx.is_directed_acyclic_graph(merged)


def _compact_tables(
    nodes: Sequence[PlannedNode], tables: Mapping[str, ItemTable], lowering: str | None
) -> dict[str, str]:
    """Return the tables whose lanes become one looped task, and why: the largest until the rest fits."""
    compact: dict[str, str] = {}
    for name, table in tables.items():
        if table.discovered_by:
            compact[name] = "its items are known only when the DAG runs"
        elif not table.partitions:
            compact[name] = "it has no items"
        elif table.parallelism is not None:
            compact[name] = f"parallelism={table.parallelism} is a limit of its own template"
        elif lowering == "compact":
            compact[name] = 'lowering="compact"'
    _spread(nodes, compact)
    if lowering == "explicit":
        return compact
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        for before, join in node.joins.items():
            pair = [table for table in (by_name[before].table, node.table) if table]
            if join == "barrier" and len(pair) == 2:
                waits = len(tables[pair[0]].partitions) * len(tables[pair[1]].partitions)
                if waits > EXPLICIT_WAITS:
                    for name in pair:
                        compact.setdefault(name, f"a barrier of {waits} waits is one edge that way")
    _spread(nodes, compact)
    while (count := _tasks(nodes, compact)) > EXPLICIT_TASKS:
        rest = [node.table for node in nodes if node.table and node.table not in compact]
        if not rest:
            break
        largest = max(dict.fromkeys(rest), key=lambda name: len(tables[name].partitions) * rest.count(name))
        compact[largest] = f"{count} tasks are more than the {EXPLICIT_TASKS} that one template may hold"
        _spread(nodes, compact)
    return compact


def _spread(nodes: Sequence[PlannedNode], compact: dict[str, str]) -> None:
    """Add the tables that regroup a compact one: no task waits for a part of a loop."""
    tables = {node.name: node.table for node in nodes}
    for node in nodes:
        for before, join in node.joins.items():
            if join == "regroup" and node.table and tables[before] in compact:
                compact.setdefault(node.table, "it divides anew what a lane writes")


def _tasks(nodes: Sequence[PlannedNode], compact: Mapping[str, str]) -> int:
    """Return how many tasks `main` has; at most so many for a lane, whose shape says what tells its end."""
    looped = {node.name for node in nodes if node.table in compact}
    count = int(bool(looped) or hides_failure([node.waiting for node in nodes]))
    for node in nodes:
        own = 2 if node.name in looped else len(node.partitions)
        gated = node.function.options.trigger_rule in _GATED and not looped.isdisjoint(node.joins)
        count += 2 * own if gated else own
    return count
