"""What is said of whole files: which documents count, where problems stand, what is looked up where."""

import json
import time
from pathlib import Path

import pytest

from dsl.argo import validate_manifest, validate_manifests
from dsl.codes import Severity
from dsl.location import Location

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: a}
spec:
  entrypoint: main
  templates:
  - name: main
    steps:
    - - {name: say, templateRef: {name: tools, template: say}}
"""
TOOLS = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: tools}
spec:
  templates:
  - name: say
    container: {image: busybox, args: ["{{workflow.parameters.x}}"]}
"""


def said(**files):
    found = validate_manifests({path: text.encode() for path, text in files.items()})
    return [f"{one.location} {one.code.name}" for diagnostics in found.values() for one in diagnostics]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_argosy_emits_has_no_problem(path):
    assert validate_manifests({path.name: path.read_bytes()}) == {path.name: ()}


def test_references_are_looked_up_among_all_files_in_any_order():
    tools = TOOLS.replace("workflow.parameters.x", "workflow.name")
    assert said(a=WORKFLOW, b=tools) == said(b=tools, a=WORKFLOW) == said(a=f"{tools}---\n{WORKFLOW}") == []
    assert said(a=WORKFLOW) == ["a:9:41 UNKNOWN_REFERENCE"]
    assert said(a=WORKFLOW, b=tools.replace("{name: tools}", "{name: tools, namespace: b}")) != []


def test_what_only_a_caller_breaks_stands_at_the_call_with_its_other_place():
    [found] = validate_manifests({"a": WORKFLOW.encode(), "b": TOOLS.encode()})["a"]
    assert (str(found.location), str(found.related[0].location)) == ("a:9:9", "b:7:40")
    assert "spec.templates[0].container.args[0]: {{workflow.parameters.x}} names nothing" in found.message


def test_what_is_wrong_by_itself_is_not_said_again_at_each_call():
    broken = TOOLS.replace("{image: busybox, args", "{args").replace("workflow.parameters.x", "workflow.name")
    assert said(a=WORKFLOW, b=broken) == ["b:7:16 NO_IMAGE"]


def test_documents_of_others_are_left_alone():
    text = "kind: ConfigMap\ndata: {a: 1}\n---\n# nothing\n---\nsome: values\n---\nkind: List\n"
    sensor = "---\napiVersion: argoproj.io/v1alpha1\nkind: Sensor\n"
    assert said(a=f"{text}---\n{TOOLS.replace('workflow.parameters.x', 'workflow.name')}{sensor}") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "kind: ConfigMap\n",
        "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\n",
        "kind: List\n",
        "kind: List\nitems: []\n",
        "kind: List\nitems: [{kind: ConfigMap}]\n",
    ],
)
def test_a_file_without_a_manifest_of_argos_was_not_checked(text):
    tools = TOOLS.replace("workflow.parameters.x", "workflow.name")
    assert said(a=text, b=tools) == ["a NO_MANIFEST"]


@pytest.mark.parametrize("kind", ["List", "WorkflowList"])
def test_the_items_of_a_list_are_manifests(kind):
    text = WORKFLOW.replace("templateRef: {name: tools, template: say}", "template: main")
    items = "".join(f"- {one}".replace("\n", "\n  ").rstrip(" ") for one in (text, text))
    whole = f"apiVersion: v1\nkind: {kind}\nitems:\n{items}"
    assert said(a=whole) == []
    assert said(a=whole.replace("entrypoint: main", "entrypoint: mian")) == [
        "a:8:17 UNKNOWN_TEMPLATE",
        "a:17:17 UNKNOWN_TEMPLATE",
    ]
    assert said(a=json.dumps({"kind": kind, "items": [3]})) == [f"a:1:{len(kind) + 24} MANIFEST_SYNTAX"]
    assert said(a=whole.replace("kind: Workflow\n", "kind: Wrokflow\n"))[0] == "a:5:9 UNKNOWN_KIND"


def test_lines_count_from_the_start_of_the_file_and_windows_ends_do_not_matter():
    second = WORKFLOW.replace("entrypoint: main", "entrypoint: mian")
    text = f"# first\n---\na: b\n---\n{second}"
    found = [line for line in said(a=text) if "TEMPLATE" in line]
    assert found == ["a:9:15 UNKNOWN_TEMPLATE"]
    assert [line for line in said(a=text.replace("\n", "\r\n")) if "TEMPLATE" in line] == found


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ('{"kind": "Workflow"\n', "not valid JSON: expecting ',' delimiter", 20),
        ('{"kind": Work"flow: ]}\n', "not valid JSON: expecting value", 10),
    ],
)
def test_a_broken_json_file_is_told_as_such_on_its_line(text, message, column):
    [problem] = validate_manifests({"a.json": text.encode()})["a.json"]
    assert (problem.message, problem.location) == (message, Location("a.json", 1, column))
    [problem] = validate_manifests({"a.yaml": text.encode()})["a.yaml"]
    assert problem.message.startswith("not valid YAML: ")


def test_places_in_json_are_those_of_its_text():
    text = json.dumps(
        {"kind": "Workflow", "apiVersion": "argoproj.io/v1alpha1", "metadata": {"name": "é\t"}}, indent=1
    )
    assert "a:5:11 OBJECT_NAME" in said(a=text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "a: " * 10_000,
        "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]),
        "- " * 5_000 + "x",
        "{" * 1_000 + "}" * 1_000,
        '{"a":' * 300 + "1" + "}" * 300,
        "\x00\x01",
    ],
    ids=["brackets", "keys", "aliases", "dashes", "braces", "json", "control"],
)
def test_a_hostile_text_is_refused_at_once(text):
    start = time.process_time()
    assert [line.split()[1] for line in said(a=text)] == ["MANIFEST_SYNTAX"]
    assert time.process_time() - start < 5


def test_templates_that_call_one_another_two_hundred_deep_are_followed():
    calls = [{"name": f"t{n}", "steps": [[{"name": "x", "template": f"t{n + 1}"}]]} for n in range(199)]
    templates = [*calls, {"name": "t199", "container": {"image": "a"}}]
    manifest = json.loads(json.dumps({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}))
    manifest |= {"metadata": {"name": "deep"}, "spec": {"entrypoint": "t0", "templates": templates}}
    assert validate_manifest(manifest, Location("flow.py", 3, 1)) == ()
    templates[-1]["container"] = {}
    [found] = validate_manifest(manifest, Location("flow.py", 3, 1))
    assert (found.location, found.code.severity) == (Location("flow.py", 3, 1), Severity.ERROR)


def sized(templates=1, tasks=1, inputs=0, text=""):
    leaf = {"name": "leaf", "inputs": {"parameters": [{"name": f"p{n}", "value": ""} for n in range(inputs)]}}
    leaf["container"] = {"image": "a", "args": [text]}
    dag = {"tasks": [{"name": f"t{n}", "template": "leaf"} for n in range(tasks)]}
    spec = {"entrypoint": "d0", "templates": [leaf]}
    spec["templates"] += [{"name": f"d{n}", "dag": dag} for n in range(templates - 1)]
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    return [found.message for found in validate_manifest(manifest, Location("a"))]


def test_counts_and_sizes_have_the_limits_of_the_cluster():
    assert sized(templates=200, inputs=500) == sized(templates=2, tasks=200) == []
    assert "spec.templates: it has 201 elements; Argo accepts at most 200" in sized(templates=201)
    [tasks] = sized(templates=2, tasks=201)
    assert tasks.startswith("spec.templates[1].dag.tasks: it has 201 elements")
    [inputs] = sized(templates=2, inputs=501)
    assert inputs.startswith("spec.templates[0].inputs.parameters: it has 501 elements")
    [size] = sized(templates=2, text="x" * 1_000_001)
    assert size.startswith("the Workflow has 1000 kB")
    assert sized(templates=2, text="中" * 330_000) == []
    [size] = sized(templates=2, text="中" * 340_000)
    assert size.startswith("the Workflow has 1020 kB")


def test_a_template_may_call_itself():
    text = WORKFLOW.replace("templateRef: {name: tools, template: say}", "template: main")
    assert said(a=text) == []


def test_text_of_the_author_is_never_code():
    text = WORKFLOW.replace("name: a}", "name: \"__import__('os')\"}").replace("say, t", "'%s{0}', t")
    assert {line.split()[1] for line in said(a=text)} >= {"OBJECT_NAME", "FIELD_NAME"}


@pytest.mark.parametrize("tag", ["{{inputs.parameters.x", "{{=inputs.parameters.x", "{{ workflow.name"])
def test_a_tag_without_end_is_told_once_where_it_begins(tag):
    say = TOOLS.replace("workflow.parameters.x}}", "workflow.name}}").partition("templates:")[2]
    say = say.replace("args", f'env: [{{name: A, value: "{tag}"}}], args')
    text = WORKFLOW.replace("templateRef: {name: tools, template: say}", "template: say") + say[1:]
    [found] = validate_manifests({"a": text.encode()})["a"]
    assert (str(found.location), found.code.name) == ("a:11:56", "BROKEN_TAG")
    assert found.message == f"spec.templates[1].container.env[0].value: {tag} has no }}}}"


@pytest.mark.parametrize("key", ["entrypoint", "onExit"])
def test_a_template_that_a_reference_lacks_is_told_at_the_key_that_names_it(key):
    keys = {"entrypoint": "say", key: "nobody"}
    spec = "".join(f"  {name}: {value}\n" for name, value in keys.items())
    text = WORKFLOW.partition("  entrypoint")[0] + "  workflowTemplateRef: {name: tools}\n" + spec
    tools = TOOLS.replace("workflow.parameters.x", "workflow.name")
    [found] = validate_manifests({"a": text.encode(), "b": tools.encode()})["a"]
    assert found.message == f"spec.{key}: tools has no template nobody"


def test_a_scheduled_workflows_parameter_without_value_is_told_once():
    head = TOOLS.replace("WorkflowTemplate", "CronWorkflow").partition("spec:")[0]
    text = (
        head
        + """spec:
  schedules: ["@daily"]
  workflowSpec:
    entrypoint: say
    arguments: {parameters: [{name: a}]}
    templates:
    - name: say
      inputs: {parameters: [{name: a}]}
      container: {image: busybox}
"""
    )
    assert said(a=text) == ["a:8:30 ARGUMENT"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("inputs: {parameters: [{name: m, value: a}]}", "inputs: {parameters: [{name: n, value: a}]}"),
        ("arguments: {parameters: [{name: p, value: a}]}", "arguments: {parameters: [{name: n, value: a}]}"),
        ('- name: "no"', "- name: no"),
    ],
)
def test_what_is_named_by_no_text_is_told_once_and_not_at_its_uses(before, after):
    text = (
        WORKFLOW.partition("  entrypoint")[0]
        + """\
  entrypoint: main
  arguments: {parameters: [{name: p, value: a}]}
  templates:
  - name: main
    steps: [[{name: x, template: leaf}, {name: z, template: "no"}]]
  - name: leaf
    inputs: {parameters: [{name: m, value: a}]}
    container: {image: busybox, args: ["{{inputs.parameters.m}}", "{{workflow.parameters.p}}"]}
  - name: "no"
    container: {image: busybox}
"""
    )
    assert said(a=text) == []
    assert [line.split()[1] for line in said(a=text.replace(before, after))] == ["WRONG_TYPE"]


LOOP = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: a}
spec:
  entrypoint: main
  arguments: {parameters: [{name: scenes, value: "[]"}]}
  templates:
  - name: main
    dag:
      tasks:
      - {name: each, template: count, withParam: "{{workflow.parameters.scenes}}"}
      - name: all
        template: sum
        depends: each
        arguments: {parameters: [{name: size, value: "{{tasks.each.outputs.parameters.size}}"}]}
  - name: count
    outputs: {parameters: [{name: size, valueFrom: {path: /n}}]}
    container: {image: busybox, command: [sh, -c, echo 1 >/size]}
  - name: sum
    inputs: {parameters: [{name: size}]}
    container: {image: busybox, command: [echo, "{{inputs.parameters.size}}"]}
"""


@pytest.mark.parametrize(
    ("loop", "depends", "is_told"),
    [
        ('withParam: "{{workflow.parameters.scenes}}"', "each", True),
        ('withParam: "{{workflow.parameters.scenes}}"', "each.Skipped || each.Succeeded", True),
        ('withParam: "{{workflow.parameters.scenes}}"', "each.Succeeded", False),
        ('withParam: "{{workflow.parameters.scenes}}"', "each.AnySucceeded", False),
        ("withItems: [1, 2]", "each", False),
        ("withItems: [1, 2]", "each.Succeeded || each.Failed", True),
        ("withItems: [1, 2]", "each.AllFailed", True),
        ('withSequence: {count: "3"}', "each", False),
        ('withSequence: {count: "{{workflow.parameters.scenes}}"}', "each", True),
    ],
)
def test_a_list_that_never_comes_is_told_where_it_is_read(loop, depends, is_told):
    text = LOOP.replace('withParam: "{{workflow.parameters.scenes}}"', loop)
    text = text.replace("depends: each", f"depends: {depends}")
    assert said(a=text) == (["a:15:54 ABSENT_OUTPUT"] if is_told else [])


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a:\n  - x\n\t- y\n", "\ufeffa: b\n\tc: d"])
def test_a_tab_that_indents_is_named(text):
    [problem] = validate_manifests({"flow.yaml": text.encode()})["flow.yaml"]
    assert (problem.message, problem.hint) == ("a tab cannot indent YAML", "indent with spaces")
    assert problem.location.column == 1
