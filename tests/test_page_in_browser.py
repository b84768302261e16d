"""The page of a run in a real browser: what it shows, to whom, and that nothing in it is executed."""

import json
import re
from collections import Counter
from datetime import datetime

import pytest
from engine.manifests import dag, leaf, ran, task, workflow
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsl.engine import Resume, RunOptions, run
from dsl.page import page
from dsl.report import visible
from tests.browser import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium or Chrome on the PATH")

INDEX = {"index": "{{item}}"}
RETRIES = {"name": "ATTEMPT", "value": "{{retries}}"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the report of a run of 139 pods: `a` fails in partition 7 after a retry, `c` is omitted."""
    out = tmp_path_factory.mktemp("run") / "out"
    flaky = leaf("a", 'echo "said $INDEX"; [ $INDEX != 7 ]', env=[RETRIES], retryStrategy={"limit": "1"})
    first = task("a", withItems=list(range(9)), parameters=INDEX)
    many = task("b", None, "a.Succeeded || a.Failed", withItems=list(range(130)), parameters=INDEX)
    ran(workflow(dag("main", first, many, task("c", None, "a")), flaky, leaf("b", ":"), leaf("c", ":")), out)
    return written(out)


def written(out):
    (out / "report.html").write_text(page(out), encoding="ascii")
    return out / "report.html"


@pytest.fixture
def shown(browser, report):
    page = browser.open(report)
    yield page
    assert page.problems == []
    page.close()


def rows(page):
    return [cells.split("\n") for cells in page.value(
        "[...document.querySelectorAll('#rows tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent).join('\\n'))"
    )]  # fmt: skip


def choose(page, name, value):
    page.value(
        f"{{const one = document.getElementById({json.dumps(name)}); one.value = {json.dumps(value)};"
        " one.dispatchEvent(new Event('input', {bubbles: true}))}"
    )


def click(page, selector):
    page.value(f"document.querySelector({json.dumps(selector)}).dispatchEvent(new MouseEvent('click'))")


def test_it_asks_for_nothing_but_itself(shown, report):
    assert shown.requests == [report.as_uri()]


def test_its_head_says_how_the_run_ended(shown):
    assert shown.value("document.title") == "wf: Failed"
    totals = dict(zip(shown.texts("dt"), shown.texts("dd"), strict=True))
    wanted = {"run": "out", "pods": "139", "succeeded": "138", "failed": "1", "retried": "1", "omitted": "1"}
    assert wanted.items() <= totals.items()


def test_functions_stand_in_a_table_and_in_a_graph(shown):
    assert shown.texts("#graph a title") == [
        "a, 1 of 9 pods failed",
        "b, Succeeded, 130 pods",
        "c, Omitted, 0 pods",
    ]
    assert shown.value("document.querySelectorAll('#graph svg > path:not(.tip)').length") == 2
    assert shown.texts("#functions tbody th") == ["a", "b", "c"]
    assert shown.texts("#functions tbody td:nth-child(3)") == ["", "a", "a"]


def bars(page):
    """Return how many bars there are of each state."""
    found = page.value(
        "[...document.querySelectorAll('#timeline path')]"
        ".flatMap((one) => [...one.getAttribute('d').matchAll('z')].map(() => one.getAttribute('class')))"
    )
    return Counter(found)


def test_every_attempt_has_a_bar(shown):
    assert bars(shown) == {"Succeeded": 138, "Failed": 1, "Retried": 1}
    click(shown, "[data-zoom=in]")
    click(shown, "[data-zoom=in]")
    assert 0 < sum(bars(shown).values()) < 140
    click(shown, "[data-zoom=all]")
    assert sum(bars(shown).values()) == 140


def test_failures_show_the_end_of_their_logs(shown):
    assert shown.texts("#failures details summary") == [
        "\u2717 Failed a(7:7) after 2 attempts: main: Error (exit code 1)"
    ]
    assert shown.texts("#failures pre") == ["said 7"]


def test_pods_are_found_by_state_function_and_text(shown):
    assert len(rows(shown)) == 100
    assert shown.texts("#count") == ["141 rows, 100 shown"]
    click(shown, "#more")
    assert len(rows(shown)) == 141
    choose(shown, "state", "Failed")
    assert [row[:4] for row in rows(shown)] == [["a(7:7)", "a", "2", "\u2717 Failed"]]
    choose(shown, "state", "")
    choose(shown, "text", "B(12")
    assert sorted(row[0] for row in rows(shown)) == sorted(
        ["b(12:12)", *(f"b(12{n}:12{n})" for n in range(10))]
    )
    choose(shown, "text", "")
    choose(shown, "function", "2")
    assert [row[0] for row in rows(shown)] == ["c"]


def test_a_heading_sorts_and_says_so(shown):
    choose(shown, "function", "0")
    click(shown, "#rows th:nth-child(1) button")
    assert [row[0] for row in rows(shown)][:3] == ["a(0:0)", "a(1:1)", "a(2:2)"]
    click(shown, "#rows th:nth-child(1) button")
    assert rows(shown)[0][0] == "a(8:8)"
    sorts = "[...document.querySelectorAll('#rows th')].map((one) => one.getAttribute('aria-sort'))"
    assert shown.value(sorts) == ["descending", *[None] * 8]


def test_the_keyboard_reaches_what_a_mouse_does(shown):
    shown.value("document.querySelector('#graph a').focus()")
    shown.press("Tab")
    assert shown.value("document.activeElement.getAttribute('aria-label')") == "b, Succeeded, 130 pods"
    shown.press("Enter")
    assert {row[1] for row in rows(shown)} == {"b"}
    assert shown.value("document.activeElement.id") == "text"


def test_whatever_can_be_used_has_a_name(shown):
    nodes = shown.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "combobox", "searchbox", "textbox", "link", "img", "region", "table")
    used = [node for node in nodes if node.get("role", {}).get("value") in roles and not node["ignored"]]
    nameless = [node for node in used if not node.get("name", {}).get("value")]
    assert len(used) > 30
    assert {node["role"]["value"] for node in nameless} <= {"table"}  # a table is in a region that has one


CONTRASTS = """
(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour[3] !== 0) return light(colour);
    }
    return null;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility() || one.closest("svg, script")) continue;
    const [least, most] = [light(parts(getComputedStyle(one).color)), ground(one)].sort((a, b) => a - b);
    found.push([(most + 0.05) / (least + 0.05), one.className, walker.currentNode.data.slice(0, 20)]);
  }
  return found;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(dark, browser, report):
    page = browser.open(report, dark=dark)
    found = page.value(CONTRASTS)
    assert len(found) > 400
    assert [one for one in found if one[0] < 4.5] == []
    body = page.value("getComputedStyle(document.body).backgroundColor")
    assert body == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    page.close()


ATTACKS = [
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    '"><svg onload=window.pwned=1>',
    "<!--<script>",
    "javascript:window.pwned=1",
    "__proto__",
    "constructor",
    "line\nbreak\r\u2028\u2029",
    "\u202eright to left\u2066",
    "\0\x1b[31m\x7f",
    "'\"`\\${window.pwned=1}",
    "&lt;b&gt;",
    "Succeeded",
]


WORD = st.sampled_from(ATTACKS) | st.text(min_size=1, max_size=30)


@settings(max_examples=10)
@example(ATTACKS)
@given(st.lists(WORD, min_size=1, max_size=8, unique=True))
def test_what_a_run_says_is_text(browser, tmp_path_factory, names):
    out = tmp_path_factory.mktemp("hostile") / "out"
    leaves = []
    for place, name in enumerate(names):
        leaves.append(leaf(f"t{place}", f"printf %s {quoted(name)}; exit 1", inputs=["said"]))
        leaves[-1]["metadata"]["annotations"]["argosy/node"] = json.dumps(name)[1:-1]
    tasks = [task(f"t{n}", parameters={"index": "0", "said": escaped(name)}) for n, name in enumerate(names)]
    run(workflow(dag("main", *tasks), *leaves), RunOptions(out, jobs=1))
    page = browser.open(written(out))
    assert page.value("window.pwned === undefined && ({}).pwned === undefined")
    assert page.texts("img, iframe, object, base, link, b, #rows svg, script:not(#run, #run + *)") == []
    assert page.texts("#functions tbody th") == [visible(name) for name in names]
    assert sorted(page.texts("#rows td:nth-child(2)")) == sorted(visible(name) for name in names)
    assert len(page.texts("#failures pre, #failures details > .hint:last-child")) == len(names)
    assert (page.problems, page.requests) == ([], [(out / "report.html").as_uri()])
    page.close()


def quoted(text):
    """A word of sh; a program has no NUL."""
    return "'" + text.replace("\0", "").replace("'", "'\\''") + "'"


def escaped(text):
    """A value without Argo's tags."""
    return text.replace("{", "(").replace("\0", "")


def test_a_page_that_was_tampered_with_executes_nothing_of_it(browser, report, tmp_path):
    attack = "<img src=data:, onerror='window.pwned = 1'><script>window.pwned = 1</script><p id=in></p>"
    (tmp_path / "x.html").write_text(report.read_text().replace("<header>", f"{attack}<header>"))
    page = browser.open(tmp_path / "x.html")
    assert page.value("document.getElementById('in') !== null && window.pwned === undefined")
    assert len(page.problems) == 3  # an image, a handler and a script are refused
    page.close()


def test_pods_that_were_taken_over_say_so_and_when_they_ran(browser, tmp_path):
    zero = {"index": "0"}
    main = dag("main", task("a", parameters=zero), task("b", None, "a", parameters=zero))
    before, after = (workflow(main, leaf("a", ":"), leaf("b", text)) for text in (":", ": changed"))
    run(before, RunOptions(tmp_path / "out"))
    run(after, RunOptions(tmp_path / "out", resume=Resume()))
    page = browser.open(written(tmp_path / "out"))
    assert page.problems == []
    (first, *_, a), (second, *_, b) = sorted((row[0], row[4]) for row in rows(page))
    assert (first, second) == ("a", "b")
    assert re.match(r"taken over, ran .*\d:\d\d", a)
    assert re.fullmatch(r"[\d.]+ m?s", b)
    assert bars(page) == {"Succeeded": 1}
    assert "taken over (not in the timeline)" in page.texts("#totals dt")
    page.close()


def test_of_a_run_at_work_it_shows_what_there_is(browser, report, tmp_path):
    out = tmp_path / "out"
    (out / ".argosy").mkdir(parents=True)
    for name in ("run.json", "graph.json"):
        (out / ".argosy" / name).write_bytes((report.parent / ".argosy" / name).read_bytes())
    (out / "logs").mkdir()
    (out / "logs/a.log").write_text("so far <b>good</b>\n")
    page = browser.open(written(out))
    assert page.problems == []
    assert page.value("document.title") == "wf: at work"
    assert page.texts("#message")[0].startswith("This run is still at work, or was killed")
    assert page.texts("#functions tbody th") == ["a", "b", "c"]
    assert page.texts("#notes summary, #notes pre") == ["a", "so far <b>good</b>"]
    assert page.value("document.getElementById('times').hidden")
    page.close()
    journal = (report.parent / ".argosy/journal.jsonl").read_text().splitlines(keepends=True)
    ended = next(place for place, line in enumerate(journal) if '"leaf"' in line)
    (out / ".argosy/journal.jsonl").write_text("".join(journal[: ended + 1]))
    page = browser.open(written(out))
    assert page.problems == []
    assert sum(bars(page).values()) == 1
    assert "started" in page.texts("#totals dt")
    assert "took" not in page.texts("#totals dt")
    page.close()


@pytest.mark.slow
def test_ten_thousand_pods_are_5_mb_and_open_in_2_seconds(browser, tmp_path):
    out = tmp_path / "out"
    loop = {"withItems": list(range(100)), "parameters": {**INDEX, "items": "data/a/file-{{item}}.csv;" * 6}}
    ran(workflow(dag("main", task("a", **loop)), leaf("a", ":", inputs=["items"])), out)
    multiply(out, 100)
    report = written(out)
    seconds = []
    for _ in range(3):
        page = browser.open(report)
        assert page.texts("#count") == ["10,000 rows, 100 shown"]
        assert sum(bars(page).values()) == 10_000
        seconds.append(page.worked())
        page.close()
    assert report.stat().st_size < 5_000_000
    assert min(seconds) < 2


def multiply(out, times):
    """Let a run have had each of its pods many times, one after another."""
    status = json.loads((out / "status.json").read_text())
    timeline = json.loads((out / ".argosy/timeline.json").read_text())
    began, ended = moments(timeline)
    timeline["finishedAt"] = text_of(began + times * (ended - began))
    for nodes, changed in ((status["nodes"], lambda node, _: node), (timeline["nodes"], later)):
        for path in [path for path in nodes if path.startswith("main/a(")]:
            node = nodes.pop(path)
            for turn in range(times):
                nodes[f"{path[:-1]}-{turn})"] = changed(node, turn * (ended - began))
    (out / "status.json").write_text(json.dumps(status))
    (out / ".argosy/timeline.json").write_text(json.dumps(timeline))


def moments(timed):
    return [datetime.fromisoformat(timed[key]) for key in ("startedAt", "finishedAt")]


def text_of(moment):
    return moment.isoformat(timespec="milliseconds")


def later(timed, by):
    started, finished = (text_of(moment + by) for moment in moments(timed))
    return {**timed, "startedAt": started, "finishedAt": finished}
