"""A value of the author's module in; what it is, how it is written in Python, or why it cannot be, out."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import io
import math
import socket
import threading
import types
from collections.abc import Awaitable, Iterator
from concurrent.futures import Executor
from typing import Any

_LOCKS = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Semaphore,
    threading.Event,
)
_NEVER = (
    (io.IOBase, "an open file"),
    (_LOCKS, "a lock"),
    ((threading.Thread, Executor), "a running thread"),
    (socket.socket, "an open connection"),
    ((types.GeneratorType, types.AsyncGeneratorType), "a generator"),
    (Awaitable, "a coroutine"),
    (Iterator, "an iterator"),
)
_PURE = {
    function.__name__: function
    for function in (
        *(
            abs,
            all,
            any,
            bool,
            bytes,
            dict,
            enumerate,
            filter,
            float,
            frozenset,
            int,
            len,
            list,
            map,
            max,
            min,
        ),
        *(pow, range, repr, reversed, round, set, sorted, str, sum, tuple, zip),
    )
}
_HARMLESS = (
    *(ast.Constant, ast.Name, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.BinOp, ast.UnaryOp, ast.BoolOp),
    *(ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.JoinedStr, ast.FormattedValue),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.keyword),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)


def literal(value: object) -> str | None:
    """Return an expression for plain data, None for anything else.

    >>> literal({"a": [1, (2.5, b"x")]}), literal(float("inf")), literal(object())
    ("{'a': [1, (2.5, b'x')]}", "float('inf')", None)
    """
    try:
        return _literal(value)
    except (RecursionError, TypeError):
        return None


def _literal(value: Any) -> str:  # noqa: ANN401 - any value
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return f"float({str(value)!r})"
    if value is None or value is ... or kind in (bool, int, float, complex, str, bytes):
        return repr(value)
    if kind is dict:
        return "{" + ", ".join(f"{_literal(key)}: {_literal(part)}" for key, part in value.items()) + "}"
    if kind in (set, frozenset):
        parts = ", ".join(sorted(map(_literal, value)))
        return f"{kind.__name__}([{parts}])"
    if kind in (list, tuple):
        parts = ", ".join(map(_literal, value))
        return f"[{parts}]" if kind is list else f"({parts}{',' * (len(value) == 1)})"
    raise TypeError(kind)


def recomputed(node: ast.expr, names: dict[str, Any]) -> object:
    """Return what an expression of literals, names and pure functions gives, else the expression itself."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            name = part.func.id if isinstance(part.func, ast.Name) else ""
            if name not in _PURE or name in names:
                return node
        elif not isinstance(part, _HARMLESS) or (
            isinstance(part, ast.Name) and literal(names.get(part.id)) is None
        ):
            return node
    try:
        value: object = eval(compile(ast.Expression(node), "<constant>", "eval"), dict(names))
    except Exception:
        return node
    return value


def stays_here(value: object, authors: set[str]) -> str:
    """Return why a value cannot travel, or nothing; `authors` are the names of the author's modules.

    Instances of the author's classes stay, except plain records: data classes, enums, named tuples.
    """
    for kinds, what in _NEVER:
        if isinstance(value, kinds):
            return f"is {what}"
    kind = type(value)
    record = dataclasses.is_dataclass(kind) or issubclass(kind, (enum.Enum, tuple, type))
    return (
        "" if record or kind.__module__ not in authors else f"is {described(value)}, which is no plain data"
    )


def described(value: object) -> str:
    """Return the kind of a value in words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def task_function(value: object) -> Any:  # noqa: ANN401 - a function or what wraps it
    """Return the plain function of a task, other values as they are."""
    return value.fn if is_task(value) else value  # type: ignore[attr-defined] # is_task looked


def is_task(value: object) -> bool:
    """Whether a value is what `@task` made of a function."""
    marked = inspect.getattr_static(value, "__argosy_task__", None) is True
    return marked and callable(getattr(value, "fn", None))


def of_dsl(value: object) -> bool:
    """Whether a value, its type or the module that it is belongs to this package."""
    homes = [type(value).__module__]
    if isinstance(value, types.ModuleType):
        homes.append(value.__name__)
    elif isinstance(value, (type, types.FunctionType)):
        homes.append(value.__module__)
    return is_task(value) or any(str(home).partition(".")[0] == "dsl" for home in homes)


def cells(function: object) -> dict[str, object]:
    """Return the free variables of a nested function that have a value."""
    inner = inspect.unwrap(function) if callable(function) else None
    found: dict[str, object] = {}
    if isinstance(inner, types.FunctionType):
        for name, cell in zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                continue
    return found
