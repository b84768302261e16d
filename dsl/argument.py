"""Where the value of a parameter comes from, and how nodes join: what the graph decides and the plan keeps.

Plain data: neither the author's objects nor networkx are needed to read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
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

    `path` leads to a part of it, for which `fallback` stands in. `by_task`: the task gets the whole value and
    picks the part, or takes the fallback; Argo, which picks it else, reads every number with 53 bits.
    `many`: the list of a partition's lines.
    """

    node: str
    form: Literal["single", "gather", "line"]
    path: tuple[str | int, ...] = ()
    fallback: tuple[object, ...] = ()
    many: bool = False
    by_task: bool = False


Argument: TypeAlias = Constant | Field | RunValue | RunParameter | NodeValue


@dataclass(frozen=True, slots=True)
class OutputName:
    """A file that a node writes: the variable that holds its path, and its name."""

    variable: str
    template: Template


Waiting: TypeAlias = tuple[str, TriggerRule, bool, Collection[str]]
"""Of a node: its name, its rule, whether it has a condition, and the names of its upstreams."""


def hides_failure(nodes: Sequence[Waiting]) -> bool:
    """Whether a leaf may be skipped below a failure that is forgiven, and Argo counts it; upstream first."""
    forgiving: set[str] = set()
    for name, rule, _, upstreams in nodes:
        if rule != "all_success" or not forgiving.isdisjoint(upstreams):
            forgiving.add(name)
    waited = {before for *_, upstreams in nodes for before in upstreams}
    return not waited.issuperset(forgiving & may_skip(nodes))


def may_skip(nodes: Iterable[Waiting]) -> frozenset[str]:
    """Return the nodes that may be skipped: those with a condition, and heirs of a skip; upstream first."""
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
