"""A task's `depends` or `dependencies` in, what it waits for and a test on the phases of those tasks out.

Source: workflow/common/ancestry.go and workflow/controller/dag.go (v4.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from dsl.expr.expression import Expression, compiled

_WORD = re.compile(r"([a-zA-Z0-9][-a-zA-Z0-9]*?\.[A-Z][a-zA-Z]+)|([a-zA-Z0-9][-a-zA-Z0-9]*)")
DAEMONED = "Daemoned"
"""The phase of a daemon that is ready, and runs: others see it as Running."""
_RESULTS = {
    "Succeeded": "Succeeded",
    "Failed": "Failed",
    "Error": "Errored",
    "Skipped": "Skipped",
    "Omitted": "Omitted",
    "Daemoned": DAEMONED,
}


class Dependencies(NamedTuple):
    """`tasks` in the order of the text.

    `text` with every bare name spelled out, empty when there are none.
    """

    tasks: tuple[str, ...]
    text: str

    def hold(self, results: Mapping[str, Mapping[str, bool]]) -> bool:
        """Evaluate over the results of every task. Raises ValueError with Argo's message."""
        names = {name.replace("-", "_"): result for name, result in results.items()}
        text = self.text.replace("-", "_")
        try:
            return self.expression().truth(names)
        except ValueError as wrong:
            raise ValueError(f"unable to evaluate expression '{text}': {wrong}") from None

    def expression(self) -> Expression:
        """Return the parsed text. Raises SyntaxFault."""
        return compiled(self.text.replace("-", "_"))


def result_of(phase: str, group: list[str] | None) -> dict[str, Any]:
    """Return the words a dependency offers. `group` lists the phases of a loop's children."""
    words: dict[str, Any] = {word: phase == name for name, word in _RESULTS.items()}
    words["AnySucceeded"] = bool(group) and "Succeeded" in (group or ())
    words["AllFailed"] = bool(group) and set(group or ()) == {"Failed"}
    return words


def dependencies_of(task: Mapping[str, Any], siblings: Mapping[str, Mapping[str, Any]]) -> Dependencies:
    """Read one DAG task. `siblings` are the tasks of its DAG: their `continueOn` widens a bare name."""
    names = task.get("dependencies") or []
    text = " && ".join(_spelled(name, siblings) for name in names)
    if task.get("depends"):
        names = [(found[1] or found[2]).split(".")[0] for found in _WORD.finditer(task["depends"])]
        text = _WORD.sub(lambda found: found[1] or _spelled(found[2], siblings), task["depends"])
    return Dependencies(tuple(dict.fromkeys(names)), text)


def _spelled(name: str, siblings: Mapping[str, Mapping[str, Any]]) -> str:
    allowed = siblings.get(name, {}).get("continueOn") or {}
    words = ["Succeeded", "Skipped", "Daemoned"]
    words += ["Errored"] if allowed.get("error") else []
    words += ["Failed"] if allowed.get("failed") else []
    return "(" + " || ".join(f"{name}.{word}" for word in words) + ")"
