"""Stage 3: where the value of each parameter of a node comes from, and what its conditions read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from dsl.argument import Argument, Constant, Field, NodeValue, RunParameter, RunValue
from dsl.author import Chainable, Node
from dsl.codes import Code
from dsl.construct import keyword_of, positional_of
from dsl.diagnostics import Diagnostic, Rejected
from dsl.domain import Domain
from dsl.draft import Draft
from dsl.encode import plain, shown
from dsl.function import Each
from dsl.graph import GraphNode, operands
from dsl.location import Location
from dsl.names import WINDOW, did_you_mean
from dsl.operand import Condition, FileOf, Operand, Output, ParamReference
from dsl.reading import REQUIRED, Parameter, Role
from dsl.shelltext import mentions
from dsl.source import Items, Source
from dsl.spelling import argument_respelt


@dataclass(frozen=True, slots=True)
class Resolved:
    """The nodes that are resolved by now, by id, and the ids of the author's nodes by identity."""

    nodes: Mapping[str, GraphNode]
    ids: Mapping[int, str]

    def of(self, node: Node) -> GraphNode:
        """Return what an author's node has become."""
        return self.nodes[self.ids[id(node)]]


def arguments_of(
    draft: Draft, each: Each, domain: Domain | None, resolved: Resolved, keys: Callable[[], Collection[str]]
) -> dict[str, Argument]:
    """Return where each parameter's value comes from. Raises Rejected for all that get none or too much.

    `keys` returns those of the items that stand before the node in chains.
    """
    found: dict[str, Argument] = {}
    wrong: list[Diagnostic] = []
    given = {**draft.node.arguments, **draft.node.expanded}
    known = draft.reading.named
    wrong += unknown_arguments(draft)
    meant = [did_you_mean(name, known) for name in given if name not in known]
    for name in (name for name in given if name in known):
        if name in draft.node.arguments and name in draft.node.expanded:
            message = f"{name} of {draft.id} is both fixed and expanded"
            place = argument_place(draft, name)
            wrong.append(Diagnostic(Code.UNKNOWN_ARGUMENT, place, message, "remove one of them"))
        elif known[name].role in (Role.OUT_FILE, Role.OUT_DIR):
            message = f"{name} of {draft.id} is filled by the run"
            wrong.append(
                Diagnostic(Code.UNKNOWN_ARGUMENT, draft.node.location, message, "name it by output=")
            )
    for parameter in draft.reading.parameters:
        try:
            argument = _argument(draft, parameter, each, domain, resolved)
        except Rejected as rejected:
            wrong += rejected.diagnostics
            continue
        if argument is not None:
            found[parameter.name] = argument
        elif _is_missing(draft, parameter, domain) and parameter.name not in (*given, *meant):
            wrong.append(_missing(draft, parameter, domain, keys))
    if wrong:
        raise Rejected(*wrong)
    return found | _window(draft, domain)


def check_conditions(draft: Draft, domain: Domain | None, resolved: Resolved) -> None:
    """Raise Rejected for a condition that does not have one value per task."""
    for condition, location in draft.node.conditions:
        _check_logic(condition, location)
        for operand in operands(condition):
            node_of = operand.node if isinstance(operand, Output | FileOf) else operand
            if not isinstance(node_of, Node):
                if not isinstance(operand, Operand):
                    _check_constant(operand, location)
                continue
            node = resolved.of(node_of)
            if not node.reading.has_value:
                message = f"the condition reads the value of {node.id}, which has none"
                raise Rejected(Diagnostic(Code.NO_VALUE, location, message, 'write "$RESULT_FILE" there'))
            one_each = node.each == "partition" or (node.domain and set(node.domain.sizes) <= {1})
            if (node.is_mapped or node.each == "item") and not (
                node.domain is domain and domain and one_each
            ):
                message = f"{node.id} has many values, and the condition of {draft.id} needs one"
                hint = "let a task reduce them to one value, or map both over one source with size=1"
                if one_each and domain is None:
                    too = f'{node.id} >> {draft.id}, each="item"'
                    hint = f"let a task reduce them to one value, or map too: {too}"
                raise Rejected(Diagnostic(Code.CONDITION_VALUE, location, message, hint))


def check_discoverable(source: Items, node: GraphNode) -> None:
    """Raise Rejected unless the node's value can be a list that the run knows."""
    if node.function.kind != "python" or node.is_mapped:
        what = "is mapped" if node.is_mapped else "is no Python task"
        message = f"Items({node.id}) needs one Python task that returns a list; {node.id} {what}"
        hint = "return the list from a @task that runs once"
        raise Rejected(Diagnostic(Code.UNSUPPORTED, source.location, message, hint))


def unknown_argument(draft: Draft, name: str) -> Rejected:
    """Return a rejection of an argument that no parameter takes."""
    known = [n for n, p in draft.reading.named.items() if p.role is not Role.RUN]
    guess = did_you_mean(name, known)
    hint = f"did you mean {guess!r}?" if guess else f"its parameters: {', '.join(known) or 'none'}"
    message = f"{draft.id} has no parameter {name!r}"
    place = argument_place(draft, name)
    fix = argument_respelt(place, name, known, {*draft.node.arguments, *draft.node.expanded})
    return Rejected(Diagnostic(Code.UNKNOWN_ARGUMENT, place, message, hint, fix=fix))


def unknown_arguments(draft: Draft) -> list[Diagnostic]:
    """Return what to say of every argument that no parameter takes."""
    given = {**draft.node.arguments, **draft.node.expanded}
    unknown = [name for name in given if name not in draft.reading.named]
    return [found for name in unknown for found in unknown_argument(draft, name).diagnostics]


def source_as_argument(draft: Draft, name: str) -> Diagnostic:
    """Return what to say of a source where one value is taken."""
    message = f"{name} of {draft.id} is a source, which has many items"
    hint = f"write {draft.node.task.__name__}.expand({name}=…) to map over it"
    return Diagnostic(Code.UNKNOWN_ARGUMENT, argument_place(draft, name), message, hint)


def path_as_file(draft: Draft, name: str, value: object) -> Diagnostic:
    """Return what to say of a constant where a file of the run is taken."""
    message = f"{name} of {draft.id} takes a file of the run, and {shown(value)} is none"
    path = shown(value) if isinstance(value, str) else '"data/*.tif"'
    hint = f"write Files({path}) >> {draft.node.task.__name__}, or pass the node that writes it"
    return Diagnostic(Code.PATH_AS_FILE, argument_place(draft, name), message, hint)


def part_expanded(draft: Draft, name: str, value: Operand) -> Rejected:
    """Return a rejection of a keyword of `.expand` that is no list, and no node whose whole value is one."""
    what = "a condition"
    if isinstance(value, Output):
        node = value.node.task.__name__
        what = f"a part of the value of {node}" if value.path else f"the value of {node} with a default"
    elif isinstance(value, ParamReference):
        what = f"the parameter {value.name} of the run"
    message = f"{name} of {draft.id} is {what}, and only the whole value of a task can be mapped over"
    hint = f"return the list from a @task of its own, and write .expand({name}=that_task)"
    return Rejected(Diagnostic(Code.UNSUPPORTED, argument_place(draft, name), message, hint))


def argument_place(draft: Draft, name: str) -> Location:
    """Return where an argument stands in the call that made the node, or the call."""
    place, names = draft.node.location, list(draft.reading.named)
    named = keyword_of(place, name)
    return positional_of(place, names.index(name)) if named == place and name in names else named


def _argument(
    draft: Draft, parameter: Parameter, each: Each, domain: Domain | None, resolved: Resolved
) -> Argument | None:
    """Return where one parameter's value comes from, or None if it is a file or has no argument."""
    name, role = parameter.name, parameter.role
    if role in (Role.ITEM, Role.ITEMS) and name not in {*draft.node.arguments, *draft.node.expanded}:
        if domain is None:
            message = f"{draft.id} reads {name}, but no items reach it"
            raise _rejected(draft, Code.MISSING_ARGUMENT, message, "put a source before it")
        column = (
            name
            if name in domain.columns
            else "item"
            if "item" in domain.columns
            else next(column for column in domain.columns if isinstance(column, str))
        )
        return Field(column)
    if role in (Role.IN_FILE, Role.IN_FILES, Role.IN_DIR, Role.OUT_FILE, Role.OUT_DIR):
        return None
    if name in draft.node.arguments:
        return _value(draft, name, draft.node.arguments[name], resolved)
    column = draft.keywords.get(name, name)
    if name in draft.node.expanded and isinstance(draft.node.expanded[name], Source | FileOf):
        return None if domain is None or column in domain.files else Field(column)
    if name in draft.node.expanded:
        return _expanded_value(draft, name, domain, resolved, each == "partition")
    if domain is not None and column in domain.columns:
        return None if column in domain.files else Field(column)
    if role is Role.RUN:
        return RunValue(name)
    if parameter.default is not REQUIRED and draft.reading.body is not None:
        return _value(draft, name, parameter.default, resolved)
    return None


def _window(draft: Draft, domain: Domain | None) -> dict[str, Argument]:
    """Return the keys of an item of time that a text names in upper case, as it names values of the run."""
    words = [name for name in WINDOW if domain is not None and name in domain.columns]
    body = draft.reading.body or ""
    return {w.upper(): Field(w) for w in words if mentions(body, w.upper())}


def _expanded_value(
    draft: Draft, name: str, domain: Domain | None, resolved: Resolved, many: bool
) -> Argument:
    """Return where the value of a keyword of `.expand` comes from: a column, or a mapped node's own value."""
    value = draft.node.expanded[name]
    node = resolved.nodes.get(resolved.ids.get(id(value), ""))
    if node is None or node.domain is None:
        return Field(name)
    if not node.reading.has_value:
        message = f"{name} is the value of {node.id}, which has none"
        raise _rejected(draft, Code.NO_VALUE, message, f'let {node.id} write "$RESULT_FILE"')
    if node.domain is not domain:
        message = f"{name} is one value of {node.id} per item, and {draft.id} combines them with other items"
        hint = "gather them in one task and expand over the list that it returns"
        raise _rejected(draft, Code.UNSUPPORTED, message, hint)
    return NodeValue(node.id, "line", many=many and node.each == "item")


def _value(draft: Draft, name: str, value: object, resolved: Resolved) -> Argument:
    """Return where the value of an argument comes from. Raises Rejected if it cannot be a value."""
    if isinstance(value, ParamReference):
        return RunParameter(value.name, isinstance(value.default, str))
    if isinstance(value, Node):
        value = Output(value, (), draft.node.location)
    if isinstance(value, Output):
        node = resolved.of(value.node)
        if not node.reading.has_value:
            message = f"{name} is the value of {node.id}, which has none"
            raise _rejected(draft, Code.NO_VALUE, message, f'let {node.id} write "$RESULT_FILE"')
        gathers = node.is_mapped or node.each == "item"
        if gathers and value.path:
            message = f"{name} is a part of {node.id}'s value, which is a list of one value per {node.each}"
            raise _rejected(draft, Code.NO_VALUE, message, "pass the whole list and pick in the task")
        if gathers and value.fallback and not isinstance(value.fallback[0], list):
            message = f"the default of {node.id}, which has one value per {node.each}, is no list"
            raise _rejected(draft, Code.NO_VALUE, message, "write .default([…])")
        by_task = bool(value.path) and draft.function.kind == "python"
        form: Literal["gather", "single"] = "gather" if gathers else "single"
        return NodeValue(node.id, form, value.path, value.fallback, by_task=by_task)
    if isinstance(value, Chainable | FileOf):
        message = f"{name} of {draft.id} is a {type(value).__name__}, not a value"
        hint = f"write .expand({name}=…) to map over a source; annotate {name}: InFile for a file"
        raise Rejected(Diagnostic(Code.NOT_JSON, argument_place(draft, name), message, hint))
    try:
        return Constant(plain(value))
    except ValueError as error:
        message = f"{name}={shown(value, 60)} is no JSON value: {error}"
        hint = "pass text, numbers, booleans, None, and lists and dicts of them"
        if _holds_node(value):
            message = f"{name} of {draft.id} holds a node inside a {type(value).__name__}"
            hint = "pass each node as an argument of its own"
        place = argument_place(draft, name)
        raise Rejected(Diagnostic(Code.NOT_JSON, place, message, hint)) from None


def _is_missing(draft: Draft, parameter: Parameter, domain: Domain | None) -> bool:
    """Whether a parameter that got no argument needs one."""
    is_file = domain is not None and draft.keywords.get(parameter.name, parameter.name) in domain.files
    return parameter.role is Role.VALUE and parameter.default is REQUIRED and not is_file


def _missing(
    draft: Draft, parameter: Parameter, domain: Domain | None, keys: Callable[[], Collection[str]]
) -> Diagnostic:
    """Return what to say of a parameter without a value."""
    name, known = parameter.name, keys()
    if name in known:
        message = f"{name} is a key of the items before {draft.id}, which runs once, after all of them"
        hint = 'read items, or add each="item"'
        return Diagnostic(Code.UNKNOWN_KEY, draft.node.location, message, hint)
    message = f"{draft.id} gets no value for {name}"
    hint = f"call it: {draft.node.task.__name__}({name}=…), or give the parameter a default"
    if guess := did_you_mean(name, known):
        hint = f"did you mean the key {guess!r}?"
    if domain is not None and domain.discovered_by:
        message += f": {domain.name} is a list that only the run knows, and so are its keys"
        hint = f'take the parameter item, and in the task item["{name}"]'
    return Diagnostic(Code.MISSING_ARGUMENT, draft.node.location, message, hint)


def _holds_node(value: object, depth: int = 9) -> bool:
    """Whether a list or dict has a node or its value inside, at most `depth` levels down."""
    if isinstance(value, Mapping | list | tuple):
        inner = value.values() if isinstance(value, Mapping) else value
        return depth > 0 and any(_holds_node(one, depth - 1) for one in inner)
    return isinstance(value, Chainable | Operand | FileOf)


def _check_constant(value: object, location: Location) -> None:
    """Raise Rejected unless a condition can compare with a value."""
    hint = "compare with text, numbers, booleans or None"
    try:
        value = plain(value)
    except ValueError as error:
        message = f"the condition compares with {shown(value)}, which is no JSON value: {error}"
        raise Rejected(Diagnostic(Code.NOT_JSON, location, message, hint)) from None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        message = f"the condition compares with {value}, and Argo's whole numbers have 64 bits"
        raise Rejected(Diagnostic(Code.CONDITION_VALUE, location, message, hint))


def _check_logic(condition: object, location: Location) -> None:
    """Raise Rejected for an operand of `&`, `|` or `~` that is neither true nor false."""
    if not isinstance(condition, Condition):
        return
    for operand in condition.operands:
        constant = not isinstance(operand, Operand | bool)
        if condition.operator in ("and", "or", "not") and constant:
            message = f"{shown(operand)} is neither true nor false"
            hint = "put parentheses around comparisons: (out > 1) & (out < 5)"
            raise Rejected(Diagnostic(Code.CONDITION_VALUE, location, message, hint))
        _check_logic(operand, location)


def _rejected(draft: Draft, code: Code, message: str, hint: str) -> Rejected:
    return Rejected(Diagnostic(code, draft.node.location, message, hint))
