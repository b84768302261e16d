"""Checks of stage 4: what is wrong with a graph as a whole, or with one of its nodes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from dsl.argument import Constant, Field, NodeValue, RunParameter
from dsl.codes import Code
from dsl.construct import keyword_of, mention_of, parameter_of
from dsl.diagnostics import Diagnostic, Related
from dsl.encode import needs_doubling
from dsl.function import Volume
from dsl.graph import Graph, GraphNode, InputFiles, knots, operands, skippable
from dsl.names import INJECTED, RUN_VALUES, WINDOW, did_you_mean, is_reserved, is_shell_variable
from dsl.reading import REQUIRED, Role
from dsl.shelltext import undeclared

_DOUBLED = 50
"""Files of a partition up to which its template surely travels in a variable, where `$` can be escaped."""
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
_FILES = (Role.IN_FILE, Role.IN_FILES, Role.IN_DIR)
_NAMED_BY_AUTHORS = (Role.VALUE, *_FILES, Role.OUT_FILE, Role.OUT_DIR)
_TAKEN_FOLDERS = frozenset({".", "..", ".argosy", "results.json", "status.json"})
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


def empty_dag(graph: Graph) -> Iterator[Diagnostic]:
    """A DAG without nodes has nothing to run."""
    if not graph.dag.nodes:
        message = f"the DAG {graph.dag.name!r} has no nodes"
        yield Diagnostic(Code.EMPTY_DAG, graph.dag.location, message, "chain tasks inside its with block")


def invalid_name(graph: Graph) -> Iterator[Diagnostic]:
    """The files of a node lie in a folder of its name."""
    for node in graph:
        if "/" in node.id or node.id in _TAKEN_FOLDERS or not node.id.isprintable():
            message = f"{node.id!r} cannot be the name of a folder of results"
            yield Diagnostic(Code.INVALID_NAME, node.location, message, "give it a task_id of plain words")


def dependency_cycle(graph: Graph) -> Iterator[Diagnostic]:
    """Nodes that wait for one another never start."""
    for knot in knots(graph.waits):
        for node_id in (node_id for node_id in knot if graph.waits.has_edge(node_id, node_id)):
            location = graph.waits.edges[node_id, node_id]["location"]
            message = f"{node_id} waits for itself"
            hint = "remove this edge, or call the function twice"
            yield Diagnostic(Code.SELF_EDGE, location, message, hint)
        if len(knot) == 1:
            continue
        inside = graph.waits.subgraph(knot).edges
        edges = [(a, b) for a, b in graph.waits.edges if (a, b) in inside and a != b]
        places = sorted((graph.waits.edges[edge]["location"], edge) for edge in edges)
        path = " >> ".join((*_path(edges, knot[0]), knot[0]))
        related = tuple(Related(f"{a} >> {b}", place) for place, (a, b) in places[1:])
        message = f"nodes wait for one another: {path}"
        yield Diagnostic(Code.DEPENDENCY_CYCLE, places[0][0], message, "remove one of these edges", related)


def missing_image(graph: Graph) -> Iterator[Diagnostic]:
    """A shell or container task runs in the image that it names; only Python has one by default."""
    for node in graph:
        if node.function.kind != "python" and not node.options.image:
            message = f"{node.id} names no image"
            hint = 'add image="…" to its decorator, or DAG(default_args={"image": "…"})'
            yield Diagnostic(Code.MISSING_IMAGE, node.location, message, hint)


def parameter_names(graph: Graph) -> Iterator[Diagnostic]:
    """A parameter of a shell or container task is a variable, and some names are not free.

    What reaches a Python task by a variable or an artifact of its pod is named like its parameter, too.
    """
    functions = _functions(graph)
    for node in graph:
        is_python = node.function.kind == "python"
        for parameter in node.reading.of(*_NAMED_BY_AUTHORS):
            name = parameter.name
            travels = parameter.role in _FILES or isinstance(
                node.arguments.get(name), NodeValue | RunParameter
            )
            taken = not is_python and name in node.options.env
            if is_python or name in INJECTED or not parameter.in_signature:
                wrong = travels and not is_shell_variable(name)
            else:
                wrong = taken or not is_shell_variable(name) or is_reserved(name)
            if wrong:
                message = f"{name!r} of {node.id} cannot be a variable of the task"
                message += ", which env= sets" if taken else ""
                place = parameter_of(functions[node.id], name) or node.location
                yield Diagnostic(Code.INVALID_PARAMETER_NAME, place, message, _renamed(name))


def key_names(graph: Graph) -> Iterator[Diagnostic]:
    """A key of items becomes a variable or a parameter, and some names are not free."""
    seen: set[tuple[int, str]] = set()
    for node in graph:
        domain = node.domain
        for key in domain.keys if domain else ():
            is_argument = node.function.kind == "python" and key in node.reading.named
            taken = is_reserved(key) and key not in WINDOW and (key in RUN_VALUES or not is_argument)
            if (taken or not is_shell_variable(key)) and domain and (id(domain), key) not in seen:
                seen.add((id(domain), key))
                message = f"the key {key!r} of the items cannot be a variable of a task"
                yield Diagnostic(Code.INVALID_PARAMETER_NAME, domain.location, message, _renamed(key))


def _renamed(name: str) -> str:
    word = "_".join(re.findall(r"[a-z0-9]+", name.lower())).lstrip("0123456789_")
    free = f"{word}_value" if not word or is_reserved(word) or word == name else word
    return f"rename it, for example {free.lstrip('_')}"


def _functions(graph: Graph) -> dict[str, Callable[..., object]]:
    return {graph.ids[id(node)]: node.task.fn for node in graph.dag.nodes}


def undeclared_variable(graph: Graph) -> Iterator[Diagnostic]:
    """A variable that nothing sets ends a shell task, which runs under `set -u`, and is text in an argv."""
    functions = _functions(graph)
    for node in graph:
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
            continue
        for name in dict.fromkeys(names):
            message = f"nothing sets {form.format(name)} in {node.id}"
            guess = did_you_mean(name, known)
            hint = f"did you mean {form.format(guess)}?" if guess else f"make it a parameter, or {way}"
            if node.domain and name in node.domain.keys:
                hint = f"{name} is a key of the items; add the parameter {name} to the function"
            place = mention_of(functions[node.id], name) or node.location
            yield Diagnostic(Code.UNDECLARED_VARIABLE, place, message, hint.format(name))


def bare_and_called(graph: Graph) -> Iterator[Diagnostic]:
    """A function used bare and called is two nodes, which is seldom meant."""
    bare = {id(node.task): node for node in graph.dag.nodes if node.bare}
    for node in graph.dag.nodes:
        if not node.bare and id(node.task) in bare:
            name = node.task.__name__
            message = f"{name} is used both bare and called, which makes two nodes"
            related = (Related("used bare", bare[id(node.task)].location),)
            hint = f"name one of them: {name}.override(task_id=…)"
            yield Diagnostic(Code.BARE_AND_CALLED, node.location, message, hint, related)


def files_unread(graph: Graph) -> Iterator[Diagnostic]:
    """Files that reach a task which reads nothing are probably meant to be read."""
    for node in graph:
        upstreams = [graph.node(before) for before in graph.digraph.predecessors(node.id)]
        wrote = [u.id for u in upstreams if any(w.writer == u.id for w in u.written)]
        reads = node.inputs or any(isinstance(a, Field | NodeValue) for a in node.arguments.values())
        if wrote and not reads and node.options.each is None and not node.conditions:
            message = f"files of {', '.join(wrote)} reach {node.id}, which does not read them"
            hint = 'read them by a parameter input_dir or input_file, or say each="all" if the order is all'
            yield Diagnostic(Code.FILES_UNREAD, node.location, message, hint)


def unsafe_string(graph: Graph) -> Iterator[Diagnostic]:
    """Text must survive its channel: no lone surrogates anywhere, no NUL in an environment."""
    for name, default in graph.dag.defaults.items():
        if isinstance(default, str) and (why := _no_environment(default)):
            message = f"the default of the parameter {name} {why}"
            yield Diagnostic(Code.UNSAFE_STRING, graph.dag.location, message, "remove these characters")
    for node in graph:
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


def skippable_value(graph: Graph) -> Iterator[Diagnostic]:
    """A value that may be absent needs something to take its place."""
    may_skip = skippable(graph)
    for node in graph:
        rule = node.options.trigger_rule
        before = list(graph.digraph.predecessors(node.id))
        if rule not in _FORGIVING:
            continue
        if rule in _ONE_SUCCEEDED and len(before) == 1 and not graph.node(before[0]).is_mapped:
            continue
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


def never_runs(graph: Graph) -> Iterator[Diagnostic]:
    """A rule that waits for a skip where nothing can be skipped never lets its node run."""
    may_skip = skippable(graph)
    for node in graph:
        upstreams = set(graph.digraph.predecessors(node.id))
        if node.options.trigger_rule == "all_skipped" and upstreams and not upstreams <= may_skip:
            message = (
                f"{node.id} runs when all upstreams are skipped, and {min(upstreams - may_skip)} never is"
            )
            yield Diagnostic(
                Code.NEVER_RUNS, node.location, message, "change trigger_rule, or add .when(…) upstream"
            )


def unequal_folders(graph: Graph) -> Iterator[Diagnostic]:
    """Source files that nodes only pass on reach a folder in step, so all must come from one source."""
    for node in graph:
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


def value_unawaited(graph: Graph) -> Iterator[Diagnostic]:
    """A task that waits for nothing cannot have the value of another: Argo would never start it."""
    for node in graph:
        if node.options.trigger_rule != "always":
            continue
        read = [a.node for a in node.arguments.values() if isinstance(a, NodeValue)]
        for operand in (one for condition, _ in node.conditions for one in operands(condition)):
            ids = (graph.ids.get(id(one)) for one in (operand, getattr(operand, "node", None)))
            read += [node_id for node_id in ids if node_id]
        if read:
            message = f'{node.id} reads the value of {read[0]}, and under "always" it waits for nothing'
            hint = 'write trigger_rule="all_done", which waits for the end of every upstream'
            yield Diagnostic(Code.NEVER_RUNS, node.location, message, hint)


def _path(edges: Sequence[tuple[str, str]], first: str) -> list[str]:
    """Return the nodes of one cycle of edges, from its first node on."""
    import networkx as nx

    cycle = nx.find_cycle(nx.DiGraph(edges), first)
    return [str(edge[0]) for edge in cycle]


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


def part_of_value(graph: Graph) -> Iterator[Diagnostic]:
    """What Argo picks of a value for a task goes through Go's numbers, which have 53 bits."""
    for node in graph:
        for name, argument in node.arguments.items():
            if isinstance(argument, NodeValue) and argument.path and not argument.by_task:
                part = f"{name} of {node.id} is a part of the value of {argument.node}"
                message = f"{part}, and numbers in it may change"
                hint = "let a @task return the part as its whole value, and pass that"
                yield Diagnostic(Code.PART_OF_VALUE, keyword_of(node.location, name), message, hint)


GRAPH_CHECKS = (
    empty_dag,
    invalid_name,
    dependency_cycle,
    missing_image,
    parameter_names,
    key_names,
    undeclared_variable,
    bare_and_called,
    files_unread,
    unsafe_string,
    skippable_value,
    never_runs,
    value_unawaited,
    unequal_folders,
    part_of_value,
)
