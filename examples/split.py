"""One file in parts that only the run knows: a task cuts it up, and a task of each part reads its file."""

from dsl import DAG, Files, Items, task


@task(each="all")
def cut(input_dir, output_dir, days: int) -> list[str]:
    [path] = input_dir.iterdir()
    rows = [line for line in path.read_text().splitlines() if line[0].isdigit()]
    for start in range(0, len(rows), days):
        (output_dir / rows[start][:10]).write_text("\n".join(rows[start : start + days]))
    return sorted(part.name for part in output_dir.iterdir())


@task(each="item")
def rain(item, input_dir) -> dict:
    lines = (input_dir / item).read_text().splitlines()
    return {"from": item, "rain": round(sum(float(line.split(",")[1]) for line in lines), 1)}


with DAG("split"):
    parts = Files("data/weather/seattle-2012-01.csv") >> cut.partial(days=7)
    [Items(parts), parts] >> rain
