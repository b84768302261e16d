"""A manifest in, JSON or YAML text out, the same bytes every time; and the way back, as Argo reads it.

What is written means the same to a YAML 1.1 reader, a YAML 1.2 reader and Argo's: every string is quoted
unless it is a plain word, all text is ASCII. What is read follows Argo's reader (Go, sigs.k8s.io/yaml;
observed on 4.1.2), which takes `y` for true, `08` for 8 and `12:30` for text. The module refuses to know
what a manifest says.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.emitter import ScalarAnalysis

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.location import Location

_TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_COMMENT: Final = re.compile("#[^\n]*")
_PLAIN_WORD: Final = re.compile(r"[A-Za-z][-A-Za-z0-9_]*")
_YAML_WORDS: Final = frozenset(word.lower() for word in _TRUE | _FALSE | _NULL) | {"nan", "inf"}
_BLOCK: Final = re.compile(r"(?=[!-~])(?:[ -~]*[!-~])?(?:\n(?:[ -~]*[!-~])?)*")

_SURROGATES: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")

_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_PLAIN: Final = "tag:argosy,2024:plain"
_MERGE: Final = "tag:yaml.org,2002:merge"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LARGEST_INTEGER: Final = 2**64 - 1
_WHOLE_FLOATS: Final = 1e21
"""From here on Go writes a float with an exponent, below it as an integer."""


def to_json(manifest: object) -> str:
    """Return indented ASCII JSON, keys in their order. Raises ValueError for what JSON cannot hold."""
    _require_json(manifest)
    return json.dumps(manifest, indent=2) + "\n"


def to_yaml(manifest: object) -> str:
    r"""Return ASCII YAML in block style, keys in their order. Raises ValueError for what JSON cannot hold.

    >>> print(to_yaml({"name": "main", "args": ["y", "a: b", "set -e\ntrue\n"]}), end="")
    name: main
    args:
    - "y"
    - "a: b"
    - |
      set -e
      true
    """
    _require_json(manifest)
    return yaml.dump(
        manifest,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        width=sys.maxsize,
        allow_unicode=False,
    )


def read_manifests(text: str, path: str) -> list[dict[str, Any]]:
    """Return the documents of YAML or JSON text in order, without empty ones; `path` is where it is from.

    Raises Rejected for text that is neither, and for a document that is no mapping.
    """
    text = text.removeprefix("\ufeff")
    try:
        documents = [(json.loads(text, parse_constant=_no_constant), Location(path, 1, 1))]
    except (ValueError, RecursionError):
        documents = list(_yaml_documents(text, path))
    for document, location in documents:
        if not isinstance(document, dict):
            message = f"a manifest is a mapping, not {_kind_of(document)}"
            raise Rejected(Diagnostic(Code.SYNTAX, location, message, "start with apiVersion: and kind:"))
    found = [document for document, _ in documents]
    return [_without_surrogates(document) for document in found] if "\\u" in text.lower() else found


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


def _without_surrogates(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document whose escapes of half a character became U+FFFD, as in Go's encoding/json."""
    text = json.dumps(document, ensure_ascii=False)
    replaced: dict[str, Any] = json.loads(_SURROGATE.sub("\ufffd", text))
    return replaced


class _Dumper(yaml.SafeDumper):
    """Writes every string so that no reader takes it for something else, and every value in full."""

    def ignore_aliases(self, data: object) -> bool:
        """Argo reads anchors, people do not."""
        return True

    def string(self, text: str) -> yaml.ScalarNode:
        """Choose the style of a string."""
        if _PLAIN_WORD.fullmatch(text) and text.lower() not in _YAML_WORDS:
            style = None
        elif "\n" in text and _BLOCK.fullmatch(text) and not text.endswith("\n\n"):
            style = "|"
        else:
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    # The two below are PyYAML's hooks. Its own look at each character, and a list of items is long.

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """Say what styles a string may have; `string` knows already where it is no plain word."""
        style = getattr(self.event, "style", None)
        if style in ('"', "|"):
            return ScalarAnalysis(scalar, not scalar, style == "|", False, False, False, True, style == "|")
        found: ScalarAnalysis = super().analyze_scalar(scalar)
        return found

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Write a string between quotes, on one line."""
        escaped = _SURROGATES.sub(_astral, json.dumps(text)).replace("\x7f", "\\x7f")
        self.write_indicator(escaped, True)


_Dumper.add_representer(str, _Dumper.string)


def _astral(found: re.Match[str]) -> str:
    """Return YAML's escape of a character for which JSON has two."""
    pair = chr(int(found[2], 16)) + chr(int(found[3], 16))
    character = pair.encode("utf-16", "surrogatepass").decode("utf-16")
    return f"{found[1]}\\U{ord(character):08x}"


class _Loader(yaml.SafeLoader):
    """Reads plain scalars as Go does; timestamps stay text, keys become text."""

    def resolve(self, kind: type[yaml.Node], value: object, implicit: object) -> str:
        """Leave what an unquoted scalar without a tag means to `plain`."""
        if kind is yaml.ScalarNode and implicit == (True, False):
            return _MERGE if value == "<<" else _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]  # not in the stubs

    def plain(self, node: yaml.ScalarNode) -> object:
        """Construct an unquoted scalar."""
        if _NOT_FINITE.fullmatch(node.value):
            raise yaml.constructor.ConstructorError(None, None, "JSON has no such number", node.start_mark)
        return _plain_value(node.value)

    def refuse(self, node: yaml.Node) -> object:
        """JSON has no such type."""
        raise yaml.constructor.ConstructorError(
            None, None, f"the tag {node.tag} is not read", node.start_mark
        )

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping with keys of text, as JSON has them."""
        return {_key(key): value for key, value in super().construct_mapping(node, deep).items()}


def _yaml_documents(text: str, path: str) -> Iterator[tuple[object, Location]]:
    """Yield the documents that hold something, with the place where each starts."""
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            assert node
            value = loader.construct_document(node)
            if value is not None:
                mark = node.start_mark
                yield value, Location(path, mark.line + 1, mark.column + 1)
    except yaml.MarkedYAMLError as error:
        raise _rejected(error, path) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Location(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"character U+{ord(text[error.position]):04X} cannot stand in YAML"
        raise Rejected(Diagnostic(Code.SYNTAX, place, message, "write it as an escape in quotes")) from error
    except RecursionError as error:
        raise Rejected(Diagnostic(Code.SYNTAX, Location(path), "values are nested too deeply")) from error


def _rejected(error: yaml.MarkedYAMLError, path: str) -> Rejected:
    mark = error.problem_mark or error.context_mark
    place = Location(path, mark.line + 1, mark.column + 1) if mark else Location(path)
    context = f", {error.context}" if error.context else ""
    return Rejected(Diagnostic(Code.SYNTAX, place, f"not valid YAML: {error.problem}{context}"))


def _plain_value(text: str) -> object:
    """Return what Go's reader takes an unquoted scalar for."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    digits = text.replace("_", "") if text[0] in "+-0123456789" else text
    if _INTEGER.fullmatch(digits):
        number = _integer(digits)
        return number if -(2**63) <= number <= _LARGEST_INTEGER else _number(float(number))
    return _number(float(digits)) if _FLOAT.fullmatch(digits) else text


def _integer(digits: str) -> int:
    """Return Go's ParseInt with base 0: a leading zero means octal."""
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-").lower()
    octal = digits[0] == "0" and digits[1:].isdigit()
    return sign * int(digits, 8 if octal else 0)


def _number(value: float) -> float | int:
    """Return the number as Go's JSON has it: whole ones lose their point."""
    return int(value) if value.is_integer() and abs(value) < _WHOLE_FLOATS else value


def _key(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def _kind_of(value: object) -> str:
    names = {list: "a list", str: "text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")


def _require_json(value: object) -> None:
    """Raise ValueError for what JSON cannot hold or an ASCII file cannot say."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("text with a lone surrogate cannot be written") from error
    except TypeError as error:
        raise ValueError(str(error)) from error


_Loader.add_constructor(_PLAIN, _Loader.plain)
_Loader.add_constructor(_MERGE, lambda loader, node: "<<")
for _name in ("binary", "omap", "pairs", "set", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _Loader.refuse)
