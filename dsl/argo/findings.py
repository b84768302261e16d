"""What the checks of a manifest find: a code, the way to the place, and words; locations come later."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum
from typing import NamedTuple, TypeAlias

from dsl.codes import Code

Route: TypeAlias = tuple[str | int, ...]


class Gate(Enum):
    """Who refuses: `argo lint` (decoder and validator), the cluster's CRD, or nobody before it runs."""

    LINT = "lint"
    CRD = "crd"
    RUN = "run"


class Finding(NamedTuple):
    """One problem. `on_key` points at the key of the last step, not at its value."""

    code: Code
    route: Route
    clause: str
    hint: str = ""
    on_key: bool = False
    gate: Gate = Gate.LINT

    @property
    def message(self) -> str:
        """The clause behind the JSON path of its place."""
        path = path_of(self.route)
        return f"{path}: {self.clause}" if path else self.clause


class Findings:
    """Collects the problems of one document."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def add(
        self,
        code: Code,
        route: Route,
        clause: str,
        hint: str = "",
        *,
        on_key: bool = False,
        gate: Gate = Gate.LINT,
    ) -> None:
        """Note a problem."""
        self.found.append(Finding(code, route, clause, hint, on_key, gate))


def path_of(route: Route) -> str:
    """Return a route as people write it.

    >>> path_of(("spec", "templates", 0, "metadata", "labels", "a/b"))
    "spec.templates[0].metadata.labels['a/b']"
    """
    text = ""
    for step in route:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("-", "").replace("_", "").isalnum():
            text += f".{step}" if text else step
        else:
            text += f"[{step!r}]"
    return text


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a hint with the known word that is closest."""
    names = list(known)
    close = get_close_matches(word, names, 1)
    if not close:
        close = [name for name in names if name.lower() == word.lower()]
    return f"did you mean {close[0]}?" if close else otherwise
