"""Where the value of a parameter comes from, and how nodes join: what the graph decides and the plan keeps.

Plain data: neither the author's objects nor networkx are needed to read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dsl.function import TriggerRule
from dsl.naming import Template

Join: TypeAlias = Literal["aligned", "gather", "barrier", "scatter", "regroup"]

TEMPLATES = ("main", "nop", "verdict", "partition", "lane-end")
"""Names of templates and tasks that the lowering makes itself; no node gets one of them."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that every item gets."""

    value: object


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the node's domain."""

    column: str


@dataclass(frozen=True, slots=True)
class RunValue:
    """A reserved name, such as `partition_id`."""

    name: str


@dataclass(frozen=True, slots=True)
class RunParameter:
    """A parameter of the DAG: plain text if its default is text, else JSON."""

    name: str
    is_text: bool


@dataclass(frozen=True, slots=True)
class NodeValue:
    """The value of a node: one (`single`), all of a mapped node (`gather`), or the item's own (`line`).

    `many`: the list of a partition's lines.
    """

    node: str
    form: Literal["single", "gather", "line"]
    path: tuple[str | int, ...] = ()
    fallback: tuple[object, ...] = ()
    many: bool = False


Argument: TypeAlias = Constant | Field | RunValue | RunParameter | NodeValue


@dataclass(frozen=True, slots=True)
class OutputName:
    """A file that a node writes: the variable that holds its path, and its name."""

    variable: str
    template: Template


def may_skip(nodes: Iterable[tuple[str, TriggerRule, bool, Collection[str]]]) -> frozenset[str]:
    """Return the nodes that may be skipped: those with a condition, and what inherits a skip.

    `nodes` stand upstream first: name, rule, whether there is a condition, and the names of the upstreams.
    """
    found: set[str] = set()
    for name, rule, has_condition, upstreams in nodes:
        if has_condition or _can_skip(rule, bool(upstreams), not found.isdisjoint(upstreams)):
            found.add(name)
    return frozenset(found)


def _can_skip(rule: TriggerRule, waits: bool, below_skippable: bool) -> bool:
    """Whether a node may be skipped by its rule alone: for lack of a failure, or as its upstreams are."""
    if rule in ("all_failed", "all_skipped", "one_failed", "one_done"):
        return waits
    return below_skippable and rule not in ("all_done", "always", "none_failed")
