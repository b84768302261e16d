"""`dsl run` with what a manifest refers to: files of documents, keys of Secrets and ConfigMaps, folders."""

import json
import os

import pytest

from dsl.cli import exit_code
from dsl.supplies import Unclear, require_named

RUNS = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    dag: {tasks: [{name: a, templateRef: {name: lib, template: leaf}}]}
"""
LIBRARY = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: lib, namespace: elsewhere}
spec:
  templates:
  - name: leaf
    outputs: {parameters: [{name: o, valueFrom: {path: /tmp/o}}]}
    script:
      image: busybox:1
      command: [sh]
      source: echo "$WORD $(cat /s/pw | wc -c) $(cat /d/f)" > /tmp/o
      env: [{name: WORD, valueFrom: {configMapKeyRef: {name: words, key: word}}}]
      volumeMounts: [{name: s, mountPath: /s}, {name: d, mountPath: /d}]
    volumes:
    - {name: s, secret: {secretName: keys}}
    - {name: d, persistentVolumeClaim: {claimName: disk}}
"""
LINKED = "\n---\n" + LIBRARY
SCHEDULED = """
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: wf}
spec:
  schedules: ["* * * * *"]
  workflowSpec:
    entrypoint: main
    arguments: {parameters: [{name: z}]}
    templates:
    - name: main
      suspend: {duration: "0"}
"""
REFERS = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
spec: {workflowTemplateRef: {name: all}}
"""
WORDS = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: words}\ndata: {word: hello}\n"


@pytest.fixture
def said(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for folder, name, text in (("keys", "pw", "secret"), ("disk", "f", "file")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)

    def said(*arguments):
        code = exit_code(["run", "flow.yaml", "--out", "out", *arguments])
        return code, "".join(capfd.readouterr())

    return said


def output(folder):
    return json.loads((folder / "out/status.json").read_text())["nodes"]["main/a"]["outputs"]


@pytest.mark.parametrize("secret", ["keys=keys", "keys=keys/pw", "keys=pw=keys/pw"])
@pytest.mark.parametrize("one_file", [True, False])
def test_a_run_gets_what_it_refers_to(secret, one_file, said, tmp_path):
    (tmp_path / "flow.yaml").write_text(RUNS + ("\n---\n" + LIBRARY + WORDS if one_file else ""))
    (tmp_path / "lib.yaml").write_text(LIBRARY + WORDS)
    files = [] if one_file else ["--with", "lib.yaml"]
    code, words = said(*files, "--secret", secret, "--mount", "disk=disk")
    assert code == 0, words
    assert output(tmp_path) == {"o": "hello 6 file"}


def test_a_run_of_a_template_that_is_given_is_taken_up(said, tmp_path):
    flow = RUNS.replace("kind: Workflow\n", "kind: WorkflowTemplate\n").replace("{name: wf}", "{name: all}")
    (tmp_path / "all.yaml").write_text(f"{flow}\n---\n{LIBRARY}{WORDS}")
    (tmp_path / "flow.yaml").write_text(REFERS)
    options = ["--with", "all.yaml", "--secret", "keys=keys", "--mount", "disk=disk"]
    for more, code in (
        ([], 0),
        (["--resume"], 0),
        (["--from", "a"], 0),
        (["--only", "leaf"], 0),
        (["--from", "x"], 2),
    ):
        found, words = said(*options, *more)
        assert found == code, words
    assert "there is no task x; there are: " in words


def test_a_list_holds_objects_and_a_later_key_goes_before(said, tmp_path):
    (tmp_path / "flow.yaml").write_text(RUNS + "\n---\n" + LIBRARY)
    word = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "words"},
        "data": {"word": "listed"},
    }
    (tmp_path / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [word]}))
    options = ["--with", "list.json", "--secret", "keys=keys", "--mount", "disk=disk"]
    assert said(*options)[0] == 0
    assert output(tmp_path) == {"o": "listed 6 file"}
    (tmp_path / "word").write_text("told")
    assert said(*options, "--config", "words=word")[0] == 0
    assert output(tmp_path) == {"o": "told 6 file"}


@pytest.mark.parametrize(
    ("flow", "options", "code", "words"),
    [
        (RUNS, [], 2, "WorkflowTemplate lib is not given; name the file that holds it with --with"),
        (RUNS + "\n---\n" + LIBRARY, [], 2, "not given: ConfigMap words with the key word, Secret keys"),
        (
            RUNS + "\n---\n" + RUNS.replace("wf", "other"),
            [],
            2,
            "that run: Workflow wf, Workflow other; give one",
        ),
        (WORDS + WORDS, [], 1, "flow.yaml: error[DSL421]: no document"),
        (RUNS, ["--with", "gone.yaml"], 1, "gone.yaml: error[DSL101]: the file does not exist"),
        (RUNS, ["--secret", "x"], 2, "--secret takes NAME=VALUE"),
        (RUNS, ["--config", "x=gone"], 2, "gone is no file or folder"),
        (RUNS + LINKED, ["--mount", "dsk=disk"], 2, "refers to no volume dsk; did you mean disk?"),
        (RUNS + LINKED, ["--mount", "disk=gone"], 2, "--mount: gone is no folder"),
        (RUNS + LINKED, ["--secret", "other=keys"], 2, "refers to no Secret other; it refers to keys"),
        (RUNS + LINKED, ["--config", "wrds=keys"], 2, "refers to no ConfigMap wrds; did you mean words?"),
        (RUNS.replace("name: a,", "name: a, template: b,"), [], 1, "flow.yaml:9"),
    ],
)
def test_what_is_wrong_with_it_is_told_before_anything_starts(flow, options, code, words, said, tmp_path):
    (tmp_path / "flow.yaml").write_text(flow)
    returned, told = said(*options)
    assert returned == code, told
    assert words in told
    assert not (tmp_path / "out").exists()


REFERRING = {
    "spec": {"imagePullSecrets": [{"name": "keys"}]},
    "a volume": {"volumes": [{"name": "v", "azureFile": {"shareName": "s", "secretName": "keys"}}]},
    "a driver": {"csi": {"driver": "d", "nodePublishSecretRef": {"name": "keys"}}},
    "an artifact": {"s3": {"accessKeySecret": {"name": "keys", "key": "a"}}},
}


@pytest.mark.parametrize("place", REFERRING)
def test_a_secret_may_be_given_wherever_it_is_referred_to(place):
    require_named({"Secret": ["keys"]}, [REFERRING[place]])
    with pytest.raises(Unclear, match="refers to no Secret key; did you mean keys"):
        require_named({"Secret": ["key"]}, [REFERRING[place]])


@pytest.mark.parametrize("where", ["flow.yaml", "lib.yaml"])
def test_a_pipe_holds_no_run_up(where, said, tmp_path):
    for name, text in {"flow.yaml": RUNS, "lib.yaml": LIBRARY}.items():
        (tmp_path / name).write_text(text) if name != where else os.mkfifo(tmp_path / name)
    code, words = said("--with", "lib.yaml")
    assert code == 1
    assert f"{where}: error[DSL102]: this is a pipe, a socket or a device, not a file" in words


def test_a_patch_of_pods_may_be_yaml(said, tmp_path):
    patch = """  podSpecPatch: "containers: [{name: main, command: [sh, -c, 'echo patched > /tmp/o']}]"\n"""
    (tmp_path / "flow.yaml").write_text(f"{RUNS}{patch}\n---\n{LIBRARY}{WORDS}")
    assert said("--secret", "keys=keys", "--mount", "disk=disk")[0] == 0
    assert output(tmp_path) == {"o": "patched"}


def test_a_run_tells_of_a_manifest_what_validate_tells(said, tmp_path, capfd):
    wrong = SCHEDULED.replace("entrypoint: main", "entrypoint: mian\n    parallelism: x\n    entrypont: main")
    for text in (wrong, "kind: Pod", "kind: Worklfow\napiVersion: argoproj.io/v1alpha1", "a: [", "[1]"):
        (tmp_path / "flow.yaml").write_text(text)
        assert exit_code(["validate", "flow.yaml"]) == 1
        *validated, _ = capfd.readouterr().out.splitlines()
        assert validated
        code, told = said()
        assert (code, told.splitlines()) == (1, validated)


def test_a_warning_does_not_keep_a_manifest_from_running_and_a_comment_hides_it(said, tmp_path):
    text = SCHEDULED.replace("{name: z}", "{name: z, value: x}").replace("v1alpha1", "v1  # ")
    (tmp_path / "flow.yaml").write_text(text)
    code, told = said("--quiet")
    assert (code, "flow.yaml:2:13: warning[DSL419]" in told) == (0, True)
    (tmp_path / "flow.yaml").write_text(text.replace("  # ", "  # dsl: ignore[DSL419] "))
    assert said("--quiet") == (0, "")


def test_a_parameter_without_value_is_asked_for_by_its_option(said, tmp_path):
    (tmp_path / "flow.yaml").write_text(SCHEDULED)
    assert "hint: add value:; `dsl run` also takes `-p z=VALUE`" in said()[1]
    assert said("-p", "z=1", "--quiet")[0] == 0
    (tmp_path / "flow.yaml").write_text(
        RUNS + "  arguments: {parameters: [{name: z}]}\n---\n" + LIBRARY + WORDS
    )
    assert "required; `-p z=VALUE` gives it" in said("--secret", "keys=keys", "--mount", "disk=disk")[1]


def test_what_cannot_run_here_is_named_with_its_place_and_what_to_do(said, tmp_path):
    text = RUNS + "  - {name: web, http: {url: 'http://a'}}\n  - {name: own, container: {image: a}}\n"
    tasks = "[{name: a, template: web}, {name: b, template: own}, {name: c, template: web}]"
    text = text.replace("[{name: a, templateRef: {name: lib, template: leaf}}]", tasks)
    (tmp_path / "flow.yaml").write_text(text)
    code, told = said("--quiet")
    assert code == 2
    assert told.splitlines() == [
        "dsl: flow.yaml:10:5: not supported: http template web: it works through Argo's agent on a cluster",
        "dsl: flow.yaml:11:5: not supported: image without command of template own: only the image knows "
        "what it runs; add command:, or run images by `--runtime podman` (or docker)",
    ]
