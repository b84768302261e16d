"""Every combination of parameters: the logistic map for each growth rate and start, and what settled."""

from dsl import DAG, task


@task
def simulate(rate: float, start: float, steps: int) -> dict:
    x = start
    for _ in range(steps):
        x = rate * x * (1 - x)
    return {"rate": rate, "start": start, "end": round(x, 6)}


@task
def settled(runs: list[dict]) -> dict:
    ends: dict[str, set] = {}
    for run in runs:
        ends.setdefault(str(run["rate"]), set()).add(run["end"])
    return {rate: len(values) == 1 for rate, values in ends.items()}


with DAG("matrix"):
    runs = simulate.partial(steps=1000).expand(rate=[0.5, 2.0, 2.8, 3.9], start=[0.1, 0.4, 0.7])
    settled(runs)
