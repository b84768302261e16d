"""Stage 3: the files that a node writes, and what they are called, item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from dsl.argument import Argument, Constant, Field, OutputName
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Rejected, Related
from dsl.domain import Column, Domain
from dsl.draft import Draft
from dsl.encode import shell_value
from dsl.function import Each
from dsl.graph import InputFiles, Written
from dsl.names import did_you_mean
from dsl.naming import FILE_FIELDS, SAME_NAME, Template, apply, filled, parse, problem, references
from dsl.partition import starts
from dsl.reading import Role
from dsl.spelling import FIELD, FILE, respelt


def outputs_of(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    arguments: Mapping[str, Argument],
) -> tuple[OutputName, ...]:
    """Return the files that a node writes by variable. Raises Rejected for a name that cannot be."""
    parameters = draft.reading.of(Role.OUT_FILE)
    given = draft.options.output
    for name in given if isinstance(given, dict) else ():
        if name not in (known := [parameter.name for parameter in parameters]):
            message = f"output= names {name!r}, and {draft.id} writes {', '.join(known) or 'no file'}"
            guess = did_you_mean(name, known)
            hint = f"did you mean {guess!r}?" if guess else f"write {name}: OutFile in its signature"
            fix = respelt(draft.node.task.place_of("output"), FILE, str(name), guess)
            raise _output_rejected(draft, Code.INVALID_OUTPUT_NAME, message, hint, fix)
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
        raise _output_rejected(
            draft, Code.OUTPUT_COLLISION, message, "give each OutFile its own name in output="
        )
    return tuple(found)


def written_by(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    outputs: Sequence[OutputName],
) -> tuple[Written, ...]:
    """Return what a node writes. Raises Rejected if two items write one name."""
    primary = primary_input(each, inputs)
    unknown = each == "item" and any(i.kind == "list" for i in inputs)
    found = []
    for output in outputs:
        column = primary.column if primary else None
        chain = (
            *(primary.chain if primary else ()),
            *(() if output.template == SAME_NAME else (output.template,)),
        )
        written = Written(draft.id, domain, each, output.variable, column, chain, unknown)
        found.append(written)
    if not unknown:
        _check_names(draft, found)
    for parameter in draft.reading.of(Role.OUT_DIR):
        found.append(Written(draft.id, domain, each, parameter.name, None, (), True))
    return tuple(found)


def primary_input(each: Each, inputs: Sequence[InputFiles]) -> InputFiles | None:
    """Return the input whose name an output takes by default: the first that differs from item to item.

    A task that does not run per item has one if it reads one file of its own and nothing else.
    """
    if each == "item":
        return next((i for i in inputs if i.kind in ("slot", "file")), None)
    own = [i for i in inputs if i.kind == "one" and (each == "all" or i.written.domain is not None)]
    return own[0] if own and len(inputs) == 1 else None


def names_of(written: Written) -> tuple[str, ...] | None:
    """Return the name of every row's (or partition's, or the only) file, or None if only the run knows."""
    domain = written.domain
    if written.many or (domain and domain.discovered_by):
        return None
    if domain is None:
        return (apply(written.chain, "0", 0, {}),)
    return _named(domain, written.each, written.column, written.chain)


@lru_cache
def _named(domain: Domain, each: Each, column: Column | None, chain: tuple[Template, ...]) -> tuple[str, ...]:
    """Return the names that a chain makes; every node of a lane that keeps them asks for the same ones."""
    rows: Sequence[int] = starts(domain.sizes) if each == "partition" else range(sum(domain.sizes))
    if column:
        values = domain.columns[column]
        bases = [str(values[row]).rpartition("/")[2] for row in rows]
    else:
        bases = [str(index) for index in range(len(rows))]
    if not chain:
        return tuple(bases)
    used = {name: domain.columns[name] for template in chain for name in references(template)}
    return tuple(
        apply(chain, base, index, {name: shell_value(texts[row]) for name, texts in used.items()})
        for index, (base, row) in enumerate(zip(bases, rows, strict=True))
    )


def _check_names(draft: Draft, written: Sequence[Written]) -> None:
    """Raise Rejected for a name that no file can have, and for one that is written twice."""
    seen: dict[str, tuple[int, str]] = {}
    for file in written:
        names = names_of(file)
        for index, name in enumerate(constant_names(file) if names is None else names):
            if why := problem(name):
                message = why if names is None or file.each == "all" else f"{file.each} {index}: {why}"
                raise _output_rejected(draft, Code.INVALID_OUTPUT_NAME, message, "correct output=")
            if name in seen:
                first, variable = seen[name]
                message = f"{file.each}s {first} and {index} both write {name!r}"
                hint = 'name them apart, for example output="{index}-{name}"'
                if variable != file.variable:
                    message = f"{variable} and {file.variable} of {draft.id} are both called {name!r}"
                    hint = "give each OutFile its own name in output="
                raise _output_rejected(draft, Code.OUTPUT_COLLISION, message, hint)
            seen[name] = (index, file.variable)


def _template(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    arguments: Mapping[str, Argument],
    given: str | None,
) -> Template:
    first = primary_input(each, inputs)
    has_name = first is not None or (each == "item" and any(differs(i) for i in inputs))
    if given is None:
        repeats = first is not None and first.written.domain is not domain
        crossed = domain is not None and len(domain.parents) > 1 and repeats
        if (
            (each == "all" and not has_name)
            or (each == "partition" and any(i.kind != "one" for i in inputs))
            or (crossed and inputs)
        ):
            message = f"{draft.id} writes one file for several inputs and names no output"
            if not inputs:
                message = f"{draft.id} writes a file that has no name"
            if crossed:
                message = f"{draft.id} crosses items and names no output"
            raise _output_rejected(
                draft, Code.OUTPUT_REQUIRED, message, 'add output="name.ext" to its decorator'
            )
        return SAME_NAME if has_name else (("", "index"),)
    try:
        template = parse(given)
    except ValueError as error:
        raise _output_rejected(
            draft, Code.INVALID_OUTPUT_NAME, f"output={given!r}: {error}", "correct output="
        ) from None
    keys = _keys(draft, domain)
    if domain and len(keys) == 1 and "key" not in domain.columns:
        template = tuple(("$", next(iter(keys))) if part == ("$", "key") else part for part in template)
    template = tuple(
        ("$", keys[text]) if text in keys and mark != "=" else (mark, text) for mark, text in template
    )
    constants = {name: shell_value(a.value) for name, a in arguments.items() if isinstance(a, Constant)}
    template = filled(template, constants)
    fields = FILE_FIELDS if has_name else ("index",)
    for name in references(template):
        known = [*keys, *constants, *fields]
        if each == "partition" and domain and name in domain.columns and not domain.is_constant(name):
            message = f"output={given!r}: {name} differs within a partition"
            hint = "write {index}, the number of the partition"
            raise _output_rejected(draft, Code.INVALID_OUTPUT_NAME, message, hint)
        if isinstance(arguments.get(name), Field) or name in keys.values():
            continue
        if name in arguments:
            message = f"output={given!r}: {name!r} is known only when the DAG runs"
            raise _output_rejected(
                draft, Code.INVALID_OUTPUT_NAME, message, "use a constant, a key or a field of the name"
            )
        guess = did_you_mean(name, known)
        hint = f"did you mean {{{guess}}}?" if guess else f"known here: {', '.join(known)}"
        fix = respelt(draft.node.task.place_of("output"), FIELD, name, guess)
        message = f"output={given!r}: there is no key {name!r} here"
        raise _output_rejected(draft, Code.UNKNOWN_KEY, message, hint, fix)
    if not has_name and any(mark == "" and text != "index" for mark, text in template):
        message = f"output={given!r}: {draft.id} has no single file to take a name from"
        hint = 'write a plain name, such as output="all.csv"'
        if each == "item":
            hint = f"write {{index}}, the number of the item{', or a key of it' if keys else ''}"
        raise _output_rejected(draft, Code.INVALID_OUTPUT_NAME, message, hint)
    return template


def _keys(draft: Draft, domain: Domain | None) -> dict[str, str]:
    """Return the column of each key that a name may have: keys of the items, and keywords for items."""
    if domain is None:
        return {}
    called = {name: column for name, column in draft.keywords.items() if column not in domain.files}
    return {key: key for key in domain.keys} | called


def _output_rejected(draft: Draft, code: Code, message: str, hint: str, fix: Fix | None = None) -> Rejected:
    """Return a rejection at the `output=` of a node."""
    used = (Related(f"{draft.id} is used here", draft.node.location),)
    return Rejected(Diagnostic(code, draft.node.task.place_of("output"), message, hint, used, fix))


def check_folder(draft: Draft, each: Each, domain: Domain | None, inputs: Sequence[InputFiles]) -> None:
    """Raise Rejected where two source files of one name would lie in one folder of a task."""
    if each == "item":
        return
    folders = {parameter.name for parameter in draft.reading.of(Role.IN_DIR)}
    for files in inputs:
        source = domain or files.written.domain
        if files.kind != "slot" or files.variable not in folders or not (source and files.column):
            continue
        seen: dict[tuple[int, str], str] = {}
        for path, partition in zip(source.columns[files.column], source.partition_of, strict=True):
            key = (partition if domain else 0, str(path).rpartition("/")[2])
            if key in seen:
                message = f"{seen[key]!r} and {path!r} have one name in the {files.variable} of {draft.id}"
                hint = "read them one by one first, and name them apart by output="
                raise Rejected(Diagnostic(Code.OUTPUT_COLLISION, draft.node.location, message, hint))
            seen[key] = str(path)


def constant_names(written: Written) -> tuple[str, ...]:
    """Return the name that a node gives to the files of all its items, if it is plain text."""
    [*_, template] = written.chain or [()]
    is_text = bool(template) and all(mark == "=" for mark, _ in template)
    return ("".join(text for _, text in template),) if is_text else ()


def differs(files: InputFiles) -> bool:
    """Whether every item has a file of its own."""
    return files.kind in ("slot", "file", "list")
