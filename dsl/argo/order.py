"""The tasks of a DAG in, what each waits for and their order out (workflow/common/ancestry.go, v4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

WORD: Final = re.compile(r"([a-zA-Z0-9][-a-zA-Z0-9]*?\.[A-Z][a-zA-Z]+)|([a-zA-Z0-9][-a-zA-Z0-9]*)")
RESULTS: Final = (
    "Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned", "AnySucceeded", "AllFailed",
)  # fmt: skip
OF_ITEMS: Final = ("AnySucceeded", "AllFailed")

Task = Mapping[str, Any]


def waited_for(task: Task) -> dict[str, bool]:
    """Return the tasks that a task names, in order, and of each whether it must have items."""
    text = task.get("depends") or " && ".join(f"{name}.Succeeded" for name in task.get("dependencies") or ())
    found: dict[str, bool] = {}
    for match in WORD.finditer(text):
        name, _, result = match[0].partition(".")
        if match[2]:
            found[match[2]] = False
        elif result in OF_ITEMS:
            found[name] = True
        else:
            found.setdefault(name, False)
    return found


def unknown_results(task: Task) -> list[tuple[str, str]]:
    """Return the results in `depends` that no task has, with the task they are asked of."""
    pairs = [match[1].split(".") for match in WORD.finditer(task.get("depends", "")) if match[1]]
    return [(name, result) for name, result in pairs if result not in RESULTS]


class Order:
    """The order of a DAG's tasks; `cycle` names tasks that wait for one another, if some do."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.waits = [waited_for(task) for task in tasks]
        self.numbers: dict[str, int] = {}
        for index, task in enumerate(tasks):
            self.numbers.setdefault(task.get("name", ""), index)
        self.sequence: list[int] = []
        self.ancestors = [0] * len(tasks)
        """Of each task a number whose bits are the positions of the tasks before it."""
        self._sort()
        self._placed = frozenset(self.sequence)
        self.cycle = self._cycle(tasks) if len(self.sequence) < len(tasks) else []

    def _before(self, index: int) -> list[int]:
        return [self.numbers[name] for name in self.waits[index] if name in self.numbers]

    def _sort(self) -> None:
        left = [len(self._before(index)) for index in range(len(self.waits))]
        after: list[list[int]] = [[] for _ in left]
        for index in range(len(left)):
            for other in self._before(index):
                after[other].append(index)
        self.sequence = [index for index, count in enumerate(left) if not count]
        for index in self.sequence:
            for other in self._before(index):
                self.ancestors[index] |= self.ancestors[other] | 1 << other
            for other in after[index]:
                left[other] -= 1
                if not left[other]:
                    self.sequence.append(other)

    def _cycle(self, tasks: Sequence[Task]) -> list[str]:
        """Return the names around one circle, from one of its tasks back to it."""
        stuck = set(range(len(tasks))) - set(self.sequence)
        index = min(stuck)
        walked: list[int] = []
        while index not in walked:
            walked.append(index)
            index = next(other for other in self._before(index) if other in stuck)
        around = [*walked[walked.index(index) :], index]
        return [str(tasks[one].get("name", "")) for one in around]

    def is_known(self, index: int) -> bool:
        """Whether all that comes before a task is known: no circle and no missing task hides it."""
        return index in self._placed and all(name in self.numbers for name in self.waits[index])

    def is_ancestor(self, name: str, index: int) -> bool:
        """Whether the task of a name comes before the one at a position."""
        number = self.numbers.get(name)
        return number is not None and bool(self.ancestors[index] >> number & 1)
