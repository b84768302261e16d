"""A misspelt name of the author's in, the fix out that writes it right, if its own place is certain."""

from __future__ import annotations

import linecache
import re

from dsl.diagnostics import Fix
from dsl.location import Location

KEYWORD = r"^(NAME)\s*=(?!=)"
"""The name of an argument, where the argument begins."""

ATTRIBUTE = r"""(?:\.(NAME)|\[["'](NAME)["']\])$"""
"""The last name of `dag.params.name` or `dag.params["name"]`."""

FIELD = r"\{(NAME)\}"
"""A field of an output's name."""

DICT_KEY = r"""["'](NAME)["']\s*:"""
"""A key of a dict."""


def respelt(place: Location, form: str, wrong: str, right: str | None) -> Fix | None:
    """Return the fix of a name that stands once, in a form as above, in the text of a place."""
    if right is None or not place.end_column:
        return None
    text = linecache.getline(place.path, place.line)[place.column - 1 : place.end_column - 1]
    found = list(re.finditer(form.replace("NAME", re.escape(wrong)), text))
    if len(found) != 1:
        return None
    start, end = found[0].span(found[0].lastindex or 0)
    return Fix(Location(place.path, place.line, place.column + start, place.column + end), right)
