"""Stage 2: decorators and `>>` in, a DAG of recorded facts out.

Nothing is decided here and nothing is raised that can be recorded: a mistake becomes a diagnostic of its DAG
and yields a stand-in. The open DAG is the one ambient value; outside one a decorated function is the plain
function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from functools import partialmethod, update_wrapper
from inspect import Parameter, signature
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from dsl.codes import Code
from dsl.construct import (
    asked_by_caller,
    elements_of,
    entry_of,
    is_idle_comparison,
    keyword_of,
    operands_of_caller,
    targets_of_caller,
)
from dsl.diagnostics import Diagnostic
from dsl.encode import plain, shown
from dsl.function import TaskOptions
from dsl.location import Location
from dsl.names import did_you_mean, is_argo_parameter
from dsl.operand import (
    Condition,
    FileOf,
    Operand,
    Output,
    ParamReference,
    Params,
    Textless,
    Unknown,
    idle_comparison,
    is_step,
    told_early,
)

P = ParamSpec("P")
R = TypeVar("R")

_open: ContextVar[DAG | None] = ContextVar("open DAG", default=None)
_opened: list[DAG] = []
_made: list[DAG] = []
_OF_A_TASK = ("partial", "override", "expand", "expand_zip", "expand_kwargs", "when", "default", "file", "fn")
strays: list[Diagnostic] = []
"""Mistakes that were made outside of every DAG, in order."""


def opened_dags() -> list[DAG]:
    """Return every DAG that was entered in this process, in order."""
    return list(_opened)


def made_dags() -> list[DAG]:
    """Return every DAG that was made in this process, entered or not, in order."""
    return list(_made)


class Named(Textless):
    """What has its name for a text outside every DAG, and none inside of one."""

    def _dag(self) -> DAG | None:
        return _open.get()

    def __format__(self, _: str) -> str:
        if self._dag() is None:
            return repr(self)
        message = f"a value of type {type(self).__name__} has no text of its own"
        hint = "write the text itself, or let a task put it together"
        self._recorded(Code.OUTPUT_IN_TEXT, message, hint)
        return ""


class Chainable:
    """What may stand in a chain: `>>` puts what follows after it, `<<` before it."""

    def __rshift__(self, after: object) -> Chain:
        left, right = operands_of_caller()
        return link(self, after, left, right)

    def __lshift__(self, before: object) -> Chain:
        left, right = operands_of_caller()
        return link(before, self, right, left)

    def __rrshift__(self, before: Sequence[object]) -> Chain:
        left, right = operands_of_caller()
        return link(before, self, left, right)

    def __rlshift__(self, after: Sequence[object]) -> Chain:
        left, right = operands_of_caller()
        return link(self, after, right, left)


class Element(Chainable):
    """A part of a chain that has no parts: a node, a source or a Repartition."""

    location: Location
    keyword = ""
    """The parameter that gets an item when this stands before `>>`."""


class Mistaken(Element, Operand):
    """What a recorded mistake yields: it takes part in everything, and what depends on it is left out."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def _dag(self) -> None:
        """Return nothing: what goes wrong with it was told."""

    def __getattr__(self, name: str) -> Mistaken:
        if name.startswith("_"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> Mistaken:
        """Return this."""
        return self

    def __getitem__(self, _: object) -> Mistaken:
        return self


def record(problem: Diagnostic) -> None:
    """Record a mistake with the open DAG, or outside of one with the file."""
    dag = _open.get()
    (strays if dag is None else dag.problems).append(problem)


def lacking(what: str, name: str, known: Sequence[str]) -> Mistaken:
    """Record that `what` has no attribute of a name. Raises AttributeError outside a DAG."""
    dag = _open.get()
    if name.startswith("_") or dag is None:
        raise AttributeError(f"{what} has no attribute {name!r}")
    here, guess = Location.of_caller(), did_you_mean(name, known)
    hint = f"did you mean .{guess}?" if guess else f"it has: {', '.join(known)}"
    dag.problems.append(Diagnostic(Code.UNKNOWN_ATTRIBUTE, here, f"{what} has no .{name}", hint))
    return Mistaken(here)


@dataclass(frozen=True, slots=True)
class Link:
    """One `>>` between two elements."""

    upstream: Element
    downstream: Element
    location: Location


@dataclass(frozen=True, slots=True, eq=False)
class Chain(Chainable, Unknown):
    """The result of `>>`: where it starts, where it ends, and all elements in it.

    As a value it is the node that it ends in.
    """

    __argosy_chain__ = True
    heads: tuple[Element, ...]
    tails: tuple[Element, ...]
    elements: tuple[Element, ...]

    def when(self, condition: object) -> Chain:
        """Run the nodes of this chain only if the condition holds; a node that does not run is Skipped."""
        for element in self.elements:
            if isinstance(element, Node):
                element.when(condition)
        return self

    def last_node(self, what: str) -> Node | Mistaken:
        """Return the node whose value this chain has, where `what` is written."""
        if len(self.tails) == 1 and isinstance(self.tails[0], Node | Mistaken):
            return self.tails[0]
        here, dag = Location.of_caller(), current_dag(what)
        if not any(isinstance(tail, Mistaken) for tail in self.tails):
            message = f"{what} asks for the value of a chain that does not end in one node"
            hint = "take the value of one of its nodes"
            dag.problems.append(Diagnostic(Code.NO_VALUE, here, message, hint))
        return Mistaken(here)

    def _dag(self) -> DAG | None:
        if any(isinstance(tail, Mistaken) for tail in self.tails):
            return None
        return next((element.dag for element in self.elements if isinstance(element, Node)), _open.get())

    def __getattr__(self, name: str) -> Mistaken:
        return lacking("a chain", name, ("when", "default", "file"))

    def __getitem__(self, key: str | int) -> Output | Mistaken:
        return self.last_node("[...]")[key]

    def default(self, value: object) -> Output | Mistaken:
        """Return the value of the node that this chain ends in, or `value` where it did not succeed."""
        return self.last_node("default").default(value)

    def file(self, name: str) -> FileOf | Mistaken:
        """Return one of the files that the node writes that this chain ends in."""
        return self.last_node("file").file(name)

    def _compare(self, operator: str, other: object) -> Condition:
        return self.last_node(operator)._compare(operator, other)

    __eq__ = partialmethod(_compare, "==")  # type: ignore[assignment]  # it builds a condition
    __ne__ = partialmethod(_compare, "!=")  # type: ignore[assignment]  # it builds a condition
    __hash__ = object.__hash__
    __lt__ = partialmethod(_compare, "<")
    __le__ = partialmethod(_compare, "<=")
    __gt__ = partialmethod(_compare, ">")
    __ge__ = partialmethod(_compare, ">=")
    __and__ = partialmethod(_compare, "and")
    __or__ = partialmethod(_compare, "or")

    def __invert__(self) -> Condition:
        return ~self.last_node("~")


class Node(Element, Operand):
    """The use of an execution function in a DAG."""

    def __init__(self, dag: DAG, task: Task[..., Any], location: Location) -> None:
        self.dag = dag
        self.task = task
        self.location = location
        self.bare = False
        self.unsound = False
        """Whether a mistake with it is recorded: it is left out, and what depends on it."""
        self.arguments: dict[str, object] = _meant(dag, task.arguments)
        self.expanded: dict[str, object] = {}
        self.zipped: Literal["", "zip", "rows"] = ""
        self.conditions: list[tuple[object, Location]] = []
        dag.nodes.append(self)

    def _dag(self) -> DAG:
        return self.dag

    def __repr__(self) -> str:
        return f"the node {self.task.__name__}"

    def __getattr__(self, name: str) -> Mistaken:
        return lacking("a node", name, ("when", "default", "file"))

    def when(self, condition: object) -> Node:
        """Run this node only if the condition holds; a node that does not run is Skipped, as in Argo."""
        here = Location.of_caller()
        meant = _meant(self.dag, {"condition": condition})["condition"]
        if isinstance(meant, Mistaken):
            self.unsound = True
            return self
        if not isinstance(meant, Operand) or any(isinstance(o, FileOf) for o in _operands(meant)):
            what = "a file" if isinstance(meant, Operand | FileOf) else shown(condition)
            hint = "compare the value of a task, as in .when(out > 3)"
            if isinstance(meant, bool):
                hint = "compare the value of a task with == or <, as in .when(out == None), not with is or in"
            found = Diagnostic(Code.CONDITION_VALUE, here, f"{what} is no condition", hint)
            self.dag.problems.append(found)
            self.unsound = True
            return self
        self.conditions.append((meant, here))
        return self

    def __getitem__(self, key: str | int) -> Output:
        return self.part((key,), ())

    def part(self, path: tuple[str | int, ...], fallback: tuple[object, ...]) -> Output:
        """Return what a path, whose last step is new, leads to in this node's value."""
        here = Location.of_caller()
        if not is_step(path[-1]):
            message = f"{shown(path[-1])} is no key of a value"
            hint = 'write out["key"] or out[0], or let a task pick'
            self.dag.problems.append(Diagnostic(Code.NOT_JSON, here, message, hint))
            path = path[:-1]
        return Output(self, path, here, fallback)

    def default(self, value: object) -> Output:
        """Return this node's value, or `value` where the node did not succeed."""
        return self.defaulted((), value)

    def defaulted(self, path: tuple[str | int, ...], value: object) -> Output:
        """Return what a path leads to in this node's value, or `value` where the node did not succeed."""
        here = Location.of_caller()
        try:
            return Output(self, path, here, (plain(value),))
        except ValueError as error:
            message = f"the default {shown(value)} is no JSON value: {error}"
            hint = "use text, numbers, booleans, None, and lists and dicts of them"
            self.dag.problems.append(Diagnostic(Code.NOT_JSON, here, message, hint))
            return Output(self, path, here, (None,))

    def file(self, name: str) -> FileOf:
        """Return one of several files that this node writes, for an `InFile` parameter."""
        return FileOf(self, name, Location.of_caller())


class Task(Chainable, Named, Generic[P, R]):
    """A decorated function. In a DAG each call is a node; bare in a chain it is one node per DAG."""

    __argosy_task__ = True
    __wrapped__: Callable[P, R]
    __name__: str

    def __init__(
        self,
        fn: Callable[P, R],
        kind: str,
        options: Mapping[str, object],
        arguments: Mapping[str, object],
        location: Location,
        places: Mapping[str, Location] | None = None,
    ) -> None:
        update_wrapper(self, fn)
        self.fn = fn
        self.kind = kind
        self.options = dict(options)
        self.arguments = dict(arguments)
        self.location = location
        self.places = dict.fromkeys(options, location) if places is None else dict(places)
        """The call that gave each option."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a node here, a result elsewhere
        """Return a node of the open DAG, or outside a DAG what the function returns."""
        dag = _open.get()
        if dag is None:
            return self.fn(*args, **kwargs)
        here = Location.of_caller()
        node = Node(dag, self, here)
        node.arguments |= _meant(dag, self._named(dag, args, kwargs, here))
        return node

    def __repr__(self) -> str:
        return f"the task {self.__name__}"

    def partial(self, *unnamed: object, **arguments: object) -> Task[P, R]:
        """Return this task with some arguments fixed: the same value for every item."""
        given = {**self.arguments, **self._all_named("partial", unnamed, arguments)}
        return Task(self.fn, self.kind, self.options, given, self.location, self.places)

    def override(self, **options: object) -> Task[P, R]:
        """Return this task with other options."""
        places = {**self.places, **dict.fromkeys(options, Location.of_caller())}
        merged = {**self.options, **options}
        return Task(self.fn, self.kind, merged, self.arguments, self.location, places)

    def __getattr__(self, name: str) -> Mistaken:
        return lacking("a task", name, _OF_A_TASK)

    def __setattr__(self, name: str, value: object) -> None:
        if name == "task_id" or name in TaskOptions.model_fields:
            message = f"assigning .{name} sets no option of the task"
            hint = f"write {self.__name__}.override({name}={shown(value)})"
            record(Diagnostic(Code.UNKNOWN_ATTRIBUTE, Location.of_caller(), message, hint))
        super().__setattr__(name, value)

    def place_of(self, option: str) -> Location:
        """Return where an option was given, or the decorator."""
        return keyword_of(self.places.get(option, self.location), option)

    def expand(self, *unnamed: object, **arguments: object) -> Node:
        """Return a node that runs once per item: the cross product of the arguments, the last fastest."""
        return self._expanded(self._all_named("expand", unnamed, arguments))

    def expand_zip(self, *unnamed: object, **arguments: object) -> Node:
        """Return a node that runs once per position of the arguments, which must be equally long."""
        return self._expanded(self._all_named("expand_zip", unnamed, arguments), "zip")

    def expand_kwargs(self, rows: Iterable[Mapping[str, object]]) -> Node:
        """Return a node that runs once per row, whose entries are its arguments; rows have the same keys."""
        dag, here, given = current_dag("expand_kwargs"), Location.of_caller(), rows
        rows, problems = [] if isinstance(rows, Mistaken) else list(rows), dag.problems
        if isinstance(given, Operand | Task):
            rows = []
        if wrong := [row for row in rows if not _is_row(row)]:
            message = f"{shown(wrong[0])} is no row, a dict whose keys are names of parameters"
            problems.append(Diagnostic(Code.UNKNOWN_ARGUMENT, here, message, 'write {"parameter": value}'))
            rows = []
        names = list(rows[0]) if rows else []
        if odd := next((row for row in rows if set(row) != set(names)), None):
            message = f"a row has the keys {', '.join(odd) or 'none'}, the first one {', '.join(names)}"
            problems.append(Diagnostic(Code.UNEQUAL_ZIP, here, message, "give every row the same keys"))
            rows = []
        columns = {name: [row[name] for row in rows] for name in names}
        node = self._expanded(columns, "rows")
        node.unsound = bool(wrong or odd or isinstance(given, Operand | Task))
        return node

    def node_in(self, dag: DAG, place: Location | None = None) -> Node:
        """Return the one node that this task is bare in a DAG; `place` is where it first stands."""
        if id(self) not in dag.bare:
            node = Node(dag, self, place or Location.of_caller())
            node.bare = True
            dag.bare[id(self)] = node
        return dag.bare[id(self)]

    def when(self, condition: object) -> Node:
        """Condition the one node that this task is when it stands bare in the open DAG."""
        return self.bare("when").when(condition)

    def __getitem__(self, key: str | int) -> Output:
        return self.bare("[...]")[key]

    def __iter__(self) -> Iterator[Mistaken]:  # else Python counts `task[0], task[1], …` without an end
        self._told_early()
        return iter((Mistaken(Location.of_caller()),) * targets_of_caller())

    def __contains__(self, _: object) -> bool:
        return self._told_early()

    def __bool__(self) -> bool:
        message = f"{self!r} has no truth value before the DAG runs"
        hint = "write [a, b] in a chain for both tasks, and .when(…) for a condition"
        dag = _open.get()
        return dag is None or told_early(dag, Code.CONDITION_AS_BOOL, message, hint, asked_by_caller())

    def _told_early(self) -> bool:
        """Record that this is iterated or searched. Raises TypeError outside a DAG."""
        dag = _open.get()
        if dag is None:
            raise TypeError(f"{self!r} is not iterable")
        message = f"{self!r} cannot be iterated or searched before the DAG runs"
        hint = "chain the task itself, or let another task look at what it returns"
        return told_early(dag, Code.OUTPUT_ITERATED, message, hint, asked_by_caller())

    def default(self, value: object) -> Output:
        """Return the value of the node that this task is bare, or `value` where it did not succeed."""
        return self.bare("default").default(value)

    def file(self, name: str) -> FileOf:
        """Return one of the files that the node writes that this task is bare."""
        return self.bare("file").file(name)

    def bare(self, what: str) -> Node:
        """Return the one node that this task is bare in the open DAG, where `what` is written."""
        return self.node_in(current_dag(what))

    def _compare(self, operator: str, other: object) -> Condition | Mistaken:
        if is_idle_comparison():
            record(idle_comparison(operator))
            return Mistaken(Location.of_caller())
        return self.bare(operator)._compare(operator, other)

    def __eq__(self, other: object) -> Any:  # noqa: ANN401 - a condition in a DAG, else whether it is the same
        return self is other if _open.get() is None else self._compare("==", other)

    def __ne__(self, other: object) -> Any:  # noqa: ANN401 - as above
        return self is not other if _open.get() is None else self._compare("!=", other)

    __hash__ = object.__hash__
    __lt__ = partialmethod(_compare, "<")
    __le__ = partialmethod(_compare, "<=")
    __gt__ = partialmethod(_compare, ">")
    __ge__ = partialmethod(_compare, ">=")

    def _bound(self, operator: str, other: object) -> Condition | Mistaken:
        return (
            self._compare(operator, other)
            if is_idle_comparison()
            else self.bare(operator)._bound(operator, other)
        )

    __and__ = partialmethod(_compare, "and")
    __or__ = partialmethod(_compare, "or")
    __rand__ = partialmethod(_bound, "and")
    __ror__ = partialmethod(_bound, "or")

    def _computed(self, _: object) -> Mistaken:
        message = f"{self!r} cannot be computed with before the DAG runs"
        hint = "write [a, b] in a chain for both tasks, or let a task compute with what they return"
        dag, here = current_dag("arithmetic"), Location.of_caller()
        told_early(dag, Code.OUTPUT_COMPUTED, message, hint, here)
        return Mistaken(here)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __mod__ = _computed

    def _expanded(self, arguments: Mapping[str, object], zipped: Literal["", "zip", "rows"] = "") -> Node:
        dag = current_dag("expand")
        node = Node(dag, self, Location.of_caller())
        node.expanded = _meant(dag, arguments)
        node.zipped = zipped
        first = next(iter(node.expanded), "")
        source = node.expanded.get(first)
        if isinstance(source, Element) and first == source.keyword:  # the same as `source >> f.expand(…)`
            dag.links.append(Link(source, node, node.location))
            del node.expanded[first]
        return node

    def _all_named(
        self, method: str, unnamed: Sequence[object], arguments: Mapping[str, object]
    ) -> dict[str, object]:
        """Return arguments by name; those without a name are recorded, and get that of their position."""
        names = [name for name in signature(self.fn).parameters if name not in arguments]
        if unnamed:
            message = f"{method} takes its arguments by name, and {shown(unnamed[0])} has none"
            hint = f"write .{method}({names[0] if names else 'name'}=…)"
            record(Diagnostic(Code.UNKNOWN_ARGUMENT, Location.of_caller(), message, hint))
        return {**dict(zip(names, unnamed, strict=False)), **arguments}

    def _named(
        self, dag: DAG, args: Sequence[object], kwargs: Mapping[str, object], here: Location
    ) -> dict[str, object]:
        positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        names = [name for name, p in signature(self.fn).parameters.items() if p.kind in positional]
        if len(args) > len(names):
            message = f"{self.__name__} takes {len(names)} positional arguments, {len(args)} are given"
            dag.problems.append(Diagnostic(Code.UNKNOWN_ARGUMENT, here, message, "remove the extra ones"))
        given = dict(zip(names, args, strict=False))
        for name in given.keys() & kwargs.keys():
            message = f"{self.__name__} gets {name} twice, by its position and by its name"
            dag.problems.append(Diagnostic(Code.UNKNOWN_ARGUMENT, here, message, "remove one of them"))
        return given | dict(kwargs)


@dataclass(eq=False)
class DAG(Named):
    """Functions and how they wait for one another. Use it as a context manager and chain tasks inside.

    Args:
        name: what a run is called; Kubernetes names are made from it.
        params: parameters of a run with their defaults; `dag.params.x` is an argument.
        default_args: options for every task that does not set them itself.
        parallelism: how many pods run at once.
        storage: `Artifacts()` (the default) or `Volume("claim")`.
        lowering: `"explicit"` or `"compact"` forces one form of the manifest.
    """

    name: str
    params: Params
    defaults: dict[str, object]
    """The parameters of a run and their values unless a run sets them."""
    options: dict[str, object]
    location: Location
    nodes: list[Node] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    bare: dict[int, Node] = field(default_factory=dict)
    used_params: set[str] = field(default_factory=set)
    _token: Token[DAG | None] | None = None

    def __init__(
        self, name: str = "", *, params: Mapping[str, object] | None = None, **options: object
    ) -> None:
        self.location = Location.of_caller()
        self.options = options
        self.nodes, self.links, self.problems, self.bare, self.used_params = [], [], [], {}, set()
        self.name = self._plain_name(name)
        self.defaults = self._sound_parameters({} if params is None else params)
        self.params = Params(self)
        _made.append(self)

    def __getattr__(self, name: str) -> Mistaken:
        return lacking("a DAG", name, ("params", "name"))

    def _plain_name(self, name: object) -> str:
        """Return a name as plain text, or record a problem and return one that stands in for it."""
        try:
            if isinstance(name, str) and any(character.isalnum() for character in name):
                return str(plain(name))
        except ValueError:
            pass
        message = f"{shown(name)} has no letter or digit to name a run by"
        self.problems.append(Diagnostic(Code.INVALID_NAME, self.location, message, 'write DAG("a-name")'))
        return "dag"

    def _sound_parameters(self, given: object) -> dict[str, object]:
        """Return parameters with plain values; a problem is recorded for each that Argo cannot hold."""
        found: dict[str, object] = {}
        if not isinstance(given, Mapping):
            message = f"params={shown(given)} is no dict of parameters and their defaults"
            place, hint = keyword_of(self.location, "params"), 'write params={"name": default}'
            self.problems.append(Diagnostic(Code.INVALID_OPTION, place, message, hint))
            names = [one for one in given if isinstance(one, str)] if isinstance(given, list | tuple) else []
            self.used_params |= {*names}
            return dict.fromkeys(names)
        for name, default in given.items():
            place = entry_of(keyword_of(self.location, "params"), name)
            if not (isinstance(name, str) and is_argo_parameter(name)):
                message = f"the parameter {shown(name)} has other characters than a-z, A-Z, 0-9, - and _"
                self.problems.append(Diagnostic(Code.INVALID_NAME, place, message, "rename it"))
                continue
            found[name] = None
            try:
                found[name] = plain(default)
                if isinstance(default, str) and "\0" in default:
                    raise ValueError("it holds a NUL character, which no environment variable can")
            except ValueError as error:
                code = Code.UNSAFE_STRING if isinstance(default, str) else Code.NOT_JSON
                message = f"the default of the parameter {name} is no JSON value: {error}"
                hint = "use text, numbers, booleans, None, and lists and dicts of them"
                self.problems.append(Diagnostic(code, place, message, hint))
                self.used_params.add(name)
        return found

    def __enter__(self) -> DAG:
        self._token = _open.set(self)
        if self not in _opened:
            _opened.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _open.reset(self._token)


def _meant(dag: DAG, arguments: Mapping[str, object]) -> dict[str, object]:
    """Return arguments with each task and chain replaced by the node it means as a value.

    A node of another DAG is recorded as a problem, and Mistaken stands in for it.
    """

    def meant(value: object) -> object:
        if isinstance(value, Chain) and len(value.tails) == 1:
            value = value.tails[0]
        if isinstance(value, Task):
            value = value.node_in(dag)
        strange = [found for operand in _operands(value) if (found := _stranger(dag, operand))]
        dag.problems += strange
        return Mistaken(Location.of_caller()) if strange or any(map(_is_lost, _operands(value))) else value

    return {name: meant(value) for name, value in arguments.items()}


def _operands(value: object) -> Iterator[object]:
    """Yield what an argument or a condition is made of."""
    if isinstance(value, Condition) and value.operands:
        for operand in value.operands:
            yield from _operands(operand)
    else:
        yield value


def _stranger(dag: DAG, operand: object) -> Diagnostic | None:
    """Return what to say of a node or a parameter of another DAG, nothing of one that was told already."""
    if _is_lost(operand):
        return None
    if isinstance(operand, ParamReference) and operand.params is not dag.params:
        message = f"{operand.name} is a parameter of another DAG"
        hint = f"give this one a parameter too: DAG(…, params={{{operand.name!r}: …}})"
        return Diagnostic(Code.UNKNOWN_RUN_PARAMETER, Location.of_caller(), message, hint)
    node = operand.node if isinstance(operand, Output | FileOf) else operand
    if isinstance(node, Node) and node.dag is not dag:
        return foreign(node, Location.of_caller())
    return None


def _is_lost(operand: object) -> bool:
    """Whether an operand comes of a mistake that is recorded already."""
    if isinstance(operand, ParamReference):
        return operand.name not in operand.params
    node = operand.node if isinstance(operand, Output | FileOf) else operand
    return isinstance(node, Mistaken | Condition) or (isinstance(node, Node) and node.dag is _nowhere)


def _is_row(row: object) -> bool:
    return isinstance(row, Mapping) and all(isinstance(name, str) for name in row)


def foreign(node: Node, place: Location) -> Diagnostic:
    """Return what to say of a node of another DAG that is used at a place."""
    name = node.task.__name__
    message = f"{name} is a node of the DAG {node.dag.name!r}"
    return Diagnostic(Code.FOREIGN_NODE, place, message, f"use the function {name} itself here")


def current_dag(what: str) -> DAG:
    """Return the open DAG; outside of one, where that is recorded once a line, one that nobody looks at."""
    dag, here = _open.get(), Location.of_caller()
    if dag is not None:
        return dag
    if not any(known.location.line == here.line for known in strays if known.code is Code.NO_OPEN_DAG):
        hint = 'write it inside `with DAG("name"):`'
        strays.append(Diagnostic(Code.NO_OPEN_DAG, here, f"{what} is used outside a DAG", hint))
    return _nowhere


def link(before: object, after: object, upper: Location, lower: Location) -> Chain:
    """Return the chain of two operands; `upper` and `lower` are where they stand."""
    dag, here = current_dag(">>"), Location.of_caller()
    upstream = side_by_side(parts(dag, before, upper))
    downstream = side_by_side(parts(dag, after, lower))
    join(dag, upstream, downstream, here if here.end_column else lower)
    return Chain(
        upstream.heads or downstream.heads,
        downstream.tails or upstream.tails,
        unique((*upstream.elements, *downstream.elements)),
    )


def join(dag: DAG, upstream: Chain, downstream: Chain, here: Location) -> None:
    """Record that every head of one chain waits for every tail of another."""
    dag.links += [Link(tail, head, here) for tail in upstream.tails for head in downstream.heads]


def parts(dag: DAG, value: object, here: Location) -> tuple[Chain, ...]:
    """Return what a chain's operand, which stands `here`, is made of: one chain per element of a list."""
    if isinstance(value, Task):
        value = value.node_in(dag, here)
    if isinstance(value, Element):
        value = Chain((value,), (value,), (value,))
    if isinstance(value, Chain):
        strangers = [e for e in value.elements if isinstance(e, Node) and e.dag is not dag]
        dag.problems += [foreign(node, here) for node in strangers if node.dag is not _nowhere]
        return _mistaken(here) if strangers else (value,)
    if isinstance(value, list | tuple):
        places = elements_of(here, len(value))
        return tuple(
            part for element, place in zip(value, places, strict=True) for part in parts(dag, element, place)
        )
    name = getattr(value, "__qualname__", None) or shown(value)
    message = f"{name} of type {type(value).__name__} cannot stand in a chain"
    hint = "chain tasks, sources and lists of them"
    if callable(value):
        method = isinstance(getattr(value, "__self__", None), Chainable)
        hint = "call it: add its parentheses" if method else "decorate it with @task or @task.shell"
    elif isinstance(value, str):
        files = f"Files({shown(value)})"
        hint = f"write {value} without quotes, or {files}" if value.isidentifier() else f"write {files}"
    elif isinstance(value, DAG):
        message = f"the DAG {value.name!r} cannot stand in a chain"
        hint = "chain the tasks of one DAG: a DAG cannot wait"
    dag.problems.append(Diagnostic(Code.NOT_A_NODE, here, message, hint))
    return _mistaken(here)


def _mistaken(here: Location) -> tuple[Chain, ...]:
    lost = (Mistaken(here),)
    return (Chain(lost, lost, lost),)


def side_by_side(chains: Iterable[Chain]) -> Chain:
    """Return chains that do not wait for one another as one."""
    chains = tuple(chains)
    return Chain(
        unique(head for one in chains for head in one.heads),
        unique(tail for one in chains for tail in one.tails),
        unique(element for one in chains for element in one.elements),
    )


def unique(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Return each element once, in order."""
    return tuple({id(element): element for element in elements}.values())


_nowhere = DAG("nowhere")
_made.clear()
