"""The state of one validation, and calls of templates: what is called, whether it is there (v4.1.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from dsl.argo.findings import Finding, Gate, Route, nearest
from dsl.argo.inputs import Supplied
from dsl.argo.library import Base, Found, Home, Library, inline_calls, type_of
from dsl.argo.scope import ANY_OUTPUT, Scope, unresolved
from dsl.argo.text import PLACEHOLDER, TagFault, marshalled, shortened, stand_in, strings, tags
from dsl.codes import Code

RETRY_POLICIES = ("", "Always", "OnFailure", "OnError", "OnTransientError")
_CLOSE = "close it, or write no {{"


class Located(NamedTuple):
    """A finding and where it stands; `via` is the call that led there from another document."""

    home: Home
    finding: Finding
    via: Home | None = None


class Resolved(NamedTuple):
    """A called template and what its own calls are looked up in."""

    template: Found
    base: Base


Check: TypeAlias = Callable[["Validation", Resolved, Supplied, Home], None]


class Validation:
    """One manifest under validation: the names all its templates share, and what is known already."""

    def __init__(
        self, library: Library, namespace: str | None, root: Base, check: Check, *, is_template: bool
    ) -> None:
        self.library, self.namespace, self.root, self.is_template = library, namespace, root, is_template
        self.shared: dict[str, str] = {}
        self.validated: set[str] = set()
        self.prepared: dict[int, bool] = {}
        self.located: list[Located] = []
        self.lost: set[Home] = set()
        """Calls whose template is not known, by a mistake that is reported."""
        self.open: set[str] = set()
        """Beginnings of shared names that a reported mistake hides."""
        self._check = check
        self._stored: dict[str, Found] = {}
        self._stand_ins = 0
        self._doorway: Home | None = None

    def report(
        self,
        code: Code,
        home: Home,
        clause: str,
        hint: str = "",
        *,
        on_key: bool = False,
        gate: Gate = Gate.LINT,
    ) -> None:
        """Note a problem of this manifest or of one that it refers to."""
        finding = Finding(code, home.route, clause, hint, on_key, gate)
        via = None if home.document == self.root.home.document else self._doorway
        self.located.append(Located(home, finding, via))

    def stand_in(self) -> str:
        """Return a new placeholder for a value that only a run knows."""
        self._stand_ins += 1
        return stand_in(self._stand_ins)

    def anything(self) -> Supplied:
        """Return arguments that supply whatever is asked for."""
        return Supplied(None, self.stand_in)

    def scope(self, names: Iterable[str] = ()) -> Scope:
        """Return a scope with the shared names and `names`."""
        scope = Scope(self.shared, names, self.is_template)
        scope.open.update(self.open)
        return scope

    def resolve_tags(self, value: object, scope: Scope, home: Home) -> None:
        """Report the tags of a value that read nothing."""
        try:
            for tag, route in unresolved(value, scope):
                if route is None and (found := open_tag(value)):
                    self.report(Code.BROKEN_TAG, home.at(*found[0]), found[1], _CLOSE)
                    continue
                name = tag.strip()
                shown = shortened("{{" + name.replace(PLACEHOLDER, "…") + "}}")
                hint = nearest(name, scope.candidates(name), "name an input, or a task before this one")
                self.report(Code.UNRESOLVED_TAG, home.at(*(route or ())), f"{shown} names nothing here", hint)
        except TagFault as fault:
            route, clause = open_tag(value) or ((), str(fault))
            self.report(Code.BROKEN_TAG, home.at(*route), clause, _CLOSE)

    def call(self, call: Mapping[str, Any], base: Base, supplied: Supplied, at: Home) -> Resolved | None:
        """Check the template that a task, step or workflow calls, and return it if it is there."""
        before = len(self.located)
        resolved = self._resolve(call, base, at)
        if resolved is not None:
            self.check(resolved, supplied, at)
        elif (
            len(self.located) > before or "" in base.names()
        ):  # what it would have put out is nobody else's mistake
            self.shared.update(dict.fromkeys(ANY_OUTPUT.values(), ""))
            self.lost.add(at)
        return resolved

    def check(self, resolved: Resolved, supplied: Supplied, at: Home) -> None:
        """Check a template as one call sees it."""
        here = self.root.home.document
        before = self._doorway
        if at.document == here and resolved.template.home.document != here:
            self._doorway = at
        self._check(self, resolved, supplied, at)
        self._doorway = before

    def _resolve(self, call: Mapping[str, Any], base: Base, at: Home) -> Resolved | None:
        reference, name = call.get("templateRef"), call.get("template", "")
        if reference is not None:
            return self._by_reference(call, reference, base, at)
        if name and base_template(base, name, self._stored) is None:
            if "" in base.names():
                return None  # it may be the one whose name is missing, which is reported
            hint = nearest(name, base.names(), "add a template of this name")
            clause = f"there is no template {shortened(name.replace(PLACEHOLDER, '…'))}"
            self.report(Code.UNKNOWN_TEMPLATE, _at_key(call, at, "template"), clause, hint)
            return None
        found = self._template(call, base, at)
        return None if found is None else self._known(found, base, at)

    def _by_reference(
        self, call: Mapping[str, Any], reference: Mapping[str, Any], base: Base, at: Home
    ) -> Resolved | None:
        place = _at_key(call, at, "templateRef")
        for missing in (key for key in ("name", "template") if not reference.get(key)):
            self.report(Code.CALL, place, f"the templateRef has no {missing}", f"add {missing}:")
            return None
        if call.get("template"):
            clause = "template and templateRef are both set"
            self.report(Code.CALL, _at_key(call, at, "template"), clause, "keep one of them")
            return None
        if _is_dynamic(reference):
            return None
        name, template = reference["name"], reference["template"]
        is_cluster = bool(reference.get("clusterScope"))
        target = self.library.find(self.namespace, name, is_cluster)
        if target is None:
            self.unknown_reference(name, is_cluster, place.at("name") if "templateRef" in call else place)
            return None
        found = self._template(call, base, at)
        if found is None:
            if PLACEHOLDER not in template:
                hint = nearest(template, target.names())
                clause = f"{name} has no template {shortened(template)}"
                where = place if place == at else place.at("template")
                self.report(Code.UNKNOWN_TEMPLATE, where, clause, hint)
            return None
        return self._known(found, target, at)

    def unknown_reference(self, name: str, is_cluster: bool, place: Home) -> None:
        """Report a manifest that is not among the given files."""
        kind = "ClusterWorkflowTemplate" if is_cluster else "WorkflowTemplate"
        known = self.library.names(self.namespace, is_cluster)
        clause = f"there is no {kind} {shortened(name.replace(PLACEHOLDER, '…'))} among the files"
        hint = nearest(name, known, "give its file too, with the same metadata.namespace")
        self.report(Code.UNKNOWN_REFERENCE, place, clause, hint)

    def _template(self, call: Mapping[str, Any], base: Base, at: Home) -> Found | None:
        """Return the template of a call from where Argo keeps it, or find and keep it."""
        reference = call.get("templateRef")
        key = _stored_key(call, base)
        if key in self._stored:
            return self._stored[key]
        if "inline" in call:
            found: Found | None = Found(call["inline"], at.at("inline"))
        elif reference is not None:
            is_cluster = bool(reference.get("clusterScope"))
            target = self.library.find(self.namespace, reference["name"], is_cluster)
            found = target.template(reference["template"]) if target else None
        elif call.get("template"):
            found = base_template(base, call["template"], self._stored)
        else:
            clause = "nothing says which template to call"
            self.report(Code.CALL, at, clause, "add template:, templateRef: or inline:")
            return None
        if found is not None and key:
            self._keep(key, found, base, reference)
        return found

    def _keep(self, key: str, found: Found, base: Base, reference: Mapping[str, Any] | None) -> None:
        self._stored[key] = found
        scope, name = base.scope, base.name
        if reference is not None:
            scope, name = "cluster" if reference.get("clusterScope") else "namespaced", reference["name"]
        for inner, route in inline_calls(found.value):
            inline = Found(inner["inline"], found.home.at(*route, "inline"))
            self._stored.setdefault(f"{scope}/{name}/inline/{inner.get('name', '')}", inline)

    def _known(self, found: Found, base: Base, at: Home) -> Resolved | None:
        """Return a template that has a type and a retry policy that Argo knows."""
        if not type_of(found.value):
            clause = "the template has no type"
            hint = "add container:, script:, dag:, steps: or another type"
            self.report(Code.TEMPLATE_TYPE, found.home, clause, hint)
            return None
        policy = (found.value.get("retryStrategy") or {}).get("retryPolicy", "")
        if policy not in RETRY_POLICIES:
            place = found.home.at("retryStrategy", "retryPolicy")
            hint = nearest(policy, RETRY_POLICIES, "write Always, OnFailure, OnError or OnTransientError")
            self.report(Code.OUT_OF_LIMITS, place, f"{policy!r} is no retry policy", hint)
        return Resolved(found, base)


def base_template(base: Base, name: str, stored: Mapping[str, Found]) -> Found | None:
    """Return a template by name; a workflow also finds those that it already refers to elsewhere."""
    found = base.template(name)
    if found is not None or base.scope != "local":
        return found
    more = [*(base.extra.get("templates") or ())]
    for template in more:
        if template.get("name") == name:
            return Found(template, base.home)
    return next((one for one in stored.values() if one.name == name), None)


def _at_key(call: Mapping[str, Any], at: Home, key: str) -> Home:
    return at.at(key) if key in call and "name" in call else at


def _is_dynamic(reference: Mapping[str, Any]) -> bool:
    """Whether a reference holds a tag, so that only a run knows what it names."""
    try:
        return any(tag[:1] != "=" for tag in tags(marshalled(reference)))
    except TagFault:
        return True


def _stored_key(call: Mapping[str, Any], base: Base) -> str:
    """Return Argo's name for what a call finds, nothing for a workflow's own templates."""
    if (reference := call.get("templateRef")) is not None:
        scope = "cluster" if reference.get("clusterScope") else "namespaced"
        return f"{scope}/{reference['name']}/{reference['template']}"
    if base.scope == "local":
        return ""
    if "inline" in call:
        return f"{base.scope}/{base.name}/inline/{call.get('name', '')}"
    return f"{base.scope}/{base.name}/{call.get('template', '')}"


def open_tag(value: object) -> tuple[Route, str] | None:
    """Return the way to the first text with a tag that does not end in it, and a clause that says so."""
    for route, text in strings(value):
        try:
            deque(tags(text), 0)
        except TagFault as fault:
            return route, str(fault)
    return None
