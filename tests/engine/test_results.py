"""What results.json says of tasks that ran, did not run, or ran in part."""

from engine.manifests import NOP, dag, leaf, ran, task, workflow

INDEX = {"index": "{{inputs.parameters.index}}"}
LOOP = {"withSequence": {"count": "3"}, "parameters": {"index": "{{item}}"}}


def lane(*, when=None, count="3", a="printf '%s 1' \"$INDEX\" > result"):
    partition = dag(
        "part", task("a", parameters=INDEX), task("b", None, "a", parameters=INDEX), inputs=["index"]
    )
    loop = task("p", "part", parameters={"index": "{{item}}"}, withSequence={"count": count})
    main = dag("main", task("lane", **({"when": when} if when else {})))
    return workflow(
        main, dag("lane", loop), partition, leaf("a", a), leaf("b", "printf '%s 2' \"$INDEX\" > result")
    )


def test_values_are_sorted_by_index_and_decoded(tmp_path):
    source = 'printf \'%s {"n":"\\\\u007b"}\\n%s null\' $((9 - INDEX)) $((19 - INDEX)) > result'
    _, tasks = ran(workflow(dag("main", task("a", **LOOP)), leaf("a", source)), tmp_path)
    assert tasks["a"]["value"] == [{"n": "{"}] * 3 + [None] * 3


def test_a_line_that_begins_with_no_index_is_no_value(tmp_path):
    source = "{ head -c 5000 /dev/zero | tr '\\0' 7; echo; echo 0 1; echo x 2; } > result"
    _, tasks = ran(workflow(dag("main", task("a", parameters={"index": "0"})), leaf("a", source)), tmp_path)
    assert tasks["a"]["value"] == [1]


def test_a_lane_without_items_has_succeeded(tmp_path):
    _, tasks = ran(lane(count="0"), tmp_path)
    assert tasks["b"] == {"state": "Succeeded", "pods": 0, "attempts": 0, "value": None}


def test_a_task_that_was_never_reached_has_the_state_of_what_would_call_it(tmp_path):
    _, tasks = ran(lane(when="false"), tmp_path)
    assert (tasks["a"]["state"], tasks["b"]["state"]) == ("Skipped", "Skipped")


def test_what_waits_for_ever_keeps_a_task_from_being_called(tmp_path):
    wait = {"name": "wait", "suspend": {}}
    main = dag("main", task("wait"), task("a", None, "wait"))
    outcome, tasks = ran(workflow(main, wait, leaf("a", "true")), tmp_path)
    assert (outcome.stuck != "", tasks["a"]["state"], tasks["a"]["pods"]) == (True, "Omitted", 0)


def test_the_worst_partition_gives_the_state_and_all_are_counted(tmp_path):
    _, tasks = ran(lane(a="[ $INDEX = 1 ] && exit 1; printf '%s 1' $INDEX > result"), tmp_path)
    assert (tasks["a"]["state"], tasks["b"]["state"]) == ("Failed", "Omitted")
    assert tasks["a"]["states"] == {"Failed": 1, "Succeeded": 2}
    assert tasks["b"]["states"] == {"Omitted": 1, "Succeeded": 2}
    assert (tasks["a"]["pods"], tasks["b"]["pods"]) == (3, 2)
    assert tasks["b"]["value"] == [2, 2]


def test_the_states_of_all_templates_of_a_task_are_counted(tmp_path):
    one, other = leaf("a", "exit 0"), leaf("b", "exit 0")
    other["metadata"] = one["metadata"]
    main = dag("main", task("a", **LOOP), task("b", parameters={"index": "0"}, when="false"))
    _, tasks = ran(workflow(main, one, other), tmp_path)
    assert tasks["a"]["states"] == {"Skipped": 1, "Succeeded": 3}


def test_the_reason_is_that_of_the_last_attempt_of_what_failed(tmp_path):
    source = 'echo "argosy: a: $INDEX in attempt $TRY" >&2; [ "$INDEX$TRY" = 01 ]'
    attempt = {"name": "TRY", "value": "{{retries}}"}
    retried = leaf("a", source, env=[attempt], retryStrategy={"limit": "1"})
    _, tasks = ran(workflow(dag("main", task("a", **LOOP)), retried), tmp_path, jobs=1)
    assert tasks["a"]["states"] == {"Failed": 2, "Succeeded": 1}
    assert tasks["a"]["reason"] == "1 in attempt 1"


def test_a_template_without_the_annotation_is_no_task(tmp_path):
    _, tasks = ran(workflow(dag("main", task("nop")), NOP), tmp_path)
    assert tasks == {}


def test_templates_that_are_called_on_ever_so_many_ways_are_looked_at_once(tmp_path):
    skipped = [task(name, "t1", when="false") for name in "ab"]
    inner = [
        dag(f"t{level}", task("a", f"t{level + 1}"), task("b", f"t{level + 1}")) for level in range(1, 60)
    ]
    manifest = workflow(dag("main", *skipped), *inner, {**leaf("t60", "exit 0"), "inputs": {}})
    _, tasks = ran(manifest, tmp_path)
    assert tasks["t60"]["state"] == "Skipped"
