"""The text of an expr-lang expression in, its syntax tree out.

The language is expr 1.17.8, that of Argo's `{{= }}` tags, with the words and places of its faults.
"""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from dsl.expr.builtins import NAMES
from dsl.expr.tokens import SyntaxFault, Token, fault, tokens

__all__ = ["SyntaxFault", "Tree", "fault", "parse"]

_BINARY: Final = {
    "|": 0, "or": 10, "||": 10, "and": 15, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20, "..": 25, "+": 30, "-": 30,
    "*": 60, "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
}  # fmt: skip
_UNARY: Final = {"not": 50, "!": 50, "-": 90, "+": 90}
_NEGATED: Final = {"contains", "matches", "startsWith", "endsWith", "in"}
_COMPARISONS: Final = {"<", ">", ">=", "<="}
_CONSTANTS: Final[dict[str, object]] = {"true": True, "false": False, "nil": None}
PREDICATES: Final = {
    "all": "ep", "none": "ep", "any": "ep", "one": "ep", "filter": "ep", "map": "ep", "count": "ep?",
    "sum": "ep?", "find": "ep", "findIndex": "ep", "findLast": "ep", "findLastIndex": "ep", "groupBy": "ep",
    "sortBy": "epe?", "reduce": "epe?",
}  # fmt: skip
"""What functions with a predicate take: an expression `e`, a predicate `p`; the last may be left out: `?`."""


class Tree(NamedTuple):
    """A node of the syntax tree: `kind` says what `parts` are; `place` counts characters from 0."""

    kind: str
    place: int
    parts: tuple[object, ...]


def parse(source: str) -> Tree:
    """Return the syntax tree of `source`. Raises SyntaxFault."""
    parser = _Parser(source)
    tree = parser.sequence()
    if parser.now.kind != "EOF":
        raise parser.unexpected()
    return tree


class _Parser:
    """Precedence climbing, as expr's own parser: it reads one token ahead."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokens(source)
        self.stashed: Token | None = None
        self.depth = 0
        self.now = next(self.tokens)

    def fault(self, message: str, token: Token | None = None) -> SyntaxFault:
        return SyntaxFault(fault(message, self.source, (token or self.now).place))

    def unexpected(self) -> SyntaxFault:
        return self.fault(f"unexpected token {self.shown()}")

    def shown(self) -> str:
        return "EOF" if self.now.kind == "EOF" else f'{self.now.kind}("{self.now.text}")'

    def advance(self) -> Token:
        """Go on to the next token; return the one before."""
        token = self.now
        if self.stashed is not None:
            self.now, self.stashed = self.stashed, None
        else:
            following = next(self.tokens, None)
            if following is None:
                raise self.fault("unexpected end of expression")
            self.now = following
        return token

    def at(self, kind: str, *texts: str) -> bool:
        return self.now.kind == kind and (not texts or self.now.text in texts)

    def take(self, kind: str, text: str) -> bool:
        if self.at(kind, text):
            self.advance()
            return True
        return False

    def expect(self, kind: str, *texts: str) -> Token:
        if not self.at(kind, *texts):
            raise self.unexpected()
        return self.advance()

    def sequence(self) -> Tree:
        found = [self.expression(0)]
        while self.take("Operator", ";"):
            if self.now.kind == "EOF":
                break
            found.append(self.expression(0))
        return found[0] if len(found) == 1 else Tree("sequence", found[0].place, tuple(found))

    def expression(self, lowest: int) -> Tree:
        if lowest == 0 and self.at("Operator", "let"):
            return self.declaration()
        if lowest == 0 and self.at("Operator", "if"):
            return self.branches()
        left, before = self.primary(), ""
        while self.now.kind == "Operator":
            operator, negation = self.now, None
            if operator.text == "not":
                word = self.advance()
                if self.now.text not in _NEGATED:
                    raise self.unexpected()
                if _BINARY[self.now.text] < lowest:
                    self.stashed, self.now = self.now, word
                    break
                operator = negation = self.now
            power = _BINARY.get(operator.text)
            if power is None or power < lowest:
                break
            self.advance()
            left = self.operation(left, operator, power, before)
            if negation:
                left = Tree("unary", negation.place, ("not", left))
            before = operator.text
        return self.conditional(left) if lowest == 0 else left

    def operation(self, left: Tree, operator: Token, power: int, before: str) -> Tree:
        if operator.text == "|":
            return self.call(self.expect("Identifier"), left)
        if before == "??" and operator.text != "??":
            why = "and coalesce expressions (??) cannot be mixed. Wrap either by parentheses."
            raise self.fault(f"Operator ({operator.text}) {why}", operator)
        if operator.text in _COMPARISONS:
            return self.comparison(left, operator, power)
        right = self.expression(power if operator.text in ("**", "^") else power + 1)
        return Tree("binary", operator.place, (operator.text, left, right))

    def comparison(self, left: Tree, operator: Token, power: int) -> Tree:
        """Read one comparison, or several that are joined: `1 < x < 3`."""
        whole: Tree | None = None
        while True:
            right = self.expression(power + 1)
            one = Tree("binary", operator.place, (operator.text, left, right))
            whole = one if whole is None else Tree("binary", operator.place, ("&&", whole, one))
            left, operator = right, self.now
            if not self.at("Operator", *_COMPARISONS):
                return whole
            self.advance()

    def declaration(self) -> Tree:
        self.advance()
        name = self.expect("Identifier")
        self.expect("Operator", "=")
        value = self.expression(0)
        self.expect("Operator", ";")
        return Tree("let", name.place, (name.text, value, self.sequence()))

    def branches(self) -> Tree:
        self.advance()
        condition = self.expression(0)
        yes = self.braced()
        self.expect("Operator", "else")
        no = self.branches() if self.at("Operator", "if") else self.braced()
        return Tree("if", 0, (condition, yes, no))

    def braced(self) -> Tree:
        self.expect("Bracket", "{")
        tree = self.sequence()
        self.expect("Bracket", "}")
        return tree

    def conditional(self, condition: Tree) -> Tree:
        while self.take("Operator", "?"):
            if self.take("Operator", ":"):
                yes = condition
            else:
                yes = self.expression(0)
                self.expect("Operator", ":")
            no = self.expression(0)
            condition = Tree("if", self.now.place, (condition, yes, no))
        return condition

    def primary(self) -> Tree:
        token = self.now
        if token.kind == "Operator" and token.text in _UNARY:
            self.advance()
            inner = self.expression(_UNARY[token.text])
            return self.postfix(Tree("unary", token.place, (token.text, inner)))
        if self.take("Bracket", "("):
            inner = self.sequence()
            self.expect("Bracket", ")")
            return self.postfix(inner)
        if self.depth and self.at("Operator", "#", "."):
            name = ""
            if token.text == "#":
                self.advance()
                name = self.advance().text if self.at("Identifier") else ""
            return self.postfix(Tree("pointer", token.place, (name,)))
        if self.take("Operator", "::"):
            return self.postfix(self.call(self.expect("Identifier")))
        return self.secondary()

    def secondary(self) -> Tree:
        token = self.now
        if token.kind == "Identifier":
            self.advance()
            if token.text in _CONSTANTS:
                return Tree("constant", token.place, (_CONSTANTS[token.text],))
            is_call = self.at("Bracket", "(")
            return self.postfix(self.call(token) if is_call else Tree("name", token.place, (token.text,)))
        if token.kind == "Number":
            self.advance()
            return Tree("constant", token.place, (self.number(token.text.replace("_", "")),))
        if token.kind == "String":
            self.advance()
            return self.postfix(Tree("constant", token.place, (token.text,)))
        if self.at("Bracket", "["):
            return self.postfix(self.listed())
        if self.at("Bracket", "{"):
            return self.postfix(self.mapped())
        raise self.unexpected()

    def number(self, text: str) -> int | float:
        """Return the value of a literal, after which a fault is told to be."""
        lower, base, kind = text.lower(), 10, "integer"
        if lower.startswith("0x"):
            base, kind = 16, "hex"
        elif re.search("[.e]", lower):
            try:
                value = float(text)
            except ValueError:
                why = f'strconv.ParseFloat: parsing "{text}": invalid syntax'
                raise self.fault(f"invalid float literal: {why}") from None
            if math.isinf(value):
                why = f'strconv.ParseFloat: parsing "{text}": value out of range'
                raise self.fault(f"invalid float literal: {why}")
            return value
        elif lower.startswith(("0b", "0o")):
            base, kind = (2, "binary") if lower[1] == "b" else (8, "octal")
        try:
            whole = int(text, base)
        except ValueError:
            why = "invalid syntax"
        else:
            if whole < 1 << 63:
                return whole
            why = "value out of range"
        raise self.fault(f'invalid {kind} literal: strconv.ParseInt: parsing "{text}": {why}')

    def listed(self) -> Tree:
        token, found = self.advance(), list[Tree]()
        while not self.at("Bracket", "]"):
            if found:
                self.expect("Operator", ",")
                if self.at("Bracket", "]"):
                    break
            found.append(self.expression(0))
        self.expect("Bracket", "]")
        return Tree("list", token.place, tuple(found))

    def mapped(self) -> Tree:
        token, found = self.advance(), list[tuple[Tree, Tree]]()
        while not self.at("Bracket", "}"):
            if found:
                self.expect("Operator", ",")
                if self.at("Bracket", "}"):
                    break
                if self.at("Operator", ","):
                    raise self.unexpected()
            if self.now.kind in ("Number", "String", "Identifier"):
                key = Tree("constant", self.now.place, (self.advance().text,))
            elif self.at("Bracket", "("):
                key = self.expression(0)
            else:
                what = "a quoted string, a number, a identifier, or an expression enclosed in parentheses"
                raise self.fault(f"a map key must be {what} (unexpected token {self.shown()})")
            self.expect("Operator", ":")
            found.append((key, self.expression(0)))
        self.expect("Bracket", "}")
        return Tree("map", token.place, tuple(found))

    def call(self, token: Token, *first: Tree) -> Tree:
        if token.text in PREDICATES:
            return Tree("builtin", token.place, (token.text, self.predicates(token.text, *first)))
        arguments = self.arguments(*first)
        if token.text in NAMES:
            return Tree("builtin", token.place, (token.text, arguments))
        return Tree("call", token.place, (Tree("name", token.place, (token.text,)), arguments))

    def arguments(self, *first: Tree) -> tuple[Tree, ...]:
        found = list(first)
        self.expect("Bracket", "(")
        while not self.at("Bracket", ")"):
            if len(found) > len(first):
                self.expect("Operator", ",")
            if self.at("Bracket", ")"):
                break
            found.append(self.expression(0))
        self.expect("Bracket", ")")
        return tuple(found)

    def predicates(self, name: str, *first: Tree) -> tuple[Tree, ...]:
        found, form = list(first), PREDICATES[name]
        taken = form.rstrip("?")[len(first) :]
        self.expect("Bracket", "(")
        for index, kind in enumerate(taken):
            if self.at("Bracket", ")"):
                if form.endswith("?") and index == len(taken) - 1:
                    break
                raise self.fault(f"expected at least {len(taken)} arguments")
            if index:
                self.expect("Operator", ",")
            found.append(self.predicate() if kind == "p" else self.expression(0))
        self.take("Operator", ",")
        self.expect("Bracket", ")")
        return tuple(found)

    def predicate(self) -> Tree:
        self.depth += 1
        if self.at("Bracket", "{"):
            tree = self.braced()
        else:
            tree = self.expression(0)
            if self.at("Operator", ";"):
                raise self.fault("wrap predicate with brackets { and }")
        self.depth -= 1
        return tree

    def postfix(self, tree: Tree) -> Tree:
        """Read members, indices, slices and calls; a chain with `?.` in it is nil as a whole."""
        while True:
            token = self.now
            if token.kind == "Operator" and token.text in (".", "?."):
                self.advance()
                is_optional = token.text == "?."
                if is_optional and self.at("Bracket", "["):
                    tree = self.indexed(tree, is_optional=True)
                else:
                    tree = self.member(tree, is_optional=is_optional)
            elif token.kind == "Bracket" and token.text == "[":
                tree = self.indexed(tree, is_optional=False)
            else:
                return tree

    def member(self, tree: Tree, *, is_optional: bool) -> Tree:
        field = self.advance()
        if field.kind != "Identifier" and not (field.kind == "Operator" and field.text[0].isalpha()):
            raise self.fault("expected name")
        key = Tree("constant", field.place, (field.text,))
        is_chain = tree.kind == "chain"
        inner = tree.parts[0] if is_chain else tree
        tree = Tree("member", field.place, (inner, key, is_optional))
        if self.at("Bracket", "("):
            tree = Tree("call", field.place, (tree, self.arguments()))
        return Tree("chain", field.place, (tree,)) if is_chain or is_optional else tree

    def indexed(self, tree: Tree, *, is_optional: bool) -> Tree:
        token = self.advance()
        first = None if self.at("Operator", ":") else self.expression(0)
        if self.take("Operator", ":"):
            last = None if self.at("Bracket", "]") else self.expression(0)
            self.expect("Bracket", "]")
            return Tree("slice", token.place, (tree, first, last))
        self.expect("Bracket", "]")
        tree = Tree("member", token.place, (tree, first, is_optional))
        return Tree("chain", token.place, (tree,)) if is_optional else tree
