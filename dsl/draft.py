"""Stage 3, first half: each recorded node gets its id, its validated options, and what it reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import networkx as nx
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dsl.argument import TEMPLATES
from dsl.author import DAG, Chainable, Element, Mistaken, Node, Task
from dsl.closure import ship
from dsl.codes import Code
from dsl.construct import entry_of, keyword_of
from dsl.cron import SCHEDULE_OPTIONS, schedule_problems
from dsl.diagnostics import Diagnostic, Rejected, Related
from dsl.encode import has_surrogate, shown
from dsl.function import DagOptions, ExecutionFunction, PythonSource, TaskOptions
from dsl.graph import operands
from dsl.location import Location
from dsl.names import did_you_mean, template_names
from dsl.operand import FileOf, Operand, Output, option_of_run
from dsl.reading import Reading, Role, read
from dsl.source import Items, Repartition, Source
from dsl.spelling import argument_respelt

M = TypeVar("M", bound=BaseModel)
_OF_RETRIES = ("retry_delay", "retry_exponential_backoff", "max_retry_delay", "retry_exit_codes")
_CODES = {
    **dict.fromkeys(("retry_delay", "max_retry_delay", "execution_timeout"), Code.INVALID_DURATION),
    **dict.fromkeys(("cpu", "memory", "disk", "gpu"), Code.INVALID_RESOURCE),
    **dict.fromkeys(("retries", "retry_exit_codes"), Code.INVALID_RETRIES),
    "trigger_rule": Code.INVALID_TRIGGER_RULE,
    "image": Code.INVALID_IMAGE,
    "env": Code.INVALID_ENVIRONMENT,
}
"""The codes of options whose values are wrong each in a way of their own."""

_APART = ("cpu", "memory", "disk", "gpu", "retry_delay", "max_retry_delay", "execution_timeout", "doc_md")
"""Options without which everything else about a task can be checked."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A recorded node with everything that does not depend on other nodes.

    `incoming` are the elements that stand before it in chains. `keywords` are columns by the names that
    `.expand` gives them here and in the nodes before it, which are resolved first.
    """

    id: str
    name: str
    node: Node
    options: TaskOptions
    reading: Reading
    function: ExecutionFunction
    incoming: tuple[tuple[Element, Location], ...]
    mistaken: bool
    """Whether a mistake is recorded in what it is given, or in what stands before it."""
    keywords: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Drafts:
    """The drafts of a DAG by id; `waits` holds every node, sound or not, and an edge for every wait."""

    sound: Mapping[str, Draft]
    ids: Mapping[int, str]
    before: Mapping[int, tuple[tuple[Element, Location], ...]]
    waits: nx.DiGraph[str]
    options: DagOptions
    problems: tuple[Diagnostic, ...]


def make_drafts(dag: DAG) -> Drafts:
    """Return a draft for every node that can have one, and the problems of the others."""
    problems: list[Diagnostic] = list(dag.problems)
    place = partial(keyword_of, dag.location)
    problems += schedule_problems(dag.options, place)
    rest = {name: value for name, value in dag.options.items() if name not in SCHEDULE_OPTIONS}
    options = validated(DagOptions, rest, place, problems) or DagOptions()
    defaults = _defaults(dag, options, problems)
    ids = _ids(dag, problems)
    names = template_names(list(ids.values()), TEMPLATES)
    before: dict[int, list[tuple[Element, Location]]] = {}
    for link in dag.links:
        before.setdefault(id(link.downstream), []).append((link.upstream, link.location))
    shipped: dict[int, tuple[PythonSource | None, tuple[Diagnostic, ...]]] = {}
    readings: dict[tuple[int, str], Reading | None] = {}
    sound: dict[str, Draft] = {}
    waits: nx.DiGraph[str] = nx.DiGraph()
    waits.add_nodes_from((ids[id(node)], {"location": node.location}) for node in dag.nodes)
    for node in dag.nodes:
        node_id = ids[id(node)]
        incoming = tuple(before.get(id(node), ()))
        for upstream, location in _waited_for(node, incoming, before):
            if id(upstream) in ids:
                waits.add_edge(ids[id(upstream)], node_id, location=location)
        chosen = _options(defaults, node, problems)
        reading = _reading(node, readings, problems)
        if reading is None:
            continue
        problems += _idle_output(node, reading)
        function = _function(node, node_id, reading, chosen or TaskOptions(), shipped, problems)
        if chosen and function:
            mistaken = _is_mistaken(node, before)
            sound[node_id] = Draft(
                node_id, names[node_id], node, chosen, reading, function, incoming, mistaken, {}
            )
    frozen = {key: tuple(value) for key, value in before.items()}
    return Drafts(sound, ids, frozen, waits, options, tuple(problems))


def option_problems(tasks: Iterable[Task[..., object]]) -> list[Diagnostic]:
    """Return what is wrong with the options that tasks have in whatever DAG they are used."""
    problems: list[Diagnostic] = []
    for task in tasks:
        given = {name: value for name, value in task.options.items() if name != "task_id"}
        validated(TaskOptions, given, task.place_of, problems)
    return problems


def validated(
    model: type[M],
    fields: Mapping[str, object],
    place_of: Callable[[str], Location],
    problems: list[Diagnostic],
) -> M | None:
    """Return a model of the fields and a diagnostic for each that is unknown or invalid.

    What is unknown counts as what was probably meant. None if other checks depend on a field that is invalid.
    """
    if odd := [name for name, value in fields.items() if has_surrogate((name, value))]:
        for name in odd:
            message = f"{shown(name)} holds text that is not Unicode (a lone surrogate)"
            problems.append(Diagnostic(Code.UNSAFE_STRING, place_of(name), message, "correct the text"))
        return None
    if late := [name for name, value in fields.items() if isinstance(value, Operand | Chainable)]:
        problems += [option_of_run(name, place_of(name)) for name in late]
        validated(model, {name: fields[name] for name in fields if name not in late}, place_of, problems)
        return None
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        details = {str(detail["loc"][0]) if detail["loc"] else "": detail for detail in error.errors()}
        meant = {name: value for name, value in fields.items() if name not in details}
        for name, detail in details.items():
            if detail["type"] == "extra_forbidden":
                own = ["task_id"] if model is TaskOptions else ["params", *SCHEDULE_OPTIONS]
                options = [*model.model_fields, *own]
                guess = did_you_mean(name, options)
                hint = f"did you mean {guess!r}?" if guess else f"remove {name!r}"
                location, message = place_of(name), f"there is no option {name!r}"
                fix = argument_respelt(location, name, options)
                problems.append(Diagnostic(Code.UNKNOWN_OPTION, location, message, hint, fix=fix))
                if guess in model.model_fields:
                    meant.setdefault(guess, fields[name])
            else:
                problems.append(_invalid(name, fields.get(name), detail, place_of(name)))
    unsound = [
        name for name, one in details.items() if one["type"] != "extra_forbidden" and name not in _APART
    ]
    with suppress(ValidationError):
        return None if unsound else model.model_validate(meant)
    return None


def _invalid(name: str, value: object, detail: ErrorDetails, place: Location) -> Diagnostic:
    """Return what to say of an option whose value cannot be, of which pydantic tells one detail."""
    reason, hint = str(detail["msg"]).removeprefix("Value error, "), f"correct {name}="
    if detail["type"] in ("tuple_type", "list_type"):
        reason, hint = "it takes a list", f"write {name}=[{shown(value)}]"
    elif detail["type"] == "literal_error":
        known = re.findall(r"'(\w+)'", str(detail.get("ctx", {}).get("expected", "")))
        guess = did_you_mean(value, known) if isinstance(value, str) else None
        reason = f"there is no such {name}"
        hint = f"choose one of: {', '.join(known)}"
        hint = f'did you mean "{guess}"?' if guess else hint
    message = f"{name}={shown(value, 60)}: {reason[:1].lower()}{reason[1:]}"
    return Diagnostic(_CODES.get(name, Code.INVALID_OPTION), place, message, hint)


def _defaults(dag: DAG, options: DagOptions, problems: list[Diagnostic]) -> dict[str, object]:
    """Return the sound ones of the options for every task."""
    recorded = dag.options.get("default_args")
    every = recorded if isinstance(recorded, Mapping) else options.default_args
    given = {name: value for name, value in every.items() if name != "task_id"}
    place = partial(entry_of, keyword_of(dag.location, "default_args"))
    sound: dict[str, object] = {}
    for name, value in given.items():
        found: list[Diagnostic] = []
        validated(TaskOptions, {name: value}, place, found)
        problems += found
        if not found:
            sound[name] = value
    return sound


def _ids(dag: DAG, problems: list[Diagnostic]) -> dict[int, str]:
    """Return an id per node: its `task_id`, or the function's name with `-2`, `-3` … in order."""
    explicit: dict[str, Node] = {}
    for node in dag.nodes:
        if (task_id := node.task.options.get("task_id")) is not None:
            if not isinstance(task_id, str) or not task_id or not task_id.isprintable():
                message = f"task_id={shown(task_id)} is no text"
                place = node.task.place_of("task_id")
                problems.append(Diagnostic(Code.INVALID_OPTION, place, message, "give it a name"))
            elif (task_id := str.__str__(task_id)) in explicit:
                first = Related("the first one", explicit[task_id].location)
                message = f"the task_id {task_id!r} is taken"
                hint = "give each use of the function its own task_id"
                problems.append(Diagnostic(Code.DUPLICATE_TASK_ID, node.location, message, hint, (first,)))
            else:
                explicit[task_id] = node
    ids = {id(node): task_id for task_id, node in explicit.items()}
    taken = set(explicit)
    for node in dag.nodes:
        if id(node) in ids:
            continue
        name, count = node.task.__name__, 1
        if name == "<lambda>":
            name = "lambda"
        while (candidate := name if count == 1 else f"{name}-{count}") in taken:
            count += 1
        taken.add(candidate)
        ids[id(node)] = candidate
    return ids


def _options(defaults: Mapping[str, object], node: Node, problems: list[Diagnostic]) -> TaskOptions | None:
    given = {name: value for name, value in node.task.options.items() if name != "task_id"}
    chosen = validated(TaskOptions, {**defaults, **given}, node.task.place_of, problems)
    if chosen is None:
        return None
    idle = [name for name in given if name in _OF_RETRIES and getattr(chosen, name)]
    if idle and not chosen.retries and "retries" not in {**defaults, **given}:
        place = node.task.place_of(idle[0])
        message = f"{idle[0]} says how to retry, and there are no retries"
        problems.append(Diagnostic(Code.IDLE_OPTION, place, message, "add retries=, or remove it"))
    elif given.get("retry_exponential_backoff") and chosen.retry_delay is None:
        place = node.task.place_of("retry_exponential_backoff")
        message = "retry_exponential_backoff doubles retry_delay, and there is none"
        problems.append(Diagnostic(Code.IDLE_OPTION, place, message, 'add retry_delay="10s"'))
    return chosen


def _idle_output(node: Node, reading: Reading) -> Iterator[Diagnostic]:
    """A task that only writes into a folder names its files itself."""
    folders = reading.of(Role.OUT_DIR)
    if isinstance(node.task.options.get("output"), str) and folders and not reading.of(Role.OUT_FILE):
        folder = folders[0].name
        message = f"output= names a file, and {node.task.__name__} writes any number of them into {folder}"
        hint = f"remove it, or write output_file instead of {folder}"
        yield Diagnostic(Code.IDLE_OPTION, node.task.place_of("output"), message, hint)


def _reading(
    node: Node, readings: dict[tuple[int, str], Reading | None], problems: list[Diagnostic]
) -> Reading | None:
    """Return what a node's function reads, which is found out once; None, and a problem, if it cannot be."""
    task = node.task
    key = (id(task.fn), task.kind)
    if key not in readings:
        try:
            readings[key] = read(task.fn, task.kind, task.location)
        except Rejected as rejected:
            readings[key] = None
            problems += rejected.diagnostics
    return readings[key]


def _function(
    node: Node,
    node_id: str,
    reading: Reading,
    options: TaskOptions,
    shipped: dict[int, tuple[PythonSource | None, tuple[Diagnostic, ...]]],
    problems: list[Diagnostic],
) -> ExecutionFunction | None:
    kind, fn = node.task.kind, node.task.fn
    if reading.body is not None:
        return ExecutionFunction(name=node_id, command=reading.body, kind=kind, options=options)
    if id(fn) not in shipped:
        source, found = ship(fn)
        shipped[id(fn)] = (
            None
            if found
            else PythonSource(source=source.source, entry=source.function, modules=source.modules),
            found,
        )
        problems += found
    python, _ = shipped[id(fn)]
    if python is None:
        return None
    return ExecutionFunction(name=node_id, function=python, kind=kind, options=options)


def _is_mistaken(node: Node, before: Mapping[int, Iterable[tuple[Element, Location]]]) -> bool:
    """Whether a mistake is recorded in what the node is given, or in what stands before it."""
    seen: set[int] = set()
    pending: list[object] = [*node.arguments.values(), *node.expanded.values()]
    pending += [upstream for upstream, _ in before.get(id(node), ())]
    while pending:
        element = pending.pop()
        upstream = element.upstream if isinstance(element, Items) else None
        if isinstance(element, Mistaken) or isinstance(upstream, Mistaken):
            return True
        if isinstance(element, Source | Repartition) and id(element) not in seen:
            seen.add(id(element))
            pending += [other for other, _ in before.get(id(element), ())]
    return node.unsound


def _waited_for(
    node: Node,
    incoming: Iterable[tuple[Element, Location]],
    before: Mapping[int, Iterable[tuple[Element, Location]]],
) -> Iterator[tuple[object, Location]]:
    """Yield every node that `node` waits for, directly or through a source or a Repartition."""
    arguments = [*node.arguments.values(), *node.expanded.values()]
    pending = list(incoming)
    pending += [(value, node.location) for value in arguments if isinstance(value, Source)]
    while pending:
        element, location = pending.pop(0)
        if isinstance(element, Source | Repartition):
            pending += before.get(id(element), ())
            if isinstance(element, Items) and element.upstream is not None:
                yield element.upstream, location
        else:
            yield element, location
    conditions = [(operand, place) for condition, place in node.conditions for operand in operands(condition)]
    values = [(value, node.location) for value in arguments]
    for value, location in (*values, *conditions):
        if isinstance(value, Output | FileOf):
            yield value.node, location
        elif isinstance(value, Node):
            yield value, location
