"""DAGs in, every diagnostic of stages 3 to 9 out: what a child does that finds Hera imported."""

from __future__ import annotations

from collections.abc import Sequence

from dsl.analyze import analyze_all
from dsl.author import DAG
from dsl.decorate import task
from dsl.diagnostics import Diagnostic
from dsl.source import Range
from dsl.stages import found_in


def find_all(dags: Sequence[DAG]) -> list[Diagnostic]:
    """Return what there is to say of the DAGs of a file."""
    return found_in(analyze_all(dags))


def rehearse() -> None:
    """Go through the stages once: pydantic and others make on first use what all forks can share."""
    with DAG("rehearsal") as dag:
        Range(2) >> task.shell(image="busybox")(_echo) >> task(_count)
    find_all([dag])


def _echo() -> str:
    return 'echo "$ITEM" >"$OUTPUT_FILE"'


def _count(input_dir: object) -> int:
    return 1
