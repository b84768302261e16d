"""A misspelt name of the author's in, the fix out that writes it right, if its own place is certain."""

from __future__ import annotations

import re
from collections.abc import Collection

from dsl.construct import keywords_beside
from dsl.diagnostics import Fix
from dsl.location import Location
from dsl.names import did_you_mean

KEYWORD = r"^(NAME)\s*=(?!=)"
"""The name of an argument, where the argument begins."""

ATTRIBUTE = r"""(?:\.(NAME)|\[["'](NAME)["']\])$"""
"""The last name of `dag.params.name` or `dag.params["name"]`."""

FIELD = r"^output\s*=(?!.*\{NAME\}.*\{NAME\}).*\{(NAME)\}"
"""The one field of this name in `output="{name}.txt"`."""

FILE = r"""^output\s*=\s*\{(?:[^{}]*,)?\s*["'](NAME)["']\s*:"""
"""A key of `output={"name": …}`."""


def respelt(place: Location, form: str, wrong: str, right: str | None) -> Fix | None:
    """Return the fix of a name, if it stands in one of the forms above in the first line of its place."""
    end = place.end_column - 1 if place.end_column else None
    text = place.text[max(place.column - 1, 0) : end]
    found = re.search(form.replace("NAME", re.escape(wrong)), text)
    if right is None or found is None:
        return None
    first, last = found.span(found.lastindex or 0)
    return Fix(Location(place.path, place.line, place.column + first, place.column + last), right)


def argument_respelt(
    place: Location, wrong: str, known: Collection[str], given: Collection[str] = ()
) -> Fix | None:
    """Return the fix of the name of an argument, unless another has, or may mean, the right name.

    The others are those of its call and those `given` to it in another way, as by position.
    """
    right, beside = did_you_mean(wrong, known), keywords_beside(place)
    if beside is None:
        return None
    others = {*beside, *given} - {wrong}
    meant = {name if name in known else did_you_mean(name, known) for name in others}
    return None if right in meant else respelt(place, KEYWORD, wrong, right)
