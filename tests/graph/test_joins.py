"""The graph: what a task reads decides how often it runs, and how it waits for its upstreams."""

import pytest
from dags import analyzed, edges, found, names, planned, runs

HEAD = 'with DAG("x"):\n    files = Files("data/*.tif", size=2)\n'
ONE = "Files → clean scatter files"


def dag(body, tasks=""):
    return f"{tasks}{HEAD}    {body}\n"


@pytest.mark.parametrize(
    ("signature", "often", "join"),
    [
        ("input_file", "item [2, 1]", "aligned files"),
        ("some: InFile", "item [2, 1]", "aligned files"),
        ("input_files", "partition [2, 1]", "aligned files"),
        ("input_dir", "all", "gather files"),
        ("some: InDir", "all", "gather files"),
    ],
)
def test_what_a_task_reads_decides_how_often_it_runs(signature, often, join, tmp_path):
    plan = planned(dag("files >> clean >> read", f"@task\ndef read({signature}): return 1\n"), tmp_path)
    assert runs(plan)["read"] == often
    assert edges(plan) == [ONE, f"clean → read {join}"]


@pytest.mark.parametrize(
    ("text", "often"),
    [
        ('cat "$INPUT_FILE"', "item [2, 1]"),
        ('# "$INPUT_FILE"\nls "$INPUT_DIR"', "all"),
        ("echo '#'; cat $INPUT_FILE", "item [2, 1]"),
    ],
)
def test_the_words_of_a_shell_text_outside_comments_decide(text, often, tmp_path):
    tasks = f'@task.shell(image="i")\ndef read(): return {text!r}\n'
    assert runs(planned(dag("files >> clean >> read", tasks), tmp_path))["read"] == often


def test_a_task_that_reads_nothing_runs_per_item_after_a_source_and_once_after_a_task(tmp_path):
    tasks = "@task\ndef note(): return 1\n@task(each='all')\ndef last(): return 1\n"
    assert runs(planned(dag("files >> note >> last", tasks), tmp_path)) == {
        "note": "item [2, 1]",
        "last": "all",
    }


def test_files_that_nobody_reads_are_a_warning_that_each_silences(tmp_path):
    tasks = "@task\ndef note(): return 1\n"
    assert found(dag("files >> clean >> note", tasks), tmp_path) == [
        "FILES_UNREAD at `note`: files of clean reach note, which does not read them"
    ]
    assert found(dag("files >> clean >> note.override(each='all')", tasks), tmp_path) == []


@pytest.mark.parametrize(("each", "often"), [("partition", "partition [2, 1]"), ("all", "all")])
def test_each_overrides_what_the_signature_says(each, often, tmp_path):
    tasks = '@task.shell(image="i")\ndef read(): return \'ls "$INPUT_DIR"\'\n'
    assert (
        runs(planned(dag(f"files >> clean >> read.override(each={each!r})", tasks), tmp_path))["read"]
        == often
    )


@pytest.mark.parametrize(
    ("signature", "each", "source", "message"),
    [
        ("input_dir", "item", "files >> clean", "item, and input_dir is everything in a partition"),
        ("input_files", "item", "files", "item, and input_files is everything in a partition"),
        ("items", "item", "Range(3)", "item, and items is everything in a partition"),
        ("input_file", "partition", "files", "partition, and input_file is the file of one item"),
        ("one: InFile", "partition", "files >> clean", "partition, and one is the file of one item"),
        ("input_file", "partition", "files >> split", "partition, and input_file is the file of one item"),
        ("item, input_file", None, "files >> split", "file of a folder, and item is of the items before it"),
        ("items, input_file", None, "files", "partition, and input_file is the file of one item"),
        ("item", "partition", "Items([1, 1, 2, 3], size=2)", "partition, and item differs from item to item"),
        ("item", "partition", "Items([1, True], size=2)", "partition, and item differs from item to item"),
        (
            "items, k",
            None,
            "Items([{'k': 1}, {'k': 2}], size=2)",
            "partition, and k differs from item to item",
        ),
        ("item", "partition", "Items(lst, size=2)", "partition, and item differs from item to item"),
    ],
)
def test_what_a_task_reads_has_to_fit_how_often_it_runs(signature, each, source, message, tmp_path):
    tasks = f"""
@task
def split(input_file, output_dir): pass
@task
def lst(): return [1]
@task(each={each!r})
def read({signature}): return 1
"""
    lines = found(dag(f"{source} >> read", tasks), tmp_path)
    assert lines == [f"EACH_MISMATCH at `read`: read runs once per {message}"]


@pytest.mark.parametrize("source", ["Items(['a', 'a', 'b'], size=2)", "Items([1, 2])", "Items(lst)"])
def test_what_all_items_of_a_partition_agree_in_may_be_read_once(source, tmp_path):
    tasks = "@task\ndef lst(): return [1]\n@task(each='partition')\ndef read(item): return item\n"
    assert runs(planned(dag(f"{source} >> read", tasks), tmp_path))["read"].startswith("partition")


def test_a_partition_is_not_named_by_a_key_in_which_its_items_differ(tmp_path):
    tasks = "@task(each='partition', output='{k}.x')\ndef read(output_file): pass\n"
    source = "Items([{'k': 1}, {'k': 2}, {'k': 3}], size=2) >> read"
    assert found(dag(source, tasks), tmp_path) == [
        "INVALID_OUTPUT_NAME at `output='{k}.x'`: output='{k}.x': k differs within a partition"
    ]


@pytest.mark.parametrize("signature", ["items", "input_files"])
def test_lists_are_for_python_tasks(signature, tmp_path):
    tasks = f'@task.shell(image="i")\ndef read({signature}): return "echo"\n'
    [line] = found(dag("files >> read", tasks), tmp_path)
    assert line == f"UNSUPPORTED at `read`: {signature} of read is a list, which only a Python task can read"


def test_item_and_items_are_once_per_item_and_once_per_partition(tmp_path):
    body = '@task\ndef some(items): return 1\nwith DAG("x"):\n    Items([1, 2, 3], size=2) >> [show, some]\n'
    assert runs(planned(body, tmp_path)) == {"show": "item [2, 1]", "some": "partition [2, 1]"}


def test_a_key_is_read_by_its_name_all_along_a_lane(tmp_path):
    tasks = """
@task(output="{site}.x")
def first(input_file, site, output_file): pass
@task
def then(site): return 1
"""
    body = tasks + 'with DAG("x"):\n    Files("data/{site}.tif") >> first >> then\n'
    plan = planned(body, tmp_path)
    assert runs(plan)["then"] == "item [1, 1, 1]"
    assert names(plan, "then")[0] == ("a", "data/a.tif")


def test_a_key_has_no_meaning_after_a_gather(tmp_path):
    tasks = "@task\ndef late(input_dir, site): return 1\n"
    body = tasks + 'with DAG("x"):\n    Files("data/{site}.tif") >> clean >> late\n'
    assert found(body, tmp_path) == [
        "UNKNOWN_KEY at `late`: site is a key of the items before late, which runs once, after all of them"
    ]


def test_a_task_that_writes_no_files_passes_its_input_on(tmp_path):
    [warp] = [n for n in planned(dag("files >> clean >> measure >> warp"), tmp_path).nodes if n.id == "warp"]
    assert [(i.writer, i.upstream) for i in warp.inputs] == [("clean", "measure")]


def test_it_does_not_where_another_upstream_wrote_some(tmp_path):
    plan = planned(dag("files >> [measure, clean] >> mosaic"), tmp_path)
    assert [i.upstream for n in plan.nodes if n.id == "mosaic" for i in n.inputs] == ["clean"]


def test_parameters_named_after_upstreams_tell_their_files_apart(tmp_path):
    tasks = "@task\ndef both(clean: InFile, warp: InFile): return 1\n"
    plan = planned(dag("files >> [clean, warp] >> both", tasks), tmp_path)
    assert [(i.variable, i.writer) for n in plan.nodes if n.id == "both" for i in n.inputs] == [
        ("clean", "clean"),
        ("warp", "warp"),
    ]


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (
            "files >> [clean, warp] >> measure",
            "AMBIGUOUS_FILE at `measure`: input_file of measure could be a file of any of: clean, warp",
        ),
        (
            "files >> clean; Files('pairs/*') >> warp; [clean, warp] >> both",
            "NO_COMMON_SOURCE at `both`: both reads items of Files and Files-2 at once",
        ),
        ("measure()", "NO_FILES_TO_READ at `measure()`: measure reads input_file, but no files reach it"),
        ("files >> clean >> torn", "AMBIGUOUS_READING at `torn`: torn reads both INPUT_FILE and INPUT_DIR"),
        (
            "total(mosaic.override(each='all')(), 1)",
            "NO_FILES_TO_READ at `mosaic.override(each='all')()`: mosaic reads INPUT_DIR, but no files "
            "reach it",
        ),
        (
            "files >> clean; total(clean)",
            "NO_VALUE at `total(clean)`: sizes is the value of clean, which has none",
        ),
        (
            "measure(two().file('three'))",
            "NO_FILES_TO_READ at `two().file('three')`: two writes no file 'three'",
        ),
        ("measure(two())", "AMBIGUOUS_FILE at `measure(two())`: two writes several files: one, other"),
        (
            "measure(many())",
            "AMBIGUOUS_FILE at `measure(many())`: input_file is one file, and many writes a folder of them",
        ),
    ],
)
def test_what_cannot_be_read_is_pointed_at(body, after, tmp_path):
    tasks = """@task
def both(clean: InFile, warp: InFile): return 1
@task.shell(image="i")
def torn(): return 'ls "$INPUT_FILE" "$INPUT_DIR"'
@task(output={"one": "1.txt", "other": "2.txt"})
def two(one: OutFile, other: OutFile): return one, other
@task
def many(output_dir): return 1
"""
    lines = found(dag(body, tasks), tmp_path)
    assert lines == [after]


def test_a_node_given_to_a_file_parameter_is_its_file(tmp_path):
    tasks = (
        '@task(output={"one": "1.txt", "other": "2.txt"})\n'
        "def two(one: OutFile, other: OutFile): return one, other\n"
    )
    for name in ("other", "2.txt"):
        plan = planned(dag(f"measure(two().file({name!r}))", tasks), tmp_path)
        assert [i.chain for n in plan.nodes if n.id == "measure" for i in n.inputs] == [((("=", "2.txt"),),)]
        assert edges(plan) == ["two → measure aligned files"]


def test_a_call_gathers_values_and_expand_takes_them_one_by_one(tmp_path):
    plan = planned(dag("sizes = files >> measure; total(sizes); show.expand(item=sizes)"), tmp_path)
    assert edges(plan)[1:] == ["measure → total gather value", "measure → show aligned value"]
    assert plan.lanes[0].nodes == ("measure", "show")


GRID = "@task(output='{index}.txt')\ndef cell(x, y, output_file): return output_file\n"


@pytest.mark.parametrize(
    ("call", "items"),
    [
        ("cell.expand(x=[1, 2], y=['a', 'b'])", [("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")]),
        ("cell.expand_zip(x=[1, 2], y=['a', 'b'])", [("1", "a"), ("2", "b")]),
        ("cell.expand_kwargs([{'x': 1, 'y': 'a'}, {'y': 'b', 'x': 3}])", [("1", "a"), ("3", "b")]),
        ("cell.partial(y=0).expand(x=Range(2))", [("0",), ("1",)]),
        ("cell.partial(y=0).expand(x=[])", []),
    ],
)
def test_expand_crosses_and_zip_pairs(call, items, tmp_path):
    assert names(planned(dag(call, GRID), tmp_path), "cell") == items


def test_what_comes_along_a_chain_is_the_first_keyword(tmp_path):
    tasks = "@task(output='{x}-{stem}.txt')\ndef cell(input_file, x, output_file): return output_file\n"
    crossed = names(planned(dag("files >> cell.expand(x=[1, 2])", tasks), tmp_path), "cell")
    assert crossed == [(str(x), f"data/{name}.tif") for name in "abc" for x in (1, 2)]
    paired = names(planned(dag("files >> cell.expand_zip(x=[1, 2, 3])", tasks), tmp_path), "cell")
    assert paired == [("1", "data/a.tif"), ("2", "data/b.tif"), ("3", "data/c.tif")]


@pytest.mark.parametrize(
    ("call", "after"),
    [
        (
            "cell.expand_zip(x=[1], y=[1, 2])",
            "UNEQUAL_ZIP at `cell.expand_zip(x=[1], y=[1, 2])`: x has 1, y has 2",
        ),
        ("cell.expand(x=[1], z=[2])", "UNKNOWN_ARGUMENT at `z=[2]`: cell has no parameter 'z'"),
        ("cell.expand(x=5, y=[1])", "NOT_JSON at `cell.expand(x=5, y=[1])`: x=5 is no list to expand over"),
        (
            "cell.partial(x=1).expand(x=[1], y=[2])",
            "UNKNOWN_ARGUMENT at `x=1`: x of cell is both fixed and expanded",
        ),
        (
            "cell.expand(x=files >> measure, y=[1, 2])",
            "UNSUPPORTED at `cell.expand(x=files >> measure, y=[1, 2])`: x is one value of measure per "
            "item, and cell combines them with other items",
        ),
        (
            "cell.expand(x=total([1])['list'], y=[1])",
            "UNSUPPORTED at `x=total([1])['list']`: x of cell is a part of the value of total, and only "
            "the whole value of a task can be mapped over",
        ),
        (
            "cell.expand_zip(x=[1], y=total([1]).default([1]))",
            "UNSUPPORTED at `y=total([1]).default([1])`: y of cell is the value of total with a default, "
            "and only the whole value of a task can be mapped over",
        ),
        (
            "cell.expand_kwargs([{'x': 1}, {'y': 1}])",
            "UNEQUAL_ZIP at `cell.expand_kwargs([{'x': 1}, {'y': 1}])`: a row has the keys y, the "
            "first one x",
        ),
    ],
)
def test_an_expansion_that_cannot_be_is_pointed_at(call, after, tmp_path):
    assert after in found(dag(call, GRID), tmp_path)


def test_crossed_files_need_a_name(tmp_path):
    tasks = "@task\ndef cell(input_file, x, output_file): return output_file\n"
    assert found(dag("files >> cell.expand(x=[1, 2])", tasks), tmp_path) == [
        "OUTPUT_REQUIRED at `task`: cell crosses items and names no output"
    ]


@pytest.mark.parametrize(
    ("options", "after"),
    [
        (
            'output="{nam}.x"',
            """UNKNOWN_KEY at `output="{nam}.x"`: output='{nam}.x': there is no key 'nam' here""",
        ),
        (
            'output="a/b"',
            """INVALID_OUTPUT_NAME at `output="a/b"`: item 0: 'a/b' contains a slash or a NUL""",
        ),
        ('output="a"', """OUTPUT_COLLISION at `output="a"`: items 0 and 1 both write 'a'"""),
        (
            'output="{stem"',
            """INVALID_OUTPUT_NAME at `output="{stem"`: output='{stem': expected '}' before end of string""",
        ),
        (
            'output={"outfile": "a"}',
            'INVALID_OUTPUT_NAME at `output={"outfile": "a"}`: output= names \'outfile\', and write '
            "writes output_file",
        ),
    ],
)
def test_an_output_name_that_cannot_be_is_pointed_at(options, after, tmp_path):
    tasks = f"@task({options})\ndef write(input_file, output_file): return output_file\n"
    assert found(dag("files >> write", tasks), tmp_path) == [after]


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (None, "a.tif"),
        ("{stem}.x", "a.x"),
        ("{name}.{index}", "a.tif.0"),
        ("{site}{suffix}", "a.tif"),
        ("{key}-{crs}", "a-wgs"),
    ],
)
def test_an_output_is_named_by_fields_keys_and_parameters(output, name, tmp_path):
    from dsl.naming import apply

    options = f"output={output!r}" if output else ""
    tasks = f"@task({options})\ndef write(input_file, site, output_file, crs='x'): return output_file\n"
    body = tasks + 'with DAG("x"):\n    Files("data/{site}.tif") >> write.partial(crs="wgs")\n'
    [node] = planned(body, tmp_path).nodes
    assert apply([node.outputs[0].template], "a.tif", 0, {"site": "a"}) == name


@pytest.mark.parametrize(
    "call", ["files >> measure", "measure.expand(input_file=files)", "measure(input_file=files >> clean)"]
)
def test_a_source_before_a_task_is_its_first_keyword(call, tmp_path):
    plan = planned(dag(call), tmp_path)
    assert runs(plan)["measure"] == "item [2, 1]"
    assert [i.variable for n in plan.nodes if n.id == "measure" for i in n.inputs] == ["input_file"]


def test_a_source_is_expanded_by_any_file_parameter(tmp_path):
    tasks = "@task\ndef read(raster: InFile): return 1\n"
    plan = planned(dag("read.expand(raster=files); files >> clean", tasks), tmp_path)
    assert names(plan, "read") == names(plan, "clean") == [("data/a.tif",), ("data/b.tif",), ("data/c.tif",)]


def test_sources_are_crossed_file_by_file(tmp_path):
    tasks = "@task(output='{index}')\ndef both(one: InFile, two: InFile, output_file): return output_file\n"
    plan = planned(dag("both.expand(one=files, two=Files('pairs/*'))", tasks), tmp_path)
    assert names(plan, "both")[:2] == [("data/a.tif", "pairs/a-nir.tif"), ("data/a.tif", "pairs/a-red.tif")]


def test_a_map_after_a_folder_of_files_stays_in_its_partition(tmp_path):
    tasks = "@task\ndef split(input_file, output_dir): pass\n@task\ndef each_one(input_file): return 1\n"
    plan = planned(dag("files >> split >> each_one", tasks), tmp_path)
    assert [(i.kind, i.scope) for n in plan.nodes if n.id == "each_one" for i in n.inputs] == [
        ("list", "partition")
    ]
    assert [lane.nodes for lane in plan.lanes] == [("split", "each-one")]


def test_a_folder_of_several_upstreams_names_them(tmp_path):
    plan = planned(dag("files >> [clean, warp] >> mosaic"), tmp_path)
    assert [(i.variable, i.kind, i.upstream) for n in plan.nodes if n.id == "mosaic" for i in n.inputs] == [
        ("INPUT_DIR", "dir", "clean"),
        ("INPUT_DIR", "dir", "warp"),
    ]


@pytest.mark.parametrize(
    "call",
    [
        "both.expand(y=[5, 6], x=Items([{'y': 1}]))",
        "both.expand_zip(y=[5], x=Items([{'y': 1}]))",
        "pair.expand(p=Files('data/{k}.tif'), q=Files('pairs/{k}.tif'))",
    ],
)
def test_a_key_of_two_sides_is_pointed_at(call, tmp_path):
    body = f"""
@task
def both(x, y): return 1
@task
def pair(p: InFile, q: InFile, k): return k
with DAG("x"):
    {call}
"""
    [line] = found(body, tmp_path)
    assert line.startswith(f"TWO_SOURCES at `{call}`: both ")


def test_a_source_that_has_a_second_name_elsewhere_can_still_be_crossed(tmp_path):
    body = """
@task
def both(item, x): return 1
with DAG("x"):
    some = Items([1, 2])
    some >> show
    Items([3]) >> both.expand(x=some)
"""
    assert names(planned(body, tmp_path), "both") == [("3", "1"), ("3", "2")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "Files('*/data.csv', size=2) >> read",
            "'a/data.csv' and 'b/data.csv' have one name in the INPUT_DIR of read",
        ),
        (
            "Files('*/data.csv') >> measure >> read",
            "'a/data.csv' and 'b/data.csv' have one name in the INPUT_DIR of read",
        ),
        ("named('a/b')", "'a/b.txt' contains a slash or a NUL"),
        ("Files('*/c.txt') >> mosaic.override(output='..', each='all')", "'..' is no file name"),
        ("Files('*/c.txt') >> two", "p and q of two are both called 'c.txt'"),
    ],
)
def test_names_that_would_meet_or_fail_at_run_time_are_found_before(body, message, tmp_path):
    body = f"""
@task.shell(image="i")
def read(): return 'cat "$INPUT_DIR"/*'
@task(output="{{x}}.txt")
def named(x, output_file): pass
@task(output={{"p": "{{stem}}.txt", "q": "{{name}}"}})
def two(input_file, p: OutFile, q: OutFile): pass
with DAG("x"):
    {body}
"""
    lines = found(body, tmp_path, ("a/data.csv", "b/data.csv", "a/c.txt"))
    assert [line.partition("`: ")[2] for line in lines] == [message]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Range(6) >> cell.override(output='{item}.txt')", "known here: index"),
        ("Range(6) >> cell.override(output='{stem}.txt')", "write {index}, the number of the item"),
        (
            "Items([{'k': 'a'}]) >> cell.override(output='{stem}.txt')",
            "write {index}, the number of the item, or a key of it",
        ),
        ("cell.override(output='{stem}.txt')()", 'write a plain name, such as output="all.csv"'),
    ],
)
def test_an_output_name_is_told_what_is_known_where_it_has_no_file(text, hint, tmp_path):
    tasks = "@task\ndef cell(output_file): output_file.touch()\n"
    assert hint in [one.hint for one in analyzed(dag(text, tasks), tmp_path).diagnostics]
