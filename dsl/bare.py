"""Stage 3: what a task without our program cannot do. An argv has to find everything in its environment.

Nobody in its pod looks for files, makes folders of them, calls it once per item, or keeps back what a failed
attempt wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.domain import Domain, Made
from dsl.draft import Draft
from dsl.function import Each, Storage, Volume
from dsl.graph import InputFiles, Written
from dsl.outputs import names_of
from dsl.reading import Role


def check_bare(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
    written: Sequence[Written],
    storage: Storage,
) -> None:
    """Raise Rejected for what a container task cannot read or write."""
    problems = [
        *_on_volume(draft, inputs, written, storage),
        *_several_items(draft, each, domain, inputs),
        *_unfindable(draft, inputs),
        *_unnameable(draft, written),
    ]
    if draft.options.retries and draft.reading.of(Role.OUT_DIR):
        message = f"{draft.id} is a container task: what a failed attempt left in OUTPUT_DIR would stay there"
        hint = "write an OUTPUT_FILE, or make it a @task.shell"
        problems.append(_found(draft, Code.UNSUPPORTED, message, hint))
    if problems:
        raise Rejected(*problems)


def add_names(draft: Draft, domain: Domain | None, written: Sequence[Written]) -> None:
    """Add the names of a task's files to its items, one for every row, because its pod cannot derive them."""
    for file in written:
        names = names_of(file)
        if domain is None or file.many or names is None:
            continue
        if file.each == "partition":
            names = tuple(names[partition] for partition in domain.partition_of)
        domain.columns[Made(draft.id, file.variable, is_path=False)] = names


def _on_volume(
    draft: Draft, inputs: Sequence[InputFiles], written: Sequence[Written], storage: Storage
) -> Iterator[Diagnostic]:
    if isinstance(storage, Volume) and (inputs or written):
        message = f"{draft.id} is a container task: nobody in its pod moves its files from and to a volume"
        hint = "make it a @task.shell, or let the DAG's files travel as artifacts, without storage="
        yield _found(draft, Code.BARE_ON_VOLUME, message, hint)


def _several_items(
    draft: Draft,
    each: Each,
    domain: Domain | None,
    inputs: Sequence[InputFiles],
) -> Iterator[Diagnostic]:
    most = max((*domain.sizes, domain.discovered_size)) if domain else 1
    if most < 2:
        return
    folders = _folders(draft)
    own = [files.variable for files in inputs if files.kind == "slot" and files.variable not in folders]
    if each == "item":
        message = f"{draft.id} is a container task, which takes one item per pod, and partitions hold {most}"
        yield _found(draft, Code.PARTITION_SIZE, message, "remove size=, or make it a @task.shell")
    elif own:
        message = f"{own[0]} of the container task {draft.id} is one item's, and partitions hold {most}"
        yield _found(draft, Code.PARTITION_SIZE, message, "remove size=, or make it a @task.shell")


def _unfindable(draft: Draft, inputs: Sequence[InputFiles]) -> Iterator[Diagnostic]:
    hint = "make it a @task.shell"
    if any(i.kind in ("one", "list", "file") or (i.kind == "dir" and i.written.domain) for i in inputs):
        message = f"{draft.id} is a container task, which cannot look for its files"
        yield _found(draft, Code.UNSUPPORTED, message, hint)
    folders = _folders(draft)
    upstreams: dict[str, str] = {}
    for files in inputs:
        first = upstreams.setdefault(files.variable, files.upstream)
        if files.variable in folders and (files.kind == "slot" or first != files.upstream):
            message = f"{draft.id} is a container task, and nobody makes a folder {files.variable} for it"
            yield _found(draft, Code.UNSUPPORTED, message, f"read INPUT_FILE, or {hint}")


def _folders(draft: Draft) -> set[str]:
    return {parameter.name for parameter in draft.reading.of(Role.IN_DIR, Role.IN_FILES)}


def _unnameable(draft: Draft, written: Sequence[Written]) -> Iterator[Diagnostic]:
    """Each of its files is an artifact, whose key is text of a template."""
    names = (name for file in written for name in names_of(file) or [_outline(file)])
    if name := next((name for name in names if "{{" in name), None):
        message = f"{draft.id} writes {name!r}, and Argo has no escape for {{{{ in the name of an artifact"
        place = draft.node.task.place_of("output")
        yield Diagnostic(Code.UNSAFE_STRING, place, message, "rename it in output=")


def _outline(file: Written) -> str:
    """Return a name that only the run knows, an asterisk for what it does not say by itself."""
    return "".join(text if mark == "=" else "*" for template in file.chain[-1:] for mark, text in template)


def _found(draft: Draft, code: Code, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code, draft.node.location, message, hint)
