"""Diagnostics and progress in; text, JSON and GitHub annotations out.

All layout is here. Whatever comes from a file or a message is shown as it stands: never as markup, never as a
control character of the terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from dsl.codes import Severity
from dsl.diagnostics import Diagnostic
from dsl.location import Location

_TAB = 4
_WIDTH = 110  # cells of an author's line that are shown; a longer one is cut around the place
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}


def console(stream: IO[str] | None = None) -> Console:
    """Return a console that wraps no line and reads no markup; plain without a terminal or with NO_COLOR."""
    return _Console(file=stream or sys.stdout, markup=False, highlight=False, emoji=False, soft_wrap=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Say no more: that nobody reads on neither ends a command nor changes its exit code."""
        self.quiet = True
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self.file.fileno())


def visible(text: str) -> str:
    r"""Return a text whose control characters, line ends and direction marks are spelled out.

    >>> visible("red\x1b[31m\n")
    'red\\x1b[31m\\n'
    """
    return "".join(c if c.isprintable() else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return "\u00a0" if character == "\u00a0" else character.encode("unicode_escape").decode()


def to_text(diagnostics: Iterable[Diagnostic]) -> Text:
    """Return every diagnostic with the author's line, its hint and its related places."""
    return Text("\n").join([_one(diagnostic) for diagnostic in diagnostics])


def _one(diagnostic: Diagnostic) -> Text:
    code = diagnostic.code
    style = _STYLES[code.severity]
    text = Text.assemble(
        (visible(str(diagnostic.location)), "bold"),
        ": ",
        (f"{code.severity.value}[{code.id}]", style),
        f": {visible(diagnostic.message)}\n",
    )
    text.append_text(_excerpt(diagnostic.location, style))
    if diagnostic.hint:
        text.append_text(Text.assemble("  ", ("hint", "bold cyan"), f": {visible(diagnostic.hint)}\n"))
    for related in diagnostic.related:
        text.append_text(Text.assemble("  ", (visible(str(related.location)), "bold")))
        text.append(f": {visible(related.message)}\n")
        text.append_text(_excerpt(related.location, "cyan", "  "))
    return text


def _excerpt(location: Location, style: str, indent: str = "") -> Text:
    """Return the author's line and carets below the place, or nothing when there is no such line."""
    line = location.text
    if not line.strip():
        return Text()
    start = min(max(location.column - 1, 0), len(line))
    end = min(location.end_column - 1, len(line)) if location.end_column else start + 1
    before, marked, after = _cut(*map(_drawn, (line[:start], line[start:end], line[end:])))
    number = str(location.line)
    gutter = f"{indent}  {number} | "
    margin = f"{indent}  {' ' * len(number)} | "
    carets = "^" * max(cell_len(marked), 1)
    return Text.assemble(
        (gutter, "dim"),
        f"{before}{marked}{after}\n",
        (margin, "dim"),
        " " * cell_len(before),
        (carets, style),
        "\n",
    )


def _drawn(text: str) -> str:
    return "".join(" " * _TAB if c == "\t" else visible(c) for c in text)


def _cut(before: str, marked: str, after: str) -> tuple[str, str, str]:
    """Return the three parts of a line, cut so that they fit with the start of the marked part in sight."""
    if cell_len(before) + cell_len(marked) + cell_len(after) <= _WIDTH:
        return before, marked, after
    marked = _head(marked, _WIDTH * 2 // 3)
    room = _WIDTH - cell_len(marked)
    if cell_len(before) > room * 2 // 3:
        before = "..." + _tail(before, room // 2)
    return before, marked, _head(after, max(_WIDTH - cell_len(before) - cell_len(marked), 0))


def _head(text: str, cells: int) -> str:
    if cell_len(text) <= cells:
        return text
    return f"{chop_cells(text, max(cells - 3, 2))[0]}..."


def _tail(text: str, cells: int) -> str:
    return chop_cells(text[::-1], max(cells - 3, 2))[0][::-1]


def summary(diagnostics: Iterable[Diagnostic], files: int) -> str:
    """Return the closing line.

    >>> summary([], 3)
    '3 files: no problems'
    """
    found = list(diagnostics)
    errors = sum(d.is_error for d in found)
    warnings = len(found) - errors
    parts = [counted(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    if not parts:
        return f"{counted(files, 'file')}: no problems"
    fixable = sum(d.fix is not None for d in found)
    offer = f"; `dsl validate --fix` corrects {fixable}" if fixable else ""
    return f"{', '.join(parts)} in {counted(files, 'file')}{offer}"


def fixed(diagnostics: Iterable[Diagnostic], refused: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each finding that was mended, and for each file that could not be, by path."""
    for diagnostic in diagnostics:
        if diagnostic.fix:
            place, word = diagnostic.fix.location, diagnostic.fix.replacement
            yield visible(f"{place}: fixed[{diagnostic.code.id}]: {diagnostic.message}; now {word!r}")
    for path, reason in refused.items():
        yield visible(f"{path}: not fixed: {reason}")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def in_columns(rows: Sequence[Sequence[str]]) -> Text:
    """Return rows of text as aligned columns; the first row is the heading, numbers stand to the right."""
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for cell, width in zip(row, widths, strict=True):
            space = " " * (width - cell_len(cell))
            cells.append(space + cell if cell.isdecimal() else cell + space)
        lines.append(Text("  ".join(cells).rstrip(), style="" if row is not rows[0] else "bold"))
    return Text("\n").join(lines)


def to_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return `{"diagnostics": [...]}` in ASCII, one object per finding."""
    return json.dumps({"diagnostics": [_plain(d) for d in diagnostics]}, indent=2)


def _plain(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code.id,
        "severity": diagnostic.code.severity.value,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "location": _place(diagnostic.location),
        "related": [{"message": r.message, "location": _place(r.location)} for r in diagnostic.related],
    }


def _place(location: Location) -> dict[str, str | int]:
    return {"path": location.path, "line": location.line, "column": location.column}


def to_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Return one workflow command of GitHub Actions per finding, each on its own line.

    The escapes are those of actions/toolkit, packages/core/src/command.ts.
    """
    return "\n".join(_command(diagnostic) for diagnostic in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    place = diagnostic.location
    properties = {"file": place.path, "title": f"{diagnostic.code.id} {diagnostic.code.summary}"}
    if place.line:
        properties |= {"line": str(place.line), "col": str(place.column)}
    if place.end_column:
        properties |= {"endLine": str(place.line), "endColumn": str(place.end_column)}
    named = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    lines = [diagnostic.message]
    lines += [f"hint: {diagnostic.hint}"] if diagnostic.hint else []
    lines += [f"{r.location}: {r.message}" for r in diagnostic.related]
    return f"::{diagnostic.code.severity.value} {named}::{_escaped(chr(10).join(lines))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
