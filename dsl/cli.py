"""argv in, a prefix of the stages run, an exit code out.

Exit codes: 0 clean or warnings only, 1 errors or a failed run, 2 usage, 101 our mistake, 130 interrupted.
Heavy packages are imported inside the commands: `dsl --help` answers at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dsl.load import TIMEOUT

if TYPE_CHECKING:
    from dsl.compile import Compiled
    from dsl.diagnostics import Diagnostic
    from dsl.plan import Analysis

KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate")
MANIFESTS = (".yaml", ".yml", ".json")
"""How names of files end that hold no Python but a manifest."""
INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.argument("file", type=click.Path(path_type=str))
_DAG = click.option("--dag", metavar="NAME", help="Which DAG, when the file holds several.")
_PARAMETER = click.option(
    "-p", "--param", "parameters", metavar="K=V", multiple=True, help="Set a parameter."
)
_SECONDS = click.option(
    "--timeout",
    type=click.FloatRange(0.1, 86400),
    default=TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="How long a file may take to load.",
)


def _format(*choices: str) -> Callable[[F], F]:
    return click.option("--format", "form", type=click.Choice(choices), default=choices[0], show_default=True)


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        with contextlib.suppress(PackageNotFoundError):
            click.echo(f"dsl {version('argosy-dsl')}")
            context.exit()
        raise click.UsageError("argosy-dsl runs from its source and has no version")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Say which."
)
def dsl() -> None:
    """Turn Python functions chained with >> into Argo Workflows; check and run them here."""


@dsl.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@_format("text", "json", "github")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@_SECONDS
def validate(paths: tuple[str, ...], form: str, strict: bool, timeout: float) -> int:
    """Check files; in folders, every Python file that mentions dsl."""
    from dsl import report
    from dsl.stages import dag_files, validated

    for path in paths:
        _require_python(path)
    try:
        files = dag_files(paths)
    except OSError as problem:
        raise click.UsageError(f"cannot read {problem.filename}: {problem.strerror}") from None
    if not files:
        raise click.UsageError(f"no Python file in {', '.join(paths)} mentions dsl")
    console = report.console()
    found: list[Diagnostic] = []
    with contextlib.closing(validated(files, timeout)) as results:
        for problems in results:
            found += problems
            if form == "text" and problems:
                console.print(report.to_text(problems))
    if form == "text":
        console.print(report.summary(found, len(files)))
    elif form == "json":
        click.echo(report.to_json(found))
    elif found:
        click.echo(report.to_github(found))
    return int(any(problem.is_error or strict for problem in found))


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
@_SECONDS
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
@_SECONDS
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
@_SECONDS
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
@_FILE
@_DAG
@_PARAMETER
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Pods at once; default one per processor."
)
@click.option("--out", metavar="DIR", help="Where results go; default .argosy/<dag>/<run>.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json.")
@click.option("--quiet", is_flag=True, help="Show no progress, only failures.")
@_SECONDS
def run(
    file: str,
    dag: str | None,
    parameters: tuple[str, ...],
    jobs: int | None,
    out: str | None,
    as_json: bool,
    quiet: bool,
    timeout: float,
) -> int:
    """Run a DAG file, or an Argo manifest, on this machine."""
    given = _pairs(parameters)
    if Path(file).suffix in MANIFESTS:
        manifest = _read_manifest(file, given)
    else:
        compiled = _compiled(file, dag, timeout, KINDS[0], given)
        if compiled is None:
            return 1
        manifest = compiled.manifest
    from dsl import running

    options = running.Options(Path(file).parent, given, jobs, Path(out) if out else None)
    try:
        return int(not running.run_here(manifest, options, quiet=quiet, as_json=as_json))
    except running.Refused as refused:
        click.echo(f"dsl: {refused}", err=True)
        is_usage = isinstance(refused, running.Unusable) or str(refused).startswith("not supported:")
        return 2 if is_usage else 1


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


def _pairs(parameters: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"-p takes NAME=VALUE, not {text!r}")
        pairs[name] = value
    return pairs


def _require_python(file: str) -> None:
    if Path(file).suffix in MANIFESTS:
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


def _read_manifest(file: str, given: dict[str, str]) -> dict[str, Any]:
    from dsl.diagnostics import Rejected
    from dsl.documents import read_manifests
    from dsl.stages import Undecided, require_shape, set_parameters

    try:
        manifests = read_manifests(Path(file).read_bytes(), file)
    except OSError as problem:
        raise click.UsageError(f"cannot read {file}: {problem.strerror}") from None
    except Rejected as rejected:
        _complain(rejected.diagnostics)
        raise click.exceptions.Exit(1) from None
    if len(manifests) != 1:
        raise click.UsageError(f"{file} holds {len(manifests)} manifests; give one")
    try:
        require_shape(manifests[0], file)
        set_parameters(manifests[0], given)
    except Rejected as rejected:
        _complain(rejected.diagnostics)
        raise click.exceptions.Exit(1) from None
    except Undecided as undecided:
        raise click.UsageError(str(undecided)) from None
    return manifests[0]


def _complain(problems: tuple[Diagnostic, ...]) -> None:
    """Show diagnostics on standard error: what was asked for is on standard output."""
    if problems:
        from dsl import report

        report.console(sys.stderr).print(report.to_text(problems))


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
        if isinstance(problem, OSError) and problem.errno in _FULL and problem.filename is None:
            return _unwritten(problem)
        return _bug(problem)


def _unwritten(problem: OSError) -> int:
    """Say that standard output takes no more, and let go of what could not be written."""
    with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    click.echo(f"dsl: cannot write: {problem.strerror}", err=True)
    return 1


def _bug(problem: Exception) -> int:
    """Write what went wrong to a file that can be sent; return the exit code for mistakes of ours."""
    import platform
    import tempfile
    import traceback

    lines = [f"dsl {' '.join(sys.argv[1:])}", f"Python {sys.version}", platform.platform(), ""]
    lines += traceback.format_exception(problem)
    with tempfile.NamedTemporaryFile(
        "w", prefix="argosy-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write("\n".join(lines))
    last = (str(problem).strip() or "no message").splitlines()[-1]
    click.echo(f"dsl: {type(problem).__name__}: {last}", err=True)
    click.echo("This is a mistake of Argosy's, not of your file.", err=True)
    click.echo(f"Please send {file.name} with the file that you gave it.", err=True)
    return 101


def main() -> None:
    """Run the command of this process's arguments and exit."""
    import signal

    def ended(number: int, _: object) -> None:
        sys.exit(128 + number)  # as an exception, so that children are ended too

    signal.signal(signal.SIGTERM, ended)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, ended)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = exit_code(sys.argv[1:])
    if code == INTERRUPTED:
        # CPython ends by SIGINT once an interrupt passed through `exec`, as in imports, though it was caught.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
