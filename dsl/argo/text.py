"""A value in, the text that Argo scans for `{{tags}}` out, and tags replaced in such texts.

Argo marshals a whole object to JSON and looks for tags in that text, so an unclosed `{{` ends at whatever
`}}` follows, be it another field's (util/template, v4.1.2; github.com/valyala/fasttemplate).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from dsl.argo.findings import Route
from dsl.expr import gojson
from dsl.expr.expression import ExpressionError, compiled
from dsl.expr.grammar import SyntaxFault
from dsl.expr.nesting import nested

PLACEHOLDER: Final = "__argo__internal__placeholder-"
"""Argo's own stand-in for values that only a run knows; it shows in no message of ours."""
_HTML: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_HTML_CHARACTER: Final = re.compile("[<>&\u2028\u2029]")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_LATE: Final = {
    "item", "retries", "lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message",
    "workflow.status", "workflow.failures",
}  # fmt: skip


class TagFault(ValueError):
    """A text whose tags cannot be replaced; the message is a clause."""


def marshalled(value: object) -> str:
    """Return JSON as Go writes it: keys in their order, `<>&` escaped."""
    text = _ENCODER.encode(value)
    return _HTML_CHARACTER.sub(lambda found: _HTML[found[0]], text)


def tags(text: str) -> Iterator[str]:
    """Yield what stands between `{{` and the next `}}`, in order. Raises TagFault for one without end."""
    start = text.find("{{")
    while start >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            raise TagFault(f"{shortened(text[start:])} has no }}}}")
        yield text[start + 2 : end]
        start = text.find("{{", end + 2)


def is_closed(text: str) -> bool:
    """Whether every tag of a text ends in it."""
    try:
        return all(True for _ in tags(text))
    except TagFault:
        return False


def shortened(text: str) -> str:
    """Return the start of a text, for a message."""
    return text if len(text) <= 60 else text[:57] + "..."


def stand_in(number: int) -> str:
    """Return the placeholder of a number."""
    return f"{PLACEHOLDER}{number}"


class Names:
    """What simple tags and expressions of one pass can be replaced by."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known

    @cached_property
    def tree(self) -> Mapping[str, Any]:
        """The nested form, for expressions."""
        return nested(self.known)

    def defines(self, path: str) -> bool:
        """Whether an expression can read a dotted path."""
        if path in self.known:
            return True
        current: Any = self.tree
        for part in path.split("."):
            if not isinstance(current, Mapping) or part not in current:
                return False
            current = current[part]
        return True


def replaced(text: str, names: Names) -> Any:  # noqa: ANN401 - a JSON value
    """Return the value of a JSON text with its tags replaced where they can be. Raises TagFault."""
    if "{{" not in text:
        return json.loads(text)
    out, place = [], 0
    while (start := text.find("{{", place)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            raise TagFault(f"{shortened(text[start:])} has no }}}}")
        tag = text[start + 2 : end]
        out += [text[place:start], _expression(tag, names) if tag[:1] == "=" else _simple(tag, names.known)]
        place = end + 2
    try:
        return json.loads("".join([*out, text[place:]]))
    except ValueError:
        raise TagFault("what its tags stand for has characters that JSON does not take") from None


def _simple(tag: str, known: Mapping[str, str]) -> str:
    value = known.get(tag.strip())
    if value is not None:
        return _quoted(value)
    cut = tag.rfind("{{")
    if cut > 0 and (inner := known.get(tag[cut + 2 :])) is not None:
        return "{{" + tag[:cut] + _quoted(inner)
    return "{{" + tag + "}}"


def _quoted(value: str) -> str:
    """Return a value as Argo puts it into JSON: with Go's escapes, of which JSON lacks some."""
    if not gojson.is_quotable(value):
        raise TagFault("what its tags stand for has characters that JSON does not take")
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _expression(tag: str, names: Names) -> str:
    """Return what an expression is, or the tag as it stands when that is not known yet."""
    verbatim = "{{" + tag + "}}"
    try:
        source = json.loads(f'"{tag[1:]}"')
    except ValueError:
        raise TagFault(f"{shortened('{{' + tag)} has no }}}} before its text ends") from None
    try:
        expression = compiled(source)
        if any(path in _LATE and not names.defines(path) for path in expression.required):
            return verbatim
        value = expression.value(names.tree)
    except (SyntaxFault, ExpressionError, RecursionError):
        return verbatim
    if value is None:
        return verbatim
    try:
        text = gojson.dumps(value)
    except (TypeError, ValueError):
        return verbatim
    return text[1:-1] if text[0] == text[-1] == '"' and len(text) > 1 else json.dumps(text)[1:-1]


def strings(value: object, route: Route = ()) -> Iterator[tuple[Route, str]]:
    """Yield every string of a value that holds a brace pair, with the way to it."""
    if isinstance(value, str):
        if "{{" in value:
            yield route, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if "{{" in key:
                yield (*route, key), key
            yield from strings(inner, (*route, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings(inner, (*route, index))
