"""A program and its arguments, with no shell around them: what the image brings is all that a task needs."""

from dsl import DAG, Files, task


@task.container(image="busybox:1", output="{stem}.sorted", env={"LC_ALL": "C"})
def sort(key: str):
    return ["sort", "-t,", "-nr", "-k$(key)", "-o", "$(OUTPUT_FILE)", "$(INPUT_FILE)"]


@task.shell(image="busybox:1", output="wettest.txt")
def wettest():
    return """
        for month in "$INPUT_DIR"/*.sorted; do
            head -n 1 "$month"
        done > "$OUTPUT_FILE"
    """


with DAG("container"):
    Files("data/weather/*-01.csv") >> sort.partial(key="2,2") >> wettest
