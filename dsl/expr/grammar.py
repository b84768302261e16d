"""The text of an expr-lang expression in, its syntax tree out.

The language is expr 1.17, that of Argo's `{{= }}` tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<white>\s+|//[^\n]*|/\*.*?\*/|\#(?=\s\s))
    |(?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*)?\.\d[\d_]*(?:[eE][+-]?\d+)?|\d[\d_]*(?:\.(?!\.)\d*)?(?:[eE][+-]?\d+)?)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<raw>`[^`]*`)
    |(?P<name>[A-Za-z_$\u0080-\U0010ffff][\w$]*)
    |(?P<operator>\?\.|\?\?|\.\.|\|\||[&!=*<>][&=*]?|[-+/%^|?:.,;\#])
    |(?P<bracket>[][(){}])""",
    re.X | re.S,
)
_ESCAPE = re.compile(
    r"\\(x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.S
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_WORDS = {
    "and", "or", "in", "not", "matches", "contains", "startsWith", "endsWith", "let", "if", "else",
}  # fmt: skip
_BINARY = {
    "|": 0, "or": 10, "||": 10, "and": 15, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20, "..": 25, "+": 30, "-": 30,
    "*": 60, "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
}  # fmt: skip
_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "nil": None}


class SyntaxFault(ValueError):
    """The text is no expression; the message has expr's own layout."""


class Tree(NamedTuple):
    """A node of the syntax tree: `kind` says what `parts` are; `place` counts characters from 0."""

    kind: str
    place: int
    parts: tuple[object, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def fault(message: str, source: str, place: int) -> str:
    """Lay out an error as expr does: the message, the line, and a caret under the place."""
    before = source[:place]
    line = before.count("\n")
    column = place - (before.rfind("\n") + 1)
    shown = source.split("\n")[line] if source else ""
    return f"{message} ({line + 1}:{column + 1})\n | {shown}\n | {'.' * column}^"


def parse(source: str) -> Tree:
    """Return the syntax tree of `source`. Raises SyntaxFault."""
    parser = _Parser(source)
    tree = parser.sequence()
    if parser.now.kind != "end":
        raise parser.unexpected()
    return tree


def _tokens(source: str) -> list[_Token]:
    found, place = [], 0
    while place < len(source):
        match = _TOKEN.match(source, place)
        if not match:
            raise SyntaxFault(
                fault(f"unrecognized character: U+{ord(source[place]):04X} {source[place]!r}", source, place)
            )
        kind = match.lastgroup or ""
        text = match[0]
        if kind == "name" and text in _WORDS:
            kind = "operator"
        if kind != "white":
            found.append(_Token(kind, text, place))
        place = match.end()
    return [*found, _Token("end", "", max(len(source) - 1, 0))]


def unquoted(literal: str) -> str:
    """Return the text that a string literal with its quotes stands for."""
    return _ESCAPE.sub(_unescaped, literal[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(int(code[1:].strip("{}"), 16))
    if len(code) == 3:
        return chr(int(code, 8))
    return _SIMPLE.get(code, code)


class _Parser:
    """Precedence climbing, as expr's own parser."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = _tokens(source)
        self.at = 0
        self.depth = 0
        """How many calls are open: in one, `#` and `.name` are what a closure stands at."""

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def unexpected(self) -> SyntaxFault:
        return SyntaxFault(fault(self.found(), self.source, self.now.place))

    def found(self) -> str:
        token = self.now
        names = {"end": "EOF", "name": "Identifier", "operator": "Operator", "bracket": "Bracket"}
        name = names.get(token.kind, token.kind.capitalize())
        shown = "EOF" if token.kind == "end" else f'{name}("{token.text}")'
        return f"unexpected token {shown}"

    def take(self, text: str) -> bool:
        if self.now.kind in ("operator", "bracket") and self.now.text == text:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise self.unexpected()

    def name(self) -> _Token:
        token = self.now
        if token.kind != "name" and token.text not in _WORDS:
            raise self.unexpected()
        self.at += 1
        return token

    def sequence(self) -> Tree:
        return self.expression(0)

    def declaration(self, place: int) -> Tree:
        if self.now.kind != "name":
            raise self.unexpected()
        variable = self.name().text
        self.expect("=")
        value = self.expression(0)
        self.expect(";")
        return Tree("let", place, (variable, value, self.sequence()))

    def choice(self, place: int) -> Tree:
        condition = self.expression(0)
        yes = self.block()
        self.expect("else")
        after = self.now.place
        return Tree("if", place, (condition, yes, self.choice(after) if self.take("if") else self.block()))

    def block(self) -> Tree:
        self.expect("{")
        tree = self.sequence()
        self.expect("}")
        return tree

    def expression(self, lowest: int) -> Tree:
        place = self.now.place
        if lowest == 0 and self.take("let"):
            return self.declaration(place)
        if lowest == 0 and self.take("if"):
            return self.choice(place)
        left = self.unary()
        while self.now.kind == "operator":
            token = self.now
            negated = token.text == "not" and self.tokens[self.at + 1].text in _BINARY
            operator = self.tokens[self.at + 1].text if negated else token.text
            power = _BINARY.get(operator)
            if power is None or power < lowest:
                break
            self.at += 2 if negated else 1
            if operator == "|":
                left = self.piped(left)
                continue
            right = self.expression(power if operator in ("**", "^") else power + 1)
            left = Tree("binary", token.place, (operator, left, right))
            if negated:
                left = Tree("unary", token.place, ("not", left))
        return self.conditional(left) if lowest == 0 else left

    def piped(self, left: Tree) -> Tree:
        token = self.name()
        self.expect("(")
        return self.postfix(
            Tree("call", token.place, (Tree("name", token.place, (token.text,)), self.arguments(left)))
        )

    def conditional(self, condition: Tree) -> Tree:
        while self.take("?"):
            place = self.tokens[self.at - 1].place
            if self.take(":"):
                condition = Tree("if", place, (condition, condition, self.expression(0)))
                continue
            yes = self.expression(0)
            self.expect(":")
            condition = Tree("if", place, (condition, yes, self.expression(0)))
        return condition

    def unary(self) -> Tree:
        token = self.now
        if token.kind == "operator" and token.text in _UNARY:
            self.at += 1
            return self.postfix(Tree("unary", token.place, (token.text, self.expression(_UNARY[token.text]))))
        tree = self.primary()
        is_last = token.kind == "number" or (token.kind == "name" and token.text in _CONSTANTS)
        return tree if is_last else self.postfix(tree)

    def primary(self) -> Tree:
        token = self.now
        self.at += 1
        if token.kind == "number":
            return Tree("constant", token.place, (_number(token.text),))
        if token.kind in ("string", "raw"):
            text = token.text[1:-1] if token.kind == "raw" else unquoted(token.text)
            return Tree("constant", token.place, (text,))
        if token.kind == "name":
            return self.named(token)
        brackets: dict[str, Callable[[_Token], Tree]] = {
            "(": self.grouped, "[": self.listed, "{": self.mapped, "#": self.pointer, ".": self.shorthand,
        }  # fmt: skip
        if token.text in brackets and (token.kind == "bracket" or (token.kind == "operator" and self.depth)):
            return brackets[token.text](token)
        self.at -= 1
        raise self.unexpected()

    def named(self, token: _Token) -> Tree:
        if token.text in _CONSTANTS:
            return Tree("constant", token.place, (_CONSTANTS[token.text],))
        tree = Tree("name", token.place, (token.text,))
        if self.take("("):
            return Tree("call", token.place, (tree, self.arguments()))
        return tree

    def grouped(self, _: _Token) -> Tree:
        tree = self.sequence()
        self.expect(")")
        return tree

    def listed(self, token: _Token) -> Tree:
        elements: list[Tree] = []
        while not self.take("]"):
            if elements:
                self.expect(",")
                if self.take("]"):
                    break
            elements.append(self.expression(0))
        return Tree("list", token.place, tuple(elements))

    def mapped(self, token: _Token) -> Tree:
        pairs: list[tuple[Tree, Tree]] = []
        while not self.take("}"):
            if pairs:
                self.expect(",")
                if self.take("}"):
                    break
            pairs.append(self.pair())
        return Tree("map", token.place, tuple(pairs))

    def pair(self) -> tuple[Tree, Tree]:
        token = self.now
        if self.take("("):
            key = self.grouped(token)
        elif token.kind in ("string", "raw", "number", "name"):
            self.at += 1
            text = unquoted(token.text) if token.kind == "string" else token.text.strip("`")
            key = Tree("constant", token.place, (text,))
        else:
            must = "a map key must be a quoted string, a number, a identifier, or an expression enclosed"
            raise SyntaxFault(fault(f"{must} in parentheses ({self.found()})", self.source, token.place))
        self.expect(":")
        return key, self.expression(0)

    def pointer(self, token: _Token) -> Tree:
        if self.now.kind == "name" and self.now.place == token.place + 1:
            return Tree("pointer", token.place, (self.name().text,))
        return Tree("pointer", token.place, ("",))

    def shorthand(self, token: _Token) -> Tree:
        field = self.name()
        key = Tree("constant", field.place, (field.text,))
        return Tree("member", field.place, (Tree("pointer", token.place, ("",)), key, False))

    def arguments(self, *first: Tree) -> tuple[Tree, ...]:
        found = list(first)
        self.depth += 1
        while not self.take(")"):
            if len(found) > len(first):
                self.expect(",")
                if self.take(")"):
                    break
            found.append(self.braced() if self.take("{") else self.expression(0))
        self.depth -= 1
        return tuple(found)

    def braced(self) -> Tree:
        """A closure in braces, or a map: a colon after the first token tells."""
        start = self.at
        second = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else self.now
        if self.now.text == "}" or second.text == ":":
            tree = self.mapped(self.tokens[start - 1])
            return self.postfix(tree)
        tree = self.sequence()
        self.expect("}")
        return tree

    def postfix(self, tree: Tree) -> Tree:
        """Read members, indices, slices and calls; a chain with `?.` in it is nil as a whole."""
        optional = False
        while True:
            token = self.now
            if token.kind == "operator" and token.text in (".", "?."):
                self.at += 1
                optional = optional or token.text == "?."
                if token.text == "?." and self.take("["):
                    tree = self.indexed(tree, token, True)
                    continue
                field = self.name()
                key = Tree("constant", field.place, (field.text,))
                tree = Tree("member", field.place, (tree, key, token.text == "?."))
                if self.take("("):
                    tree = Tree("call", field.place, (tree, self.arguments()))
            elif token.kind == "bracket" and token.text == "[":
                self.at += 1
                tree = self.indexed(tree, token, False)
            else:
                return Tree("chain", tree.place, (tree,)) if optional else tree

    def indexed(self, tree: Tree, token: _Token, optional: bool) -> Tree:
        first = None if self.now.text == ":" else self.expression(0)
        if self.take(":"):
            last = None if self.now.text == "]" else self.expression(0)
            self.expect("]")
            return Tree("slice", token.place, (tree, first, last))
        self.expect("]")
        return Tree("member", first.place if first else token.place, (tree, first, optional))


def _number(text: str) -> object:
    plain = text.replace("_", "")
    if plain[:2].lower() in ("0x", "0b", "0o"):
        return int(plain, 0)
    return float(plain) if re.search("[.eE]", plain) else int(plain)
