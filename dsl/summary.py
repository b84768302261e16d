"""A plan in, the numbers that people and `--format json` read out: nodes, joins with their reasons, pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsl.plan import Plan, PlannedNode


def summarize(plan: Plan) -> dict[str, Any]:
    """Return what `plan --format json` prints; counts that only the run knows are None."""
    counts = {node.id: None if node.discovered else len(node.partitions) for node in plan.nodes}
    nodes = [
        {
            "id": node.id,
            "each": node.each,
            "reason": node.reason,
            "kind": node.function.kind,
            "image": node.function.options.image,
            "partitions": counts[node.id],
            "items": None if node.discovered else len(node.partitions.rows) if node.is_mapped else None,
            "pods": counts[node.id],
            "lane": node.lane,
        }
        for node in plan.nodes
    ]
    edges = [
        {"from": e.upstream, "to": e.downstream, "join": e.join, "carries": e.carries, "reason": e.reason}
        for e in plan.edges
    ]
    lanes = [
        {
            "id": lane.name,
            "nodes": list(lane.nodes),
            "form": "compact" if lane.compact else "explicit",
            "reason": lane.reason,
        }
        for lane in plan.lanes
    ]
    known = [count for count in counts.values() if count is not None]
    return {
        "dag": plan.name,
        "nodes": nodes,
        "edges": edges,
        "lanes": lanes,
        "pods": sum(known) if len(known) == len(counts) else None,
        "critical_path": _longest_path(plan),
    }


def _longest_path(plan: Plan) -> list[str]:
    """Return the ids of the nodes on the longest way through the DAG."""
    best: Mapping[str, list[PlannedNode]] = {}
    for node in plan.nodes:
        behind = max((best[before] for before in node.joins), key=len, default=[])
        best = {**best, node.name: [*behind, node]}
    return [node.id for node in max(best.values(), key=len, default=[])]
