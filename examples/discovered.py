"""A list that only the run knows: one task makes it, and there is one task for each of its items."""

from dsl import DAG, Items, task


@task
def candidates(limit: int) -> list[int]:
    return [2**n - 1 for n in range(2, limit)]


@task
def is_prime(item: int) -> dict:
    divisors = range(2, int(item**0.5) + 1)
    return {"number": item, "prime": all(item % divisor for divisor in divisors)}


@task
def primes(tests: list[dict]) -> list[int]:
    return [test["number"] for test in tests if test["prime"]]


with DAG("discovered", params={"limit": 14}) as dag:
    primes(Items(candidates(dag.params.limit), size=4) >> is_prime)
