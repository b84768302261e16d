"""Airflow's trigger rules as Argo's pair: `depends` false makes Omitted, `when` false makes Skipped.

Verified against Airflow's decision code for every rule and every outcome of two upstreams.
https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#trigger-rules
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsl import encode
from dsl.function import TriggerRule

BAD = "['Failed', 'Error', 'Omitted']"
WHOLE: tuple[TriggerRule, ...] = ("all_success", "all_done", "always", "none_failed")
"""Rules that ask a mapped node only how it ended as a whole; the others look at each of its partitions."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A task that another waits for: its name, the expression of its phase, and whether it can be Skipped.

    Where it stands for all partitions of a node, `many` is set and `status` gives the list of their phases.
    """

    task: str
    status: str
    may_skip: bool
    many: bool = False


def upstream(task: str, may_skip: bool) -> Upstream:
    """Return a task of the same DAG template as an upstream."""
    return Upstream(task, f"tasks[{encode.literal(task)}].status", may_skip)


def done(task: str) -> str:
    """Return the `depends` term that waits for a task, however it ends."""
    words = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted")
    return "(" + " || ".join(f"{task}.{word}" for word in words) + ")"


def depends_of(rule: TriggerRule, upstreams: Sequence[Upstream]) -> str | None:
    """Return the `depends` half of a rule, None if it waits for nothing."""
    if not upstreams or rule == "always":
        return None
    tasks = [one.task for one in upstreams]
    if rule in ("all_success", "none_failed", "none_failed_min_one_success"):
        return " && ".join(
            f"({one.task}.Succeeded || {one.task}.Skipped)" if one.may_skip else f"{one.task}.Succeeded"
            for one in upstreams
        )
    waits = " && ".join(map(done, tasks))
    if rule == "one_success":
        succeeded = " || ".join(f"{task}.Succeeded" for task in tasks)
        skipped = " && ".join(f"{task}.Skipped" for task in tasks)
        return f"{waits} && (({succeeded}) || ({skipped}))"
    if rule == "all_done_min_one_success":
        return f"{waits} && ({' || '.join(f'{task}.Succeeded || {task}.Skipped' for task in tasks)})"
    return waits


def admits(rule: TriggerRule, phases: str) -> str | None:
    """Return the `depends` half of a rule as an expression over the phases of tasks that are all done."""
    if rule in ("all_success", "none_failed", "none_failed_min_one_success"):
        return f"none({phases}, # in {BAD})"
    if rule == "one_success":
        return f"any({phases}, # == 'Succeeded') || all({phases}, # == 'Skipped')"
    return f"any({phases}, # in ['Succeeded', 'Skipped'])" if rule == "all_done_min_one_success" else None


def phases_of(upstreams: Sequence[Upstream]) -> str:
    """Return the expression of the list of the phases of all upstreams."""
    single = [one.status for one in upstreams if not one.many]
    lists = [f"[{', '.join(single)}]"] if single else []
    lists += [one.status for one in upstreams if one.many]
    return lists[0] if len(lists) == 1 else f"concat({', '.join(lists)})"


def when_of(rule: TriggerRule, upstreams: Sequence[Upstream]) -> str | None:
    """Return the expression of the `when` half of a rule, None if it always holds."""
    if not upstreams:
        return None
    phases = phases_of(upstreams)
    if rule in ("all_success", "none_failed_min_one_success") and not any(one.may_skip for one in upstreams):
        return None
    tests = {
        "all_success": f"all({phases}, # == 'Succeeded')",
        "all_failed": f"all({phases}, # in {BAD})",
        "all_skipped": f"all({phases}, # == 'Skipped')",
        "one_failed": f"any({phases}, # in {BAD})",
        "one_success": f"any({phases}, # == 'Succeeded')",
        "one_done": f"any({phases}, # in ['Succeeded', 'Failed', 'Error'])",
        "none_failed_min_one_success": f"any({phases}, # == 'Succeeded')",
        "none_skipped": f"none({phases}, # == 'Skipped')",
        "all_done_min_one_success": f"none({phases}, # == 'Skipped')",
    }
    return tests.get(rule)
