"""Checks of stage 4: shell commands that pass by links, which the inputs of a task are.

`INPUT_FILE` is a link to a file or folder, `INPUT_DIR` a folder of such links; below a link all is real.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import pairwise

from dsl.codes import Code
from dsl.construct import returned_by, text_of
from dsl.diagnostics import Diagnostic
from dsl.graph import Graph, GraphNode
from dsl.reading import Role
from dsl.shelltext import invocations


class Given(Enum):
    """What a word of a command names."""

    LINK = "an input that is one file or folder"
    LINKS = "a folder of such links"


_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))(?P<below>.*)", re.DOTALL)
_FOLDERS = ("", "/", "/.")
_ENTRY = re.compile(r"/[^/]+")
_SHORT = re.compile(r"-[A-Za-z0-9]+")


class _Names:
    """What the variables of a text name, the current folder of a command, and what is written."""

    def __init__(self, node: GraphNode) -> None:
        reading = node.reading
        links = reading.of(Role.IN_FILE)
        self.inputs = {name: Given.LINK for one in links for name in (one.name, one.name.upper())}
        for one in reading.of(Role.IN_DIR):
            self.inputs.update(dict.fromkeys((one.name, one.name.upper()), Given.LINKS))
        outputs = reading.of(Role.OUT_FILE, Role.OUT_DIR)
        self.outputs = [name for one in outputs for name in (one.name, one.name.upper())]
        self.folders = [False]

    def given(self, word: str) -> Given | None:
        """Return what a word as it is written names, None for anything but an input."""
        plain = re.sub(r"[\"']", "", word)
        found = _VARIABLE.fullmatch(plain)
        if not found:
            inside = self.folders[-1] and not plain.startswith(("/", "-", "~", "$"))
            return (Given.LINKS if plain in (".", "./") else Given.LINK) if inside else None
        kind, below = self.inputs.get(found["braced"] or found["plain"]), found["below"]
        if kind is Given.LINKS and below not in _FOLDERS:
            return Given.LINK if _ENTRY.fullmatch(below) else None
        return kind if kind is Given.LINKS or not below else None

    def is_output(self, word: str) -> bool:
        """Whether a word names a place whose links become what they lead to when the task has ended."""
        return any(re.search(rf"\$\{{?{name}\b", word) for name in self.outputs)

    def follow(self, command: str, words: Sequence[str]) -> None:
        """Take note of a command that changes what names mean."""
        if command == "(":
            self.folders.append(self.folders[-1])
        elif command == ")":
            self.folders[1:] = self.folders[1:-1]
        elif command in ("cd", "pushd"):
            self.folders[-1] = [self.given(word) for word in words] == [Given.LINKS]
        elif command == "for" and words[1:2] == ["in"] and words[2:]:
            if all(self.given(word) is Given.LINK for word in words[2:]):
                self.inputs[words[0]] = Given.LINK
            else:
                self.inputs.pop(words[0], None)


def unfollowed_link(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A command that takes links for no files leaves out the inputs, and most of them do so silently."""
    body, names = node.reading.body, _Names(node)
    if node.function.kind != "shell" or not isinstance(body, str) or not names.inputs:
        return
    fn = graph.functions[node.id]
    for text, (command, *words) in invocations(body):
        names.follow(command, words)
        tool = command.rpartition("/")[2]
        passes_by, cure = _TOOLS.get(tool, (None, ""))
        if passes_by and passes_by(words, names):
            place = text_of(fn, text) or returned_by(fn) or node.location
            message = f"{tool} of {node.id} does not follow links, which its inputs are"
            yield Diagnostic(Code.UNFOLLOWED_LINK, place, message, cure.format(tool))


def _letters(words: Sequence[str], with_value: str = "") -> str:
    """Return the letters of all short options, each word up to a letter that the rest is the value of."""
    clusters = [word[1:] for word in words if _SHORT.fullmatch(word)]
    ends = rf"(?<=[{with_value}])." if with_value else "(?!)"
    return "".join(re.split(ends, cluster, maxsplit=1)[0] for cluster in clusters)


def _has(words: Sequence[str], *options: str) -> bool:
    return any(word.partition("=")[0] in options for word in words)


def _operands(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


def _find(words: Sequence[str], names: _Names) -> bool:
    starts = []
    for word in words:
        if word.startswith(("(", "!", "\\")) or (word.startswith("-") and word not in ("-H", "-P")):
            break
        starts += [word] if word[:1] != "-" else []
    pairs = list(pairwise(words))
    if ("-type", "f") not in pairs or ("-type", "l") in pairs or _has(words, "-L", "-follow", "-xtype"):
        return False
    passed_by = (Given.LINKS,) if "-H" in words else (Given.LINKS, Given.LINK)
    return any(names.given(word) in passed_by for word in starts or ["."])


def _tar(words: Sequence[str], names: _Names) -> bool:
    bundle = words[0] if words and not words[0].startswith("-") else ""
    letters = bundle + _letters(words, "fCTXbgIHKNVF")
    adds = set(letters) & set("cru") or _has(words, "--create", "--append", "--update")
    if not adds or "h" in letters or _has(words, "--dereference"):
        return False
    before, is_here = f"-{bundle}", True
    for word in words[1:] if bundle else words:
        folder = word.removeprefix("--directory=")
        last = before[-1] if _SHORT.fullmatch(before) else before
        if folder != word or last in ("C", "--directory"):
            found, is_here = names.given(folder) is Given.LINKS, False
        else:
            is_own = last in ("f", "T", "X", "--file", "--files-from", "--exclude-from")
            found = not is_own and (is_here or "$" in word) and names.given(word) is not None
        if found:
            return True
        before = word
    return False


def _grep(words: Sequence[str], names: _Names) -> bool:
    letters, operands = _letters(words, "efmABCdD"), _operands(words)
    if "R" in letters or not ("r" in letters or _has(words, "--recursive")):
        return False
    places = operands[0 if set(letters) & set("ef") else 1 :]
    return any(names.given(word) is Given.LINKS for word in places or ["."])


def _cp(words: Sequence[str], names: _Names) -> bool:
    letters = _letters(words, "tS")
    keeps = set(letters) & set("adPrR") or _has(words, "--archive", "--recursive", "--no-dereference")
    if not keeps or "L" in letters or _has(words, "--dereference") or any(map(names.is_output, words)):
        return False
    passed_by = (Given.LINKS,) if "H" in letters else (Given.LINKS, Given.LINK)
    return any(names.given(word) in passed_by for word in _operands(words)[:-1])


def _compress(words: Sequence[str], names: _Names) -> bool:
    long = ("--stdout", "--to-stdout", "--force", "--test", "--list")
    if set(_letters(words, "ST")) & set("cftl") or _has(words, *long):
        return False
    return any(names.given(word) is Given.LINK for word in _operands(words))


_TOOLS: Mapping[str, tuple[Callable[[Sequence[str], _Names], bool], str]] = {
    "find": (_find, "write find -L"),
    "tar": (_tar, "write tar -h"),
    "cp": (_cp, "write cp -L"),
    **dict.fromkeys(("grep", "egrep", "fgrep"), (_grep, "write {} -R")),
    **dict.fromkeys(
        ("gzip", "gunzip", "bzip2", "bunzip2", "xz", "unxz"), (_compress, "write {} -c, and > for its output")
    ),
}
"""By command: whether it is given inputs and passes them by, and what to write instead."""

LINK_CHECKS = (unfollowed_link,)
