"""The text of an expr-lang expression in, its tokens out, one after another (expr 1.17.8, parser/lexer)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_SPACE: Final = re.compile(r"(?:[\s]|//[^\n]*(?:\n|$))+")
_WORD: Final = re.compile(r"[^\W]|\$")
_NAME: Final = re.compile(r"[\w$]+")
_STRING: Final = re.compile(
    r"""\\(?:[abfnrtv\\]|[0-7]{3}|x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|[^\\\n]"""
)
_OPERATOR: Final = re.compile(r"\|\|?|::?|[,;%+\-^]|[&!=*<>][&=*]?|\.\.?|\?[.?]?|/|##?")
_DIGITS: Final = {
    "x": "0-9a-fA-F_", "X": "0-9a-fA-F_", "o": "0-7_", "O": "0-7_", "b": "01_", "B": "01_", "": "0-9_",
}  # fmt: skip
_WORDS: Final = {
    "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else", "not",
}  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.S
)
_SIMPLE: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class SyntaxFault(ValueError):
    """The text is no expression; the message has expr's own layout."""


class Token(NamedTuple):
    """A word, a number, a text, a bracket or an operator; `text` of a literal is what it stands for."""

    kind: str
    text: str
    place: int


def fault(message: str, source: str, place: int) -> str:
    """Lay out an error as expr does: the message, the line, and a caret under the place."""
    if not source:
        return message
    before = source[:place]
    line = before.count("\n")
    column = place - (before.rfind("\n") + 1)
    shown = source.split("\n")[line]
    return f"{message} ({line + 1}:{column + 1})\n | {shown}\n | {'.' * column}^"


def tokens(source: str) -> Iterator[Token]:
    """Yield the tokens, an end last. Raises SyntaxFault when it comes to what is none."""
    place = 0
    while place < len(source):
        if found := _SPACE.match(source, place):
            place = found.end()
            continue
        if source.startswith("/*", place):
            place = source.find("*/", place + 2) + 2
            if place < 2:
                raise SyntaxFault(fault("unclosed comment", source, len(source)))
            continue
        token, place = _token(source, place)
        yield token
        if token.kind == "Operator" and token.text[0] == "#" and (name := _NAME.match(source, place)):
            yield Token("Identifier", name[0], place)
            place = name.end()
    yield Token("EOF", "", max(len(source) - 1, 0))


def _token(source: str, place: int) -> tuple[Token, int]:
    first = source[place]
    if first in "'\"":
        end = _end_of_string(source, place)
        return Token("String", unquoted(source[place:end]), place), end
    if first == "`":
        raw = re.compile(r"`((?:[^`]|``)*)`").match(source, place)
        if not raw:
            raise SyntaxFault(fault("literal not terminated", source, len(source)))
        return Token("String", raw[1].replace("``", "`"), place), raw.end()
    if first in "0123456789" or re.compile(r"\.[0-9]").match(source, place):
        end = _end_of_number(source, place)
        return Token("Number", source[place:end], place), end
    if first in "([{)]}":
        return Token("Bracket", first, place), place + 1
    if _WORD.match(first) and (name := _NAME.match(source, place)):
        return Token("Operator" if name[0] in _WORDS else "Identifier", name[0], place), name.end()
    if operator := _OPERATOR.match(source, place):
        return Token("Operator", operator[0], place), operator.end()
    shown = f" {first!r}" if first.isprintable() else ""
    raise SyntaxFault(fault(f"unrecognized character: U+{ord(first):04X}{shown}", source, place))


def _end_of_string(source: str, place: int) -> int:
    quote, at = source[place], place + 1
    while source[at : at + 1] != quote:
        if at >= len(source) or source[at] == "\n":
            raise SyntaxFault(fault("literal not terminated", source, at))
        step = 2 if source.startswith("\\" + quote, at) else 0
        found = _STRING.match(source, at)
        if not step and not found:
            raise SyntaxFault(fault("invalid char escape", source, min(at + 1, len(source))))
        at += step or len(found[0] if found else "")
    return at + 1


def _end_of_number(source: str, place: int) -> int:
    base = source[place + 1 : place + 2] if source[place] == "0" else ""
    base = base if base in _DIGITS else ""
    digits = f"[{_DIGITS[base]}]*"
    start = re.compile(f"0{base}{digits}" if base else digits).match(source, place)
    end = start.end() if start else place
    if source.startswith("..", end):
        return end
    rest = re.compile(rf"(?:\.{digits})?(?:[eE][+-]?{digits})?").match(source, end)
    end = rest.end() if rest else end
    if _NAME.match(source, end):
        raise SyntaxFault(fault(f'bad number syntax: "{source[place : end + 1]}"', source, end))
    return end


def unquoted(literal: str) -> str:
    """Return the text that a string literal with its quotes stands for."""
    return _ESCAPE.sub(_unescaped, literal[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(int(code[1:].strip("{}"), 16))
    if len(code) == 3:
        return chr(int(code, 8))
    return _SIMPLE.get(code, code)
