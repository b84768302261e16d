"""The dict of `dsl plan --format json` in; a tree, Mermaid, DOT or JSON out.

Reads `dag`, `nodes` (`id`, `each`, `partitions`, `pods`) and `edges` (`from`, `to`, `join`, `carries`), and
escapes whatever ids it finds for the language it writes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dsl.report import in_columns, visible

Summary = Mapping[str, Any]
"""A plan as plain values."""


def to_tree(plan: Summary) -> Text:
    """Return a tree; a node with several upstreams stands under the last, and is named under the others."""
    downstream, waiting = _downstream(plan), Counter(edge["to"] for edge in plan["edges"])
    nodes = {node["id"]: node for node in _nodes(plan)}
    lines = [Text(visible(plan["dag"]), style="bold")]
    roots: list[tuple[Summary | None, Summary]]
    roots = [(None, node) for node in nodes.values() if not waiting[node["id"]]]
    stack = _branches("", roots)
    while stack:
        edge, node, guide, below = stack.pop()
        last = waiting[node["id"]] <= 1
        waiting[node["id"]] -= 1
        lines.append(Text(guide, style="dim").append_text(_label(node, edge, last)))
        if last:
            children = [(edge, nodes[edge["to"]]) for edge in downstream.get(node["id"], [])]
            stack += _branches(below, children)
    return Text("\n").join(lines)


def _branches(
    guide: str, children: Sequence[tuple[Summary | None, Summary]]
) -> list[tuple[Summary | None, Summary, str, str]]:
    """Return children with the guide before each and the guide below it, the first child at the end."""
    found = [(edge, node, f"{guide}├── ", f"{guide}│   ") for edge, node in children]
    if found:
        edge, node = children[-1]
        found[-1] = edge, node, f"{guide}└── ", f"{guide}    "
    return found[::-1]


def _nodes(plan: Summary) -> list[Summary]:
    """Return the nodes, before them the sources that only edges name."""
    known = {node["id"] for node in plan["nodes"]}
    sources = dict.fromkeys(edge["from"] for edge in plan["edges"] if edge["from"] not in known)
    return [*({"id": source} for source in sources), *plan["nodes"]]


def _downstream(plan: Summary) -> dict[str, list[Summary]]:
    found: dict[str, list[Summary]] = {}
    for edge in plan["edges"]:
        found.setdefault(edge["from"], []).append(edge)
    return found


def _label(node: Summary, edge: Summary | None, last: bool) -> Text:
    label = Text()
    label.append(visible(node["id"]), style="bold" if last else "dim")
    if edge and _carried(edge):
        label.append(f" ({_carried(edge)})", style="cyan")
    facts = _facts(node) if last else "waits for more, see below"
    return label.append(f"  {facts}" if facts else "", style="dim")


def _carried(edge: Summary) -> str:
    return " ".join(str(edge[key]) for key in ("join", "carries") if edge.get(key))


def _facts(node: Summary) -> str:
    """Return what is worth a few words.

    >>> _facts({"each": "item", "partitions": 3, "pods": 1})
    'each item, 3 partitions, 1 pod'
    """
    facts = [f"each {node['each']}"] if node.get("each") not in (None, "all") else []
    for key, one in (("partitions", "partition"), ("pods", "pod")):
        if key in node and not (key == "partitions" and node.get("each") == "all"):
            facts.append(_some(node[key], one))
    return ", ".join(facts)


def _some(number: object, noun: str) -> str:
    if number is None:
        return f"{noun}s known at run time"
    return f"{number} {noun}{'' if number == 1 else 's'}"


def to_mermaid(plan: Summary) -> str:
    """Return a Mermaid flowchart; its own names are `n0`, `n1`, … since ids may be words of the language."""
    names = {node["id"]: f"n{index}" for index, node in enumerate(_nodes(plan))}
    lines = ["flowchart LR"]
    for node in _nodes(plan):
        facts = _facts(node)
        label = _mermaid(node["id"]) + (f"<br/>{_mermaid(facts)}" if facts else "")
        lines.append(f'  {names[node["id"]]}["{label}"]')
    for edge in plan["edges"]:
        arrow = f' -->|"{_mermaid(_carried(edge))}"| ' if _carried(edge) else " --> "
        lines.append(f"  {names[edge['from']]}{arrow}{names[edge['to']]}")
    return "\n".join(lines)


def _mermaid(text: str) -> str:
    """Return a text with entity codes for everything but letters, digits and a few harmless characters.

    >>> _mermaid('a "b"')
    'a #34;b#34;'
    """
    return "".join(c if c.isalnum() or c in " -_.," else f"#{ord(c)};" for c in text)


def to_dot(plan: Summary) -> str:
    """Return a digraph for Graphviz."""
    lines = [f"digraph {_dot(plan['dag'])} {{", "  rankdir=LR;", "  node [shape=box];"]
    for node in _nodes(plan):
        label = _dot("\n".join(filter(None, (node["id"], _facts(node)))))
        lines.append(f"  {_dot(node['id'])} [label={label}];")
    for edge in plan["edges"]:
        label = _dot(_carried(edge))
        lines.append(f"  {_dot(edge['from'])} -> {_dot(edge['to'])} [label={label}];")
    return "\n".join([*lines, "}"])


def _dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def to_json(plan: Summary) -> str:
    """Return the plan's nodes and edges as JSON."""
    return json.dumps(plan, indent=2)


def to_table(plan: Summary) -> Text:
    """Return a plan in columns: its nodes and what divides them, its edges with their joins, totals."""
    nodes = [("node", "each", "partitions", "pods", "input bytes", "why")]
    for node in plan["nodes"]:
        counts = _count(node, "partitions"), _count(node, "pods"), _count(node, "bytes")
        nodes.append((visible(node["id"]), _word(node, "each"), *counts, _word(node, "reason")))
    parts = [in_columns(nodes)]
    if plan["edges"]:
        keys = ("from", "to", "join", "carries", "reason")
        edges: list[tuple[str, ...]] = [("from", "to", "join", "carries", "why")]
        edges += [tuple(_word(edge, key) for key in keys) for edge in plan["edges"]]
        parts.append(in_columns(edges))
    totals = []
    if "pods" in plan:
        totals.append(f"pods: {'known at run time' if plan['pods'] is None else plan['pods']}")
    if plan.get("critical_path"):
        totals.append(f"longest path: {visible(' >> '.join(plan['critical_path']))}")
    parts += [Text("\n".join(totals))] if totals else []
    return Text("\n\n").join(parts)


def _word(facts: Summary, key: str) -> str:
    return visible(str(facts.get(key) or ""))


def _count(node: Summary, key: str) -> str:
    return "" if key not in node else "at run time" if node[key] is None else str(node[key])
