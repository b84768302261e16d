"""Tasks that read their inputs, which are links, with what does not follow links."""

import pytest

from dsl.analyze import analyze_all
from dsl.codes import Code
from dsl.load import execute

HEAD = (
    "import os, shutil, tarfile\nfrom pathlib import Path\nfrom dsl import DAG, Files, InDir, InFile, task\n"
)
SHELL = (
    HEAD
    + """
@task.shell(image="debian:12-slim", output="{{index}}")
def reads({parameters}):
    return r'''
{text}
'''

with DAG("flow"):
    {chain} >> reads
"""
)
PYTHON = (
    HEAD
    + """
@task
def split(output_dir): (output_dir / "a").mkdir()

@task
def flat(output_dir): (output_dir / "a").touch()

@task{decorator}
def reads({parameters}):
    {text}

with DAG("flow"):
    {chain} >> reads
"""
)

FOLDER = [
    'tar czf "$OUTPUT_FILE" -C "$INPUT_DIR" .',
    'tar -czf "$OUTPUT_FILE" "$INPUT_DIR"',
    'tar --create --file "$OUTPUT_FILE" "${INPUT_DIR}"/*.tif',
    'tar c --directory="$INPUT_DIR" . >"$OUTPUT_FILE"',
    'tar c -C /etc "$INPUT_DIR" >"$OUTPUT_FILE"',
    'for scene in "$INPUT_DIR"/*; do tar rf "$OUTPUT_FILE" "$scene"; done',
    'cd "$INPUT_DIR" && tar cf "$OUTPUT_FILE" *',
    '(cd "$INPUT_DIR"; tar c .) >"$OUTPUT_FILE"',
    'x=$(find "$INPUT_DIR" -name "*.tif" -type f | wc -l); echo "$x" >"$OUTPUT_FILE"',
    'find -H "$INPUT_DIR"/ -type f >"$OUTPUT_FILE"',
    'cd "$INPUT_DIR"; find -type f >"$OUTPUT_FILE"',
    'grep -rn ice "$INPUT_DIR" >"$OUTPUT_FILE"',
    'if grep -q -r -e ice "$INPUT_DIR/"; then : >"$OUTPUT_FILE"; fi',
    'cd "$INPUT_DIR"; grep -r ice >"$OUTPUT_FILE"',
    'cp -r "$INPUT_DIR" work; cat work/* >"$OUTPUT_FILE"',
    'cp -a "$INPUT_DIR"/. .; cat ./* >"$OUTPUT_FILE"',
    'gzip -k "$INPUT_DIR"/*; : >"$OUTPUT_FILE"',
    '/usr/bin/xz -9 "$INPUT_DIR/a.tif"; : >"$OUTPUT_FILE"',
]
FILE = [
    'gzip -9 "$INPUT_FILE"; mv "$INPUT_FILE.gz" "$OUTPUT_FILE"',
    'bunzip2 "$INPUT_FILE"; : >"$OUTPUT_FILE"',
    'tar cf "$OUTPUT_FILE" "$INPUT_FILE"',
    'cp -P "$INPUT_FILE" a; tar cf "$OUTPUT_FILE" a',
    'find "$INPUT_FILE" -type f >"$OUTPUT_FILE"',
]
FOLDER_RIGHT = [
    'tar chzf "$OUTPUT_FILE" -C "$INPUT_DIR" .',
    'tar -h -czf "$OUTPUT_FILE" "$INPUT_DIR"',
    'tar --dereference -cf "$OUTPUT_FILE" "$INPUT_DIR"',
    'tar xzf "$INPUT_DIR"/a.tgz; mv a "$OUTPUT_FILE"',
    'tar cf "$OUTPUT_FILE" -T "$INPUT_DIR"/list',
    'cd "$INPUT_DIR"; tar cf "$OUTPUT_FILE" -C /etc passwd',
    'tar -cf "$OUTPUT_FILE" --files-from "$INPUT_DIR"/list',
    'cat "$INPUT_DIR"/* >made; tar cf "$OUTPUT_FILE" made',
    '(cd "$INPUT_DIR"; ls) >made; tar cf "$OUTPUT_FILE" made',
    'cd "$INPUT_DIR"; ls >/tmp/made; cd /tmp; tar cf "$OUTPUT_FILE" made',
    'find -L "$INPUT_DIR" -type f >"$OUTPUT_FILE"',
    'find "$INPUT_DIR" -follow -type f >"$OUTPUT_FILE"',
    'find "$INPUT_DIR" -xtype f >"$OUTPUT_FILE"',
    'find "$INPUT_DIR" \\( -type f -o -type l \\) >"$OUTPUT_FILE"',
    'find "$INPUT_DIR" -name "*.tif" >"$OUTPUT_FILE"; find . -type f',
    'cd "$INPUT_DIR"; tar cf "$OUTPUT_FILE" -T list 2>/dev/null',
    'grep -R ice "$INPUT_DIR" >"$OUTPUT_FILE"',
    'grep -r ice "$INPUT_DIR"/* >"$OUTPUT_FILE"',
    'grep ice "$INPUT_DIR"/* | grep -r ice - >"$OUTPUT_FILE"',
    'cp -RL "$INPUT_DIR" work; cat work/* >"$OUTPUT_FILE"',
    'cp -a "$INPUT_DIR" "$OUTPUT_FILE"',
    'cp -p "$INPUT_DIR"/* .; cat a.tif >"$OUTPUT_FILE"',
    'for scene in "$INPUT_DIR"/*; do gzip -c "$scene"; done >"$OUTPUT_FILE"',
    'for scene in a b; do : >"$scene"; gzip "$scene"; done; cat "$INPUT_DIR"/* >"$OUTPUT_FILE"',
    'echo "tar c $INPUT_DIR" >"$OUTPUT_FILE" # tar c "$INPUT_DIR"',
]
FILE_RIGHT = [
    'gzip -kf "$INPUT_FILE"; mv "$INPUT_FILE.gz" "$OUTPUT_FILE"',
    'gzip -c9 "$INPUT_FILE" >"$OUTPUT_FILE"',
    'gzip <"$INPUT_FILE" >"$OUTPUT_FILE"',
    'xz --stdout "$INPUT_FILE" >"$OUTPUT_FILE"',
    'gzip -t "$INPUT_FILE"; : >"$OUTPUT_FILE"',
    'find -H "$INPUT_FILE" -type f >"$OUTPUT_FILE"',
    'cp -rH "$INPUT_FILE" a; cat a >"$OUTPUT_FILE"',
    'grep -r ice "$INPUT_FILE" >"$OUTPUT_FILE"',
    'tar cf "$OUTPUT_FILE" -C "$INPUT_FILE" .',
    'x=${INPUT_FILE%.tif}.txt; cat "$INPUT_FILE" >"${x##*/}"; gzip "${x##*/}"; mv *.gz "$OUTPUT_FILE"',
]
CALLS = {
    "tarfile": ("input_dir", "with tarfile.open('a.tgz', 'w:gz') as tar: tar.add(input_dir, arcname='.')"),
    "tarfile of each": (
        "input_files",
        "tar = tarfile.open('a.tar', mode='w')\n    for path in input_files: tar.add(path, path.name)",
    ),
    "tarfile of each with its number": (
        "input_dir",
        "tar = tarfile.open('a.tar', 'w')\n"
        "    for number, path in enumerate(sorted(input_dir.glob('*'))): tar.add(str(path), f'{number}')",
    ),
    "tarfile of one": ("scene: InFile", "with tarfile.open('a', 'w') as tar: tar.add(f'{scene}', 'a')"),
    "make_archive": ("input_dir", "shutil.make_archive('a', 'gztar', root_dir=input_dir)"),
    "copytree": ("input_dir", "shutil.copytree(input_dir, 'a', symlinks=True)"),
    "lstat": ("input_file", "return os.lstat(input_file).st_size"),
    "lstat of a path": ("input_dir", "return [one.lstat().st_size for one in input_dir.iterdir()]"),
    "lstat of a part": ("input_dir", "return (input_dir / 'a').lstat().st_size"),
}
CALLS_RIGHT = {
    "dereference": ("input_dir", "with tarfile.open('a', 'w', dereference=True) as tar: tar.add(input_dir)"),
    "resolve": (
        "input_file",
        "with tarfile.open('a', 'w') as tar: tar.add(input_file.resolve(), input_file.name)",
    ),
    "resolved before": (
        "input_file",
        "input_file = input_file.resolve()\n    return os.lstat(input_file).st_size",
    ),
    "an archive of what was made": (
        "input_dir, output_dir",
        "made = output_dir / input_dir.name\n"
        "    with tarfile.open('a', 'w') as tar: tar.add(made); tar.add(output_dir / 'a')",
    ),
    "a set": ("input_files", "seen = set()\n    for path in input_files: seen.add(path)"),
    "zip": ("input_dir", "shutil.make_archive('a', 'zip', input_dir)"),
    "an archive of another folder": (
        "input_dir",
        "shutil.copytree(input_dir, 'a')\n    shutil.make_archive('b', 'tar', 'a')",
    ),
    "to an output": ("input_dir, output_dir", "shutil.copytree(input_dir, output_dir / 'a', symlinks=True)"),
    "stat": ("input_file", "return input_file.stat().st_size + os.stat(input_file).st_size"),
    "a folder of files": (
        "input_dir",
        "return len(list(os.walk(input_dir))) + len(list(input_dir.rglob('*')))",
    ),
}
WALKS = {
    "os.walk": "return len(list(os.walk(input_dir)))",
    "rglob": "return len(list(input_dir.rglob('*.tif')))",
    "glob": "return len(sorted(Path(input_dir).glob('**/*.tif')))",
}
WALKS_RIGHT = {
    "os.walk": "return len(list(os.walk(input_dir, followlinks=True)))",
    "rglob": "return len(list(input_dir.rglob('*.tif', recurse_symlinks=True)))",
    "glob": "return len(list(input_dir.glob('*/*.tif')))",
    "another": "return len(list(os.walk('.'))) + len(list(Path('.').rglob('*')))",
}


@pytest.fixture
def found(tmp_path):
    """Return what is said of a file beside which there are scenes, files and folders."""
    for name in ("data/a.tif", "data/b.tif", "data/c.zarr/0", "data/d.zarr/0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    def diagnosed(text):
        path = tmp_path / "flow.py"
        path.write_text(text)
        return [one for analysis in analyze_all(execute(str(path))) for one in analysis.diagnostics]

    return diagnosed


def shell(text, parameters=""):
    return SHELL.format(text=text, parameters=parameters, chain='Files("data/*.tif")')


def python(text, parameters, chain='Files("data/*.tif")', decorator=""):
    return PYTHON.format(text=text, parameters=parameters, chain=chain, decorator=decorator)


def codes(diagnostics):
    return {one.code for one in diagnostics} - {Code.UNUSED_FUNCTION}


@pytest.mark.parametrize("text", [*FOLDER, *FILE])
def test_a_command_that_passes_by_links_is_told(found, text):
    assert codes(found(shell(text))) == {Code.UNFOLLOWED_LINK}


@pytest.mark.parametrize("text", [*FOLDER_RIGHT, *FILE_RIGHT])
def test_a_command_that_follows_links_or_reads_no_input_draws_nothing(found, text):
    assert codes(found(shell(text))) == set()


def test_inputs_that_the_author_names_are_links_as_well(found):
    text = shell('gzip "$scene"; mv "$scene.gz" "$OUTPUT_FILE"', "scene: InFile")
    assert codes(found(text)) == {Code.UNFOLLOWED_LINK}
    assert (
        codes(found(shell('gzip "$level"; cat "$scene" >"$OUTPUT_FILE"', "scene: InFile, level='a'")))
        == set()
    )


def test_a_finding_names_the_tool_and_its_cure_at_the_command(found):
    [one] = found(shell('ls\n  tar cf "$OUTPUT_FILE" -C "$INPUT_DIR" . && ls'))
    assert one.message == "tar of reads does not follow links, which its inputs are"
    assert one.hint == "write tar -h"
    assert one.location.text[one.location.column - 1 : one.location.end_column - 1] == (
        'tar cf "$OUTPUT_FILE" -C "$INPUT_DIR" .'
    )


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_passes_by_links_is_told(found, call):
    parameters, text = CALLS[call]
    assert codes(found(python(text, parameters))) == {Code.UNFOLLOWED_LINK}


@pytest.mark.parametrize("call", CALLS_RIGHT)
def test_a_call_that_follows_links_or_reads_no_input_draws_nothing(found, call):
    parameters, text = CALLS_RIGHT[call]
    assert codes(found(python(text, parameters))) == set()


@pytest.mark.parametrize("chain", ["split", 'Files("data/*.zarr/")'])
@pytest.mark.parametrize("call", WALKS)
def test_a_walk_that_passes_by_folders_among_the_inputs_is_told(found, call, chain):
    assert codes(found(python(WALKS[call], "input_dir", chain))) == {Code.UNFOLLOWED_LINK}


@pytest.mark.parametrize("call", WALKS)
def test_a_walk_of_inputs_that_are_files_draws_nothing(found, call):
    assert codes(found(python(WALKS[call], "input_dir", "flat"))) == set()


@pytest.mark.parametrize("call", WALKS_RIGHT)
def test_a_walk_that_follows_links_or_is_elsewhere_draws_nothing(found, call):
    assert codes(found(python(WALKS_RIGHT[call], "input_dir", 'Files("data/*.zarr/")'))) == set()


def test_a_finding_in_python_stands_at_the_call(found):
    [one] = [
        one
        for one in found(python("return os.lstat(input_file).st_size", "input_file"))
        if one.code is Code.UNFOLLOWED_LINK
    ]
    assert one.message == "lstat of reads does not follow links, which its inputs are"
    assert one.hint == "write stat"
    place = one.location
    assert place.text[place.column - 1 : place.end_column - 1] == "os.lstat(input_file)"
