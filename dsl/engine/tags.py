"""Texts and documents with `{{tags}}` in, with values in their place out (Argo v4.1.2, util/template).

What a tag brought in is scanned again by the next pass, as in Argo: there is no escape for `{{`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

from dsl.engine.scope import MISSING, Scope
from dsl.expr import gojson, times
from dsl.expr.expression import ExpressionError, compiled
from dsl.expr.gojson import Value
from dsl.expr.grammar import SyntaxFault

_LATE = {
    "item", "retries", "lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message",
    "workflow.status", "workflow.failures",
}  # fmt: skip


class Mode(Enum):
    """Which unresolved tags are faults: none, those of other nodes, or all.

    ONCE is lenient too, and leaves the tags that a value brought in for the next pass. UNUSED is like ONCE,
    and leaves the tags of absent optionals as well.
    """

    LENIENT = "none"
    ONCE = "none of one pass"
    UNUSED = "none, of what is not used"
    NODES = "nodes"
    ALL = "all"


class TagError(ValueError):
    """A tag cannot be replaced; the message is Argo's."""


class MissingError(TagError):
    """A tag names what does not exist. Argo waits for it, for ever when it never comes."""


Part = tuple[str, str]
Fill = Callable[[Scope, Mode], Any]


@lru_cache(maxsize=8192)
def parts(text: str) -> tuple[Part, ...]:
    """Cut a text into `("text", …)`, `("tag", …)` and `("expression", …)`; an unclosed `{{` is text."""
    found: list[Part] = []
    place = 0
    while (start := text.find("{{", place)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            break
        if start > place:
            found.append(("text", text[place:start]))
        tag = text[start + 2 : end]
        found.append(("expression", tag[1:]) if tag.startswith("=") else ("tag", tag))
        place = end + 2
    if place < len(text):
        found.append(("text", text[place:]))
    return tuple(found)


def substitute(text: str, scope: Scope, mode: Mode = Mode.LENIENT) -> str:
    """Replace the tags of one text. Raises TagError, and MissingError for names that `mode` insists on."""
    if "{{" not in text:
        return text
    if mode is Mode.LENIENT:
        return _rescanned(text, scope, 3)
    return _replaced(text, scope, mode)


def _rescanned(text: str, scope: Scope, times: int) -> str:
    """A template meets the lenient pass up to three times, so a value's own tags are replaced as well."""
    for _ in range(times):
        before, text = text, _replaced(text, scope, Mode.LENIENT)
        if text == before or "{{" not in text:
            break
    return text


def _replaced(text: str, scope: Scope, mode: Mode) -> str:
    return _joined(parts(text), scope, mode)


def _joined(cut: tuple[Part, ...], scope: Scope, mode: Mode) -> str:
    out = []
    for kind, body in cut:
        if kind == "text":
            if mode is Mode.ALL and "{{" in body:
                raise MissingError(f"failed to resolve {body[body.index('{{') :]}")
            out.append(body)
        elif kind == "tag":
            out.append(_simple(body, scope, mode))
        else:
            out.append(_evaluated(body, scope, mode))
    return "".join(out)


def _is_strict(name: str, mode: Mode) -> bool:
    if mode is Mode.NODES:
        return name.split(".")[0] in ("tasks", "steps")
    return mode is Mode.ALL


def _simple(tag: str, scope: Scope, mode: Mode) -> str:
    name = tag.strip(" ")
    value = scope.find(name)
    if value is MISSING:
        cut = tag.rfind("{{")
        inner = scope.find(tag[cut + 2 :]) if cut > 0 else MISSING
        if isinstance(inner, str):
            return "{{" + tag[:cut] + inner
        if _is_strict(name, mode) and (mode is Mode.ALL or ".outputs.artifacts." not in name):
            raise MissingError(f"failed to resolve {{{{{tag}}}}}")
        return "{{" + tag + "}}"
    if value is None and mode is Mode.UNUSED:
        return "{{" + tag + "}}"
    if value is None:
        optional = "output is an absent optional (skipped/omitted node with no default)"
        raise TagError(f"unable to substitute {{{{{tag}}}}}: {optional}")
    if not isinstance(value, str):
        return "{{" + tag + "}}"
    if escape := gojson.unquotable(value):
        if mode in (Mode.ALL, Mode.UNUSED):  # there the decoder finds it
            raise TagError(f"invalid character '{escape}' in string escape code")
        raise TagError("cannot finish template replacement because the result was invalid JSON")
    return value


def _evaluated(source: str, scope: Scope, mode: Mode) -> str:
    verbatim = "{{=" + source + "}}"
    try:
        expression = compiled(source)
    except SyntaxFault as wrong:
        raise TagError(f"failed to evaluate expression: {wrong}") from None
    missing = [path for path in expression.required if not scope.defines(path)]
    for path in missing:
        if _is_strict(path, mode):
            raise MissingError(f"failed to evaluate expression: {path} is missing")
    lenient = bool(missing) or mode in (Mode.LENIENT, Mode.ONCE, Mode.UNUSED)
    if lenient and any(path in _LATE for path in missing):
        return verbatim
    try:
        value = expression.value(scope.variables())
    except ExpressionError as wrong:
        if lenient:
            return verbatim
        raise TagError(f"failed to evaluate expression: {wrong}") from None
    if value is None:
        if lenient:
            return verbatim
        raise TagError(f'failed to evaluate expression "{source}"')
    try:
        text = times.plain(value)
        return text if isinstance(text, str) else gojson.dumps(text)
    except ValueError as wrong:
        if lenient:
            return verbatim
        raise TagError(f"failed to marshal evaluated expression: {wrong}") from None


def filler(document: Value) -> Fill | None:
    """Return what fills a document's tags, or None when it has none.

    Unchanged parts are shared, not copied.
    """
    if isinstance(document, str):
        return _text_filler(document) if "{{" in document else None
    if isinstance(document, dict):
        if any("{{" in key for key in document):
            return _keys_filler(document)
        fills = {key: fill for key, value in document.items() if (fill := filler(value))}
        if not fills:
            return None
        return lambda scope, mode: {**document, **{key: fill(scope, mode) for key, fill in fills.items()}}
    if isinstance(document, list):
        elements = [filler(element) for element in document]
        if not any(elements):
            return None
        return lambda scope, mode: [
            fill(scope, mode) if fill else element for fill, element in zip(elements, document, strict=True)
        ]
    return None


def _keys_filler(document: dict[str, Any]) -> Fill:
    """Fill the names in a mapping as well: Argo fills the text of a document."""
    names, values = [filler(key) for key in document], [filler(value) for value in document.values()]

    def fill(scope: Scope, mode: Mode) -> dict[str, Any]:
        filled = {}
        for (key, value), name, inner in zip(document.items(), names, values, strict=True):
            filled[name(scope, mode) if name else key] = inner(scope, mode) if inner else value
        return filled

    return fill


def _text_filler(text: str) -> Fill:
    cut = parts(text)

    def fill(scope: Scope, mode: Mode) -> str:
        filled = _joined(cut, scope, mode)
        if mode is Mode.LENIENT and filled != text and "{{" in filled:
            return _rescanned(filled, scope, 2)
        return filled

    return fill


class Document:
    """A JSON value whose tags are filled many times: by templates for each node, by tasks for each item."""

    __slots__ = ("_fill", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self._fill = filler(value)

    def filled(self, scope: Scope, mode: Mode = Mode.LENIENT) -> Value:
        """Return the value with its tags replaced; it must not be changed."""
        return self._fill(scope, mode) if self._fill else self.value
