"""Checks of stage 4: the text of shell tasks, and the variables of an argv.

Whether a text is valid is asked of the `sh` of this machine, in one process for all texts of a DAG.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator

from dsl.codes import Code
from dsl.construct import mention_of, returned_by, text_of
from dsl.diagnostics import Diagnostic
from dsl.graph import Graph, GraphNode
from dsl.location import Location
from dsl.names import WINDOW, did_you_mean
from dsl.shelltext import has_windows_lines, is_plain, positional, substituted, undeclared

_WORKER_SETS = frozenset(
    [
        "INPUT_FILE",
        "OUTPUT_FILE",
        "INPUT_DIR",
        "OUTPUT_DIR",
        "RESULT_FILE",
        "ITEM",
        "PARTITION_ID",
        "PARTITION_COUNT",
        "INDEX",
        "ATTEMPT",
        "RUN_ID",
        "RUN_TYPE",
        "DATA_INTERVAL_START",
        "DATA_INTERVAL_END",
    ]
)
_CONTAINERS_HAVE = frozenset(
    ["INDEX", "ATTEMPT", "PARTITION_ID", "PARTITION_COUNT", "RUN_ID", "RUN_TYPE", *map(str.upper, WINDOW)]
)
_ARGV_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_SHELL_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_SHELLS = re.compile(r"(?:^|/)(?:env|[a-z]*sh)$")
_COMPLAINT = re.compile(r"(?:line )?(?P<line>\d+): (?:[Ss]yntax error:? ?)?(?P<reason>.*)")


def undeclared_variable(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A variable that nothing sets ends a shell task, which runs under `set -u`, and is text in an argv."""
    declared = {parameter.name for parameter in node.reading.parameters} | set(node.options.env)
    if node.function.kind == "shell" and isinstance(node.reading.body, str):
        declared |= _WORKER_SETS
        names = [found for found, _, _ in undeclared(node.reading.body, declared)]
        known, form, way = declared, "${}", "write ${{{}:-}} if it may be absent"
    elif node.function.kind == "container" and isinstance(node.reading.body, tuple):
        declared |= _CONTAINERS_HAVE
        names = [name for word in node.reading.body for name in _ARGV_VARIABLE.findall(word)]
        names = [name for name in names if name not in declared]
        known, form, way = declared, "$({})", "leave out the parentheses if it is text"
    else:
        return
    for name in dict.fromkeys(names):
        message = f"nothing sets {form.format(name)} in {node.id}"
        guess = did_you_mean(name, known)
        hint = f"did you mean {form.format(guess)}?" if guess else f"make it a parameter, or {way}"
        if node.domain and name in node.domain.keys:
            hint = f"{name} is a key of the items; add the parameter {name} to the function"
        place = mention_of(graph.functions[node.id], name) or node.location
        yield Diagnostic(Code.UNDECLARED_VARIABLE, place, message, hint.format(name))


def positional_variable(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A shell task is called without arguments, and under `set -u` an unset one ends it."""
    if node.function.kind != "shell" or not isinstance(node.reading.body, str):
        return
    for word in dict.fromkeys(positional(node.reading.body)):
        message = f"nothing sets {word} in {node.id}, which is called without arguments"
        hint = "name the parameters of the function and write $name; in awk, quote the program with '…'"
        place = text_of(graph.functions[node.id], word) or _text_place(graph, node)
        yield Diagnostic(Code.POSITIONAL_VARIABLE, place, message, hint)


def command_for_variable(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """`$(name)` runs a command of that name; the value of a variable is `$name`."""
    if node.function.kind != "shell" or not isinstance(node.reading.body, str):
        return
    variables = {parameter.name for parameter in node.reading.parameters} | _WORKER_SETS
    for name in dict.fromkeys(substituted(node.reading.body)):
        if name in variables:
            message = f"$({name}) of {node.id} runs a command of that name"
            place = text_of(graph.functions[node.id], f"$({name})") or _text_place(graph, node)
            yield Diagnostic(Code.COMMAND_FOR_VARIABLE, place, message, f'write "${name}"')


def shell_in_argv(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """No shell reads the words of a container task: `$name`, `|` and `>` stay as they are."""
    words = node.reading.body
    if node.function.kind != "container" or not isinstance(words, tuple) or _SHELLS.search(words[0]):
        return
    variables = {parameter.name for parameter in node.reading.parameters} | _WORKER_SETS
    for word in words[1:]:
        found = [name for name in _SHELL_VARIABLE.findall(word) if name in variables]
        if not found and word not in ("|", ">", ">>", "<", "&&", "||", ";"):
            continue
        place = text_of(graph.functions[node.id], word) or _text_place(graph, node)
        message = f"{word} of {node.id} stays as it is, since no shell reads it"
        hint = f"write $({found[0]})" if found else "make it a @task.shell"
        yield Diagnostic(Code.SHELL_IN_ARGV, place, message, hint)


def carriage_return(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """`sh` takes the carriage return at the end of a line for a part of its last word."""
    if node.function.kind == "shell" and has_windows_lines(str(node.reading.body)):
        message = f"lines of the text of {node.id} end with a carriage return, which sh takes for a letter"
        hint = 'save the text with Unix line ends, or return text.replace("\\r\\n", "\\n")'
        yield Diagnostic(Code.CARRIAGE_RETURN, _text_place(graph, node), message, hint)


def shell_syntax(graph: Graph) -> Iterator[Diagnostic]:
    """A text that `sh` cannot parse ends its task before the first command."""
    told = {
        (graph.functions[node.id], body): node
        for node in reversed(list(graph))
        if node.function.kind == "shell" and isinstance(body := node.reading.body, str) and "\0" not in body
    }
    texts = dict.fromkeys(text for _, text in told if not is_plain(text))
    # One process says that all are sound; a text is asked about alone only when there is something to find.
    wrapped = (f"argosy_{number}() {{\n:\n{text}\n}}\n" for number, text in enumerate(texts))
    if not texts or not _complaint("".join(wrapped)):
        return
    complaints = {text: _complaint(text) for text in texts if not has_windows_lines(text)}
    for (function, text), node in told.items():
        if complaint := complaints.get(text):
            found = _COMPLAINT.search(complaint)
            number, reason = (int(found["line"]), found["reason"]) if found else (1, complaint)
            place = _line_place(function, text, number) or _text_place(graph, node)
            message = f"sh cannot read the text of {node.id}: {_in_words(reason)}"
            hint = "correct it here or in a line above; a task runs in POSIX sh, also where bash knows more"
            yield Diagnostic(Code.SHELL_SYNTAX, place, message, hint)


def _complaint(text: str) -> str:
    """Return the first line of what `sh -n` says of a text; nothing if it is sound, or if there is no sh."""
    try:
        ended = subprocess.run(
            ["sh", "-n"], input=text.encode(errors="replace"), capture_output=True, check=False
        )
    except OSError:
        return ""
    lines = ended.stderr.decode(errors="replace").splitlines()
    return next(iter(lines), "it has a syntax error") if ended.returncode else ""


def _in_words(reason: str) -> str:
    """Return a shell's reason in words that are the same whichever shell it is."""
    if re.search(r"[Uu]nterminated quoted|looking for matching", reason):
        return "a quote is not closed"
    if "end of file" in reason:
        return "it ends before what began is closed by fi, done, esac, ) or }"
    word = re.search(r"\"(?P<dash>.+?)\" unexpected|unexpected token [`'](?P<bash>.+?)'", reason)
    return f"{word['dash'] or word['bash']} is unexpected" if word else reason


def _line_place(fn: Callable[..., object], text: str, number: int) -> Location | None:
    """Return where a line of a text stands in its function, if it stands there as it is and once."""
    lines = text.split("\n")[:number]
    while lines and not lines[-1].strip():
        lines.pop()
    return text_of(fn, lines[-1].strip()) if lines else None


def _text_place(graph: Graph, node: GraphNode) -> Location:
    return returned_by(graph.functions[node.id]) or node.location


SHELL_CHECKS = (
    undeclared_variable,
    positional_variable,
    command_for_variable,
    shell_in_argv,
    carriage_return,
)
