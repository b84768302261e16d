"""One loop of a DAG: its items begin one after another, and it ends with those that it has.

Source: workflow/controller/dag.go:executeDAGTask, completableTaskGroupPhase (v4.1.2). Argo goes through the
items in order each time it looks at the loop, and no further than to one that it cannot call or whose exit
hook has not ended. When it assesses the DAG it completes a loop of which nothing runs, whatever is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from dsl.engine.definition import Task
from dsl.engine.hooks import Hooked, run_hooks
from dsl.engine.loops import Item
from dsl.engine.node import BAD, Node, further, merged, shown

if TYPE_CHECKING:
    from dsl.engine.dag import DagRun


class GroupRun:
    """The state of one TaskGroup node; `calls` are its items and what each calls, `count` is how many."""

    def __init__(
        self, owner: DagRun, task: Task, group: Node, calls: Iterator[tuple[Item, dict[str, Any]]], count: int
    ) -> None:
        self.owner = owner
        self.engine = owner.engine
        self.hooked = Hooked(task, task.raw, task.name)
        self.group = group
        self.calls = calls
        self.count = count
        self.children: list[Node] = []
        """Items in order; the group itself keeps the place of one that has not ended."""
        group.children = self.children
        self.running = 0
        self.is_whole = False
        """Whether all items have begun."""
        self.is_stopped = False
        """Whether Argo has gone through the items no further than to the last that has begun."""
        self.ended: list[int] = []
        """Items whose exit hook has not had its turn, a heap."""
        self.closed: list[int] = []
        """Items that ended without being called: their exit hook has its turn when Argo looks again."""
        self.held: set[int] = set()
        """Items whose exit hook has not ended, or could not be called."""

    def start(self) -> None:
        """Begin the next item, and when all is done that can be done with it at once, the one after it."""
        if self.owner.node.is_done:
            return
        self.is_stopped = False
        following = next(self.calls, None)
        if following is None:
            self.is_whole = True
            self._assess()
            return
        item, raw = following
        task, index = self.hooked.task, len(self.children)
        self.children.append(self.group)
        self.running += 1
        self.owner.run(task, f"{task.name}({index}:{item.label})", raw, index, self._item_ended)
        self.engine.later(self._go_on)

    def _go_on(self) -> None:
        if self.held or self.children[-1].fault:
            self.is_stopped = True
            self.engine.at_last(self._look_again)
        else:
            self.start()

    def _item_ended(self, node: Node) -> None:
        index = node.order[-1]
        self.children[index] = node
        self.running -= 1
        if self.hooked.has_exit and node.type == "Skipped":
            self.closed.append(index)
        elif self.hooked.has_exit:
            heappush(self.ended, index)
            self._hook()
        self.engine.later(self._assess)

    def _hook(self) -> None:
        """Run the exit hook of the first item whose turn it is, if none before it holds Argo up."""
        if not self.ended or (self.held and min(self.held) < self.ended[0]):
            return
        index = heappop(self.ended)
        self.held.add(index)
        self.owner.open += 1
        done = partial(self._hook_ended, index)
        run_hooks(self.engine, self.owner, self.hooked, self.children[index], done, "exit")

    def _hook_ended(self, index: int) -> None:
        if self.children[index] not in self.owner.unhooked:
            self.held.remove(index)
        if not self.group.is_done:
            self._hook()
            self.engine.later(self._assess)
        self.owner.close_one()

    def _assess(self) -> None:
        """Go on as far as Argo does after something has ended, or all has begun."""
        if self.group.is_done or not (self.is_whole or self.is_stopped):
            return
        if self.is_stopped and not self.held:
            self.start()
        elif not self.running and not self.held:
            self._end(in_passing=False)
        elif not self.running or self.closed:
            self.engine.at_last(self._look_again)

    def _look_again(self) -> None:
        if self.group.is_done or not (self.is_whole or self.is_stopped):
            return
        is_at_an_end = self.is_whole or not self.owner.unhooked.isdisjoint(self.children)
        if not self.running and (is_at_an_end or self.owner.comes_to(self.hooked.task)):
            self._end(in_passing=True)
            return
        for index in self.closed:
            heappush(self.ended, index)
        self.closed = []
        self._hook()
        self.engine.later(self._resume)

    def _resume(self) -> None:
        if self.is_stopped and not self.held:
            self.start()

    def _end(self, *, in_passing: bool) -> None:
        group = self.group
        never = self.count - len(self.children)
        for name, count in self.engine.definition.leaf_counts(group.template).items() if never else ():
            self.engine.progress.skipped(name, count * never)
        bad = [child.phase for child in self.children if child.phase in BAD]
        phase = bad[-1] if bad else "Succeeded"
        group.branch = further(merged(shown(each, phase) for each in self.children), 1)
        group.outer = further(merged(shown(each, phase, outside=True) for each in self.children), 1)
        self.engine.finish(group, phase)
        self.owner.group_ended(self.hooked.task, group, in_passing=in_passing)
