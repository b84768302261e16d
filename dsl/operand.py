"""Stage 2: what stands for a value before there is one: an output, a condition, a parameter of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partialmethod
from typing import TYPE_CHECKING, Any, cast

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.encode import json_text, plain, shown
from dsl.location import Location
from dsl.names import did_you_mean
from dsl.spelling import ATTRIBUTE, respelt

if TYPE_CHECKING:
    from dsl.author import Chain, Node, Task


class Operand:
    """A value known only when the DAG runs; comparing it makes a condition, which `.when` takes."""

    def _compare(self, operator: str, other: object) -> Condition:
        if getattr(type(other), "__argosy_task__", False):
            other = cast("Task[..., Any]", other).bare(operator)
        elif getattr(type(other), "__argosy_chain__", False):
            other = cast("Chain", other).last_node(operator)
        with suppress(ValueError):  # what is no constant, or one that cannot be: `check_conditions` tells
            other = plain(other)
        return Condition(operator, (self, other), Location.of_caller())

    __eq__ = partialmethod(_compare, "==")  # type: ignore[assignment]  # it builds a condition
    __ne__ = partialmethod(_compare, "!=")  # type: ignore[assignment]  # it builds a condition
    __lt__ = partialmethod(_compare, "<")
    __le__ = partialmethod(_compare, "<=")
    __gt__ = partialmethod(_compare, ">")
    __ge__ = partialmethod(_compare, ">=")

    def __and__(self, other: object) -> Condition:
        return self._compare("and", other)

    def __or__(self, other: object) -> Condition:
        return self._compare("or", other)

    def __invert__(self) -> Condition:
        return Condition("not", (self,), Location.of_caller())

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        here = Location.of_caller()
        message = "an output has no truth value before the DAG runs"
        raise Rejected(
            Diagnostic(Code.CONDITION_AS_BOOL, here, message, "write & | ~ in place of and, or, not")
        )

    def __iter__(self) -> Any:  # noqa: ANN401 - it never returns
        here = Location.of_caller()
        message = "an output cannot be iterated before the DAG runs"
        raise Rejected(
            Diagnostic(Code.CONDITION_AS_BOOL, here, message, "pass it to f.expand(...) or Items(...)")
        )


@dataclass(frozen=True, slots=True, eq=False)
class Condition(Operand):
    """A comparison (`== != < <= > >=`) or `and`, `or`, `not` of operands."""

    operator: str
    operands: tuple[object, ...]
    location: Location

    def __bool__(self) -> bool:
        return Operand.__bool__(self)


@dataclass(frozen=True, slots=True, eq=False)
class ParamReference(Operand):
    """`dag.params.x`: a parameter of the run, with the default that its DAG gives it."""

    name: str
    default: object
    location: Location
    params: Params
    """The parameters of the DAG that has it."""


@dataclass(frozen=True, slots=True, eq=False)
class Output(Operand):
    """The value of a node, or a part of it: the keys and indexes that lead there."""

    node: Node
    path: tuple[str | int, ...]
    location: Location
    fallback: tuple[object, ...] = ()
    """The value to take where the node was skipped: one element, or none."""

    def __getitem__(self, key: str | int) -> Output:
        return self.node.part((*self.path, key), self.fallback)

    def default(self, value: object) -> Output:
        """Return this output with a value to take where its node did not succeed."""
        return self.node.defaulted(self.path, value)


@dataclass(frozen=True, slots=True, eq=False)
class FileOf:
    """`node.file("name")`: one of the files that a node writes."""

    node: Node
    name: str
    location: Location


def is_step(key: object) -> bool:
    """Whether a key or an index can lead to a part of a value when the DAG runs."""
    if isinstance(key, str):
        try:
            json_text(key)
        except ValueError:
            return False
        return True
    return isinstance(key, int) and not isinstance(key, bool) and abs(key) < 2**31


class Params:
    """`dag.params`: the parameters of a run by name, each of which has a default; none but they are seen."""

    def __init__(self, defaults: Mapping[str, object], report: Callable[[Diagnostic], None]) -> None:
        self.__defaults = defaults
        self.__report = report

    def __getattr__(self, name: str) -> ParamReference:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> ParamReference:
        here = Location.of_caller()
        if name not in [*self.__defaults]:
            known = ", ".join(self.__defaults) or "none"
            message = f"the DAG has no parameter {shown(name)}; it has: {known}"
            hint = f"add it: DAG(…, params={{{shown(name)}: …}})"
            fix = None
            if type(name) is str and (guess := did_you_mean(name, self.__defaults)):
                hint, fix = f"did you mean {guess!r}?", respelt(here, ATTRIBUTE, name, guess)
            self.__report(Diagnostic(Code.UNKNOWN_RUN_PARAMETER, here, message, hint, fix=fix))
            return ParamReference(str(name), None, here, self)
        return ParamReference(name, self.__defaults[name], here, self)
