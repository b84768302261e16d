"""A place where a construct of the author's file stands in, the places of its parts out: operands, arguments.

What cannot be found (text made by `exec`, a file that changed) is answered by the place itself.
"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from dsl.location import Location
from dsl.tree import nodes_of, tree_of

_LONGEST_TEXT = 500
"""Lines of one literal that are searched."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of the constructs of one file by where the constructs begin and end (line, column)."""

    operands: dict[tuple[int, int, int, int], tuple[Location, Location]] = field(default_factory=dict)
    arguments: dict[tuple[int, int, int, int], tuple[Location, ...]] = field(default_factory=dict)
    keywords: dict[tuple[int, int], dict[str, Location]] = field(default_factory=dict)
    beside: dict[Location, frozenset[str] | None] = field(default_factory=dict)
    entries: dict[tuple[int, int], dict[object, Location]] = field(default_factory=dict)
    elements: dict[tuple[int, int], tuple[Location, ...]] = field(default_factory=dict)
    parameters: dict[int, dict[str, Location]] = field(default_factory=dict)
    returns: dict[int, Location] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    positional: dict[Location, tuple[Location, ...]] = field(default_factory=dict)
    asked: dict[tuple[int, int, int, int], Location] = field(default_factory=dict)
    prints: set[tuple[int, int, int, int]] = field(default_factory=set)
    idle: set[tuple[int, int, int, int]] = field(default_factory=set)
    targets: dict[tuple[int, int, int, int], int] = field(default_factory=dict)


def operands_of_caller() -> tuple[Location, Location]:
    """Return where the two operands of the operator stand that the author's code applies now."""
    here, span = Location.of_caller(), Location.span_of_caller()
    return _parts(here.path).operands.get(span, (here, here))


def arguments_of_caller(count: int) -> tuple[Location, ...]:
    """Return where the positional arguments stand of the call that the author's code makes now."""
    here, span = Location.of_caller(), Location.span_of_caller()
    found = _parts(here.path).arguments.get(span, ())
    return found if len(found) == count else (here,) * count


def targets_of_caller() -> int:
    """Return how many names the author's code assigns a sequence to now, 1 if it does something else."""
    return _parts(Location.of_caller().path).targets.get(Location.span_of_caller(), 1)


def asked_by_caller() -> Location:
    """Return where what stands that a statement of the author tests or iterates now."""
    here = Location.of_caller()
    return _parts(here.path).asked.get(Location.span_of_caller(), here)


def is_idle_comparison() -> bool:
    """Whether the author's code makes a condition now that is a statement of its own."""
    return Location.span_of_caller() in _parts(Location.of_caller().path).idle


def is_printing() -> bool:
    """Whether the author's code calls `print` now."""
    return Location.span_of_caller() in _parts(Location.of_caller().path).prints


def elements_of(place: Location, count: int) -> tuple[Location, ...]:
    """Return where the elements of the list stand that begins at a place."""
    found = _parts(place.path).elements.get((place.line, place.column), ())
    return found if len(found) == count else (place,) * count


def keyword_of(place: Location, name: str) -> Location:
    """Return where the argument `name=` stands of a call that begins at a place."""
    return _parts(place.path).keywords.get((place.line, place.column), {}).get(name, place)


def keywords_beside(place: Location) -> frozenset[str] | None:
    """Return the names in the call whose argument `name=` stands at a place, None if not all are known."""
    return _parts(place.path).beside.get(place)


def positional_of(place: Location, index: int) -> Location:
    """Return where a positional argument stands of the call that stands at a place."""
    found = _parts(place.path).positional.get(place, ())
    return found[index] if index < len(found) else place


def entry_of(place: Location, key: object) -> Location:
    """Return where the key stands of a dict that is written as the argument at a place."""
    found = _parts(place.path).entries.get((place.line, place.column), {})
    return found.get(key, place) if isinstance(key, str) else place


def parameter_of(fn: Callable[..., object], name: str) -> Location | None:
    """Return where a function's parameter stands, None if its text is not known."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return None
    return _parts(code.co_filename).parameters.get(code.co_firstlineno, {}).get(name)


def mention_of(fn: Callable[..., object], name: str) -> Location | None:
    """Return where a function's text first uses the variable `$name`, None if that is not known."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return None
    path, last = code.co_filename, max((line for *_, line in code.co_lines() if line), default=0)
    variable = re.compile(rf"\$\{{?[#!]?{name}\b")
    for number in range(code.co_firstlineno, last + _LONGEST_TEXT):
        line = linecache.getline(path, number)
        if number > last and re.match(r"(@|def |class |with )", line):
            return None
        if (found := variable.search(line)) and not line.lstrip().startswith("#"):
            return Location(path, number, found.start() + 1, found.end() + 1)
    return None


def text_of(fn: Callable[..., object], text: str) -> Location | None:
    """Return where a text stands in the lines of a function, None if it stands nowhere or at two places."""
    code = getattr(fn, "__code__", None)
    if code is None or not text:
        return None
    lines = range(code.co_firstlineno, _last_line(code.co_filename, code.co_firstlineno) + 1)
    found = [(number, linecache.getline(code.co_filename, number)) for number in lines]
    places = [(number, line) for number, line in found if text in line]
    if len(places) != 1 or places[0][1].count(text) != 1:
        return None
    number, line = places[0]
    column = line.index(text) + 1
    return Location(code.co_filename, number, column, column + len(text))


def returned_by(fn: Callable[..., object]) -> Location | None:
    """Return where the value stands that a function returns last, None if its text is not known."""
    code = getattr(fn, "__code__", None)
    return _parts(code.co_filename).returns.get(code.co_firstlineno) if code else None


def _last_line(path: str, first: int) -> int:
    return _parts(path).ends.get(first, first)


def _parts(path: str) -> _Parts:
    return _parsed(path, "".join(linecache.getlines(path)))


@lru_cache(maxsize=64)
def _parsed(path: str, text: str) -> _Parts:
    parts = _Parts()
    try:
        tree = tree_of(text)
    except (SyntaxError, ValueError, RecursionError):
        return parts
    for node in nodes_of(tree):
        if isinstance(node, ast.BinOp):
            parts.operands[_span(node)] = (
                Location.of_node(path, node.left),
                Location.of_node(path, node.right),
            )
        elif isinstance(node, ast.For):
            parts.asked[_span(node)] = Location.of_node(path, node.iter)
        elif isinstance(node, ast.If | ast.While | ast.Assert | ast.IfExp):
            parts.asked[_span(node)] = Location.of_node(path, node.test)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            parts.asked[_span(node)] = Location.of_node(path, node.generators[0].iter)
        elif isinstance(node, ast.Expr) and _orders(node.value):
            parts.idle.add(_span(node.value))
        elif isinstance(node, ast.Call):
            _add_call(parts, path, node)
        elif isinstance(node, ast.List | ast.Tuple):
            place = Location.of_node(path, node)
            parts.elements[place.line, place.column] = tuple(Location.of_node(path, e) for e in node.elts)
            if isinstance(node.ctx, ast.Store):
                parts.targets[_span(node)] = len(node.elts)
        elif isinstance(node, ast.FunctionDef | ast.Lambda):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            parts.parameters[first] = {one.arg: Location.of_node(path, one) for one in every}
            parts.ends[first] = node.end_lineno or first
            values = [
                inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value
            ]
            if last := values[-1] if values else node.body if isinstance(node, ast.Lambda) else None:
                parts.returns[first] = Location.of_node(path, last)
    return parts


def _orders(node: ast.expr) -> bool:
    """Whether an expression compares by size or for equality, or joins conditions."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitAnd | ast.BitOr)
    others = ast.In | ast.NotIn | ast.Is | ast.IsNot
    return isinstance(node, ast.Compare) and not any(isinstance(one, others) for one in node.ops)


def _add_call(parts: _Parts, path: str, node: ast.Call) -> None:
    if isinstance(node.func, ast.Name) and node.func.id == "print":
        parts.prints.add(_span(node))
    if not any(isinstance(argument, ast.Starred) for argument in node.args):
        places = tuple(Location.of_node(path, argument) for argument in node.args)
        parts.arguments[_span(node)] = parts.positional[Location.of_node(path, node)] = places
    named = {keyword.arg: Location.of_node(path, keyword) for keyword in node.keywords if keyword.arg}
    spread = len(named) < len(node.keywords)  # `**options`: its names are not in the text
    parts.beside.update(dict.fromkeys(named.values(), None if spread else frozenset(named)))
    place = Location.of_node(path, node)
    parts.keywords.setdefault((place.line, place.column), {}).update(named)
    for keyword in node.keywords:
        if isinstance(keyword.value, ast.Dict):
            at = Location.of_node(path, keyword)
            keys = [key for key in keyword.value.keys if isinstance(key, ast.Constant)]
            parts.entries[at.line, at.column] = {key.value: Location.of_node(path, key) for key in keys}


def _span(node: ast.expr | ast.stmt) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0
