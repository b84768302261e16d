"""An expr-lang expression in, its value out: parsed once per text, evaluated often as Python closures.

Values are None, bool, int, float, str, lists and mappings (never changed). Parsing is in `grammar`, functions
in `functions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from dsl.expr import gojson, times
from dsl.expr.builtins import FUNCTIONS
from dsl.expr.checker import CheckFault, check, type_of
from dsl.expr.functions import BUILTINS, SPRIG, UNSUPPORTED, go_type, kind_of, remainder, wrapped
from dsl.expr.gojson import AnyKeys, Value
from dsl.expr.grammar import PREDICATES, SyntaxFault, Tree, fault, parse
from dsl.expr.references import required_paths
from dsl.expr.regexp import pattern
from dsl.expr.regexp_syntax import PatternFault


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
    tree: Tree
    faults: dict[tuple[str, ...], str]

    def value(self, variables: Mapping[str, Any]) -> Value:
        """Return the value. Raises ExpressionError."""
        try:
            if why := self._fault(variables):
                raise Uncompiled(why)
            return self.evaluate(_Frame(variables))
        except ExpressionError:
            raise
        except RecursionError:
            raise ExpressionError(gojson.TOO_DEEP) from None
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

    def _fault(self, variables: Mapping[str, Any]) -> str:
        """Return why expr would not even begin, looked for once for each types of the variables."""
        types = {root: type_of(variables[root]) for root in self.roots if root in variables}
        key = tuple(f"{root} {types[root]}" for root in sorted(types))
        if key not in self.faults:
            try:
                check(self.tree, self.source, types)
                self.faults[key] = ""
            except CheckFault as wrong:
                self.faults[key] = str(wrong)
        return self.faults[key]


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
    try:
        tree = parse(source)
        compiler = _Compiler(source)
        evaluate = compiler.compile(tree)
        return Expression(source, frozenset(compiler.roots), tuple(required_paths(tree)), evaluate, tree, {})
    except RecursionError:
        raise SyntaxFault(gojson.TOO_DEEP) from None


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"interface conversion: interface {{}} is {go_type(value)}, not bool")
    return value


def _uncallable(*_: object) -> Value:
    raise TypeError("invalid operation: cannot call nil")


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _contained(element: Value, container: Value) -> bool:
    if container is None:
        return False
    if isinstance(container, Mapping):
        return element in container
    if not isinstance(container, (list, tuple, range)):
        raise TypeError(f'operator "in" not defined on {go_type(container)}')
    return any(_same(element, other) for other in container)


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Value) -> Value:
    if not _is_number(value):
        raise ExpressionError(f"invalid operation: {kind_of(value)} is not a number")
    return value


def _of_two(
    operator: str, apply: Callable[[Any, Any], Any], *, texts: bool = False, whole: bool = False
) -> Callable[[Any, Any], Any]:
    """Return an operation on two numbers, or two texts, or two times."""

    def operate(left: Value, right: Value) -> Value:
        if _is_number(left) and _is_number(right):
            is_whole = isinstance(left, int) and isinstance(right, int)
            if whole and not is_whole:
                raise TypeError(_mismatch(operator, left, right))
            found = apply(left, right)
            return wrapped(found) if is_whole and type(found) is int else found
        if texts and isinstance(left, str) and isinstance(right, str):
            return apply(left, right)
        found = times.operated(operator, left, right)
        if found is None:
            raise TypeError(_mismatch(operator, left, right))
        return found

    return operate


def _mismatch(operator: str, left: Value, right: Value) -> str:
    return f"invalid operation: {go_type(left)} {operator} {go_type(right)}"


def _divided(left: float, right: float) -> float:
    if right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left)
    return left / right


def _power(left: Value, right: Value) -> float:
    try:
        found = float(left) ** right
    except OverflowError:
        return math.inf
    except ZeroDivisionError:
        return math.inf
    return math.nan if isinstance(found, complex) else found


def _text_test(operator: str, apply: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Value, right: Value) -> bool:
        if left is None or right is None:
            return False
        if not isinstance(left, str) or not isinstance(right, str):
            wrong = left if not isinstance(left, str) else right
            raise TypeError(f"interface conversion: interface {{}} is {go_type(wrong)}, not string")
        return apply(left, right)

    return test


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _same, "!=": lambda a, b: not _same(a, b),
    "<": _of_two("<", lambda a, b: a < b, texts=True), ">": _of_two(">", lambda a, b: a > b, texts=True),
    "<=": _of_two("<=", lambda a, b: a <= b, texts=True),
    ">=": _of_two(">=", lambda a, b: a >= b, texts=True),
    "in": _contained, "matches": _text_test("matches", lambda a, b: pattern(b).matches(a)),
    "contains": _text_test("contains", lambda a, b: b in a),
    "startsWith": _text_test("startsWith", str.startswith),
    "endsWith": _text_test("endsWith", str.endswith),
    "..": lambda a, b: range(int(_number(a)), int(_number(b)) + 1),
    "+": _of_two("+", lambda a, b: a + b, texts=True), "-": _of_two("-", lambda a, b: a - b),
    "*": _of_two("*", lambda a, b: a * b), "/": _of_two("/", _divided),
    "%": _of_two("%", remainder, whole=True), "**": _of_two("**", _power), "^": _of_two("^", _power),
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
        if name not in self.lets and name not in FUNCTIONS:
            self.roots.add(name)
        return lambda frame: frame.variables.get(name)

    def _let(self, tree: Tree) -> Evaluate:
        name, value, body = str(tree.parts[0]), self.compile(tree.parts[1]), tree.parts[2]
        self.lets.append(name)
        inner = self.compile(body)
        self.lets.pop()

        def evaluate(frame: _Frame) -> Value:
            known = {**_as_dict(frame.variables), name: value(frame)}
            return inner(_Frame(known, frame.element, frame.index, frame.total))

        return evaluate

    def _sequence(self, tree: Tree) -> Evaluate:
        *_, last = [self.compile(part) for part in tree.parts]
        return last

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

        def text(value: Value) -> str:
            if not isinstance(value, str):
                why = f"interface conversion: interface {{}} is {go_type(value)}, not string"
                raise ExpressionError(fault(why, self.source, 0))
            return value

        return lambda frame: {text(key(frame)): value(frame) for key, value in pairs}

    def _if(self, tree: Tree) -> Evaluate:
        test, yes, no = map(self.compile, tree.parts)
        return lambda frame: yes(frame) if _truth(test(frame)) else no(frame)

    def _unary(self, tree: Tree) -> Evaluate:
        inner = self.compile(tree.parts[1])
        if tree.parts[0] in ("not", "!"):
            return lambda frame: not _truth(inner(frame))
        sign, place = str(tree.parts[0]), tree.place

        def evaluate(frame: _Frame) -> Value:
            value = inner(frame)
            if not _is_number(value):
                why = f"invalid operation: {sign} {go_type(value)}"
                raise ExpressionError(fault(why, self.source, place))
            return -value if sign == "-" else value

        return evaluate

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
            try:
                return apply(left(frame), right(frame))
            except (TypeError, ArithmeticError, PatternFault) as wrong:
                raise ExpressionError(fault(str(wrong), self.source, place)) from wrong

        return evaluate

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
            key = "" if key is None else key
            if not isinstance(key, str) and all(isinstance(name, str) for name in container):
                text = f"value of type {go_type(key)} is not assignable to type string"
                raise ExpressionError(fault(f"reflect.Value.MapIndex: {text}", self.source, place))
            return container.get(key)
        if isinstance(container, (list, Sequence, range)):
            if isinstance(container, str) and not isinstance(key, str):
                container = container.encode()
            if isinstance(key, bool) or not isinstance(key, (int, float)):
                raise ExpressionError(fault(f"invalid operation: int({go_type(key)})", self.source, place))
            index = int(key)
            if not -len(container) <= index < len(container):
                text = f"index out of range: {index} (array length is {len(container)})"
                raise ExpressionError(fault(text, self.source, place))
            return container[index]
        shown = "<nil>" if container is None else go_type(container)
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

    def _builtin(self, tree: Tree) -> Evaluate:
        name, arguments = str(tree.parts[0]), tree.parts[1]
        assert isinstance(arguments, tuple)
        if name in PREDICATES:
            return self.closure_call(name, arguments, tree.place)
        if name not in BUILTINS:
            raise SyntaxFault(fault(f"{name} is not supported here", self.source, tree.place))
        return self.applied_at(BUILTINS[name], arguments, tree.place)

    def _call(self, tree: Tree) -> Evaluate:
        callee, arguments = tree.parts
        assert isinstance(callee, Tree)
        assert isinstance(arguments, tuple)
        if callee.kind == "name":
            name = str(callee.parts[0])
            if name not in FUNCTIONS:
                self.roots.add(name)  # nothing defines it, unless it is a variable, which cannot be called
            return self.applied_at(BUILTINS.get(name, _uncallable), arguments, tree.place)
        if _is_sprig(callee):
            key = callee.parts[1]
            name = str(key.parts[0]) if isinstance(key, Tree) else ""
            if name in UNSUPPORTED:
                raise SyntaxFault(fault(f"sprig.{name} is not supported here", self.source, tree.place))
            return self.applied_at(SPRIG.get(name, _uncallable), arguments, tree.place)
        return self._method(callee, arguments, tree.place)

    def _method(self, callee: Tree, arguments: tuple[Tree, ...], place: int) -> Evaluate:
        """Call a method of a time or a duration; nothing else has any."""
        holder, optional = self.compile(callee.parts[0]), bool(callee.parts[2])
        key = callee.parts[1]
        name = str(key.parts[0]) if isinstance(key, Tree) else ""
        values = [self.compile(argument) for argument in arguments]

        def evaluate(frame: _Frame) -> Value:
            found = holder(frame)
            if found is None and optional:
                raise _Nil
            method = times.method(found, name)
            if method is None:
                if isinstance(found, str) or found is None:
                    self.fetch(found, name, place)
                raise ExpressionError(fault("invalid operation: cannot call nil", self.source, place))
            try:
                return method(*[value(frame) for value in values])
            except (TypeError, ValueError) as wrong:
                raise ExpressionError(fault(str(wrong), self.source, place)) from wrong

        return evaluate

    def applied_at(self, function: Callable[..., Any], arguments: tuple[Tree, ...], place: int) -> Evaluate:
        """Return a call of a function; what it raises is told at a place."""
        call = self.applied(function, arguments)

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

    def closure_call(self, name: str, arguments: tuple[Tree, ...], place: int) -> Evaluate:
        values = self.compile(arguments[0])
        body = self.compile(arguments[1]) if len(arguments) > 1 else lambda frame: frame.element
        rest = [self.compile(argument) for argument in arguments[2:]]
        apply = _HIGHER_ORDER[name]

        def evaluate(frame: _Frame) -> Value:
            elements = values(frame)
            if isinstance(elements, (dict, Mapping)):
                elements = list(elements.values())
            if not isinstance(elements, (list, Sequence, range)):
                why = f"builtin {name} cannot take {go_type(elements)}"
                raise ExpressionError(fault(why, self.source, place))
            inner = _Frame(frame.variables, None, 0, rest[0](frame) if rest else None)

            def call(element: Value, index: int) -> Value:
                inner.element, inner.index = element, index
                return body(inner)

            try:
                return apply(elements, call, inner)
            except (TypeError, ValueError) as wrong:
                if isinstance(wrong, ExpressionError):
                    raise
                raise ExpressionError(fault(str(wrong), self.source, place)) from wrong

        return evaluate


Call = Callable[[Any, int], Any]


def _positions(elements: Sequence[Any], call: Call) -> list[int]:
    return [i for i, element in enumerate(elements) if _truth(call(element, i))]


def _first(elements: Sequence[Any], call: Call) -> int | None:
    return next((i for i, element in enumerate(elements) if _truth(call(element, i))), None)


def _reduced(elements: Sequence[Any], call: Call, frame: _Frame) -> Value:
    rest = list(enumerate(elements))
    if frame.total is None and not rest:
        raise ValueError("reduce of empty array with no initial value")
    if frame.total is None:
        frame.total = rest.pop(0)[1]
    for index, element in rest:
        frame.total = call(element, index)
    return frame.total


class _Groups(AnyKeys):
    go_type = "map[interface {}][]interface {}"


def _grouped(elements: Sequence[Any], call: Call, _: _Frame) -> dict[Any, list[Any]]:
    groups = _Groups()
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
