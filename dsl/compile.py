"""DAG in, manifest out: the stages in order. Problems are collected within a stage and stop the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsl.checks import check
from dsl.checks.manifest import MANIFEST_CHECKS
from dsl.diagnostics import Diagnostic, Rejected
from dsl.explanation import explain
from dsl.plan import Plan
from orchestrators.workflow import assemble

if TYPE_CHECKING:
    from dsl.author import DAG


@dataclass(frozen=True, slots=True)
class Compiled:
    """A manifest, what was found on the way, and why it has the form it has."""

    manifest: dict[str, Any]
    diagnostics: tuple[Diagnostic, ...]
    explanation: str


def compile_dag(dag: DAG, kind: str = "Workflow") -> Compiled:
    """Return the manifest of a DAG. Raises Rejected with every error that prevents it."""
    from dsl.analyze import analyze  # the command line does this in a child, while this process imports Hera

    analysis = analyze(dag)
    if analysis.plan is None or any(problem.is_error for problem in analysis.diagnostics):
        raise Rejected(*analysis.diagnostics)
    compiled = compile_plan(analysis.plan, kind)
    return Compiled(compiled.manifest, analysis.diagnostics + compiled.diagnostics, compiled.explanation)


def compile_plan(plan: Plan, kind: str = "Workflow") -> Compiled:
    """Return the manifest of a plan. Raises Rejected if an orchestrator refuses its node."""
    manifest = assemble(plan, kind)
    return Compiled(manifest, check((plan, manifest), MANIFEST_CHECKS), explain(plan))
