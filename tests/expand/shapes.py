"""DAGs whose lanes have every shape there is: the functions, and chains of them by what they show."""

FUNCTIONS = r'''
shell = {"image": "busybox:1"}
@task.shell(**shell, result="json")
def first():
    return """echo "$ITEM" > "$OUTPUT_FILE"; printf '{"n": %s}' "$INDEX" > "$RESULT_FILE" """
@task.shell(**shell)
def second():
    return """cat "$INPUT_FILE" > "$OUTPUT_FILE"; echo "second $INDEX" >> "$OUTPUT_FILE" """
@task.shell(**shell)
def broken():
    return """[ "$INDEX" != 1 ]; cat "$INPUT_FILE" > "$OUTPUT_FILE"; echo "$INDEX" > "$RESULT_FILE" """
@task.shell(**shell)
def again(total):
    return """echo "$total" > "$OUTPUT_FILE"; cat "$INPUT_FILE" >> "$OUTPUT_FILE" """
@task.shell(**shell, output="all.txt")
def gather():
    return """find -L "$INPUT_DIR" -type f | sort | xargs -r cat > "$OUTPUT_FILE"
wc -l < "$OUTPUT_FILE" > "$RESULT_FILE"
"""
@task.shell(**shell, output="all.txt")
def other():
    return """find -L "$INPUT_DIR" -type f | sort | xargs -r cat > "$OUTPUT_FILE" """
@task.shell(**shell, result="json")
def no():
    return """echo '{"go": false}' > "$RESULT_FILE" """
@task.shell(**shell)
def fails():
    return "exit 3"
@task.shell(**shell, trigger_rule="all_done", each="all")
def last():
    return """echo last > "$RESULT_FILE" """
@task.shell(**shell, trigger_rule="one_success", each="all")
def any_of():
    return """echo any > "$RESULT_FILE" """
with DAG("shape", lowering="compact"):
    asked = no()
'''
SHAPES = {
    "a failing node of several": "Range(3) >> first >> broken >> second >> gather; first >> other",
    "an omitted leaf below a verdict": "Range(2) >> first >> broken >> gather; first >> second",
    "a forgiven failure": "Range(3) >> first >> broken >> last; first >> other",
    "a rule about partitions": "Range(3) >> first >> broken >> any_of",
    "a gate": "Range(2) >> first >> second >> gather; asked >> second",
    "a failing gate": "Range(2) >> first >> second >> gather; fails() >> second; first >> other",
    "zero items": "Range(0) >> first >> second >> gather; first >> other",
    "a false condition on the head": 'Range(2) >> first >> second >> gather; first.when(asked["go"])',
    "a false condition inside": 'Range(2) >> first >> second >> gather; second.when(asked["go"])',
    "a condition per partition": 'Range(2) >> first >> second >> gather; second.when(first["n"] > 0)',
    "a lane left and entered again": "Range(2) >> first >> gather; first >> again.partial(total=gather)",
    "a condition beside a barrier": (
        "a = Range(1, 4) >> first; a >> again.partial(total=first).when(first['n'] > 0)"
    ),
    "a part of the partitions": "Range(4) >> first >> broken >> Repartition(size=2) >> second >> last",
}
