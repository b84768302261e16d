"""Traps in loops: what Argo cannot make items of, and tags that an item does not have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dsl.argo.findings import Route
from dsl.argo.loops import is_loop
from dsl.argo.scalars import is_integer
from dsl.argo.scope import CHECKED
from dsl.argo.text import TagFault, shortened, strings, tags
from dsl.codes import Code
from dsl.expr import gojson

if TYPE_CHECKING:
    from dsl.argo.traps import Traps

_ITEM: Final = re.compile(r"\{\{\s*item\.([^}]*?)\s*\}\}")
_WORDS: Final = (*CHECKED, "item", "node.")


def check_loop(traps: Traps, call: Mapping[str, Any], place: Route) -> None:
    """Note why a loop of a task or step would fail when its items are made."""
    if not is_loop(call):
        return
    _check_source(traps, call, place)
    texts = [(route, text) for route, text in strings(call) if "inline" not in route and route[0] != "hooks"]
    items = call.get("withItems") or []
    for route, text in texts:
        try:
            found = list(tags(text))
        except TagFault:
            continue
        for tag in found:
            if tag[:1] != "=" and not tag.strip().startswith(_WORDS):
                clause = f"{shortened('{{' + tag + '}}')} is none of Argo's tags, and a loop takes no others"
                hint = "pass the text through a file or a parameter's default, or break up the braces"
                traps.warn(Code.LOOP_TAG, (*place, *route), clause, hint)
        for name in dict.fromkeys(_ITEM.findall(text)):
            _check_item(traps, name, items, (*place, *route))
    for index, item in enumerate(items):
        if isinstance(item, str) and not gojson.is_quotable(item):
            clause = "the item has control characters, which no tag can pass on"
            traps.warn(
                Code.CONTROL_CHARACTER, (*place, "withItems", index), clause, "pass it as JSON or base64"
            )


def _check_item(traps: Traps, name: str, items: list[Any], route: Route) -> None:
    if name.startswith("["):
        clause = f"{{{{item.{name}}}}} is never replaced: the elements of an item have no tags"
        traps.warn(Code.LOOP_ITEM, route, clause, "make each item a mapping, and name its keys")
        return
    lacking = [index for index, item in enumerate(items) if not isinstance(item, dict) or name not in item]
    if lacking and len(lacking) < len(items):
        clause = f"item {lacking[0]} has no {name}"
        traps.warn(Code.LOOP_ITEM, route, clause, "give every item the same keys")


def _check_source(traps: Traps, call: Mapping[str, Any], place: Route) -> None:
    """Note a list that is none, or a sequence without an end."""
    text = call.get("withParam", "")
    if text and "{{" not in text and not _is_list(text):
        clause = "it is no JSON list"
        traps.warn(Code.LOOP_ITEMS, (*place, "withParam"), clause, 'write a list, as in ["a", "b"]')
    sequence = call.get("withSequence")
    if sequence is None:
        return
    if "count" not in sequence and "end" not in sequence:
        clause = "the sequence has no count and no end"
        traps.warn(Code.LOOP_ITEMS, (*place, "withSequence"), clause, "add count:", on_key=True)
    for key in ("start", "end", "count"):
        value = sequence.get(key)
        if isinstance(value, str) and "{{" not in value and not is_integer(value):
            clause = f"{value!r} is no whole number"
            traps.warn(Code.LOOP_ITEMS, (*place, "withSequence", key), clause, "write a number, or a tag")


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False
