"""The kind of an execution function in, its orchestrator class out: ours and third parties' alike."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

from dsl.function import RecipeConfig
from dsl.plan import Plan, PlannedNode
from orchestrators.base import ParallelExecutionOrchestrator

GROUP = "argosy.orchestrators"


class NotInstalled(ValueError):
    """No package here has an orchestrator of that kind that can be imported."""


@lru_cache
def find_orchestrator(kind: str) -> type[ParallelExecutionOrchestrator]:
    """Return the class that the entry point `kind` names.

    Raises:
        NotInstalled: there is none, or its module cannot be imported.
        ValueError: it is no orchestrator.
    """
    known = entry_points(group=GROUP)
    for point in known.select(name=kind):
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise NotInstalled(f"the orchestrator of {kind!r} tasks cannot be imported: {error}") from error
        if not (isinstance(found, type) and issubclass(found, ParallelExecutionOrchestrator)):
            raise ValueError(f"the orchestrator {kind!r} is no ParallelExecutionOrchestrator")
        return found
    names = ", ".join(sorted(known.names)) or "none"
    raise NotInstalled(f"there is no orchestrator for {kind!r} tasks; installed are: {names}")


def orchestrator_of(plan: Plan, node: PlannedNode, *, looped: bool) -> ParallelExecutionOrchestrator:
    """Return the orchestrator of a planned node. Raises ValueError as `find_orchestrator` does."""
    recipe = RecipeConfig(name=plan.name, storage=plan.storage)
    return find_orchestrator(node.function.kind)(recipe, node.function, node=node, looped=looped)
