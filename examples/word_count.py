"""Count the words of each text, then of all texts together: a map and a gather."""

from dsl import DAG, Files, task


@task.shell(image="busybox:1", output="{stem}.count")
def count():
    return r"""
        export LC_ALL=C
        tr -cs "A-Za-z'" '\n' < "$INPUT_FILE" | tr A-Z a-z | sort | uniq -c > "$OUTPUT_FILE"
    """


@task.shell(image="busybox:1", output="words.txt")
def total():
    return """
        export LC_ALL=C
        cat "$INPUT_DIR"/*.count | awk '{ sum[$2] += $1 } END { for (word in sum) print sum[word], word }' |
            sort -k1,1nr -k2 > "$OUTPUT_FILE"
    """


with DAG("word-count"):
    Files("data/texts/*.txt") >> count >> total
