"""An expr-lang expression in, its value out: parsed once per text, evaluated often as Python closures.

Values are None, bool, int, float, str, lists and mappings (never changed). Parsing is in `grammar`, functions
in `functions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from dsl.expr import gojson
from dsl.expr.functions import BUILTINS, SPRIG, kind_of
from dsl.expr.gojson import Value
from dsl.expr.grammar import SyntaxFault, Tree, fault, parse
from dsl.expr.references import required_paths

_CLOSURES = {
    "all", "any", "one", "none", "map", "filter", "find", "findIndex", "findLast", "findLastIndex", "count",
    "sum", "groupBy", "sortBy", "reduce",
}  # fmt: skip


class ExpressionError(ValueError):
    """The expression has no value; the message is expr's, or close to it."""


@dataclass(slots=True)
class _Frame:
    """What an expression can see: variables, and inside a closure the element it stands at."""

    variables: Mapping[str, Any]
    element: Any = None
    index: int = 0
    total: Any = None


Evaluate = Callable[[_Frame], Any]


class Uncompiled(ExpressionError):
    """The expression names a variable that is not there, or one of a type that its operator is not for."""


class _Nil(Exception):
    """`?.` met nil: the chain it stands in is nil as a whole."""


class Expression(NamedTuple):
    """A parsed expression.

    `roots` are the variables it names; `required` the dotted paths that must exist before Argo evaluates it,
    which leaves out what `??` and `?.` guard (util/template/expression_template.go, v4.1.2).
    """

    source: str
    roots: frozenset[str]
    required: tuple[str, ...]
    evaluate: Evaluate

    def value(self, variables: Mapping[str, Any]) -> Value:
        """Return the value. Raises ExpressionError."""
        unknown = [root for root in self.roots if root not in variables]
        if unknown:
            root = min(unknown)
            raise Uncompiled(fault(f"unknown name {root}", self.source, max(self.source.find(root), 0)))
        try:
            return self.evaluate(_Frame(variables))
        except (ExpressionError, RecursionError):
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as wrong:
            raise ExpressionError(fault(str(wrong) or type(wrong).__name__, self.source, 0)) from wrong

    def truth(self, variables: Mapping[str, Any]) -> bool:
        """Return the value of a condition. Raises ExpressionError, in Argo's words (argoexpr.EvalBool)."""
        try:
            value = self.value(variables)
        except Uncompiled:
            raise
        except ExpressionError as wrong:
            raise ExpressionError(f"unable to evaluate expression '{self.source}': {wrong}") from None
        if not isinstance(value, bool):
            raise ExpressionError(f"unable to cast expression result '{_as_text(value)}' to bool")
        return value


def _as_text(value: Value) -> str:
    """Return what Go prints of a value where it expects a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_as_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, Sequence):
        return f"[{' '.join(map(_as_text, value))}]"
    if value is None:
        return "%!s(<nil>)"
    kind = "float64" if isinstance(value, float) else kind_of(value)
    return f"%!s({kind}={gojson.dumps(value)})"


@lru_cache(maxsize=4096)
def compiled(source: str) -> Expression:
    """Return the expression of `source`. Raises SyntaxFault when it is none."""
    tree = parse(source)
    compiler = _Compiler(source)
    evaluate = compiler.compile(tree)
    return Expression(source, frozenset(compiler.roots), tuple(required_paths(tree)), evaluate)


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"interface conversion: interface {{}} is {kind_of(value)}, not bool")
    return value


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _contained(element: Value, container: Value) -> bool:
    if container is None:
        return False
    if isinstance(container, Mapping):
        return element in container
    return any(_same(element, other) for other in container)


_GO_TYPES = {
    "nil": "<nil>", "bool": "bool", "int": "int", "float": "float64", "string": "string",
    "array": "[]interface {}", "map": "map[string]interface {}",
}  # fmt: skip


def _is_typed(part: object, frame: _Frame) -> bool:
    """Whether expr knows the type of an operand before it evaluates: of literals and of whole variables."""
    assert isinstance(part, Tree)
    value = frame.variables.get(str(part.parts[0])) if part.kind == "name" else None
    return part.kind == "constant" or isinstance(value, (str, int, float))


class _Unfit(TypeError):
    """An operator cannot work on what stands beside it."""


def _number(value: Value) -> Value:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Unfit(f"invalid operation: {kind_of(value)} is not a number")
    return value


def _added(left: Value, right: Value) -> Value:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return _number(left) + _number(right)


def _compared(operator: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Value, right: Value) -> bool:
        if not (isinstance(left, str) and isinstance(right, str)):
            _number(left), _number(right)
        return operator(left, right)

    return compare


def _remainder(left: Value, right: Value) -> int:
    if not isinstance(left, int) or not isinstance(right, int):
        raise _Unfit("invalid operation: % is for whole numbers")
    return left - right * int(left / right)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _same, "!=": lambda a, b: not _same(a, b),
    "<": _compared(lambda a, b: a < b), ">": _compared(lambda a, b: a > b),
    "<=": _compared(lambda a, b: a <= b), ">=": _compared(lambda a, b: a >= b),
    "in": _contained, "matches": lambda a, b: re.search(b, a) is not None,
    "contains": lambda a, b: b in a, "startsWith": str.startswith, "endsWith": str.endswith,
    "..": lambda a, b: range(int(_number(a)), int(_number(b)) + 1),
    "+": _added, "-": lambda a, b: _number(a) - _number(b), "*": lambda a, b: _number(a) * _number(b),
    "/": lambda a, b: float(_number(a)) / _number(b), "%": _remainder,
    "**": lambda a, b: float(_number(a)) ** _number(b), "^": lambda a, b: float(_number(a)) ** _number(b),
}  # fmt: skip


class _Compiler:
    """Turns a syntax tree into nested closures and notes the variables it names."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.roots: set[str] = set()
        self.lets: list[str] = []

    def compile(self, tree: object) -> Evaluate:
        assert isinstance(tree, Tree)
        build: Callable[[Tree], Evaluate] = getattr(self, f"_{tree.kind}")
        return build(tree)

    def _constant(self, tree: Tree) -> Evaluate:
        value = tree.parts[0]
        return lambda frame: value

    def _name(self, tree: Tree) -> Evaluate:
        name = str(tree.parts[0])
        if name not in self.lets:
            self.roots.add(name)
        return lambda frame: frame.variables[name]

    def _let(self, tree: Tree) -> Evaluate:
        name, value, body = str(tree.parts[0]), self.compile(tree.parts[1]), tree.parts[2]
        self.lets.append(name)
        inner = self.compile(body)
        self.lets.pop()

        def evaluate(frame: _Frame) -> Value:
            known = {**_as_dict(frame.variables), name: value(frame)}
            return inner(_Frame(known, frame.element, frame.index, frame.total))

        return evaluate

    def _pointer(self, tree: Tree) -> Evaluate:
        if tree.parts[0] == "index":
            return lambda frame: frame.index
        if tree.parts[0] == "acc":
            return lambda frame: frame.total
        return lambda frame: frame.element

    def _list(self, tree: Tree) -> Evaluate:
        elements = [self.compile(element) for element in tree.parts]
        return lambda frame: [element(frame) for element in elements]

    def _map(self, tree: Tree) -> Evaluate:
        pairs = [(self.compile(key), self.compile(value)) for key, value in _pairs(tree)]
        return lambda frame: {str(key(frame)): value(frame) for key, value in pairs}

    def _if(self, tree: Tree) -> Evaluate:
        test, yes, no = map(self.compile, tree.parts)
        return lambda frame: yes(frame) if _truth(test(frame)) else no(frame)

    def _unary(self, tree: Tree) -> Evaluate:
        inner = self.compile(tree.parts[1])
        if tree.parts[0] in ("not", "!"):
            return lambda frame: not _truth(inner(frame))
        if tree.parts[0] == "-":
            return lambda frame: -_number(inner(frame))
        return lambda frame: _number(inner(frame))

    def _binary(self, tree: Tree) -> Evaluate:
        operator, left, right = str(tree.parts[0]), self.compile(tree.parts[1]), self.compile(tree.parts[2])
        if operator in ("&&", "and"):
            return lambda frame: _truth(left(frame)) and _truth(right(frame))
        if operator in ("||", "or"):
            return lambda frame: _truth(left(frame)) or _truth(right(frame))
        if operator == "??":
            return lambda frame: right(frame) if (value := left(frame)) is None else value
        apply, place = _OPERATORS[operator], tree.place

        def evaluate(frame: _Frame) -> Value:
            one, other = left(frame), right(frame)
            try:
                return apply(one, other)
            except _Unfit:
                raise self._unfit(tree, one, other, frame) from None
            except (TypeError, ArithmeticError, re.error) as wrong:
                raise ExpressionError(fault(str(wrong), self.source, place)) from wrong

        return evaluate

    def _unfit(self, tree: Tree, left: Value, right: Value, frame: _Frame) -> ExpressionError:
        """Return why an operator does not go with two values: expr knows at once if it knows both types."""
        operator = tree.parts[0]
        if all(_is_typed(part, frame) for part in tree.parts[1:]):
            types = f"{_GO_TYPES[kind_of(left)]} and {_GO_TYPES[kind_of(right)]}"
            message = f"invalid operation: {operator} (mismatched types {types})"
            return Uncompiled(fault(message, self.source, tree.place))
        message = f"invalid operation: {_GO_TYPES[kind_of(left)]} {operator} {_GO_TYPES[kind_of(right)]}"
        return ExpressionError(fault(message, self.source, tree.place))

    def _chain(self, tree: Tree) -> Evaluate:
        inner = self.compile(tree.parts[0])

        def evaluate(frame: _Frame) -> Value:
            try:
                return inner(frame)
            except _Nil:
                return None

        return evaluate

    def _member(self, tree: Tree) -> Evaluate:
        container, key, optional = (
            self.compile(tree.parts[0]),
            self.compile(tree.parts[1]),
            bool(tree.parts[2]),
        )
        place = tree.place

        def evaluate(frame: _Frame) -> Value:
            found = container(frame)
            if found is None and optional:
                raise _Nil
            return self.fetch(found, key(frame), place)

        return evaluate

    def fetch(self, container: Value, key: Value, place: int) -> Value:
        if isinstance(container, (dict, Mapping)):  # a dict, or a list below, is told at once
            return container.get(key)
        if isinstance(container, (list, Sequence, range)):
            if isinstance(key, bool) or not isinstance(key, (int, float)):
                raise ExpressionError(fault(f"invalid operation: int({kind_of(key)})", self.source, place))
            index = int(key)
            if not -len(container) <= index < len(container):
                text = f"index out of range: {index} (array length is {len(container)})"
                raise ExpressionError(fault(text, self.source, place))
            return container[index]
        shown = "<nil>" if container is None else kind_of(container)
        raise ExpressionError(fault(f"cannot fetch {key} from {shown}", self.source, place))

    def _slice(self, tree: Tree) -> Evaluate:
        container = self.compile(tree.parts[0])
        start = self.compile(tree.parts[1]) if tree.parts[1] else None
        end = self.compile(tree.parts[2]) if tree.parts[2] else None

        def evaluate(frame: _Frame) -> Value:
            first = None if start is None else int(start(frame))
            last = None if end is None else int(end(frame))
            return container(frame)[first:last]

        return evaluate

    def _call(self, tree: Tree) -> Evaluate:
        callee, arguments = tree.parts
        assert isinstance(callee, Tree)
        assert isinstance(arguments, tuple)
        name = str(callee.parts[0])
        if callee.kind == "name" and name in _CLOSURES:
            return self.closure_call(name, arguments)
        function = self.function(callee)
        call, place = self.applied(function, arguments), tree.place

        def evaluate(frame: _Frame) -> Value:
            try:
                return call(frame)
            except ExpressionError:
                raise
            except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as wrong:
                raise ExpressionError(fault(str(wrong), self.source, place)) from wrong

        return evaluate

    def applied(self, function: Callable[..., Any], arguments: tuple[Tree, ...]) -> Evaluate:
        values = [self.compile(argument) for argument in arguments]
        if values and all(argument.kind == "constant" for argument in arguments[1:]):
            first, others = values[0], [argument.parts[0] for argument in arguments[1:]]
            return lambda frame: function(first(frame), *others)
        return lambda frame: function(*[value(frame) for value in values])

    def function(self, callee: Tree) -> Callable[..., Any]:
        if callee.kind == "name" and callee.parts[0] in BUILTINS:
            return BUILTINS[str(callee.parts[0])]
        if callee.kind == "member" and _is_sprig(callee):
            key = callee.parts[1]
            if isinstance(key, Tree) and key.parts[0] in SPRIG:
                return SPRIG[str(key.parts[0])]
        shown = self.source[callee.place :].split("(")[0]
        raise SyntaxFault(fault(f"unknown name {shown}", self.source, callee.place))

    def closure_call(self, name: str, arguments: tuple[Tree, ...]) -> Evaluate:
        if not arguments:
            raise SyntaxFault(fault(f"not enough arguments to call {name}", self.source, 0))
        values = self.compile(arguments[0])
        body = self.compile(arguments[1]) if len(arguments) > 1 else lambda frame: frame.element
        rest = [self.compile(argument) for argument in arguments[2:]]
        apply = _HIGHER_ORDER[name]

        def evaluate(frame: _Frame) -> Value:
            elements = values(frame)
            if isinstance(elements, (dict, Mapping)):
                elements = list(elements.values())
            if not isinstance(elements, (list, Sequence, range)):
                raise ExpressionError(
                    fault(f"builtin {name} cannot take {kind_of(elements)}", self.source, 0)
                )
            inner = _Frame(frame.variables, None, 0, rest[0](frame) if rest else None)

            def call(element: Value, index: int) -> Value:
                inner.element, inner.index = element, index
                return body(inner)

            return apply(elements, call, inner)

        return evaluate


Call = Callable[[Any, int], Any]


def _positions(elements: Sequence[Any], call: Call) -> list[int]:
    return [i for i, element in enumerate(elements) if _truth(call(element, i))]


def _first(elements: Sequence[Any], call: Call) -> int | None:
    return next((i for i, element in enumerate(elements) if _truth(call(element, i))), None)


def _reduced(elements: Sequence[Any], call: Call, frame: _Frame) -> Value:
    rest = list(enumerate(elements))
    if frame.total is None and rest:
        frame.total = rest.pop(0)[1]
    for index, element in rest:
        frame.total = call(element, index)
    return frame.total


def _grouped(elements: Sequence[Any], call: Call, _: _Frame) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for index, element in enumerate(elements):
        groups.setdefault(call(element, index), []).append(element)
    return groups


def _sorted_by(elements: Sequence[Any], call: Call, frame: _Frame) -> list[Any]:
    keys = [(call(element, index), index) for index, element in enumerate(elements)]
    return [elements[index] for _, index in sorted(keys, reverse=frame.total == "desc")]


def _element(elements: Sequence[Any], place: int | None) -> Value:
    return None if place is None else elements[place]


_HIGHER_ORDER: dict[str, Callable[[Sequence[Any], Call, _Frame], Any]] = {
    "all": lambda xs, call, _: all(_truth(call(x, i)) for i, x in enumerate(xs)),
    "any": lambda xs, call, _: any(_truth(call(x, i)) for i, x in enumerate(xs)),
    "none": lambda xs, call, _: not any(_truth(call(x, i)) for i, x in enumerate(xs)),
    "one": lambda xs, call, _: len(_positions(xs, call)) == 1,
    "count": lambda xs, call, _: len(_positions(xs, call)),
    "map": lambda xs, call, _: [call(x, i) for i, x in enumerate(xs)],
    "filter": lambda xs, call, _: [x for i, x in enumerate(xs) if _truth(call(x, i))],
    "find": lambda xs, call, _: _element(xs, _first(xs, call)),
    "findIndex": lambda xs, call, _: _first(xs, call),
    "findLast": lambda xs, call, _: _element(xs, next(iter(_positions(xs, call)[::-1]), None)),
    "findLastIndex": lambda xs, call, _: next(iter(_positions(xs, call)[::-1]), None),
    "sum": lambda xs, call, _: sum(_number(call(x, i)) for i, x in enumerate(xs)),
    "groupBy": _grouped, "sortBy": _sorted_by, "reduce": _reduced,
}  # fmt: skip


def _pairs(tree: Tree) -> list[tuple[Tree, Tree]]:
    return [(pair[0], pair[1]) for pair in tree.parts if isinstance(pair, tuple)]


def _is_sprig(tree: Tree) -> bool:
    inner = tree.parts[0]
    return isinstance(inner, Tree) and inner.kind == "name" and inner.parts[0] == "sprig"


def _as_dict(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variables[name] for name in variables}
