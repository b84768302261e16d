"""A template and the arguments of one call in, its inputs and the scope of its tags out.

Source: workflow/common/util.go:ProcessArgs (v4.1.2).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from dsl.engine.definition import Template
from dsl.engine.node import NOTHING, Node, NodeFault, hash32
from dsl.engine.objects import NoValue, Objects
from dsl.engine.parameter import written
from dsl.engine.scope import Globals, Scope
from dsl.engine.tags import Document, Mode, TagError, substitute
from dsl.expr import gojson
from dsl.expr.gojson import Value

_LOCATIONS = ("s3", "raw")
Argument = str | Mapping[str, Any] | None


@dataclass(slots=True)
class Call:
    """One call of a template: by a DAG task, a step, a hook, or the workflow itself.

    A parameter that is None is an absent optional: it counts as not given; a mapping is a `valueFrom`. `done`
    is told once, when the node ended, and `runs` when it is known to run. `beside` says that it is a hook of
    what runs and may wait for it.
    """

    name: str
    path: str
    template: Template
    done: Callable[[Node], None]
    parameters: Mapping[str, Argument] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    boundary: Node | None = None
    caller: str = ""
    task: str = ""
    flag: str = ""
    order: tuple[int, ...] = ()
    depth: int = 0
    local: Mapping[str, str] = field(default_factory=dict)
    runs: Callable[[Node], None] | None = None
    beside: bool = False

    @property
    def label(self) -> str:
        """Return what its caller calls it: a task or a step, of a loop with its item."""
        above = self.boundary.name if self.boundary else ""
        return self.name[len(above) :].partition(".")[2]


@dataclass(slots=True)
class Prepared:
    """A call whose inputs are known.

    `scope` has globals and inputs, `body` the template with its tags filled. Where inputs bring tags along,
    `passes` has what each of Argo's passes over the template knows, and a pod's has tags left for one more.
    """

    call: Call
    template: Template
    inputs: Mapping[str, str]
    artifacts: dict[str, dict[str, Any]]
    scope: Scope
    body: dict[str, Any]
    passes: tuple[Scope, ...] = ()

    @property
    def has_tags(self) -> bool:
        """Whether a pod is made of a template with tags in it."""
        return bool(self.passes) and self.template.is_leaf

    def filled(self, document: Document) -> Value:
        """Fill a part of the template that `body` leaves out."""
        return _filled(document, self.passes) if self.passes else document.filled(self.scope)


def pod_name(workflow: str, node: str, template: str) -> str:
    """Return Argo's name of a node's pod (workflow/util/pod_name.go, v2)."""
    if node == workflow:
        return workflow
    prefix = f"{workflow}-{template}" if template else workflow
    return f"{prefix[:242]}-{hash32(node)}"


def prepare(call: Call, shared: Globals, workflow: str, objects: Objects, *, retried: bool) -> Prepared:
    """Match arguments with inputs and fill the template.

    Raises:
        NodeFault: an input has no value.
        TagError: a tag cannot be replaced.
    """
    template = call.template
    if template.syntax_fault:
        raise TagError(template.syntax_fault)
    local: dict[str, Any] = {"node.name": call.name, **call.local}
    local[f"{call.caller or 'steps'}.name"] = call.label if call.caller else ""
    if template.is_leaf and not retried:
        local["pod.name"] = pod_name(workflow, call.name, template.name)
    values = _values(call, Scope(shared, local), objects)
    passes: tuple[Scope, ...] = ()
    if shared.bring_tags or any("{{" in value for value in values.values()):
        passes = (Scope(shared, dict(local)),)
    if template.shows_all_inputs:
        local["inputs.parameters"] = _all_inputs(template, values, Scope(shared, dict(local)))
    local.update({f"inputs.parameters.{name}": value for name, value in values.items()})
    local.update(template.paths)
    scope = Scope(shared, local)
    if passes:
        passes = (*passes, Scope(shared, dict(local)))
    inputs = _substituted(values, scope, Mode.ONCE if passes else Mode.LENIENT) or NOTHING
    for name, value in inputs.items():
        local[f"inputs.parameters.{name}"] = value
    artifacts = {name: Document(raw).filled(scope) for name, raw in _artifacts(call).items()}
    for name, artifact in artifacts.items():
        local[f"inputs.artifacts.{name}"] = artifact
    scope = Scope(shared, local)
    body = _filled(template.body, passes) if passes else template.body.filled(scope)
    return Prepared(call, template, inputs, artifacts, scope, body, passes)


def _filled(document: Document, passes: Sequence[Scope]) -> Value:
    for scope in passes:
        document = Document(document.filled(scope, Mode.ONCE))
    return document.value


def _substituted(values: Mapping[str, str], scope: Scope, mode: Mode = Mode.LENIENT) -> dict[str, str]:
    return {name: substitute(value, scope, mode) for name, value in values.items()}


def in_pod(prepared: Prepared) -> Prepared:
    """Fill the tags that inputs brought in, as Argo does when it has made a pod of the template.

    The pod holds the template once more, as JSON in a variable, from which come a script's source, artifacts
    and outputs. There a value ends up unquoted inside of a quoted text: one with quotes or line breaks spoils
    it (workflowpod.go:substitutePodParams, v4.1.2).

    Raises:
        ValueError: the variable is no JSON any more, or a tag cannot be replaced.
    """
    scope, kind = prepared.scope, prepared.template.kind
    variable = gojson.dumps({**prepared.body, "inputs": {"artifacts": list(prepared.artifacts.values())}})
    copy: Value = gojson.load_with(substitute(variable, scope, Mode.ONCE), json.JSONDecoder())
    body = Document(prepared.body).filled(scope, Mode.ONCE)
    body = {key: copy[key] if key == "outputs" else value for key, value in body.items()}
    if kind == "script":
        body[kind] = {**body[kind], "source": copy[kind].get("source")}
    artifacts = dict(zip(prepared.artifacts, copy["inputs"]["artifacts"], strict=True))
    return replace(prepared, artifacts=artifacts, body=body)


def again(prepared: Prepared, more: Mapping[str, str]) -> Prepared:
    """Fill what is left once `more` is known: an attempt's number and how the one before ended."""
    shared, local = prepared.scope.globals, {**prepared.scope.local, **more}
    inputs = prepared.inputs
    passes: tuple[Scope, ...] = ()
    if prepared.passes:
        first = Scope(shared, {**prepared.passes[0].local, **more})
        inputs = _substituted(inputs, first, Mode.ONCE)
        known = {**local, **{f"inputs.parameters.{name}": value for name, value in inputs.items()}}
        second = Scope(shared, known)
        passes = (first, second)
        inputs = _substituted(inputs, second, Mode.ONCE)
        local.update({f"inputs.parameters.{name}": value for name, value in inputs.items()})
    scope = Scope(shared, local)
    artifacts = {name: Document(raw).filled(scope) for name, raw in prepared.artifacts.items()}
    if passes:
        body, passes = _filled(Document(prepared.body), passes), (*prepared.passes, *passes)
    else:
        inputs, body = _substituted(inputs, scope), prepared.template.body.filled(scope)
    return Prepared(prepared.call, prepared.template, inputs, artifacts, scope, body, passes)


def _values(call: Call, scope: Scope, objects: Objects) -> dict[str, str]:
    values: dict[str, str] = {}
    for declared in call.template.inputs:
        name = str(declared["name"])
        value, source = declared.get("value"), declared.get("valueFrom")
        if value is None:
            value = declared.get("default")
        given = call.parameters.get(name)
        if isinstance(given, Mapping):
            value, source = None, given
        elif given is not None:
            value, source = given, None
        if source is not None:
            fault = f"unable to retrieve inputs.parameters.{name} from ConfigMap"
            value = configured(source, scope, objects, fault)
        elif name in call.parameters and given is None and value is None:
            absent = "argument references an absent optional (skipped/omitted node output with no default)"
            raise NodeFault(f"inputs.parameters.{name}: {absent}")
        if value is None:
            raise NodeFault(f"inputs.parameters.{name} was not supplied")
        values[name] = substitute(text_of(value), scope, Mode.ONCE)
    return values


def _all_inputs(template: Template, values: Mapping[str, str], scope: Scope) -> str:
    """Return the inputs as Argo writes them, with what else their template says of them."""
    listed = []
    for declared in template.inputs:
        name, default = str(declared["name"]), declared.get("default")
        if default is not None:
            default = substitute(text_of(default), scope, Mode.ONCE)
        listed.append({**declared, "default": default, "value": values[name], "valueFrom": None})
    return f"[{','.join(map(written, listed))}]"


def configured(source: Mapping[str, Any], scope: Scope, objects: Objects, fault: str) -> Value:
    """Return the value that a parameter takes from a ConfigMap, or its default. Raises NodeFault."""
    reference = source.get("configMapKeyRef") or {}
    try:
        return objects.parameter({key: _place(str(text), scope.globals) for key, text in reference.items()})
    except NoValue as wrong:
        if source.get("default") is None or not wrong.is_absent:
            raise NodeFault(f"{fault}: {wrong}") from None
        return source["default"]


def _place(text: str, shared: Globals | None) -> str:
    """Fill the name or key of a ConfigMap, which may refer to the workflow's variables and nothing else."""
    try:
        return substitute(text, Scope(shared, {}), Mode.ALL) if shared else text
    except TagError as wrong:
        raise NodeFault(f"failed to substitute configMapKeyRef: {wrong}") from None


def text_of(value: Value) -> str:
    """Return the text of a parameter's value as Argo's decoder makes it.

    Numbers without an exponent, no maps.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{Decimal(repr(float(value))):f}".removesuffix(".0")
    return ""


def _artifacts(call: Call) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for declared in call.template.input_artifacts:
        name = str(declared["name"])
        given = call.artifacts.get(name)
        if given is not None:
            own: dict[str, Any] = {
                key: declared[key] for key in ("path", "mode", "recurseMode") if key in declared
            }
            found[name] = {**given, **own}
        elif is_located(declared):
            found[name] = declared
        elif not declared.get("optional"):
            raise NodeFault(f"inputs.artifacts.{name} was not supplied")
    return found


def is_located(artifact: Mapping[str, Any]) -> bool:
    """Whether an artifact says where its content is."""
    return any(artifact.get(key) is not None for key in _LOCATIONS)
