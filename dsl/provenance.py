"""Stage 3: which files reach a node, how it reads them item by item, and what its own files are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dsl.author import FileOf, Node
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected, Related
from dsl.domain import RUN, Domain
from dsl.draft import Draft
from dsl.encode import shell_value
from dsl.function import Each
from dsl.graph import Argument, Constant, Field, GraphNode, InputFiles, OutputName, Written
from dsl.names import did_you_mean
from dsl.naming import FILE_FIELDS, SAME_NAME, Template, apply, filled, parse, problem, references
from dsl.partition import starts
from dsl.reading import Parameter, Role


def has_worker(draft: Draft) -> bool:
    """Whether our program runs the task in its pod; a bare argv has to find everything in its environment."""
    return draft.function.kind != "container"


def check_bare(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    written: Sequence[Written],
) -> None:
    """Raise Rejected for what a task without our program cannot do; add the names of its outputs to its items."""
    if each == "item" and domain and set(domain.sizes) - {1}:
        message = f"{draft.id} is a container task, which takes one item per pod, and partitions hold {max(domain.sizes)}"
        raise _rejected(draft, Code.PARTITION_SIZE, message, "remove size=, or make it a @task.shell")
    if any(i.kind in ("one", "list", "file") or (i.kind == "dir" and i.written.domain) for i in inputs):
        message = f"{draft.id} is a container task, which cannot look for its files"
        raise _rejected(draft, Code.UNSUPPORTED, message, "make it a @task.shell")
    if draft.options.retries and draft.reading.of(Role.OUT_DIR):
        message = f"{draft.id} is a container task: what a failed attempt left in OUTPUT_DIR would stay there"
        raise _rejected(draft, Code.UNSUPPORTED, message, "write an OUTPUT_FILE, or make it a @task.shell")
    for file in written:
        names = names_of(file)
        if domain is not None and not file.many and names is not None:
            domain.columns[f"{draft.id}:name:{file.variable}"] = names


def source_files(domain: Domain) -> tuple[Written, ...]:
    """Return the file columns of a domain as files that nobody wrote."""
    return tuple(Written(None, domain, "item", column, column, ()) for column in domain.files)


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
    """Return where every file parameter of a node gets its files. Raises Rejected if one has none or several."""
    found: list[InputFiles] = []
    for parameter in file_parameters(draft, domain):
        value = draft.node.arguments.get(parameter.name, draft.node.expanded.get(parameter.name))
        if isinstance(value, Node | FileOf):
            chosen = _files_of(draft, value, nodes, ids)
        elif parameter.role is Role.IN_FILE:
            chosen = (_matching(draft, parameter, files, nodes),)
        elif not files:
            raise _no_files(draft, parameter)
        else:
            chosen = tuple(files)
        for written in chosen:
            found.append(_input(draft, parameter, each, domain, written))
    # A worker calls an item after its first file, so files that all items share come last.
    return tuple(sorted(found, key=lambda files: not _differs(files)))


def _differs(files: InputFiles) -> bool:
    """Whether every item has a file of its own."""
    return files.column is not None or files.kind == "list"


def file_parameters(draft: Draft, domain: Domain | None) -> tuple[Parameter, ...]:
    """Return the parameters that stand for files, also those named like a file column of the domain."""
    taken = {**draft.node.arguments}
    return tuple(
        Parameter(parameter.name, Role.IN_FILE, parameter.default, parameter.in_signature)
        if parameter.role is Role.VALUE
        and domain
        and parameter.name in domain.files
        and parameter.name not in taken
        else parameter
        for parameter in draft.reading.parameters
        if parameter.role in (Role.IN_FILE, Role.IN_FILES, Role.IN_DIR)
        or (
            parameter.role is Role.VALUE
            and domain
            and parameter.name in domain.files
            and parameter.name not in taken
        )
    )


def outputs_of(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    arguments: Mapping[str, Argument],
) -> tuple[OutputName, ...]:
    """Return the files that a node writes, with the names of its items checked. Raises Rejected for a bad name."""
    parameters = draft.reading.of(Role.OUT_FILE)
    given = draft.options.output
    for name in given if isinstance(given, dict) else ():
        if name not in (known := [parameter.name for parameter in parameters]):
            message = f"output= names {name!r}, and {draft.id} writes {', '.join(known) or 'no file'}"
            guess = did_you_mean(name, known)
            hint = f"did you mean {guess!r}?" if guess else f"write {name}: OutFile in its signature"
            raise _output_rejected(draft, Code.INVALID_OUTPUT_NAME, message, hint)
    if given is not None and not parameters and not draft.reading.of(Role.OUT_DIR):
        message = f"{draft.id} names an output but writes no file"
        hint = 'write to "$OUTPUT_FILE"' if draft.reading.body is not None else "add a parameter output_file"
        raise _output_rejected(draft, Code.INVALID_OUTPUT_NAME, message, hint)
    found = []
    for parameter in parameters:
        text = given.get(parameter.name) if isinstance(given, dict) else given
        if isinstance(given, str) and len(parameters) > 1:
            message = f"{draft.id} writes {len(parameters)} files and output= is one name"
            raise _output_rejected(
                draft, Code.INVALID_OUTPUT_NAME, message, f'write output={{"{parameter.name}": …, …}}'
            )
        found.append(OutputName(parameter.name, _template(draft, each, domain, inputs, arguments, text)))
    if len({output.template for output in found}) < len(found):
        message = f"two files of {draft.id} have one name"
        raise _output_rejected(draft, Code.OUTPUT_COLLISION, message, "give each OutFile its own name in output=")
    return tuple(found)


def written_by(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    outputs: Sequence[OutputName],
) -> tuple[Written, ...]:
    """Return what a node writes. Raises Rejected if two items write one name."""
    primary = primary_input(inputs) if each == "item" else None
    unknown = each == "item" and any(i.kind == "list" for i in inputs)
    found = []
    for output in outputs:
        column = primary.column if primary else None
        chain = (
            *(primary.chain if primary else ()),
            *(() if output.template == SAME_NAME else (output.template,)),
        )
        written = Written(draft.id, domain, each, output.variable, column, chain, unknown)
        if not unknown:
            _check_names(draft, written)
        found.append(written)
    for parameter in draft.reading.of(Role.OUT_DIR):
        found.append(Written(draft.id, domain, each, parameter.name, None, (), True))
    return tuple(found)


def primary_input(inputs: Sequence[InputFiles]) -> InputFiles | None:
    """Return the input whose name an output takes by default: the first that differs from item to item."""
    return next((i for i in inputs if i.column is not None), None)


def names_of(written: Written) -> tuple[str, ...] | None:
    """Return the name of every row's (or partition's) file, or None if only the run knows them."""
    domain = written.domain
    if written.many or domain is None or domain.discovered_by:
        return None
    rows: Sequence[int] = starts(domain.sizes) if written.each == "partition" else range(sum(domain.sizes))
    if written.column:
        column = domain.columns[written.column]
        bases = [str(column[row]).rpartition("/")[2] for row in rows]
    else:
        bases = [str(index) for index in range(len(rows))]
    if not written.chain:
        return tuple(bases)
    used = {name: domain.columns[name] for template in written.chain for name in references(template)}
    return tuple(
        apply(written.chain, base, index, {name: shell_value(values[row]) for name, values in used.items()})
        for index, (base, row) in enumerate(zip(bases, rows, strict=True))
    )


def _check_names(draft: Draft, written: Written) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names_of(written) or ()):
        why = problem(name)
        if why:
            raise _output_rejected(
                draft, Code.INVALID_OUTPUT_NAME, f"{written.each} {index}: {why}", "correct output="
            )
        if name in seen:
            message = f"{written.each}s {seen[name]} and {index} both write {name!r}"
            hint = 'name them apart, for example output="{index}-{name}"'
            raise _output_rejected(draft, Code.OUTPUT_COLLISION, message, hint)
        seen[name] = index


def _template(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    arguments: Mapping[str, Argument],
    given: str | None,
) -> Template:
    per_item = each == "item" and any(_differs(i) for i in inputs)
    if given is None:
        repeats = any(i.written.domain is not domain for i in inputs)
        crossed = domain is not None and len(domain.parents) > 1 and repeats
        if (
            each == "all"
            or (each == "partition" and any(i.kind != "one" for i in inputs))
            or (crossed and inputs)
        ):
            message = f"{draft.id} writes one file for several inputs and names no output"
            if not inputs:
                message = f"{draft.id} writes a file that has no name"
            if crossed:
                message = f"{draft.id} crosses items and names no output"
            raise _output_rejected(draft, Code.OUTPUT_REQUIRED, message, 'add output="name.ext" to its decorator')
        return SAME_NAME if per_item else (("", "index"),)
    try:
        template = parse(given)
    except ValueError as error:
        raise _output_rejected(
            draft, Code.INVALID_OUTPUT_NAME, f"output={given!r}: {error}", "correct output="
        ) from None
    keys = domain.keys if domain else ()
    template = tuple(("$", text) if mark == "" and text in keys else (mark, text) for mark, text in template)
    if domain and len(domain.keys) == 1 and "key" not in domain.columns:
        template = tuple(("$", domain.keys[0]) if part == ("$", "key") else part for part in template)
    constants = {name: shell_value(a.value) for name, a in arguments.items() if isinstance(a, Constant)}
    template = filled(template, constants)
    for name in references(template):
        known = [*(domain.keys if domain else ()), *constants, *FILE_FIELDS]
        if isinstance(arguments.get(name), Field) or (domain and name in domain.keys):
            continue
        if name in arguments:
            message = f"output={given!r}: {name!r} is known only when the DAG runs"
            raise _output_rejected(
                draft, Code.INVALID_OUTPUT_NAME, message, "use a constant, a key or a field of the name"
            )
        guess = did_you_mean(name, known)
        hint = f"did you mean {{{guess}}}?" if guess else f"known here: {', '.join(known)}"
        raise _output_rejected(draft, Code.UNKNOWN_KEY, f"output={given!r}: there is no key {name!r} here", hint)
    if not per_item and any(mark == "" and text != "index" for mark, text in template):
        message = f"output={given!r}: {draft.id} has no single file to take a name from"
        raise _output_rejected(
            draft, Code.INVALID_OUTPUT_NAME, message, 'write a plain name, such as output="all.csv"'
        )
    return template


def _input(
    draft: Draft, parameter: Parameter, each: Each, domain: Domain | None, written: Written
) -> InputFiles:
    """Return how one variable of a node finds the files that `written` describes."""
    upstream = written.passed_on_by or written.writer or written.variable
    if each == "all" and parameter.role is not Role.IN_FILE:
        if written.writer is None:
            return InputFiles(parameter.name, written, "slot", upstream, written.column)
        return InputFiles(parameter.name, written, "dir", upstream)
    if written.domain is domain and domain is not None:
        if written.many:
            return InputFiles(parameter.name, written, "list", upstream)
        if written.each == "partition":
            return InputFiles(parameter.name, written, "one", upstream)
        if written.writer is not None and not has_worker(draft):
            return InputFiles(
                parameter.name, written, "slot", upstream, _stored_column(draft, domain, written)
            )
        if written.writer is None:
            return InputFiles(parameter.name, written, "slot", upstream, written.column)
        return InputFiles(parameter.name, written, "file", upstream, written.column, written.chain)
    if written.domain is None:
        if not written.many:
            picked = written.chain if parameter.role is Role.IN_FILE else ()
            return InputFiles(parameter.name, written, "file" if picked else "one", upstream, None, picked)
        if domain is None and parameter.name not in draft.node.arguments:
            return InputFiles(parameter.name, written, "list", upstream)
        message = f"{parameter.name} is one file, and {upstream} writes a folder of them"
        raise _rejected(draft, Code.AMBIGUOUS_FILE, message, f'pick one: {upstream}.file("name")')
    if domain is None or domain.rows_in(written.domain) is None:
        message = f"{parameter.name} comes from {upstream}, which maps over {written.domain.name}"
        what = (
            "one task cannot read it item by item"
            if domain is None
            else f"{draft.id} maps over {domain.name}"
        )
        hint = "let both come from one source, or read input_dir"
        raise _rejected(draft, Code.NO_COMMON_SOURCE, f"{message}; {what}", hint)
    if written.writer is None:
        return InputFiles(parameter.name, written, "slot", upstream, written.column)
    return InputFiles(parameter.name, written, "slot", upstream, _stored_column(draft, domain, written))


def _stored_column(draft: Draft, domain: Domain, written: Written) -> str:
    """Return the column of paths, below this run's files, of what an ancestor domain's node wrote."""
    assert written.domain
    column = f"{written.writer}:{written.variable}"
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
        ways = ", ".join(sorted({str(w.passed_on_by or w.writer or w.variable) for w in chosen}))
        message = f"{name} of {draft.id} could be a file of any of: {ways}"
        hint = "name the parameters after the upstreams: def f(a: InFile, b: InFile)"
        raise _rejected(draft, Code.AMBIGUOUS_FILE, message, hint)
    return chosen[0]


def _files_of(
    draft: Draft, value: Node | FileOf, nodes: Mapping[str, GraphNode], ids: Mapping[int, str]
) -> tuple[Written, ...]:
    """Return the files of a node given as an argument; `.file(name)` picks one."""
    node = nodes[ids[id(value.node if isinstance(value, FileOf) else value)]]
    if not node.written:
        message = f"{node.id} writes no files"
        raise _rejected(draft, Code.NO_FILES_TO_READ, message, "let it write OUTPUT_FILE, or pass its value")
    if isinstance(value, Node):
        if len(node.written) > 1:
            names = ", ".join(written.variable for written in node.written)
            message = f"{node.id} writes several files: {names}"
            raise _rejected(draft, Code.AMBIGUOUS_FILE, message, f'pick one: {node.id}.file("name")')
        return node.written
    by_variable = [written for written in node.written if written.variable == value.name]
    if by_variable:
        return (by_variable[0],)
    known = {name for written in node.written for name in names_of(written) or _constant_names(written)}
    for written in node.written:
        if not written.many and value.name in (names_of(written) or _constant_names(written)):
            return (written,)
    if not any(written.many or not known for written in node.written):
        message = f"{node.id} writes no file {value.name!r}"
        names = ", ".join(written.variable for written in node.written)
        place = value.location
        raise Rejected(Diagnostic(Code.NO_FILES_TO_READ, place, message, f"its files: {names}"))
    first = next((written for written in node.written if written.many), node.written[0])
    named = Written(first.writer, first.domain, first.each, value.name, None, ((("=", value.name),),))
    return (named,)


def _constant_names(written: Written) -> tuple[str, ...]:
    """Return the name of the one file that a node without items writes, if it is plain text."""
    [*_, template] = written.chain or [()]
    is_text = bool(template) and all(mark == "=" for mark, _ in template)
    return ("".join(text for _, text in template),) if is_text else ()


def _same(one: Written, other: Written) -> bool:
    return (one.writer, one.variable, one.domain) == (other.writer, other.variable, other.domain)


def _no_files(draft: Draft, parameter: Parameter) -> Rejected:
    message = f"{draft.id} reads {parameter.name}, but no files reach it"
    hint = "put Files(...) or a task that writes files before it"
    return _rejected(draft, Code.NO_FILES_TO_READ, message, hint)


def _output_rejected(draft: Draft, code: Code, message: str, hint: str) -> Rejected:
    """Return a rejection at the `output=` of a node."""
    used = (Related(f"{draft.id} is used here", draft.node.location),)
    return Rejected(Diagnostic(code, draft.node.task.place_of("output"), message, hint, used))


def _rejected(draft: Draft, code: Code, message: str, hint: str, related: Iterable[Related] = ()) -> Rejected:
    return Rejected(Diagnostic(code, draft.node.location, message, hint, tuple(related)))
