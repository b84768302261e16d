"""The text of a DAG in, what stages 1 to 5 make of it out, in words that tests compare."""

from pathlib import Path

from harness import load_file, write

from dsl.analyze import analyze
from dsl.diagnostics import Rejected
from dsl.plan import Analysis

TASKS = """\
from dsl import Artifacts, InDir, OutDir, Volume, Windows, chain, cross_downstream
@task.shell(image="i")
def clean(): return 'cp "$INPUT_FILE" "$OUTPUT_FILE"'
@task.shell(image="i")
def warp(): return 'cp "$INPUT_FILE" "$OUTPUT_FILE"'
@task.shell(image="i", output="all.txt")
def mosaic(): return 'cat "$INPUT_DIR"/* > "$OUTPUT_FILE"'
@task
def measure(input_file) -> int: return 1
@task
def total(sizes, limit=0): return sum(sizes)
@task
def show(item): return item
"""
FILES = ("data/a.tif", "data/b.tif", "data/c.tif", "pairs/a-nir.tif", "pairs/a-red.tif")


def analyzed(body: str, folder: Path, files: tuple[str, ...] = FILES) -> Analysis:
    """Return what is known of the one DAG that `body`, after TASKS, defines beside `files`."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    path = write(folder, TASKS + body)
    try:
        return analyze(load_file(path))
    except Rejected as rejected:
        return Analysis("", None, rejected.diagnostics, {})


def planned(body: str, folder: Path, files: tuple[str, ...] = FILES):
    """Return the plan of a DAG in which nothing is found."""
    analysis = analyzed(body, folder, files)
    assert not analysis.diagnostics, problems(analysis)
    return analysis.plan


def edges(plan) -> list[str]:
    """Return `a → b join carries` per edge."""
    return [f"{e.upstream} → {e.downstream} {e.join} {e.carries}" for e in plan.edges]


def runs(plan) -> dict[str, str]:
    """Return how often each node runs: `item` and the sizes of its partitions, or `all`."""
    return {
        n.id: f"{n.each} {[len(p.items) for p in n.partitions]}" if n.is_mapped else n.each
        for n in plan.nodes
    }


def names(plan, node: str) -> list[tuple[str, ...]]:
    """Return the items of a node, as the texts of their fields."""
    [found] = [n for n in plan.nodes if n.id == node]
    return [row for partition in found.partitions for row in partition.items]


def problems(analysis: Analysis) -> list[str]:
    """Return ``CODE at `the text it points at`: message`` per finding."""
    return [f"{d.code.name} at `{_text(d.location)}`: {d.message}" for d in analysis.diagnostics]


def found(body: str, folder: Path, files: tuple[str, ...] = FILES) -> list[str]:
    """Return the findings in a DAG."""
    return problems(analyzed(body, folder, files))


def _text(place) -> str:
    line = Path(place.path).read_text(encoding="utf-8").splitlines()[place.line - 1]
    return line[place.column - 1 : place.end_column - 1 if place.end_column else None]
