"""Stage 3: what a node reads and maps over in, how often it runs out: per item, per partition, or once.

What does not fit how often it runs is refused: a partition has no one item, an item no partition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dsl.argument import Argument, Field
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.domain import Domain
from dsl.draft import Draft
from dsl.function import Each
from dsl.graph import InputFiles, Written
from dsl.reading import Role

_OF_ALL = (Role.IN_FILES, Role.IN_DIR)


def each_of(
    draft: Draft, domain: Domain | None, has_source: bool, files: Sequence[Written]
) -> tuple[Each, str]:
    """Return whether a node runs per item, per partition or once, and why."""
    named = draft.node.expanded or has_source
    free = [p for p in draft.reading.parameters if p.name not in draft.node.arguments]
    roles = {p.role: p.name for p in reversed(free)}
    reads_item = Role.IN_FILE in roles or Role.ITEM in roles
    if draft.options.each is not None:
        if draft.options.each != "all" and domain is None and not named:
            message = f"{draft.id} has each={draft.options.each!r} but nothing mapped stands before it"
            raise _rejected(draft, Code.INVALID_OPTION, message, "put a source before it, or remove each=")
        return draft.options.each, f"each={draft.options.each!r}"
    if (
        reads_item
        and Role.IN_DIR in roles
        and any(p.role is Role.IN_DIR and p.name not in draft.node.arguments for p in free)
    ):
        one = roles.get(Role.IN_FILE) or roles[Role.ITEM]
        message = f"{draft.id} reads both {one} and {roles[Role.IN_DIR]}"
        hint = 'read one of them, or say how often it runs: each="item", "partition" or "all"'
        raise _rejected(draft, Code.AMBIGUOUS_READING, message, hint)
    if domain is None:
        if reads_item and any(w.many for w in files):
            return "item", "it reads one file at a time of a folder"
        return "all", "it runs once"
    if Role.IN_FILES in roles or Role.ITEMS in roles:
        return "partition", f"it reads {roles.get(Role.IN_FILES) or roles[Role.ITEMS]}"
    if reads_item:
        return "item", f"it reads {roles.get(Role.IN_FILE) or roles[Role.ITEM]}"
    if Role.IN_DIR in roles and has_source:
        return "partition", f"it reads {roles[Role.IN_DIR]} directly after a source"
    keys = key_parameters(draft, [domain])
    if keys:
        once = set(keys) <= domain.constants
        return ("partition" if once else "item"), f"it reads the key {keys[0]}"
    if has_source or draft.node.expanded:
        return "item", "it stands directly after a source" if has_source else "it is expanded"
    return "item", "a file argument is mapped"


def key_parameters(draft: Draft, domains: Iterable[Domain]) -> list[str]:
    """Return the parameters that are keys of the domains and that no argument fills."""
    keys = {key for domain in domains for key in (*domain.keys, *domain.files)}
    keys |= draft.keywords.keys()
    taken = {*draft.node.arguments, *draft.node.expanded}
    return [p.name for p in draft.reading.of(Role.VALUE, Role.RUN) if p.name in keys and p.name not in taken]


def check_fit(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    arguments: Mapping[str, Argument],
) -> None:
    """Raise Rejected for what a node reads and does not have, or has several of, each time it runs."""
    roles = {parameter.name: parameter.role for parameter in draft.reading.parameters}
    lists = [p.name for p in draft.reading.of(Role.IN_FILES, Role.ITEMS)]
    if lists and draft.reading.body is not None:
        message = f"{lists[0]} of {draft.id} is a list, which only a Python task can read"
        raise _rejected(draft, Code.UNSUPPORTED, message, "read INPUT_DIR, or make it a @task")
    if each == "item":
        folders = [i.variable for i in inputs if roles.get(i.variable) in _OF_ALL and i.written.domain]
        for name in (*folders, *(p.name for p in draft.reading.of(Role.ITEMS))):
            message = f"{draft.id} runs once per item, and {name} is everything in a partition"
            hint = 'read input_file or item, or say each="partition"'
            raise _rejected(draft, Code.EACH_MISMATCH, message, hint)
    of_items = [name for name, argument in arguments.items() if isinstance(argument, Field)]
    if of_items and any(files.kind == "list" for files in inputs):
        message = f"{draft.id} runs once per file of a folder, and {of_items[0]} is of the items before it"
        raise _rejected(draft, Code.EACH_MISMATCH, message, "write it into the files or their names")
    if each == "partition" and domain is not None:
        for files in inputs:
            if roles.get(files.variable) not in _OF_ALL and files.kind != "one":
                message = f"{draft.id} runs once per partition, and {files.variable} is the file of one item"
                hint = 'read input_dir or input_files, or say each="item"'
                raise _rejected(draft, Code.EACH_MISMATCH, message, hint)
        for name, argument in arguments.items():
            if not isinstance(argument, Field) or roles.get(name) is Role.ITEMS:
                continue
            if not domain.is_constant(argument.column):
                message = f"{draft.id} runs once per partition, and {name} differs from item to item"
                raise _rejected(draft, Code.EACH_MISMATCH, message, 'read items, or say each="item"')


def _rejected(draft: Draft, code: Code, message: str, hint: str) -> Rejected:
    return Rejected(Diagnostic(code, draft.node.location, message, hint))
