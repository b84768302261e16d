"""Files grouped anew by a key of their names: one partition per month of the year, whatever came before."""

from dsl import DAG, Files, Repartition, task


@task.shell(image="busybox:1")
def days():
    return """grep '^[0-9]' "$INPUT_FILE" > "$OUTPUT_FILE" """


@task(each="partition", output="{month}.txt")
def climate(input_files: list, month: str, output_file) -> dict:
    lines = [line for file in input_files for line in file.read_text().splitlines()]
    highest = max(float(line.split(",")[2]) for line in lines)
    output_file.write_text(f"{len(input_files)} files, {len(lines)} days, up to {highest} degrees\n")
    return {"month": month, "highest": highest}


with DAG("repartition"):
    Files("data/weather/seattle-{year}-{month}.csv", size=3) >> days >> Repartition(by="month") >> climate
