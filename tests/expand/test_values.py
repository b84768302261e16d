"""Values on their way from task to task: whole or in part, they arrive as they were returned."""

import pytest
from harness import BOTH, compile_file, run_here, write

ORDER = """
import sys
@task
def order(n=1):
    return {"id": 9007199254740993, "ratio": 1.0, "map": {"b": 1, "a": [10**30, "\\u20ac"]}, "n": n}
@task
def late(item, *, x): return repr(x)
@task
def read(x): return repr(x)
"""
PARTS = {
    "out['id']": "9007199254740993",
    "out['ratio']": "1.0",
    "out['map']": "{'b': 1, 'a': [1000000000000000000000000000000, '€']}",
    "out['map']['a'][-1]": "'€'",
    "out['nothing']": "None",
}


def run_file(text, folder, lowering=None):
    manifest = compile_file(write(folder, text), lowering)
    return run_here(manifest, folder, folder / f"out-{lowering}")


@BOTH
def test_a_part_of_a_value_arrives_as_it_was_returned(lowering, tmp_path):
    once = "; ".join(f"read({part})" for part in PARTS)
    mapped = "; ".join(f"s >> late.partial(x={part})" for part in PARTS)
    ended = run_file(
        f"{ORDER}with DAG('x'):\n    out = order(); s = Items(['a', 'b'])\n    {once}; {mapped}\n",
        tmp_path,
        lowering,
    ).succeeded()
    numbers = ["", *(f"-{number}" for number in range(2, 1 + len(PARTS)))]
    assert [ended.values[f"read{number}"] for number in numbers] == list(PARTS.values())
    assert [ended.values[f"late{number}"] for number in numbers] == [[value] * 2 for value in PARTS.values()]


@pytest.mark.parametrize("part", ["out['n']['x']", "out['map']['a'][2]", "out[0]"])
def test_a_part_that_is_not_there_fails_the_task_that_wants_it(part, tmp_path):
    ended = run_file(f"{ORDER}with DAG('x'):\n    out = order()\n    read({part})\n", tmp_path)
    assert (ended.states["order"], ended.states["read"]) == ("Succeeded", "Failed")
    assert "x is a part of a value that has none at" in (tmp_path / "out-None/logs/read.log").read_text()


def test_a_part_of_an_absent_value_is_its_default(tmp_path):
    body = "out = order().when(order(2)['n'] == 1)\n"
    body += "    rule(out['map'].default({'x': 5})); rule(out['id'].default(None))"
    rule = "rule = read.override(trigger_rule='all_done')\n"
    ended = run_file(f"{ORDER}{rule}with DAG('x'):\n    {body}\n", tmp_path).succeeded()
    assert (ended.values["read"], ended.values["read-2"]) == ("{'x': 5}", "None")


def test_a_small_part_of_a_large_value_fits(tmp_path):
    text = f"{ORDER}@task\ndef large(): return {{'text': 'x' * 300_000, 'n': 5}}\n"
    ended = run_file(f"{text}with DAG('x'):\n    read(large()['n'])\n", tmp_path).succeeded()
    assert ended.values["read"] == "5"
