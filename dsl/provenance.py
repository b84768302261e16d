"""Stage 3: which files reach a node, and how it reads them item by item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dsl.author import Node
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, Related
from dsl.domain import RUN, Domain, Made
from dsl.draft import Draft
from dsl.function import Each, ExecutionFunction
from dsl.graph import GraphNode, InputFiles, Written
from dsl.operand import FileOf
from dsl.outputs import constant_names, differs, names_of
from dsl.reading import Parameter, Role


def has_worker(function: ExecutionFunction) -> bool:
    """Whether our program runs a task in its pod; a bare argv has to find everything in its environment."""
    return function.kind != "container"


def source_files(domain: Domain) -> tuple[Written, ...]:
    """Return the file columns of a domain, each once, as files that nobody wrote."""
    given = [column for column in domain.files if isinstance(column, str)]
    columns = {id(domain.columns[column]): column for column in reversed(given)}
    return tuple(Written(None, domain, "item", column, column, ()) for column in reversed(columns.values()))


def reaching(upstreams: Sequence[GraphNode], own: Sequence[Written]) -> tuple[Written, ...]:
    """Return the files that reach a node along `>>`.

    A node that writes none passes on what reached it, unless another upstream wrote some.
    """
    found = list(own)
    wrote = any(written.writer == node.id for node in upstreams for written in node.written)
    for node in upstreams:
        for written in node.written:
            if written.writer == node.id:
                found.append(written)
            elif not wrote:
                through = Written(
                    written.writer,
                    written.domain,
                    written.each,
                    written.variable,
                    written.column,
                    written.chain,
                    written.many,
                    written.passed_on_by or node.id,
                )
                if not any(_same(through, other) for other in found):
                    found.append(through)
    return tuple(found)


def inputs_of(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    files: Sequence[Written],
    nodes: Mapping[str, GraphNode],
    ids: Mapping[int, str],
) -> tuple[InputFiles, ...]:
    """Return where every file parameter gets its files. Raises Rejected if one has none or several."""
    found: list[InputFiles] = []
    for parameter in file_parameters(draft, domain):
        value = draft.node.arguments.get(parameter.name, draft.node.expanded.get(parameter.name))
        if isinstance(value, Node) and parameter.role is not Role.IN_FILE:
            chosen = _written_by(draft, value, nodes, ids)
        elif isinstance(value, Node | FileOf):
            chosen = _file_of(draft, value, nodes, ids)
        elif parameter.role is Role.IN_FILE:
            chosen = (_matching(draft, parameter, files, nodes),)
        elif not files:
            raise _no_files(draft, parameter)
        else:
            chosen = tuple(files)
        if parameter.role is Role.IN_FILE:
            found += [_one_file(draft, parameter, each, domain, written) for written in chosen]
        else:
            found += _all_files(draft, parameter, each, domain, chosen)
    # A worker calls an item after its first file, so files that all items share come last.
    return tuple(sorted(found, key=lambda files: not differs(files)))


def file_parameters(draft: Draft, domain: Domain | None) -> tuple[Parameter, ...]:
    """Return the parameters that stand for files, also those named like a file column of the domain."""
    files = domain.files if domain else {}
    called = {name for name, column in draft.keywords.items() if column in files}
    columns = {*files, *called} - set(draft.node.arguments)
    return tuple(
        replace(parameter, role=Role.IN_FILE) if parameter.role is Role.VALUE else parameter
        for parameter in draft.reading.parameters
        if parameter.role in (Role.IN_FILE, Role.IN_FILES, Role.IN_DIR)
        or (parameter.role is Role.VALUE and parameter.name in columns)
    )


def _all_files(
    draft: Draft, parameter: Parameter, each: Each, domain: Domain | None, chosen: Sequence[Written]
) -> Iterator[InputFiles]:
    """Yield where a folder or a list finds its files: in one folder per writer, or item by item."""
    whole = {w.writer for w in chosen if w.many or w.each != "item" or w.domain is None}
    folders = set()
    for written in chosen:
        upstream = _upstream(written)
        if each == "all" and written.writer is None:
            yield InputFiles(parameter.name, written, "slot", upstream, written.column)
        elif written.writer is not None and (
            each == "all"
            or written.domain is None
            or (written.domain is domain and (parameter.role is Role.IN_DIR or written.writer in whole))
        ):
            if (written.writer, upstream) not in folders:
                folders.add((written.writer, upstream))
                yield InputFiles(parameter.name, written, "dir", upstream)
        else:
            yield _of_item(draft, parameter, domain, written)


def _one_file(
    draft: Draft, parameter: Parameter, each: Each, domain: Domain | None, written: Written
) -> InputFiles:
    """Return where a parameter that is one file finds it: the only one there is, or that of the item."""
    upstream = _upstream(written)
    if written.domain is None and written.many:
        if domain is None and parameter.name not in draft.node.arguments:
            return InputFiles(parameter.name, written, "list", upstream)
        message = f"{parameter.name} is one file, and {upstream} writes a folder of them"
        raise _rejected(draft, Code.AMBIGUOUS_FILE, message, f'pick one: {upstream}.file("name")')
    if written.domain is None:
        [name] = names_of(written) or [""]
        return InputFiles(parameter.name, written, "one", upstream, None, ((("=", name),),))
    aligned = written.domain is domain
    if aligned and written.each == "partition" and not written.many:
        return InputFiles(parameter.name, written, "one", upstream, None, written.chain)
    if aligned and written.many:
        return InputFiles(parameter.name, written, "list", upstream)
    return _of_item(draft, parameter, domain, written)


def _of_item(draft: Draft, parameter: Parameter, domain: Domain | None, written: Written) -> InputFiles:
    """Return how a node finds, for each of its items, the file that a source or another node has for it."""
    upstream = _upstream(written)
    if domain is None or (written.domain is not domain and domain.rows_in(_domain_of(written)) is None):
        message = f"{parameter.name} comes from {upstream}, which maps over {_domain_of(written).name}"
        what = (
            "one task cannot read it item by item"
            if domain is None
            else f"{draft.id} maps over {domain.name}"
        )
        hint = "let both come from one source, or read input_dir"
        raise _rejected(draft, Code.NO_COMMON_SOURCE, f"{message}; {what}", hint)
    if written.writer is None and written.column:
        column = domain.column_of(_domain_of(written), written.column)
        return InputFiles(parameter.name, written, "slot", upstream, column)
    if written.domain is domain and has_worker(draft.function):
        return InputFiles(parameter.name, written, "file", upstream, written.column, written.chain)
    return InputFiles(parameter.name, written, "slot", upstream, _stored_column(draft, domain, written))


def _domain_of(written: Written) -> Domain:
    assert written.domain
    return written.domain


def _upstream(written: Written) -> str:
    return written.passed_on_by or written.writer or written.variable


def _stored_column(draft: Draft, domain: Domain, written: Written) -> Made:
    """Return the column of paths, below this run's files, of what an ancestor domain's node wrote."""
    assert written.domain
    assert written.writer
    column = Made(written.writer, written.variable, is_path=True)
    names = names_of(written)
    rows = range(sum(domain.sizes)) if domain is written.domain else domain.rows_in(written.domain)
    if names is None or rows is None or written.each != "item":
        message = f"the files that {written.writer} writes are not known, one per item, before the DAG runs"
        raise _rejected(draft, Code.REPARTITION, message, "let it write one OUTPUT_FILE per item")
    partition_of = written.domain.partition_of
    domain.columns[column] = [f"{written.writer}/{partition_of[row]}/{names[row]}" for row in rows]
    domain.files[column] = RUN
    return column


def _matching(
    draft: Draft, parameter: Parameter, files: Sequence[Written], nodes: Mapping[str, GraphNode]
) -> Written:
    """Return the one file that a nameless or named file parameter means."""
    name = parameter.name

    def means(written: Written) -> bool:
        labels = {label for label in (written.writer, written.passed_on_by) if label is not None}
        labels |= {nodes[label].function.name.rpartition(".")[2] for label in labels if label in nodes}
        return written.variable == name or name in labels

    named = [written for written in files if means(written)]
    chosen = named or list(files)
    if not chosen:
        raise _no_files(draft, parameter)
    if len(chosen) > 1:
        ways = ", ".join(sorted({_upstream(written) for written in chosen}))
        message = f"{name} of {draft.id} could be a file of any of: {ways}"
        hint = "name the parameters after the upstreams: def f(a: InFile, b: InFile)"
        raise _rejected(draft, Code.AMBIGUOUS_FILE, message, hint)
    return chosen[0]


def _written_by(
    draft: Draft, value: Node | FileOf, nodes: Mapping[str, GraphNode], ids: Mapping[int, str]
) -> tuple[Written, ...]:
    """Return the files of a node given as an argument."""
    node = nodes[ids[id(value.node if isinstance(value, FileOf) else value)]]
    if not node.written:
        message = f"{node.id} writes no files"
        raise _rejected(draft, Code.NO_FILES_TO_READ, message, "let it write OUTPUT_FILE, or pass its value")
    return node.written


def _file_of(
    draft: Draft, value: Node | FileOf, nodes: Mapping[str, GraphNode], ids: Mapping[int, str]
) -> tuple[Written, ...]:
    """Return the file of a node given as an argument; `.file(name)` picks one of several."""
    files = _written_by(draft, value, nodes, ids)
    if isinstance(value, Node):
        if len(files) > 1:
            node_id = ids[id(value)]
            names = ", ".join(written.variable for written in files)
            message = f"{node_id} writes several files: {names}"
            raise _rejected(draft, Code.AMBIGUOUS_FILE, message, f'pick one: {node_id}.file("name")')
        return files
    by_variable = [written for written in files if written.variable == value.name]
    if by_variable:
        return (by_variable[0],)
    known = {name for written in files for name in names_of(written) or constant_names(written)}
    for written in files:
        if not written.many and value.name in (names_of(written) or constant_names(written)):
            return (written,)
    if not any(written.many or not known for written in files):
        message = f"{ids[id(value.node)]} writes no file {value.name!r}"
        names = ", ".join(written.variable for written in files)
        place = value.location
        raise Rejected(Diagnostic(Code.NO_FILES_TO_READ, place, message, f"its files: {names}"))
    first = next((written for written in files if written.many), files[0])
    named = Written(first.writer, first.domain, first.each, value.name, None, ((("=", value.name),),))
    return (named,)


def _same(one: Written, other: Written) -> bool:
    return (one.writer, one.variable, one.domain) == (other.writer, other.variable, other.domain)


def _no_files(draft: Draft, parameter: Parameter) -> Rejected:
    message = f"{draft.id} reads {parameter.name}, but no files reach it"
    hint = "put Files(...) or a task that writes files before it"
    return _rejected(draft, Code.NO_FILES_TO_READ, message, hint)


def _rejected(draft: Draft, code: Code, message: str, hint: str, related: Iterable[Related] = ()) -> Rejected:
    return Rejected(Diagnostic(code, draft.node.location, message, hint, tuple(related)))
