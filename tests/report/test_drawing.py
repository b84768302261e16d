"""Drawings of a plan, from plain values."""

from dsl.drawing import to_dot, to_mermaid, to_table, to_tree
from dsl.report import console

PLAN = {
    "dag": 'sea "ice"',
    "nodes": [
        {"id": "source", "each": None, "partitions": 3},
        {
            "id": "warp",
            "each": "item",
            "partitions": 3,
            "pods": 3,
            "bytes": 4321,
            "reason": "it reads input_file",
        },
        {"id": "end", "each": "item", "partitions": None, "pods": None, "bytes": None},
        {"id": "[red]", "each": "all", "partitions": 1, "pods": 1},
    ],
    "edges": [
        {"from": "source", "to": "warp", "join": "aligned", "carries": "files"},
        {"from": "warp", "to": "end", "join": "aligned", "carries": "files"},
        {"from": "warp", "to": "[red]", "join": "gather", "carries": "files"},
        {"from": "end", "to": "[red]", "join": "gather", "carries": "value"},
    ],
}


def drawn(plan):
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(to_tree(plan))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_node_stands_below_the_last_of_its_upstreams():
    assert drawn(PLAN) == [
        'sea "ice"',
        "└── source  3 partitions",
        "    └── warp (aligned files)  each item, 3 partitions, 3 pods",
        "        ├── end (aligned files)  each item, partitions known at run time, pods known at run time",
        "        │   └── [red] (gather value)  waits for more, see below",
        "        └── [red] (gather files)  1 pod",
    ]


def test_a_chain_of_a_thousand_nodes_is_drawn():
    nodes = [{"id": f"n{i}"} for i in range(1000)]
    edges = [{"from": f"n{i}", "to": f"n{i + 1}"} for i in range(999)]
    assert len(drawn({"dag": "long", "nodes": nodes, "edges": edges})) == 1001


def test_mermaid_ids_are_no_words_of_the_language_and_labels_are_escaped():
    text = to_mermaid(PLAN)
    assert '  n2["end<br/>each item, partitions known at run time, pods known at run time"]' in text
    assert '  n3["#91;red#93;<br/>1 pod"]' in text
    assert '  n1 -->|"gather files"| n3' in text


def test_dot_quotes_every_id():
    text = to_dot(PLAN)
    assert text.startswith('digraph "sea \\"ice\\"" {')
    assert '  "warp" -> "[red]" [label="gather files"];' in text


def test_a_table_says_why():
    plan = PLAN | {"pods": None, "critical_path": ["warp", "end", "[red]"]}
    assert to_table(plan).plain.splitlines() == [
        "node    each  partitions   pods         input bytes  why",
        "source                  3",
        "warp    item            3            3         4321  it reads input_file",
        "end     item  at run time  at run time  at run time",
        "[red]   all             1            1",
        "",
        "from    to     join     carries  why",
        "source  warp   aligned  files",
        "warp    end    aligned  files",
        "warp    [red]  gather   files",
        "end     [red]  gather   value",
        "",
        "pods: known at run time",
        "longest path: warp >> end >> [red]",
    ]


def test_a_source_that_only_edges_name_is_drawn():
    plan = PLAN | {"nodes": PLAN["nodes"][1:]}
    assert drawn(plan)[1] == "└── source"
    assert 'n0["source"]' in to_mermaid(plan)
    assert '  "source" [label="source"];' in to_dot(plan)
