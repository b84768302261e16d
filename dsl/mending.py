"""Fixes in, mended files out: each file at once or not at all, with nothing changed but what is replaced."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from dsl.diagnostics import Fix

_BOM = b"\xef\xbb\xbf"


class Unmended(Exception):
    """A file that stays as it is; the text says why."""


def apart(fixes: Iterable[Fix]) -> Iterator[Fix]:
    """Yield fixes of one file in order, without those that begin before an earlier one ends."""
    line, end = 0, 0
    for fix in sorted(set(fixes), key=lambda fix: (fix.location, fix.replacement)):
        place = fix.location
        if place.line > line or place.column >= end:
            line, end = place.line, place.end_column
            yield fix


def mended(path: str, content: bytes, fixes: Iterable[Fix]) -> bytes:
    """Return a file's content with fixes that are apart. Raises Unmended for text that has no such form."""
    try:
        encoding = _encoding(path, content)
        lines = io.StringIO(content.decode(encoding), newline="").readlines()
        for fix in sorted(fixes, key=lambda fix: fix.location, reverse=True):
            place = fix.location
            text = lines[place.line - 1]
            lines[place.line - 1] = text[: place.column - 1] + fix.replacement + text[place.end_column - 1 :]
        return "".join(lines).encode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as problem:
        raise Unmended(str(problem)) from None


def check(path: str, content: bytes) -> None:
    """Raise Unmended for Python that does not compile."""
    if path.endswith(".py"):
        try:
            with warnings.catch_warnings(action="ignore"):
                compile(content, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError) as problem:
            raise Unmended(f"mended, it would not compile: {problem}") from None


def _encoding(path: str, content: bytes) -> str:
    if path.endswith(".py"):
        return tokenize.detect_encoding(io.BytesIO(content).readline)[0]
    return "utf-8-sig" if content.startswith(_BOM) else "utf-8"


def write(path: str, before: bytes, after: bytes) -> None:
    """Replace a file that still holds `before`, keeping its mode; a link stays a link.

    Raises Unmended if it changed meanwhile, or cannot be replaced.
    """
    target = Path(os.path.realpath(path))
    try:
        number, aside = tempfile.mkstemp(prefix=f".{target.name[:50]}.", dir=target.parent)
        try:
            with open(number, "wb") as file:  # noqa: PTH123 - mkstemp has opened it
                file.write(after)
                file.flush()
                os.fsync(number)
            Path(aside).chmod(target.stat().st_mode & 0o7777)
            if target.read_bytes() != before:
                raise Unmended("it has changed since it was checked")
            Path(aside).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(aside).unlink()
            raise
    except OSError as problem:
        raise Unmended((problem.strerror or str(problem)).lower()) from None
