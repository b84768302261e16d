"""Readers get exactly the files that were written: every kind of writer before every kind of reader, run.

Three items make the partitions 0 (items 0 and 1) and 1 (item 2). A file holds its own name; a reader writes
down the names and the contents of all that it sees.
"""

import pytest

from tests.harness import BOTH, codes, compile_file, run_here, write

SOURCE = 'Items(["p", "q", "r"], size=2) >> '
PARTITIONS = ((0, 1), (2,))
NUMBERS = {"all": (0,), "item": (0, 1, 2), "partition": (0, 1)}
"""How the calls of a writer number their files, by how often it runs."""
SUFFIXES = {"file": ("o",), "two": ("a", "b"), "folder": ("x", "y")}
OUTPUTS = {
    "file": 'output="{index}.o"',
    "two": 'output={"a": "{index}.a", "b": "{index}.b"}',
    "folder": "",
}
WRITERS = {
    "python": {
        "file": "output_file): output_file.write_text(output_file.name)",
        "two": "a: OutFile, b: OutFile): [one.write_text(one.name) for one in (a, b)]",
        "folder": "output_dir, index): [(output_dir / f'{index}.{s}').write_text(f'{index}.{s}') "
        "for s in 'xy']",
    },
    "shell": {
        "file": """): return 'basename "$OUTPUT_FILE" > "$OUTPUT_FILE"'""",
        "two": """a: OutFile, b: OutFile): return 'for f in "$a" "$b"; do basename "$f" > "$f"; done'""",
        "folder": """): return 'for s in x y; do echo "$INDEX.$s" > "$OUTPUT_DIR/$INDEX.$s"; done'""",
    },
}
SHOW = """echo "${f##*/}:$(cat "$f")" > "$OUTPUT_FILE" """
ALL = """for f in *; do echo "$f:$(cat "$f")"; done > "$OUTPUT_FILE" """
READERS = f'''
from dsl import InDir

def text(paths):
    return "".join(sorted(f"{{p.name}}:{{p.read_text().strip()}}\\n" for p in paths))

@task(output="{{stem}}{{suffix}}.u")
def py_file(input_file, output_file):
    output_file.write_text(text([input_file]))
@task
def py_kept(input_file, output_file):
    output_file.write_text(text([input_file]))
@task(output="{{index}}.u")
def py_files(input_files, output_file):
    output_file.write_text(text(input_files))
@task(output="{{index}}.u")
def py_dir(input_dir, output_file):
    output_file.write_text(text(input_dir.iterdir()))
@task(output="{{index}}.u")
def py_own_dir(tiles: InDir, output_file):
    output_file.write_text(text(tiles.iterdir()))
@task.shell(image="i", output="{{name}}.u")
def sh_file(): return """f=$INPUT_FILE; {SHOW}"""
@task.shell(image="i")
def sh_kept(): return """f=$INPUT_FILE; {SHOW}"""
@task.shell(image="i", output="{{name}}.u")
def sh_own_file(one: InFile): return """f=$one; {SHOW}"""
@task.shell(image="i")
def sh_own_kept(one: InFile): return """f=$one; {SHOW}"""
@task.shell(image="i", output="{{index}}.u")
def sh_dir(): return """cd "$INPUT_DIR"; {ALL}"""
@task.shell(image="i", output="{{index}}.u")
def sh_own_dir(tiles: InDir): return """cd "$tiles"; {ALL}"""
'''
EVERY = [
    pytest.mark.parametrize("kind", ["python", "shell"]),
    pytest.mark.parametrize("often", ["all", "item", "partition"]),
    pytest.mark.parametrize("writes", ["file", "two", "folder"]),
]


def every_writer(test):
    """Run a test for each kind of writer, in both forms."""
    for mark in [*EVERY, BOTH]:
        test = mark(test)
    return test


def dag(kind, writes, often, chains):
    """Return the text of a DAG: a writer `w`, and chains of it and its readers."""
    each = "" if often == "item" else f'each="{often}", '
    decorator = {"python": "@task(", "shell": '@task.shell(image="i", '}[kind]
    writer = f"{decorator}{each}{OUTPUTS[writes]})\ndef w({WRITERS[kind][writes]}\n"
    first = [] if often == "all" else [f"{SOURCE}w"]
    return READERS + writer + 'with DAG("reads"):\n' + "".join(f"    {c}\n" for c in [*first, *chains])


def ran(text, lowering, folder):
    """Return the files of each task of a DAG that ran without trouble."""
    return run_here(compile_file(write(folder, text), lowering), folder, folder / "out").succeeded().files


def names(writes, numbers):
    """Return the names of the files that calls of a writer wrote."""
    return [f"{number}.{suffix}" for number in numbers for suffix in SUFFIXES[writes]]


def seen(found):
    """Return what a reader writes down about files."""
    return "".join(sorted(f"{name}:{name}\n" for name in found)).encode()


@every_writer
def test_a_folder_and_a_list_hold_every_file_that_was_written(writes, often, kind, lowering, tmp_path):
    every = [names(writes, NUMBERS[often])]
    parts = {
        "all": every,
        "item": [names(writes, part) for part in PARTITIONS],
        "partition": [names(writes, [number]) for number in NUMBERS["partition"]],
    }[often]
    after = {"py_dir": every, "py_own_dir": every, "sh_dir": every, "sh_own_dir": every, "py_files": parts}
    chains = [f"w >> {reader}" for reader in after]
    chains.append('w >> py_files.override(task_id="at_once", each="all")')
    after["at_once"] = every
    if often != "all":
        for reader in ("py_dir", "py_own_dir", "sh_dir", "sh_own_dir"):
            chains.append(f'w >> {reader}.override(task_id="part_{reader}", each="partition")')
            after[f"part_{reader}"] = parts
    files = ran(dag(kind, writes, often, chains), lowering, tmp_path)
    for reader, groups in after.items():
        assert files[reader] == {f"{n}.u": seen(group) for n, group in enumerate(groups)}, reader


@every_writer
def test_one_file_at_a_time_is_each_file_that_was_written(writes, often, kind, lowering, tmp_path):
    given = {"py_file": "input_file", "py_kept": "input_file", "sh_own_file": "one", "sh_own_kept": "one"}
    chains, after = [], {}
    for reader, parameter in given.items():
        if writes == "two":
            for one in SUFFIXES["two"]:
                chains.append(f"{reader}.override(task_id='{reader}_{one}')({parameter}=w.file('{one}'))")
                after[f"{reader}_{one}"] = [f"{number}.{one}" for number in NUMBERS[often]]
        else:
            chains.append(f"w >> {reader}")
            after[reader] = names(writes, NUMBERS[often])
    if writes != "two":
        chains += ["w >> sh_file", "w >> sh_kept"]
        after |= {"sh_file": after["py_file"], "sh_kept": after["py_file"]}
    files = ran(dag(kind, writes, often, chains), lowering, tmp_path)
    for reader, found in after.items():
        assert files[reader] == {f"{name}.u" if "file" in reader else name: seen([name]) for name in found}


TO_ALL = """
@task
def py_item(item, one: InFile): return [item, one.name, one.read_text().strip()]
@task
def py_part(items, one: InFile): return [items, one.name, one.read_text().strip()]
@task.shell(image="i", each="partition")
def sh_part(one: InFile): return 'echo "${one##*/}:$(cat "$one")" > "$RESULT_FILE"'
@task.shell(image="i")
def sh_item(one: InFile): return 'echo "$ITEM:${one##*/}:$(cat "$one")" > "$RESULT_FILE"'
@task.shell(image="i", each="item")
def sh_tiles(tiles: InDir): return 'cd "$tiles"; for f in *; do cat "$f"; done > "$RESULT_FILE"'
@task(each="item")
def py_tiles(tiles: InDir): return sorted(p.name for p in tiles.iterdir())
with DAG("reads"):
    items = Items(["p", "q", "r"], size=2)
    items >> [f.partial(one=ONE) for f in (py_item, py_part, sh_part, sh_item)]
    items >> [f.partial(tiles=w) for f in (sh_tiles, py_tiles)]
"""


@BOTH
@pytest.mark.parametrize("writes", ["file", "two", "folder"])
def test_a_file_that_was_written_once_goes_to_every_item_and_partition(writes, lowering, tmp_path):
    one = {"file": "w", "two": 'w.file("b")', "folder": 'w.file("0.y")'}[writes]
    name = {"file": "0.o", "two": "0.b", "folder": "0.y"}[writes]
    text = dag("shell", writes, "all", []).partition("with DAG")[0] + TO_ALL.replace("ONE", one)
    manifest = compile_file(write(tmp_path, text), lowering)
    values = run_here(manifest, tmp_path, tmp_path / "out").succeeded().values
    assert values["py_item"] == [[item, name, name] for item in "pqr"]
    assert values["py_part"] == [[items, name, name] for items in (["p", "q"], ["r"])]
    assert values["sh_part"] == [f"{name}:{name}"] * 2
    assert values["sh_item"] == [f"{item}:{name}:{name}" for item in "pqr"]
    assert values["sh_tiles"] == ["\n".join(names(writes, [0]))] * 3
    assert values["py_tiles"] == [names(writes, [0])] * 3


SEVERAL = """
@task
def py_dir(input_dir):
    return sorted(f"{p.parent.name}/{p.name}:{p.read_text()}" for p in input_dir.rglob("*.t"))
@task
def py_files(input_files): return [p.read_text() for p in input_files]
@task.shell(image="i")
def sh_dir(): return 'cd "$INPUT_DIR"; for f in */*; do echo "$f:$(cat "$f")"; done > "$RESULT_FILE"'
@task.shell(image="i", output="{k}.t")
def x(a: InFile): return 'echo "x$(cat "$a")" | tr -d "\\n" > "$OUTPUT_FILE"'
@task.shell(image="i", output="{k}.t")
def y(a: InFile): return 'echo "y$(cat "$a")" | tr -d "\\n" > "$OUTPUT_FILE"'
with DAG("reads"):
    source = Files(a="a/{k}.t", b="b/{k}.t", size=2)
    part = {"each": "partition"}
    source >> [py_dir.override(**part), sh_dir.override(**part), py_files]
    source >> [x, y]
    [x, y] >> py_dir.override(task_id="py_part", **part)
    [x, y] >> sh_dir.override(task_id="sh_part", **part)
    [x, y] >> py_files.override(task_id="py_list")
    [x, y] >> py_dir.override(task_id="py_all", each="all")
    [x, y] >> sh_dir.override(task_id="sh_all")
    source >> py_dir.override(task_id="py_source", each="all")
    source >> sh_dir.override(task_id="sh_source", each="all")
"""


@BOTH
def test_files_of_several_patterns_and_upstreams_stand_in_a_folder_for_each(lowering, tmp_path):
    for side in "ab":
        (tmp_path / side).mkdir()
        for number in range(3):
            (tmp_path / side / f"{number}.t").write_text(f"{side}{number}")
    manifest = compile_file(write(tmp_path, SEVERAL), lowering)
    values = run_here(manifest, tmp_path, tmp_path / "out").succeeded().values
    sources = [[f"{side}/{n}.t:{side}{n}" for side in "ab" for n in part] for part in PARTITIONS]
    written = [[f"{up}/{n}.t:{up}a{n}" for up in "xy" for n in part] for part in PARTITIONS]
    assert (values["py_dir"], values["sh_dir"]) == (sources, ["\n".join(found) for found in sources])
    assert (values["py_part"], values["sh_part"]) == (written, ["\n".join(found) for found in written])
    assert values["py_files"] == [[line.partition(":")[2] for line in found] for found in sources]
    assert values["py_list"] == [[line.partition(":")[2] for line in found] for found in written]
    for reader, parts in (("source", sources), ("all", written)):
        every = sorted(line for found in parts for line in found)
        assert (values[f"py_{reader}"], values[f"sh_{reader}"]) == (every, "\n".join(every))


@BOTH
def test_the_file_of_a_container_task_is_read_like_any_other(lowering, tmp_path):
    text = """
@task.container(image="i", output="o.c")
def w(): return ["sh", "-c", "echo o.c > $(OUTPUT_FILE)"]
with DAG("reads"):
    w() >> [py_kept, sh_file, py_files, sh_dir]
"""
    files = ran(READERS + text, lowering, tmp_path)
    found = {"py_kept": "o.c", "sh_file": "o.c.u", "py_files": "0.u", "sh_dir": "0.u"}
    assert {task: files[task] for task in found} == {
        task: {name: seen(["o.c"])} for task, name in found.items()
    }


@pytest.mark.parametrize("often", NUMBERS)
def test_one_file_of_two_has_to_be_named(often, tmp_path):
    assert codes(write(tmp_path, dag("python", "two", often, ["w >> py_file"]))) == {"AMBIGUOUS_FILE"}
