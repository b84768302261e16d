"""argv in, a prefix of the stages run, an exit code out.

Exit codes: 0 clean or warnings only, 1 errors or a failed run, 2 usage, 101 our mistake, 130 interrupted.
Heavy packages are imported inside the commands: `dsl --help` answers at once.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dsl.child import LONGEST, SHORTEST, TIMEOUT

if TYPE_CHECKING:
    from dsl.compile import Compiled
    from dsl.diagnostics import Diagnostic
    from dsl.documents import Document
    from dsl.plan import Analysis
    from dsl.running import Refused

KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate")
INTERRUPTED = 130
F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.argument("file", type=click.Path(path_type=str))
_DAG = click.option("--dag", metavar="NAME", help="Which DAG, when the file holds several.")
_PARAMETER = click.option(
    "-p", "--param", "parameters", metavar="K=V", multiple=True, help="Set a parameter."
)


def _format(*choices: str) -> Callable[[F], F]:
    return click.option("--format", "form", type=click.Choice(choices), default=choices[0], show_default=True)


def _seconds(default: float | None = TIMEOUT) -> Callable[[F], F]:
    return click.option(
        "--timeout",
        type=click.FloatRange(SHORTEST, LONGEST),
        default=default,
        show_default=default is not None or f"{TIMEOUT:g}",
        metavar="SECONDS",
        help="How long a file may take to load.",
    )


def _codes(flag: str, text: str) -> Callable[[F], F]:
    return click.option(flag, metavar="CODES", multiple=True, callback=_read_codes, help=text)


def _read_codes(context: click.Context, option: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    from dsl.settings import InvalidSettings, codes_of

    try:
        return codes_of(words)
    except InvalidSettings as problem:
        raise click.BadParameter(str(problem), context, option) from None


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        if number := _installed():
            click.echo(f"dsl {number}")
            context.exit()
        raise click.UsageError("argosy-dsl runs from its source and has no version")


def _installed() -> str | None:
    """Return the version, None if this runs from its source and has none."""
    from importlib.metadata import PackageNotFoundError, version

    with contextlib.suppress(PackageNotFoundError):
        return version("argosy-dsl")
    return None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Say which."
)
def dsl() -> None:
    """Turn Python functions chained with >> into Argo Workflows; check and run them here."""


@dsl.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@_format("text", "json", "sarif", "github")
@_codes("--select", "Show findings of these codes only, such as DSL201 or all of DSL2.")
@_codes("--ignore", "Show no findings of these codes.")
@click.option("--strict/--no-strict", default=None, help="Exit with 1 for warnings too.")
@click.option("--fix", is_flag=True, help="Correct what is misspelt, where there is no doubt.")
@_seconds(None)
def validate(paths: tuple[str, ...], form: str, fix: bool, **given: object) -> int:
    """Check files; in folders, Python files that mention dsl and manifests that mention argoproj.io."""
    from dsl import report, validation
    from dsl.sarif import to_sarif
    from dsl.settings import InvalidSettings, settings_for
    from dsl.stages import files_to_check

    try:
        settings = settings_for(
            paths, {name: value for name, value in given.items() if value not in (None, ())}
        )
        files = files_to_check(paths)
    except InvalidSettings as problem:
        raise click.UsageError(str(problem)) from None
    except OSError as problem:
        raise click.UsageError(f"cannot read {problem.filename}: {problem.strerror}") from None
    if not files:
        raise click.UsageError(f"nothing in {', '.join(paths)} mentions dsl or argoproj.io")
    if fix:
        found, mended = validation.find_and_mend(files, settings)
        for line in report.fixed(mended.diagnostics, mended.refused):
            click.echo(line, err=form != "text")
    else:
        found = validation.find(files, settings)
    if form == "text":
        console = report.console()
        for one in found:
            console.print(report.to_text([one]))
        console.print(report.summary(found, len(files)))
    elif form == "sarif":
        click.echo(to_sarif(found, _installed()))
    elif form == "json":
        click.echo(report.to_json(found))
    elif found:
        click.echo(report.to_github(found))
    return int(any(settings.fails(one) for one in found))


@dsl.command("compile")
@_FILE
@click.option("-o", "--output", metavar="PATH", help="Write the manifest there.")
@_format("yaml", "json")
@click.option("--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="What to make.")
@_DAG
@_PARAMETER
@click.option(
    "--explain", is_flag=True, help="Say what was chosen and why, instead of printing the manifest."
)
@_seconds()
def compile_(
    file: str,
    output: str | None,
    form: str,
    kind: str,
    dag: str | None,
    parameters: tuple[str, ...],
    explain: bool,
    timeout: float,
) -> int:
    """Print the manifest of a file's DAG."""
    from dsl.manifest import to_json, to_yaml

    given = _pairs(parameters)
    compiled = _compiled(file, dag, timeout, kind, given)
    if compiled is None:
        return 1
    text = to_json(compiled.manifest) if form == "json" else to_yaml(compiled.manifest)
    if output:
        try:
            Path(output).write_text(text, encoding="utf-8")
        except OSError as problem:
            raise click.UsageError(f"cannot write {output}: {problem.strerror}") from None
    if explain:
        click.echo(compiled.explanation, nl=not compiled.explanation.endswith("\n"))
    elif not output:
        click.echo(text, nl=not text.endswith("\n"))
    return 0


@dsl.command()
@_FILE
@_format("tree", "mermaid", "dot", "json")
@_DAG
@_seconds()
def graph(file: str, form: str, dag: str | None, timeout: float) -> int:
    """Draw how the nodes of a DAG wait for one another."""
    from dsl import drawing, report

    analysis = _analysis(file, dag, timeout)
    if analysis is None:
        return 1
    if form == "tree":
        report.console().print(drawing.to_tree(analysis.summary))
    else:
        draw = {"mermaid": drawing.to_mermaid, "dot": drawing.to_dot, "json": drawing.to_json}[form]
        click.echo(draw(analysis.summary))
    return 0


@dsl.command()
@_FILE
@_format("text", "json")
@_DAG
@_seconds()
def plan(file: str, form: str, dag: str | None, timeout: float) -> int:
    """Show a DAG's nodes with their partitions and pods, and why each is divided as it is."""
    from dsl import drawing, report

    analysis = _analysis(file, dag, timeout)
    if analysis is None:
        return 1
    if form == "json":
        click.echo(drawing.to_json(analysis.summary))
    else:
        report.console().print(drawing.to_table(analysis.summary))
    return 0


@dsl.command()
@click.argument("file", type=click.Path(path_type=str), required=False)
@_DAG
@_PARAMETER
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Pods at once; default one per processor."
)
@click.option("--out", metavar="DIR", help="Where results go; default .argosy/<dag>/<run>.")
@click.option(
    "--resume",
    "former",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Take up a former run: a folder, or a name that --list shows; default the newest.",
)
@click.option("--from", "start", metavar="TASK", help="Take up, but run this and all after it again.")
@click.option("--only", metavar="TASK", help="Take up, but run this again and nothing else.")
@click.option("--force", is_flag=True, help="Take up, but run all again.")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N finished runs.")
@click.option("--list", "listed", is_flag=True, help="List the former runs, of all, of FILE or of --dag.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json, or the list.")
@click.option("--quiet", is_flag=True, help="Show no progress and no table, only failures.")
@click.option(
    "--with", "files", metavar="FILE", multiple=True, help="WorkflowTemplates, ConfigMaps, Secrets it needs."
)
@click.option("--secret", "secrets", metavar="NAME=PATH", multiple=True, help="A Secret, by file or folder.")
@click.option("--config", "configs", metavar="NAME=PATH", multiple=True, help="A ConfigMap, likewise.")
@click.option("--mount", "mounts", metavar="NAME=DIR", multiple=True, help="The folder of a claim or volume.")
@click.option("--runtime", type=click.Choice(("docker", "podman")), help="Run images, not processes here.")
@_seconds()
def run(
    file: str | None,
    dag: str | None,
    parameters: tuple[str, ...],
    jobs: int | None,
    out: str | None,
    former: str | None,
    start: str | None,
    only: str | None,
    force: bool,
    keep: int | None,
    listed: bool,
    as_json: bool,
    quiet: bool,
    files: tuple[str, ...],
    secrets: tuple[str, ...],
    configs: tuple[str, ...],
    mounts: tuple[str, ...],
    runtime: str | None,
    timeout: float,
) -> int:
    """Run a DAG file, or an Argo manifest, on this machine."""
    if listed:
        told = {"--keep": keep, "--resume": former, "--from": start, "--only": only, "--out": out}
        if others := [flag for flag, value in told.items() if value is not None]:
            raise click.UsageError(f"--list runs and removes nothing; leave out {others[0]}")
        return _list_runs(file, dag, timeout, as_json=as_json)
    if file is None:
        file, former = former, ""  # `--resume FILE`
    if not file:
        raise click.UsageError("Missing argument 'FILE'.")
    if sum(map(bool, (start, only, force))) > 1:
        raise click.UsageError("give one of --from, --only and --force")
    if former and out:
        raise click.UsageError("--resume RUN and --out DIR both say which run to take up; give one")
    given = _pairs(parameters)
    found = _manifest_to_run(file, dag, timeout, given, files)
    if found is None:
        return 1
    manifest, written = found
    keyed = [*_keyed("Secret", secrets), *_keyed("ConfigMap", configs)]
    folders = _folders(mounts)
    beside = [one.value for one in written if one.value is not manifest]
    _require_named(keyed, folders, [manifest, *beside])
    from dsl import running

    given_again = {
        **{"--dag": [dag], "--out": [out], "--with": files, "--secret": secrets, "--config": configs},
        **{"--mount": mounts, "--runtime": [runtime]},
    }
    kept = [word for flag, values in given_again.items() for one in values if one for word in (flag, one)]
    resume = running.Resume(force=force, start=start or "", only=only or "")
    options = running.Options(
        inputs=Path(file).parent,
        parameters=given,
        jobs=jobs,
        out=Path(out) if out else None,
        objects=[*beside, *keyed],
        mounts=folders,
        runtime=runtime or "",
        resume=resume if former is not None or resume != running.Resume() else None,
        former=former or "",
        keep=keep,
        again=shlex.join(["dsl", "run", file, *kept, "--resume", *([former] if former else [])]),
    )
    try:
        return int(not running.run_here(manifest, options, quiet=quiet, as_json=as_json))
    except KeyboardInterrupt:
        return INTERRUPTED
    except running.Refused as refused:
        return _refused(refused, written)


def _manifest_to_run(
    file: str, dag: str | None, timeout: float, parameters: dict[str, str], files: tuple[str, ...]
) -> tuple[dict[str, Any], list[Document]] | None:
    """Return a manifest and the documents that come with it; None for a DAG that has been told of."""
    from dsl.stages import is_manifest

    documents = [document for path in files for document in _documents(path)]
    if is_manifest(file):
        return _read_manifest(file, parameters, documents)
    compiled = _compiled(file, dag, timeout, KINDS[0], parameters)
    return (compiled.manifest, documents) if compiled else None


def _refused(refused: Refused, written: list[Document]) -> int:
    """Say why nothing was started; return the exit code."""
    from dsl import running
    from dsl.supplies import place_of

    if not isinstance(refused, running.Unsupported):
        click.echo(f"dsl: {refused}", err=True)
        return 2 if isinstance(refused, (running.Missing, running.Unusable)) else 1
    for reason in refused.reasons:
        place = place_of(reason.template, written) if reason.template else None
        click.echo(f"dsl: {place}: {reason}" if place else f"dsl: {reason}", err=True)
    return 2


@dsl.command("report")
@click.argument("run", required=False, metavar="[RUN]")
@click.option("--out", metavar="FILE", help="Where to write it, - for printing; default RUN/report.html.")
def report_(run: str | None, out: str | None) -> int:
    """Write a run, the latest or that of a folder or a name, as one HTML file."""
    from dsl.engine.folder import REPORT
    from dsl.page import Damaged, page
    from dsl.running import Unusable
    from dsl.runs import find_run

    try:
        folder = find_run(run)
        text = page(folder)
    except (Damaged, Unusable) as problem:
        raise click.UsageError(str(problem)) from None
    except OSError as problem:
        raise click.UsageError(f"cannot read {problem.filename}: {problem.strerror}") from None
    if out == "-":
        click.echo(text, nl=False)
        return 0
    path = Path(out) if out else folder / REPORT
    try:
        path.write_text(text, encoding="ascii", newline="\n")
    except OSError as problem:
        cure = "; `--out FILE` writes it elsewhere"
        raise click.UsageError(f"cannot write {path}: {problem.strerror}{cure}") from None
    click.echo(path)
    return 0


def _list_runs(file: str | None, dag: str | None, timeout: float, *, as_json: bool) -> int:
    from dsl import report, runs

    names = [dag] if dag else None if file is None else _names_in(file, timeout)
    found = runs.all_runs(names)
    if as_json:
        click.echo(runs.to_json(found))
    elif found:
        report.console().print(runs.to_table(found))
    else:
        of = f" of {', '.join(names)}" if names else ""
        report.console(sys.stderr).print(f"there is no run{of} here; `dsl run --list` lists all")
    return 0


def _names_in(file: str, timeout: float) -> list[str]:
    """Return the names of the DAGs of a file, or of the manifest that it holds."""
    from dsl.diagnostics import Rejected
    from dsl.runs import folder_of
    from dsl.stages import dag_names, is_manifest
    from dsl.supplies import Unclear, chosen

    try:
        if is_manifest(file):
            return [folder_of(chosen(_documents(file), file).value).name]
        return dag_names(file, timeout)
    except Unclear as unclear:
        raise click.UsageError(str(unclear)) from None
    except Rejected as rejected:
        _complain(rejected.diagnostics)
        raise click.exceptions.Exit(1) from None


@dsl.command()
@click.argument("code", required=False)
def explain(code: str | None) -> int:
    """Explain a code such as DSL201, or list them all."""
    from dsl.codes import Code
    from dsl.explain import find, page

    if code is None:
        for each in Code:
            click.echo(f"{each.id}  {each.severity.value:7}  {each.slug:24} {each.summary}")
        return 0
    found = find(code)
    if found is None:
        raise click.UsageError(f"there is no code {code}; `dsl explain` lists them")
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page(found)))
    else:
        click.echo(page(found), nl=False)
    return 0


def _pairs(parameters: Iterable[str], option: str = "-p") -> dict[str, str]:
    pairs = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"{option} takes NAME=VALUE, not {text!r}")
        pairs[name] = value
    return pairs


def _require_python(file: str) -> None:
    from dsl.stages import is_manifest

    if is_manifest(file):
        raise click.UsageError(
            f"{file} is a manifest, and this command takes the Python file of a DAG; `dsl run` takes both"
        )


def _analysis(file: str, dag: str | None, timeout: float) -> Analysis | None:
    from dsl.stages import Undecided, analyzed

    _require_python(file)
    try:
        analysis, problems = analyzed(file, dag, timeout)
    except Undecided as undecided:
        raise click.UsageError(str(undecided)) from None
    _complain(problems)
    return analysis


def _compiled(
    file: str, dag: str | None, timeout: float, kind: str, given: dict[str, str]
) -> Compiled | None:
    from dsl.stages import Undecided, compiled

    _require_python(file)
    try:
        result, problems = compiled(file, dag, timeout, kind, given)
    except Undecided as undecided:
        raise click.UsageError(str(undecided)) from None
    _complain(problems)
    return result


def _documents(path: str) -> list[Document]:
    from dsl.diagnostics import Rejected
    from dsl.supplies import read

    try:
        return read(path)
    except Rejected as rejected:
        _complain(rejected.diagnostics)
        raise click.exceptions.Exit(1) from None


def _read_manifest(
    file: str, given: dict[str, str], documents: list[Document]
) -> tuple[dict[str, Any], list[Document]]:
    """Return the manifest to run, and all that its file and the others hold."""
    from dsl.diagnostics import Rejected
    from dsl.stages import Undecided, set_parameters
    from dsl.supplies import Unclear, chosen, found_in

    found = _documents(file)
    try:
        document = chosen(found, file)
        unknown = set_parameters(document.value, given)
    except Rejected as rejected:
        _complain(rejected.diagnostics)
        raise click.exceptions.Exit(1) from None
    except (Unclear, Undecided) as undecided:
        raise click.UsageError(str(undecided)) from None
    problems = found_in([*found, *documents])
    _complain(problems)
    if any(problem.is_error for problem in problems):
        raise click.exceptions.Exit(1)
    if unknown:
        raise click.UsageError(f"the run has no parameter {unknown[0]}")
    return document.value, [*found, *documents]


def _keyed(kind: str, words: Iterable[str]) -> list[dict[str, Any]]:
    """Return the objects that `--secret` and `--config` describe; several paths may make up one of them."""
    from dsl.supplies import Unclear, keyed_object

    paths: dict[str, list[str]] = {}
    for text in words:
        for name, path in _pairs([text], f"--{kind.lower().removesuffix('map')}").items():
            paths.setdefault(name, []).append(path)
    try:
        return [keyed_object(kind, name, each) for name, each in paths.items()]
    except Unclear as unclear:
        raise click.UsageError(str(unclear)) from None
    except OSError as problem:
        raise click.UsageError(f"cannot read {problem.filename}: {problem.strerror}") from None


def _folders(mounts: tuple[str, ...]) -> dict[str, Path]:
    """Return the folders that `--mount` gives; one that is not there is a misspelt one."""
    folders = {name: Path(folder) for name, folder in _pairs(mounts, "--mount").items()}
    for folder in folders.values():
        if not folder.is_dir():
            raise click.UsageError(f"--mount: {folder} is no folder")
    return folders


def _require_named(
    keyed: list[dict[str, Any]], folders: Iterable[str], manifests: list[dict[str, Any]]
) -> None:
    from dsl.supplies import Unclear, require_named

    given: dict[str, list[str]] = {"volume": list(folders)}
    for each in keyed:
        given.setdefault(each["kind"], []).append(each["metadata"]["name"])
    try:
        require_named(given, manifests)
    except Unclear as unclear:
        raise click.UsageError(str(unclear)) from None


def _complain(problems: tuple[Diagnostic, ...]) -> None:
    """Show what is worth telling on standard error: what was asked for is on standard output."""
    if problems:
        from dsl import report
        from dsl.validation import worth_telling

        if shown := worth_telling(problems):
            report.console(sys.stderr).print(report.to_text(shown))


def exit_code(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        return int(dsl.main(arguments, prog_name="dsl", standalone_mode=False) or 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except Exception as problem:
        from dsl.failure import exit_code_of

        return exit_code_of(problem)


def main() -> None:
    """Run the command of this process's arguments and exit. Raises KeyboardInterrupt after an interrupt."""
    import gc
    import signal

    def ended(number: int, _: object) -> None:
        sys.exit(128 + number)  # as an exception, so that children are ended too

    for name in ("SIGTERM", "SIGQUIT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # nohup
            signal.signal(number, ended)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = exit_code(sys.argv[1:])
    gc.freeze()  # else the interpreter walks all there is before it ends, for a tenth of a second
    if code == INTERRUPTED:
        sys.stdout.flush()
        raise KeyboardInterrupt
    sys.exit(code)
