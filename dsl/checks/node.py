"""Checks of stage 4: what is wrong with one node of a graph."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from dsl.argument import Field, NodeValue, RunParameter
from dsl.codes import Code
from dsl.construct import keyword_of, parameter_of
from dsl.diagnostics import Diagnostic
from dsl.graph import Graph, GraphNode, operands, skippable
from dsl.names import INJECTED, RUN_VALUES, WINDOW, is_reserved, is_shell_variable
from dsl.operand import Output
from dsl.reading import REQUIRED, Role
from dsl.shelltext import mentions

_FILES = (Role.IN_FILE, Role.IN_FILES, Role.IN_DIR)
_NAMED_BY_AUTHORS = (Role.VALUE, *_FILES, Role.OUT_FILE, Role.OUT_DIR)
_TAKEN_FOLDERS = frozenset({".", "..", ".argosy", "results.json", "status.json", "report.html"})
_FORGIVING = (
    "all_done",
    "none_failed",
    "one_done",
    "all_failed",
    "one_failed",
    "none_skipped",
    "all_skipped",
    "none_failed_min_one_success",
    "one_success",
    "all_done_min_one_success",
)
_NO_FAILURE = ("none_failed", "none_failed_min_one_success")
_ONE_SUCCEEDED = ("none_failed_min_one_success", "one_success", "all_done_min_one_success")


def invalid_name(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """The files of a node lie in a folder of its name."""
    if "/" in node.id or node.id in _TAKEN_FOLDERS or not node.id.isprintable():
        message = f"{node.id!r} cannot be the name of a folder of results"
        yield Diagnostic(Code.INVALID_NAME, node.location, message, "give it a task_id of plain words")


def missing_image(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A shell or container task runs in the image that it names; only Python has one by default."""
    if node.function.kind != "python" and not node.options.image:
        message = f"{node.id} names no image"
        hint = 'add image="…" to its decorator, or DAG(default_args={"image": "…"})'
        yield Diagnostic(Code.MISSING_IMAGE, node.location, message, hint)


def parameter_names(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A parameter of a shell or container task is a variable, and some names are not free.

    What reaches a Python task by a variable or an artifact of its pod is named like its parameter, too.
    """
    is_python = node.function.kind == "python"
    for parameter in node.reading.of(*_NAMED_BY_AUTHORS):
        name = parameter.name
        travels = parameter.role in _FILES or isinstance(node.arguments.get(name), NodeValue | RunParameter)
        taken = not is_python and name in node.options.env
        if is_python or name in INJECTED or not parameter.in_signature:
            wrong = travels and not is_shell_variable(name)
        else:
            wrong = taken or not is_shell_variable(name) or is_reserved(name)
        if wrong:
            message = f"{name!r} of {node.id} cannot be a variable of the task"
            message += ", which env= sets" if taken else ""
            place = parameter_of(graph.functions[node.id], name) or node.location
            yield Diagnostic(Code.INVALID_PARAMETER_NAME, place, message, _renamed(name))


def key_names(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A key of items becomes a variable or a parameter, and some names are not free."""
    domain = node.domain
    for key in domain.keys if domain else ():
        is_argument = node.function.kind == "python" and key in node.reading.named
        taken = is_reserved(key) and key not in WINDOW and (key in RUN_VALUES or not is_argument)
        if (taken or not is_shell_variable(key)) and domain:
            message = f"the key {key!r} of the items cannot be a variable of a task"
            yield Diagnostic(Code.INVALID_PARAMETER_NAME, domain.location, message, _renamed(key))


def _renamed(name: str) -> str:
    word = "_".join(re.findall(r"[a-z0-9]+", name.lower())).lstrip("0123456789_")
    free = f"{word}_value" if not word or is_reserved(word) or word == name else word
    return f"rename it, for example {free.lstrip('_')}"


def files_unread(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """Files that reach a task which reads nothing are probably meant to be read."""
    upstreams = [graph.node(before) for before in graph.digraph.predecessors(node.id)]
    wrote = [u.id for u in upstreams if any(w.writer == u.id for w in u.written)]
    reads = node.inputs or any(isinstance(a, Field | NodeValue) for a in node.arguments.values())
    if wrote and not reads and node.options.each is None and not node.conditions:
        message = f"files of {', '.join(wrote)} reach {node.id}, which does not read them"
        hint = 'read them by a parameter input_dir or input_file, or say each="all" if the order is all'
        yield Diagnostic(Code.FILES_UNREAD, node.location, message, hint)


def skippable_value(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A value that may be absent needs something to take its place."""
    rule = node.options.trigger_rule
    before = list(graph.digraph.predecessors(node.id))
    if rule not in _FORGIVING:
        return
    if rule in _ONE_SUCCEEDED and len(before) == 1 and not graph.node(before[0]).is_mapped:
        return
    may_skip = skippable(graph)
    for name, argument in node.arguments.items():
        if isinstance(argument, NodeValue) and not argument.fallback:
            forgives_failure = rule not in _NO_FAILURE
            has_default = node.reading.named[name].default is not REQUIRED
            if (argument.node in may_skip or forgives_failure) and not has_default:
                message = (
                    f"{argument.node} may not have succeeded when {node.id} runs, so {name} may be absent"
                )
                hint = f"write {argument.node}.default(…), or give {name} a default"
                yield Diagnostic(Code.SKIPPABLE_VALUE, node.location, message, hint)


def never_runs(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A rule that waits for a skip where nothing can be skipped never lets its node run."""
    upstreams = set(graph.digraph.predecessors(node.id))
    if node.options.trigger_rule != "all_skipped":
        return
    may_skip = skippable(graph)
    if upstreams and not upstreams <= may_skip:
        message = f"{node.id} runs when all upstreams are skipped, and {min(upstreams - may_skip)} never is"
        yield Diagnostic(
            Code.NEVER_RUNS, node.location, message, "change trigger_rule, or add .when(…) upstream"
        )


def unequal_folders(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """Source files that nodes only pass on reach a folder in step, so all must come from one source."""
    sources = {
        id(files.written.domain): files.written.domain
        for files in node.inputs
        if node.domain is None and files.kind == "slot" and files.written.domain
    }
    if len({sum(domain.sizes) for domain in sources.values()}) > 1:
        names = " and ".join(domain.name for domain in sources.values())
        message = f"files of {names} reach {node.id} through tasks that write none"
        hint = "let those tasks write files, or list all files in one Files(…)"
        yield Diagnostic(Code.NO_COMMON_SOURCE, node.location, message, hint)


def value_unawaited(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A task that waits for nothing cannot have the value of another: Argo would never start it."""
    if node.options.trigger_rule != "always":
        return
    read = [a.node for a in node.arguments.values() if isinstance(a, NodeValue)]
    for operand in (one for condition, _ in node.conditions for one in operands(condition)):
        one = operand.node if isinstance(operand, Output) else operand
        read += [node_id for node_id in (graph.ids.get(id(one)),) if node_id]
    if read:
        message = f'{node.id} reads the value of {read[0]}, and under "always" it waits for nothing'
        hint = 'write trigger_rule="all_done", which waits for the end of every upstream'
        yield Diagnostic(Code.NEVER_RUNS, node.location, message, hint)


def unwritten_output(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A task must write the file that its signature names, and finds the path by that name alone."""
    for parameter in node.reading.of(Role.OUT_FILE, Role.OUT_DIR):
        name, body = parameter.name, node.reading.body
        if body is None or not parameter.in_signature or mentions(body, name.upper()):
            continue
        text = body if isinstance(body, str) else "\n".join(body)
        if re.search(
            rf"[$({{\"'\[]{name}\b", text
        ):  # `$name`, `$(name)`, and what a program asks for by text
            continue
        message = f"{node.id} has to write {name}, and its text does not use ${name}"
        place = parameter_of(graph.functions[node.id], name) or node.location
        hint = f'write to "${name}", or remove the parameter'
        yield Diagnostic(Code.UNWRITTEN_OUTPUT, place, message, hint)


def unwritten_file(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """A Python task must write the file that its signature names, and finds it in its parameter alone."""
    for parameter in node.reading.of(Role.OUT_FILE):
        name, function = parameter.name, node.function.function
        if function is None or not parameter.in_signature:
            continue
        used = _names_used(function.source, function.entry)
        if used is not None and not used & {name, "locals", "vars", "eval", "exec"}:
            message = f"{node.id} has to write {name}, and its body does not use {name}"
            place = parameter_of(graph.functions[node.id], name) or node.location
            hint = f"write to {name}, or remove the parameter"
            yield Diagnostic(Code.UNWRITTEN_OUTPUT, place, message, hint)


@lru_cache(maxsize=256)
def _names_used(source: str, entry: str) -> frozenset[str] | None:
    """Return the names in the body of a function; None for one that is wrapped or only sketched."""
    functions = [one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef)]
    for function in functions:
        is_sketch = all(isinstance(one, ast.Pass) or _is_constant(one) for one in function.body)
        if function.name == entry and not function.decorator_list and not is_sketch:
            inside = (part for one in function.body for part in ast.walk(one))
            return frozenset(part.id for part in inside if isinstance(part, ast.Name))
    return None


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def part_of_value(graph: Graph, node: GraphNode) -> Iterator[Diagnostic]:
    """What Argo picks of a value for a task goes through Go's numbers, which have 53 bits."""
    for name, argument in node.arguments.items():
        if isinstance(argument, NodeValue) and argument.path and not argument.by_task:
            part = f"{name} of {node.id} is a part of the value of {argument.node}"
            message = f"{part}, and numbers in it may change"
            hint = "let a @task return the part as its whole value, and pass that"
            yield Diagnostic(Code.PART_OF_VALUE, keyword_of(node.location, name), message, hint)


NODE_CHECKS = (
    invalid_name,
    missing_image,
    parameter_names,
    key_names,
    files_unread,
    skippable_value,
    never_runs,
    value_unawaited,
    unequal_folders,
    unwritten_output,
    unwritten_file,
    part_of_value,
)
