"""A loop's task or step in, its JSON out, in which Argo looks for tags; and what is wrong with it.

Source: workflow/controller/dag.go:expandTask and steps.go:expandStep (v4.1.2), and valyala/fasttemplate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from dsl.engine.node import NodeFault
from dsl.engine.parameter import written
from dsl.expr import gojson
from dsl.expr.gojson import Value

_LOOPS = ("withItems", "withParam", "withSequence")
_FIELDS = (
    "name", "template", "inline", "arguments", "templateRef", *_LOOPS, "when", "continueOn", "onExit",
    "hooks", "dependencies", "depends",
)  # fmt: skip
_SEQUENCE = ("count", "start", "end", "format")
_QUOTE = re.compile(r'(?<!\\)"')


def texts(value: Value) -> Iterator[str]:
    """Yield the texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def task_text(raw: Mapping[str, Any], with_loop: bool) -> str:
    """Return the JSON of a task; `with_loop` says whether what it loops over is a part of it."""
    names = [name for name in _FIELDS if raw.get(name) and (with_loop or name not in _LOOPS)]
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


def check_unclosed(text: str, *, is_strict: bool) -> None:
    """Refuse a tag that nothing closes, and if `is_strict` one that ends behind the text it began in.

    Raises:
        NodeFault: there is one.
    """
    place = 0
    while (start := text.find("{{", place)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            within = f"in the template={_quoted(text)} starting from {_quoted(text[start + 2 :])}"
            raise NodeFault(f'unable to parse argo variable: Cannot find end tag="}}}}" {within}')
        place = end + 2
    for tag in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL) if is_strict else ():
        if _QUOTE.search(tag):
            raise NodeFault(f"failed to resolve {{{{{tag}}}}}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
