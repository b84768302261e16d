"""DAGs in, plans and diagnostics out as plain data: stages 3 to 5 in order. Nothing here knows Hera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from dsl.author import DAG
from dsl.checks import check
from dsl.checks.file import FILE_CHECKS, authored_file
from dsl.checks.graph import GRAPH_CHECKS
from dsl.checks.links import LINK_CHECKS
from dsl.checks.module import MODULE_CHECKS
from dsl.checks.node import NODE_CHECKS
from dsl.checks.shell import SHELL_CHECKS
from dsl.checks.text import TEXT_CHECKS
from dsl.checks.walks import WALK_CHECKS
from dsl.decorate import task
from dsl.diagnostics import in_order
from dsl.plan import Analysis
from dsl.planning import make_plan
from dsl.resolve import make_graph
from dsl.source import Range
from dsl.summary import summarize

_OF_A_NODE = (*NODE_CHECKS, *SHELL_CHECKS, *TEXT_CHECKS, *MODULE_CHECKS, *LINK_CHECKS, *WALK_CHECKS)


def analyze(dag: DAG) -> Analysis:
    """Return what is wrong with a DAG, and the plan of what is sound in it."""
    graph = make_graph(dag)
    found = {node.id: check(node, [partial(one, graph) for one in _OF_A_NODE]) for node in graph}
    problems = in_order(
        (*graph.problems, *check(graph, GRAPH_CHECKS), *(one for every in found.values() for one in every))
    )
    rest = graph.without([name for name, every in found.items() if any(one.is_error for one in every)])
    if not len(rest.digraph):
        return Analysis(dag.name, None, problems, {})
    plan = make_plan(rest)
    return Analysis(dag.name, plan, problems, summarize(plan))


def rehearse() -> None:
    """Go through the stages once: pydantic and others make on first use what forks can share."""
    with DAG("rehearsal") as dag:
        Range(2) >> task.shell(image="busybox")(_echo) >> task(_count)
    analyze_all([dag])


def _echo() -> str:
    return 'echo "$ITEM" >"$OUTPUT_FILE"'


def _count(input_dir: object) -> int:
    return 1


def analyze_all(dags: Sequence[DAG]) -> list[Analysis]:
    """Return the analysis of every DAG of a file, in order; what is wrong with the file is told with each."""
    of_file = check(authored_file(dags), FILE_CHECKS)
    analyses = [analyze(dag) for dag in dags]
    return [replace(one, diagnostics=in_order((*one.diagnostics, *of_file))) for one in analyses]
