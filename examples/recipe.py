"""A recipe: commands in order over partitions of two grids, and a product published at the end."""

from dsl import DAG, Files, task


@task.shell
def percent():
    return """
        awk '
            NR <= 5 { print; next }
            { for (i = 1; i <= NF; i++) $i *= 100; print }
        ' "$INPUT_FILE" > "$OUTPUT_FILE"
    """


@task.shell
def classify(threshold: int):
    return """
        awk -v threshold="$threshold" '
            NR <= 5 { print; next }
            { for (i = 1; i <= NF; i++) $i = ($i >= threshold); print }
        ' "$INPUT_FILE" > "$OUTPUT_FILE"
    """


@task.shell(output="ice.txt")
def publish():
    return """
        awk '
            FNR > 5 { cells += NF; for (i = 1; i <= NF; i++) ice += $i }
            END { print ice " of " cells " cells are ice" }
        ' "$INPUT_DIR"/*.asc > "$OUTPUT_FILE"
    """


with DAG("recipe", default_args={"image": "debian:12-slim", "retries": 2}):
    Files("data/ice/*.asc", size=2, parallelism=4) >> percent >> classify.partial(threshold=15) >> publish
