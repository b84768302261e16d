"""Daily weather, one file per month: clean in sh, convert in Python, and report if no day is missing."""

from dsl import DAG, Files, task


@task.shell(image="busybox:1", retries=1)
def clean():
    return """grep '^[0-9]' "$INPUT_FILE" > "$OUTPUT_FILE" """


@task(output="{stem}.kelvin")
def convert(input_file, output_file, zero: float):
    with output_file.open("w") as target:
        for line in input_file.read_text().splitlines():
            date, rain, high, low, _ = line.split(",")
            target.write(f"{date},{rain},{(float(high) + float(low)) / 2 + zero:.2f}\n")


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
