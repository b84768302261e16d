"""Daily weather, one file per month: clean in sh, convert in Python, and report if no day is missing."""

import csv

from dsl import DAG, Files, task


@task.shell(image="busybox:1", retries=1)
def clean():
    return """grep -v '^#' "$INPUT_FILE" > "$OUTPUT_FILE" """


@task(output="{stem}.kelvin")
def convert(input_file, output_file, zero: float):
    with input_file.open() as source, output_file.open("w") as target:
        for day in csv.DictReader(source):
            mean = (float(day["temp_max"]) + float(day["temp_min"])) / 2 + zero
            target.write(f"{day['date']},{day['precipitation']},{mean:.2f}\n")


@task
def summarise(input_file) -> dict:
    days = [line.split(",") for line in input_file.read_text().splitlines()]
    return {"month": input_file.stem, "days": len(days), "rain": round(sum(float(day[1]) for day in days), 1)}


@task
def review(months: list[dict], days: int) -> dict:
    wettest = max(months, key=lambda month: month["rain"])
    return {"wettest": wettest["month"], "whole": all(month["days"] >= days for month in months)}


@task.shell(image="busybox:1", output="report.csv")
def report():
    return """{ echo date,rain,kelvin; cat "$INPUT_DIR"/*.kelvin; } > "$OUTPUT_FILE" """


with DAG("weather", params={"days": 28}) as dag:
    converted = Files("data/weather/*.csv", size=2) >> clean >> convert.partial(zero=273.15)
    verdict = review(converted >> summarise, dag.params.days)
    [converted, verdict] >> report.when(verdict["whole"])
