"""A plan in, the numbers that people and `--format json` read out: nodes, joins with their reasons, pods."""

from __future__ import annotations

from typing import Any

from dsl.plan import Plan


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
            "bytes": node.bytes,
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
    length: dict[str, int] = {}
    behind: dict[str, str | None] = {}
    for node in plan.nodes:
        behind[node.name] = max(node.joins, key=length.__getitem__, default=None)
        length[node.name] = 1 + max((length[before] for before in node.joins), default=0)
    path: list[str] = []
    name = max(length, key=length.__getitem__, default=None)
    while name is not None:
        path.append(plan.node(name).id)
        name = behind[name]
    return path[::-1]
