"""A steps template: names, loops, hooks and calls; each step can read the steps before it (v4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsl.argo.arguments import check_arguments
from dsl.argo.inputs import Supplied
from dsl.argo.library import Base, Home, type_of
from dsl.argo.loops import is_aggregate, item_names, loop_fault
from dsl.argo.names import is_tag, step_fault
from dsl.argo.scope import ANY_OUTPUT, Scope, names_of
from dsl.argo.validation import Resolved, Validation
from dsl.codes import Code

Step = Mapping[str, Any]


def check_steps(
    validation: Validation, template: Mapping[str, Any], base: Base, scope: Scope, home: Home
) -> None:
    """Report what is wrong with a steps template, whose inputs are supplied; `scope` grows with each step."""
    seen: dict[str, Home] = {}
    for group, steps in enumerate(template.get("steps") or ()):
        for index, step in enumerate(steps):
            place = home.at("steps", group, index)
            _check_name(validation, step, place, seen)
            _check_step(validation, step, base, scope, place)


def _check_name(validation: Validation, step: Step, place: Home, seen: dict[str, Home]) -> None:
    name = step.get("name", "")
    if not name:
        validation.report(Code.FIELD_NAME, place, "the step has no name", "add name:")
    elif name in seen:
        clause = f"{name} is also the name of {'.'.join(map(str, seen[name].route[-3:]))}"
        validation.report(Code.DUPLICATE_NAME, place.at("name"), clause, "give each step its own name")
    elif fault := step_fault(name):
        hint = "use letters, digits and -, the first no -"
        validation.report(Code.FIELD_NAME, place.at("name"), fault, hint)
    seen.setdefault(name, place)


def _check_step(validation: Validation, step: Step, base: Base, scope: Scope, place: Home) -> None:
    name = step.get("name", "")
    scope.names.add(f"steps.{name}.status")
    if fault := loop_fault(step):
        validation.report(fault.code, place.at(*fault.route), fault.clause, fault.hint, on_key=True)
    scope.names.update(item_names(step))
    arguments = step.get("arguments") or {}
    check_arguments(validation, arguments, place.at("arguments"))
    resolved = validation.call(step, base, validation.anything(), place)
    if place in validation.lost:
        scope.open.add(f"steps.{name}.")
    if has_exit_hook(step):
        add_outputs(validation, resolved, f"steps.{name}", scope, is_aggregate=False)
    check_hooks(validation, step.get("hooks") or {}, place.at("hooks"))
    validation.resolve_tags(step, scope.inner(inline_inputs(step)), place)
    add_outputs(validation, resolved, f"steps.{name}", scope, is_aggregate=is_aggregate(step))
    if resolved is not None:
        validation.check(resolved, Supplied(arguments), place)


def check_hooks(validation: Validation, hooks: Mapping[str, Any], home: Home) -> None:
    """Report hooks that do not say when they run; the one at the exit need not."""
    for name, hook in hooks.items():
        if name != "exit" and not hook.get("expression"):
            clause = "the hook has no expression"
            hint = "add expression:, or call the hook exit"
            validation.report(Code.HOOK_EXPRESSION, home.at(name), clause, hint, on_key=True)


def has_exit_hook(call: Mapping[str, Any]) -> bool:
    """Whether something runs after a task or step has ended."""
    return bool(call.get("onExit")) or "exit" in (call.get("hooks") or {})


def inline_inputs(call: Mapping[str, Any]) -> list[str]:
    """Return the tags that an inline template adds to those of its task."""
    inputs = (call.get("inline") or {}).get("inputs")
    return [f"inputs.parameters.{name}" for name in names_of(inputs, "parameters")]


def add_outputs(
    validation: Validation, resolved: Resolved | None, prefix: str, scope: Scope, *, is_aggregate: bool
) -> None:
    """Add what can be read of a task or step; global outputs are known to the whole workflow from here on."""
    scope.names.update(f"{prefix}.{key}" for key in ("id", "startedAt", "finishedAt", "hostNodeName"))
    if resolved is None:
        return
    template = resolved.template.value
    if template.get("daemon"):
        scope.names.add(f"{prefix}.ip")
    if _has_result(template) or (is_aggregate and type_of(template) == "containerSet"):
        scope.names.update((f"{prefix}.outputs.result", f"{prefix}.exitCode"))
    if is_aggregate:
        scope.names.add(f"{prefix}.outputs.parameters")
    for kind in ("parameters", "artifacts"):
        for output in (template.get("outputs") or {}).get(kind) or ():
            scope.names.add(f"{prefix}.outputs.{kind}.{output.get('name', '')}")
            name = output.get("globalName", "")
            if name and is_tag(name):
                scope.names.add(ANY_OUTPUT[kind])
            elif name:
                validation.shared[f"workflow.outputs.{kind}.{name}"] = validation.stand_in()


def _has_result(template: Mapping[str, Any]) -> bool:
    containers = (template.get("containerSet") or {}).get("containers") or ()
    if any(container.get("name") == "main" for container in containers):
        return True
    return any(kind in template for kind in ("container", "script", "data", "http", "plugin"))
