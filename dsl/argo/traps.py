"""What Argo's validator lets through and a run then chokes on: warnings, template by template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dsl.argo import trap_calls, trap_fields, trap_loops, trap_texts
from dsl.argo.findings import Findings, Gate, Route
from dsl.argo.library import Library, inline_calls
from dsl.codes import Code


@dataclass(slots=True)
class Traps:
    """Where warnings about one manifest go, and what its calls can be looked up in."""

    findings: Findings
    spec: Mapping[str, Any]
    library: Library
    namespace: str | None

    def warn(self, code: Code, route: Route, clause: str, hint: str, *, on_key: bool = False) -> None:
        """Note a trap."""
        self.findings.add(code, route, clause, hint, on_key=on_key, gate=Gate.RUN)

    def template(self, call: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the template that a task calls, if that is known."""
        if "inline" in call:
            found: Mapping[str, Any] = call["inline"]
            return found
        spec, name = self.spec, call.get("template", "")
        if reference := call.get("templateRef"):
            is_cluster = bool(reference.get("clusterScope"))
            base = self.library.find(self.namespace, reference.get("name", ""), is_cluster)
            spec, name = base.spec if base else {}, reference.get("template", "")
        return next((one for one in spec.get("templates") or () if one.get("name") == name), None)


def check_traps(manifest: Mapping[str, Any], kind: str, library: Library, findings: Findings) -> None:
    """Note what fails when the manifest, in normal form, runs."""
    spec: Mapping[str, Any] = manifest.get("spec") or {}
    route: Route = ("spec",)
    metadata = manifest.get("metadata") or {}
    namespace = None if kind == "ClusterWorkflowTemplate" else metadata.get("namespace", "")
    if kind == "CronWorkflow":
        spec, route = spec.get("workflowSpec") or {}, ("spec", "workflowSpec")
    traps = Traps(findings, spec, library, namespace)
    trap_fields.check_spec(traps, spec, route)
    for template, where in _templates(spec, route):
        trap_fields.check_template(traps, template, where)
        trap_texts.check_template(traps, template, where)
        dag = template.get("dag")
        if dag is not None:
            trap_calls.check_dag(traps, dag.get("tasks") or (), (*where, "dag", "tasks"))
        for group, steps in enumerate(template.get("steps") or ()):
            trap_calls.check_group(traps, steps, (*where, "steps", group))
        for call, place in _calls(template, where):
            trap_loops.check_loop(traps, call, place)
            trap_calls.check_call(traps, call, place)


def _templates(spec: Mapping[str, Any], route: Route) -> Iterator[tuple[Mapping[str, Any], Route]]:
    """Yield the templates of a spec, those inside tasks after the one they stand in."""
    waiting = [(one, (*route, "templates", n)) for n, one in enumerate(spec.get("templates") or ())]
    for template, where in waiting:
        yield template, where
        waiting += [(call["inline"], (*where, *way, "inline")) for call, way in inline_calls(template)]


def _calls(template: Mapping[str, Any], where: Route) -> Iterator[tuple[Mapping[str, Any], Route]]:
    for number, task in enumerate((template.get("dag") or {}).get("tasks") or ()):
        yield task, (*where, "dag", "tasks", number)
    for group, steps in enumerate(template.get("steps") or ()):
        for number, step in enumerate(steps):
            yield step, (*where, "steps", group, number)
