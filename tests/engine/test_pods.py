"""Pods of several containers: init containers, sidecars, container sets, and patches of them."""

import json
import time
from pathlib import Path

import pytest
from engine.manifests import NOP, dag, phases, ran, task, workflow

from dsl.documents import yaml_value
from dsl.engine import Refused
from dsl.engine.pod import Container, Ended, Pod
from dsl.engine.process import Group
from dsl.engine.relocate import Layout

OUTPUT = {"parameters": [{"name": "o", "valueFrom": {"path": "/w/o"}}]}
MOUNTS = [{"name": "w", "mountPath": "/w"}]
SHARED = [{"name": "w", "emptyDir": {}}]


def sh(source, name=None, **more):
    named = {"name": name} if name else {}
    return {**named, "image": "i", "command": ["sh", "-c"], "args": [source], **more}


def pod(source, **more):
    return {
        "name": "main",
        "container": sh(source, volumeMounts=MOUNTS),
        "outputs": OUTPUT,
        "volumes": SHARED,
        **more,
    }


def alone(template, out, **spec):
    return ran(workflow(template, **spec), out)[0]


def test_a_pod_has_the_variables_of_argo_that_a_cluster_sets_there(tmp_path):
    outcome = alone(pod("env | grep -o '^ARGO_[A-Z_]*' | sort > /w/o"), tmp_path)
    names = ("CONTAINER_NAME", "INCLUDE_SCRIPT_OUTPUT", "NODE_ID", "PROGRESS_FILE", "WORKFLOW_NAME")
    assert outcome.nodes["main"].outputs["o"].split() == [f"ARGO_{name}" for name in names]


def test_init_containers_run_before_in_order_and_share_volumes(tmp_path):
    init = [
        sh("echo a > /w/o", "a", volumeMounts=MOUNTS),
        sh(
            "echo b >> /other/o",
            "b",
            volumeMounts=[{"name": "w", "mountPath": "/other"}],
        ),
    ]
    outcome = alone(pod("echo main >> /w/o", initContainers=init), tmp_path)
    assert outcome.nodes["main"].outputs == {"o": "a\nb\nmain"}


def test_an_init_container_that_fails_ends_its_pod_before_it_began(tmp_path):
    init = [sh("exit 5", "prep"), sh(f"touch {tmp_path}/ran", "late")]
    outcome = alone(pod(f"touch {tmp_path}/ran", initContainers=init), tmp_path / "out")
    node = outcome.nodes["main"]
    assert (node.phase, node.message, node.exit_code) == ("Failed", "prep: Error (exit code 5)", None)
    assert not (tmp_path / "ran").exists()


def test_a_container_that_mirrors_mounts_sees_volumes_and_inputs_of_main(tmp_path):
    init = [sh("cat /in/a > /w/o", "mirror", mirrorVolumeMounts=True)]
    raw = {"name": "a", "path": "/in/a", "raw": {"data": "input"}}
    outcome = alone(pod("true", initContainers=init, inputs={"artifacts": [raw]}), tmp_path)
    assert outcome.nodes["main"].outputs == {"o": "input"}


def test_a_sidecar_serves_until_main_has_ended(tmp_path):
    source = (
        f"trap 'echo asked > {tmp_path}/end; exit 143' TERM; echo up > /w/up; while :; do sleep 0.05; done"
    )
    side = sh(source, "side", mirrorVolumeMounts=True)
    outcome = alone(
        pod("until test -e /w/up; do sleep 0.05; done; cp /w/up /w/o", sidecars=[side]), tmp_path / "o"
    )
    assert (outcome.phase, outcome.nodes["main"].outputs) == ("Succeeded", {"o": "up"})
    assert (tmp_path / "end").read_text() == "asked\n"


@pytest.mark.parametrize(
    ("main", "side", "message"),
    [
        ("echo > /w/o", "exit 0", ""),
        ("sleep 0.3; echo > /w/o", "exit 4", "side: Error (exit code 4)"),
        ("exit 3", "exit 4", "main: Error (exit code 3)"),
        ("echo > /w/o", "trap '' TERM; kill -9 $$$$", ""),
    ],
)
def test_a_sidecar_that_fails_by_itself_fails_the_pod_after_main(main, side, message, tmp_path):
    outcome = alone(pod(main, sidecars=[sh(side, "side")]), tmp_path)
    assert (outcome.nodes["main"].phase, outcome.message) == ("Failed" if message else "Succeeded", message)


def a_set(*containers, **more):
    body = {"containers": list(containers), "volumeMounts": MOUNTS, **more.pop("containerSet", {})}
    return {"name": "set", "containerSet": body, "volumes": SHARED, **more}


def in_dag(template, out):
    show = task(
        "show", "nop", "set || set.Failed || set.Errored", parameters={"r": "{{tasks.set.outputs.result}}"}
    )
    nop = {**NOP, "inputs": {"parameters": [{"name": "r", "default": ""}]}}
    return ran(workflow(dag("main", task("set"), show), template, nop), out)[0]


def test_a_set_runs_as_its_dependencies_say_and_main_has_the_outputs(tmp_path):
    containers = [
        sh("cat /w/a /w/b > /w/o; echo result", "main", dependencies=["a", "b"]),
        sh("sleep 0.2; echo a > /w/a", "a"),
        sh("echo b > /w/b", "b"),
    ]
    outcome = in_dag(a_set(*containers, outputs=OUTPUT), tmp_path)
    assert outcome.nodes["main/set"].outputs == {"o": "a\nb"}
    assert outcome.nodes["main/show"].inputs == {"r": "result"}
    assert {path: node.type for path, node in outcome.nodes.items() if "/set/" in path} == dict.fromkeys(
        ["main/set/main", "main/set/a", "main/set/b"], "Container"
    )


def test_what_depends_on_a_failed_container_does_not_run(tmp_path):
    containers = [
        sh("exit 3", "a"),
        sh(f"touch {tmp_path}/ran", "b", dependencies=["a"]),
        sh(f"touch {tmp_path}/ran", "c", dependencies=["b"]),
        sh("true", "d"),
    ]
    outcome = ran(workflow(dag("main", task("set")), a_set(*containers)), tmp_path / "out")[0]
    assert {path: node.message for path, node in outcome.nodes.items() if "/set" in path} == {
        "main/set": "a: Error (exit code 3)",
        "main/set/a": "a: Error (exit code 3): ",
        "main/set/b": 'b: Error (exit code 64): dependency "a" exited with non-zero code: 3',
        "main/set/c": 'c: Error (exit code 64): dependency "b" exited with non-zero code: 3',
        "main/set/d": "",
    }
    assert phases(outcome)["main/set/b"] == "Error"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("dependencies", [["b"], ["gone"]])
def test_a_set_that_has_no_order_is_refused(dependencies, tmp_path):
    containers = [sh("true", "a", dependencies=dependencies), sh("true", "b", dependencies=["a"])]
    with pytest.raises(
        Refused, match=r"templates.set( sorting failed|.containerSet.containers.a dependency)"
    ):
        ran(workflow(dag("main", task("set")), a_set(*containers)), tmp_path)


def test_a_set_starts_a_failed_container_again_where_it_is(tmp_path):
    source = f"echo x >> {tmp_path}/log; test $(wc -l < {tmp_path}/log) = 3"
    for retries, phase in (("2", "Failed"), ("3", "Succeeded")):
        (tmp_path / "log").unlink(missing_ok=True)
        retry = {"retryStrategy": {"retries": retries, "duration": "1ms"}}
        outcome = in_dag(a_set(sh(source, "main"), containerSet=retry), tmp_path / f"out{retries}")
        assert outcome.nodes["main/set"].phase == phase


@pytest.mark.parametrize(
    ("retry", "why"),
    [
        ({"retries": 2, "duration": "soon"}, 'time: invalid duration "soon"'),
        ({"retries": "often"}, "value 'often' cannot be resolved to an int"),
    ],
)
def test_a_retry_of_a_set_that_cannot_be_read_is_an_error_before_any_container_begins(retry, why, tmp_path):
    source = f"touch {tmp_path}/begun"
    template = a_set(sh(source, "main"), sh(source, "a"), containerSet={"retryStrategy": retry})
    outcome = in_dag(template, tmp_path / "out")
    node = outcome.nodes["main/set"]
    assert (node.phase, node.message) == ("Error", f"failed to get retry strategy: {why}")
    assert not (tmp_path / "begun").exists()


NUL = "a\0b"


@pytest.mark.parametrize(
    "more",
    [
        {"args": ["true", NUL]},
        {"env": [{"name": "V", "value": NUL}]},
        {"env": [{"name": "A=B", "value": "v"}]},
        {"args": ["true", "\ud800"]},
    ],
)
def test_a_container_that_no_system_could_start_fails_its_set_and_what_depends_on_it(more, tmp_path):
    members = [sh("true", "a"), {**sh("true", "main", dependencies=["a"]), **more}]
    members.append(sh(f"touch {tmp_path}/after", "z", dependencies=["main"]))
    outcome = in_dag(a_set(*members), tmp_path / "out")
    node = outcome.nodes["main/set"]
    assert (node.phase, node.exit_code) == ("Failed", "64")
    assert node.message.startswith("main: Error (exit code 64): ")
    assert outcome.nodes["main/set/main"].phase == "Error"
    assert not (tmp_path / "after").exists()


def test_a_container_that_no_system_could_start_says_why_and_leaves_no_sidecar(tmp_path):
    side = sh(f"trap 'sleep 0.3; touch {tmp_path}/over; exit' TERM; echo begun; sleep 60 & wait", "s")
    template = {**pod("true"), "container": {**sh("true"), "command": ["sh", NUL]}, "sidecars": [side]}
    outcome = alone({key: value for key, value in template.items() if key != "outputs"}, tmp_path / "out")
    why = 'failed to find name in PATH: exec: "sh": embedded null byte'
    assert (outcome.phase, outcome.message) == ("Failed", f"main: Error (exit code 64): {why}")
    [log] = (tmp_path / "out/logs").iterdir()
    assert why in log.read_text()
    assert (tmp_path / "over").exists() == ("begun" in log.read_text())


def test_a_pod_that_cannot_go_on_has_no_container_at_work_when_it_says_so():
    names = ("main", "beside", "after", "sidecar")
    main, beside, after, sidecar = (
        Container(name, {"dependencies": ["main"] * (name == "after")}, Layout(Path(), ""), Group())
        for name in names
    )
    over = []

    def execute(container):
        if container is main:
            raise SystemExit
        while container is sidecar and not container.group.stopped:
            time.sleep(0.01)
        time.sleep(0.1)
        over.append(container.name)
        return Ended(0)

    with pytest.raises(SystemExit):
        Pod([], [main, beside, after], [sidecar]).run(execute)
    assert sorted(over) == ["beside", "sidecar"]


def test_a_time_limit_ends_every_container(tmp_path):
    began = time.monotonic()
    limit = {"activeDeadlineSeconds": 1}
    one = alone(pod("sleep 60", initContainers=[sh("sleep 60", "init")], **limit), tmp_path / "a")
    two = alone(pod("sleep 60", sidecars=[sh("sleep 60", "side")], **limit), tmp_path / "b")
    three = ran(workflow(dag("main", task("set")), a_set(sh("sleep 60", "a"), sh("sleep 60", "b"), **limit)),
                tmp_path / "c")[0]  # fmt: skip
    assert time.monotonic() - began < 30
    why = "Pod was active on the node longer than the specified deadline"
    assert [one.message, two.message, three.nodes["main/set"].message] == [why] * 3


@pytest.mark.parametrize("name", ["main", "a"])
@pytest.mark.parametrize(
    ("source", "pause"),
    [("exit 1", "60s"), ("test -e {0} && sleep 60; touch {0}; exit 1", "10ms"), ("sleep 0.7; exit 1", "0")],
)
def test_a_time_limit_is_one_for_all_attempts_of_a_set_and_what_is_between_them(
    source, pause, name, tmp_path
):
    began = time.monotonic()
    retry = {"retryStrategy": {"retries": "99", "duration": pause}}
    template = a_set(sh(source.format(tmp_path / "again"), name), containerSet=retry, timeout="1s")
    outcome = ran(workflow(dag("main", task("set")), template), tmp_path / "out")[0]
    assert time.monotonic() - began < 30
    assert (
        outcome.nodes["main/set"].message == "Pod was active on the node longer than the specified deadline"
    )


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"initContainers": [sh("true", "i", restartPolicy="Always")]}, "restartPolicy of init container i"),
        ({"container": sh("true", volumeDevices=[{"name": "w", "devicePath": "/dev/x"}])}, "volumeDevices"),
        (
            {"sidecars": [sh("true", "s", lifecycle={"postStart": {"exec": {"command": ["true"]}}})]},
            "postStart",
        ),
    ],
)
def test_what_a_pod_would_do_beside_its_programs_is_refused_by_name(more, what, tmp_path):
    with pytest.raises(Refused, match=f"^not supported: {what} of template main"):
        alone({**pod("true"), **more}, tmp_path)


# --- volumes ---


def test_the_path_within_a_volume_may_have_variables_of_its_container(tmp_path):
    name = {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    within = {"name": "w", "mountPath": "/v", "subPathExpr": "$(D)/$$(D)"}
    deep = {"env": [{"name": "D", "value": "deep"}, name], "volumeMounts": [*MOUNTS, within]}
    found = "cd /w; find . -type f ! -name o | sort > /w/o; cat /w/deep/*/f >> /w/o"
    main = sh(f"echo main > /v/f; {found}", **deep)
    template = {**pod(""), "container": main, "initContainers": [sh("echo > /v/g", "i", **deep)]}
    outcome = alone(template, tmp_path)
    found = ["./deep/$(D)/f", "./deep/$(D)/g", "main"]
    assert outcome.nodes["main"].outputs["o"].split("\n") == found


@pytest.mark.parametrize(
    ("kind", "path", "why"),
    [
        ("Directory", "none", "is not a directory"), ("Directory", "file", "is not a directory"),
        ("File", "folder", "is not a file"), ("Socket", "file", "is not a socket file"),
        ("Directory", "folder", ""), ("File", "file", ""), ("DirectoryOrCreate", "none", ""),
        ("FileOrCreate", "none", ""), ("DirectoryOrCreate", "file", "is not a directory"), ("", "none", ""),
    ],
)  # fmt: skip
def test_a_place_of_this_machine_is_what_its_type_says(kind, path, why, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    host = {"name": "h", "hostPath": {"path": str(tmp_path / path), "type": kind}}
    source = f"touch {tmp_path}/ran; test -z '{kind}' || ls -d /v/."
    if kind.startswith("File"):
        source = f"touch {tmp_path}/ran; test -f /v"
    main = sh(source, volumeMounts=[{"name": "h", "mountPath": "/v"}])
    outcome = alone({"name": "main", "container": main, "volumes": [host]}, tmp_path / "out")
    assert (outcome.phase, (tmp_path / "ran").exists()) == (("Error", False) if why else ("Succeeded", True))
    assert outcome.message.endswith(f"type check failed: {tmp_path / path} {why}" if why else "")


# --- patches ---


def test_patches_of_spec_and_template_reach_the_pod_with_their_tags_filled(tmp_path):
    both = [{"name": "A", "value": "spec"}, {"name": "B", "value": "b"}]
    spec = json.dumps({"containers": [{"name": "main", "env": both}]})
    own = '{"containers": [{"name": "main", "env": [{"name": "A", "value": "{{inputs.parameters.x}}"}]}]}'
    template = pod(
        'echo "$A $B $C" > /w/o', podSpecPatch=own, inputs={"parameters": [{"name": "x", "value": "own"}]}
    )
    template["container"]["env"] = [{"name": "C", "value": "c"}]
    assert alone(template, tmp_path, podSpecPatch=spec).nodes["main"].outputs == {"o": "own b c"}


def test_a_patch_may_change_sidecars_and_what_makes_no_difference_here(tmp_path):
    args = '{"name": "side", "args": ["echo patched > /w/o"]}'
    patch = f'{{"terminationGracePeriodSeconds": 1, "containers": [{args}]}}'
    side = sh("exit 3", "side", mirrorVolumeMounts=True)
    template = pod("until test -s /w/o; do sleep 0.05; done", sidecars=[side], podSpecPatch=patch)
    assert alone(template, tmp_path).nodes["main"].outputs == {"o": "patched"}


@pytest.mark.parametrize("patch", ['{"x": ', "a: [", "- a", "text"])
def test_a_patch_that_is_none_is_the_node_s_error(patch, tmp_path):
    outcome = ran(workflow(pod("true", podSpecPatch=patch)), tmp_path, yaml=yaml_value)[0]
    assert outcome.nodes["main"].phase == "Error"
    assert outcome.nodes["main"].message == "Error applying PodSpecPatch"


def test_a_null_in_a_patch_deletes(tmp_path):
    patch = '{"containers": [{"name": "main", "env": [{"name": "A", "value": "b", "valueFrom": null}]}]}'
    template = pod('echo "$A" > /w/o', podSpecPatch=patch)
    source = {"fieldRef": {"fieldPath": "metadata.name"}}
    template["container"]["env"] = [{"name": "A", "valueFrom": source}]
    assert alone(template, tmp_path).nodes["main"].outputs == {"o": "b"}


def test_a_directive_in_a_patch_is_refused_by_name(tmp_path):
    patch = '{"containers": [{"name": "main", "$patch": "delete"}]}'
    with pytest.raises(Refused, match=r"^not supported: \$patch in podSpecPatch of template main: write out"):
        alone(pod("true", podSpecPatch=patch), tmp_path)
    with pytest.raises(Refused, match=r"^not supported: \$retainKeys in spec.podSpecPatch: write out"):
        alone(pod("true"), tmp_path, podSpecPatch='{"volumes": [{"$retainKeys": ["name"]}]}')


def test_a_patch_may_be_yaml_once_its_tags_are_filled(tmp_path):
    patch = """
      containers:
      - name: main
        args: [{{inputs.parameters.x}}]
    """
    given = {"parameters": [{"name": "x", "value": "'echo patched > /w/o'"}]}
    flow = workflow(pod("true", podSpecPatch=patch, inputs=given))
    assert ran(flow, tmp_path, yaml=yaml_value)[0].nodes["main"].outputs == {"o": "patched"}


# --- tags in the values of inputs, which are filled when the pod is made ---


def showing(b, **more):
    """A leaf whose input `a` is a tag that names its input `b`, in its source and in its environment."""
    source = "printf '%s|%s' \"$A\" '{{inputs.parameters.a}}' > /w/o"
    env = [{"name": "A", "value": "{{inputs.parameters.a}}"}]
    given = [{"name": "a", "value": "{{inputs.parameters.b}}"}, {"name": "b", "value": b}]
    return {
        "name": "main",
        "inputs": {"parameters": given},
        "script": {"image": "busybox:1", "command": ["sh"], "source": source, "env": env},
        "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/w/o"}}]},
        **more,
    }


def test_a_value_s_tag_is_filled_in_the_pod_where_a_source_stands_in_json(tmp_path):
    assert alone(showing(r"1\n2"), tmp_path).nodes["main"].outputs == {"o": "1\\n2|1\n2"}


@pytest.mark.parametrize(
    ("b", "message"),
    [
        ('q"uote', "invalid character 'u' after object key:value pair"),
        ("two\nlines", r"invalid character '\n' in string literal"),
        (r"C:\Data", "invalid character 'D' in string escape code"),
    ],
)
def test_a_value_that_spoils_the_json_of_its_pod_is_the_node_s_error(b, message, tmp_path):
    node = alone(showing(b), tmp_path).nodes["main"]
    assert (node.type, node.phase, node.message) == ("Pod", "Error", message)


def test_an_attempt_fills_the_tags_of_values_before_its_pod_is_made(tmp_path):
    outcome = alone(showing('q"uote', retryStrategy={"limit": "1"}), tmp_path)
    assert outcome.nodes["main"].outputs == {"o": 'q"uote|q"uote'}


def test_a_pod_that_cannot_be_made_in_a_step_is_told_of_by_its_group(tmp_path):
    steps = {"name": "main", "steps": [[{"name": "a", "template": "spoiled"}]]}
    outcome, _ = ran(workflow(steps, showing('"', name="spoiled")), tmp_path)
    why = "invalid character '\"' after object key:value pair"
    group = f"step group deemed errored due to child wf[0].a error: {why}"
    assert (outcome.nodes["main/[0]"].message, outcome.nodes["main/a"].message) == (group, why)
