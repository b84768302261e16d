"""Stage 7: a plan in, the manifest of its workflow as a plain dict out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hera.workflows import (
    DAG,
    ClusterWorkflowTemplate,
    Parameter,
    Step,
    Steps,
    Suspend,
    Task,
    Workflow,
    WorkflowTemplate,
)

from dsl import encode
from dsl.argument import hides_failure
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.names import object_name
from dsl.plan import ItemTable, Plan, PlannedNode
from orchestrators.base import Expansion, give
from orchestrators.lanes import NOP, VERDICT, entrance, lane_tasks, lane_templates, make_lane, verdict_tasks
from orchestrators.leaf import brought, value_name
from orchestrators.registry import NotInstalled, orchestrator_of
from orchestrators.rules import done
from orchestrators.wiring import Wiring, conjunction, free_names, task_of
from orchestrators.worker import program

INLINE_BYTES = 40_000
"""Up to here each template carries its program and can be read alone; past it they share parameters."""
PROGRAMS = {"run-sh": "run.sh", "run-py": "run.py"}
"""The programs inside a pod, by the parameter that holds one."""
KINDS = {kind.__name__: kind for kind in (Workflow, WorkflowTemplate, ClusterWorkflowTemplate)}


def assemble(plan: Plan, kind: str = "Workflow") -> dict[str, Any]:
    """Return the manifest of a plan. Raises Rejected for each node that its orchestrator refuses."""
    wiring = Wiring(plan)
    lanes = [make_lane(plan, lane) for lane in plan.lanes if lane.compact]
    for lane in lanes:
        if not lane.ends_as_one:
            wiring.ends |= {node.name: node.name for node in lane.exposed}
            wiring.listed |= {node.name for node in lane.exposed}
    expansions: dict[str, Expansion] = {}
    problems = []
    for node in plan.nodes:
        try:
            orchestrator = orchestrator_of(plan, node, looped=node.name in wiring.compact)
            expansions[node.name] = Expansion(orchestrator, orchestrator.create_execution_template())
        except ValueError as error:
            hint = "correct the options of its decorator"
            if isinstance(error, NotInstalled):
                hint = "install the package that has it, or name another kind"
            problems.append(Diagnostic(Code.ORCHESTRATOR_REFUSED, node.location, str(error), hint))
    if problems:
        raise Rejected(*problems)
    tasks: list[Task] = []
    for node in plan.nodes:
        if node.name not in wiring.compact:
            tasks += _tasks(node, expansions[node.name], wiring)
        for lane in lanes:
            if lane.nodes[-1] is node:
                tasks += [*lane_tasks(lane, wiring), *verdict_tasks(lane)]
    tasks += _outcome(plan, wiring)
    templates: list[Any] = [DAG(name="main", tasks=[*tasks])]
    for lane in lanes:
        templates += lane_templates(lane, expansions, wiring)
    templates += [expansion.template for expansion in expansions.values()]
    called = {task.template for one in templates if isinstance(one, DAG) for task in one.tasks}
    if VERDICT in called:
        templates.append(_verdict())
    if called & {NOP, VERDICT}:
        templates.append(Suspend(name=NOP, duration="0"))
    return _hoisted(_workflow(plan, kind, templates, lanes_of(plan)))


def lanes_of(plan: Plan) -> list[ItemTable]:
    """Return the tables whose items the manifest carries as a parameter: those of compact lanes."""
    names = {lane.table for lane in plan.lanes if lane.compact}
    return [table for name, table in plan.tables.items() if name in names and not table.discovered_by]


def _tasks(node: PlannedNode, expansion: Expansion, wiring: Wiring) -> list[Task]:
    """Return the tasks of a node in `main`, with what they wait for and the values that they get."""
    tasks = expansion.tasks()
    rule = node.function.options.trigger_rule
    gates: list[Task] = []
    for index, task in enumerate(tasks):
        partition = index if node.is_mapped else None
        entered = entrance(wiring, str(task.name), rule, wiring.upstreams(node, partition))
        gates += entered.gates
        task.depends = entered.depends
        when = conjunction((entered.when, wiring.conditions(node, partition)))
        task.when = encode.tag(when) if when else None
        values = {p: wiring.value(node, value, partition) for p, value in brought(node).items()}
        give(task, {value_name(p): encode.tag(text) for p, text in values.items()})
    return [*gates, *tasks]


def _outcome(plan: Plan, wiring: Wiring) -> list[Task]:
    """Return a last task that ends as the leaves do, as in Airflow, where Argo would decide otherwise.

    To Argo a leaf that was skipped or omitted ends as the nodes above it did: a forgiven failure would count,
    and one that a verdict tells would not, because below a steps node its first step is seen, which succeeds.
    """
    told = {
        b for node in plan.nodes for b in node.joins if b in wiring.listed and not wiring.in_one_lane(b, node)
    }
    if not told and not hides_failure([node.waiting for node in plan.nodes]):
        return []
    waited = {before for node in plan.nodes for before in node.joins}
    leaves = [node for node in plan.nodes if node.name not in waited]
    tasks = list(dict.fromkeys(task for leaf in leaves for task in wiring.tasks(leaf.name, leaf, None)))
    phases = ", ".join(f"{task_of(task)}.status" for task in tasks)
    states = f"toJson(filter([{phases}], # != 'Skipped'))"
    depends = " && ".join(map(done, tasks))
    given = [Parameter(name="states", value=encode.tag(states))]
    return [Task(name=VERDICT, template=VERDICT, arguments=given, depends=depends)]


def _verdict() -> Steps:
    """Return a template without pods that fails unless all of its `states` are Succeeded.

    Its first step is needed: what waits for a steps node that errors before it has a child waits forever.
    """
    test = "all(fromJSON(inputs.parameters.states), # == 'Succeeded') ? 'true' : 'failed'"
    return Steps(
        name=VERDICT,
        inputs=[Parameter(name="states")],
        sub_steps=[
            Step(name="partitions", template=NOP),
            Step(name="succeeded", template=NOP, when=encode.tag(test)),
        ],
    )


def _workflow(plan: Plan, kind: str, templates: list[Any], tables: Iterable[ItemTable]) -> dict[str, Any]:
    name = object_name(plan.name)
    arguments = [Parameter(name=name, value=default) for name, (default, _) in plan.parameters.items()]
    arguments += [Parameter(name=table.name, value=_lines(table)) for table in tables]
    notes = {"workflows.argoproj.io/title": plan.name} if plan.name != name else {}
    if plan.doc:
        notes["workflows.argoproj.io/description"] = plan.doc
    if plan.tags:
        notes["workflows.argoproj.io/tags"] = ",".join(plan.tags)
    workflow = KINDS[kind](
        name=None if kind == "Workflow" else name,
        generate_name=f"{name}-" if kind == "Workflow" else None,
        entrypoint="main",
        arguments=arguments,
        parallelism=plan.parallelism,
        templates=templates,
        annotations=notes or None,
    )
    manifest: dict[str, Any] = workflow.to_dict()
    return manifest


def _lines(table: ItemTable) -> str:
    """Return all partitions of a table, a line each; where all hold one item a line has no start."""
    lines = [encode.line(partition.start, partition.items) for partition in table.partitions]
    if set(table.partitions.sizes) <= {1}:
        lines = [line.partition(";")[2] for line in lines]
    return "\n".join(lines)


def _hoisted(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest with the programs of its templates held once, as parameters, if they are long."""
    spec = manifest["spec"]
    names = {program(file): name for name, file in PROGRAMS.items()}
    scripts = [template["script"] for template in spec["templates"] if "script" in template]
    users = [script for script in scripts if script["source"] in names]
    if sum(len(script["source"]) for script in users) <= INLINE_BYTES:
        return manifest
    parameters = spec.setdefault("arguments", {}).setdefault("parameters", [])
    taken = {parameter["name"] for parameter in parameters}
    for text, name in names.items():
        own = [script for script in users if script["source"] == text]
        if own:
            free = next(free_names(name, taken))
            parameters.append({"name": free, "value": text})
            for script in own:
                script["source"] = f"{{{{workflow.parameters.{free}}}}}"
    return manifest
