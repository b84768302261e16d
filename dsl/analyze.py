"""DAGs in, plans and diagnostics out as plain data: stages 3 to 5 in order. Nothing here knows Hera."""

from __future__ import annotations

from collections.abc import Sequence

from dsl.author import DAG
from dsl.checks import check
from dsl.checks.graph import GRAPH_CHECKS
from dsl.diagnostics import in_order
from dsl.plan import Analysis
from dsl.planning import make_plan
from dsl.resolve import make_graph
from dsl.summary import summarize


def analyze(dag: DAG) -> Analysis:
    """Return the plan of a DAG, or why there is none."""
    graph = make_graph(dag)
    problems = in_order((*graph.problems, *check(graph, GRAPH_CHECKS)))
    if any(problem.is_error for problem in problems):
        return Analysis(dag.name, None, problems, {})
    plan = make_plan(graph)
    return Analysis(dag.name, plan, problems, summarize(plan))


def analyze_all(dags: Sequence[DAG]) -> list[Analysis]:
    """Return the analysis of every DAG of a file, in order."""
    return [analyze(dag) for dag in dags]
