"""A Python function in; source text that stands alone out, or diagnostics for the names that cannot travel.

The text is the author's own, each piece on its line of the author's file: tracebacks in the pod match.
What of `dsl` stands in annotations, defaults and decorators is left out; the body may not use it.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, in_order
from dsl.excerpt import Cut, Excerpts, Place, end, start
from dsl.location import Location
from dsl.names import did_you_mean
from dsl.plain import cells, described, is_task, literal, of_dsl, recomputed, stays_here, task_function
from dsl.siblings import Sibling, absolute, imported, imports_of, package_of, prelude, sibling
from dsl.tree import nodes_of, tree_of
from dsl.uses import COMPOUND, Change, Uses, bindings, registered, uses

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = _Function | ast.ClassDef
_OWN_NAMES = frozenset({"__name__", "__doc__", "__builtins__", "__debug__"})
_MAKE = "make it inside the function, or in a helper with `functools.cache`"


@dataclass(frozen=True, slots=True)
class Shipped:
    """Python source that needs nothing of the author's file, and the name of the function in it."""

    source: str
    function: str
    modules: tuple[str, ...] = ()
    """The author's own modules whose texts are in the source, by their first names."""


@dataclass(frozen=True, slots=True)
class CannotTravel:
    """A name that stays behind: where it is used, why, and what to do."""

    name: str
    location: Location
    why: str
    hint: str
    code: Code = Code.CANNOT_TRAVEL

    def diagnostic(self) -> Diagnostic:
        """Return it as a finding."""
        return Diagnostic(self.code, self.location, f"`{self.name}` {self.why}", self.hint)


def ship(function: Callable[..., object]) -> tuple[Shipped, tuple[Diagnostic, ...]]:
    """Return the function's source with all it needs; with diagnostics the source is not complete."""
    plain = task_function(function)
    name = str(getattr(plain, "__name__", type(plain).__name__))
    inner: Any = inspect.unwrap(plain)
    code = getattr(inner, "__code__", None)
    text = "".join(linecache.getlines(code.co_filename)) if code else ""
    cargo = _Cargo(code.co_filename, text, inner.__globals__) if code and text else None
    node = cargo.node_of(plain, name) if cargo else None
    if not cargo or not node:
        place = Location(code.co_filename, code.co_firstlineno) if code else Location.of_caller()
        lost = CannotTravel(name, place, "has no source", "write the function with `def` in a Python file")
        return Shipped("", name), (lost.diagnostic(),)
    if isinstance(node, ast.Lambda):
        name = "lambda_function"
        constants = "".join(f"{key} = {value}; " for key, value in cargo.constants(cells(plain)))
        cargo.take(uses([node]), cells(plain))
        cargo.text.add(start(node), f"{constants}{name} = ({cargo.text.segment(node)})")
    else:
        name = node.name
        cargo.define(node, plain)
    modules = tuple(sorted({module.partition(".")[0] for module in cargo.siblings}))
    return Shipped(cargo.source(), name, modules), in_order(
        problem.diagnostic() for problem in cargo.problems
    )


@lru_cache(maxsize=8)
def _parsed(text: str) -> tuple[ast.Module, dict[str, list[tuple[ast.stmt, ast.stmt]]]]:
    """Return a module's tree and bindings, which its functions share."""
    tree = tree_of(text)
    return tree, bindings(tree)


class _Cargo:
    """What is packed for one function, and what had to stay behind."""

    def __init__(self, path: str, text: str, names: dict[str, Any]) -> None:
        self.path, self.text, self.names = path, Excerpts(text), names
        self.tree, self.bindings = _parsed(text)
        self.package = str(names.get("__package__") or "")
        depth = len(self.package.split(".")) if self.package else 0
        self.folder = Path(path).absolute().parents[depth]
        self.of_dsl = {name for name, value in names.items() if of_dsl(value)}
        for name, [*_, (leaf, _)] in self.bindings.items():
            if isinstance(leaf, (ast.Import, ast.ImportFrom)):
                self.of_dsl.update([name] if "dsl" in imported(_part(leaf, name), self.package) else [])
        self.done: dict[str, object] = {}
        self.problems: list[CannotTravel] = []
        self.siblings: dict[str, Sibling] = {}
        body = self.tree.body
        self.future = [
            node for node in body if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        ]
        self.lazy = any(alias.name == "annotations" for node in self.future for alias in node.names)

    def source(self) -> str:
        """Return the source of everything packed."""
        head = [self.text.segment(node) for node in self.future]
        modules = prelude(self.siblings, self.folder)
        return self.text.source("; ".join([*head, modules] if modules else head))

    def node_of(self, function: object, name: str) -> _Function | ast.Lambda | None:
        """Return where a function is defined: under the name it is bound to, or where its code says."""
        for bound in (name, *self.bindings):
            leaf = self.bindings[bound][-1][0] if bound in self.bindings else None
            if isinstance(leaf, _Function) and task_function(self.names.get(bound)) is function:
                return leaf
        code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
        if not code or code.co_filename != self.path:
            return None
        for node in nodes_of(self.tree):
            if isinstance(node, _Function) and node.name == code.co_name:
                if min([node.lineno, *(part.lineno for part in node.decorator_list)]) == code.co_firstlineno:
                    return node
            elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
                last = max((line or 0, byte or 0) for line, _, byte, _ in code.co_positions())
                if start(node.body) <= last <= end(node.body) and node.lineno == code.co_firstlineno:
                    return node
        return None

    def refuse(self, name: str, node: ast.AST, why: str, hint: str, code: Code = Code.CANNOT_TRAVEL) -> None:
        """Note that a name stays behind."""
        self.problems.append(CannotTravel(name, Location.of_node(self.path, node), why, hint, code))

    def attempt(self, packing: Callable[[], object]) -> bool:
        """Pack something; when part of it cannot travel, take all of it back and return False."""
        state = (dict(self.done), dict(self.text.pieces), list(self.problems), dict(self.siblings))
        packing()
        if len(self.problems) == len(state[2]):
            return True
        self.done, self.text.pieces, self.problems, self.siblings = state
        return False

    def take(self, found: Uses, free: dict[str, object]) -> None:
        """Pack what a piece of code uses; `free` are the variables of the function around it."""
        for change in found.changes:
            self.refuse_change(change, free)
        for name, node in found.names.items():
            if name not in free:
                self.need(name, node, found)
            elif literal(free[name]) is None:
                self.value(name, free[name], node, found)
        for statement in found.imports:
            self.modules(statement)

    def refuse_change(self, change: Change, free: dict[str, object]) -> None:
        """Report a change of the module's state: a pod has a state of its own."""
        name, method = change.name, change.method
        value = free.get(name, self.names.get(name))
        leaf = self.bindings.get(name, [(None, None)])[-1][0]
        foreign = isinstance(leaf, (ast.Import, ast.ImportFrom)) and not self.is_sibling(leaf)
        container = isinstance(value, (list, dict, set, bytearray, deque))
        ours = (name in free or leaf is not None) and not foreign
        if change.rebinds or (ours and (container or not method)):
            why = "is state of the module, which the task changes" + (
                f" with `.{method}()`" if method else ""
            )
            hint = "keep it inside the function and return it"
            self.refuse(name, change.node, why, hint, Code.STATE_CHANGED)

    def need(self, name: str, at: ast.AST, found: Uses) -> None:
        """Pack what a name of the module means."""
        if name in _OWN_NAMES:
            return
        if name == "__file__":
            self.refuse(name, at, "names a file that is not in the pod", "let the file travel along `>>`")
        elif name in self.names:
            self.value(name, self.names[name], at, found)
        elif not hasattr(builtins, name):
            guess = did_you_mean(name, [*self.names, *dir(builtins)])
            hint = f"did you mean {guess}?" if guess else "define or import it in the file of the task"
            self.refuse(name, at, "is defined nowhere", hint, Code.UNDEFINED_NAME)

    def value(self, name: str, value: object, at: ast.AST, found: Uses) -> None:
        """Pack a value under its name."""
        if name in self.done and self.done[name] is task_function(value):
            if is_task(value) and "fn" in found.attributes[name]:
                self.text.add(end(self.bindings[name][-1][0]), f"{name}.fn = {name}", 2)
        elif is_task(value):
            self.other_task(name, value, at, found)
        elif of_dsl(value) or (name in self.of_dsl and self.names[name] is value):
            why, hint = "belongs to dsl, which is not in the pod", "use it outside the function"
            self.refuse(name, at, why, hint, Code.DSL_IN_TASK)
        elif name in self.done:
            self.refuse(name, at, "means two things in what the task uses", "give one of them another name")
        else:
            self.done[name] = value
            node = self.node_of(value, getattr(value, "__name__", ""))
            if self.names.get(name, self) is value:
                self.binding(name, value, at)
            elif isinstance(node, _Function):
                self.define(node, value)
                self.text.add(end(node), "" if name == node.name else f"{name} = {node.name}", 2)
            elif isinstance(value, types.ModuleType):
                self.text.add(Place(1, 0), f"import {value.__name__} as {name}", 0)
            else:
                self.refuse(name, at, f"is {described(value)} of the function around it", _MAKE)

    def other_task(self, name: str, value: object, at: ast.AST, found: Uses) -> None:
        """Pack the function of another task, which the author calls as `name.fn(…)`."""
        if found.attributes[name] != {"fn"}:
            why = "is a task, and tasks do not exist in the pod"
            self.refuse(name, at, why, f"call `{name}.fn(…)`", Code.TASK_IN_TASK)
        elif name not in self.done:
            self.done[name] = value
            function = task_function(value)
            node = self.node_of(function, getattr(function, "__name__", ""))
            if isinstance(node, _Function):
                self.define(node, function)
                alias = "" if node.name == name else f"{name} = {node.name}; "
                self.text.add(end(node), f"{alias}{name}.fn = {node.name}", 2)
            else:
                self.refuse(name, at, "has no source here", "write its function with `def` in this file")

    def binding(self, name: str, value: object, at: ast.AST) -> None:
        """Pack the statements that bind a name of the module."""
        found = self.bindings.get(name, [])
        leaf, outer = found[-1] if found else (None, None)
        if leaf is None or outer is None:
            stars = [node for node in nodes_of(self.tree) if isinstance(node, ast.ImportFrom)]
            star = any(node.names[0].name == "*" for node in stars)
            why = "comes from a star import" if star else "is bound by no statement of the file"
            self.refuse(
                name, at, why, "import it by its name" if star else "define it at the top of the file"
            )
        elif isinstance(leaf, (ast.Import, ast.ImportFrom)):
            for statement, around in found:
                if isinstance(around, COMPOUND):
                    self.compound(around)
                elif isinstance(statement, (ast.Import, ast.ImportFrom)):
                    self.import_one(name, statement)
        elif isinstance(outer, COMPOUND) and (len(found) > 1 or literal(value) is None):
            self.compound(outer)
        elif isinstance(leaf, _Definition):
            self.define(leaf, value)
        else:
            self.assigned(name, value, at, leaf)

    def import_one(self, name: str, node: ast.Import | ast.ImportFrom) -> None:
        """Pack the part of an import that binds a name."""
        part = _part(node, name)
        if isinstance(part, ast.ImportFrom):
            part.module, part.level = absolute(part, self.package), 0
        self.modules(part)
        self.text.add(start(node), ast.unparse(part), 0)

    def is_sibling(self, node: ast.Import | ast.ImportFrom) -> bool:
        """Whether an import loads a module of the author."""
        return any(sibling(self.folder, name) for name in imported(node, self.package))

    def modules(self, node: ast.Import | ast.ImportFrom) -> None:
        """Pack the siblings that an import loads, and theirs."""
        waiting = [(node, self.package, "")]
        while waiting:
            statement, package, importer = waiting.pop()
            for name in imported(statement, package):
                if name == "dsl":
                    why = "imports dsl, which is not in the pod" if importer else "is not in the pod"
                    hint = "keep what tasks use in a module without dsl" if importer else "use it elsewhere"
                    self.refuse(importer or name, node, why, hint, Code.DSL_IN_TASK)
                found = None if name in self.siblings else sibling(self.folder, name)
                if found:
                    self.siblings[name] = found
                    waiting += [(inner, package_of(found), name) for inner in imports_of(found)]

    def compound(self, node: ast.stmt) -> None:
        """Pack an `if` or `try` of the module as a whole."""
        cuts, skipped = self.cuts(node)
        found = uses([node], skipped)
        for name, places in self.bindings.items():
            if any(outer is node for _, outer in places):
                self.done[name] = self.names.get(name)
                found.names.pop(name, None)
        self.text.block(node, start(node), self.text.segment(node, cuts))
        self.take(found, {})

    def assigned(self, name: str, value: object, at: ast.AST, leaf: ast.stmt) -> None:
        """Pack a constant: the author's statement when it gives the same value in the pod, else the value."""
        targets = leaf.targets if isinstance(leaf, ast.Assign) else [getattr(leaf, "target", None)]
        right = leaf.value if isinstance(leaf, (ast.Assign, ast.AnnAssign)) else None
        alone = len(targets) == 1 and isinstance(targets[0], ast.Name)
        constant, authors = literal(value), {str(self.names.get("__name__")), *self.siblings}
        why = stays_here(value, authors)
        if constant is not None:
            text = f"{name} = {constant}"
            if right and alone and literal(recomputed(right, self.names)) == constant:
                found = uses([right])
                if self.attempt(lambda: self.take(found, {})):
                    text = self.text.assignment(name, right)
            self.text.add(start(leaf), text)
        elif why or right is None:
            self.refuse(name, at, why or f"is {described(value)} that no assignment makes", _MAKE)
        else:
            found = uses([right])
            if found.names.pop(name, None):
                self.earlier(name)
            self.text.add(
                start(leaf), self.text.assignment(name, right) if alone else self.text.segment(leaf)
            )
            self.take(found, {})

    def earlier(self, name: str) -> None:
        """Pack what bound a name before its last assignment, which starts from it."""
        for leaf, _ in self.bindings[name][:-1]:
            if isinstance(leaf, _Definition):
                self.define(leaf, None)
            else:
                self.text.add(start(leaf), self.text.segment(leaf))
                found = uses([leaf])
                found.names.pop(name, None)
                self.take(found, {})

    def define(self, node: _Definition, value: object) -> None:
        """Pack a function or class without what belongs to dsl."""
        self.done.setdefault(node.name, value)
        code = getattr(inspect.unwrap(value), "__code__", None) if callable(value) else None
        lines = [node.lineno, *(part.lineno for part in node.decorator_list)]
        free = cells(value) if code and (code.co_name, code.co_firstlineno) == (node.name, min(lines)) else {}
        cuts, skipped = self.cuts(node)
        kept = [part for part in node.decorator_list if part not in skipped]
        first = kept[0] if kept else None
        at = self.text.before(start(first), b"@") if first else start(node)
        text = f"{'@' if first else ''}{self.text.segment(node, cuts, first)}"
        self.take(uses([node], skipped), free)
        constants = dict(self.constants(free))
        if constants:
            opening = f"def _enclosing_{node.name}({', '.join(constants)}):"
            call = f"{node.name} = _enclosing_{node.name}({', '.join(constants.values())})"
            self.text.block(node, at, text, (opening, f"return {node.name}", call))
        else:
            self.text.block(node, at, text)
        for later in registered(self.tree, node.name):
            if self.done.setdefault(f"@{later.lineno}", later) is later and later is not node:
                self.define(later, None)

    def constants(self, free: dict[str, object]) -> Iterator[tuple[str, str]]:
        """Yield free variables that are plain, as source."""
        for name, value in free.items():
            text = literal(value)
            if text is not None:
                yield name, text

    def cuts(self, node: ast.AST) -> tuple[list[Cut], list[ast.AST]]:
        """Return what is cut out of a definition, and the parts that need not be packed with it."""
        cuts: list[Cut] = []
        skipped: list[ast.AST] = []
        for part in ast.walk(node):
            for decorator in getattr(part, "decorator_list", []):
                if self.mentions_dsl(decorator):
                    mark = self.text.before(start(decorator), b"@")
                    cuts.append(self.text.removal(mark, decorator, newline="\n"))
                    skipped.append(decorator)
            if isinstance(part, ast.AnnAssign):
                skipped.append(part.annotation)
                if self.stays(part.annotation):
                    cuts.append(self.text.removal(start(part.annotation), part.annotation, "object"))
            elif isinstance(part, ast.arg) and part.annotation:
                skipped.append(part.annotation)
                if self.stays(part.annotation):
                    name = Place(part.lineno, part.col_offset + len(part.arg.encode()))
                    cuts.append(self.text.removal(name, part.annotation))
            elif isinstance(part, _Function):
                skipped += [part.returns] if part.returns else []
                if part.returns and self.stays(part.returns):
                    arrow = self.text.before(start(part.returns), b"->")
                    cuts.append(self.text.removal(arrow, part.returns))
                for default in [*part.args.defaults, *filter(None, part.args.kw_defaults)]:
                    if self.mentions_dsl(default):
                        cuts.append(self.text.removal(start(default), default, "None"))
                        skipped.append(default)
        return cuts, skipped

    def stays(self, annotation: ast.expr) -> bool:
        """Whether an annotation is left out: it names dsl, or is evaluated and needs what cannot travel."""
        if self.mentions_dsl(annotation):
            return True
        return not self.attempt(lambda: self.take(uses([annotation]), {})) and not self.lazy

    def mentions_dsl(self, node: ast.AST) -> bool:
        """Whether a part names something of dsl, also inside a text that is an annotation."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in self.of_dsl:
                return True
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and len(part.value) < 200:
                try:
                    inner = ast.parse(part.value, mode="eval")
                except (SyntaxError, ValueError):
                    continue
                if not isinstance(inner.body, ast.Constant) and self.mentions_dsl(inner):
                    return True
        return False


def _part(node: ast.Import | ast.ImportFrom, name: str) -> ast.Import | ast.ImportFrom:
    """Return the part of an import that binds a name."""
    aliases = [alias for alias in node.names if (alias.asname or alias.name).split(".")[0] == name]
    if isinstance(node, ast.ImportFrom):
        return ast.copy_location(ast.ImportFrom(node.module, aliases, node.level), node)
    return ast.copy_location(ast.Import(aliases), node)
