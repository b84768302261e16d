"""A code in, its page out: why, a wrong file, its report, a right file; `<slug>.md` beside this file."""

from __future__ import annotations

from importlib.resources import files

from dsl.codes import Code


def find(word: str) -> Code | None:
    """Return the code with this id or slug, in any case, or None.

    >>> find("dsl201") is find("dependency-cycle") is Code.DEPENDENCY_CYCLE
    True
    """
    sought = word.lower().replace("_", "-")
    return next((code for code in Code if sought in (code.id.lower(), code.slug)), None)


def page(code: Code) -> str:
    """Return the Markdown page of a code. Raises FileNotFoundError when there is none."""
    return files(__name__).joinpath(f"{code.slug}.md").read_text(encoding="utf-8")
