"""What is wrong in a manifest is refused before a pod runs, or is an Error of its node, not of the engine."""

import json
import re
import time

import pytest
from engine.manifests import NOP, dag, phases, ran, task, workflow

from dsl.engine import Refused, RunOptions, run


def script(name, source, **more):
    return {"name": name, "script": {"image": "busybox:1", "command": ["sh"], "source": source}, **more}


def hooked(**hook):
    return task("a", "x", hooks={"h": {"template": "nop", **hook}})


@pytest.mark.parametrize(
    ("spec", "hooks", "words"),
    [
        ({"onExit": "gone"}, {}, "spec.onExit template name 'gone' undefined"),
        ({"hooks": {"r": {"template": "gone"}}}, {}, "spec.hooks.r template name 'gone' undefined"),
        ({"hooks": {"r": {"template": "nop", "expression": "1 +"}}}, {}, "spec.hooks.r expression: "),
        ({}, {"h": {"template": "gone"}}, "templates.main.tasks.x.hooks.h template name 'gone' undefined"),
        ({}, {"h": {"template": "nop", "expression": "(("}}, "templates.main.tasks.x.hooks.h expression: "),
    ],
)
def test_a_broken_hook_is_refused_before_a_pod_runs(spec, hooks, words, tmp_path):
    manifest = workflow(
        dag("main", task("x", hooks=hooks)), script("x", f"touch {tmp_path}/ran"), NOP, **spec
    )
    with pytest.raises(Refused, match=f"^{re.escape(words)}"):
        run(manifest, RunOptions(tmp_path / "out"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("expression", ["tasks.other.status == 'Failed'", "int('a') == 1", "tasks.a.x.y.z"])
def test_a_hook_that_cannot_be_evaluated_is_an_error_of_its_node(expression, tmp_path):
    main = dag("main", hooked(expression=expression), task("other", "x"), task("after", "x", "a"))
    outcome, _ = ran(workflow(main, script("x", ""), NOP), tmp_path)
    found = phases(outcome)
    assert (found["main"], found["main/a"], found["main/after"]) == ("Error", "Error", "Omitted")
    assert found["main/other"] == "Succeeded"
    assert outcome.nodes["main/a"].message
    assert json.loads((tmp_path / "status.json").read_text())["phase"] == "Error"


def test_a_deadline_ends_what_waits_for_its_next_attempt(tmp_path):
    retry = {"limit": "2", "backoff": {"duration": "60"}}
    manifest = workflow(
        dag("main", task("x")), script("x", "exit 1", retryStrategy=retry), activeDeadlineSeconds=1
    )
    began = time.monotonic()
    outcome, _ = ran(manifest, tmp_path)
    assert time.monotonic() - began < 30
    assert outcome.nodes["main/x"].message == "retry exceeded workflow deadline"


def test_a_limit_of_attempts_may_come_from_the_inputs(tmp_path):
    again = script(
        "x", "exit 1", inputs={"parameters": [{"name": "n"}]},
        retryStrategy={"limit": "{{inputs.parameters.n}}"},
    )  # fmt: skip
    outcome, _ = ran(workflow(dag("main", task("x", parameters={"n": "2"})), again), tmp_path)
    assert outcome.nodes["main/x"].message == "No more retries left"
    assert [path for path in outcome.nodes if path.startswith("main/x(")] == [
        f"main/x({n})" for n in range(3)
    ]


def test_parallelism_that_is_no_number_is_one_error(tmp_path):
    inner = dag("inner", task("nop"), inputs=["n"], parallelism="{{inputs.parameters.n}}")
    main = dag("main", task("inner", parameters={"n": "many"}))
    outcome, _ = ran(workflow(main, inner, NOP), tmp_path)
    assert phases(outcome) == {"main": "Error", "main/inner": "Error"}
    assert "parallelism of template inner is no number: many" in outcome.nodes["main/inner"].message


def mounting(name, source, *paths, mount="/mnt/vol", **more):
    outputs = {"parameters": [{"name": f"o{n}", "valueFrom": {"path": p}} for n, p in enumerate(paths)]}
    made = script(name, source, outputs=outputs, **more)
    made["script"]["volumeMounts"] = [{"name": "v", "mountPath": mount}]
    return made


CLAIM = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}


def test_a_volume_is_mounted_although_an_output_is_deeper_in_it(tmp_path):
    make = mounting("x", "echo hi > /mnt/vol/sub/r", "/mnt/vol/sub/r")
    folder = tmp_path / "claim"
    outcome = run(
        workflow(dag("main", task("x")), make, **CLAIM), RunOptions(tmp_path / "out", claims={"c": folder})
    )
    assert outcome.nodes["main/x"].outputs == {"o0": "hi"}
    assert (folder / "sub/r").read_text() == "hi\n"


def test_a_volume_that_has_no_place_is_an_error(tmp_path):
    folder = tmp_path / "claim"
    (folder / "in").mkdir(parents=True)
    (folder / "in/file").touch()
    make = mounting("x", "true")
    make["script"]["volumeMounts"].append({"name": "w", "mountPath": "/mnt/vol/in"})
    volumes = [*CLAIM["volumes"], {"name": "w", "emptyDir": {}}]
    manifest = workflow(dag("main", task("x")), make, volumes=volumes)
    outcome = run(manifest, RunOptions(tmp_path / "out", claims={"c": folder}))
    assert outcome.nodes["main/x"].message == "volume w cannot be mounted at /mnt/vol/in: it is not empty"


def test_many_leaves_may_make_one_claim_at_once(tmp_path):
    main = dag("main", task("x", withSequence={"count": "40"}))
    for number in range(3):
        manifest = workflow(main, mounting("x", "ls /mnt/vol/ >/dev/null"), **CLAIM)
        assert run(manifest, RunOptions(tmp_path / f"out{number}", jobs=20, inputs=tmp_path)).succeeded


def test_a_declared_path_inside_the_runs_own_folder_is_replaced_once(tmp_path):
    out = tmp_path / "work dir's"
    source = "mkdir -p /data/a; echo hi > /data/a/o; cp /data/a/o /root/o"
    outputs = [{"name": n, "valueFrom": {"path": p}} for n, p in (("a", "/data/a/o"), ("b", "/root/o"))]
    make = script("x", source, outputs={"parameters": outputs})
    outcome, _ = ran(workflow(dag("main", task("x")), make), out)
    assert outcome.nodes["main/x"].outputs == {"a": "hi", "b": "hi"}
