"""A frame or an AST node in, a place in the author's file out.

Lines and columns count from 1, converted only here.
"""

from __future__ import annotations

import ast
import os
import sys
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple, TypeAlias

_OURS = f"{Path(__file__).parent}{os.sep}"
_Positions: TypeAlias = tuple[int | None, int | None, int | None, int | None]


class Location(NamedTuple):
    """A place in a file: `line` and `column` from 1, `end_column` one past the last, 0 if unknown.

    A location without a line (`line` 0) names the file as a whole.
    """

    path: str
    line: int = 0
    column: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    @property
    def text(self) -> str:
        """The author's line as it is now, without its end; empty if there is none."""
        return line_of(self.path, self.line).rstrip("\r\n") if self.line else ""

    @classmethod
    def of_caller(cls) -> Location:
        """Return where the code outside this package that is running now stands."""
        return cls._from_ast(*_running())

    @staticmethod
    def span_of_caller() -> tuple[int, int, int, int]:
        """Return that place as AST nodes count it: line, column, end line and end column."""
        _, line, end_line, start, end = _running()
        return line or 0, start or 0, end_line or 0, end or 0

    @classmethod
    def of_node(cls, path: str, node: ast.AST) -> Location:
        """Return the place of an AST node (columns there are UTF-8 byte offsets from 0)."""
        return cls._from_ast(
            path,
            getattr(node, "lineno", 0),
            getattr(node, "end_lineno", None),
            getattr(node, "col_offset", 0),
            getattr(node, "end_col_offset", None),
        )

    @classmethod
    def _from_ast(
        cls, path: str, line: int | None, end_line: int | None, start: int | None, end: int | None
    ) -> Location:
        if not line:
            return cls(path)
        first = _characters(path, line, start or 0)
        last = _characters(path, line, end) + 1 if end and end_line == line else 0
        return cls(path, line, first + 1, last)


def absolute(path: str) -> str:
    """Return the path by which a file is told from others; links stay, whose neighbours are others."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps `..`


def line_of(path: str, number: int) -> str:
    """Return a line of a file as it is now; empty if there is none."""
    import linecache

    place = absolute(path)  # a relative path that leads nowhere is looked up along sys.path, and remembered
    linecache.checkcache(place)
    return linecache.getline(place, number)


def _running() -> tuple[str, int | None, int | None, int | None, int | None]:
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith((_OURS, "<")) and frame.f_back:
        frame = frame.f_back
    assert frame
    return (frame.f_code.co_filename, *_positions(frame.f_code)[frame.f_lasti // 2])


@lru_cache(maxsize=16)
def _positions(code: CodeType) -> list[_Positions]:
    """Return the place of each instruction; a module asks for its own once per edge."""
    return list(code.co_positions())


def _characters(path: str, line: int, offset: int) -> int:
    """Return how many characters the first `offset` UTF-8 bytes of a line are."""
    import linecache

    text = linecache.getline(path, line).encode()[:offset]
    return len(text.decode(errors="ignore")) if text else offset
