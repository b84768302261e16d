"""Checks of stage 4: text of a node that cannot reach its task, and paths that mean nothing there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dsl.argument import Constant, Field
from dsl.codes import Code
from dsl.construct import keyword_of, positional_of, returned_by, text_of
from dsl.diagnostics import Diagnostic
from dsl.domain import Column, Domain
from dsl.encode import needs_doubling, shown
from dsl.function import Volume
from dsl.graph import Graph, GraphNode, InputFiles
from dsl.location import Location
from dsl.shelltext import commands

_DOUBLED = 50
"""Files of a partition up to which its template surely travels in a variable, where `$` can be escaped."""
_LONGEST_PATH = 1000
_WORDS = re.compile(r"[^\s'\"`;|&()<>=]+")


def unsafe_string(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """Text must survive its channel: no lone surrogates anywhere, no NUL in an environment.

    What several nodes share, as the items of a source, is told once, where it stands.
    """
    fn, hint = graph.functions[node.id], "remove these characters"
    if why := _no_environment(node.function.command):
        message = f"the text of {fn.__name__} {why}"
        yield Diagnostic(Code.UNSAFE_STRING, returned_by(fn) or node.location, message, hint)
    for name, value in node.options.env.items():
        if why := _no_environment(value):
            message = f"the variable {name} in env= {why}"
            yield Diagnostic(Code.UNSAFE_STRING, _place_of_env(graph, node), message, hint)
    for name, argument in node.arguments.items():
        if isinstance(argument, Constant) and (why := _unsafe([argument.value], node)):
            message = f"{name} of {node.id} {why}"
            yield Diagnostic(Code.UNSAFE_STRING, node.location, message, hint)
        elif isinstance(argument, Field) and node.domain:
            yield from _unsafe_item(node, node.domain, argument.column)
    for files in node.inputs:
        domain = node.domain or files.written.domain
        if domain and files.column:
            yield from _unsafe_item(node, domain, files.column)
            yield from _unsafe_key(graph, files, domain, files.column)


def _place_of_env(graph: Graph, node: GraphNode) -> Location:
    task = next(each.task for each in graph.dag.nodes if graph.ids[id(each)] == node.id)
    return task.place_of("env") if "env" in task.options else keyword_of(graph.dag.location, "default_args")


def _unsafe_item(node: GraphNode, domain: Domain, column: Column) -> Iterator[Diagnostic]:
    """Yield what is wrong with a column that a node reads, at the source of it."""
    why = _unsafe(domain.columns[column], node)
    if not why:
        return
    origin, own = domain.origin_of(column)
    files = [name for name in origin.files if isinstance(name, str) and _surrogate(origin.columns[name])]
    if files:  # what it holds is the name of a file, or was made of it
        origin, own = origin.origin_of(files[0])
        names = list(filter(_surrogate, dict.fromkeys(map(str, origin.columns[own]))))
        others = f", and of {len(names) - 1} more," if len(names) > 1 else ""
        message, hint = f"the name of {_spelled(names[0])}{others} is not UTF-8", "rename the file"
    else:
        row = next(row for row, value in enumerate(origin.columns[own]) if _unsafe([value], node))
        item = f"item {row}" if str(own).lower() == "item" else f"{own} of item {row}"
        message, hint = f"{item} {why}", "remove these characters"
    yield Diagnostic(Code.UNSAFE_STRING, origin.location, message, hint)


def _spelled(name: str) -> str:
    r"""Return a file's name with the bytes that are no text as `\xff`."""
    return f"'{os.fsencode(name).decode(errors='backslashreplace')}'"


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


def _unsafe_key(graph: Graph, files: InputFiles, domain: Domain, column: Column) -> Iterator[Diagnostic]:
    """Yield which source file cannot be an artifact, whose key is text of a template."""
    if files.kind != "slot" or isinstance(graph.options.storage, Volume):
        return
    names = [name for name in domain.columns[column] if isinstance(name, str)]
    braces = next((name for name in names if "{{" in name), None)
    dollars = next((name for name in names if needs_doubling(name)), None)
    if braces:
        message = f"the file {braces!r} is an artifact, and Argo has no escape for {{{{ in the name of one"
    elif dollars and max(domain.sizes, default=0) > _DOUBLED:
        message = f"the file {dollars!r} among more than {_DOUBLED} of a partition, where $$ and $( get lost"
    else:
        return
    origin, _ = domain.origin_of(column)
    yield Diagnostic(Code.UNSAFE_STRING, origin.location, message, "rename the file")


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
