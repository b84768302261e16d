"""The plan: lanes are convex, names final, the form of each lane has a reason, and it is plain data."""

import pickle

import pytest
from dags import analyzed, planned

from dsl.summary import summarize


def dag(body, options=""):
    return f'with DAG("x"{options}):\n    files = Files("data/*.tif")\n    {body}\n'


def lanes(plan):
    return [(lane.nodes, "compact" if lane.compact else "explicit") for lane in plan.lanes]


def test_aligned_nodes_share_a_lane(tmp_path):
    assert lanes(planned(dag("files >> clean >> warp >> mosaic"), tmp_path)) == [
        (("clean", "warp"), "explicit")
    ]


def test_a_path_that_leaves_a_lane_and_returns_splits_it(tmp_path):
    tasks = "@task\ndef scale(input_file, by): return 1\n"
    body = dag("files >> clean >> scale.partial(by=total(clean >> measure))")
    assert [nodes for nodes, _ in lanes(planned(tasks + body, tmp_path))] == [
        ("clean", "measure"),
        ("scale",),
    ]


def test_a_rule_that_forgives_stands_outside_its_upstreams_lane(tmp_path):
    body = dag("files >> clean >> warp.override(trigger_rule='all_done')")
    analysis = analyzed(body, tmp_path)
    assert [problem.code.name for problem in analysis.diagnostics] == ["FORGIVEN_FAILURE"]
    assert [nodes for nodes, _ in lanes(analysis.plan)] == [("clean",), ("warp",)]


@pytest.mark.parametrize(
    ("source", "options", "reason"),
    [
        ("Range(3)", ', lowering="compact"', 'lowering="compact"'),
        ("Range(3, parallelism=2)", "", "parallelism=2 is a limit of its own template"),
        ("Range(201)", "", "201 tasks are more than the 200 that one template may hold"),
        ("Range(0)", "", "it has no items"),
        ("Items(total([1]))", "", "its items are known only when the DAG runs"),
        ("Range(3)", "", ""),
        ("Range(200)", "", ""),
    ],
)
def test_a_lane_is_compact_for_a_reason(source, options, reason, tmp_path):
    [lane] = planned(f'with DAG("x"{options}):\n    {source} >> show\n', tmp_path).lanes
    assert (lane.compact, lane.reason) == (bool(reason), reason)


def test_a_large_barrier_makes_both_lanes_compact(tmp_path):
    tasks = "@task\ndef use(item, all): return 1\n"
    body = tasks + 'with DAG("x"):\n    Range(60) >> use.partial(all=Range(60) >> show)\n'
    assert {lane.reason for lane in planned(body, tmp_path).lanes} == {
        "a barrier of 3600 waits is one edge that way"
    }


def test_names_are_argos_and_ids_are_the_authors(tmp_path):
    named = 'total.override(task_id="Größe 1")([1]); total.override(task_id="main")([1])'
    body = f'with DAG("x"):\n    {named}; total([1])\n'
    plan = planned(body, tmp_path)
    assert [node.id for node in plan.nodes] == ["Größe 1", "main", "total"]
    assert len({node.name for node in plan.nodes} - {"main"}) == 3
    assert all(node.name.isascii() and " " not in node.name for node in plan.nodes)


def test_equal_files_have_equal_plans_that_survive_pickling(tmp_path):
    body = dag("files >> clean >> warp >> mosaic")
    plan = planned(body, tmp_path)
    assert plan == planned(body, tmp_path) == pickle.loads(pickle.dumps(plan))


def test_a_summary_counts_pods_and_gives_reasons(tmp_path):
    found = summarize(planned(dag("files >> clean >> warp >> mosaic"), tmp_path))
    assert (found["dag"], found["pods"], found["critical_path"]) == ("x", 7, ["clean", "warp", "mosaic"])
    assert [(node["id"], node["each"], node["partitions"]) for node in found["nodes"]] == [
        ("clean", "item", 3),
        ("warp", "item", 3),
        ("mosaic", "all", 1),
    ]
    assert [(edge["from"], edge["to"], edge["join"], edge["carries"]) for edge in found["edges"]] == [
        ("Files", "clean", "scatter", "files"),
        ("clean", "warp", "aligned", "files"),
        ("warp", "mosaic", "gather", "files"),
    ]
    assert all(edge["reason"] for edge in found["edges"])
    assert all(node["reason"] for node in found["nodes"])


def test_a_summary_adds_the_bytes_of_source_files_where_no_task_writes_them(tmp_path):
    tasks = """
@task
def red_only(red): return 1
@task
def both(red, nir): return 1
@task
def often(input_file, n): return 1
"""
    statements = (
        "files = Files('data/*.tif', size=2)",
        "files >> measure >> clean >> mosaic",
        "pairs = Files(red='pairs/{k}-red.tif', nir='pairs/{k}-nir.tif')",
        "pairs >> [red_only, both]",
        "often.expand(input_file=files, n=[1, 2])",
        "total([1])",
    )
    body = "".join(f"    {statement}\n" for statement in statements)
    found = summarize(planned(f"{tasks}with DAG('x'):\n{body}", tmp_path))
    assert {node["id"]: node["bytes"] for node in found["nodes"]} == {
        "measure": 30,
        "clean": 30,
        "mosaic": None,
        "red_only": 15,
        "both": 30,
        "often": 30,
        "total": 0,
    }


def test_pods_of_a_list_of_the_run_are_unknown(tmp_path):
    found = summarize(planned('with DAG("x"):\n    Items(total([1])) >> show\n', tmp_path))
    assert (found["pods"], [node["pods"] for node in found["nodes"]]) == (None, [1, None])
