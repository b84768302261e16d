"""The forms in which lanes, gathers, conditions and storage are compiled, run here."""

import json

import pytest
from engine.manifests import AGG, NOP, WHOLE, dag, leaf, phases, ran, task, workflow

WRITE = """mkdir -p work out; echo "$INDEX" > work/$INDEX.txt; mv work/$INDEX.txt out/
printf '%s "v%s"' "$INDEX" "$INDEX" > result"""
COPY = """mkdir -p out; for f in in/*; do tr 0-9 a-j < "$f" > out/"${f##*/}"; done
printf '%s "w%s"' "$INDEX" "$INDEX" > result"""
GATHER = """mkdir -p out; cat in/*/* > out/all.txt 2>/dev/null; printf '%s' "$VALUES" > values
printf '"%s"' "$(ls in | wc -l | tr -d ' ')" > result"""
IN = {"name": "in", "path": "/argosy/in"}
VALUES = {"name": "VALUES", "value": "{{= inputs.parameters.values }}"}


def gathering(**more):
    prefix = {**IN, "optional": True, "s3": {"key": "{{workflow.name}}/b"}}
    key = "{{workflow.name}}/g/0"
    return leaf(
        "g",
        GATHER,
        each="all",
        result="json",
        inputs=["values"],
        artifacts=[prefix],
        env=[VALUES],
        key=key,
        **more,
    )


def explicit(count):
    tasks = []
    for i in range(count):
        index = {"index": str(i)}
        source = {
            "name": "in",
            "from": f"{{{{tasks.a-partition-{i}.outputs.artifacts.files}}}}",
            "optional": True,
        }
        tasks.append(task(f"a-partition-{i}", "a", parameters=index))
        tasks.append(
            task(f"b-partition-{i}", "b", f"a-partition-{i}.Succeeded", parameters=index, artifacts=[source])
        )
    results = ", ".join(f"tasks['b-partition-{i}'].outputs.parameters.result" for i in range(count))
    depends = " && ".join(f"b-partition-{i}.Succeeded" for i in range(count))
    values = {"index": "0", "values": f"{{{{=toJson([{results}])}}}}"}
    return workflow(
        dag("main", *tasks, task("g", depends=depends or None, parameters=values)),
        leaf("a", WRITE),
        leaf("b", COPY, artifacts=[IN]),
        gathering(),
    )


def compact(count, *, a=WRITE, b=COPY, **lane):
    index = {"index": "{{inputs.parameters.index}}"}
    partition = dag(
        "lane-partition",
        task("a", parameters=index),
        task(
            "b", None, "a.Succeeded", parameters=index,
            artifacts=[{"name": "in", "from": "{{tasks.a.outputs.artifacts.files}}"}],
        ),
        inputs=["index"],
        outputs={
            "b-result": {"parameter": "{{tasks.b.outputs.parameters.result}}"},
            "partition": {"expression": "inputs.parameters.index"},
        },
    )  # fmt: skip
    loop = task(
        "partition", "lane-partition", parameters={"index": "{{item}}"}, withSequence={"count": count}
    )
    outputs = {"b-result": {"expression": AGG("partition", "b-result")}}
    extra = lane.pop("tasks", [])
    outputs.update(lane.pop("outputs", {}))
    values = {"index": "0", "values": "{{= tasks.lane.outputs.parameters['b-result'] }}"}
    return workflow(
        dag("main", task("lane"), task("g", depends="lane.Succeeded", parameters=values)),
        dag("lane", loop, *extra, outputs=outputs, **lane),
        partition,
        leaf("a", a),
        leaf("b", b, artifacts=[IN]),
        gathering(),
        NOP,
    )


@pytest.mark.parametrize("manifest", [explicit(3), compact("3"), compact("{{= 1 + 2 }}", parallelism=2)])
def test_explicit_and_compact_lanes_give_the_same_files_and_values(manifest, tmp_path):
    outcome, tasks = ran(manifest, tmp_path)
    assert outcome.phase == "Succeeded"
    assert (tmp_path / "g" / "all.txt").read_text() == "a\nb\nc\n"
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["0.txt", "1.txt", "2.txt"]
    assert tasks["a"] == {"state": "Succeeded", "pods": 3, "attempts": 3, "value": ["v0", "v1", "v2"]}
    assert tasks["b"]["value"] == ["w0", "w1", "w2"]
    assert tasks["g"] == {"state": "Succeeded", "pods": 1, "attempts": 1, "value": "3"}


@pytest.mark.parametrize("manifest", [explicit(0), compact("0")])
def test_a_lane_without_partitions_succeeds_and_its_gather_runs(manifest, tmp_path):
    outcome, tasks = ran(manifest, tmp_path)
    assert outcome.phase == "Succeeded"
    assert outcome.nodes["main/g"].inputs["values"] == "[]"
    assert tasks["g"]["value"] == "0"
    assert tasks["b"] == {"state": "Succeeded", "pods": 0, "attempts": 0, "value": None}


def test_a_failed_partition_fails_the_lane_and_omits_the_gather(tmp_path):
    outcome, tasks = ran(
        compact("3", a=f'[ "$INDEX" != 1 ]\n{WRITE}'.replace("]\n", "] || exit 3\n")), tmp_path
    )
    assert outcome.phase == "Failed"
    assert tasks["a"]["state"] == "Failed"
    assert tasks["b"]["state"] == "Omitted"
    assert tasks["b"]["value"] == ["w0", "w2"]
    assert tasks["g"]["state"] == "Omitted"


@pytest.mark.parametrize(("enough", "phase"), [(2, "Succeeded"), (3, "Failed")])
def test_min_success_lets_a_lane_succeed_above_its_threshold(enough, phase, tmp_path):
    verdict = task(
        "enough", "nop", "(partition.Succeeded || partition.Failed || partition.Errored)",
        when=f"{{{{= len(fromJSON({AGG('partition', 'partition')})) >= {enough} }}}}",
    )  # fmt: skip
    listed = f"fromJSON({AGG('partition', 'partition')})"
    outputs = {
        "present": {"expression": AGG("partition", "partition")},
        "missing": {"expression": f"toJson(filter(0..2, not (string(#) in {listed})))"},
    }
    fails = f'[ "$INDEX" != 1 ] || exit 3\n{WRITE}'
    outcome, _ = ran(compact("3", a=fails, tasks=[verdict], outputs=outputs), tmp_path)
    assert outcome.phase == phase
    if phase == "Succeeded":
        lane = outcome.nodes["main/lane"].outputs
        assert (lane["present"], lane["missing"]) == ('["0","2"]', "[1]")
        assert outcome.nodes["main/g"].inputs["values"] == lane["b-result"]


def test_a_retry_keeps_one_pod_and_counts_every_attempt(tmp_path):
    rule = {
        "limit": "2",
        "retryPolicy": "Always",
        "backoff": {"duration": "0"},
        "expression": "lastRetry.status == 'Error' || lastRetry.exitCode in ['3', '137']",
    }
    attempt = {"name": "ARGOSY_RETRIES", "value": "{{retries}}"}
    source = f'[ "$ARGOSY_RETRIES" = 1 ] || exit 3\n{WRITE}'
    manifest = workflow(
        dag("main", task("a", parameters={"index": "7"})),
        leaf("a", source, env=[attempt], retryStrategy=rule),
    )
    outcome, tasks = ran(manifest, tmp_path)
    assert phases(outcome) == {
        "main": "Succeeded",
        "main/a": "Succeeded",
        "main/a(0)": "Failed",
        "main/a(1)": "Succeeded",
    }
    assert tasks["a"] == {"state": "Succeeded", "pods": 1, "attempts": 2, "value": ["v7"]}
    assert (tmp_path / "a" / "7.txt").read_text() == "7\n"


def test_an_exit_code_outside_the_rule_is_not_retried(tmp_path):
    rule = {"limit": "2", "retryPolicy": "Always", "expression": "lastRetry.exitCode in ['3']"}
    manifest = workflow(
        dag("main", task("a", parameters={"index": "0"})), leaf("a", "exit 5", retryStrategy=rule)
    )
    outcome, tasks = ran(manifest, tmp_path)
    assert outcome.nodes["main/a"].message == "retryStrategy.expression evaluated to false"
    assert tasks["a"]["attempts"] == 1


def test_raw_artifacts_and_slots_arrive_where_the_worker_looks(tmp_path):
    inputs = tmp_path / "source"
    (inputs / "data").mkdir(parents=True)
    (inputs / "data" / "a b.txt").write_text("A")
    files = json.dumps([json.dumps(["data/a b.txt"])])
    slot = {
        "path": "/argosy/slots/INPUT_FILE/{}/x",
        "optional": True,
        "archive": WHOLE,
        "s3": {
            "key": "inputs/{{{{= (fromJSON(fromJSON(workflow.parameters.files)"
            "[int(inputs.parameters.index)])[{}] ?? 'none') }}}}"
        },
    }
    slots = [
        {
            **slot,
            "name": f"in-{k}",
            "path": slot["path"].format(k),
            "s3": {"key": slot["s3"]["key"].format(k)},
        }
        for k in range(1)
    ]
    gone = {
        "name": "gone",
        "path": "/argosy/slots/INPUT_FILE/1/x",
        "optional": True,
        "s3": {"key": "inputs/none"},
    }
    values = {"name": "values", "path": "/argosy/values/v", "raw": {"data": "{{= inputs.parameters.text }}"}}
    source = """cat slots/INPUT_FILE/0/x values/v; test ! -L slots/INPUT_FILE/0/x || exit 4
test -d slots/INPUT_FILE/1/x || exit 5
printf '"%s"' "$(cat slots/INPUT_FILE/0/x values/v)" > result"""
    manifest = workflow(
        dag("main", task("a", parameters={"index": "0", "text": "{{= toJson(['x', 1]) }}"})),
        leaf("a", source.replace('"%s"', "%s"), each="all", result="json", inputs=["text"],
             artifacts=[*slots, gone, values]),
        arguments={"parameters": [{"name": "files", "value": files}]},
    )  # fmt: skip
    outcome, tasks = ran(manifest, tmp_path / "out", inputs=inputs)
    assert outcome.phase == "Succeeded", outcome.nodes["main/a"].message
    assert tasks["a"]["value"] == 'A["x",1]'
    assert (tmp_path / "out" / "logs" / "a.log").read_text() == 'A["x",1]'


def test_a_volume_holds_the_files_of_all_tasks(tmp_path):
    out = {"name": "ARGOSY_OUT", "value": "storage/{{workflow.name}}/a/{{inputs.parameters.index}}"}
    mount = {
        "volumeMounts": [
            {"name": "storage", "mountPath": "/argosy/storage"},
            {"name": "argosy", "mountPath": "/argosy"},
        ]
    }
    write = """O=$ARGOSY_OUT; mkdir -p "$O.new"; echo $INDEX > "$O.new/$INDEX.txt"; mv "$O.new" "$O\""""
    read = "printf '\"%s\"' \"$(cat storage/$RUN_ID/a/*/* | tr -d '\\n')\" > result"
    run_id = {"name": "RUN_ID", "value": "{{workflow.name}}"}
    templates = [
        leaf("a", f'mkdir -p "${{ARGOSY_OUT%/*}}"; {write}', env=[out]),
        leaf("b", read, each="all", result="json", env=[run_id]),
    ]
    for template in templates:
        template["script"].update(mount)
        template["outputs"].pop("artifacts")
        template["volumes"] = [{"name": "argosy", "emptyDir": {}}]
    manifest = workflow(
        dag(
            "main",
            task("a", parameters={"index": "{{item}}"}, withSequence={"count": "3"}),
            task("b", depends="a.Succeeded", parameters={"index": "0"}),
        ),
        *templates,
        volumes=[{"name": "storage", "persistentVolumeClaim": {"claimName": "disk"}}],
    )
    outcome, tasks = ran(manifest, tmp_path / "out", claims={"disk": tmp_path / "disk"})
    assert outcome.phase == "Succeeded", outcome.nodes
    assert tasks["b"]["value"] == "012"
    assert (tmp_path / "disk" / "wf" / "a" / "2" / "2.txt").read_text() == "2\n"
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == ["0.txt", "1.txt", "2.txt"]


@pytest.mark.parametrize(("value", "expected"), [("true", "seen"), ("false", "D")])
def test_a_condition_skips_and_the_join_takes_the_default(value, expected, tmp_path):
    status = "tasks['b'].status"
    guarded = f"{status} == 'Succeeded' ? (tasks['b'].outputs?.parameters?.result ?? 'D') : 'D'"
    manifest = workflow(
        dag(
            "main",
            task("a", parameters={"index": "0"}),
            task("b", "b", "a.Succeeded", parameters={"index": "0"},
                 when="{{= fromJSON(tasks['a'].outputs.parameters.result).ok }}"),
            task("c", "c", "(b.Succeeded || b.Skipped)",
                 parameters={"index": "0", "v": f"{{{{= {guarded} }}}}"}),
        ),
        leaf("a", f"printf '{{\"ok\":{value}}}' > result", each="all", result="json"),
        leaf("b", "printf seen > result", each="all", result="json"),
        leaf("c", "printf 1 > result", each="all", result="json", inputs=["v"]),
    )  # fmt: skip
    outcome, tasks = ran(manifest, tmp_path)
    assert outcome.phase == "Succeeded"
    assert outcome.nodes["main/c"].inputs["v"] == expected
    assert tasks["b"]["state"] == ("Succeeded" if value == "true" else "Skipped")


def test_a_list_known_at_run_time_is_cut_by_the_loop_itself(tmp_path):
    source = """printf '["{\\\\u007b}","b"]' > result"""
    lane = dag(
        "lane",
        task(
            "b", "b", withSequence={"count": "{{= len(fromJSON(inputs.parameters.list)) }}"},
            parameters={"index": "{{item}}", "item": "{{= fromJSON(inputs.parameters.list)[int(item)] }}"},
        ),
        inputs=["list"],
    )  # fmt: skip
    manifest = workflow(
        dag(
            "main",
            task("a", parameters={"index": "0"}),
            task("lane", depends="a.Succeeded",
                 parameters={"list": "{{= tasks.a.outputs.parameters.result }}"}),
        ),
        lane,
        leaf("a", source, each="all", result="json"),
        leaf("b", 'printf \'%s "%s"\' "$INDEX" "$ITEM" > result', inputs=["item"],
             env=[{"name": "ITEM", "value": "{{= inputs.parameters.item }}"}]),
    )  # fmt: skip
    outcome, tasks = ran(manifest, tmp_path)
    assert outcome.phase == "Succeeded", outcome.message
    assert tasks["b"]["value"] == ["{{}", "b"]


@pytest.mark.slow
def test_ten_thousand_partitions_without_pods_take_seconds(tmp_path):
    manifest = compact("10000")
    for template in manifest["spec"]["templates"]:
        if template["name"] in ("a", "b", "g"):
            del template["script"], template["outputs"]
            template["suspend"] = {"duration": "0"}
            template["inputs"]["artifacts"] = []
            source = {"supplied": {}, "default": "{{inputs.parameters.index}} 1"}
            template["outputs"] = {"parameters": [{"name": "result", "valueFrom": source}]}
    manifest["spec"]["templates"][2]["dag"]["tasks"][1]["arguments"].pop("artifacts")
    outcome, tasks = ran(manifest, tmp_path)
    assert outcome.phase == "Succeeded"
    assert len(tasks["b"]["value"]) == 10000
