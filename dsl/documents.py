"""YAML or JSON text in, its documents out, as Argo reads them; each knows where its keys and values stand.

Argo's reader (workflow/common/parse.go, Go's sigs.k8s.io/yaml; observed on 4.1.2) takes a text that is JSON
for one document, else cuts it before each line that starts with `---`. It takes `y` for true, `08` for 8 and
`12:30` for text. What it cannot parse it skips; here that is a problem with a place. The module refuses to
know what a document says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, Related
from dsl.location import Location
from dsl.places import JsonPlaces, Place
from dsl.scalars import plain_value, tagged_value

Route: TypeAlias = Sequence[str | int]
"""The keys and positions that lead from a document to one of its values."""

Event: TypeAlias = Any
"""An event of PyYAML's parser; each kind has its own attributes."""

DEPTH: Final = 200
"""Levels of nesting that are read; Argo's manifests have about 20."""
_ALIASED: Final = 400_000
"""Values that aliases may stand for, as in Go's reader."""

_HALF: Final = re.compile("[\ud800-\udfff]")
_COMMENT: Final = re.compile("#[^\n]*")


@dataclass(slots=True)
class Document:
    """One document: its value, as JSON has it, and the way to the place of each part."""

    value: Any
    path: str
    _root: Callable[[], Place]
    _found: Place | None = None

    def place(self, route: Route = (), on_key: bool = False) -> Location:
        """Return where a value stands, or its key; of what is not written, where its nearest owner is."""
        named, here = self._steps(route)
        spot = named if on_key else here
        return Location(self.path, spot.line, spot.column, spot.end)

    def element(self, key: str, index: int) -> Document:
        """Return an element of a list in it as a document of its own."""
        return Document(self.value[key][index], self.path, lambda: self._steps((key, index))[1])

    def _steps(self, route: Route) -> tuple[Place, Place]:
        if self._found is None:
            self._found = self._root()
        here = named = self._found
        for key in route:
            step = here.step(key)
            if step is None:
                break
            named, here = step
        return named, here


@dataclass(slots=True)
class Documents:
    """What a text holds: its documents in order, and what could not be read."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)


class _Fault(Exception):
    """A document cannot be read: what is wrong, and the line and column from 1."""

    def __init__(self, message: str, line: int, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.hint = message, line, column, hint

    def diagnostic(self, path: str) -> Diagnostic:
        place = Location(path, self.line, self.column)
        return Diagnostic(Code.MANIFEST_SYNTAX, place, self.message, self.hint)


def read_documents(content: bytes, path: str) -> Documents:
    """Read a text; empty documents are left out, broken ones are problems."""
    found = Documents()
    try:
        text = _decoded(content)
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Location(path, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        message = f"byte 0x{content[error.start]:02x} is not UTF-8 text"
        found.problems.append(Diagnostic(Code.MANIFEST_SYNTAX, place, message, "save the file as UTF-8"))
        return found
    try:
        whole = _json_document(text, path, found)
    except _Fault as fault:
        found.problems.append(fault.diagnostic(path))
        return found
    if whole is not None:
        found.documents.append(whole)
        return found
    first = 1
    for chunk in text.split("\n---"):
        if chunk.strip():
            try:
                document = _Builder(chunk, path, first, found.problems).document()
            except _Fault as fault:
                found.problems.append(_of_json(fault, text, path).diagnostic(path))
            else:
                if document is not None:
                    found.documents.append(document)
        first += chunk.count("\n") + 1
    return found


def sound_documents(content: bytes, path: str) -> list[Document]:
    """Return the documents of YAML or JSON text in order, without empty ones; `path` is where it is from.

    Raises Rejected for text that is neither, and for a document that is no mapping.
    """
    found = read_documents(content, path)
    others = (not_a_mapping(one) for one in found.documents if not isinstance(one.value, dict))
    if problems := [*found.problems, *others]:
        raise Rejected(*problems)
    return found.documents


def yaml_fault(text: str) -> str:
    """Return why Argo cannot read a YAML text inside a manifest, or nothing."""
    try:
        yaml_value(text)
    except ValueError as fault:
        return str(fault)
    return ""


def yaml_value(text: str) -> object:
    """Return what a YAML text inside a manifest says, None when it is empty.

    Raises:
        ValueError: Argo cannot read it.
    """
    try:
        document = _Builder(text, "", 1, []).document(is_whole=False)
    except _Fault as fault:
        raise ValueError(fault.message) from None
    return document.value if document else None


def not_a_mapping(document: Document) -> Diagnostic:
    """Return what is wrong with a document that is a list or a scalar."""
    names = {list: "a list", str: "text", bool: "a truth value"}
    kind = names.get(type(document.value), "a number")
    message = f"a manifest is a mapping, not {kind}"
    return Diagnostic(Code.MANIFEST_SYNTAX, document.place(), message, "start with apiVersion: and kind:")


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    return content.decode("utf-8")


class _Builder:
    """Builds the value and the places of one YAML document from the parser's events."""

    def __init__(self, text: str, path: str, first: int, problems: list[Diagnostic]) -> None:
        self.text, self.path, self.first, self.problems = text, path, first, problems
        self.anchors: dict[str, tuple[Any, Place, int] | None] = {}
        self.nodes = self.aliased = 0

    def document(self, is_whole: bool = True) -> Document | None:
        """Return the first document of the text, None when it is empty; it `is_whole` without a second.

        Raises:
            _Fault: when it cannot be read.
        """
        parser = yaml.CSafeLoader(self.text.removeprefix("\ufeff"))
        try:
            self.next: Callable[[], Any] = parser.get_event
            self.next()
            if isinstance(self.next(), yaml.StreamEndEvent):
                return None
            value, place = self.node(self.next(), 0)
            self.next()
            if is_whole and not isinstance(event := self.next(), yaml.StreamEndEvent):
                raise self.fault(event, "Argo ignores what follows the document", "put --- before it")
        except yaml.MarkedYAMLError as error:
            raise self.marked(error) from error
        except yaml.reader.ReaderError as error:
            raise self.unreadable(error) from error
        finally:
            parser.dispose()
        return None if value is None else Document(value, self.path, lambda: place)

    def marked(self, error: yaml.MarkedYAMLError) -> _Fault:
        mark = error.problem_mark or error.context_mark
        context = f", {error.context}" if error.context else ""
        line, column = (mark.line, mark.column) if mark else (0, 0)
        if mark and self.text.removeprefix("\ufeff")[mark.index : mark.index + 1] == "\t":
            return _Fault("a tab cannot indent YAML", self.first + line, column + 1, "indent with spaces")
        return _Fault(f"not valid YAML: {error.problem}{context}", self.first + line, column + 1)

    def unreadable(self, error: yaml.reader.ReaderError) -> _Fault:
        text = self.text.removeprefix("\ufeff")
        before = text.encode()[: error.position].decode(errors="ignore")
        character = text[len(before) : len(before) + 1]
        shown = f"U+{ord(character):04X}" if character else "of this kind"
        line, column = before.count("\n"), len(before) - before.rfind("\n")
        hint = "write it as an escape in quotes"
        return _Fault(f"character {shown} cannot stand in YAML", self.first + line, column, hint)

    def fault(self, event: Event, message: str, hint: str = "") -> _Fault:
        mark = event.start_mark
        return _Fault(message, self.first + mark.line, mark.column + 1, hint)

    def node(self, event: Event, depth: int) -> tuple[Any, Place]:
        """Return the value that starts with an event, and its place."""
        self.nodes += 1
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self.alias(event)
        anchor = event.anchor
        before = self.nodes
        if anchor:
            self.anchors[anchor] = None
        if kind is yaml.ScalarEvent:
            found = self.scalar(event), self.place(event)
        elif depth >= DEPTH:
            raise self.fault(event, f"values are nested more than {DEPTH} deep")
        elif kind is yaml.MappingStartEvent:
            found = self.mapping(event, depth)
        else:
            found = self.sequence(event, depth)
        if anchor:
            self.anchors[anchor] = (*found, self.nodes - before + 1)
        return found

    def place(self, event: Event) -> Place:
        start, end = event.start_mark, event.end_mark
        last = end.column + 1 if end.line == start.line and end.column > start.column else 0
        return Place(self.first + start.line, start.column + 1, last)

    def alias(self, event: Event) -> tuple[Any, Place]:
        name = event.anchor
        if name not in self.anchors:
            raise self.fault(event, f"the alias *{name} has no anchor &{name} before it")
        target = self.anchors[name]
        if target is None:
            raise self.fault(event, f"the value of &{name} contains itself")
        self.nodes += target[2]
        self.aliased += target[2]
        if self.aliased > _ALIASED:
            raise self.fault(event, f"aliases stand for more than {_ALIASED} values", "write them out once")
        return target[0], target[1]

    def scalar(self, event: Event) -> object:
        try:
            if event.tag is None:
                return plain_value(event.value) if event.implicit[0] else event.value
            return tagged_value(event.tag, event.value)
        except ValueError as error:
            raise self.fault(event, str(error)) from None

    def sequence(self, event: Event, depth: int) -> tuple[list[Any], Place]:
        start = self.place(event)
        values, places = [], []
        while type(event := self.next()) is not yaml.SequenceEndEvent:
            value, place = self.node(event, depth + 1)
            values.append(value)
            places.append(place)
        return values, Place(start.line, start.column, start.end, None, places)

    def mapping(self, event: Event, depth: int) -> tuple[dict[str, Any], Place]:
        start = self.place(event)
        values: dict[str, Any] = {}
        places: dict[str, tuple[Place, Place]] = {}
        while type(event := self.next()) is not yaml.MappingEndEvent:
            if type(event) is yaml.ScalarEvent and _is_merge(event):
                self.merge(event, depth, values, places)
                continue
            key, where = self.key(event), self.place(event)
            value, place = self.node(self.next(), depth + 1)
            if key in values:
                self.duplicate(key, where, places[key][0])
            values[key] = value
            places[key] = (where, place)
        return values, Place(start.line, start.column, start.end, places)

    def key(self, event: Event) -> str:
        if type(event) is yaml.AliasEvent:
            value, _ = self.alias(event)
        elif type(event) is yaml.ScalarEvent:
            value = self.scalar(event)
        else:
            raise self.fault(event, "a key is a text, not a list or mapping")
        if value is None or isinstance(value, (list, dict)):
            raise self.fault(event, "a key is a text, not nothing", "write it in quotes")
        return value if isinstance(value, str) else json.dumps(value)

    def merge(
        self, event: Event, depth: int, values: dict[str, Any], places: dict[str, tuple[Place, Place]]
    ) -> None:
        """Take over the keys of what `<<` names; Argo's strict reader lets none be set again."""
        where = self.place(event)
        merged, place = self.node(self.next(), depth + 1)
        sources = merged if isinstance(merged, list) else [merged]
        grounds = place.elements if isinstance(merged, list) else [place]
        for source, ground in zip(sources, grounds or [], strict=True):
            if not isinstance(source, dict):
                raise self.fault(event, "<< merges a mapping or a list of mappings")
            for key, value in source.items():
                if key in values:
                    self.duplicate(key, where, places[key][0])
                values[key] = value
                places[key] = (ground.keys or {}).get(key, (where, place))

    def duplicate(self, key: str, where: Place, first: Place) -> None:
        self.problems.append(_duplicate(self.path, key, where, first))


def _is_merge(event: Event) -> bool:
    if event.tag is None:
        return bool(event.implicit[0] and event.value == "<<")
    return bool(event.tag == "tag:yaml.org,2002:merge")


def _duplicate(path: str, key: str, where: Place, first: Place) -> Diagnostic:
    place = Location(path, where.line, where.column, where.end)
    before = Related("first here", Location(path, first.line, first.column, first.end))
    return Diagnostic(Code.DUPLICATE_KEY, place, f"{key} is set twice", "keep one of them", (before,))


def _json_document(text: str, path: str, found: Documents) -> Document | None:
    """Return the document of a text that is JSON as a whole, None for any other text. Raises _Fault."""
    if text.lstrip(" \t\r\n")[:1] not in ("{", "["):
        return None
    repeats: list[bool] = []

    def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        repeats.append(len(mapping) < len(pairs))
        return mapping

    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=paired)
    except (ValueError, RecursionError):
        return None
    if "\\u" in text.lower():
        value = json.loads(_HALF.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    _require_shallow(value, DEPTH)
    places = JsonPlaces(text)
    if any(repeats):
        places.root()
        found.problems += [_duplicate(path, key, where, first) for key, where, first in places.repeated]
    return Document(value, path, places.root)


def _of_json(fault: _Fault, text: str, path: str) -> _Fault:
    """Return what keeps the text of a .json file from being JSON; for any other file its fault."""
    if path.endswith(".json"):
        try:
            json.loads(text.rstrip())  # what is cut off ends in its last line
        except json.JSONDecodeError as error:
            reason = error.msg.lower().removesuffix(" at")
            return _Fault(f"not valid JSON: {reason}", error.lineno, error.colno)
        except (ValueError, RecursionError):
            return fault
    return fault


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def _require_shallow(value: object, left: int) -> None:
    if not isinstance(value, (dict, list)):
        return
    if not left:
        raise _Fault(f"values are nested more than {DEPTH} deep", 1, 1)
    for inner in value.values() if isinstance(value, dict) else value:
        _require_shallow(inner, left - 1)


def comments_of(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the comments of YAML text: line and column from 1, and what stands from `#` to the line's end.

    Text that is no YAML has none.
    """
    between, end = [], 0
    try:
        for token in yaml.scan(text):
            start = token.start_mark.index
            between.append((end, start))
            if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
                between.append((start, text.find("\n", start)))  # the scalar begins on the next line
            end = token.end_mark.index
    except yaml.YAMLError:
        return
    for start, end in between:
        for comment in _COMMENT.finditer(text, start, end):
            before = text[: comment.start()]
            yield before.count("\n") + 1, len(before) - before.rfind("\n"), comment[0].rstrip("\r")
