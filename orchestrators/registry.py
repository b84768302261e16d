"""The kind of an execution function in, the orchestrator class that expands it out: ours and third parties' alike."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

from dsl.function import RecipeConfig
from dsl.plan import Plan, PlannedNode
from orchestrators.base import ParallelExecutionOrchestrator

GROUP = "argosy.orchestrators"


@lru_cache
def find_orchestrator(kind: str) -> type[ParallelExecutionOrchestrator]:
    """Return the class that the entry point `kind` names. Raises ValueError if there is none."""
    known = entry_points(group=GROUP)
    for point in known.select(name=kind):
        found = point.load()
        if not (isinstance(found, type) and issubclass(found, ParallelExecutionOrchestrator)):
            raise ValueError(f"the orchestrator {kind!r} is no ParallelExecutionOrchestrator")
        return found
    names = ", ".join(sorted(known.names)) or "none"
    raise ValueError(f"there is no orchestrator for {kind!r} tasks; installed are: {names}")


def orchestrator_of(plan: Plan, node: PlannedNode, *, looped: bool) -> ParallelExecutionOrchestrator:
    """Return the orchestrator of a planned node. Raises ValueError if its kind is not installed."""
    recipe = RecipeConfig(name=plan.name, storage=plan.storage)
    return find_orchestrator(node.function.kind)(recipe, node.function, node=node, looped=looped)
