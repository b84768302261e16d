"""Progress of a run, as lines and as bars."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from dsl.engine.causes import cause_of
from dsl.engine.outcome import NodeOutcome, Outcome
from dsl.engine.progress import LeafEvent
from dsl.report import console
from dsl.watch import Lines, Screen, closing, failure, untold, watcher, why_it_ended


def event(phase, attempt=1, message=""):
    return LeafEvent(
        "warp", "main/warp(0)", attempt, phase, message, 0.5, Path("logs/warp.log"), Path("warp-1.log")
    )


def play(watch):
    with watch:
        watch.expected("warp", 3)
        watch.started(event("Running"))
        watch.ended(event("Failed", message="[red]no\x1b"))
        watch.started(event("Running", attempt=2))
        watch.ended(event("Succeeded"))
        watch.started(event("Running"))
        watch.ended(event("Succeeded"))
        watch.skipped("warp", 1)
    return watch


def test_lines_tell_failures_and_what_is_done():
    stream = io.StringIO()
    play(Lines(console(stream)))
    assert stream.getvalue().splitlines() == [
        "warp (main/warp(0)) failed: [red]no\\x1b; log: logs/warp.log",
        "warp: 3/3, 1 not run, 1 retry",
    ]


def test_a_failure_shows_the_end_of_its_log(tmp_path):
    log = tmp_path / "warp.log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(2000)) + b"\x1b[2J\xff\n")
    failed = LeafEvent("warp", "main/warp", 1, "Failed", "", 0.5, tmp_path / "task.log", log)
    assert failure(failed, *cause_of(failed.task, failed.message, failed.lines)).plain.splitlines()[1:] == [
        "  | line 1996",
        "  | line 1997",
        "  | line 1998",
        "  | line 1999",
        "  | \\x1b[2J\ufffd",
    ]


def test_a_failure_names_the_item_that_its_worker_names(tmp_path):
    log = tmp_path / "warp-1.log"
    log.write_text("no such band\nargosy: warp: item 3 (b.tif): the program ended with exit status 2\n")
    failed = LeafEvent("warp", "main/warp", 1, "Failed", "main: Error (exit code 2)", 0.5, Path("w.log"), log)
    assert failure(failed, *cause_of(failed.task, failed.message, failed.lines)).plain.splitlines() == [
        "warp (main/warp) failed: item 3 (b.tif): the program ended with exit status 2; log: w.log",
        "  | no such band",
    ]


def test_a_run_that_is_long_says_how_far_it_is():
    stream = io.StringIO()
    watch = Lines(console(stream))
    watch.expected("warp", 5)
    for _ in range(3):
        watch.started(event("Running"))
    watch.ended(event("Succeeded"))
    assert not stream.getvalue()
    watch.tallies["warp"].began -= 20
    watch._last -= 31
    watch.ended(event("Succeeded"))
    assert stream.getvalue() == "warp: 2/5, 1 running, 6.0/min, 30 s left\n"


def test_failures_alone_are_told_when_quiet():
    stream = io.StringIO()
    play(watcher(console(stream), quiet=True))
    assert stream.getvalue() == "warp (main/warp(0)) failed: [red]no\\x1b; log: logs/warp.log\n"


def test_what_the_compiler_put_beside_the_tasks_names_the_tasks_that_made_it_fail():
    boolean = "failed to resolve references: Expected boolean evaluation for 'failed'. Got failed"
    nodes = {
        "main": NodeOutcome("DAG", "Failed", ""),
        "main/bad": NodeOutcome("Pod", "Failed", "main: Error (exit code 3)", template="bad"),
        "main/verdict": NodeOutcome("Steps", "Failed", boolean, template="verdict"),
        "main/verdict/[1]": NodeOutcome("StepGroup", "Error", boolean),
    }
    outcome = Outcome("x", "Failed", "", nodes)
    states = {"bad": "Failed", "alarm": "Succeeded", "late": "Omitted"}
    assert untold(outcome, states).plain == "the run failed because bad failed\n"
    many = {**dict.fromkeys("abcde", "Error"), **states}
    assert untold(outcome, many).plain == "the run failed because a, b, c and 3 more failed\n"
    assert untold(outcome, {"late": "Omitted"}).plain == "the run failed because late did not run\n"


def test_a_foreign_template_may_be_called_verdict():
    nodes = {"main": NodeOutcome("Steps", "Error", "no such step", template="verdict")}
    assert untold(Outcome("x", "Error", "", nodes), {}).plain == "main error: no such step\n"


def test_a_node_is_told_that_failed_by_itself_and_has_no_pod():
    nodes = {
        "main": NodeOutcome("DAG", "Error", "child 'main/b' errored"),
        "main/a": NodeOutcome("Skipped", "Skipped", "when 'false' evaluated false"),
        "main/b": NodeOutcome("Skipped", "Error", "bool is\x1b not a number"),
        "main/c": NodeOutcome("Retry", "Failed", "No more retries left"),
        "main/c(0)": NodeOutcome("Pod", "Failed", "exit code 1", flag="retried"),
    }
    assert untold(Outcome("x", "Error", "", nodes), {}).plain == "main/b error: bool is\\x1b not a number\n"


def test_a_loop_that_grows_is_told_again():
    stream = io.StringIO()
    watch = play(Lines(console(stream)))
    watch.expected("warp", 1)
    watch.started(event("Running"))
    watch.ended(event("Succeeded"))
    assert stream.getvalue().splitlines()[-1] == "warp: 4/4, 1 not run, 1 retry"


def test_a_last_pod_that_had_success_the_second_time_is_told_so():
    stream = io.StringIO()
    with Lines(console(stream)) as watch:
        watch.expected("warp", 1)
        for phase, attempt in (("Failed", 1), ("Succeeded", 2)):
            watch.started(event("Running", attempt))
            watch.ended(event(phase, attempt, "no"))
    assert stream.getvalue().splitlines()[1:] == ["warp: 1/1, 1 failed", "warp: 1/1, 1 retry"]


@pytest.mark.parametrize(
    ("phase", "line"), [("Succeeded", "warp: 1/1, 1 retry"), ("Failed", "warp: 1/1, 1 failed, 1 retry")]
)
def test_a_failure_that_may_be_tried_again_is_not_told_as_the_end_of_its_task(phase, line):
    stream = io.StringIO()
    with Lines(console(stream)) as watch:
        watch.expected("warp", 1)
        for each, attempt in (("Failed", 1), (phase, 2)):
            watch.started(event("Running", attempt))
            watch.ended(event(each, attempt, "no")._replace(may_go_on=True))
    assert [each for each in stream.getvalue().splitlines() if "log:" not in each] == [line]


def test_a_screen_has_a_bar_per_function_and_leaves_none_behind():
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=100, height=10, markup=False, highlight=False)
    watch = play(Screen(terminal))
    text = stream.getvalue()
    assert "[red]no\\x1b" in text
    with terminal.capture() as captured:
        terminal.print(watch)
    assert "3/3, 1 not run, 1 retry" in captured.get()


def test_a_bar_shows_the_pace_of_what_runs():
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    watch = Screen(terminal)
    watch.expected("warp", 7)
    watch.started(event("Running"))
    watch.started(event("Running"))
    watch.ended(event("Succeeded"))
    watch.tallies["warp"].began -= 10
    with terminal.capture() as captured:
        terminal.print(watch)
    assert "1/7, 1 running" in captured.get()
    assert "6.0/min, 1 min 0 s left" in captured.get()


def test_a_screen_shows_what_is_at_work_when_not_all_fits():
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80, height=5)
    watch = Screen(terminal)
    for number in range(50):
        watch.expected(f"task-{number}", 1)
        if number < 48:
            watch.skipped(f"task-{number}", 1)
    with terminal.capture() as captured:
        terminal.print(watch)
    shown = [line.split()[0] for line in captured.get().splitlines()]
    assert shown == ["task-48", "task-49"]


def test_without_a_terminal_there_are_lines():
    assert isinstance(watcher(console(io.StringIO())), Lines)
    assert isinstance(watcher(Console(file=io.StringIO(), force_terminal=True, _environ={})), Screen)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(watcher(dumb), Lines)


def test_the_last_line_says_how_it_ended_and_where_the_results_are():
    assert closing("Succeeded", "", 1.26, "out").plain == "succeeded after 1.3 s; results in out"
    assert (
        closing("Succeeded", "", 1, "out", 2).plain
        == "succeeded after 1.0 s; 2 pods taken over; results in out"
    )
    assert closing("Failed", "x\n", 1, "out").plain == "failed after 1.0 s: x\\n; results in out"


def test_failures_of_one_cause_are_shown_a_few_times_and_then_counted(tmp_path):
    stream = io.StringIO()
    with watcher(console(stream), quiet=True) as watch:
        for number in range(150):
            log = tmp_path / f"{number}.log"
            log.write_text(f"argosy: warp: item {number} (a (b) {number}.tif): no band {number}\n")
            watch.ended(LeafEvent("warp", f"main/warp({number})", 1, "Failed", "", 0, Path("w.log"), log))
        watch.ended(LeafEvent("warp", "main/warp(0)", 1, "Error", "other", 0, Path("w.log")))
        watch.ended(LeafEvent("fold", "main/fold", 1, "Error", "other", 0, Path("f.log")))
    *_, third, other, fold, more = stream.getvalue().splitlines()
    assert third == "warp (main/warp(2)) failed: item 2 (a (b) 2.tif): no band 2; log: w.log"
    assert (other[:19], fold[:16]) == ("warp (main/warp(0))", "fold (main/fold)")
    assert more == "warp: 147 failures more like these; log: w.log"


def test_failures_of_one_task_by_many_causes_have_a_limit():
    stream = io.StringIO()
    with watcher(console(stream), quiet=True) as watch:
        for letter in "abcdefghijklmnopqrstuvwxyz":
            watch.ended(LeafEvent("warp", "main/warp", 1, "Failed", f"no {letter}", 0, Path("w.log")))
    assert len(stream.getvalue().splitlines()) == 11


def test_a_recursion_is_told_in_short():
    paths = ["main" + "/again" * depth for depth in range(50)]
    groups = {f"{path}/[0]": NodeOutcome("StepGroup", "Failed", "child 'x-3' failed") for path in paths}
    assert untold(Outcome("x", "Failed", "", groups), {}).plain == ""
    nodes = {f"{path}/x": NodeOutcome("Skipped", "Error", "too deep") for path in paths[1:]}
    assert untold(Outcome("x", "Failed", "", nodes), {}).plain.splitlines() == [
        "main/again/x error: too deep",
        "main/again/again/x error: too deep",
        "main/again/again/again/x error: too deep",
        "and 46 nodes more like these",
    ]
    nodes = {f"{paths[-1]}/x": NodeOutcome("Skipped", "Error", "too deep")}
    assert untold(Outcome("x", "Failed", "", nodes), {}).plain == "main/again (49 times)/x error: too deep\n"


def test_the_last_line_names_what_failed_by_its_path():
    nodes = {
        "main": NodeOutcome("Steps", "Failed", "child 'x-295' failed"),
        "main/[0]": NodeOutcome("StepGroup", "Failed", "child 'x-295' failed"),
        "main/good": NodeOutcome("Pod", "Succeeded", ""),
        "main/bad": NodeOutcome("Pod", "Failed", "main: Error (exit code 1)"),
    }
    assert why_it_ended(Outcome("x", "Failed", "child 'x-295' failed", nodes)) == "main/bad failed"
    assert why_it_ended(Outcome("x", "Failed", "other", nodes)) == "other"
