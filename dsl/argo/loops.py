"""The loop of a task or step in, the names of its items out, or why it is no loop (v4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dsl.argo.scope import ANY_ITEM
from dsl.codes import Code


class LoopFault(NamedTuple):
    """Why a loop cannot be."""

    code: Code
    route: tuple[str, ...]
    clause: str
    hint: str


def loop_fault(call: Mapping[str, Any]) -> LoopFault | None:
    """Return what is wrong with where the items come from."""
    sources = [key for key in ("withItems", "withParam") if call.get(key)]
    sources += ["withSequence"] if "withSequence" in call else []
    if len(sources) > 1:
        clause = f"{' and '.join(sources)} are both set"
        return LoopFault(Code.LOOP, (sources[-1],), clause, "keep one of them")
    sequence = call.get("withSequence") or {}
    if sources == ["withSequence"] and "count" in sequence and "end" in sequence:
        clause = "count and end exclude one another"
        return LoopFault(Code.EXCLUSIVE_FIELDS, ("withSequence", "end"), clause, "keep one of them")
    return None


def item_names(call: Mapping[str, Any]) -> set[str]:
    """Return the tags that a loop lets a task read."""
    if items := call.get("withItems"):
        return {name for item in items for name in _names(item)}
    if call.get("withParam"):
        return {"item", ANY_ITEM}
    return {"item"} if "withSequence" in call else set()


def _names(item: object) -> set[str]:
    if isinstance(item, dict):
        return {f"item.{key}" for key in item}
    if isinstance(item, list):
        return {f"item.[{index}]" for index in range(len(item))}
    return set() if item is None else {"item"}


def is_aggregate(call: Mapping[str, Any]) -> bool:
    """Whether the outputs of all its items can be read as one list; not so of a sequence."""
    return bool(call.get("withItems") or call.get("withParam"))


def is_loop(call: Mapping[str, Any]) -> bool:
    """Whether a task runs once per item."""
    return is_aggregate(call) or "withSequence" in call
