"""A plan in, the reasons for the form of its manifest out, a line each: what `compile --explain` prints."""

from __future__ import annotations

from dsl.plan import Plan


def explain(plan: Plan) -> str:
    """Return why each lane has its form, and which nodes wait for a whole lane."""
    lines = [f"storage: {type(plan.storage).__name__}"]
    for lane in plan.lanes:
        form = "compact, one looped task" if lane.compact else "explicit, one task per node and partition"
        lines.append(
            f"{lane.name} ({', '.join(lane.nodes)}): {form}" + (f": {lane.reason}" if lane.reason else "")
        )
        if not lane.compact:
            continue
        last = lane.nodes[-1]
        for node in plan.nodes:
            early = [
                name
                for name in node.joins
                if name in lane.nodes and name != last and node.name not in lane.nodes
            ]
            if early:
                lines.append(f"  {node.name} waits for the whole lane, not only for {', '.join(early)}")
    return "\n".join(lines) + "\n"
