"""Stage 2: what stands for a value before there is one: an output, a condition, a parameter of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partialmethod
from typing import TYPE_CHECKING, Any, cast

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.location import Location

if TYPE_CHECKING:
    from dsl.author import Node, Task


class Operand:
    """A value known only when the DAG runs; comparing it makes a condition, which `.when` takes."""

    def _compare(self, operator: str, other: object) -> Condition:
        if getattr(type(other), "__argosy_task__", False):
            other = cast("Task[..., Any]", other).bare(operator)
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


@dataclass(frozen=True, slots=True, eq=False)
class Output(Operand):
    """The value of a node, or a part of it: the keys and indexes that lead there."""

    node: Node
    path: tuple[str | int, ...]
    location: Location
    fallback: tuple[object, ...] = ()
    """The value to take where the node was skipped: one element, or none."""

    def __getitem__(self, key: str | int) -> Output:
        return Output(self.node, (*self.path, key), Location.of_caller(), self.fallback)

    def default(self, value: object) -> Output:
        """Return this output with a value to take where its node did not succeed."""
        return Output(self.node, self.path, self.location, (value,))


@dataclass(frozen=True, slots=True, eq=False)
class FileOf:
    """`node.file("name")`: one of the files that a node writes."""

    node: Node
    name: str
    location: Location


@dataclass(frozen=True, slots=True)
class Params:
    """`dag.params`: the parameters of a run by name."""

    defaults: Mapping[str, object]
    problems: list[Diagnostic]

    def __getattr__(self, name: str) -> ParamReference:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> ParamReference:
        here = Location.of_caller()
        if name not in self.defaults:
            known = ", ".join(self.defaults) or "none"
            message = f"the DAG has no parameter {name!r}; it has: {known}"
            self.problems.append(
                Diagnostic(
                    Code.UNKNOWN_RUN_PARAMETER, here, message, f"add it: DAG(…, params={{{name!r}: …}})"
                )
            )
        return ParamReference(name, self.defaults.get(name), here)
