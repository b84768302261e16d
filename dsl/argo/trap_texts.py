"""Traps in texts: conditions, `depends` and expressions that Argo parses only when they are due."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from dsl.argo.findings import Route
from dsl.argo.order import waited_for
from dsl.argo.text import TagFault, shortened, strings, tags
from dsl.codes import Code
from dsl.expr.condition import ConditionError, is_true, syntax_fault
from dsl.expr.grammar import SyntaxFault, parse

if TYPE_CHECKING:
    from dsl.argo.traps import Traps

_TAG: Final = re.compile(r"\{\{(=?).*?\}\}", re.S)
_NAME: Final = r"!?\s*[A-Za-z_][-\w]*(?:\.[A-Z][A-Za-z]+)?"
_PLAIN: Final = re.compile(rf"\s*{_NAME}(?:\s*(?:&&|\|\|)\s*{_NAME})*\s*")
KEYWORDS: Final = frozenset(
    ["in", "not", "and", "or", "matches", "contains", "startsWith", "endsWith",
     "true", "false", "nil", "null", "let", "if", "else"]
)  # fmt: skip
"""Words of the language that `depends` is written in; no task can be waited for under such a name."""
_EXPRESSIONS: Final = ("expression", "fromExpression")


@lru_cache(maxsize=4096)
def expression_fault(source: str) -> str:
    """Return why a text is no expression, or nothing."""
    try:
        parse(source)
    except SyntaxFault as fault:
        return str(fault).partition("\n")[0]
    except RecursionError:
        return "it is nested too deeply"
    return ""


def check_template(traps: Traps, template: Mapping[str, Any], where: Route) -> None:
    """Note the texts of a template that cannot be parsed; those of templates inside it come by themselves."""
    for route, text in strings(template):
        if "inline" not in route and "{{=" in text:
            _check_tags(traps, text, (*where, *route))
    for route, text in _expressions(template):
        if fault := expression_fault(text) if "{{" not in text else "":
            clause = f"the expression cannot be parsed: {fault}"
            traps.warn(Code.EXPRESSION_SYNTAX, (*where, *route), clause, "mend the expression")


def _check_tags(traps: Traps, text: str, route: Route) -> None:
    try:
        sources = [tag[1:] for tag in tags(text) if tag[:1] == "="]
    except TagFault:
        return
    for source in sources:
        if fault := expression_fault(source):
            clause = f"{shortened('{{=' + source + '}}')} cannot be parsed: {fault}"
            hint = "mend it; an expression holds no }}, write } } with a blank"
            traps.warn(Code.EXPRESSION_SYNTAX, route, clause, hint)


def _expressions(value: object, route: Route = ()) -> Iterator[tuple[Route, str]]:
    """Yield the fields of a template that are expressions as a whole, outside templates inside it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _EXPRESSIONS and isinstance(inner, str):
                yield (*route, key), inner
            elif key not in ("inline", "withItems", "plugin") and isinstance(inner, (dict, list)):
                yield from _expressions(inner, (*route, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, (dict, list)):
                yield from _expressions(inner, (*route, index))


def check_when(traps: Traps, call: Mapping[str, Any], place: Route) -> None:
    """Note a condition that cannot be evaluated, whatever its tags stand for."""
    when = call.get("when", "")
    if not when or (fault := _when_fault(when)) is None:
        return
    hint = "put quotes around both sides, as in '{{inputs.parameters.x}}' == 'my-value'"
    traps.warn(Code.WHEN_SYNTAX, (*place, "when"), f"the condition cannot be evaluated: {fault}", hint)


def _when_fault(when: str) -> str | None:
    if "{{" not in when:
        try:
            is_true(when)
        except ConditionError as fault:
            return str(fault).partition(": ")[2] or str(fault)
        return None
    filled = _TAG.sub(lambda tag: "true" if tag[1] else "x", when)
    return syntax_fault(filled) or None if "{{" not in filled else None


def check_depends(traps: Traps, tasks: Sequence[Mapping[str, Any]], index: int, place: Route) -> None:
    """Note a `depends` that cannot be evaluated."""
    depends = tasks[index].get("depends", "")
    for name in waited_for(tasks[index]):
        if name.replace("-", "_") in KEYWORDS:
            clause = f"{name} is a word of the language of depends, so it names no task there"
            route = (*place, "depends" if depends else "dependencies")
            traps.warn(Code.DEPENDS_SYNTAX, route, clause, "give the task another name")
            return
    if not depends or "{{" in depends or _PLAIN.fullmatch(depends):
        return
    if fault := expression_fault(depends.replace("-", "_")):
        clause = f"it cannot be evaluated: {fault}"
        traps.warn(
            Code.DEPENDS_SYNTAX, (*place, "depends"), clause, "join names of tasks with && || ! and ()"
        )
