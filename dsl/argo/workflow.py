"""A manifest as a whole: its name, entrypoint, exit handler, hooks and all its templates (v4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dsl.argo.arguments import check_arguments
from dsl.argo.cron import check_cron
from dsl.argo.findings import Gate, nearest
from dsl.argo.inputs import Supplied
from dsl.argo.library import Base, Home, Library
from dsl.argo.names import check_names, is_tag
from dsl.argo.scope import ANY_OUTPUT
from dsl.argo.steps import check_hooks
from dsl.argo.template import check_pod_resources, check_template
from dsl.argo.validation import Located, Validation
from dsl.codes import Code

_LONGEST: Final = {"CronWorkflow": 52}
_DNS: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_STRATEGIES: Final = (
    "", "OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess",
)  # fmt: skip
_KEY: Final = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_PREFIX: Final = "workflows.argoproj.io/"
_ALWAYS: Final = (
    "workflow.name", "workflow.namespace", "workflow.mainEntrypoint", "workflow.serviceAccountName",
    "workflow.uid", "workflow.annotations", "workflow.annotations.json", "workflow.labels",
    "workflow.labels.json", "workflow.status",
)  # fmt: skip


def check_manifest(manifest: Mapping[str, Any], kind: str, library: Library, document: int) -> list[Located]:
    """Return what Argo's validator refuses in a manifest of a kind, in normal form."""
    metadata = manifest.get("metadata") or {}
    spec, home = manifest.get("spec") or {}, Home(document, ("spec",))
    if kind == "CronWorkflow":
        spec, home = spec.get("workflowSpec") or {}, home.at("workflowSpec")
    is_template = kind.endswith("Template")
    status = manifest.get("status") or {}
    base = Base("local", metadata.get("name", "") if kind == "Workflow" else "", spec, home, _kept(status))
    namespace = None if kind == "ClusterWorkflowTemplate" else metadata.get("namespace", "")
    validation = Validation(library, namespace, base, check_template, is_template=is_template)
    _check_name(validation, metadata, kind, Home(document, ("metadata",)))
    if kind == "CronWorkflow":
        check_cron(validation, manifest.get("spec") or {}, Home(document, ("spec",)))
        metadata = _scheduled(metadata, manifest.get("spec") or {})
    _Workflow(validation, kind, metadata).check()
    return validation.located


def _kept(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the templates that a workflow's status holds from an earlier run."""
    stored = status.get("storedWorkflowTemplateSpec") or {}
    return {"templates": [*(stored.get("templates") or ()), *(status.get("storedTemplates") or {}).values()]}


def _scheduled(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of the workflows that a CronWorkflow starts (workflow/common/convert.go)."""
    added = spec.get("workflowMetadata") or {}
    own = metadata.get("labels") or {}
    labels = {key: own[key] for key in (f"{_PREFIX}controller-instanceid",) if key in own}
    labels |= {f"{_PREFIX}cron-workflow": metadata.get("name", ""), **(added.get("labels") or {})}
    annotations = {f"{_PREFIX}scheduled-time": "", **(added.get("annotations") or {})}
    return {"labels": labels, "annotations": annotations}


def _check_name(validation: Validation, metadata: Mapping[str, Any], kind: str, home: Home) -> None:
    name = metadata.get("name", "")
    longest = _LONGEST.get(kind, 63)
    if len(name.encode()) > longest:
        clause = f"the name of a {kind} has at most {longest} characters, not {len(name.encode())}"
        validation.report(Code.OBJECT_NAME, home.at("name"), clause, "shorten it")
    elif name and not _DNS.fullmatch(name):
        clause = f"Kubernetes takes no {name!r} as a name"
        hint = "use lower-case letters, digits, - and ."
        validation.report(Code.OBJECT_NAME, home.at("name"), clause, hint, gate=Gate.CRD)
    elif not name and not metadata.get("generateName"):
        clause = "the manifest has no name"
        validation.report(Code.OBJECT_NAME, home, clause, "add name: or generateName:", gate=Gate.CRD)


class _Workflow:
    """One workflow, or what a template or CronWorkflow makes of one."""

    def __init__(self, validation: Validation, kind: str, metadata: Mapping[str, Any]) -> None:
        self.validation, self.kind, self.metadata = validation, kind, metadata
        self.spec, self.home = validation.root.spec, validation.root.home
        self.reference = self.spec.get("workflowTemplateRef")
        self.target: Base | None = None

    def check(self) -> None:
        """Report everything, in Argo's order."""
        validation, spec = self.validation, self.spec
        if self.reference is not None and not self.find_target():
            return
        for code, index, clause, hint in check_names(spec.get("templates") or ()):
            template = spec["templates"][index]
            place = self.home.at("templates", index)
            validation.report(code, place.at("name") if template.get("name") else place, clause, hint)
        self.check_plugins()
        arguments = self.arguments()
        may_lack = self.kind != "CronWorkflow"
        place = self.home.at("arguments")
        check_arguments(validation, arguments, place, may_lack_values=may_lack, is_written=True)
        self.share(arguments)
        self.check_entrypoint(arguments)
        self.check_exit()
        check_hooks(validation, spec.get("hooks") or {}, self.home.at("hooks"))
        self.check_pods()
        self.check_templates()

    def find_target(self) -> bool:
        """Look up the WorkflowTemplate that stands for the spec."""
        assert self.reference is not None
        name, is_cluster = self.reference.get("name", ""), bool(self.reference.get("clusterScope"))
        place = self.home.at("workflowTemplateRef")
        if self.spec.get("templates"):
            clause = "templates and workflowTemplateRef exclude one another"
            hint = "remove templates, or call one by templateRef"
            self.validation.report(
                Code.EXCLUSIVE_FIELDS, self.home.at("templates"), clause, hint, on_key=True
            )
        self.target = self.validation.library.find(self.validation.namespace, name, is_cluster)
        if self.target is None:
            where = place.at("name") if name else place
            self.validation.unknown_reference(name, is_cluster, where)
        return self.target is not None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments, with those of the WorkflowTemplate after them."""
        own = self.spec.get("arguments") or {}
        if self.target is None:
            return dict(own)
        more = self.target.spec.get("arguments") or {}
        merged = {}
        for kind in ("parameters", "artifacts"):
            given = [*(own.get(kind) or ()), *(more.get(kind) or ())]
            merged[kind] = list({one.get("name"): one for one in reversed(given)}.values())[::-1]
        return merged

    def share(self, arguments: Mapping[str, Any]) -> None:
        """Note the names that every template can read."""
        shared, stand_in = self.validation.shared, self.validation.stand_in
        shared.update({name: stand_in() for name in _ALWAYS})
        parameters = arguments.get("parameters") or ()
        if parameters:
            shared.update({f"workflow.parameters{end}": stand_in() for end in ("", ".json")})
        for parameter in parameters:
            if not parameter.get("name"):
                self.validation.open.add("workflow.parameters.")
            else:
                value = parameter.get("value")
                shared[f"workflow.parameters.{parameter['name']}"] = stand_in() if value is None else value
        sources = [self.spec.get("workflowMetadata") or {}, self.metadata]
        if self.target is not None:
            sources.append(self.target.spec.get("workflowMetadata") or {})
        for source in sources:
            for kind, also in (("annotations", ()), ("labels", ("labelsFrom",))):
                for key in (kind, *also):
                    for name in source.get(key) or {}:
                        shared[f"workflow.{kind}.{name}"] = stand_in()
        if "priority" in self.spec:
            shared["workflow.priority"] = str(self.spec["priority"])

    def check_entrypoint(self, arguments: Mapping[str, Any]) -> None:
        name = self.spec.get("entrypoint") or (self.target.spec.get("entrypoint", "") if self.target else "")
        if not name:
            if not self.validation.is_template:
                known = self.validation.root.names()
                hint = f"add entrypoint: {known[0]}" if known else "add entrypoint:"
                self.validation.report(Code.NO_ENTRYPOINT, self.home, "the workflow has no entrypoint", hint)
            return
        if self.validation.is_template and not self.spec.get("entrypoint"):
            return  # what a template refers to starts nothing by itself
        supplied = self.validation.anything() if self.validation.is_template else Supplied(arguments)
        key = "entrypoint" if self.spec.get("entrypoint") else "workflowTemplateRef"
        self.validation.call(self.call(name), self.validation.root, supplied, self.home.at(key))

    def call(self, name: str) -> dict[str, Any]:
        """Return a call of a template of this workflow, or of the one it refers to."""
        if self.reference is None:
            return {"template": name}
        return {"templateRef": {**self.reference, "template": name}}

    def check_exit(self) -> None:
        name, key = self.spec.get("onExit", ""), "onExit"
        if not name and self.target is not None:
            name, key = self.target.spec.get("onExit", ""), "workflowTemplateRef"
        if not name:
            return
        shared = self.validation.shared
        shared["workflow.failures"] = self.validation.stand_in()
        templates = [*(self.spec.get("templates") or ())]
        templates += self.target.spec.get("templates") or () if self.target else ()
        outputs = [one for t in templates for one in (t.get("outputs") or {}).get("artifacts") or ()]
        if any(is_tag(one.get("globalName", "")) for one in outputs):
            shared[ANY_OUTPUT["artifacts"]] = "true"
        supplied = Supplied(self.spec.get("arguments"))
        self.validation.call(self.call(name), self.validation.root, supplied, self.home.at(key))

    def check_pods(self) -> None:
        """Report what cannot be said of all pods of a workflow."""
        validation, collection = self.validation, self.spec.get("podGC") or {}
        place = self.home.at("podGC")
        if (strategy := collection.get("strategy", "")) not in _STRATEGIES:
            hint = nearest(strategy, _STRATEGIES, f"write one of {', '.join(_STRATEGIES[1:])}")
            validation.report(Code.OUT_OF_LIMITS, place.at("strategy"), f"{strategy!r} is no strategy", hint)
        if fault := _selector_fault(collection.get("labelSelector") or {}):
            validation.report(Code.OUT_OF_LIMITS, place.at("labelSelector"), fault, "mend the selector")
        if "podResources" in self.spec:
            check_pod_resources(validation, self.spec["podResources"], self.home.at("podResources"))

    def check_plugins(self) -> None:
        for index, plugin in enumerate(self.spec.get("executorPlugins") or ()):
            place = self.home.at("executorPlugins", index)
            container = ((plugin.get("spec") or {}).get("sidecar") or {}).get("container") or {}
            resources = container.get("resources") or {}
            lacking = {
                "metadata.name": not (plugin.get("metadata") or {}).get("name"),
                "ports": not container.get("ports"),
                "resources.requests": resources.get("requests") is None,
                "resources.limits": resources.get("limits") is None,
                "securityContext": "securityContext" not in container,
            }
            for key, lacks in lacking.items():
                if lacks:
                    clause = f"an executor plugin needs {key}"
                    self.validation.report(Code.MISSING_FIELD, place, clause, f"add {key}")

    def check_templates(self) -> None:
        """Check every template, called or not."""
        base = self.target or self.validation.root
        for found in base.templates():
            if self.target is None and not found.name:
                continue  # reported as nameless
            place = found.home if self.target is None else self.home.at("workflowTemplateRef")
            supplied = self.validation.anything()
            self.validation.call(self.call(found.name), self.validation.root, supplied, place)


def _selector_fault(selector: Mapping[str, Any]) -> str:
    """Return why Kubernetes takes no such label selector, or nothing."""
    pairs = list((selector.get("matchLabels") or {}).items())
    for rule in selector.get("matchExpressions") or ():
        operator, values = rule.get("operator", ""), rule.get("values") or []
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            return f"{operator!r} is no operator of a selector"
        if bool(values) != (operator in ("In", "NotIn")):
            return f"{operator} goes {'with' if not values else 'without'} values"
        pairs += [(rule.get("key", ""), value) for value in values or [""]]
    for key, value in pairs:
        if not _KEY.fullmatch(key):
            return f"{key!r} is no label"
        if not _VALUE.fullmatch(value):
            return f"{value!r} is no value of a label"
    return ""
