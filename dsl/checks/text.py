"""Checks of stage 4: text of a node that cannot reach its task, and paths that mean nothing there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dsl.argument import Constant, Field
from dsl.codes import Code
from dsl.construct import keyword_of, positional_of, text_of
from dsl.diagnostics import Diagnostic
from dsl.encode import needs_doubling, shown
from dsl.function import Volume
from dsl.graph import Graph, GraphNode, InputFiles
from dsl.shelltext import commands

_DOUBLED = 50
"""Files of a partition up to which its template surely travels in a variable, where `$` can be escaped."""
_LONGEST_PATH = 1000
_WORDS = re.compile(r"[^\s'\"`;|&()<>=]+")


def unsafe_string(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """Text must survive its channel: no lone surrogates anywhere, no NUL in an environment."""
    text = node.function.command
    for name, value in (("the text", text), *((f"env {n}", v) for n, v in node.options.env.items())):
        if why := _no_environment(value):
            message = f"{name} of {node.id} {why}"
            yield Diagnostic(Code.UNSAFE_STRING, node.location, message, "remove these characters")
    for name, argument in node.arguments.items():
        values: list[object] = []
        if isinstance(argument, Constant):
            values = [argument.value]
        elif isinstance(argument, Field) and node.domain:
            values = list(node.domain.columns[argument.column])
        why = _unsafe(values, node)
        if why:
            message = f"{name} of {node.id} {why}"
            yield Diagnostic(Code.UNSAFE_STRING, node.location, message, "remove these characters")
    for files in node.inputs:
        names = node.domain.columns[files.column] if node.domain and files.column else ()
        if _surrogate(names):
            message = f"a file name that {node.id} reads is not UTF-8"
            yield Diagnostic(Code.UNSAFE_STRING, node.location, message, "rename the file")
            break
        if why := _unsafe_key(graph, node, files):
            message = f"{node.id} reads {why}"
            yield Diagnostic(Code.UNSAFE_STRING, node.location, message, "rename the file")
            break


def local_path(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A pod sees the files that travel to it, and none of the machine that compiles."""
    folder, fn = Path(graph.dag.location.path).absolute().parent, graph.functions[node.id]
    hint = "let the file travel: Files(…) before the task, and INPUT_FILE or input_file in it"
    for name, argument in node.arguments.items():
        if isinstance(argument, Constant) and _is_local(folder, argument.value):
            place = keyword_of(node.location, name)
            if place == node.location and name in node.reading.named:
                place = positional_of(place, list(node.reading.named).index(name))
            message = f"{name}={shown(argument.value, 60)} is a file here, and none in the pod of {node.id}"
            yield Diagnostic(Code.LOCAL_PATH, place, message, hint)
    words = _WORDS.findall(commands(node.reading.body)) if isinstance(node.reading.body, str) else ()
    for word in dict.fromkeys((*words, *_texts_in(fn))):
        if _is_local(folder, word):
            place = text_of(fn, word) or node.location
            message = f"{shown(word, 60)} is a file here, and none in the pod of {node.id}"
            yield Diagnostic(Code.LOCAL_PATH, place, message, hint)


def _is_local(folder: Path, value: object) -> bool:
    """Whether a value names a file below the folder of the DAG file or the author's own."""
    if not isinstance(value, str) or "/" not in value or len(value) > _LONGEST_PATH:
        return False
    if "\0" in value or "\n" in value or (value.startswith("/") and not value.startswith(f"{folder}/")):
        return False
    try:
        return (folder / value).is_file()
    except OSError:
        return False


def _texts_in(fn: object) -> Iterator[str]:
    """Yield the texts that stand in a function's code."""
    code = getattr(fn, "__code__", None)
    yield from (text for text in getattr(code, "co_consts", ()) if isinstance(text, str))


def _no_environment(value: object) -> str | None:
    if _surrogate(value):
        return "holds text that is not Unicode (a lone surrogate)"
    return "holds a NUL character, which no environment variable can" if "\0" in _texts(value) else None


def _unsafe(values: Sequence[object], node: GraphNode) -> str | None:
    if _surrogate(values):
        return "holds text that is not Unicode (a lone surrogate)"
    bare = [value for value in values if isinstance(value, str)]  # inside lists and dicts JSON escapes it
    if node.function.kind != "python" and "\0" in _texts(bare):
        return "holds a NUL character, which no environment variable can"
    return None


def _unsafe_key(graph: Graph, node: GraphNode, files: InputFiles) -> str | None:
    """Return which source file cannot be an artifact, whose key is text of a template."""
    domain = node.domain or files.written.domain
    if files.kind != "slot" or isinstance(graph.options.storage, Volume) or not (domain and files.column):
        return None
    names = [name for name in domain.columns[files.column] if isinstance(name, str)]
    if braces := next((name for name in names if "{{" in name), None):
        return f"the file {braces!r}, and Argo has no escape for {{{{ in the name of an artifact"
    dollars = next((name for name in names if needs_doubling(name)), None)
    if dollars and max(domain.sizes, default=0) > _DOUBLED:
        return f"the file {dollars!r} among more than {_DOUBLED} of a partition, where $$ and $( get lost"
    return None


def _surrogate(values: object) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in _texts(values))


def _texts(value: object) -> str:
    """Return all text in a value, joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(_texts(key) + _texts(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "".join(map(_texts, value))
    return ""


TEXT_CHECKS = (unsafe_string, local_path)
