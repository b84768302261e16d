"""A syntax tree and the types of the variables in; the fault that expr finds before it evaluates out.

Types are known of literals, of what functions give, and of variables that are no mappings: what is in a
mapping is anything (expr 1.17.8, checker/checker.go). Not all of expr's checks are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsl.expr.builtins import ANY, ARRAY, FUNCTIONS, MAP, NIL, TAKEN_APART, TEXTS, TYPES, UNKNOWN
from dsl.expr.grammar import PREDICATES, Tree, fault
from dsl.expr.regexp import pattern
from dsl.expr.regexp_syntax import PatternFault

_OPEN: Final = (ANY, UNKNOWN)
_NUMBERS: Final = ("int", "float64")
_ORDERED: Final = (*_NUMBERS, "string", "time.Time", "time.Duration")
_TESTING: Final = {
    "all", "none", "any", "one", "filter", "find", "findIndex", "findLast", "findLastIndex", "count",
}  # fmt: skip
_BOOLEANS: Final = ("||", "or", "&&", "and")


class CheckFault(ValueError):
    """The types of an expression do not go together; the message has expr's own layout."""


def check(tree: Tree, source: str, variables: Mapping[str, str]) -> None:
    """Raise CheckFault when the types cannot go together; `variables` are the types of the outermost."""
    _Checker(source, variables).of(tree)


def type_of(value: object) -> str:
    """Return the Go type of a variable."""
    if isinstance(value, bool):
        return "bool"
    names = {int: "int", float: "float64", str: "string", type(None): NIL}
    return names.get(type(value)) or (MAP if isinstance(value, Mapping) else ARRAY)


class _Checker:
    def __init__(self, source: str, variables: Mapping[str, str]) -> None:
        self.source = source
        self.variables = dict(variables)
        self.lets: list[str] = []
        self.pointer = ANY

    def fault(self, message: str, tree: Tree) -> CheckFault:
        return CheckFault(fault(message, self.source, tree.place))

    def of(self, tree: object) -> str:
        """Return the type of a tree."""
        assert isinstance(tree, Tree)
        visit = getattr(self, f"_{tree.kind}", None)
        found = visit(tree) if visit else self._anything(tree)
        assert isinstance(found, str)
        return found

    def _anything(self, tree: Tree) -> str:
        for part in tree.parts:
            for inner in part if isinstance(part, tuple) else (part,):
                if isinstance(inner, Tree):
                    self.of(inner)
        return ANY

    def _constant(self, tree: Tree) -> str:
        return type_of(tree.parts[0])

    def _name(self, tree: Tree) -> str:
        name = str(tree.parts[0])
        if name not in self.variables and name not in FUNCTIONS and name != "$env":
            raise self.fault(f"unknown name {name}", tree)
        return self.variables.get(name, ANY)

    def _list(self, tree: Tree) -> str:
        self._anything(tree)
        return ARRAY

    def _map(self, tree: Tree) -> str:
        for pair in tree.parts:
            assert isinstance(pair, tuple)
            self.of(pair[1])
        return MAP

    def _chain(self, tree: Tree) -> str:
        return self.of(tree.parts[0])

    def _sequence(self, tree: Tree) -> str:
        return [self.of(part) for part in tree.parts][-1]

    def _let(self, tree: Tree) -> str:
        name, value = str(tree.parts[0]), self.of(tree.parts[1])
        if name in self.variables or name in FUNCTIONS:
            what = "variable " if name in self.lets else ""
            raise self.fault(f"cannot redeclare {what}{name}", tree)
        if name in TYPES:
            raise self.fault(f"cannot redeclare builtin {name}", tree)
        self.lets.append(name)
        self.variables[name] = ANY if value == NIL else value
        found = self.of(tree.parts[2])
        del self.variables[self.lets.pop()]
        return found

    def _if(self, tree: Tree) -> str:
        test = self.of(tree.parts[0])
        if test not in ("bool", *_OPEN):
            assert isinstance(tree.parts[0], Tree)
            raise self.fault(f"non-bool expression (type {test}) used as condition", tree.parts[0])
        yes, no = self.of(tree.parts[1]), self.of(tree.parts[2])
        return no if yes == NIL else yes if no == NIL or yes == no else UNKNOWN

    def _unary(self, tree: Tree) -> str:
        operator, inner = str(tree.parts[0]), self.of(tree.parts[1])
        allowed = ("bool",) if operator in ("not", "!") else _NUMBERS
        if inner not in (*_OPEN, *allowed):
            raise self.fault(f"invalid operation: {operator} (mismatched type {_told(inner)})", tree)
        return "bool" if operator in ("not", "!") else inner

    def _binary(self, tree: Tree) -> str:
        operator, left, right = str(tree.parts[0]), self.of(tree.parts[1]), self.of(tree.parts[2])
        if operator == "??":
            return right if left == NIL else left if right in (NIL, left) else UNKNOWN
        if operator == "in":
            return self._contained(tree, left, right)
        if operator == "matches":
            self._require_pattern(tree)
        found = _result(operator, left, right)
        if not found:
            why = f"invalid operation: {operator} (mismatched types {_told(left)} and {_told(right)})"
            raise self.fault(why, tree)
        if operator == "%" and _is_zero(tree.parts[2]) and _is_constant(tree.parts[1]):
            raise self.fault("integer divide by zero", tree)
        return found

    def _contained(self, tree: Tree, left: str, right: str) -> str:
        key = tree.parts[2]
        if right == MAP and left not in ("string", *_OPEN):
            raise self.fault(f"cannot use {left} as type string in map key", tree)
        if isinstance(key, Tree) and key.kind == "list":
            kinds = {self.of(element) for element in key.parts}
            is_number = left in _NUMBERS and kinds <= set(_NUMBERS)
            if len(kinds) == 1 and not kinds & set(_OPEN) and left not in (*_OPEN, *kinds) and not is_number:
                raise self.fault(f"cannot use {left} as type {min(kinds)} in array", tree)
        elif right not in (MAP, *_OPEN) and not right.startswith("["):
            why = f"invalid operation: in (mismatched types {_told(left)} and {_told(right)})"
            raise self.fault(why, tree)
        return "bool"

    def _require_pattern(self, tree: Tree) -> None:
        text = tree.parts[2]
        if isinstance(text, Tree) and text.kind == "constant" and isinstance(text.parts[0], str):
            try:
                pattern(text.parts[0])
            except PatternFault as wrong:
                raise self.fault(str(wrong), tree) from None

    def _member(self, tree: Tree) -> str:
        base, key = self.of(tree.parts[0]), self.of(tree.parts[1])
        prop = tree.parts[1]
        assert isinstance(prop, Tree)
        name = prop.parts[0] if prop.kind == "constant" and isinstance(prop.parts[0], str) else None
        if base in (*_OPEN, "time.Time", "time.Duration"):
            return UNKNOWN
        if base == MAP:
            if key not in ("string", *_OPEN):
                raise self.fault(f"cannot use {key} to get an element from {MAP}", prop)
            return ANY
        if base.startswith("["):
            if key not in ("int", *_OPEN):
                why = f"array elements can only be selected using an integer (got {key})"
                raise self.fault(why, prop)
            return "string" if base == "[]string" else ANY
        if base == NIL and name is not None:
            raise self.fault(f"type nil has no field {name}", tree)
        if name is not None:
            raise self.fault(f"type {base} has no field {name}", tree)
        raise self.fault(f"type {base}[{key}] is undefined", tree)

    def _slice(self, tree: Tree) -> str:
        base = self.of(tree.parts[0])
        if base not in (*_OPEN, "string") and not base.startswith("["):
            raise self.fault(f"cannot slice {base}", tree)
        for bound in tree.parts[1:]:
            if isinstance(bound, Tree) and (kind := self.of(bound)) not in ("int", *_OPEN):
                raise self.fault(f"non-integer slice index {kind}", bound)
        return base

    def _call(self, tree: Tree) -> str:
        callee, arguments = tree.parts
        assert isinstance(callee, Tree)
        assert isinstance(arguments, tuple)
        self.of(callee)
        kinds = [self.of(argument) for argument in arguments]
        name = str(callee.parts[0]) if callee.kind == "name" else ""
        least = {"asInt": 1, "asFloat": 1, "toJson": 1, "jsonpath": 2}.get(name)
        if least is not None:
            self._require_count(tree, name, len(kinds), least, least)
        if name == "jsonpath":
            self._require_texts(name, arguments, kinds)
        return "string" if name == "toJson" else ANY if callee.kind == "name" else UNKNOWN

    def _builtin(self, tree: Tree) -> str:
        name, arguments = str(tree.parts[0]), tree.parts[1]
        assert isinstance(arguments, tuple)
        if name in PREDICATES:
            return self._predicate(name, arguments)
        kinds = [self.of(argument) for argument in arguments]
        if name in TEXTS:
            self._require_count(tree, name, len(kinds), *TEXTS[name])
            self._require_texts(name, arguments[:2], kinds)
        if name in ("len", "int", "float", "abs", "ceil", "floor", "round", "toJSON", "type", "string"):
            self._require_count(tree, name, len(kinds), 1, 1)
        wrong = {
            "len": (*_NUMBERS, "bool", NIL), "abs": ("string", "bool"), "ceil": ("string", "bool"),
            "floor": ("string", "bool"), "round": ("string", "bool"), "int": (ARRAY, MAP, "bool"),
            "float": (ARRAY, MAP, "bool"), "max": ("string", "bool"), "min": ("string", "bool"),
        }.get(name, ())  # fmt: skip
        self._require_kind(tree, name, kinds)
        if bad := next((kind for kind in kinds if kind in wrong), ""):
            raise self.fault(f"invalid argument for {name} (type {bad})", tree)
        return TYPES[name]

    def _predicate(self, name: str, arguments: tuple[Tree, ...]) -> str:
        collection = self.of(arguments[0])
        if collection not in _OPEN and not collection.startswith("["):
            raise self.fault(f"builtin {name} takes only array (got {collection})", arguments[0])
        first = arguments[0]
        kinds = {self.of(element) for element in first.parts} if first.kind == "list" else {UNKNOWN}
        element = kinds.pop() if len(kinds) == 1 else UNKNOWN
        former, self.pointer = self.pointer, element
        for argument in arguments[1:2]:
            kind = self.of(argument)
            if name in _TESTING and kind not in ("bool", *_OPEN):
                raise self.fault(f"predicate should return boolean (got {kind})", argument)
        self.pointer = former
        for argument in arguments[2:]:
            self.of(argument)
        return TYPES[name]

    def _pointer(self, tree: Tree) -> str:
        if tree.parts[0] == "":
            return self.pointer
        return "int" if tree.parts[0] == "index" else ANY

    def _require_kind(self, tree: Tree, name: str, kinds: list[str]) -> None:
        """Refuse what is no list, or no mapping, where one is taken apart."""
        what = TAKEN_APART.get(name)
        is_fit = {"map": lambda kind: kind == MAP, "list": lambda kind: kind.startswith("[")}
        if (
            what
            and kinds
            and (bad := [k for k in kinds[: what[2]] if k not in _OPEN and not is_fit[what[1]](k)])
        ):
            raise self.fault(f"{what[0]} {_told(bad[0])}", tree)

    def _require_count(self, tree: Tree, name: str, count: int, least: int, most: int) -> None:
        if count < least or count > most:
            few = "not enough" if count < least else "too many"
            raise self.fault(f"{few} arguments to call {name}", tree)

    def _require_texts(self, name: str, arguments: tuple[Tree, ...], kinds: list[str]) -> None:
        for argument, kind in zip(arguments, kinds, strict=False):
            if kind == NIL:
                raise self.fault(f"cannot use nil as argument (type string) to call {name}", argument)
            if kind not in ("string", *_OPEN):
                raise self.fault(f"cannot use {kind} as argument (type string) to call {name} ", argument)


def _told(kind: str) -> str:
    """Return what expr calls a type: that of nil is as unknown as any."""
    return UNKNOWN if kind == NIL else kind


def _result(operator: str, left: str, right: str) -> str:
    """Return the type of an operation, nothing when its sides do not go together."""
    sides = {left, right} - set(_OPEN)
    if operator in ("==", "!="):
        both = all(side in _NUMBERS for side in sides)
        return "bool" if len(sides) < 2 or both or NIL in sides else ""
    if operator in _BOOLEANS:
        return "bool" if sides <= {"bool"} else ""
    if operator in ("<", ">", "<=", ">="):
        return "bool" if _go_together(sides, _ORDERED) else ""
    if operator in ("contains", "startsWith", "endsWith", "matches"):
        return "bool" if sides <= {"string"} else ""
    if operator == "%":
        return "int" if sides <= {"int"} else ""
    if operator == "..":
        return ARRAY if sides <= {"int"} else ""
    if operator in ("/", "**", "^"):
        return "float64" if sides <= set(_NUMBERS) else ""
    times = {"time.Time", "time.Duration"}
    if operator == "+" and sides <= {"string"} and sides:
        return "string" if left == right else UNKNOWN
    if sides and sides <= times:
        return UNKNOWN if operator in "+-*" else ""
    if operator == "*" and "time.Duration" in sides and sides - {"time.Duration"} <= set(_NUMBERS):
        return "time.Duration"
    if not sides <= set(_NUMBERS):
        return ""
    return UNKNOWN if {left, right} & set(_OPEN) else "float64" if "float64" in sides else "int"


def _go_together(sides: set[str], kinds: tuple[str, ...]) -> bool:
    return sides <= set(_NUMBERS) or (len(sides) == 1 and sides <= set(kinds))


def _is_constant(tree: object) -> bool:
    return isinstance(tree, Tree) and tree.kind == "constant"


def _is_zero(tree: object) -> bool:
    return isinstance(tree, Tree) and tree.kind == "constant" and tree.parts[0] == 0
