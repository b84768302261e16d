"""What is wrong in a manifest is refused before a pod runs, or is an Error of its node, not of the engine.

PARTITIONS is how many of a loop are taken over.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from engine.manifests import NOP, dag, phases, ran, task, workflow
from engine.test_run import is_gone

from dsl.engine import Refused, Resume, RunOptions, Unusable, run
from dsl.engine.unstartable import LONGEST
from tests.harness import compile_file, write

PARTITIONS = int(os.environ.get("PARTITIONS", "2000"))


def script(name, source, **more):
    return {"name": name, "script": {"image": "busybox:1", "command": ["sh"], "source": source}, **more}


def hooked(**hook):
    return task("a", "x", hooks={"h": {"template": "nop", **hook}})


def test_an_exit_handler_that_is_not_there_is_refused_before_a_pod_runs(tmp_path):
    manifest = workflow(dag("main", task("x")), script("x", f"touch {tmp_path}/ran"), onExit="gone")
    with pytest.raises(Refused, match=r"^spec.onExit template name 'gone' undefined"):
        run(manifest, RunOptions(tmp_path / "out"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (None, "is required"),
        ("gone", "template name 'gone' undefined"),
        ("{{workflow.name}}", "template name '{{workflow.name}}' undefined"),
    ],
)
def test_a_workflow_that_nothing_can_enter_is_refused_and_leaves_the_former_run_alone(entry, words, tmp_path):
    ran(workflow(dag("main", task("nop")), NOP), tmp_path)
    with pytest.raises(Refused, match=f"^spec.entrypoint {re.escape(words)}$"):
        run(workflow(dag("main", task("nop")), NOP, entrypoint=entry), RunOptions(tmp_path))
    assert (tmp_path / "results.json").exists()
    assert run(workflow(dag("main", task("nop")), NOP), RunOptions(tmp_path, resume=Resume())).succeeded


@pytest.mark.parametrize("expression", ["tasks.other.status == 'Failed'", "int('a') == 1", "tasks.a.x.y.z"])
def test_a_hook_that_cannot_be_evaluated_is_an_error_of_its_node(expression, tmp_path):
    main = dag("main", hooked(expression=expression), task("other", "x"), task("after", "x", "a"))
    outcome, _ = ran(workflow(main, script("x", ""), NOP), tmp_path)
    found = phases(outcome)
    assert (found["main"], found["main/a"], found["main/after"]) == ("Error", "Error", "Omitted")
    assert found["main/other"] == "Succeeded"
    assert outcome.nodes["main/a"].message
    assert json.loads((tmp_path / "status.json").read_text())["phase"] == "Error"


HOOKED = hooked(expression="true", template="gone")
NEEDY = script("needy", "true", inputs={"parameters": [{"name": "p"}]})


@pytest.mark.parametrize(
    ("main", "state"),
    [
        ({"name": "main", "steps": [[task("a"), task("b", "needy")]]}, "Omitted"),
        (dag("main", task("a"), HOOKED | {"name": "b"}), "Omitted"),
        (dag("main", task("a"), task("c"), HOOKED | {"name": "b", "depends": "c"}), "Failed"),
    ],
)
def test_what_is_at_work_when_an_entry_fails_at_once_has_ended_when_the_results_say_so(main, state, tmp_path):
    source = "trap 'sleep 0.3; touch {0}/over; exit' TERM; touch {0}/begun; sleep 60 & wait"
    slow = script("a", source.format(tmp_path))
    others = script("x", "sleep 60"), script("c", "true"), NEEDY, NOP
    outcome, results = ran(workflow(main, slow, *others), tmp_path / "out")
    assert outcome.phase in ("Failed", "Error")
    assert outcome.nodes["main/a"].message == "stopped when the workflow ended"
    status = json.loads((tmp_path / "out/status.json").read_text())["nodes"]
    assert results["a"]["state"] == status["main/a"]["phase"] == state
    assert not {"Running", "Pending"} & {node["phase"] for node in status.values()}
    assert (tmp_path / "over").exists() or not (tmp_path / "begun").exists()


def test_a_deadline_ends_what_waits_for_its_next_attempt(tmp_path):
    retry = {"limit": "2", "backoff": {"duration": "60"}}
    manifest = workflow(
        dag("main", task("x")), script("x", "exit 1", retryStrategy=retry), activeDeadlineSeconds=1
    )
    began = time.monotonic()
    outcome, _ = ran(manifest, tmp_path)
    assert time.monotonic() - began < 30
    assert outcome.nodes["main/x"].message.startswith("retry exceeded workflow deadline 20")


@pytest.mark.parametrize(
    ("source", "code"), [("sleep 60", 143), ("trap '' TERM; while :; do sleep 1; done", 137)]
)
def test_the_longest_duration_of_a_retry_ends_the_attempt_that_goes_beyond_it(source, code, tmp_path):
    retry = {"limit": "3", "backoff": {"duration": "10ms", "maxDuration": "2s"}}
    x = script(
        "x", f"test -e {tmp_path}/x || {{ touch {tmp_path}/x; exit 1; }}; {source}", retryStrategy=retry
    )
    outcome, _ = ran(workflow(dag("main", task("x")), x), tmp_path / "out")
    assert {path: node.message for path, node in outcome.nodes.items() if "/x" in path} == {
        "main/x": "Max duration limit exceeded",
        "main/x(0)": "main: Error (exit code 1)",
        "main/x(1)": f"main: Error (exit code {code})",
    }


def test_the_longest_duration_of_a_retry_does_not_end_the_first_attempt(tmp_path):
    retry = {"limit": "3", "backoff": {"duration": "10ms", "maxDuration": "1s"}}
    x = script("x", "sleep 1.5", retryStrategy=retry)
    assert ran(workflow(dag("main", task("x")), x), tmp_path / "a")[0].succeeded


def test_a_pause_between_attempts_grows_to_no_more_than_its_cap(tmp_path):
    backoff = {"duration": "1ns", "factor": 2**31 - 1, "cap": "1ms"}
    retry = {"limit": 40, "backoff": backoff}  # the last would take more than a float can hold
    outcome, _ = ran(workflow(dag("main", task("x")), script("x", "exit 1", retryStrategy=retry)), tmp_path)
    assert outcome.nodes["main/x"].message == "No more retries left"
    assert len(outcome.nodes) == 43


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"timeout": "9999999999s"}, 'invalid timeout format unable to parse 9999999999s as a duration: '
         'time: invalid duration "9999999999s"'),
        ({"timeout": "9999999999"}, 'is invalid: spec.activeDeadlineSeconds: Invalid value: 9223372036: '
         "must be between 1 and 2147483647, inclusive"),
        ({"activeDeadlineSeconds": 2**31}, "Invalid value: 2147483648: must be between 1 and 2147483647"),
        ({"activeDeadlineSeconds": "9" * 5000}, "cannot be resolved to an int"),
    ],
)  # fmt: skip
def test_a_limit_of_time_that_no_pod_can_have_is_the_node_s_error(more, why, tmp_path):
    outcome, _ = ran(workflow(dag("main", task("x")), script("x", "true", **more)), tmp_path)
    assert outcome.nodes["main/x"].phase == "Error"
    assert why in outcome.nodes["main/x"].message


@pytest.mark.parametrize("depth", [300, 3000])
def test_a_value_that_is_nested_too_deeply_is_an_error_of_who_reads_it(depth, tmp_path):
    deep = script("a", f"printf '[%.0s' $(seq {depth}); printf ']%.0s' $(seq {depth})")
    taking = script("x", "true", inputs={"parameters": [{"name": "p"}]})
    read = {"parameters": {"p": "{{=toJson(fromJSON(tasks.a.outputs.result))}}"}}
    main = dag(
        "main", task("a"), task("each", "a", withItems=[1, 2]),
        task("loop", "nop", "a", withParam="{{tasks.a.outputs.result}}"),
        task("expression", "x", "a", **read),
        task("list", "x", "each", parameters={"p": "{{tasks.each.outputs.result}}"}),
        failFast=False,
    )  # fmt: skip
    outcome, results = ran(workflow(main, deep, taking, NOP), tmp_path)
    assert results["a"]["state"] == "Succeeded"
    for name in ("loop", "expression"):
        assert outcome.nodes[f"main/{name}"].phase == "Error"
        assert "exceeded max depth" in outcome.nodes[f"main/{name}"].message


@pytest.mark.parametrize("depth", [150, 5000])
@pytest.mark.parametrize("when", ["{}1 == 1{}", "{{{{={}1{}}}}} == 1"])
def test_a_condition_that_is_nested_too_deeply_is_an_error_or_holds(when, depth, tmp_path):
    condition = when.format(depth * "(", depth * ")")
    outcome, _ = ran(workflow(dag("main", task("a", "nop", when=condition)), NOP), tmp_path)
    if outcome.phase != "Succeeded":
        assert outcome.phase == "Error"
        assert "exceeded max depth" in str([node.message for node in outcome.nodes.values()])


def test_a_number_of_many_digits_is_the_text_that_it_is(tmp_path):
    digits = "9" * 5000
    make = script("a", f"printf '[{digits},{{\"k\":{digits}}}]'")
    show = script("x", "cat /in/p > /tmp/o", inputs={"artifacts": [{"name": "p", "path": "/in/p"}]})
    show["outputs"] = {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}
    raw = {"name": "p", "raw": {"data": "{{item}}"}}
    loop = task("x", depends="a", withParam="{{tasks.a.outputs.result}}", artifacts=[raw])
    outcome, _ = ran(workflow(dag("main", task("a"), loop), make, show), tmp_path)
    shown = [node.outputs["o"] for path, node in outcome.nodes.items() if path.startswith("main/x(")]
    assert shown == [digits, f'{{"k":{digits}}}']


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
    make = mounting("x", "true")
    make["script"]["volumeMounts"].append({"name": "w", "mountPath": "/mnt/vol/in"})
    outer = make["script"]["volumeMounts"][0]["name"]
    volumes = [{"name": outer, "configMap": {"name": "m"}}, {"name": "w", "emptyDir": {}}]
    manifest = workflow(dag("main", task("x")), make, volumes=volumes)
    objects = [{"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"in": "taken"}}]
    outcome = run(manifest, RunOptions(tmp_path / "out", objects=objects))
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


# --- what a leaf or a machine does to a run ---


def test_a_daemon_that_a_leaf_leaves_in_a_session_of_its_own_ends_with_the_run(tmp_path):
    if not Path("/proc/self/environ").exists():
        pytest.skip("only Linux tells the environment of a process")
    daemon = (
        f"import os, time; os.setsid(); open('{tmp_path}/pid', 'w').write(str(os.getpid())); time.sleep(60)"
    )
    source = f'python3 -c "{daemon}" >/dev/null 2>&1 & while [ ! -s {tmp_path}/pid ]; do sleep 0.05; done'
    began = time.monotonic()
    outcome, _ = ran(workflow(dag("main", task("x")), script("x", source)), tmp_path / "out")
    assert outcome.succeeded
    assert time.monotonic() - began < 30
    assert is_gone((tmp_path / "pid").read_text())


def test_a_leaf_that_does_not_heed_its_deadline_is_killed(tmp_path):
    deaf = script("x", "trap '' TERM; while :; do sleep 0.1; done", timeout="2s")
    began = time.monotonic()
    outcome, _ = ran(workflow(dag("main", task("x")), deaf), tmp_path)
    assert time.monotonic() - began < 30
    assert (outcome.nodes["main/x"].phase, outcome.nodes["main/x"].exit_code) == ("Failed", "137")


def test_a_pipe_or_a_device_is_no_output(tmp_path):
    for source, path in (("mkfifo /tmp/o", "/tmp/o"), ("ln -s /dev/zero /tmp/z", "/tmp/z")):
        x = script("x", source, outputs={"parameters": [{"name": "o", "valueFrom": {"path": path}}]})
        outcome, _ = ran(workflow(dag("main", task("x")), x), tmp_path)
        copy = f"/var/run/argo/outputs/parameters/{path}"
        why = f"failed to copy {path} to {copy}: write {copy}: is no regular file"
        assert outcome.nodes["main/x"].phase == "Failed"
        assert outcome.nodes["main/x"].message == f"main: Error (exit code 64): {why}"
    for archive in ({}, {"archive": {"none": {}}}):
        artifact = {"name": "o", "path": "/tmp/o", "s3": {"key": "o"}, **archive}
        x = script("x", "mkfifo /tmp/o", outputs={"artifacts": [artifact]})
        outcome, _ = ran(workflow(dag("main", task("x")), x), tmp_path)
        assert outcome.nodes["main/x"].phase == "Error"
        assert outcome.nodes["main/x"].message.endswith("/tmp/o is no regular file; ")


def read_by(source):
    """Return a leaf's manifest whose stdout another task reads, so that it is kept."""
    main = dag("main", task("x"), task("y", "nop", "x", parameters={"a": "{{tasks.x.outputs.result}}"}))
    return workflow(main, script("x", source), NOP)


def growth_of(work):
    """Do a work in a process of its own; return the KiB by which its memory was larger at most.

    Of this one the most is known that it ever had, also before.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            work()
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os.write(writing, f"{grown // (1024 if sys.platform == 'darwin' else 1)}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        return int(file.read())


def test_the_memory_that_a_work_takes_is_found_although_there_was_more_before():
    assert len(b"x" * 200_000_000) == 200_000_000
    assert 90_000 < growth_of(lambda: b"x" * 100_000_000) < 150_000
    assert growth_of(lambda: None) < 10_000


@pytest.mark.slow
def test_a_gigabyte_of_output_is_logged_and_its_end_is_the_result(tmp_path):
    manifest = read_by("head -c 1000000000 /dev/zero | tr '\\0' a; echo end")
    assert growth_of(lambda: ran(manifest, tmp_path)) < 100_000
    result = json.loads((tmp_path / "status.json").read_text())["nodes"]["main/x"]["result"]
    assert result.endswith("aend")
    assert len(result) == 256 * 1024
    assert (tmp_path / "logs/x.log").stat().st_size == 1000000004


def test_output_that_is_no_text_is_kept_as_text_and_logged_as_it_is(tmp_path):
    manifest = read_by("printf '\\377\\000\\033[31m'")
    outcome, _ = ran(manifest, tmp_path)
    assert outcome.nodes["main/x"].result == "\ufffd\0\x1b[31m"
    assert (tmp_path / "logs/x.log").read_bytes() == b"\xff\0\x1b[31m"
    again = run(manifest, RunOptions(tmp_path, resume=Resume()))
    assert (again.taken, again.nodes["main/x"].result) == (1, "\ufffd\0\x1b[31m")


GONE = """
@task.shell(image="busybox:1", each={each!r})
def copy():
    return 'cat {read} > "$OUTPUT_DIR/copy-$INDEX"'

from dsl import Artifacts, Volume
with DAG("d", storage={storage}):
    Files("data/*.txt") >> copy
"""


@pytest.mark.parametrize("storage", ["Artifacts()", "Volume('disk')"])
@pytest.mark.parametrize(("each", "read"), [("item", '"$INPUT_FILE"'), ("all", '"$INPUT_DIR"/*')])
def test_a_file_that_goes_between_its_listing_and_its_reading_is_named(storage, each, read, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "data" / name).write_text(name)
    manifest = compile_file(write(tmp_path, GONE.format(storage=storage, each=each, read=read)))
    (tmp_path / "data/b.txt").unlink()
    outcome = run(manifest, RunOptions(tmp_path / "out", inputs=tmp_path))
    found = Counter(node.phase for path, node in outcome.nodes.items() if path != "main")
    assert found == ({"Failed": 1, "Succeeded": 1} if each == "item" else {"Failed": 1})
    assert "item 1 (b.txt): input file b.txt is missing" in (tmp_path / "out/logs/copy.log").read_text()


def test_a_link_that_leads_nowhere_is_left_out_of_a_folder_that_is_read(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    (folder / "here").write_text("x")
    read = script("x", "ls /in > /tmp/o", inputs={"artifacts": [
        {"name": "in", "path": "/in", "s3": {"key": "inputs/data"}}]},
        outputs={"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]})  # fmt: skip
    outcome = run(workflow(dag("main", task("x")), read), RunOptions(tmp_path / "out", inputs=tmp_path))
    assert outcome.nodes["main/x"].outputs == {"o": "here"}


def test_a_file_system_that_is_read_only_is_refused(small):
    manifest = workflow(dag("main", task("nop")), NOP)
    assert run(manifest, RunOptions(small / "former")).succeeded
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    for options in (RunOptions(small / "out"), RunOptions(small / "former", resume=Resume())):
        with pytest.raises(Unusable, match="cannot hold a run: Read-only file system"):
            run(manifest, options)
    assert (small / "former/results.json").exists()


def test_a_full_disk_fails_what_finds_no_room_and_loses_nothing(small, tmp_path):
    fill = f"[ -e {tmp_path}/room ] || head -c 4000000 /dev/zero > {small}/fill"
    fill += "; echo {{inputs.parameters.n}}"
    x = script("x", fill, inputs={"parameters": [{"name": "n"}]})
    main = dag("main", task("a", "x", parameters={"n": "1"}), task("b", "x", "a", parameters={"n": "2"}))
    manifest = workflow(main, x)
    assert run(manifest, RunOptions(small / "out")).phase in ("Failed", "Error")
    (small / "fill").unlink()
    (tmp_path / "room").touch()
    again = run(manifest, RunOptions(small / "out", resume=Resume()))
    assert (again.phase, phases(again)["main/b"]) == ("Succeeded", "Succeeded")
    assert run(manifest, RunOptions(small / "out", resume=Resume())).taken == 2


def test_a_result_whose_log_has_no_room_is_an_error_and_no_empty_result(small):
    fill = f"head -c 4000000 /dev/zero > {small}/fill; echo RESULT; sleep 0.2; rm {small}/fill"
    outcome = run(read_by(fill), RunOptions(small / "out"))
    assert outcome.nodes["main/x"].phase == "Error"
    assert outcome.nodes["main/x"].message == "the log cannot be written: No space left on device"


def test_a_daemon_that_keeps_stdout_delays_nobody_and_adds_nothing(tmp_path, capfd):
    daemon = "trap '' HUP; while sleep 1; do echo late || exit; done"
    outcome, _ = ran(read_by(f'cd /; setsid sh -c "{daemon}" & echo result'), tmp_path)
    node = outcome.nodes["main/x"]
    assert (node.phase, node.result) == ("Succeeded", "result")
    assert node.finished - node.started < 30
    assert (tmp_path / "logs/x.log").read_text() == "result\n"
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_thousands_of_partitions_are_taken_over(tmp_path):
    loop = task("x", withSequence={"count": str(PARTITIONS)})
    manifest = workflow(dag("main", loop), {"name": "x", "container": {"image": "x", "command": ["true"]}})
    assert run(manifest, RunOptions(tmp_path, jobs=8)).succeeded
    assert run(manifest, RunOptions(tmp_path, resume=Resume())).taken == PARTITIONS


@pytest.mark.skipif(sys.platform != "linux", reason="others have no limit of one argument")
@pytest.mark.parametrize(
    ("args", "env", "what"),
    [
        (["a", "x" * (LONGEST + 1)], {}, f"argument 2 has {LONGEST + 1} bytes, and Linux takes {LONGEST}"),
        (["$(B)"], {"A": "", "B": "\N{DEGREE SIGN}" * LONGEST},
         f"the variable B has {2 * LONGEST + 2} bytes, and Linux takes {LONGEST}"),
        ([], {f"A{number:02}": "x" * (LONGEST - 4) for number in range(60)},
         rf"all arguments and variables have \d+ bytes, the variable A59 {LONGEST} of them"),
        (["x" * LONGEST], {"A": "x" * (LONGEST - 2)}, ""),
    ],
)  # fmt: skip
def test_what_is_too_long_for_a_program_is_told_with_its_size(args, env, what, tmp_path):
    variables = [{"name": name, "value": value} for name, value in env.items()]
    echo = {"image": "busybox:1", "command": ["echo"], "args": args, "env": variables}
    node = ran(workflow({"name": "main", "container": echo}), tmp_path)[0].nodes["main"]
    began = 'main: Error (exit code 64): failed to find name in PATH: exec: "echo": argument list too long: '
    assert (node.phase, node.exit_code) == (("Failed", "64") if what else ("Succeeded", "0"))
    assert re.fullmatch(re.escape(began) + what if what else "", node.message)
