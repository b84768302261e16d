"""Three aligned stages: a partition goes through all of them without waiting for the other partitions."""

from dsl import DAG, Files, task


@task.shell
def words():
    return r"""tr -cs 'A-Za-z' '\n' < "$INPUT_FILE" | tr A-Z a-z > "$OUTPUT_FILE" """


@task.shell
def long_words(letters: int):
    return """awk -v letters="$letters" 'length >= letters' "$INPUT_FILE" > "$OUTPUT_FILE" """


@task.shell(output="{stem}.list")
def alphabetical():
    return """LC_ALL=C sort -u "$INPUT_FILE" > "$OUTPUT_FILE" """


with DAG("three-stages", default_args={"image": "busybox:1"}):
    Files("data/texts/*.txt", size=2) >> words >> long_words.partial(letters=7) >> alphabetical
