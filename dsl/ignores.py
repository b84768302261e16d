"""A file's text in, the comments in it that ignore findings out; findings in, those that remain out.

`# dsl: ignore[DSL301, DSL302]` stands at the end of the line that it is for. In Python that includes the
lines before it that cannot end with a comment: those that end inside a string or with a backslash. It names
codes: a comment without any ignores nothing. Findings that a file could not be loaded remain.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.documents import comments_of
from dsl.location import Location

_COMMENT = re.compile(r"#\s*dsl:\s*ignore\b(?:\s*\[(?P<codes>[^\]#]*)\])?")
_WORD = re.compile(r"[^,\s]+")
_BYTES = re.compile(rb"dsl:\s*ignore")


@dataclass(frozen=True, slots=True)
class Ignore:
    """What a comment ignores: findings of a code, `""` if it names none, from the line `first` on."""

    code: str
    location: Location
    first: int

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether a finding of this file is one that the comment is for."""
        is_here = self.first <= diagnostic.location.line <= self.location.line
        return is_here and diagnostic.code.id == self.code and not diagnostic.code.is_unread


def ignores_in(path: str, content: bytes) -> list[Ignore]:
    """Return what the comments of a Python file or a YAML manifest ignore; nothing if it cannot be read."""
    if not _BYTES.search(content):
        return []
    try:
        comments = list(_comments(path, content))
    except (SyntaxError, tokenize.TokenError, UnicodeDecodeError):
        return []
    return [ignore for comment in comments for ignore in _read(path, *comment)]


def _comments(path: str, content: bytes) -> Iterator[tuple[int, int, int, str]]:
    """Yield every comment: the first line that it is for, its own line, its column from 1, its text."""
    if not path.endswith(".py"):
        yield from ((line, line, column, text) for line, column, text in comments_of(content.decode()))
        return
    first = 1
    for token in tokenize.tokenize(io.BytesIO(content).readline):
        line, column = token.start
        if token.type == tokenize.COMMENT:
            yield first, line, column + 1, token.string
        elif token.type in (tokenize.NEWLINE, tokenize.NL):
            first = line + 1


def _read(path: str, first: int, line: int, column: int, text: str) -> Iterator[Ignore]:
    for comment in _COMMENT.finditer(text):
        words = list(_WORD.finditer(text, *comment.span("codes")))
        for code, found in [(word[0], word) for word in words] or [("", comment)]:
            yield Ignore(code, Location(path, line, column + found.start(), column + found.end()), first)


def without_ignored(
    found: Iterable[Diagnostic], ignores: Mapping[str, Iterable[Ignore]]
) -> tuple[list[Diagnostic], set[Ignore]]:
    """Return the findings that no comment ignores, and what the comments ignored; by path."""
    remaining, used = [], set()
    for diagnostic in found:
        beside = ignores.get(diagnostic.location.path, ())
        own = [ignore for ignore in beside if ignore.covers(diagnostic)]
        used |= set(own)
        if not own:
            remaining.append(diagnostic)
    return remaining, used


def unused(ignore: Ignore) -> Diagnostic:
    """Return the warning of a comment that ignores nothing."""
    codes = {code.id: code for code in Code}
    hint = "remove it from the comment"
    if not ignore.code:
        message = "the comment names no code and ignores nothing"
        hint = "name what it is for, as in `# dsl: ignore[DSL301]`"
    elif ignore.code not in codes:
        message, hint = f"there is no code {ignore.code!r}", "`dsl explain` lists the codes"
    elif codes[ignore.code].is_unread:
        message = f"{ignore.code} is always reported: the file was not checked"
    else:
        message = f"there is no {ignore.code} on this line"
    return Diagnostic(Code.UNUSED_IGNORE, ignore.location, message, hint)
