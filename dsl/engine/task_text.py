"""A loop's task or step in, its JSON out, in which Argo looks for tags; and what is wrong with it.

Source: workflow/controller/dag.go:expandTask and steps.go:expandStep (v4.1.2), and valyala/fasttemplate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dsl.engine.definition import LOOPS, texts_in
from dsl.engine.node import NodeFault
from dsl.engine.parameter import written
from dsl.expr import gojson
from dsl.expr.gojson import Value

_FIELDS = (
    "name", "template", "inline", "arguments", "templateRef", *LOOPS, "when", "continueOn", "onExit",
    "hooks", "dependencies", "depends",
)  # fmt: skip
_SEQUENCE = ("count", "start", "end", "format")
_QUOTE = re.compile(r'(?<!\\)"')


def task_text(raw: Mapping[str, Any], with_loop: bool) -> str:
    """Return the JSON of a task; `with_loop` says whether what it loops over is a part of it."""
    names = [name for name in _FIELDS if raw.get(name) and (with_loop or name not in LOOPS)]
    return "{" + ",".join(f'"{name}":{_field(name, raw[name])}' for name in names) + "}"


def _field(name: str, value: Value) -> str:
    if name == "withItems":
        return f"[{','.join(gojson.compact(gojson.stored(item)) for item in value)}]"
    if name == "withSequence":
        bounds = (
            f'"{key}":{gojson.dumps(str(value[key]))}' for key in _SEQUENCE if value.get(key) is not None
        )
        return "{" + ",".join(bounds) + "}"
    if name == "arguments":
        listed = {
            "parameters": [written(parameter) for parameter in value.get("parameters") or []],
            "artifacts": [gojson.dumps(artifact) for artifact in value.get("artifacts") or []],
        }
        return "{" + ",".join(f'"{key}":[{",".join(all_)}]' for key, all_ in listed.items() if all_) + "}"
    return gojson.dumps(value)


def is_open(fields: Mapping[str, Any]) -> bool:
    """Whether a tag begins in a text and does not end in it."""
    return any(text.rfind("{{") > text.rfind("}}") for text in texts_in(fields))


def check_closed(text: str) -> None:
    """Refuse a tag that nothing closes. Raises NodeFault."""
    place = 0
    while (start := text.find("{{", place)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            within = f"in the template={_quoted(text)} starting from {_quoted(text[start + 2 :])}"
            raise NodeFault(f'Cannot find end tag="}}}}" {within}')
        place = end + 2


def check_within(text: str) -> None:
    """Refuse a tag that ends behind the text in which it began. Raises NodeFault."""
    for tag in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL):
        if _QUOTE.search(tag):
            raise NodeFault(f"failed to resolve {{{{{tag}}}}}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
