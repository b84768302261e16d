"""A pattern of files in, what a path must match out, and the pattern that was probably meant.

`{k}` matches within one component of a path and names a key; all else is that of `glob`.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from dsl.names import did_you_mean

KEY = re.compile(r"\{(\w+)\}")


def normal(pattern: str) -> str:
    """Return a relative pattern without empty parts and `.`; a slash at its end stays."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return "/".join(parts) + ("/" if pattern.endswith("/") else "")


def near(folder: Path, wild: str) -> str | None:
    """Return the pattern with a part that matches something in place of the first that matches nothing."""
    parts = wild.split("/")
    for depth, part in enumerate(parts):
        there = "/".join(parts[: depth + 1])
        if glob.glob(there, root_dir=folder):  # noqa: PTH207 - relative paths
            continue
        above = "/".join(parts[:depth])
        beside = [Path(path).name for path in glob.glob(f"{above}/*".lstrip("/"), root_dir=folder)]  # noqa: PTH207
        if "*" in part:
            suffix = part.rpartition(".")[2]
            beside = [f"*.{name.rpartition('.')[2]}" for name in beside if name.rpartition(".")[2] != suffix]
        guess = did_you_mean(part, [name for name in dict.fromkeys(beside) if name != part])
        return "/".join([*parts[:depth], guess, *parts[depth + 1 :]]) if guess else None
    return None


def unlisted(folder: Path, wild: str) -> str | None:
    """Return the first folder that a pattern leads into and that may not be listed: `glob` skips it."""
    parts = wild.rstrip("/").split("/")
    for depth in range(len(parts)):
        above = "/".join([*parts[:depth], ""])
        for place in sorted(glob.glob(above, root_dir=folder, recursive=True)) if above else [""]:  # noqa: PTH207
            try:
                with os.scandir(folder / place):
                    pass
            except PermissionError:
                return place.rstrip("/") or "."
    return None


def regex_of(pattern: str) -> re.Pattern[str]:
    """Return what a path must match: the glob's, with a group per key. Raises ValueError for none.

    >>> bool(regex_of("a/**").fullmatch("a/b/c.txt"))
    True
    """
    for name in KEY.findall(pattern):
        if not name.isidentifier():
            raise ValueError(f"{{{name}}} in {pattern!r} is no name of a key")
    try:
        return re.compile(_regex_text(pattern))
    except re.error as error:
        raise ValueError(f"{pattern!r} is no pattern: {error.msg}") from None


def _regex_text(pattern: str) -> str:
    parts: list[str] = []
    seen: set[str] = set()
    tokens = r"\{\w+\}|(?:(?<=/)|^)\*\*(?:/|$)|\*|\?|\[!?[^]]+\]|."
    for found in re.finditer(tokens, pattern.rstrip("/"), re.DOTALL):
        token = found[0]
        name = token[1:-1]
        if KEY.fullmatch(token) and token[0] == "{":
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
            seen.add(name)
        elif token == "**/":
            parts.append("(?:.*/)?")
        elif token == "**":
            parts.append(".*")
        elif token == "*":
            parts.append("[^/]*")
        elif token == "?":
            parts.append("[^/]")
        elif len(token) > 1 and token[0] == "[":
            parts.append("[^" + token[2:] if token[1] == "!" else token)
        else:
            parts.append(re.escape(token))
    return "(?s:" + "".join(parts) + ")"
