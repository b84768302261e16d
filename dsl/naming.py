"""`output="{stem}.gpkg"` in, the name of each item's file out: for the plan, and as text for the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import TypeAlias

FILE_FIELDS = ("name", "stem", "suffix", "index")

Template: TypeAlias = tuple[tuple[str, str], ...]
"""Segments: `("=", text)` is itself, `("", field)` a field of the input's name, `("$", x)` the text of x."""

SAME_NAME: Template = (("", "name"),)


def parse(text: str) -> Template:
    """Return the segments of an output name. Raises ValueError for anything but `{field}` and text."""
    segments: list[tuple[str, str]] = []
    for literal, field, spec, conversion in Formatter().parse(text):
        if literal:
            segments.append(("=", literal))
        if field is None:
            continue
        if spec or conversion or not field.isidentifier():
            raise ValueError(f"{{{field}}} is no field; write a plain name in braces")
        segments.append(("" if field in FILE_FIELDS else "$", field))
    return tuple(segments)


def references(template: Template) -> tuple[str, ...]:
    """Return the keys and parameters that a template needs, in order."""
    return tuple(dict.fromkeys(text for mark, text in template if mark == "$"))


def filled(template: Template, constants: Mapping[str, str]) -> Template:
    """Return the template with constants in place of the parameters they are the values of."""
    return tuple(
        ("=", constants[text]) if mark == "$" and text in constants else (mark, text)
        for mark, text in template
    )


def apply(chain: Sequence[Template], name: str, index: int, values: Mapping[str, str]) -> str:
    """Return the name at the end of a chain of templates that begins with an item's name.

    >>> apply([parse("{stem}-{year}.csv")], "a.txt", 0, {"year": "1999"})
    'a-1999.csv'
    """
    for template in chain:
        dot = name.rfind(".")
        cut = (
            dot if 0 < dot < len(name) - 1 else len(name)
        )  # what pathlib calls stem and suffix, ten times faster
        fields = {"name": name, "stem": name[:cut], "suffix": name[cut:], "index": str(index)}
        known = {"=": None, "": fields, "$": values}
        name = "".join(text if (of := known[mark]) is None else of[text] for mark, text in template)
    return name


def problem(name: str) -> str | None:
    """Return why a text is no usable file name, or None."""
    if name in ("", ".", ".."):
        return f"{name!r} is no file name"
    if "/" in name or "\0" in name:
        return f"{name!r} contains a slash or a NUL"
    if len(name.encode("utf-8", "surrogatepass")) > 255:
        return f"{name[:40]!r}… is longer than 255 bytes"
    return None


def as_text(chain: Sequence[Template], octal: Callable[[str], str]) -> str:
    """Return a chain as a worker reads it: steps joined by `/`, segments by `,`, literals escaped."""
    return "/".join(
        ",".join("=" + octal(text) if mark == "=" else mark + text for mark, text in template)
        for template in chain
    )
