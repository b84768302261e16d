"""Windows of time: one task per week, which gets the window's start and end as text."""

from datetime import datetime
from math import cos, pi

from dsl import DAG, Windows, task


@task
def declination(data_interval_start: str, data_interval_end: str) -> dict:
    begin, end = datetime.fromisoformat(data_interval_start), datetime.fromisoformat(data_interval_end)
    middle = begin + (end - begin) / 2
    day = (middle - datetime(middle.year, 1, 1)).days + 1
    return {"week": f"{begin:%Y-%m-%d}", "degrees": round(-23.44 * cos(2 * pi * (day + 10) / 365), 1)}


@task
def northernmost(weeks: list[dict]) -> dict:
    return max(weeks, key=lambda week: week["degrees"])


with DAG("windows"):
    northernmost(Windows("2024-05-01", "2024-08-01", every="7d", size=4) >> declination)
