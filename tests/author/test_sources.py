"""Sources: which items they hold, and what they refuse."""

import os

import pytest
from dags import analyzed, found, names, planned, runs

from dsl.pattern import unlisted
from tests.harness import let_others_in

YEARS = ("data/2000-1.csv", "data/2000-2.csv", "data/2001-1.csv")


def mapped(source, task="show"):
    return f'with DAG("x"):\n    {source} >> {task}\n'


@pytest.mark.parametrize(
    ("source", "items"),
    [
        ("Items(['a', 'b'])", [("a",), ("b",)]),
        ("Items([1, None, {'k': 'v'}])", [("1",), ("null",), ('{"k":"v"}',)]),
        ("Items(n for n in range(2))", [("0",), ("1",)]),
        ("Range(3)", [("0",), ("1",), ("2",)]),
        ("Range(4, 0, -2)", [("4",), ("2",)]),
        ("Items([])", []),
    ],
)
def test_items_and_ranges_are_what_python_says(source, items, tmp_path):
    assert names(planned(mapped(source), tmp_path), "show") == items


def test_windows_are_consecutive_and_the_last_is_cut(tmp_path):
    body = """
@task
def hours(data_interval_start, data_interval_end): return 1
with DAG("x"):
    Windows("2024-01-01", "2024-01-02T12:00", every="1d") >> hours
"""
    assert names(planned(body, tmp_path), "hours") == [
        ("2024-01-01T00:00:00", "2024-01-02T00:00:00"),
        ("2024-01-02T00:00:00", "2024-01-02T12:00:00"),
    ]


@pytest.mark.parametrize(
    ("division", "sizes"),
    [
        ("", [1, 1, 1]),
        ("size=2", [2, 1]),
        ("count=2", [2, 1]),
        ("count=9", [1, 1, 1]),
        ("weight=20", [2, 1]),
        ("weight='1k'", [3]),
    ],
)
def test_size_count_and_weight_say_how_many_items_share_a_pod(division, sizes, tmp_path):
    plan = planned(mapped(f"Files('data/*.tif', {division})", "clean"), tmp_path)
    assert runs(plan) == {"clean": f"item {sizes}"}


def test_files_are_sorted_and_listed_once(tmp_path):
    plan = planned(mapped("Files('data/c.*', 'data/*.tif')", "clean"), tmp_path)
    assert names(plan, "clean") == [("data/a.tif",), ("data/b.tif",), ("data/c.tif",)]


def test_a_pattern_that_ends_in_a_slash_matches_folders(tmp_path):
    plan = planned(mapped("Files('d*/')", "clean"), tmp_path)
    assert names(plan, "clean") == [("data",)]


def test_files_pair_by_their_keys(tmp_path):
    body = """
@task
def blend(red: InFile, nir: InFile, site): return site
with DAG("x"):
    Files(red="pairs/{site}-red.tif", nir="pairs/{site}-nir.tif") >> blend
"""
    assert names(planned(body, tmp_path), "blend") == [("a", "pairs/a-red.tif", "pairs/a-nir.tif")]


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("Files('no/*.x')", "NO_MATCH at `Files('no/*.x')`: 'no/*.x' matches no file in {folder}"),
        (
            "Files('../*')",
            "PATH_OUTSIDE at `Files('../*')`: '../*' leaves the folder of the DAG file, which a "
            "cluster cannot see",
        ),
        ("Files()", "INVALID_OPTION at `Files()`: Files has no pattern"),
        ("Files(3)", "INVALID_OPTION at `Files(3)`: a pattern is no text"),
        ("Files('data/*', siz=3)", "UNKNOWN_OPTION at `siz=3`: there is no option 'siz'"),
        (
            "Files('data/*', at='run')",
            """UNSUPPORTED at `Files('data/*', at='run')`: at="run" lists files when the DAG runs""",
        ),
        ("Files('https://x/y')", "UNSUPPORTED at `Files('https://x/y')`: 'https://x/y' is a URL"),
        ("Files('data/*', size=0)", "PARTITION_SIZE at `Files('data/*', size=0)`: size is 0"),
        (
            "Files('data/*', size='2')",
            "PARTITION_SIZE at `Files('data/*', size='2')`: size is '2', no whole number",
        ),
        (
            "Files('data/*', size=1, count=1)",
            "PARTITION_SIZE at `Files('data/*', size=1, count=1)`: size and count are both given",
        ),
        ("Files('data/*', parallelism=0)", "INVALID_OPTION at `parallelism=0`: parallelism is 0"),
        (
            "Files(a='data/{k}.tif', b='pairs/{k}-red.tif')",
            "UNPAIRED_KEYS at `Files(a='data/{k}.tif', b='pairs/{k}-red.tif')`: 'data/b.tif' has no "
            "partner among 'pairs/{k}-red.tif'",
        ),
        (
            "Files(a='data/{k}.tif', b='pairs/{j}-red.tif')",
            "UNPAIRED_KEYS at `Files(a='data/{k}.tif', b='pairs/{j}-red.tif')`: 'b' has the keys "
            "['j'], 'a' has ['k']",
        ),
        (
            "Items(total([1])['x'])",
            "NOT_JSON at `Items(total([1])['x'])`: what only the run knows is no list of items",
        ),
        ("Items(5)", "NOT_JSON at `Items(5)`: 5 is no list of items"),
        ("Items('abc')", "NOT_JSON at `Items('abc')`: 'abc' is no list of items"),
        (
            "Items([{1}])",
            "NOT_JSON at `Items([{1}])`: an item of Items is no JSON value: Object of type set is not "
            "JSON serializable",
        ),
        (
            "Items([float('nan')])",
            "NOT_JSON at `Items([float('nan')])`: an item of Items is no JSON value: Out of range "
            "float values are not JSON compliant",
        ),
        (
            "Items([{'my-key': 1}])",
            "INVALID_PARAMETER_NAME at `Items([{'my-key': 1}])`: the key 'my-key' of the items cannot "
            "be a variable of a task",
        ),
        (
            "Items([{'PATH': 1}])",
            "INVALID_PARAMETER_NAME at `Items([{'PATH': 1}])`: the key 'PATH' of the items cannot be a "
            "variable of a task",
        ),
        ("Range(0, 9, 0)", "INVALID_OPTION at `Range(0, 9, 0)`: range() arg 3 must not be zero"),
        (
            "Windows('2024-01-01', '2024-01-02', every='x')",
            "INVALID_OPTION at `Windows('2024-01-01', '2024-01-02', every='x')`: 'x' is no duration; "
            "write seconds, a timedelta, or text such as '1h30m'",
        ),
        (
            "Windows('2024-02-01', '2024-01-01', every='1d')",
            "INVALID_OPTION at `Windows('2024-02-01', '2024-01-01', every='1d')`: the end 2024-01-01 is "
            "before the start 2024-02-01",
        ),
    ],
)
def test_a_source_that_cannot_be_read_is_pointed_at(source, after, tmp_path):
    task = "clean" if source.startswith("Files") else "show"
    assert found(mapped(source, task), tmp_path) == [after.replace("{folder}", str(tmp_path))]


def test_a_list_of_the_run_is_divided_when_it_is_known(tmp_path):
    plan = planned('with DAG("x"):\n    Items(total([1]), size=2) >> show\n', tmp_path)
    assert [(t.discovered_by, t.discovered_size, len(t.partitions)) for t in plan.tables.values()] == [
        ("total", 2, 0)
    ]
    assert [lane.reason for lane in plan.lanes] == ["its items are known only when the DAG runs"]


REGROUP = """
@task(each="partition", output="{{{key}}}.txt")
def yearly(input_files, {key}, output_file): output_file.write_text({key})
with DAG("x"):
    Files("data/{{year}}-{{month}}.csv") >> clean >> Repartition({by}) >> yearly
"""


@pytest.mark.parametrize(
    ("by", "key"), [("by='year'", "year"), ("by='{y}-*.csv'", "y"), ("by=lambda name: name[:4]", "key")]
)
def test_repartition_groups_by_a_key_a_pattern_or_a_function(by, key, tmp_path):
    plan = planned(REGROUP.format(by=by, key=key), tmp_path, YEARS)
    assert runs(plan) == {"clean": "item [1, 1, 1]", "yearly": "partition [2, 1]"}
    [yearly] = [node for node in plan.nodes if node.id == "yearly"]
    assert yearly.joins == {"clean": "regroup"}
    assert yearly.needs == {"clean": ((0, 1), (2,))}


@pytest.mark.parametrize(
    ("by", "after"),
    [
        (
            "by='yaer'",
            "UNKNOWN_KEY at `Repartition(by='yaer')`: there is no key 'yaer' here; the items have: "
            "year, month",
        ),
        ("by='x{y}'", "REPARTITION at `Repartition(by='x{y}')`: '2000-1.csv' does not match 'x{y}'"),
        ("by='{y}{m}'", "REPARTITION at `Repartition(by='{y}{m}')`: '{y}{m}' has 2 keys"),
        (
            "by=lambda n: 1 / 0",
            "REPARTITION at `Repartition(by=lambda n: 1 / 0)`: by= raised ZeroDivisionError for a file "
            "name: division by zero",
        ),
        ("by=5", "REPARTITION at `Repartition(by=5)`: by=5 is no key, no pattern and no function"),
        (
            "size=2, by='year'",
            "PARTITION_SIZE at `Repartition(size=2, by='year')`: by= already says how items are divided",
        ),
    ],
)
def test_a_repartition_that_cannot_be_made_is_pointed_at(by, after, tmp_path):
    assert found(REGROUP.format(by=by, key="year"), tmp_path, YEARS) == [after]


def test_repartition_needs_files_of_a_mapped_task(tmp_path):
    assert found('with DAG("x"):\n    Repartition(size=2) >> clean\n', tmp_path) == [
        "REPARTITION at `Repartition(size=2)`: Repartition needs one mapped task before it, over "
        "items known at compile time"
    ]


def test_two_stars_find_files_at_any_depth(tmp_path):
    files = ("data/a.tif", "data/b/c.tif", "data/b/d/e.tif")
    plan = planned(mapped("Files('data/**')", "clean.override(output='{index}')"), tmp_path, files)
    assert names(plan, "clean") == [(name,) for name in files]
    plan = planned(mapped("Files('data/**/c.tif')", "clean"), tmp_path, files)
    assert names(plan, "clean") == [("data/b/c.tif",)]


@pytest.mark.parametrize("pattern", ["./data/*.tif", "data//*.tif", "data/./*.tif"])
def test_a_path_has_one_spelling(pattern, tmp_path):
    plan = planned(mapped(f"Files({pattern!r}, 'data/a.tif')", "clean"), tmp_path)
    assert names(plan, "clean") == [("data/a.tif",), ("data/b.tif",), ("data/c.tif",)]


@pytest.mark.parametrize("pattern", ["data/{1}.tif", "data/[z-a1].tif"])
def test_a_pattern_that_cannot_be_is_pointed_at(pattern, tmp_path):
    [line] = found(mapped(f"Files({pattern!r})", "clean"), tmp_path)
    assert line.startswith(f"INVALID_OPTION at `Files({pattern!r})`")


@pytest.mark.parametrize("source", ["Range(10**20)", "Windows('0001-01-01', '9999-12-31', every=1)"])
def test_more_items_than_a_manifest_could_hold_are_not_listed(source, tmp_path):
    [line] = found(mapped(source), tmp_path)
    assert line.endswith("these are more than 1000000 items")


def test_the_last_window_may_end_where_time_does(tmp_path):
    plan = planned(mapped("Windows('9999-12-31', '9999-12-31T12:00', every='1d')"), tmp_path)
    assert len(names(plan, "show")) == 1


def test_values_of_the_authors_own_classes_become_plain(tmp_path):
    body = "import enum\nclass Word(str, enum.Enum):\n    A = 'a'\n" + mapped("Items([Word.A, {Word.A: 1}])")
    plan = planned(body + "    total.partial(sizes=Word.A)()\n", tmp_path)
    assert names(plan, "show") == [('"a"',), ('{"a":1}',)]
    assert type(plan.node("total").arguments["sizes"].value) is str


@pytest.mark.parametrize("pattern", ["links/*.csv", "links/{k}.csv"])
def test_a_link_to_nowhere_is_pointed_at(pattern, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links/l.csv").symlink_to("nowhere")
    assert found(mapped(f"Files({pattern!r})", "clean"), tmp_path) == [
        f"NO_MATCH at `Files({pattern!r})`: 'links/l.csv' is a link to nowhere"
    ]


def test_a_folder_that_may_not_be_listed_is_not_left_out(tmp_path):
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tif").touch()
    (tmp_path / "closed").chmod(0)
    user = os.geteuid()
    let_others_in(tmp_path)
    if user == 0:
        os.seteuid(65534)  # root may list every folder
    try:
        assert unlisted(tmp_path, "*/*.tif") == "closed"
        assert unlisted(tmp_path, "**/*.tif") == "closed"
        assert unlisted(tmp_path, "open/*.tif") is None
    finally:
        os.seteuid(user)
        (tmp_path / "closed").chmod(0o755)


def test_a_window_may_be_of_no_length(tmp_path):
    assert names(planned(mapped("Windows('2024-01-01', '2024-01-01', every='1d')"), tmp_path), "show") == []


def test_a_key_of_a_list_of_the_run_is_taken_from_its_item(tmp_path):
    body = '@task\ndef one(site): return site\nwith DAG("x"):\n    Items(total([1])) >> one\n'
    [finding] = analyzed(body, tmp_path).diagnostics
    known = "Items is a list that only the run knows, and so are its keys"
    assert finding.message == f"one gets no value for site: {known}"
    assert finding.hint == 'take the parameter item, and in the task item["site"]'
