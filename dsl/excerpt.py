"""The text of an author's file in; excerpts of it out, each on the line where it stood, some parts cut."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """A place in a text: line from 1, byte from 0, as `ast` counts."""

    line: int
    byte: int


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """A stretch of the author's text and what stands in its place."""

    start: Place
    end: Place
    text: str = ""


def start(node: ast.AST) -> Place:
    """Return where a node starts; decorators stand before it."""
    return Place(getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def end(node: ast.AST) -> Place:
    """Return where a node ends."""
    return Place(getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0))


class Excerpts:
    """Pieces of one file, collected in any order."""

    def __init__(self, text: str) -> None:
        self.lines = text.encode().split(b"\n")
        self.pieces: dict[tuple[int, int, int, str], None] = {}

    def add(self, at: Place, text: str, order: int = 1) -> None:
        """Put text on its line of the author's file, in the `order` imports 0, others 1, additions 2."""
        self.pieces[at.line, order, at.byte, text] = None

    def segment(self, node: ast.AST, cuts: Iterable[Cut] = (), first: ast.AST | None = None) -> str:
        """Return the author's text of a node, from `first` on."""
        at, last = start(first or node), end(node)
        pieces = []
        for cut in sorted(cuts):
            if cut.start >= at and cut.end <= last:
                pieces += [self.between(at, cut.start), cut.text]
                at = cut.end
        return "".join([*pieces, self.between(at, last)])

    def between(self, first: Place, last: Place) -> str:
        """Return the text between two places."""
        lines = self.lines[first.line - 1 : last.line]
        lines[-1] = lines[-1][: last.byte]
        lines[0] = lines[0][first.byte :]
        return b"\n".join(lines).decode()

    def before(self, place: Place, mark: bytes) -> Place:
        """Return where the last `mark` before a place starts."""
        line, byte = place
        while (at := self.lines[line - 1][:byte].rfind(mark)) < 0 and line > 1:
            line -= 1
            byte = len(self.lines[line - 1])
        return Place(line, max(at, 0))

    def removal(self, first: Place, node: ast.AST, text: str = "", newline: str = "\\\n") -> Cut:
        """Return a cut from a place to the end of a node and of brackets around it; it keeps the lines."""
        last = end(node)
        for _ in range(self.between(first, start(node)).count("(")):
            line, byte = last
            while (at := self.lines[line - 1].find(b")", byte)) < 0:
                line, byte = line + 1, 0
            last = Place(line, at + 1)
        return Cut(first, last, text + newline * (last.line - first.line))

    def assignment(self, name: str, node: ast.expr) -> str:
        """Return the assignment of an expression to a name."""
        text = self.segment(node)
        return f"{name} = ({text})" if "\n" in text else f"{name} = {text}"

    def block(self, node: ast.AST, at: Place, text: str, around: tuple[str, str, str] | None = None) -> None:
        """Add a definition that starts at a place, without the indentation that it has in the author's file.

        `around` is the head of a function around it, what ends that one, and what follows.
        """
        column = self.lines[at.line - 1][: at.byte].decode()
        rest = self.lines[end(node).line - 1][end(node).byte :]
        text += rest.decode() if rest.strip().startswith(b"#") else ""
        if around:
            head, last, after = around
            self.add(Place(at.line - 1, 0), f"{head}\n{column or ' '}{text}\n{column or ' '}{last}\n{after}")
            return
        inside: set[int] = set()
        for part in ast.walk(node):
            if isinstance(part, (ast.Constant, ast.JoinedStr)):
                inside.update(range(part.lineno + 1, (part.end_lineno or 0) + 1))
        lines = text.split("\n")
        for number, line in enumerate(lines):
            if at.line + number not in inside:
                lines[number] = line.removeprefix(column)
        self.add(at, "\n".join(lines))

    def source(self, head: str) -> str:
        """Return all pieces, each on its line of the author's file unless an earlier one is in the way."""
        text = head and f"{head}\n"
        for line, _, _, piece in sorted(self.pieces):
            text += "\n" * (line - 1 - text.count("\n")) + piece + "\n"
        return text
