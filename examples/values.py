"""Values travel through arguments: each task returns a part of Leibniz' series, and one task adds them up."""

from dsl import DAG, Range, task

TERMS = 10_000


@task
def part(item: int) -> float:
    first = item * TERMS
    return sum((-1) ** n / (2 * n + 1) for n in range(first, first + TERMS))


@task
def pi(parts: list[float]) -> float:
    return round(4 * sum(parts), 4)


@task.shell(image="busybox:1")
def say(value: float):
    return 'echo "pi is about $value" > "$RESULT_FILE"'


with DAG("values"):
    say(pi(Range(8, size=3) >> part))
