"""The program in the pod of a Python task, run as a pod would run it."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import without_privileges

RUN_PY = Path(__file__).parents[2] / "orchestrators" / "worker" / "run.py"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FILE_NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in (".", ".."))


def brace_safe(value):
    text = json.dumps(value)
    return text.replace("$", "\\u0024").replace("\x7f", "\\u007f")


def encoded(text):
    body = json.dumps(text)[1:-1]
    return "".join(f"\\u{ord(c):04x}" if c in "{$|;\x7f" else c for c in body)


def partition_line(rows, start=0):
    return ";".join([str(start), *("|".join(map(encoded, row)) for row in rows)])


@dataclass
class Pod:
    """One pod: `root` is its disk; `run` starts the program on it."""

    root: Path
    env: dict = field(default_factory=dict)
    without: str = ""
    before: list = field(default_factory=list)

    def file(self, path, text="x"):
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode(errors="surrogateescape"))
        return place

    def run(self, source, items=None, start=0, *, function="f", each="item", **task):
        program = textwrap.dedent(source)
        task = {"node": "measure", "function": function, "each": each, **task}
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "RUN_ID": "r-1", "PARTITION_ID": "4"}
        env |= {"ARGOSY_ROOT": str(self.root), "ARGOSY_TASK": brace_safe(task)}
        env |= {"ARGOSY_PROGRAM": brace_safe(program)}
        if items is not None:
            env["ARGOSY_ITEMS"] = partition_line(items, start)
        command = [sys.executable, "-I", "-S", str(RUN_PY)]
        if self.without:
            run = f"runpy.run_path({str(RUN_PY)!r}, run_name='__main__')"
            strip = f"import os, runpy; del os.{self.without}; {run}"
            command = [sys.executable, "-I", "-S", "-c", strip]
        command = [*self.before, *command]
        return subprocess.run(command, env=env | self.env, capture_output=True, text=True, timeout=60)

    def succeed(self, *args, **task):
        done = self.run(*args, **task)
        assert done.returncode == 0, done.stderr
        return done

    def fail(self, *args, **task):
        done = self.run(*args, **task)
        assert done.returncode != 0, done.stderr
        assert not (self.root / "out").exists()
        assert not (self.root / "result").exists()
        return done.stderr.splitlines()[-1]

    def results(self):
        text = (self.root / "result").read_text()
        pairs = [line.partition(" ") for line in text.split("\n") if line]
        return [(int(n), json.loads(value)) for n, _, value in pairs]

    def written(self):
        return {path.name: path.read_bytes().decode() for path in (self.root / "out").iterdir()}


@pytest.fixture
def pod(tmp_path):
    return Pod(tmp_path / "argosy")


def slot(var="input_file", column=0):
    return {
        "var": var,
        "kind": "slot",
        "dir": f"slots/{var}",
        "naming": "",
        "column": column,
        "prefix": False,
        "within": "",
    }


def folder(var, kind, path, **more):
    base = {
        "var": var,
        "kind": kind,
        "dir": path,
        "naming": "",
        "column": None,
        "prefix": False,
        "within": "",
    }
    return base | more


def output(naming="", var="output_file"):
    return {"var": var, "naming": naming}


def hidden(*names):
    return [{"name": name, "json": False} for name in names]


COPY = """
    def f(input_file, output_file):
        output_file.write_bytes(input_file.read_bytes())
"""


def test_the_program_fits_a_manifest_and_has_nothing_that_argo_or_kubelet_expand():
    text = RUN_PY.read_text()
    assert not any(tag in text for tag in ("$$", "{{", "$("))


def test_an_item_reads_its_slot_under_its_own_name_and_writes_one_file(pod):
    pod.file("slots/input_file/0/x", "one")
    pod.file("slots/input_file/1/x", "two")
    source = """
        def f(input_file, output_file) -> int:
            output_file.write_text(input_file.read_text().upper())
            return [input_file.name, output_file.name, input_file.stat().st_size]
    """
    items = [["data/a.tif"], ["data/b.tif"]]
    pod.succeed(source, items, 7, inputs=[slot()], outputs=[output("stem,=_x,=.gpkg")], fields=hidden(None))
    assert pod.results() == [(7, ["a.tif", "a_x.gpkg", 3]), (8, ["b.tif", "b_x.gpkg", 3])]
    assert pod.written() == {"a_x.gpkg": "ONE", "b_x.gpkg": "TWO"}
    assert not (pod.root / "work").exists()


def test_a_missing_slot_names_its_item(pod):
    (pod.root / "slots/input_file/0/x").mkdir(parents=True)
    line = pod.fail(COPY, [["data/a.tif"]], 3, inputs=[slot()], outputs=[output()], fields=hidden(None))
    assert line == "argosy: measure: item 3 (a.tif): input file a.tif is missing"


def test_a_folder_is_an_item(pod):
    pod.file("slots/input_file/0/x/.zgroup", "{}")
    source = "def f(input_file): return [input_file.name, [p.name for p in input_file.iterdir()]]"
    pod.succeed(source, [["data/a.zarr/"]], inputs=[slot()], fields=hidden(None))
    assert pod.results() == [(0, ["a.zarr", [".zgroup"]])]


def test_store_file_and_companions_stand_side_by_side(pod):
    pod.file("storage/inputs/data/a.bam", "bam")
    pod.file("in/index/a.bam.bai", "bai")
    source = """
        def f(bam, bai):
            return [bam.read_text(), bai.read_text(), bam.parent == bai.parent]
    """
    inputs = [
        folder("bam", "store", "storage/inputs", column=0),
        folder("bai", "file", "in/index", column=0, naming="name,=.bai"),
    ]
    pod.succeed(source, [["data/a.bam"]], inputs=inputs, fields=hidden(None))
    assert pod.results() == [(0, ["bam", "bai", True])]


def test_a_chain_of_names_follows_the_nodes_that_a_file_passed(pod):
    pod.file("in/warp/0003_1999_a.tar.b.gpkg")
    source = "def f(input_file): return input_file.name"
    inputs = [
        folder(
            "input_file",
            "file",
            "in/warp",
            column=0,
            naming="stem,=.b/=000,index,=_,$year,=\\0137,name,=.gpkg",
        )
    ]
    fields = hidden(None, "year")
    pod.succeed(source, [["x/a.tar.gz", "1999"]], 3, inputs=inputs, fields=fields)
    assert pod.results() == [(3, "0003_1999_a.tar.b.gpkg")]


def test_one_file_serves_every_item(pod):
    pod.file("in/model/m.bin", "m")
    source = "def f(model, item): return [item, model.name, model.read_text()]"
    inputs = [folder("model", "one", "in/model")]
    pod.succeed(source, [["a"], ["b"]], inputs=inputs, fields=hidden("item"))
    assert pod.results() == [(0, ["a", "m.bin", "m"]), (1, ["b", "m.bin", "m"])]


def test_a_folder_named_by_a_number_is_the_one_file_itself(pod):
    pod.file("in/model/2024/m.bin", "m")
    source = "def f(model): return [model.name, [path.name for path in model.iterdir()]]"
    pod.succeed(source, each="all", inputs=[folder("model", "one", "in/model")])
    assert json.loads((pod.root / "result").read_text()) == ["2024", ["m.bin"]]


def test_one_file_among_two_is_a_failure(pod):
    pod.file("in/model/a")
    pod.file("in/model/b")
    line = pod.fail(
        "def f(model): pass", [["a"]], inputs=[folder("model", "one", "in/model")], fields=hidden("item")
    )
    assert line == "argosy: measure: item 0 (a): model is to be one file, but there are 2"


def test_listed_files_are_the_items_in_the_order_of_their_names(pod):
    for name in ("b.tif", "a.tif", "Z.tif"):
        pod.file(f"in/split/{name}", name)
    inputs = [folder("input_file", "list", "in/split")]
    pod.succeed(COPY, [], 5, inputs=inputs, outputs=[output("index,=-,name")])
    assert pod.written() == {"5-Z.tif": "Z.tif", "6-a.tif": "a.tif", "7-b.tif": "b.tif"}
    assert [n for n, _ in pod.results()] == [5, 6, 7]


def test_zero_items_succeed_with_an_empty_folder(pod):
    pod.succeed(COPY, [], inputs=[folder("input_file", "list", "in/split")], outputs=[output()])
    assert pod.written() == {}
    assert pod.results() == []


def test_a_folder_of_partitions_is_flattened_and_two_upstreams_keep_theirs(pod):
    pod.file("in/a/0/x.tif")
    pod.file("in/a/1/y.tif")
    pod.file("in/b/z.tif")
    source = (
        "def f(input_dir): return sorted(str(p.relative_to(input_dir)) for p in input_dir.rglob('*.tif'))"
    )
    a, b = (
        folder("input_dir", "dir", "in/a", prefix=True, within="a"),
        folder("input_dir", "dir", "in/b", within="b"),
    )
    pod.succeed(source, each="all", inputs=[a | {"within": ""}])
    assert json.loads((pod.root / "result").read_text()) == ["x.tif", "y.tif"]
    pod.succeed(source, each="all", inputs=[a, b])
    assert json.loads((pod.root / "result").read_text()) == ["a/x.tif", "a/y.tif", "b/z.tif"]


def test_two_files_of_one_name_name_their_partitions(pod):
    pod.file("in/a/0/x.tif")
    pod.file("in/a/3/x.tif")
    line = pod.fail(
        "def f(input_dir): pass", each="all", inputs=[folder("input_dir", "dir", "in/a", prefix=True)]
    )
    assert line == 'argosy: measure: partition 0 and partition 3 both hold "x.tif"'


def test_a_partition_gets_lists(pod):
    pod.file("slots/input_files/0/x", "one")
    pod.file("slots/input_files/1/x", "two")
    source = """
        def f(input_files, items, year, partition_id):
            texts = [p.read_text() for p in input_files]
            return [texts, [p.name for p in input_files], items, year, partition_id]
    """
    fields = [*hidden(None), {"name": "items", "json": True}, *hidden("year")]
    items = [["p/a.tif", "1", "99"], ["q/a.tif", '{"k":2}', "99"]]
    task = {"inputs": [slot("input_files")], "inject": ["partition_id"]}
    pod.succeed(source, items, each="partition", fields=fields, **task)
    assert pod.results() == [(4, [["one", "two"], ["a.tif", "a.tif"], [1, {"k": 2}], "99", 4])]


def test_a_list_has_the_files_of_every_input_and_those_of_one_item_stand_side_by_side(pod):
    for name in ("0.a", "1.a"):
        pod.file(f"in/x/{name}", name)
        pod.file(f"in/y/{name}", name.upper())
    pod.file("in/z/only", "z")
    inputs = [
        folder("input_files", "file", "in/x", naming="index,=.a"),
        folder("input_files", "file", "in/y", naming="index,=.a"),
        folder("input_files", "dir", "in/z"),
    ]
    source = """
        def f(input_files):
            beside = len({p.parent for p in input_files if p.name == "0.a"})
            return [[p.read_text() for p in input_files], beside]
    """
    pod.succeed(source, [[], []], each="partition", inputs=inputs)
    assert pod.results() == [(4, [["0.a", "1.a", "0.A", "1.A", "z"], 2])]
    inputs[1]["naming"] = "index,=.b"
    for name in ("0.b", "1.b"):
        pod.file(f"in/y/{name}")
    source = "def f(input_files): return len({p.parent for p in input_files if p.name[0] == '0'})"
    pod.succeed(source, [[], []], each="partition", inputs=inputs)
    assert pod.results() == [(4, 1)]


def test_a_partition_is_named_after_the_one_file_that_it_reads(pod):
    pod.file("in/up/4-1999.x", "one")
    pod.file("in/up/other")
    inputs = [folder("input_file", "one", "in/up", naming="index,=-,$year,=.x")]
    task = {"inputs": inputs, "outputs": [output("stem,=.y")], "fields": hidden("year")}
    pod.succeed(COPY, [["1999"], ["1999"]], each="partition", **task)
    assert pod.written() == {"4-1999.y": "one"}
    inputs[0]["naming"] = "=gone"
    line = pod.fail(COPY, [["1999"]], each="partition", **task)
    assert line == "argosy: measure: partition 4: input file gone is missing"


def test_two_inputs_of_one_folder_that_hold_one_name_are_a_failure(pod):
    pod.file("in/a/x")
    pod.file("in/b/x")
    inputs = [folder("input_dir", "dir", "in/a"), folder("input_dir", "dir", "in/b")]
    line = pod.fail("def f(input_dir): pass", each="all", inputs=inputs)
    assert line == 'argosy: measure: a and b both hold "x"'


def test_a_key_that_only_names_use_is_no_argument(pod):
    source = "def f(item, output_file): output_file.write_text(item)"
    task = {"outputs": [output("$year,=-,$deep,=.txt")], "fields": hidden("item", "year"), "constants": {}}
    pod.env["ARGOSY_VALUE_deep"] = ""
    line = pod.fail(source, [["a", "1999"]], **task)
    assert (
        line == "argosy: measure: 0: the output's name needs $deep, which is absent" or "item 0 (a)" in line
    )
    pod.succeed(
        source.replace("(item,", "(item, deep,"), [["a", "1999"]], **{**task, "constants": {"deep": True}}
    )
    assert pod.written() == {"1999-true.txt": "a"}


def test_an_output_that_was_not_written_is_a_failure(pod):
    source = "def f(item, output_file): item == 'b' or output_file.write_text(item)"
    line = pod.fail(source, [["a"], ["b"]], 2, outputs=[output("$item,=.gpkg")], fields=hidden("item"))
    assert line == "argosy: measure: item 3 (b): OUTPUT_FILE (b.gpkg) was not written"


def test_two_items_with_one_output_name_fail_before_anything_runs(pod):
    source = "def f(item, output_file): print('ran')"
    done = pod.run(source, [["a"], ["b"]], 3, outputs=[output("=x.tif")], fields=hidden("item"))
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == 'argosy: measure: items 3 and 4 both write "x.tif": put the item into the file\'s name\n'
    )


def test_two_items_that_leave_one_name_in_their_folders_fail(pod):
    source = "def f(item, output_dir): (output_dir / 'x').mkdir()"
    line = pod.fail(source, [["a"], ["b"]], output_dir="output_dir", fields=hidden("item"))
    assert line == 'argosy: measure: items 0 and 1 both write "x": put the item into the file\'s name'


def test_two_outputs_of_one_name_fail(pod):
    line = pod.fail(
        "def f(a, b): pass", [["i"]], outputs=[output("=x", "a"), output("=x", "b")], fields=hidden(None)
    )
    assert line == 'argosy: measure: item 0 (i): two outputs are "x"'


def test_several_outputs_and_a_folder_end_in_one_place(pod):
    source = """
        def f(item, vector, output_dir):
            vector.write_text("v")
            (output_dir / (item + ".txt")).write_text("t")
            (output_dir / (item + ".zarr")).mkdir()
    """
    task = {"outputs": [output("$item,=.gpkg", "vector")], "output_dir": "output_dir"}
    pod.succeed(source, [["a"]], fields=hidden("item"), **task)
    assert sorted(p.name for p in (pod.root / "out").iterdir()) == ["a.gpkg", "a.txt", "a.zarr"]


def test_a_task_without_outputs_leaves_no_folder(pod):
    pod.succeed("def f(item): pass", [["a"]], fields=hidden("item"))
    assert not (pod.root / "out").exists()
    assert pod.results() == [(0, None)]


@pytest.mark.parametrize("make", ["output_file.symlink_to(input_file)", "input_file.rename(output_file)"])
def test_an_output_that_is_a_link_becomes_the_file(pod, make):
    pod.file("slots/input_file/0/x", "one")
    source = f"def f(input_file, output_file): {make}"
    pod.succeed(source, [["a.tif"]], inputs=[slot()], outputs=[output()], fields=hidden(None))
    assert pod.written() == {"a.tif": "one"}
    assert not (pod.root / "out/a.tif").is_symlink()


@pytest.mark.parametrize("variable", ["output_file", "output_dir"])
def test_a_link_deep_in_an_output_becomes_what_it_points_to(pod, variable):
    source = f"""
        from pathlib import Path
        def f({variable}):
            Path("own").write_text("own")
            ({variable} / "sub/deep").mkdir(parents=True)
            ({variable} / "sub/deep/l").symlink_to(Path("own").absolute())
    """
    task = {"outputs": [output("=o")]} if variable == "output_file" else {"output_dir": variable}
    pod.succeed(source, [["a"]], fields=hidden(None), **task)
    [found] = (pod.root / "out").rglob("l")
    assert (found.read_text(), found.is_symlink()) == ("own", False)


@pytest.mark.parametrize(
    ("target", "what"), [("no", "nowhere"), (".", "a folder that it is in"), ("..", "a folder that it is in")]
)
@pytest.mark.parametrize("place", ["l", "d/l"])
def test_a_link_that_leads_nowhere_or_back_is_no_output(pod, place, target, what):
    source = f"""
        def f(output_dir):
            (output_dir / "d").mkdir()
            (output_dir / {place!r}).symlink_to({target!r})
    """
    line = pod.fail(source, [["a"]], output_dir="output_dir", fields=hidden(None))
    assert line == f'argosy: measure: "{place}" is a link to {what}'


def test_an_output_file_that_leads_nowhere_is_not_said_to_be_missing(pod):
    source = "def f(output_file): output_file.symlink_to('no')"
    line = pod.fail(source, [["a"]], outputs=[output("=o")], fields=hidden(None))
    assert line == 'argosy: measure: "o" is a link to nowhere'


@pytest.mark.parametrize("place", ["", "/pipe", "/sub/pipe", "/sub/link"])
@pytest.mark.parametrize("variable", ["output_file", "output_dir"])
def test_a_pipe_is_no_output(pod, variable, place):
    source = f"""
        import os
        def f({variable}):
            place = str({variable} if {variable!r} == "output_file" else {variable} / "o") + {place!r}
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if place.endswith("link"):
                os.symlink(os.path.abspath("far"), place)
                place = "far"
            os.mkfifo(place)
    """
    task = {"outputs": [output("=o")]} if variable == "output_file" else {"output_dir": variable}
    line = pod.fail(source, [["a"]], fields=hidden(None), **task)
    assert line == f'argosy: measure: "o{place}" is neither a file nor a folder'


def test_a_folder_into_which_nobody_may_write_is_an_output(pod):
    pod.before = without_privileges()
    source = """
        def f(output_dir):
            (output_dir / "d" / "e").mkdir(parents=True)
            (output_dir / "d" / "e" / "f").write_text("x")
            (output_dir / "d").chmod(0o555)
    """
    pod.succeed(source, [["a"]], fields=hidden(None), output_dir="output_dir")
    assert (pod.root / "out/d/e/f").read_text() == "x"


def test_a_retried_attempt_starts_clean_and_knows_its_number(pod):
    for old in ("out/old", "work/0/out/old", ".out.partial/old", "result"):
        pod.file(old)
    pod.env["ARGOSY_RETRIES"] = "2"
    source = "def f(attempt, output_file): output_file.write_text(str(attempt))"
    pod.succeed(source, [["a"]], inject=["attempt"], outputs=[output("=new")], fields=hidden(None))
    assert pod.written() == {"new": "3"}
    assert sorted(path.name for path in pod.root.iterdir()) == ["out", "result"]


def test_a_failure_of_the_last_item_leaves_nothing_of_the_first(pod):
    source = """
        def f(item, output_file):
            output_file.write_text(item)
            assert item == "a", "only a"
    """
    line = pod.fail(source, [["a"], ["b"]], outputs=[output("$item")], fields=hidden("item"))
    assert line == "argosy: measure: item 1 (b): AssertionError: only a"


def test_out_may_be_a_deep_folder_of_a_claim(pod):
    pod.env["ARGOSY_OUT"] = "storage/wf/measure/4"
    pod.file("storage/wf/measure/4/old")
    pod.file("storage/wf/measure/5/other")
    pod.succeed(
        "def f(output_file): output_file.touch()", [["a"]], outputs=[output("=n")], fields=hidden(None)
    )
    found = sorted(str(p.relative_to(pod.root)) for p in (pod.root / "storage").rglob("*") if p.is_file())
    assert found == ["storage/wf/measure/4/n", "storage/wf/measure/5/other"]


def test_a_traceback_shows_the_lines_of_the_author_and_none_of_ours(pod):
    source = """
        def helper(n):
            return 1 // n  # the place

        def f(item):
            return helper(int(item))
    """
    done = pod.run(source, [["1"], ["0"]], fields=hidden("item"), file="dags/ice.py")
    assert done.stderr.startswith('Traceback (most recent call last):\n  File "dags/ice.py", line 6, in f\n')
    assert "return 1 // n  # the place" in done.stderr
    assert "run.py" not in done.stderr
    assert done.stderr.endswith(
        "argosy: measure: item 1 (0): ZeroDivisionError: integer division or modulo by zero\n"
    )


@pytest.mark.parametrize(
    ("body", "status", "what"),
    [
        ("import sys; sys.exit(3)", 3, "exit status 3"),
        ("import sys; sys.exit(0)", 1, "it ended Python by sys.exit; a task has to return"),
        ("import sys; sys.exit()", 1, "it ended Python by sys.exit; a task has to return"),
        ("import sys; sys.exit('no data')", 1, "no data"),
        ("raise KeyError('k')", 1, "KeyError: 'k'"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_the_way_a_function_ends_is_the_way_the_pod_ends(pod, body, status, what, workers):
    done = pod.run(f"def f(item):\n    {body}\n", [["a"], ["b"]], workers=workers, fields=hidden("item"))
    assert (done.returncode, done.stderr.splitlines()[-1]) == (status, f"argosy: measure: item 0 (a): {what}")


def test_source_that_cannot_be_executed_fails_with_its_reason(pod):
    line = pod.fail("import no_such_module\n", [["a"]])
    assert line == "argosy: measure: ModuleNotFoundError: No module named 'no_such_module'"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("float('nan')", "the returned value is nan, which is no JSON"),
        ("{'a': [1, float('-inf')]}", "the returned value['a'][1] is -inf, which is no JSON"),
        ("{'a': {1}}", "the returned value['a'] is of type builtins.set, which is no JSON"),
        ("{1: 2}", "the returned value has a key that is no str"),
        ("[b'']", "the returned value[0] is of type builtins.bytes, which is no JSON"),
        ("input_file", "the returned value is of type pathlib.PosixPath, which is no JSON"),
        ("chr(0xd800)", "the returned value holds a lone surrogate"),
        ("{chr(0xd800): 1}", "a key of the returned value holds a lone surrogate"),
        ("(lambda x: [x.append(x), x][1])([])", "the returned value is nested too deeply"),
    ],
)
def test_a_value_that_is_no_json_is_a_failure_that_says_where(pod, value, why):
    pod.file("slots/input_file/0/x")
    line = pod.fail(
        f"def f(input_file): return {value}", [["a.tif"]], 9, inputs=[slot()], fields=hidden(None)
    )
    assert line.replace("pathlib._local.", "pathlib.") == f"argosy: measure: item 9 (a.tif): {why}"


@pytest.mark.parametrize(
    "change",
    [
        "input_file.write_text('longer')",
        "input_file.resolve().unlink()",
        "__import__('os').utime(input_file, (1, 1))",
    ],
)
def test_an_input_that_was_changed_in_place_is_a_failure(pod, change):
    pod.file("slots/input_file/0/x")
    line = pod.fail(f"def f(input_file): {change}", [["a.tif"]], inputs=[slot()], fields=hidden(None))
    assert line == "argosy: measure: item 0 (a.tif): input file a.tif was changed in place"


def test_replacing_ones_own_link_changes_no_input(pod):
    original = pod.file("slots/input_file/0/x")
    source = "def f(input_file): input_file.unlink(); input_file.write_text('mine')"
    pod.succeed(source, [["a.tif"]], inputs=[slot()], fields=hidden(None))
    assert original.read_text() == "x"


def test_a_change_inside_a_folder_is_found_whatever_dates_say(pod):
    place = pod.file("slots/input_file/0/x/c/0", "1")
    os.utime(place, (4e9, 4e9))
    source = """
        import os
        def f(input_file):
            (input_file / "c/0").write_text("2")
            os.utime(input_file / "c/0", (4e9, 4e9))
    """
    line = pod.fail(source, [["a.zarr/"]], inputs=[slot()], fields=hidden(None))
    assert line == "argosy: measure: item 0 (a.zarr): input file a.zarr was changed in place"


def test_what_kills_a_worker_itself_is_shown(pod):
    source = "def f(item):\n    import os, shutil\n    shutil.rmtree(os.path.dirname(os.getcwd()))"
    done = pod.run(source, [["a"], ["b"]], workers=2, fields=hidden("item"))
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
    assert done.stderr.endswith("argosy: measure: item 0 (a): exit status 1\n")


def test_workers_run_at_once_and_results_stay_in_order(pod):
    source = """
        import os, time
        from pathlib import Path
        def f(item, output_file, meeting):
            Path(meeting, item).touch()
            while len(os.listdir(meeting)) < 3:
                time.sleep(0.01)
            output_file.write_text(item)
            return [item, os.getpid() != int(open(meeting + ".pid").read() or 0)]
    """
    (pod.root / "meeting").mkdir(parents=True)
    pod.file("meeting.pid", "0")
    task = {
        "fields": hidden("item"),
        "outputs": [output("$item")],
        "constants": {"meeting": str(pod.root / "meeting")},
    }
    pod.succeed(source, [["a"], ["b"], ["c"]], workers=3, **task)
    assert pod.results() == [(0, ["a", True]), (1, ["b", True]), (2, ["c", True])]
    assert pod.written() == {"a": "a", "b": "b", "c": "c"}


@pytest.mark.parametrize("without", ["", "fork"])
def test_with_workers_the_first_failure_lets_nothing_more_start(pod, without):
    source = """
        import time
        from pathlib import Path
        def f(item, log):
            Path(log, item).touch()
            time.sleep(0.05)
            assert item not in "ab"
    """
    (pod.root / "log").mkdir(parents=True)
    pod.without = without
    task = {"fields": hidden("item"), "constants": {"log": str(pod.root / "log")}, "workers": 2}
    line = pod.fail(source, [[item] for item in "abcdefgh"], **task)
    assert line == "argosy: measure: item 0 (a): AssertionError"
    assert len(list((pod.root / "log").iterdir())) < 8


def test_without_fork_workers_are_threads(pod):
    pod.without = "fork"
    source = "def f(item, output_file):\n    output_file.write_text(item)\n    return item"
    pod.succeed(
        source, [[item] for item in "abc"], workers=2, fields=hidden("item"), outputs=[output("$item")]
    )
    assert pod.results() == [(0, "a"), (1, "b"), (2, "c")]
    assert sorted(pod.written()) == ["a", "b", "c"]


def test_a_killed_worker_names_its_item(pod):
    source = "import os\ndef f(item): os.kill(os.getpid(), 9 if item == 'b' else 0)"
    done = pod.run(source, [["a"], ["b"]], workers=2, fields=hidden("item"))
    assert done.stderr.splitlines()[-1] == "argosy: measure: item 1 (b): killed by signal 9"
    assert done.returncode == 137


def test_each_item_has_a_folder_of_its_own_to_work_in(pod):
    source = "import os\ndef f(item):\n    open('scratch', 'x').close()\n    return os.listdir()"
    pod.succeed(source, [["a"], ["b"]], fields=hidden("item"))
    assert pod.results() == [(0, ["scratch"]), (1, ["scratch"])]


def test_the_author_sees_no_variable_of_ours_and_a_closed_stdin(pod):
    source = "import os, sys\ndef f(): return [[n for n in os.environ if 'ARGOSY' in n], sys.stdin.read()]"
    pod.succeed(source, each="all")
    assert json.loads((pod.root / "result").read_text()) == [[], ""]


def test_run_values_are_injected_by_name(pod):
    pod.env |= {"PARTITION_COUNT": "9", "RUN_TYPE": "backfill", "DATA_INTERVAL_START": "2024-01-01T00:00:00Z"}
    names = [
        "index",
        "attempt",
        "partition_id",
        "partition_count",
        "run_id",
        "run_type",
        "data_interval_start",
    ]
    source = f"def f({', '.join(names)}): return [{', '.join(names)}]"
    pod.succeed(source, [["a"]], 6, inject=names, fields=hidden(None))
    assert pod.results() == [(6, [6, 1, 4, 9, "r-1", "backfill", "2024-01-01T00:00:00Z"])]


def test_values_arrive_in_every_form(pod):
    pod.env |= {
        "ARGOSY_VALUE_j": '{"a":[1]}',
        "ARGOSY_VALUE_t": "x y\n",
        "ARGOSY_VALUE_l": '6 "six"\n7 "seven"',
    }
    source = "def f(j, t, l): return [j, t, l]"
    values = {"j": "json", "t": "text", "l": "line"}
    pod.succeed(source, [["a"], ["b"]], 6, values=values, fields=hidden(None))
    assert pod.results() == [(6, [{"a": [1]}, "x y\n", "six"]), (7, [{"a": [1]}, "x y\n", "seven"])]
    pod.env["ARGOSY_VALUE_l"] = '4 "whole"'
    pod.succeed(source, [["a"]], 6, values=values, fields=hidden(None))
    assert pod.results() == [(6, [{"a": [1]}, "x y\n", "whole"])]


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ("4 1", "line", 1),
        ("8 1\n9 2", "line", [1, 2]),
        ("8 1", "lines", [1]),
        ("8 1\n9 null", "lines", [1, None]),
    ],
)
def test_a_partition_gets_one_line_as_a_value_and_several_as_a_list(pod, text, form, value):
    pod.env["ARGOSY_VALUE_v"] = text
    pod.succeed("def f(v): return v", [["a"]], each="partition", values={"v": form}, fields=hidden(None))
    assert pod.results() == [(4, value)]


@pytest.mark.parametrize(
    ("gathered", "values"),
    [
        (["0 10\n1 20", "", "2 30\n3 40"], [10, 20, 30, 40]),
        (['9 {"k":1}', '10 "a\\nb"'], [{"k": 1}, "a\nb"]),
        (["0 1\n1 2", "0 3\n1 4"], [1, 2, 3, 4]),
        ([{"k": 1}, [2]], [{"k": 1}, [2]]),
        (['{"k":1}', "7", '"5"', "null"], [{"k": 1}, 7, "5", None]),
        ([], []),
    ],
)
def test_a_gather_is_a_flat_list_in_the_order_of_partitions(pod, gathered, values):
    pod.file("values/sizes", json.dumps(gathered))
    pod.succeed("def f(sizes): return sizes", each="all", values={"sizes": "gather"})
    assert json.loads((pod.root / "result").read_text()) == values


@pytest.mark.parametrize("form", ["json", "line", {"form": "text", "default": True}, "gather"])
def test_an_absent_value_leaves_the_functions_own_default(pod, form):
    pod.env["ARGOSY_VALUE_v"] = ""
    pod.succeed("def f(v='own'): return v", each="all", values={"v": form})
    assert json.loads((pod.root / "result").read_text()) == "own"


def test_folders_of_inputs_may_come_in_a_variable(pod):
    pod.file("in/a/x.tif", "one")
    pod.file("in/b-all/y.tif", "two")
    pod.env["ARGOSY_FOLDERS"] = "in/a\nin/b-all"
    inputs = [folder("a", "one", None), folder("b", "one", None)]
    for source in inputs:
        del source["dir"]
    pod.succeed("def f(a, b): return [a.read_text(), b.read_text()]", each="all", inputs=inputs)
    assert json.loads((pod.root / "result").read_text()) == ["one", "two"]


def test_text_of_the_user_that_must_be_json_is_read_as_json(pod):
    pod.env["ARGOSY_VALUE_v"] = json.dumps('{"a": 1}')
    pod.succeed("def f(v): return v", each="all", values={"v": "json-text"})
    assert json.loads((pod.root / "result").read_text()) == {"a": 1}
    pod.env["ARGOSY_VALUE_v"] = json.dumps("ten")
    assert pod.run("def f(v): return v", each="all", values={"v": "json-text"}).stderr.endswith("JSON: ten\n")


def test_a_node_that_plans_writes_a_line_per_partition_of_its_items(pod):
    plans = {"forms": ["text", "json"], "size": 2}
    pod.succeed("def f(): return ['a;{', 2, {'k': '$'}]", each="all", plans=plans)
    first, second = (pod.root / "items").read_text().split("\n")
    assert first.split(";") == ["0", encoded("a;{") + "|" + encoded('"a;{"'), "2|2"]
    assert [json.loads(json.loads(f'"{text}"')) for text in second.split(";")[1].split("|")] == [
        {"k": "$"}
    ] * 2
    assert not {"$", "{"} & set(first + second)
    pod.succeed("def f(): return []", each="all", plans=plans)
    assert (pod.root / "items").read_text() == ""
    line = pod.fail("def f(): return 5", each="all", plans=plans)
    assert line == "argosy: measure: the returned value is a int, and the next tasks map over a list"


def test_an_empty_text_is_a_value(pod):
    pod.env["ARGOSY_VALUE_v"] = ""
    pod.succeed("def f(v='own'): return v", each="all", values={"v": "text"})
    assert json.loads((pod.root / "result").read_text()) == ""


def test_an_absent_value_without_a_default_is_a_failure(pod):
    line = pod.fail("def f(v): pass", each="all", values={"v": "json"})
    assert line == "argosy: measure: TypeError: f() missing 1 required positional argument: 'v'"


def test_classes_of_the_author_belong_to_a_module(pod):
    source = """
        from __future__ import annotations
        import dataclasses, pickle
        @dataclasses.dataclass
        class Pair:
            a: int
        def f(): return [pickle.loads(pickle.dumps(Pair(1))).a, __name__ == "__main__"]
    """
    pod.succeed(source, each="all")
    assert json.loads((pod.root / "result").read_text()) == [1, False]


@pytest.mark.parametrize("naming", ["=", "=.", "=..", "=a\\0057b", "=" + "x" * 256])
def test_an_impossible_output_name_is_a_failure(pod, naming):
    line = pod.fail("def f(output_file): pass", [["a"]], outputs=[output(naming)], fields=hidden(None))
    assert line.startswith("argosy: measure: item 0 (a): ")
    assert line.endswith("cannot be the name of a file")


@settings(max_examples=12, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20), st.lists(VALUES, max_size=20))
def test_every_text_and_value_comes_back(texts, values):
    with tempfile.TemporaryDirectory() as name:
        pod = Pod(Path(name))
        pod.env["ARGOSY_VALUE_sent"] = brace_safe(values)
        pod.file(
            "values/gathered", json.dumps(["\n".join(f"{n} {json.dumps(v)}" for n, v in enumerate(values))])
        )
        task = {"constants": {"given": values}, "values": {"sent": "json", "gathered": "gather"}}
        pod.succeed(
            "def f(item, given, sent, gathered): return [item, given, sent, gathered]",
            [[text] for text in texts],
            fields=hidden("item"),
            **task,
        )
        assert pod.results() == [(n, [text, values, values, values]) for n, text in enumerate(texts)]
        raw = (pod.root / "result").read_text()
        assert raw.isascii()
        assert not {"$", "\x7f"} & set(raw)
        assert "{{" not in raw


@settings(max_examples=12, deadline=None)
@given(st.lists(FILE_NAMES, min_size=1, max_size=20, unique=True))
def test_every_file_name_comes_back(names):
    names = [name for name in names if len(name.encode()) <= 255]
    with tempfile.TemporaryDirectory() as name:
        pod = Pod(Path(name))
        for position, shown in enumerate(names):
            pod.file(f"slots/input_file/{position}/x", shown)
        items = [[f"data/{shown}"] for shown in names]
        pod.succeed(COPY, items, inputs=[slot()], outputs=[output()], fields=hidden(None))
        assert pod.written() == {shown: shown for shown in names}
