"""The text of a shell task in, its commands and variables out; nothing runs and nothing is judged.

A scanner of POSIX sh (XCU 2) with the parts of bash that name variables. It knows quotes, comments,
here-documents, substitutions and which commands set a variable; it takes whatever it does not know for
plain words, so it can miss an assignment but never fails. Lines and columns count from 1.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^]]*\])?\+?=")
_ARITHMETIC_ASSIGNMENT: Final = re.compile(
    r"([A-Za-z_]\w*)\s*(?:(?:[-+*/%&|^]|<<|>>)?=(?!=)|\+\+|--)|(?:\+\+|--)\s*([A-Za-z_]\w*)"
)
_BRACED: Final = re.compile(
    r"\$\{(?P<prefix>[#!]?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\[[^]]*\])?(?P<operator>:?[-=+?])?"
)
_HEREDOC: Final = re.compile(
    r"<<(?P<tabs>-?)[ \t]*(?P<word>(?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>()'\"\\])+)"
)
_POSITIONAL: Final = re.compile(r"\$(?:[1-9]|\{[1-9][0-9]*\})")
_SOLE_COMMAND: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_FUNCTION: Final = re.compile(r"\w\s*\(\s*\)|\bfunction\s")
_BLANKS: Final = " \t\r"
_METACHARACTERS: Final = " \t\r\n;&|<>()"
_UNKNOWN: Final = "\0"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VARIABLE: Final = r"\$(?:\w++|\{(?:[A-Za-z_]\w*+|[0-9]++)\})"
_QUOTED: Final = rf"""'[^'\n]*+'|"(?:[^"\\`$\n]|\\[^\n]|{_VARIABLE})*+\""""
_WORD: Final = rf"(?:[\w./,:=@%+*?~-]++|{_QUOTED}|{_VARIABLE})++"
_TO: Final = rf"[0-9]?(?:>>?|<|>&)[ \t]*+{_WORD}(?![<>])"
_COMMAND: Final = rf"{_WORD}(?:[ \t]*+{_TO}|[ \t]++{_WORD})*+"
_LIST: Final = rf"{_COMMAND}(?:[ \t]*+(?:&&|\|\|?|;|&)[ \t]*+{_COMMAND})*+(?:[ \t]*+[;&])?"
_LINE: Final = rf"[ \t]*+(?:{_LIST})?+[ \t]*+"
_PLAIN_LINES: Final = re.compile(rf"{_LINE}(?:\n{_LINE})*+", re.ASCII)
_RESERVED: Final = re.compile(
    r"\b(?:if|then|else|elif|fi|do|done|case|esac|while|until|for|in|function|select|time|coproc|alias)\b"
)
_LEADING_WORDS: Final = _words("if then else elif do while until ! { } time command builtin exec env")
_DECLARING: Final = _words("export local readonly declare typeset unset read mapfile readarray")
_READING_CODE: Final = _words("eval . source")

ENVIRONMENT: Final = _words(
    """PATH HOME PWD OLDPWD TMPDIR HOSTNAME IFS OPTARG OPTIND OPTERR RANDOM SECONDS LINENO LANG LANGUAGE TZ
    TERM SHELL SHLVL USER LOGNAME PPID UID EUID GROUPS REPLY PIPESTATUS FUNCNAME DIRSTACK HOSTTYPE MACHTYPE
    OSTYPE COLUMNS EPOCHSECONDS EPOCHREALTIME LINES PS1 PS2 PS3 PS4 _"""
)
"""Variables that a shell or a container has without anybody setting them."""
ENVIRONMENT_PREFIXES: Final = ("BASH", "LC_", "KUBERNETES_")


class Place(NamedTuple):
    """Where a variable is expanded."""

    name: str
    line: int
    column: int


class Invocation(NamedTuple):
    """A simple command: its text, and its words as they are written, without redirections."""

    text: str
    words: tuple[str, ...]


def mentions(body: str | Sequence[str], word: str) -> bool:
    """Whether `word` stands in sh text as a whole word outside comments, quoted or not, or in an argv.

    >>> mentions("sh -c 'echo $ITEM' # INPUT_FILE", "ITEM")
    True
    """
    text = body if isinstance(body, str) else "\n".join(one.replace("#", " ") for one in body)
    for start, end in sorted(set(_scanned(text).comments), reverse=True):
        text = text[:start] + text[end:]
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", text) is not None


def is_plain(text: str) -> bool:
    """Whether a text is made of simple commands alone, one or several per line, which every sh can parse.

    Without reserved words, brackets, backticks, comments and quotes over several lines there is nothing else
    that could be left open.

    >>> is_plain('gdalwarp "$INPUT_FILE" out.tif && mv out.tif "${OUTPUT_FILE}"'), is_plain("a; fi")
    (True, False)
    """
    return not _RESERVED.search(text) and _PLAIN_LINES.fullmatch(text) is not None


def commands(text: str) -> str:
    r"""Return `text` without its comments and here-documents.

    >>> commands("cat a # b\ncat <<E\nc\nE\n")
    'cat a \ncat <<E\nE\n'
    """
    scanner, kept, position = _scanned(text), "", 0
    for start, end in sorted({*scanner.comments, *scanner.documents}):
        kept += text[position:start]
        position = max(position, end)  # one can hold another
    return kept + text[position:]


def undeclared(text: str, declared: Collection[str]) -> list[Place]:
    """Return the first place of each variable that is expanded without a default and that nothing sets.

    `declared` are the names that the task is given. Text that reads other code (eval, `.`) gives none.

    >>> undeclared('for x in 1 2; do echo "$x $y ${z:-3}"; done', {"crs"})
    [Place(name='y', line=1, column=27)]
    """
    scanner = _scanned(text)
    if scanner.reads_code:
        return []
    places: dict[str, Place] = {}
    for expansion in scanner.expansions:
        name = expansion.name
        known = name in declared or name in scanner.assigned or name in ENVIRONMENT
        if not (known or expansion.guarded or name in places or name.startswith(ENVIRONMENT_PREFIXES)):
            line_start = text.rfind("\n", 0, expansion.position) + 1
            line = text.count("\n", 0, expansion.position) + 1
            places[name] = Place(name, line, expansion.position - line_start + 1)
    return list(places.values())


def positional(text: str) -> list[str]:
    """Return the positional arguments that `text` expands without a default, where nothing sets any.

    >>> positional("cat $1 '$2' ${3:-} ${4}")
    ['$1', '${4}']
    """
    scanner = _scanned(text)
    return [] if scanner.reads_code or scanner.sets_arguments else scanner.positional


def substituted(text: str) -> list[str]:
    """Return the commands that `text` runs for their output and without arguments.

    >>> substituted("echo $(crs) '$(x)' $(date -u)")
    ['crs']
    """
    return _scanned(text).substituted


def invocations(text: str) -> list[Invocation]:
    """Return the simple commands of `text` in order, and `(` and `)` where a subshell begins and ends.

    Assignments and reserved words before a command are left out.

    >>> [one.words for one in invocations('x=1 cat "$y" 2>z && ! (ls)')]
    [('cat', '"$y"'), ('(',), ('ls',), (')',)]
    """
    return _scanned(text).invocations


def has_windows_lines(text: str) -> bool:
    r"""Whether a command of `text` ends with a carriage return; one inside quotes is a character.

    >>> has_windows_lines("ls\r\n"), has_windows_lines("printf 'a\r\n'")
    (True, False)
    """
    return "\r\n" in text and _scanned(text).has_windows_lines


class _Expansion(NamedTuple):
    name: str
    position: int
    guarded: bool
    """Whether the text says what happens when it is unset."""


class _Heredoc(NamedTuple):
    delimiter: str
    quoted: bool
    tabs: bool


@lru_cache(maxsize=64)
def _scanned(text: str) -> _Scanner:
    """Read a text once for all that ask about it."""
    return _Scanner(text)


class _Scanner:
    """Reads a whole text when it is made; its attributes are what was found, in the order of the text."""

    def __init__(self, text: str) -> None:
        self.expansions: list[_Expansion] = []
        self.assigned: set[str] = set()
        self.comments: list[tuple[int, int]] = []
        self.documents: list[tuple[int, int]] = []
        self.has_windows_lines = False
        self.positional: list[str] = []
        self.substituted: list[str] = []
        self.invocations: list[Invocation] = []
        self.reads_code = False
        self.sets_arguments = bool(_FUNCTION.search(text))
        self._text = text
        self._position = 0
        self._heredocs: list[_Heredoc] = []
        try:
            self._commands("")
        except RecursionError:
            self.reads_code = True

    def _commands(self, end: str) -> None:
        """Read commands up to `end`: a bracket, a backtick or nothing."""
        words: list[str] = []
        spans: list[tuple[int, int]] = []
        nested: list[str] = []
        redirected = False
        while character := self._next():
            if character == end and (not nested or end == "`"):
                break
            if character in _BLANKS:
                self.has_windows_lines |= self._at("\r\n")
                self._position += 1
            elif self._at("\\\n"):
                self._position += 2
            elif character == "#":
                self._comment()
            elif self._at("((") and words in ([], ["for"]):
                self._position += 2
                self._arithmetic()
            elif character in "<>":
                if spans and spans[-1][1] == self._position and words[-1].isdigit():  # a file descriptor
                    words.pop()
                    spans.pop()
                redirected = self._redirection()
            elif character in "\n;&|()":
                self._position += 1
                redirected = False
                self._finish(words, spans)
                if character == "(" or (character == ")" and nested[-1:] == ["("]):
                    self.invocations.append(Invocation(character, (character,)))
                    nested[:] = [*nested, "("] if character == "(" else nested[:-1]
                if character == "\n":
                    self._heredoc_bodies()
            else:
                start, word = self._position, self._word(end)
                self._note_case(words, word, nested)
                words += [] if redirected else [word]
                spans += [] if redirected else [(start, self._position)]
                redirected = False
        self._finish(words, spans)
        self._position += 1

    def _note_case(self, words: list[str], word: str, nested: list[str]) -> None:
        """Remember that a closing bracket ends a pattern, from `case` to `esac`."""
        if all(other in _LEADING_WORDS for other in words):
            if word == "case":
                nested.append(word)
            elif word == "esac" and nested[-1:] == ["case"]:
                nested.pop()

    def _next(self) -> str:
        return self._text[self._position : self._position + 1]

    def _at(self, text: str) -> bool:
        return self._text.startswith(text, self._position)

    def _comment(self) -> None:
        end = self._text.find("\n", self._position)
        end = len(self._text) if end < 0 else end
        self.comments.append((self._position, end))
        self._position = end

    def _redirection(self) -> bool:
        """Read `<` or `>` and say whether a file name follows."""
        heredoc = None if self._at("<<<") else _HEREDOC.match(self._text, self._position)
        if heredoc:
            word = heredoc["word"]
            plain = re.sub(r"\\(.)|['\"]", lambda m: m[1] or "", word)
            self._heredocs.append(_Heredoc(plain, plain != word, bool(heredoc["tabs"])))
            self._position = heredoc.end()
            return False
        while self._next() and self._next() in "<>&|-":
            self._position += 1
        return True

    def _heredoc_bodies(self) -> None:
        """Read the here-documents announced on the line that ended here."""
        for heredoc in self._heredocs:
            start = self._position
            tabs = r"\t*" if heredoc.tabs else ""
            pattern = re.compile(rf"^{tabs}{re.escape(heredoc.delimiter)}$", re.MULTILINE)
            found = pattern.search(self._text, start)
            end, after = found.span() if found else (len(self._text), len(self._text))
            self.documents.append((start, end))
            if not heredoc.quoted:
                while self._position < end:
                    self._double_quoted_character()
            self._position = after
        self._heredocs = []

    def _word(self, end: str) -> str:
        """Read one word and return its text, with _UNKNOWN for what is known only when it runs."""
        parts: list[str] = []
        while character := self._next():
            if character in _METACHARACTERS or (character == "`" and end == "`"):
                break
            if character == "\\":
                parts.append(self._text[self._position + 1 : self._position + 2].strip("\n"))
                self._position += 2
            elif character == "'":
                parts.append(self._single_quoted())
            elif character == '"':
                parts.append(self._double_quoted())
            elif character in "$`":
                parts.append(_UNKNOWN)
                self._expansion(quoted=False)
            else:
                parts.append(character)
                self._position += 1
        return "".join(parts)

    def _single_quoted(self) -> str:
        start = self._position + 1
        end = self._text.find("'", start)
        end = len(self._text) if end < 0 else end
        self._position = end + 1
        return self._text[start:end]

    def _double_quoted(self) -> str:
        """Read a text in double quotes; return it if nothing in it is expanded."""
        start = self._position + 1
        before = len(self.expansions)
        self._position = start
        while self._next() not in ("", '"'):
            self._double_quoted_character()
        text = self._text[start : self._position]
        self._position += 1
        return _UNKNOWN if len(self.expansions) > before or "$" in text or "`" in text else text

    def _double_quoted_character(self) -> None:
        if self._next() == "\\":
            self._position += 2
        elif self._next() in "$`":
            self._expansion(quoted=True)
        else:
            self._position += 1

    def _expansion(self, *, quoted: bool) -> None:
        """Read what starts with a dollar sign or a backtick."""
        start = self._position
        name = _NAME.match(self._text, start + 1)
        if self._at("$(("):
            self._position += 3
            self._arithmetic()
        elif self._at("$("):
            if sole := _SOLE_COMMAND.match(self._text, start):
                self.substituted.append(sole[1])
            self._position += 2
            self._substitution(")")
        elif self._at("`"):
            self._position += 1
            self._substitution("`")
        elif self._at("${") and not _POSITIONAL.match(self._text, start):
            self._braced(quoted=quoted)
        elif name and self._at("$"):
            self.expansions.append(_Expansion(name[0], start, guarded=False))
            self._position = name.end()
        elif self._at("$'") and not quoted:
            self._position += 2
            while self._next() not in ("", "'"):
                self._position += 2 if self._next() == "\\" else 1
            self._position += 1
        elif found := _POSITIONAL.match(self._text, start):
            self.positional.append(found[0])
            self._position = found.end()
        else:
            self._position += 1 if self._text[start + 1 : start + 2] in {*"\"\\ \n'$", ""} else 2

    def _substitution(self, end: str) -> None:
        """Read a command substitution, whose here-documents are its own."""
        outer, self._heredocs = self._heredocs, []
        self.invocations.append(Invocation("(", ("(",)))
        self._commands(end)
        self.invocations.append(Invocation(")", (")",)))
        self._heredocs = outer + self._heredocs

    def _braced(self, *, quoted: bool) -> None:
        start = self._position
        found = _BRACED.match(self._text, start)
        if found:
            self.expansions.append(_Expansion(found["name"], start, guarded=bool(found["operator"])))
            if (found["operator"] or "").endswith("="):
                self.assigned.add(found["name"])
        self._position = found.end() if found else min(start + 3, len(self._text))
        while self._next() and self._next() != "}":
            if self._next() == "'" and not quoted:
                self._single_quoted()
            elif self._next() == '"':
                self._double_quoted()
            else:
                self._double_quoted_character()
        self._position += 1

    def _arithmetic(self) -> None:
        """Read up to the two brackets that end an arithmetic expression."""
        start = self._position
        depth = 2
        while self._next() and depth:
            if self._next() in "$`\\":
                self._double_quoted_character()
            else:
                depth += (self._next() == "(") - (self._next() == ")")
                self._position += 1
        self._set_in_arithmetic(self._text[start : self._position])

    def _set_in_arithmetic(self, text: str) -> None:
        for found in _ARITHMETIC_ASSIGNMENT.finditer(text):
            self.assigned.add(found[1] or found[2])

    def _finish(self, words: list[str], spans: list[tuple[int, int]]) -> None:
        """Note a simple command and which variables it sets, and forget it."""
        rest, places = list(words), list(spans)
        words.clear()
        spans.clear()
        while rest and (rest[0] in _LEADING_WORDS or _ASSIGNMENT.match(rest[0])):
            self._set_by_assignment(rest.pop(0))
        if not rest:
            return
        places = places[-len(rest) :]
        written = tuple(self._text[start:end] for start, end in places)
        self.invocations.append(Invocation(self._text[places[0][0] : places[-1][1]], written))
        command, *arguments = rest
        if command in _READING_CODE:
            self.reads_code = True
        elif command == "set":
            self.sets_arguments |= any(not word.startswith(("-", "+")) or word == "--" for word in arguments)
        elif command in _DECLARING:
            for argument in arguments:
                self._set_by_assignment(argument)
                self._set_if_name(argument)
        elif command in ("for", "select"):
            self._set_if_name(*arguments[:1])
        elif command == "getopts" or (command == "printf" and arguments[:1] == ["-v"]):
            self._set_if_name(*arguments[1:2])
        elif command == "let":
            self._set_in_arithmetic(" ".join(arguments))
        for word in rest:
            self._set_if_name(*re.findall(r"^\{(\w+)\}$", word))

    def _set_by_assignment(self, word: str) -> None:
        if found := _ASSIGNMENT.match(word):
            self.assigned.add(found[1])

    def _set_if_name(self, *words: str) -> None:
        self.assigned.update(word for word in words if _NAME.fullmatch(word))
