"""A `when` text in, a bool out: Knetic's govaluate as Argo uses it, where every bare word is a string.

Source: workflow/controller/steps.go:shouldExecute (v4.1.2) and github.com/Knetic/govaluate (7625b7f);
messages are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any

from dsl.expr import gojson
from dsl.expr.condition_tokens import Fault, Token, check_syntax, tokens_of
from dsl.expr.gojson import Value
from dsl.expr.regexp import pattern
from dsl.expr.regexp_syntax import PatternFault

_LEVELS: tuple[tuple[str, ...], ...] = (
    (",",), ("?", ":", "??"), ("||",), ("&&",), ("==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"),
    ("&", "|", "^"), (">>", "<<"), ("+", "-"), ("*", "/", "%"), ("**",),
)  # fmt: skip
_OPERATORS = {"SEPARATOR", "TERNARY", "LOGICALOP", "COMPARATOR", "MODIFIER"}
_NOT_A = {
    "LOGICALOP": "Value '{}' cannot be used with the logical operator '{}', it is not a bool",
    "MODIFIER": "Value '{}' cannot be used with the modifier '{}', it is not a number",
    "COMPARATOR": "Value '{}' cannot be used with the comparator '{}', it is not a number",
    "TERNARY": "Value '{}' cannot be used with the ternary operator '{}', it is not a bool",
    "PREFIX": "Value '{}' cannot be used with the prefix '{}'",
}
_SKIPPED = object()


class ConditionError(ValueError):
    """The text is no condition; the message is Argo's."""


@lru_cache(maxsize=4096)
def syntax_fault(when: str) -> str:
    """Return why a `when` is no condition whatever its words stand for, or nothing."""
    try:
        _planned(when)
    except Fault as wrong:
        return str(wrong)
    return ""


@lru_cache(maxsize=4096)
def is_true(when: str) -> bool:
    """Evaluate a `when` whose tags are already replaced; the empty text is true. Raises ConditionError."""
    if when == "":
        return True
    try:
        evaluate = _planned(when)
    except _ParseFault as wrong:
        raise ConditionError(f"Failed to parse 'when' expression '{when}': {wrong}") from None
    except Fault as wrong:
        is_token = "Invalid token" in str(wrong)
        hint = ' (hint: try wrapping the affected expression in quotes ("))' if is_token else ""
        raise ConditionError(f"Invalid 'when' expression '{when}': {wrong}{hint}") from None
    try:
        value = evaluate()
    except (Fault, RecursionError) as wrong:
        why = wrong if isinstance(wrong, Fault) else gojson.TOO_DEEP
        raise ConditionError(f"Failed to evaluate 'when' expresion '{when}': {why}") from None
    if not isinstance(value, bool):
        raise ConditionError(f"Expected boolean evaluation for '{when}'. Got {gojson.sprint(value)}")
    return value


def is_false(when: str) -> bool:
    """Whether a `when` is certainly false: its text is a condition and does not hold."""
    try:
        return not is_true(when)
    except ConditionError:
        return False


Stage = Callable[[], Any]


class _ParseFault(Fault):
    """What is wrong with the tokens once the bare words are strings."""


def _planned(when: str) -> Stage:
    """Plan it with its words as variables, as Argo does first, and then with words as strings."""
    tokens = tokens_of(when)
    check_syntax(tokens)
    _check_patterns(tokens)
    try:
        stage = _Plan(tokens).whole()
    except RecursionError:
        raise Fault(gojson.TOO_DEEP) from None
    if all(token.kind != "VARIABLE" for token in tokens):
        return stage
    try:
        tokens = [Token("STRING", t.value) if t.kind == "VARIABLE" else t for t in tokens]
        check_syntax(tokens)
        _check_patterns(tokens)
        return _Plan(tokens).whole()
    except Fault as wrong:
        raise _ParseFault(str(wrong)) from None


def _check_patterns(tokens: list[Token]) -> None:
    for operator, token in pairwise(tokens):
        if operator.kind == "COMPARATOR" and operator.value in ("=~", "!~") and token.kind == "STRING":
            try:
                pattern(token.value)
            except PatternFault as wrong:
                raise Fault(str(wrong)) from None


class _Plan:
    """One pass over the tokens, level by level of precedence; what follows a whole value is ignored."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = [*tokens, Token("END", "")]
        self.at = 0

    def whole(self) -> Stage:
        return self.level(0) or _nothing

    def level(self, depth: int) -> Stage | None:
        """Return the stage of an operand, or None at a closing parenthesis."""
        if depth == len(_LEVELS):
            return self.operand()
        left = self.level(depth + 1)
        while self.tokens[self.at].kind in _OPERATORS and self.tokens[self.at].value in _LEVELS[depth]:
            token = self.tokens[self.at]
            self.at += 1
            left = _combined(token, left or _nothing, self.level(depth + 1) or _nothing)
        return left

    def operand(self) -> Stage | None:
        token = self.tokens[self.at]
        if token.kind in ("END", "CLAUSE_CLOSE"):
            return None
        self.at += 1
        if token.kind == "CLAUSE":
            inner = self.level(0)
            self.at += self.at < len(self.tokens) - 1
            return inner or _nothing
        if token.kind == "PREFIX":
            return _prefixed(str(token.value), self.operand() or _nothing)
        if token.kind == "ACCESSOR":
            return _accessed(str(token.value).partition(".")[0])
        if token.kind in _OPERATORS:
            shown = gojson.sprint(token.value)
            raise Fault(f"Unable to plan token kind: '{token.kind}', value: '{shown}'")
        return lambda: token.value


def _nothing() -> Value:
    return None


def _accessed(name: str) -> Stage:
    def access() -> Value:
        raise Fault(f"No parameter '{name}' found.")

    return access


def _prefixed(symbol: str, inner: Stage) -> Stage:
    check = _is_bool if symbol == "!" else _is_number

    def apply() -> Value:
        value = inner()
        _check(check, "PREFIX", symbol, value)
        return not value if symbol == "!" else -value if symbol == "-" else float(~int(value))

    return apply


def _combined(token: Token, left: Stage, right: Stage) -> Stage:
    """Both sides are evaluated before either is checked, unless the left one alone decides."""
    symbol = str(token.value)
    decides, checks, apply = _DECIDES.get(symbol, _never), _CHECKS[symbol], _APPLY[symbol]

    def combine() -> Value:
        first = left()
        second = _SKIPPED if decides(first) else right()
        if second is _SKIPPED and symbol not in ("?", ":"):
            return first
        if callable(checks):
            if not checks(first, second):
                raise Fault(_NOT_A[token.kind].format(gojson.sprint(first), symbol))
        else:
            for check, value in zip(checks, (first, second), strict=True):
                if check:
                    _check(check, token.kind, symbol, value)
        return apply(first, second)

    return combine


def _check(check: Callable[[Any], bool], kind: str, symbol: str, value: Value) -> None:
    if not check(value):
        raise Fault(_NOT_A[kind].format(gojson.sprint(value), symbol))


def _is_number(value: Value) -> bool:
    return isinstance(value, float)


def _is_bool(value: Value) -> bool:
    return isinstance(value, bool)


def _is_text(value: Value) -> bool:
    return isinstance(value, str)


def _is_list(value: Value) -> bool:
    return isinstance(value, list)


def _never(_: Value) -> bool:
    return False


def _are_comparable(left: Value, right: Value) -> bool:
    return (_is_number(left) and _is_number(right)) or (_is_text(left) and _is_text(right))


def _are_addable(left: Value, right: Value) -> bool:
    return (_is_number(left) and _is_number(right)) or _is_text(left) or _is_text(right)


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return type(left) is type(right) and bool(left == right)


def _joined(left: Value, right: Value) -> list[Value]:
    return [*left, right] if isinstance(left, list) else [left, right]


def _among(left: Value, right: Iterable[Value]) -> bool:
    return any(not isinstance(each, list) and _equal(left, each) for each in right)


def _matches(left: str, right: str) -> bool:
    try:
        return pattern(right).matches(left)
    except PatternFault as wrong:
        raise Fault(f"Unable to compile regexp pattern '{right}': {wrong}") from None


def _plus(left: Value, right: Value) -> Value:
    if _is_text(left) or _is_text(right):
        return gojson.sprint(left) + gojson.sprint(right)
    return left + right


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left)


def _modulo(left: float, right: float) -> float:
    return math.fmod(left, right) if right and not math.isinf(left) else math.nan


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if not left else math.nan


def _on_integers(apply: Callable[[int, int], int]) -> Callable[[float, float], float]:
    return lambda left, right: float(apply(int(left), int(right)))


def _shifted(apply: Callable[[int, int], int]) -> Callable[[float, float], float]:
    whole = 2**64 - 1
    return _on_integers(lambda a, b: apply(a & whole, b) & whole if 0 <= b < 64 else 0)


_DECIDES: dict[str, Callable[[Any], bool]] = {
    "&&": lambda left: left is False, "||": lambda left: left is True,
    "??": lambda left: left is not None, "?": lambda left: left is False, ":": lambda left: left is not None,
}  # fmt: skip
_NUMBERS, _BOOLS = (_is_number, _is_number), (_is_bool, _is_bool)
_CHECKS: dict[str, Any] = {
    ",": (None, None), "?": (_is_bool, None), ":": (None, None), "??": (None, None),
    "||": _BOOLS, "&&": _BOOLS, "==": (None, None), "!=": (None, None), "in": (None, _is_list),
    "=~": (_is_text, _is_text), "!~": (_is_text, _is_text), "+": _are_addable,
    **dict.fromkeys((">", ">=", "<", "<="), _are_comparable),
    **dict.fromkeys(("&", "|", "^", ">>", "<<", "-", "*", "/", "%", "**"), _NUMBERS),
}  # fmt: skip
_APPLY: dict[str, Callable[[Any, Any], Any]] = {
    ",": _joined, "?": lambda a, b: b if a else None, ":": lambda a, b: b if a is None else a,
    "??": lambda a, b: b if a is None else a, "||": lambda a, b: a or b, "&&": lambda a, b: a and b,
    "==": _equal, "!=": lambda a, b: not _equal(a, b), "in": _among,
    "=~": _matches, "!~": lambda a, b: not _matches(a, b),
    ">": lambda a, b: a > b, "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b,
    "+": _plus, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": _divided, "%": _modulo, "**": _power,
    "&": _on_integers(lambda a, b: a & b), "|": _on_integers(lambda a, b: a | b),
    "^": _on_integers(lambda a, b: a ^ b),
    ">>": _shifted(lambda a, b: a >> b), "<<": _shifted(lambda a, b: a << b),
}  # fmt: skip
