"""Daemons: others go on when they are ready, and they end with the template that started them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from engine.manifests import dag, phases, ran, task, workflow

from dsl.engine import Refused, Resume, RunOptions, read_definition, run
from dsl.engine.refusals import refuse
from tests.harness import heed_signals

FOREVER = "exec sleep 600"


def daemon(source, name="d", probe=None, **more):
    script = {"image": "busybox:1", "command": ["sh"], "source": source}
    return {
        "name": name,
        "daemon": True,
        "script": {**script, "readinessProbe": probe} if probe else script,
        **more,
    }


def client(source, name="c", **more):
    script = {"image": "busybox:1", "command": ["sh"], "source": source}
    return {"name": name, "script": script, **more}


def executed(command, **more):
    return {"exec": {"command": ["sh", "-c", command]}, **more}


def runs(file):
    """Whether the process runs whose id is in a file."""
    try:
        os.kill(int(file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_others_go_on_when_a_daemon_is_ready_and_it_ends_with_its_dag(tmp_path):
    own, seen = tmp_path / "own", tmp_path / "seen"
    says = f"test -e {tmp_path}/ready && kill -0 $(cat {own}) && echo '{{{{inputs.parameters.x}}}}' > {seen}"
    serve = daemon(
        f"echo $$$$ > {own}; sleep 0.3; touch {tmp_path}/ready; {FOREVER}",
        probe=executed(f"test -e {tmp_path}/ready"),
    )
    call = task("c", depends="d", parameters={"x": "{{tasks.d.ip}} {{tasks.d.status}}"})
    main = dag("main", task("d"), call)
    given = client(says, inputs={"parameters": [{"name": "x"}]})
    outcome, _ = ran(workflow(main, serve, given), tmp_path / "out", jobs=1)
    assert phases(outcome) == {"main": "Succeeded", "main/d": "Succeeded", "main/c": "Succeeded"}
    assert seen.read_text() == "127.0.0.1 Running\n"
    assert outcome.nodes["main/d"].exit_code is None
    assert not runs(own)
    assert not list((tmp_path / "out" / ".argosy" / "tasks").iterdir())


@pytest.mark.parametrize("named", [False, True])
def test_a_daemon_is_ready_when_its_port_answers(named, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    serve = f"s = socket.create_server(('127.0.0.1', {port}))"
    listen = f"import socket, time; time.sleep(0.3); {serve}; time.sleep(600)"
    probe = {"tcpSocket": {"port": "here" if named else port}}
    serve = daemon(listen, probe=probe)
    serve["script"] |= {"command": ["python3"], "ports": [{"name": "here", "containerPort": port}]}
    ask = client(f"import socket; socket.create_connection(('127.0.0.1', {port}))")
    ask["script"]["command"] = ["python3"]
    outcome, _ = ran(workflow(dag("main", task("d"), task("c", depends="d.Daemoned")), serve, ask), tmp_path)
    assert outcome.phase == "Succeeded"


SERVER = """
import http.server, itertools
answers = itertools.chain([503, 404], itertools.repeat(302))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = next(answers) if self.path == "/ready" and self.headers["X"] == "x" else 400
        open({file!r}, "a").write(f"{{code}} ")
        self.send_response(code)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", {port}), Answer).serve_forever()
"""


def test_a_daemon_is_ready_when_it_responds_without_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    probe = {"httpGet": {"port": port, "path": "/ready", "httpHeaders": [{"name": "X", "value": "x"}]}}
    serve = daemon(SERVER.format(file=f"{tmp_path}/codes", port=port), probe={**probe, "successThreshold": 2})
    serve["script"]["command"] = ["python3"]
    outcome, _ = ran(
        workflow(dag("main", task("d"), task("c", depends="d")), serve, client("true")), tmp_path / "out"
    )
    assert outcome.phase == "Succeeded"
    assert (tmp_path / "codes").read_text() == "503 404 302 302 "


def test_a_daemon_that_ends_by_itself_has_failed(tmp_path):
    serve = daemon(f"until test -e {tmp_path}/end; do sleep 0.05; done; touch {tmp_path}/ended")
    last = client(f"touch {tmp_path}/end; until test -e {tmp_path}/ended; do sleep 0.05; done; sleep 0.5")
    main = dag("main", task("d"), task("c", depends="d"), task("e", "c", depends="c && d"))
    outcome, _ = ran(workflow(main, serve, last), tmp_path / "out")
    ended = {"main": "Failed", "main/d": "Failed", "main/c": "Succeeded", "main/e": "Omitted"}
    assert phases(outcome) == ended
    assert outcome.nodes["main/d"].exit_code == "0"


def test_a_daemon_that_fails_before_it_is_ready_omits_what_waits_for_it(tmp_path):
    main = dag("main", task("d"), task("c", depends="d"))
    serve = daemon("sleep 0.2; exit 3", probe=executed("false"))
    outcome, _ = ran(workflow(main, serve, client("true")), tmp_path)
    assert phases(outcome) == {"main": "Failed", "main/d": "Failed", "main/c": "Omitted"}
    assert outcome.nodes["main/d"].message == "main: Error (exit code 3)"


def test_a_startup_probe_that_never_succeeds_fails_its_daemon(tmp_path):
    serve = daemon(FOREVER)
    serve["script"]["startupProbe"] = executed("false", periodSeconds=1, failureThreshold=1)
    outcome, _ = ran(
        workflow(dag("main", task("d"), task("c", depends="d")), serve, client("true")), tmp_path
    )
    assert outcome.nodes["main/d"].message == "Startup probe failed"
    assert outcome.nodes["main/c"].phase == "Omitted"


def test_a_daemon_that_fails_is_tried_again_beside_those_that_went_on(tmp_path):
    first = f"until test -e {tmp_path}/c; do sleep 0.05; done; exit 1"
    again = f"touch {tmp_path}/again; {FOREVER}"
    serve = daemon("test {{retries}} = 1 && { " + again + "; }\n" + first, retryStrategy={"limit": "2"})
    wait = client(f"touch {tmp_path}/c; until test -e {tmp_path}/again; do sleep 0.05; done; sleep 0.2")
    outcome, _ = ran(workflow(dag("main", task("d"), task("c", depends="d")), serve, wait), tmp_path / "out")
    assert phases(outcome) == {
        "main": "Succeeded", "main/d": "Succeeded", "main/d(0)": "Failed", "main/d(1)": "Succeeded",
        "main/c": "Succeeded",
    }  # fmt: skip


def test_a_daemon_whose_next_attempt_waits_ends_with_its_dag(tmp_path):
    rule = {"limit": "1", "backoff": {"duration": "60"}}
    serve = daemon(f"until test -e {tmp_path}/c; do sleep 0.05; done; exit 1", retryStrategy=rule)
    began = time.monotonic()
    main = dag("main", task("d"), task("c", depends="d"))
    outcome, _ = ran(workflow(main, serve, client(f"touch {tmp_path}/c; sleep 0.7")), tmp_path / "out")
    assert (outcome.phase, outcome.nodes["main/d"].phase) == ("Succeeded", "Succeeded")
    assert time.monotonic() - began < 30


def test_a_daemon_whose_next_attempt_waits_for_a_place_does_not_start(tmp_path):
    source = (
        f"echo {{{{retries}}}} >> {tmp_path}/ran; until test -e {tmp_path}/c; do sleep 0.05; done; exit 1"
    )
    serve = daemon(source, retryStrategy={"limit": "1"})
    main = dag("main", task("d"), task("c", depends="d"))
    flow = workflow(main, serve, client(f"touch {tmp_path}/c; sleep 0.7"))
    outcome, _ = ran(flow, tmp_path / "out", jobs=1)
    attempts = {"main/d": "Succeeded", "main/d(0)": "Failed", "main/d(1)": "Succeeded"}
    assert phases(outcome) == {"main": "Succeeded", "main/c": "Succeeded", **attempts}
    assert (tmp_path / "ran").read_text() == "0\n"


def test_a_daemon_of_steps_ends_with_them_and_not_with_the_workflow(tmp_path):
    own = tmp_path / "own"
    first = {
        "name": "ask",
        "template": "alive",
        "arguments": {"parameters": [{"name": "x", "value": "{{steps.d.ip}}"}]},
    }
    inner = {"name": "inner", "steps": [[{"name": "d", "template": "d"}], [first]]}
    alive = client(f"kill -0 $(cat {own}) && test {{{{inputs.parameters.x}}}} = 127.0.0.1", "alive")
    alive["inputs"] = {"parameters": [{"name": "x"}]}
    dead = client(
        f"for i in 1 2 3 4 5 6 7 8 9; do kill -0 $(cat {own}) || exit 0; sleep 0.2; done; exit 1", "dead"
    )
    serve = daemon(f"echo $$$$ > {own}; {FOREVER}", probe=executed(f"test -s {own}"))
    main = dag("main", task("inner"), task("dead", depends="inner"))
    outcome, _ = ran(workflow(main, inner, serve, alive, dead), tmp_path / "out")
    assert outcome.phase == "Succeeded", phases(outcome)
    assert outcome.nodes["main/inner/d"].phase == "Succeeded"


def test_a_loop_of_daemons_is_done_when_all_are_ready(tmp_path):
    serve = daemon(
        f"touch {tmp_path}/{{{{inputs.parameters.x}}}}; {FOREVER}", inputs={"parameters": [{"name": "x"}]}
    )
    serve["script"]["readinessProbe"] = executed(f"test -e {tmp_path}/{{{{inputs.parameters.x}}}}")
    loop = task("d", withItems=["a", "b"], parameters={"x": "{{item}}"})
    main = dag("main", loop, task("c", depends="d.Succeeded"))
    outcome, _ = ran(
        workflow(main, serve, client(f"test -e {tmp_path}/a -a -e {tmp_path}/b")), tmp_path / "out"
    )
    assert set(phases(outcome).values()) == {"Succeeded"}


def test_a_workflow_that_is_a_daemon_succeeds_when_it_is_ready(tmp_path):
    outcome, _ = ran(workflow(daemon(FOREVER, "main")), tmp_path)
    assert phases(outcome) == {"main": "Succeeded"}


@pytest.mark.parametrize("limited", ["workflow", "dag"])
def test_a_daemon_counts_among_what_runs_at_once(limited, tmp_path):
    limit = {"parallelism": 1}
    main = dag("main", task("d"), task("c", depends="d"), **(limit if limited == "dag" else {}))
    spec = limit if limited == "workflow" else {}
    outcome, _ = ran(workflow(main, daemon(FOREVER), client("true"), **spec), tmp_path)
    of = "the workflow" if limited == "workflow" else "main"
    assert outcome.stuck == f"daemons take up the parallelism of {of}"
    assert outcome.to_status()["nodes"]["main/d"] == {
        "type": "Pod", "phase": "Running", "message": "", "daemoned": True
    }  # fmt: skip


@pytest.mark.slow
def test_a_daemon_that_ignores_its_end_is_killed(tmp_path):
    own = tmp_path / "own"
    serve = daemon(
        f"trap '' TERM; echo $$$$ > {own}; while :; do sleep 0.1; done", probe=executed(f"test -s {own}")
    )
    outcome, _ = ran(
        workflow(dag("main", task("d"), task("c", depends="d")), serve, client("true")), tmp_path / "out"
    )
    assert outcome.phase == "Succeeded"
    assert not runs(own)


@pytest.mark.slow
def test_an_ended_daemon_that_ignores_its_end_keeps_no_place_from_others(tmp_path):
    stubborn = f"trap '' TERM; touch {tmp_path}/d; while :; do sleep 0.1; done"
    serve = daemon(stubborn, probe=executed(f"test -e {tmp_path}/d"))
    meets = "touch {0}/{1}; for _ in $(seq 40); do test -e {0}/{2} && exit; sleep 0.05; done; exit 1"
    pair = (client(meets.format(tmp_path, *names), names[0]) for names in ("ab", "ba"))
    main = dag("main", task("inner"), task("a", depends="inner"), task("b", depends="inner"))
    inner = dag("inner", task("d"), task("c", depends="d"))
    outcome, _ = ran(workflow(main, inner, serve, client("true"), *pair), tmp_path / "out", jobs=2)
    assert outcome.succeeded


def test_a_run_that_is_taken_up_starts_its_daemon_again(tmp_path):
    said = executed(f"tail -n 1 {tmp_path}/ran | grep -q d")
    serve = daemon(f"echo d >> {tmp_path}/ran; {FOREVER}", probe=said)
    fails = client(f"echo c >> {tmp_path}/ran; test -e {tmp_path}/good")
    flow = workflow(
        dag("main", task("d"), task("b", "b", depends="d"), task("c", depends="b")),
        serve,
        fails,
        client("true", "b"),
    )
    assert run(flow, RunOptions(tmp_path / "out")).phase == "Failed"
    (tmp_path / "good").touch()
    outcome = run(flow, RunOptions(tmp_path / "out", resume=Resume()))
    assert (outcome.phase, outcome.taken) == ("Succeeded", 1)
    outcome = run(flow, RunOptions(tmp_path / "out", resume=Resume(only="c")))
    assert (outcome.phase, outcome.taken) == ("Succeeded", 1)
    assert (tmp_path / "ran").read_text().split() == ["d", "c", "d", "c", "d", "c"]


def test_an_interrupt_ends_daemons_too(tmp_path):
    own = tmp_path / "own"
    serve = daemon(f"echo $$$$ > {own}; {FOREVER}", probe=executed(f"test -s {own}"))
    main = dag("main", task("d"), task("c", depends="d"))
    (tmp_path / "flow.json").write_text(
        json.dumps(workflow(main, serve, client(f"touch {tmp_path}/c; {FOREVER}")))
    )
    command = [sys.executable, "-m", "dsl", "run", "flow.json", "--out", "out", "--quiet"]
    with subprocess.Popen(command, cwd=tmp_path, preexec_fn=heed_signals) as process:
        until = time.monotonic() + 60
        while not (tmp_path / "c").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert not runs(own)
    assert json.loads((tmp_path / "out" / "status.json").read_text())["nodes"]["main/d"]["phase"] == "Failed"


def test_an_interrupt_while_a_stubborn_daemon_ends_finds_the_results_written(tmp_path):
    own = tmp_path / "own"
    stubborn = f"trap '' TERM; echo $$$$ > {own}; while :; do sleep 0.1; done"
    serve = daemon(stubborn, probe=executed(f"test -s {own}"))
    flow = workflow(dag("main", task("d"), task("c", depends="d")), serve, client("true"))
    (tmp_path / "flow.json").write_text(json.dumps(flow))
    results = tmp_path / "out" / "results.json"
    command = [sys.executable, "-m", "dsl", "run", "flow.json", "--out", "out", "--quiet"]
    with subprocess.Popen(command, cwd=tmp_path, preexec_fn=heed_signals) as process:
        until = time.monotonic() + 60
        while not results.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        assert runs(own)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    assert not runs(own)
    assert json.loads(results.read_text())["phase"] == "Succeeded"


def test_what_a_daemon_cannot_do_here_is_refused_by_name():
    definition = read_definition(workflow(daemon(FOREVER, "main", probe={"grpc": {"port": 1}})))
    with pytest.raises(Refused) as here:
        refuse(definition, in_containers=False)
    with pytest.raises(Refused) as there:
        refuse(definition, in_containers=True)
    assert "not supported: grpc readinessProbe of template main: use an exec, " in str(here.value)
    assert "daemon in containers of template main" not in str(here.value)
    assert "daemon in containers of template main: others could not reach it" in str(there.value)


@pytest.mark.parametrize("kind", ["startupProbe", "readinessProbe"])
@pytest.mark.parametrize(
    ("probe", "why"),
    [
        ({"exec": {"command": []}}, "exec.command is required, a list of texts"),
        ({"exec": {"command": "true"}}, "exec.command is required, a list of texts"),
        ({"exec": ["true"]}, "exec is no mapping: ['true']"),
        ({"httpGet": "x"}, "httpGet is no mapping: x"),
        ({"exec": None, "tcpSocket": {}}, "tcpSocket.port is required"),
        ({"httpGet": {"path": "/"}}, "httpGet.port is required"),
        ({"tcpSocket": {"port": 70000}}, "tcpSocket.port is over 65535: 70000"),
        ({"periodSeconds": 1}, "exec is required, or httpGet, or tcpSocket"),
        (executed("true", periodSeconds="soon"), "periodSeconds is no whole number: soon"),
        (executed("true", periodSeconds=True), "periodSeconds is no whole number: True"),
        (executed("true", failureThreshold=1.5), "failureThreshold is no whole number: 1.5"),
        (executed("true", failureThreshold=[3]), "failureThreshold is no whole number: [3]"),
    ],
)
def test_a_probe_that_kubernetes_does_not_take_is_refused(kind, probe, why):
    serve = daemon(FOREVER, "main")
    serve["script"][kind] = probe
    with pytest.raises(Refused) as refused:
        refuse(read_definition(workflow(serve)), in_containers=False)
    assert str(refused.value) == f"templates.main.{kind}.{why}"


def test_a_probe_that_cannot_be_tried_fails_its_daemon(tmp_path):
    serve = daemon(FOREVER, probe={"exec": {"command": ["a\0b"]}})
    outcome, _ = ran(
        workflow(dag("main", task("d"), task("c", depends="d")), serve, client("true")), tmp_path / "out"
    )
    assert outcome.phase == "Failed"
    assert outcome.nodes["main/d"].message.startswith("a probe cannot be tried: ValueError: ")
