"""The names that tags can read at one place, and the tags of a value that read none of them.

The owner of a tag (a task, a step, a template, its outputs) is scanned as one JSON text; what starts with
none of Argo's words is the user's own text (workflow/validate/validate.go:resolveAllVariables, v4.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from dsl.argo.findings import Route
from dsl.argo.text import marshalled, strings, tags

CHECKED: Final = ("item.", "steps.", "inputs.", "outputs.", "pod.", "workflow.", "tasks.")
"""Tags that start with other words are not Argo's."""
_LATER: Final = (
    "outputs.", "workflow.creationTimestamp", "workflow.scheduledTime", "workflow.duration", "tasks.name",
    "steps.name", "node.name",
)  # fmt: skip
ANY_ITEM: Final = "item.*"
ANY_OUTPUT: Final = {
    "parameters": "workflow.outputs.parameters.*",
    "artifacts": "workflow.outputs.artifacts.*",
}
"""Names that stand for all of their kind: what they are is only known in a run."""


class Scope:
    """Names of one template, and of one task in it; the names of the whole workflow are shared."""

    def __init__(
        self,
        shared: Mapping[str, str],
        names: Iterable[str] = (),
        is_template: bool = False,
        outer: Scope | None = None,
    ) -> None:
        self.shared, self.outer = shared, outer
        self.names = set(names)
        self.is_template = is_template  # a WorkflowTemplate by itself, whose parameters come later
        self.open: set[str] = set()  # beginnings of names that a reported mistake hides
        self.others: Callable[[str], bool] = lambda tag: False

    def inner(self, names: Iterable[str] = (), others: Callable[[str], bool] | None = None) -> Scope:
        """Return a scope that also has `names`, and those that `others` confirms."""
        scope = Scope(self.shared, names, self.is_template, self)
        scope.open = self.open
        scope.others = others or self.others
        return scope

    def knows(self, name: str) -> bool:
        """Whether a name is here, around here, or shared."""
        around = self.outer is not None and name in self.outer.names
        return name in self.names or around or name in self.shared

    def has(self, tag: str) -> bool:
        """Whether a tag, without blanks around it, reads something, or may do so in a run."""
        if not tag.startswith(CHECKED) or self.knows(tag) or self.others(tag):
            return True
        if tag.startswith(_LATER) or (self.open and tag.startswith(tuple(self.open))):
            return True
        if tag.startswith("item.") and self.knows(ANY_ITEM):
            return True
        for kind, magic in ANY_OUTPUT.items():
            if tag.startswith(f"workflow.outputs.{kind}.") and self.knows(magic):
                return True
        return self.is_template and tag.startswith("workflow.parameters")

    def candidates(self, tag: str) -> list[str]:
        """Return the known names that begin as a tag does."""
        head = tag.partition(".")[0] + "."
        around = self.outer.names if self.outer else ()
        return [
            name
            for name in (*self.names, *around, *self.shared)
            if name.startswith(head) and "*" not in name and not name.endswith(".")
        ]


def unresolved(value: object, scope: Scope) -> Iterator[tuple[str, Route | None]]:
    """Yield each tag of a value that reads nothing, with the way to the text it is in.

    A tag that ends in a later text than it begins in is in none.

    Raises:
        TagFault: for a tag without end.
    """
    text = value if isinstance(value, str) else marshalled(value)
    if "{{" not in text:
        return
    seen = set()
    for tag in tags(text):
        if tag[:1] != "=" and tag not in seen and not scope.has(tag.strip()):
            seen.add(tag)
            yield tag, route_to("{{" + tag + "}}", value)


def route_to(tag: str, value: object) -> Route | None:
    """Return the way to the first string of a value that holds a tag as it stands in JSON."""
    for route, text in strings(value):
        if tag in text or tag in marshalled(text):
            return route
    return None


def names_of(value: Mapping[str, Any] | None, key: str) -> list[str]:
    """Return the names of a list of named things."""
    return [str(one.get("name", "")) for one in (value or {}).get(key) or ()]
