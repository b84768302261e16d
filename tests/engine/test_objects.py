"""WorkflowTemplates, ConfigMaps and Secrets given with a manifest reach the run as they do on a cluster."""

import base64
import os
import signal
import time
from contextlib import suppress

import pytest
from engine.manifests import NOP, dag, phases, task, workflow

from dsl.engine import Missing, NoTask, Refused, Resume, RunOptions, run

SHOW = {
    "name": "show",
    "inputs": {"parameters": [{"name": "x", "default": "none"}]},
    "outputs": {
        "parameters": [
            {
                "name": "o",
                "valueFrom": {"supplied": {}, "default": "{{inputs.parameters.x}} {{workflow.name}}"},
            }
        ]
    },
    "suspend": {"duration": "0"},
}


def template(name, *templates, kind="WorkflowTemplate", **spec):
    return {"kind": kind, "metadata": {"name": name}, "spec": {"templates": list(templates), **spec}}


def config(name, label="Parameter", **data):
    labels = {"workflows.argoproj.io/configmap-type": label}
    return {"kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": data}


def secret(name, **values):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"kind": "Secret", "metadata": {"name": name}, "data": data}


def call(name, template, of="lib", **more):
    reference = {"name": of, "template": template, **more}
    return {"name": name, "templateRef": reference}


def ran(manifest, out, *objects, **options):
    return run(manifest, RunOptions(out, jobs=4, objects=objects, **options))


# --- templateRef ---


def test_a_name_in_a_referenced_template_means_the_one_beside_it(tmp_path):
    library = template("lib", dag("outer", task("s", "show", parameters={"x": "lib"})), SHOW)
    own = {**SHOW, "outputs": {}}
    outcome = ran(workflow(dag("main", call("a", "outer"), task("b", "show")), own), tmp_path, library)
    assert outcome.nodes["main/a/s"].outputs == {"o": "lib wf"}
    assert outcome.nodes["main/b"].outputs == {}


def test_a_referenced_template_refers_on_and_each_scope_has_names_of_its_own(tmp_path):
    first = template("lib", dag("outer", call("c", "show", "wide", clusterScope=True)))
    wide = template("wide", SHOW, kind="ClusterWorkflowTemplate")
    narrow = template("wide", {**NOP, "name": "show"})
    outcome = ran(workflow(dag("main", call("a", "outer"))), tmp_path, first, wide, narrow)
    assert outcome.nodes["main/a/c"].outputs == {"o": "none wf"}


def test_of_a_referenced_template_s_spec_nothing_else_counts(tmp_path):
    library = template(
        "lib",
        {"name": "f", "script": {"image": "i", "command": ["sh"], "source": "exit 1"}},
        templateDefaults={"retryStrategy": {"limit": 1}},
        onExit="missing",
        arguments={"parameters": [{"name": "p", "value": "theirs"}]},
    )
    outcome = ran(workflow(dag("main", call("a", "f"))), tmp_path, library)
    assert phases(outcome) == {"main": "Failed", "main/a": "Failed"}


def test_the_running_workflow_s_defaults_reach_a_referenced_template(tmp_path):
    library = template("lib", {"name": "f", "script": {"image": "i", "command": ["sh"], "source": "exit 1"}})
    defaults = {"script": {"image": "i"}, "retryStrategy": {"limit": 1}}
    main = {"name": "main", "steps": [[call("a", "f")]], "retryStrategy": {"limit": 0}}
    outcome = ran(workflow(main, templateDefaults=defaults), tmp_path, library)
    assert [path for path in outcome.nodes if path.startswith("main/a")] == []
    assert sorted(path for path in outcome.nodes if "/a" in path) == [
        "main(0)/a", "main(0)/a(0)", "main(0)/a(1)",
    ]  # fmt: skip


def test_a_reference_may_be_a_tag_and_an_unknown_one_is_the_node_s_error(tmp_path):
    main = dag("main", {**call("a", "{{item}}"), "withItems": ["show", "gone"]})
    outcome = ran(workflow(main), tmp_path, template("lib", SHOW))
    assert phases(outcome)["main/a(0:show)"] == "Succeeded"
    assert phases(outcome)["main/a(1:gone)"] == "Error"


def test_steps_hooks_and_exit_handlers_may_refer_to_a_template(tmp_path):
    hook = {"exit": {"templateRef": {"name": "lib", "template": "show"}}}
    main = {"name": "main", "steps": [[{**call("a", "show"), "hooks": hook}]]}
    outcome = ran(workflow(main, hooks=hook), tmp_path, template("lib", SHOW))
    assert outcome.succeeded
    assert {"main/a.onExit", "main.onExit"} <= set(outcome.nodes)


@pytest.mark.parametrize("place", ["task", "workflow"])
def test_what_is_not_given_is_named_before_anything_starts(place, tmp_path):
    manifest = workflow(dag("main", call("a", "show")))
    if place == "workflow":
        manifest["spec"] = {"workflowTemplateRef": {"name": "lib"}}
    with pytest.raises(Missing, match=r"WorkflowTemplate lib is not given; .*--with"):
        ran(manifest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_template_that_its_workflow_template_lacks_is_undefined(tmp_path):
    with pytest.raises(Refused, match=r"templates.main.tasks.a template name 'lib.gone' undefined"):
        ran(workflow(dag("main", call("a", "gone"))), tmp_path / "out", template("lib", SHOW))


def calling_a_library(tmp_path, own="true"):
    """A task of the workflow, and one after it that calls steps of a library, with two leaves."""

    def leaf(name, text):
        source = f"echo {name} >> {tmp_path}/log; {text}"
        return {"name": name, "script": {"image": "x", "command": ["sh"], "source": source}}

    nested = {
        "name": "steps",
        "steps": [[{"name": "s", "template": "first"}], [{"name": "t", "template": "last"}]],
    }
    library = template("lib", nested, leaf("first", "true"), leaf("last", "true"))
    main = dag("main", task("a", "own"), {**call("b", "steps"), "depends": "a"})
    return workflow(main, leaf("own", own)), library


@pytest.mark.parametrize(
    ("chosen", "again"), [("first", "first last"), ("last", "last"), ("t", "last"), ("b", "first last")]
)
def test_a_task_of_a_library_can_be_chosen_to_run_again(chosen, again, tmp_path):
    manifest, library = calling_a_library(tmp_path)
    assert ran(manifest, tmp_path / "out", library).succeeded
    (tmp_path / "log").write_text("")
    assert ran(manifest, tmp_path / "out", library, resume=Resume(start=chosen)).succeeded
    assert (tmp_path / "log").read_text().split() == again.split()


def test_only_a_task_of_a_library_that_needs_what_never_succeeded_is_refused(tmp_path):
    manifest, library = calling_a_library(tmp_path, own="false")
    ran(manifest, tmp_path / "out", library)
    for chosen, needs in (("b", "own"), ("s", "own"), ("last", "first, own")):
        with pytest.raises(Refused, match=f"only {chosen}; it needs {needs}, which has not succeeded yet"):
            ran(manifest, tmp_path / "out", library, resume=Resume(only=chosen))


def test_a_task_that_neither_a_workflow_nor_its_libraries_have_is_refused(tmp_path):
    manifest, library = calling_a_library(tmp_path)
    ran(manifest, tmp_path / "out", library)
    with pytest.raises(NoTask, match="there is no task firts") as wrong:
        ran(manifest, tmp_path / "out", library, resume=Resume(only="firts"))
    assert sorted(wrong.value.known) == ["a", "b", "first", "last", "own", "s", "t"]


# --- workflowTemplateRef ---


def referring(**spec):
    return {
        "kind": "Workflow",
        "metadata": {"name": "wf"},
        "spec": {"workflowTemplateRef": {"name": "lib"}, **spec},
    }


def test_the_workflow_wins_over_the_template_it_refers_to(tmp_path):
    value = "{{workflow.parameters.p}} {{workflow.parameters.q}} {{workflow.labels.l}}"
    library = template(
        "lib",
        dag("main", task("s", "show", parameters={"x": value})),
        dag("other", task("never", "show")),
        SHOW,
        entrypoint="other",
        workflowMetadata={"labels": {"l": "label"}},
        arguments={"parameters": [{"name": "p", "value": "lib-p"}, {"name": "q", "value": "lib-q"}]},
    )
    own = {"parameters": [{"name": "p", "value": "mine"}]}
    outcome = ran(referring(entrypoint="main", arguments=own), tmp_path, library)
    assert outcome.nodes["main/s"].inputs == {"x": "mine lib-q label"}


def test_a_parameter_of_the_workflow_replaces_that_of_the_template_whole(tmp_path):
    parameters = [{"name": "p", "value": "b", "enum": ["a", "b"]}]
    library = template("lib", dag("main", task("s", "show")), SHOW, entrypoint="main",
                       arguments={"parameters": parameters})  # fmt: skip
    mine = {"parameters": [{"name": "p", "value": "c"}]}
    assert ran(referring(arguments=mine), tmp_path, library).succeeded


def test_hooks_and_volumes_of_both_come_together(tmp_path):
    library = template("lib", dag("main", task("s", "show")), SHOW, entrypoint="main",
                       hooks={"exit": {"template": "show"}})  # fmt: skip
    more = {"late": {"template": "show", "expression": "workflow.status == 'Succeeded'"}}
    outcome = ran(referring(hooks=more), tmp_path, library)
    assert {"main.onExit", "main.hooks.late"} <= set(outcome.nodes)


# --- ConfigMaps and Secrets ---


def test_parameters_take_values_and_defaults_from_config_maps(tmp_path):
    reference = {"configMapKeyRef": {"name": "{{workflow.parameters.map}}", "key": "k"}}
    inputs = {"parameters": [
        {"name": "x", "valueFrom": reference},
        {"name": "y", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "no"}, "default": "dd"}},
    ]}  # fmt: skip
    given = {"name": "x", "value": "argument"}
    main = dag("main", task("a", "c"), {**task("b", "c"), "arguments": {"parameters": [given]}})
    arguments = {
        "parameters": [{"name": "map", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "m"}}}]
    }
    manifest = workflow(main, {**NOP, "name": "c", "inputs": inputs}, arguments=arguments)
    outcome = ran(manifest, tmp_path, config("conf", k="one", m="conf"))
    assert outcome.nodes["main/a"].inputs == {"x": "one", "y": "dd"}
    assert outcome.nodes["main/b"].inputs == {"x": "argument", "y": "dd"}


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        ([], "ConfigMap 'conf' does not exist. Please make sure it has the label"),
        ([config("conf", label="Cache", k="1")], "ConfigMap 'conf' needs to have the label"),
        ([config("conf", other="1")], "ConfigMap 'conf' does not have the key 'k'"),
    ],
)
def test_a_parameter_without_its_config_map_is_an_error_in_argo_s_words(objects, why, tmp_path):
    source = {"configMapKeyRef": {"name": "conf", "key": "k"}}
    c = {**NOP, "name": "c", "inputs": {"parameters": [{"name": "x", "valueFrom": source}]}}
    outcome = ran(workflow(dag("main", task("a", "c")), c), tmp_path, *objects)
    assert outcome.nodes["main/a"].phase == "Error"
    assert f"unable to retrieve inputs.parameters.x from ConfigMap: {why}" in outcome.nodes["main/a"].message


def test_a_workflow_without_the_config_map_of_its_parameter_fails(tmp_path):
    source = {"configMapKeyRef": {"name": "conf", "key": "k"}}
    arguments = {"parameters": [{"name": "w", "valueFrom": source}]}
    manifest = workflow(dag("main", task("a", "nop")), NOP, arguments=arguments)
    outcome = ran(manifest, tmp_path)
    assert (outcome.phase, outcome.nodes) == ("Failed", {})
    place = "parameter w from configmap with name conf and key k: ConfigMap 'conf' does not exist."
    assert outcome.message.startswith(f"failed to set global parameters: failed to set global {place}")
    source["default"] = "d"
    assert ran(manifest, tmp_path).succeeded


def script(source, **more):
    container = {"image": "i", "command": ["sh"], "source": source, **more.pop("script", {})}
    outputs = {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}
    return {"name": "main", "outputs": outputs, "script": container, **more}


def test_variables_come_from_config_maps_and_secrets(tmp_path):
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
        {"name": "C", "value": "$(A)-$(X_k)"},
        {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    every = [
        {"prefix": "X_", "configMapRef": {"name": "conf"}},
        {"secretRef": {"name": "no", "optional": True}},
    ]
    main = script('printf "$A|${B-unset}|$C|$D" > /tmp/o', script={"env": env, "envFrom": every})
    outcome = ran(workflow(main), tmp_path, config("conf", k="1"))
    assert outcome.nodes["main"].outputs == {"o": "1|unset|1-1|wf"}


def test_volumes_show_keys_as_files_with_their_modes(tmp_path):
    volumes = [
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "c", "configMap": {"name": "conf", "items": [{"key": "k", "path": "deep/file"}]}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "conf"}}]}},
        {"name": "n", "configMap": {"name": "no", "optional": True}},
    ]
    mounts = [{"name": name, "mountPath": f"/in/{name}"} for name in "scpn"]
    mounts.append({"name": "s", "mountPath": "/etc/one", "subPath": "pw"})
    files = "pw /in/c/deep/file /in/p/k /in/p/pw /etc/one"
    source = f"cd /in/s; stat -Lc %a pw > /tmp/o; cat {files} >> /tmp/o; ls /in/n"
    main = script(source, script={"volumeMounts": mounts}, volumes=volumes)
    outcome = ran(workflow(main), tmp_path, secret("s", pw="x"), config("conf", k="y"))
    assert outcome.nodes["main"].outputs == {"o": "400\nxyyxx"}


def test_a_secret_is_in_no_file_that_a_run_leaves(tmp_path):
    hidden = "6a2f-hidden"
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}]
    mounts = [{"name": "s", "mountPath": "/etc/s"}]
    main = script(
        'test "$A" = "$(cat /etc/s/pw)" && exit 3',
        script={"env": env, "volumeMounts": mounts},
        volumes=[{"name": "s", "secret": {"secretName": "s"}}],
    )
    outcome = ran(workflow(main), tmp_path, secret("s", pw=hidden))
    assert outcome.nodes["main"].exit_code == "3"
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left
    assert [path for path in left if hidden in path.read_text(errors="replace")] == []


def test_a_secret_that_a_kill_has_left_goes_when_the_run_is_taken_up(tmp_path):
    out, begun = tmp_path / "out", tmp_path / "begun"
    main = script(
        f"touch {begun}; sleep 60",
        script={"volumeMounts": [{"name": "s", "mountPath": "/etc/s"}, {"name": "e", "mountPath": "/e"}]},
        volumes=[{"name": "s", "secret": {"secretName": "s"}}, {"name": "e", "emptyDir": {}}],
    )
    first = {"name": "first", "script": {"image": "i", "command": ["true"], "source": ""}}
    tasks = task("first"), task("x", depends="first", when="{{workflow.parameters.go}} == yes")
    manifest = workflow(dag("main", *tasks), first, {**main, "name": "x"})
    manifest["spec"]["arguments"] = {"parameters": [{"name": "go", "value": "yes"}]}
    child = os.fork()
    if not child:
        with suppress(BaseException):
            ran(manifest, out, secret("s", pw="6a2f-hidden"))
        os._exit(1)
    while not begun.exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    left = [path for path in out.rglob("pw") if path.is_file()]
    assert [path.read_text() for path in left] == ["6a2f-hidden"]
    options = {"resume": Resume(), "parameters": {"go": "no"}}
    assert ran(manifest, out, secret("s", pw="6a2f-hidden"), **options).succeeded
    assert not left[0].exists()
    assert [path.name for path in out.rglob("volumes/*")] == ["e"]  # the folder of such a leaf stays


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}]},
        {"envFrom": [{"secretRef": {"name": "s"}}]},
        {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
    ],
)
def test_a_secret_that_is_not_given_is_named(container, tmp_path):
    volumes = [{"name": "v", "secret": {"secretName": "s"}}]
    with pytest.raises(Missing, match=r"^not given: Secret s.*--secret"):
        ran(workflow(script("", script=container, volumes=volumes)), tmp_path / "out")


def test_a_mount_gives_a_claim_or_a_volume_a_folder(tmp_path):
    for name in ("claim", "host"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    volumes = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "b", "hostPath": {"path": "/nowhere/at/all"}},
    ]
    mounts = [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"}]
    main = script("cat /a/f /b/f > /tmp/o", script={"volumeMounts": mounts})
    given = {"claim": tmp_path / "claim", "b": tmp_path / "host"}
    outcome = ran(workflow(main, volumes=volumes), tmp_path / "out", claims=given)
    assert outcome.nodes["main"].outputs == {"o": "claimhost"}
