"""Stage 2: what stands for a value before there is one: an output, a condition, a parameter of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partialmethod
from typing import TYPE_CHECKING, Any, cast

from dsl.codes import Code
from dsl.construct import asked_by_caller, is_idle_comparison, is_printing, targets_of_caller
from dsl.diagnostics import Diagnostic
from dsl.encode import json_text, plain, shown
from dsl.location import Location
from dsl.names import did_you_mean
from dsl.spelling import ATTRIBUTE, respelt

if TYPE_CHECKING:
    from dsl.author import DAG, Chain, Node, Task

_EARLY = (Code.CONDITION_AS_BOOL, Code.OUTPUT_ITERATED, Code.OUTPUT_IN_TEXT, Code.OUTPUT_COMPUTED)
"""Uses of a value before there is one. At one place the first of them is told: `list(out)` counts, too."""
_SHORTEST_MEANT = 3
"""Letters of a parameter's name that a misspelt one certainly means: `nn` may be another than `n`."""
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def idle_comparison(operator: str) -> Diagnostic:
    """Return what to say of a statement of the author that only makes a condition, and runs now."""
    what = "compares tasks" if operator in _COMPARISONS else "makes a condition"
    message = f"this {what}, and chains nothing"
    hint = "write >> between tasks; a comparison is a condition for .when(…)"
    if operator not in _COMPARISONS:
        hint = "write >> between tasks, [a, b] for two side by side, and a condition in .when(…)"
    return Diagnostic(Code.COMPARED_IN_CHAIN, Location.of_caller(), message, hint)


def told_early(dag: DAG | None, code: Code, message: str, hint: str, place: Location) -> bool:
    """Record a use of a value before there is one; return whether it is the first time there."""
    if dag is None or any(known.location == place and known.code in _EARLY for known in dag.problems):
        return False
    dag.problems.append(Diagnostic(code, place, message, hint))
    return True


class Textless:
    """What has no text before the DAG runs: putting it into text is recorded, and yields none."""

    def _dag(self) -> DAG | None:
        """Return the DAG where mistakes with it are recorded."""
        raise NotImplementedError

    def _recorded(self, code: Code, message: str, hint: str, place: Location | None = None) -> bool:
        """Record a mistake at the author's line; return whether it is the first time there."""
        return told_early(self._dag(), code, message, hint, place or Location.of_caller())

    def __format__(self, _: str) -> str:
        message = "the text of an output is not known before the DAG runs"
        hint = "pass the output as an argument of its own, and put the text together in the task"
        self._recorded(Code.OUTPUT_IN_TEXT, message, hint)
        return ""

    def __str__(self) -> str:
        return repr(self) if is_printing() else format(self)


class Unknown(Textless):
    """What is known only when the DAG runs: each use of it as a value that Python has is recorded."""

    def __bool__(self) -> bool:
        message = "an output has no truth value before the DAG runs"
        hint = "write .when(…) for a task that depends on it, and & | ~ in place of and, or, not"
        # True once at a place, then False: what comes after `if` is recorded too, and `while` ends.
        return self._recorded(Code.CONDITION_AS_BOOL, message, hint, asked_by_caller())

    def __iter__(self) -> Iterator[Any]:
        message = "an output cannot be iterated before the DAG runs"
        hint = "pass it to f.expand(…) or Items(…), or take out[0]"
        self._recorded(Code.OUTPUT_ITERATED, message, hint, asked_by_caller())
        return iter((self,) * targets_of_caller())

    def __contains__(self, _: object) -> bool:
        message = "what an output holds is not known before the DAG runs"
        return self._recorded(Code.OUTPUT_ITERATED, message, "let a task look, and return what it found")

    def _computed(self, *_: object) -> Any:  # noqa: ANN401 - it stands in for a value of any type
        message = "an output cannot be computed with before the DAG runs"
        self._recorded(
            Code.OUTPUT_COMPUTED, message, "pass it to a task that computes, and use what it returns"
        )
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _computed
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = _computed
    __neg__ = __pos__ = __abs__ = __round__ = __xor__ = __matmul__ = _computed

    def _counted(self) -> int:
        self._computed()
        return 1

    __len__ = __int__ = __index__ = _counted

    def __float__(self) -> float:
        return float(self._counted())


class Operand(Unknown):
    """A value known only when the DAG runs; comparing it makes a condition, which `.when` takes."""

    def _compare(self, operator: str, other: object) -> Condition:
        if is_idle_comparison() and (dag := self._dag()):
            dag.problems.append(idle_comparison(operator))
            return Condition(operator, (self,), Location.of_caller())
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

    def _bound(self, operator: str, other: object) -> Condition:
        """Return `other & self`. A constant there is recorded: Python reads `a == 1 & b == 2` so."""
        is_task = getattr(type(other), "__argosy_task__", False)
        if is_task or getattr(type(other), "__argosy_chain__", False):
            return self._compare(operator, other)
        here, symbol = Location.of_caller(), "&" if operator == "and" else "|"
        if dag := self._dag():
            message = f"{shown(other)} is no condition, and {symbol} binds tighter than a comparison"
            hint = f"put parentheses around comparisons: (out == 1) {symbol} (out == 2)"
            dag.problems.append(Diagnostic(Code.CONDITION_VALUE, here, message, hint))
        return Condition(operator, (), here)

    __rand__ = partialmethod(_bound, "and")
    __ror__ = partialmethod(_bound, "or")

    def __invert__(self) -> Condition:
        return Condition("not", (self,), Location.of_caller())

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True, eq=False)
class Condition(Operand):
    """A comparison (`== != < <= > >=`) or `and`, `or`, `not` of operands.

    One without operands stands in for a mistake that is recorded already.
    """

    operator: str
    operands: tuple[object, ...]
    location: Location

    def _dag(self) -> DAG | None:
        known = [operand._dag() for operand in self.operands if isinstance(operand, Operand)]
        return None if None in known else next(iter(known), None)


@dataclass(frozen=True, slots=True, eq=False)
class ParamReference(Operand):
    """`dag.params.x`: a parameter of the run, with the default that its DAG gives it."""

    name: str
    default: object
    location: Location
    params: Params
    """The parameters of the DAG that has it."""

    def _dag(self) -> DAG:
        return self.params._dag


@dataclass(frozen=True, slots=True, eq=False)
class Output(Operand):
    """The value of a node, or a part of it: the keys and indexes that lead there."""

    node: Node
    path: tuple[str | int, ...]
    location: Location
    fallback: tuple[object, ...] = ()
    """The value to take where the node was skipped: one element, or none."""

    def _dag(self) -> DAG:
        return self.node.dag

    def __getitem__(self, key: str | int) -> Output:
        return self.node.part((*self.path, key), self.fallback)

    def default(self, value: object) -> Output:
        """Return this output with a value to take where its node did not succeed."""
        return self.node.defaulted(self.path, value)


@dataclass(frozen=True, slots=True, eq=False)
class FileOf(Textless):
    """`node.file("name")`: one of the files that a node writes."""

    node: Node
    name: str
    location: Location

    def _dag(self) -> DAG:
        return self.node.dag


def is_step(key: object) -> bool:
    """Whether a key or an index can lead to a part of a value when the DAG runs."""
    if isinstance(key, str):
        try:
            json_text(key)
        except ValueError:
            return False
        return True
    return isinstance(key, int) and not isinstance(key, bool) and abs(key) < 2**31


def option_of_run(name: str, place: Location) -> Diagnostic:
    """Return what to say of an option that is a value of the run."""
    message = f"{name}= is known only when the DAG runs, and options are constants"
    return Diagnostic(Code.OPTION_OF_RUN, place, message, f"write a constant: {name}=…")


class Params:
    """`dag.params`: the parameters of a run by name, each of which has a default; none but they are seen."""

    def __init__(self, dag: DAG) -> None:
        self._dag = dag

    def __getattr__(self, name: str) -> ParamReference:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._dag.defaults

    def __getitem__(self, name: str) -> ParamReference:
        here, dag = Location.of_caller(), self._dag
        if name in [*dag.defaults]:
            dag.used_params.add(name)
            return ParamReference(name, dag.defaults[name], here, self)
        guess = did_you_mean(str(name), dag.defaults)
        known = ", ".join(dag.defaults) or "none"
        message = f"the DAG has no parameter {shown(name)}; it has: {known}"
        hint = f"did you mean {guess!r}?" if guess else f"add it: DAG(…, params={{{shown(name)}: …}})"
        certain = guess if guess and len(guess) >= _SHORTEST_MEANT else None
        fix = respelt(here, ATTRIBUTE, str(name), certain)
        dag.problems.append(Diagnostic(Code.UNKNOWN_RUN_PARAMETER, here, message, hint, fix=fix))
        dag.used_params |= {guess} if guess else set()
        return ParamReference(str(name), None, here, self)
