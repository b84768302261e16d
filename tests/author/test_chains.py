"""Chains: which node waits for which, however the author writes it."""

import pytest
from dags import edges, found, planned

SOURCE = "Files → clean scatter files"
THREE = [SOURCE, "clean → warp aligned files", "warp → mosaic gather files"]


def dag(body):
    return f'with DAG("x"):\n    files = Files("data/*.tif")\n    {body}\n'


@pytest.mark.parametrize(
    "body",
    [
        "files >> clean >> warp >> mosaic",
        "mosaic << warp << clean << files",
        "part = clean >> warp; files >> part >> mosaic",
        "chain(files, clean, warp, mosaic)",
        "chain(files, [clean], [warp], mosaic)",
        "files >> clean; clean >> warp; warp >> mosaic",
        "files >> [clean >> warp] >> mosaic",
        "files >> clean >> [] >> warp >> mosaic",
    ],
)
def test_one_chain_has_many_spellings(body, tmp_path):
    assert edges(planned(dag(body), tmp_path)) == THREE


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ("files >> [clean, warp] >> mosaic", ["clean → mosaic gather files", "warp → mosaic gather files"]),
        (
            "[clean, warp] << files; mosaic << [clean, warp]",
            ["clean → mosaic gather files", "warp → mosaic gather files"],
        ),
        (
            "files >> [clean >> warp, measure] >> mosaic",
            ["clean → warp aligned files", "measure → mosaic gather order", "warp → mosaic gather files"],
        ),
        (
            "files >> [clean, warp]; cross_downstream([clean, warp], [mosaic, "
            "mosaic.override(task_id='two')])",
            [
                "clean → mosaic gather files",
                "clean → two gather files",
                "warp → mosaic gather files",
                "warp → two gather files",
            ],
        ),
        (
            "files >> [clean, warp]; cross_downstream({clean: 1, warp: 2}, mosaic)",
            ["clean → mosaic gather files", "warp → mosaic gather files"],
        ),
        (
            "files >> [clean, warp]; chain([clean, warp], [measure, measure.override(task_id='two')])",
            ["clean → measure aligned files", "warp → two aligned files"],
        ),
    ],
)
def test_lists_stand_side_by_side(body, after, tmp_path):
    waits = [edge for edge in edges(planned(dag(body), tmp_path)) if not edge.startswith("Files")]
    assert sorted(waits) == after


def test_chain_refuses_lists_that_do_not_pair(tmp_path):
    body = dag("files >> [clean, warp]; chain([clean, warp], [measure, total([1]), total([2])])")
    [first, *_] = [line for line in found(body, tmp_path) if line.startswith("UNEQUAL_ZIP")]
    assert first.endswith("lists side by side pair up, and these hold 2 and 3")


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (
            "files >> print >> warp",
            ["NOT_A_NODE at `print`: print of type builtin_function_or_method cannot stand in a chain"],
        ),
        ("files >> clean >> 3 >> warp", ["NOT_A_NODE at `3`: 3 of type int cannot stand in a chain"]),
        (
            "files >> clean >> [warp, None]",
            ["NOT_A_NODE at `None`: None of type NoneType cannot stand in a chain"],
        ),
        (
            "clean >> warp >> clean",
            ["DEPENDENCY_CYCLE at `clean >> warp`: nodes wait for one another: clean → warp → clean"],
        ),
        ("total([1]) >> warp; warp >> warp", ["SELF_EDGE at `warp >> warp`: warp waits for itself"]),
        (
            "files >> clean; Files('data/a.tif') >> clean",
            ["TWO_SOURCES at `clean`: clean gets its items from 2 sources"],
        ),
        (
            "files >> clean >> Files('pairs/*') >> warp",
            [
                "SOURCE_IN_CHAIN at `files >> clean >> Files('pairs/*') >> warp`: the files of clean do "
                "not pass through Files"
            ],
        ),
    ],
)
def test_what_cannot_be_chained_is_pointed_at(body, after, tmp_path):
    assert found(dag(body), tmp_path) == after


def test_a_chain_over_several_lines_is_pointed_at_where_the_part_stands(tmp_path):
    body = 'with DAG("x"):\n    (\n        Files("data/*.tif")\n        >> clean\n        >> total\n    )\n'
    assert found(body, tmp_path) == [
        "MISSING_ARGUMENT at `total`: total gets no value for sizes",
    ]


def test_a_chain_outside_a_dag_is_refused(tmp_path):
    assert found('Files("data/*.tif") >> clean\n', tmp_path) == [
        'NO_OPEN_DAG at `Files("data/*.tif") >> clean`: >> is used outside a DAG'
    ]


@pytest.mark.parametrize(
    "use",
    [
        "node >> total([2])",
        "total(node)",
        "total([2]).when(node > 1)",
        "total.expand(sizes=node)",
        "total(node[0])",
    ],
)
def test_a_node_of_another_dag_is_refused(use, tmp_path):
    from dags import TASKS
    from harness import write

    from dsl.load import execute
    from dsl.resolve import make_graph

    path = write(tmp_path, TASKS + f'with DAG("one"):\n    node = total([1])\nwith DAG("two"):\n    {use}\n')
    _, second = execute(str(path))
    [problem, *_] = make_graph(second).problems
    assert (problem.code.name, problem.message) == ("FOREIGN_NODE", "total is a node of the DAG 'one'")


@pytest.mark.parametrize(
    "condition",
    ["n['ok']", "n > 3", "n == 3", "n != n['ok']", "last > n", "n.default(False)", "n['ok'].default(False)"],
)
def test_a_chain_is_the_value_of_the_node_that_it_ends_in(condition, tmp_path):
    steps = 'n = total([1]) >> total.override(task_id="last")([2]); last = total([3]) >> total([4])'
    body = f'with DAG("x"):\n    {steps}\n    total([5]).when({condition})\n'
    waits = [edge for edge in edges(planned(body, tmp_path)) if "last → " in edge]
    assert waits == ["last → total-4 aligned value"]


def test_a_chain_that_ends_in_two_nodes_has_no_value(tmp_path):
    body = 'with DAG("x"):\n    n = total([1]) >> [total([2]), total([3])]\n    total(n["ok"])\n'
    [line] = found(body, tmp_path)
    assert line.startswith('NO_VALUE at `n["ok"]`: [...] asks for the value of a chain that does not end in')
