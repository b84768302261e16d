"""The program of a shell task keeps the worker contract under dash, bash and busybox."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.encode import octal
from orchestrators.worker import program
from tests.harness import without_privileges

PROGRAM = program("run.sh")
COPY = 'cp "$INPUT_FILE" "$OUTPUT_FILE"'
SLOT = "INPUT_FILE|slot|slots\\0057INPUT_FILE||1||"
ALL_SLOTS = "INPUT_DIR|slot|slots\\0057INPUT_FILE||1||"
SAME_NAME = "OUTPUT_FILE|name"
SHELLS = ["dash", "bash", "busybox"]
EXAMPLES = Path(__file__).parents[2] / "examples"
AWKS = ["mawk", "gawk", "busybox"]


@dataclass(frozen=True)
class Pod:
    """A folder and a shell with its tools."""

    root: Path
    shell: tuple[str, ...]
    path: str
    folder: Path | None = None

    def start(self, text, items=None, start=0, encode=octal, **variables):
        environment = {
            "PATH": self.path,
            "LC_ALL": "C.UTF-8",
            "ARGOSY_ROOT": str(self.root),
            "ARGOSY_NODE": "clean",
            "ARGOSY_EACH": "item",
            "ARGOSY_PROGRAM": octal(text),
        }
        if items is not None:
            lines = ["|".join(encode(field) for field in item) for item in items]
            environment["ARGOSY_ITEMS"] = ";".join([str(start), *lines])
        self.root.mkdir(parents=True, exist_ok=True)
        script = self.root.parent / "run.sh"
        script.write_text(PROGRAM)
        return subprocess.Popen(
            [*self.shell, str(script)],
            env=environment | {name: str(value) for name, value in variables.items()},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *arguments, **variables):
        process = self.start(*arguments, **variables)
        out, error = process.communicate(timeout=300)
        return subprocess.CompletedProcess(
            process.args, process.returncode, out, error.decode(errors="replace")
        )

    def succeed(self, *arguments, **variables):
        done = self.run(*arguments, **variables)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def fail(self, *arguments, **variables):
        """Return the last line of the report and the exit status; nothing may have appeared."""
        done = self.run(*arguments, **variables)
        assert done.returncode != 0
        assert not (self.root / "out").exists()
        assert not (self.root / "result").exists()
        return done.stderr.rstrip("\n").rpartition("\n")[2], done.returncode

    def slots(self, *texts, variable="INPUT_FILE"):
        for position, text in enumerate(texts):
            self.file(f"slots/{variable}/{position}/x", text)

    def file(self, path, text=""):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())

    def out(self, folder="out"):
        return {file.name: file.read_bytes().decode() for file in (self.root / folder).iterdir()}

    def result(self):
        return (self.root / "result").read_text()


def lean(text):
    """Escape as an expression of Argo does, which leaves most characters as they are."""
    return re.sub(r"[\\{$\n|;]", lambda found: octal(found[0]), text)


def tools(shell, folder):
    """Return the argv of a shell and a PATH; that of busybox has its applets and nothing else."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    if shell != "busybox":
        return (shell,), os.environ["PATH"]
    folder.mkdir(exist_ok=True)
    for applet in subprocess.check_output(["busybox", "--list"], text=True).split():
        (folder / applet).symlink_to(shutil.which("busybox"))
    return (str(folder / "sh"),), str(folder)


@pytest.fixture(scope="session", params=SHELLS)
def shell(request, tmp_path_factory):
    return tools(request.param, tmp_path_factory.mktemp("tools") / request.param)


@pytest.fixture
def pod(shell, tmp_path):
    return Pod(tmp_path / 'a "$ro\\ot`', *shell)


@pytest.fixture(scope="session", params=AWKS)
def awk_pod(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    _, path = tools("dash", folder)
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    (folder / "awk").symlink_to(shutil.which(request.param))
    return Pod(folder / "root", ("dash",), f"{folder}:{path}")


def test_the_text_has_nothing_that_kubelet_or_argo_expands():
    assert re.findall(r"\$\$|\{\{|\}\}|\$\(\w*\)", PROGRAM) == []
    assert PROGRAM.isascii()


# Text arrives

nasty = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20),
    st.text(st.sampled_from("{}$()\\\"'`\n\r\t;|,/ x0*?[-%é\x7f\x81\u0081\u0088\u200f😀"), max_size=20),
    st.sampled_from(
        [
            "",
            "\n",
            "a\n\n",
            "$(X)",
            "$$",
            "-n",
            "-e x",
            "{{=1+1}}",
            "\\0101",
            "\\c",
            "%s",
            "~",
            "*",
            "a" * 5000,
        ]
    ),
)
batch = st.lists(nasty, min_size=1, max_size=40)
many = settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@many
@given(batch, st.sampled_from([octal, lean]))
def test_every_text_arrives_as_field_and_returns_as_json(pod, texts, encode):
    shown = pod.succeed(
        'printf "%s\\0" "$ITEM"; printf %s "$ITEM" >"$RESULT_FILE"',
        [[text] for text in texts],
        encode=encode,
        ARGOSY_FIELDS="ITEM",
        ARGOSY_RESULT="text",
    )
    assert shown == "".join(text + "\0" for text in texts).encode()
    lines = [text.removesuffix("\n") for text in texts]
    assert brace_safe_values(pod.result()) == lines


@many
@given(batch)
def test_every_parameter_arrives(pod, texts):
    names = [f"p{number}" for number in range(len(texts))]
    shown = pod.succeed(
        "".join(f'printf "%s\\0" "${{{name}}}"\n' for name in names),
        ARGOSY_EACH="all",
        ARGOSY_PARAMS=" ".join(names),
        **{f"ARGOSY_P_{name}": octal(text) for name, text in zip(names, texts, strict=True)},
    )
    assert shown == "".join(text + "\0" for text in texts).encode()


file_name = (
    st.one_of(nasty, st.from_regex(r"[.a]{1,3}[.a\n {é]{0,4}", fullmatch=True))
    .map(lambda text: text.replace("/", "_"))
    .filter(lambda text: text not in ("", ".", "..") and len(text.encode()) < 200)
)


@many
@given(st.lists(file_name, min_size=1, max_size=20, unique=True))
def test_files_of_any_name_arrive_and_leave_under_names_as_pathlib_cuts_them(pod, names):
    shutil.rmtree(pod.root, ignore_errors=True)
    for name in names:
        pod.file(f"in/up/{name}", name)
    common = {
        "ARGOSY_INPUTS": "INPUT_FILE|store|in\\0057up||1||",
        "ARGOSY_OUTPUTS": "OUTPUT_FILE|index,=_,stem,=+,suffix,=+",
    }
    program = 'printf "%s\\0" "$INPUT_FILE"; cp "$INPUT_FILE" "$OUTPUT_FILE"'
    shown = pod.succeed(program, [[name] for name in names], **common)
    assert [Path(path).name for path in shown.decode().split("\0")[:-1]] == names
    expected = {f"{index}_{cut(name)[0]}+{cut(name)[1]}+": name for index, name in enumerate(names)}
    assert pod.out() == expected


def cut(name):
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if 0 < dot < len(name) - 1 else (name, "")


@many
@given(st.lists(st.one_of(nasty, st.binary(max_size=30)), min_size=1, max_size=40))
def test_every_awk_writes_the_same_json_or_refuses(awk_pod, values):
    raw = [b"", *(value.encode() if isinstance(value, str) else value for value in values)]
    valid = [value for value in raw if is_utf8(value)]
    for number, value in enumerate(raw):
        (awk_pod.root / "in").mkdir(parents=True, exist_ok=True)
        (awk_pod.root / f"in/{number}").write_bytes(value)
    items = [[str(number)] for number, value in enumerate(raw) if is_utf8(value)]
    give = 'cp "$INPUT_FILE" "$RESULT_FILE"'
    options = {"ARGOSY_INPUTS": "INPUT_FILE|store|in||1||", "ARGOSY_RESULT": "text"}
    awk_pod.succeed(give, items, **options)
    assert brace_safe_values(awk_pod.result()) == [value.decode().removesuffix("\n") for value in valid]
    for number, value in enumerate(raw):
        if not is_utf8(value):
            report = awk_pod.fail(give, [[str(number)]], start=7, **options)
            assert report == (f"argosy: clean: item 7 ({number}): RESULT_FILE is not UTF-8", 1)
            break


def is_utf8(value):
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), nasty
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(nasty, inner, max_size=4),
    max_leaves=10,
)


@many
@given(st.lists(st.tuples(values, st.sampled_from([None, 1]), st.booleans()), min_size=1, max_size=25))
def test_a_json_result_keeps_its_value_and_becomes_brace_safe(awk_pod, cases):
    texts = [json.dumps(value, indent=indent, ensure_ascii=ascii_) for value, indent, ascii_ in cases]
    awk_pod.succeed(
        'printf %s "$ITEM" >"$RESULT_FILE"',
        [[text] for text in texts],
        ARGOSY_FIELDS="ITEM",
        ARGOSY_RESULT="json",
    )
    assert brace_safe_values(awk_pod.result()) == [value for value, _, _ in cases]


def brace_safe_values(text):
    """Return the values of a result's lines, whose JSON is ASCII without hazards."""
    lines = [entry.partition(" ")[2] for entry in text.split("\n")]
    for entry in lines:
        assert re.search(r"\{\{|\$|[^ -~]", entry) is None
        assert all("{" not in string for string in re.findall(r'"(?:[^"\\]|\\.)*"', entry))
    return [json.loads(entry) for entry in lines]


@pytest.mark.parametrize(
    "text",
    ["", "01", "1 2", "[1,]", "[,1]", '{"a"}', "{1:2}", '"a', '"\\x"', '"\\u12g4"', '"a\tb"', "tru", "NaN",
     "'a'", "S", "[1", "]", "1.", "+1", "[[]", '{"a":1,}', '"a" "b"', "true1", "{{}}", '{"a":{"b":V}}', "é"],
)  # fmt: skip
def test_text_that_is_not_json_is_refused(awk_pod, text):
    report = awk_pod.fail(
        'printf %s "$ITEM" >"$RESULT_FILE"',
        [["ok"], [text]][1:],
        start=3,
        ARGOSY_FIELDS="ITEM",
        ARGOSY_RESULT="json",
    )
    assert report == (f"argosy: clean: item 3 ({text}): RESULT_FILE is not JSON", 1)


# Values


def test_a_result_that_is_no_file_is_refused(pod):
    report = pod.fail('mkdir "$RESULT_FILE"', [["a"]], ARGOSY_RESULT="text")
    assert report == ("argosy: clean: item 0 (a): RESULT_FILE is not a file", 1)


FULL = ("argosy: clean: item 0 (a): the result cannot be written", 1)


@pytest.mark.parametrize("text", ["", 'echo 1 >"$RESULT_FILE"; ', 'seq 99999 >"$RESULT_FILE"; '])
def test_a_result_that_cannot_be_written_is_not_taken_for_a_wrong_one(awk_pod, text):
    if (Path(awk_pod.path.partition(":")[0]) / "awk").readlink().name == "busybox":
        pytest.skip("awk of busybox does not notice")
    assert awk_pod.fail(text + "ln -s /dev/full ../../0.json", [["a"]], ARGOSY_RESULT="text") == FULL


@pytest.fixture
def small(pod):
    """A pod on a disk of 96 kB."""
    pod.root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(pod.root)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield pod
    subprocess.run(["umount", str(pod.root)], check=True)


FILL = "cat /dev/zero >../../../fill 2>/dev/null || :"


def test_a_full_disk_is_not_taken_for_a_wrong_result(small):
    assert small.fail(f'seq 999 >"$RESULT_FILE"; {FILL}', [["a"]], ARGOSY_RESULT="text") == FULL


def test_a_full_disk_ends_the_partition(small):
    items = [["a"], ["b"], ["c"]]
    report = small.fail(f'echo 1 >"$OUTPUT_FILE"; {FILL}', items, ARGOSY_OUTPUTS="OUTPUT_FILE|index")
    assert report[0].startswith("argosy: clean: item ")


def test_an_item_without_result_has_the_value_null(pod):
    pod.succeed(
        '[ "$ITEM" = b ] || echo 1 >"$RESULT_FILE"',
        [["a"], ["b"]],
        4,
        ARGOSY_FIELDS="ITEM",
        ARGOSY_RESULT="text",
    )
    assert pod.result() == '4 "1"\n5 null'


def test_a_partition_has_one_value_under_its_id_and_a_single_task_has_just_the_value(pod):
    text = 'printf "a\\n\\n" >"$RESULT_FILE"'
    pod.succeed(text, [["a"], ["b"]], 4, ARGOSY_EACH="partition", PARTITION_ID=7, ARGOSY_RESULT="text")
    assert pod.result() == '7 "a\\u000a"'
    pod.succeed('echo " [1, {}]" >"$RESULT_FILE"', ARGOSY_EACH="all", ARGOSY_RESULT="json")
    assert pod.result() == "[1,{}]"


def test_a_task_without_value_and_output_leaves_nothing(pod):
    pod.succeed('echo 1 >"$RESULT_FILE"', [["a"]])
    assert sorted(path.name for path in pod.root.iterdir()) == ["work"]


def test_a_partition_without_items_succeeds_with_nothing(pod):
    pod.succeed("exit 1", [], 4, ARGOSY_RESULT="text", ARGOSY_OUTPUTS=SAME_NAME)
    assert (pod.result(), pod.out()) == ("", {})


def test_an_item_of_empty_text_is_an_item(pod):
    assert pod.succeed('echo "$INDEX<$ITEM>"', [[""], [""]], 4, ARGOSY_FIELDS="ITEM") == b"4<>\n5<>\n"


# The program's surroundings


def test_the_program_sees_no_variable_of_the_worker(pod):
    shown = pod.succeed(
        "env; pwd", [["v\nARGOSY_x-y=1"]], ARGOSY_FIELDS="ITEM", ARGOSY_P_x="1", ARGOSY_PARAMS="x",
        ARGOSY_LINES="y", ARGOSY_P_y="2", PARTITION_ID=2, RUN_ID="r", ARGOSY_RETRIES=1, n="5", i="6",
    ).decode()  # fmt: skip
    assert re.findall(r"^ARGOSY_(?!x-y).*|^_.+=.*work.*", shown, re.M) == []
    for entry in ["x=1", "y=2", "PARTITION_ID=2", "RUN_ID=r", "ATTEMPT=2", "INDEX=0", "n=5", "i=6"]:
        assert entry in shown.splitlines()


def test_no_variable_of_the_manifests_is_forgotten():
    manifests = (yaml.safe_load(path.read_text()) for path in EXAMPLES.glob("*.yaml"))
    scripts = [template.get("script", {}) for each in manifests for template in each["spec"]["templates"]]
    shells = [script for script in scripts if script.get("command") == ["sh"]]
    emitted = {variable["name"] for script in shells for variable in script["env"]}
    words = re.search(r"for _f in ((?:.*\\\n)*.*); do\n unset", PROGRAM)[1]
    removed = {f"ARGOSY_{word}" for word in re.findall(r"\w+", words)}
    ours = {name for name in emitted if name.startswith("ARGOSY_") and not name.startswith("ARGOSY_P_")}
    assert len(ours) > 10
    assert ours - removed == set()


def test_stdin_is_at_its_end_and_the_folder_is_a_scratch_folder_of_the_item(pod):
    shown = pod.succeed("! read -r x; echo t >t; ls", [["a"], ["b"]])
    assert shown == b"t\nt\n"


@pytest.mark.parametrize("each", ["item", "all"])
def test_a_task_without_files_needs_no_program_where_its_scratch_folder_is_made(pod, each, tmp_path):
    tools, folder, program = tmp_path / "tools", pod.root / "work/0/cwd", shutil.which(pod.shell[0])
    tools.mkdir()
    (tools / "sh").symlink_to(program)
    folder.mkdir(parents=True)
    started = replace(pod, shell=(program,), path=str(tools), folder=folder)
    shown = started.succeed(
        'echo "$INDEX $x"; pwd', [["a"]], 3, ARGOSY_EACH=each, ARGOSY_PARAMS="x", ARGOSY_P_x="y z"
    )
    assert shown.decode() == f"{3 if each == 'item' else 0} y z\n{folder}\n"


def test_another_folder_of_the_caller_is_no_scratch_folder(pod):
    (pod.root / "elsewhere/0/cwd").mkdir(parents=True)
    pod.file("work/0/cwd/old")
    shown = replace(pod, folder=pod.root / "elsewhere/0/cwd").succeed("ls; pwd", [["a"]]).decode()
    assert shown == f"{pod.root}/work/0/cwd\n"


def test_a_fault_in_the_text_ends_the_item(pod):
    assert pod.fail('false\necho "no"', [["a"]]) == (
        "argosy: clean: item 0 (a): the program ended with exit status 1",
        1,
    )
    assert pod.fail('echo "$nothing"', [["a"]])[1] in (1, 2, 127)


def test_the_authors_text_may_have_its_own_shell(pod):
    if shutil.which("bash", path=pod.path) is None:
        pytest.skip("bash is not among the tools")
    assert pod.succeed('a=(1 2); echo "${a[1]}"', [["a"]], ARGOSY_SHELL="bash") == b"2\n"


def test_dollars_braces_and_blank_lines_of_the_text_are_kept(pod):
    text = 'x="$(printf "%s" "{{=1}}")"\n\n# a comment\n[ "$$" -gt 1 ]\necho "$x" é'
    assert pod.succeed(text, [["a"]]) == "{{=1}} é\n".encode()


def test_the_exit_status_is_that_of_the_first_item_that_failed_and_ends_the_partition(pod):
    pod.slots("1", "2", "3")
    text = 'echo "$INDEX" >>../../../ran; [ "$INDEX" != 6 ] || exit 3; ' + COPY
    report = pod.fail(
        text, [["a.tif"], ["b.tif"], ["c.tif"]], 5, ARGOSY_INPUTS=SLOT, ARGOSY_OUTPUTS=SAME_NAME
    )
    assert report == ("argosy: clean: item 6 (b.tif): the program ended with exit status 3", 3)
    assert (pod.root / "ran").read_text() == "5\n6\n"


# Inputs


def test_a_slot_is_shown_under_the_base_name_of_its_field(pod):
    pod.slots("1", "2")
    text = 'cat "$INPUT_FILE"; echo "${INPUT_FILE##*/}"'
    assert (
        pod.succeed(text, [["-", "d/a b.tif"], ["-", "d/-c"]], ARGOSY_INPUTS=SLOT.replace("1", "2"))
        == b"1a b.tif\n2-c\n"
    )


def test_an_empty_folder_in_a_slot_is_a_missing_input_and_a_full_one_an_input(pod):
    pod.file("slots/INPUT_FILE/0/x/.zgroup", "z")
    (pod.root / "slots/INPUT_FILE/1/x").mkdir(parents=True)
    assert pod.succeed('cat "$INPUT_FILE/.zgroup"', [["a.zarr/"]], ARGOSY_INPUTS=SLOT) == b"z"
    report = pod.fail("true", [["d/a.zarr"], ["d/b.zarr"]], 2, ARGOSY_INPUTS=SLOT)
    assert report == ("argosy: clean: item 3 (b.zarr): input file b.zarr is missing", 1)


def test_a_file_of_an_upstream_is_found_by_its_naming_chain(pod):
    pod.file("in/up/a.b-1999-x7.gpkg", "1")
    text = 'cat "$INPUT_FILE"; echo " ${INPUT_FILE##*/} ${OUTPUT_FILE##*/}"; touch "$OUTPUT_FILE"'
    chain = "stem,=.tmp/stem,=-,$year,=-,$p,index,=.gpkg"
    options = {
        "ARGOSY_FIELDS": "- year",
        "ARGOSY_PARAMS": "p",
        "ARGOSY_P_p": "x",
        "ARGOSY_INPUTS": f"INPUT_FILE|file|in\\0057up|{chain}|1||",
    }
    item = [["data/a.b.tif", "1999"]]
    shown = pod.succeed(text, item, 7, ARGOSY_OUTPUTS="OUTPUT_FILE|stem,suffix,=\\0044", **options)
    assert shown == b"1 a.b-1999-x7.gpkg a.b-1999-x7.gpkg$\n"
    assert pod.fail(text, item, 8, ARGOSY_OUTPUTS=SAME_NAME, **options) == (
        "argosy: clean: item 8 (a.b-1999-x8.gpkg): input file a.b-1999-x8.gpkg is missing",
        1,
    )


def test_one_file_goes_to_every_item(pod):
    pod.file("in/up/only", "1")
    shown = pod.succeed(
        'cat "$model"; echo "${model##*/}"',
        [["a"], ["b"]],
        ARGOSY_INPUTS="model|one|in\\0057up||||",
    )
    assert shown == b"1only\n1only\n"
    shown = pod.succeed('cat "$model"', ARGOSY_EACH="all", ARGOSY_INPUTS="model|one|in\\0057up||||")
    assert shown == b"1"


def test_a_folder_named_by_a_number_is_the_one_file_itself(pod):
    pod.file("in/up/2024/m", "1")
    shown = pod.succeed(
        'cd "$model"; echo "${PWD##*/}"; ls', [["a"]], ARGOSY_INPUTS="model|one|in\\0057up||||"
    )
    assert shown == b"2024\nm\n"


def test_the_file_of_an_item_that_is_no_file_has_the_index_as_its_name(pod):
    pod.file("in/up/7.txt", "1")
    shown = pod.succeed(
        'cat "$INPUT_FILE"', [["x/y"]], 7, ARGOSY_INPUTS="INPUT_FILE|file|in\\0057up|name,=.txt|||"
    )
    assert shown == b"1"


def test_one_file_must_be_there_and_alone(pod):
    options = {"ARGOSY_INPUTS": "model|one|in||||"}
    assert pod.fail("true", [["a"]], **options) == (
        "argosy: clean: item 0 (a): input file model is missing",
        1,
    )
    pod.file("in/a")
    pod.file("in/b")
    assert pod.fail("true", [["a"]], **options) == (
        "argosy: clean: item 0 (a): model is to be one file, but there are 2",
        1,
    )


def test_listed_files_are_the_items_in_byte_order_of_their_names(pod):
    names = ["b c", "a\n|;x", "é.tif", ".hidden", "B", "-n", "a\\0101", "a"]
    for name in names:
        pod.file(f"in/up/{name}", name)
    shown = pod.succeed(
        'printf "%s %s:" "$INDEX" "${INPUT_FILE##*/}"; cat "$INPUT_FILE"; printf "\\0"; ' + COPY,
        [], 3, ARGOSY_INPUTS="INPUT_FILE|list|in\\0057up||||", ARGOSY_OUTPUTS=SAME_NAME,
    )  # fmt: skip
    ordered = sorted(names, key=str.encode)
    assert shown.decode() == "".join(f"{3 + n} {name}:{name}\0" for n, name in enumerate(ordered))
    assert pod.out() == {name: name for name in names}


def test_files_that_cannot_all_be_listed_are_a_failure(pod):
    pod.file("in/up/a", "1")
    folder = pod.root / "find"
    folder.mkdir()
    (folder / "find").write_text("#!/bin/sh\nexit 1\n")
    (folder / "find").chmod(0o755)
    broken = replace(pod, path=f"{folder}:{pod.path}")
    if subprocess.run([*pod.shell, "-c", "find ."], env={"PATH": broken.path}, check=False).returncode == 0:
        pytest.skip("this busybox takes its own find before that of the PATH")
    report = broken.fail("true", [], ARGOSY_INPUTS="INPUT_FILE|list|in\\0057up||||")
    assert report == ("argosy: clean: the files of INPUT_FILE cannot be listed", 1)


def test_a_list_of_a_folder_that_nobody_wrote_is_empty(pod):
    assert pod.succeed("echo x", [], ARGOSY_INPUTS="INPUT_FILE|list|in\\0057up||||") == b""


def test_two_inputs_of_an_item_have_folders_of_their_own_and_the_first_names_it(pod):
    pod.slots("1", variable="bam")
    pod.slots("2", variable="bai")
    shown = pod.succeed(
        'cat "$bam" "$bai"; : >"$bam.aux"; echo "${bai##*/}"; : >"$OUTPUT_FILE"', [["d/a.bam", "d/a.bam"]],
        ARGOSY_INPUTS="bam|slot|slots\\0057bam||1||\nbai|slot|slots\\0057bai||2||",
        ARGOSY_OUTPUTS="OUTPUT_FILE|stem,=.txt",
    )  # fmt: skip
    assert shown == b"12a.bam\n"
    assert pod.out() == {"a.txt": ""}


@pytest.mark.parametrize("change", ['echo more >>"$INPUT_FILE"', 'rm "$(readlink -f "$INPUT_FILE")"'])
def test_an_input_changed_in_place_is_a_failure_that_names_it(pod, change):
    pod.slots("1", "2")
    text = f'[ "$INDEX" != 4 ] || {{ {change}; }}\n: >"$OUTPUT_FILE"'
    report = pod.fail(text, [["a.tif"], ["b.tif"]], 3, ARGOSY_INPUTS=SLOT, ARGOSY_OUTPUTS="OUTPUT_FILE|index")
    assert report == ("argosy: clean: item 4 (b.tif): the program changed its input b.tif in place", 1)


def test_a_date_in_the_future_is_no_change_and_hides_none(pod):
    pod.slots("1", "2")
    os.utime(pod.root / "slots/INPUT_FILE/0/x", (time.time() + 99, time.time() + 99))
    items = [["a"], ["b"]]
    pod.succeed('cat "$INPUT_FILE"', items, ARGOSY_INPUTS=SLOT)
    report = pod.fail('[ "$INDEX" = 0 ] || echo more >>"$INPUT_FILE"', items, ARGOSY_INPUTS=SLOT)
    assert report == ("argosy: clean: item 1 (b): the program changed its input b in place", 1)


def test_a_change_inside_a_folder_is_a_change_of_the_input(pod):
    pod.file("slots/INPUT_FILE/0/x/c/0", "1")
    report = pod.fail('echo more >>"$INPUT_FILE/c/0"', [["a.zarr/"]], ARGOSY_INPUTS=SLOT)
    assert report == (
        "argosy: clean: item 0 (a.zarr): the program changed its input a.zarr/c/0 in place",
        1,
    )


def test_a_date_put_back_does_not_hide_a_change(pod):
    if pod.shell[0].endswith("/sh"):
        pytest.skip("ls of busybox shows whole seconds")
    pod.slots("1")
    text = 'cp -p "$INPUT_FILE" old; echo 2 | tr -d "\n" >"$INPUT_FILE"; touch -r old "$INPUT_FILE"'
    report = pod.fail(text, [["a"]], ARGOSY_INPUTS=SLOT)
    assert report == ("argosy: clean: item 0 (a): the program changed its input a in place", 1)


def test_a_link_that_is_replaced_and_files_beside_it_change_no_input(pod):
    pod.slots("1")
    pod.succeed(
        'cp "$INPUT_FILE" n; mv -f n "$INPUT_FILE"; : >"$INPUT_FILE.aux"', [["a"]], ARGOSY_INPUTS=SLOT
    )


def test_a_change_of_what_all_items_share_is_found(pod):
    pod.file("in/up/m", "1")
    options = {"ARGOSY_INPUTS": "model|one|in\\0057up||||"}
    report = pod.fail('[ "$INDEX" != 1 ] || echo more >>"$model"', [["a"], ["b"]], **options)
    assert report == ("argosy: clean: item 0 (m): the program changed its input m in place", 1)


# Tasks that run once


def test_a_partition_as_a_whole_gets_its_files_in_one_folder_and_its_fields(pod):
    pod.slots("1", "2")
    shown = pod.succeed(
        'cat "$INPUT_DIR"/*; echo "$year ${INDEX}"; cat "$INPUT_DIR"/* >"$OUTPUT_FILE"',
        [["d/a b", "1999"], ["d/c", "1999"]], 6, ARGOSY_EACH="partition", PARTITION_ID=3,
        ARGOSY_FIELDS="- year", ARGOSY_INPUTS=ALL_SLOTS, ARGOSY_OUTPUTS="OUTPUT_FILE|$year,=-,index",
    )  # fmt: skip
    assert shown == b"121999 3\n"
    assert pod.out() == {"1999-3": "12"}


def test_two_items_of_one_name_cannot_share_the_folder_of_a_partition(pod):
    pod.slots("1", "2")
    report = pod.fail("true", [["d/a"], ["e/a"]], 6, ARGOSY_EACH="partition", ARGOSY_INPUTS=ALL_SLOTS)
    assert report == ('argosy: clean: item 7 (a): two items of the partition are named "a"', 1)


def test_a_partition_is_named_after_the_one_file_that_it_reads(pod):
    pod.file("in/up/3-1999.x", "1")
    pod.file("in/up/other")
    shown = pod.succeed(
        'cat "$INPUT_FILE" >"$OUTPUT_FILE"; echo "${INPUT_FILE##*/}"', [["1999"], ["1999"]], 6,
        ARGOSY_EACH="partition", PARTITION_ID=3, ARGOSY_FIELDS="year",
        ARGOSY_INPUTS="INPUT_FILE|one|in\\0057up|index,=-,$year,=.x|||",
        ARGOSY_OUTPUTS="OUTPUT_FILE|stem,=.y",
    )  # fmt: skip
    assert shown == b"3-1999.x\n"
    assert pod.out() == {"3-1999.y": "1"}


def test_every_item_sees_the_folder_of_a_task_that_ran_once(pod):
    pod.file("in/up/m", "1")
    options = {"ARGOSY_INPUTS": "tiles|dir|in\\0057up||||"}
    assert pod.succeed('cat "$tiles"/m; ls "$tiles"', [["a"], ["b"]], **options) == b"1m\n1m\n"
    report = pod.fail('[ "$INDEX" != 1 ] || echo more >>"$tiles/m"', [["a"], ["b"]], **options)
    assert report == ("argosy: clean: the program changed its input m in place", 1)


def test_a_gather_sees_the_files_of_all_partitions_flat(pod):
    names = ["a b", "c\nd", ".h", "-n"]
    for number, name in enumerate(names):
        pod.file(f"in/up/{number}/{name}", name)
    pod.file("in/up/.1.part/torn")
    text = 'cd "$INPUT_DIR"; for f in * .[!.]*; do printf "%s:" "$f"; cat -- "$f"; printf "\\0"; done'
    shown = pod.succeed(text, ARGOSY_EACH="all", ARGOSY_INPUTS="INPUT_DIR|dir|in\\0057up|||1|")
    assert sorted(shown.decode().split("\0")[:-1]) == sorted(f"{name}:{name}" for name in names)


def test_a_gather_refuses_one_name_from_two_partitions(pod):
    pod.file("in/up/0/a", "1")
    pod.file("in/up/2/a", "1")
    report = pod.fail("true", ARGOSY_EACH="all", ARGOSY_INPUTS="INPUT_DIR|dir|in\\0057up|||1|")
    assert report == ('argosy: clean: partitions 0 and 2 both hold "a"', 1)


def test_several_upstreams_have_a_folder_each_and_those_without_files_an_empty_one(pod):
    pod.file("in/b/0/x", "1")
    pod.file("in/c/x", "2")
    shown = pod.succeed(
        'cd "$INPUT_DIR"; ls; cat b/x c/x', ARGOSY_EACH="all",
        ARGOSY_INPUTS="INPUT_DIR|dir|in\\0057b|||1|b\nINPUT_DIR|dir|in\\0057c||||c\nINPUT_DIR|dir|in\\0057e|||1|g.e",
    )  # fmt: skip
    assert shown == b"b\nc\ng.e\n12"


def test_a_single_task_reports_its_failure_without_an_item(pod):
    assert pod.fail("exit 4", ARGOSY_EACH="all") == ("argosy: clean: the program ended with exit status 4", 4)
    report = pod.fail("exit 4", [["a"]], ARGOSY_EACH="partition", PARTITION_ID=2)
    assert report == ("argosy: clean: partition 2: the program ended with exit status 4", 4)


# Outputs


def test_a_missing_output_names_item_variable_and_file(pod):
    pod.slots("1")
    report = pod.fail("true", [["d/a.tif"]], 3, ARGOSY_INPUTS=SLOT, ARGOSY_OUTPUTS="OUTPUT_FILE|stem,=.gpkg")
    assert report == ("argosy: clean: item 3 (a.tif): OUTPUT_FILE (a.gpkg) was not written", 1)


def test_two_items_that_write_one_name_fail_before_anything_runs(pod):
    pod.slots("1", "2", "3")
    items = [["a.tif"], ["b.tif"], ["a.png"]]
    report = pod.fail(
        "touch ../../../ran", items, 3, ARGOSY_INPUTS=SLOT, ARGOSY_OUTPUTS="OUTPUT_FILE|stem,=.x"
    )
    assert report == (
        'argosy: clean: item 5 (a.png): items 3 and 5 both write "a.x": put the item into the file\'s name',
        1,
    )
    assert not (pod.root / "ran").exists()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [("", '"" is not a file name'), ("..", '".." is not a file name'), ("a/b", '"a/b" is not a file name'),
     ("é" * 128, f'"{"é" * 128}" is longer than 255 bytes')],
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_refused(pod, value, complaint):
    report = pod.fail(COPY, [[value]], ARGOSY_FIELDS="ITEM", ARGOSY_OUTPUTS="OUTPUT_FILE|$ITEM")
    assert report == (f"argosy: clean: item 0 ({value}): {complaint}", 1)


def test_an_item_without_file_is_named_by_its_index(pod):
    pod.succeed('echo "$ITEM" >"$OUTPUT_FILE"', [["x"]], 8, ARGOSY_FIELDS="ITEM", ARGOSY_OUTPUTS=SAME_NAME)
    assert pod.out() == {"8": "x\n"}


def test_outputs_may_be_several_files_folders_links_and_all_that_is_in_a_folder(pod):
    pod.slots("1", "2")
    pod.succeed(
        'cp "$INPUT_FILE" "$mask"; ln -s "$INPUT_FILE" "$OUTPUT_FILE"; touch "$mask.aux"\n'
        'ln -s "$INPUT_FILE" "$tiles/l $INDEX"; echo t >"$tiles/.t$INDEX"; echo t >"$tiles/-t$INDEX"',
        [["a"], ["b"]],
        ARGOSY_INPUTS=SLOT, ARGOSY_OUTPUTS="OUTPUT_FILE|name\nmask|name,=.mask", ARGOSY_OUTPUT_DIR="tiles",
    )  # fmt: skip
    assert pod.out() == {
        "a": "1", "a.mask": "1", "b": "2", "b.mask": "2", "l 0": "1", "l 1": "2",
        ".t0": "t\n", ".t1": "t\n", "-t0": "t\n", "-t1": "t\n",
    }  # fmt: skip
    pod.succeed(
        'mkdir "$OUTPUT_FILE"; echo z >"$OUTPUT_FILE/z"',
        ARGOSY_EACH="all",
        ARGOSY_OUTPUTS="OUTPUT_FILE|=a.zarr",
    )
    assert (pod.root / "out/a.zarr/z").read_text() == "z\n"


def test_two_items_cannot_leave_one_name_in_their_output_folders(pod):
    report = pod.fail('echo 1 >"$OUTPUT_DIR/same"', [["a"], ["b"]], 4, ARGOSY_OUTPUT_DIR="OUTPUT_DIR")
    assert report == (
        'argosy: clean: item 5 (b): items 4 and 5 both write "same": put the item into the file\'s name',
        1,
    )


@pytest.mark.parametrize("variable", ["OUTPUT_FILE", "OUTPUT_DIR"])
def test_a_link_deep_in_an_output_becomes_what_it_points_to(pod, variable):
    text = f'echo own >own; mkdir -p "${variable}/sub/deep"; ln -s "$PWD/own" "${variable}/sub/deep/l"'
    options = {"ARGOSY_OUTPUTS": SAME_NAME} if variable == "OUTPUT_FILE" else {"ARGOSY_OUTPUT_DIR": variable}
    pod.succeed(text, [["a"]], **options)
    [found] = (pod.root / "out").rglob("l")
    assert (found.read_text(), found.is_symlink()) == ("own\n", False)


def test_a_link_that_leads_nowhere_is_no_output(pod):
    text = 'mkdir "$OUTPUT_DIR/sub"; ln -s nowhere "$OUTPUT_DIR/sub/l"'
    report = pod.fail(text, [["a"]], ARGOSY_OUTPUT_DIR="OUTPUT_DIR")
    assert report == ('argosy: clean: item 0 (a): "sub/l" is a link to nowhere', 1)
    report = pod.fail('ln -s nowhere "$OUTPUT_FILE"', [["a"]], ARGOSY_OUTPUTS=SAME_NAME)
    assert report == ('argosy: clean: item 0 (a): "0" is a link to nowhere', 1)


@pytest.mark.parametrize("place", ["pipe", "sub/deep/pipe", "sub/to a pipe", "to a pipe"])
@pytest.mark.parametrize("variable", ["OUTPUT_FILE", "OUTPUT_DIR"])
def test_a_pipe_is_no_output(pod, variable, place):
    text = f'mkdir -p "${variable}/sub/deep"; mkfifo "${variable}/{place}"'
    if "to" in place:
        text = f'mkdir -p "${variable}/sub"; mkfifo far; ln -s "$PWD/far" "${variable}/{place}"'
    options = {"ARGOSY_OUTPUTS": SAME_NAME} if variable == "OUTPUT_FILE" else {"ARGOSY_OUTPUT_DIR": variable}
    report = pod.fail(text, [["a"]], **options)
    name = f"0/{place}" if variable == "OUTPUT_FILE" else place
    assert report == (f'argosy: clean: item 0 (a): "{name}" is neither a file nor a folder', 1)


def test_an_output_file_that_is_a_pipe_is_refused(pod):
    report = pod.fail('mkfifo "$OUTPUT_FILE"', [["a"]], ARGOSY_OUTPUTS=SAME_NAME)
    assert report == ('argosy: clean: item 0 (a): "0" is neither a file nor a folder', 1)


def test_outputs_appear_only_at_the_end(pod):
    process = pod.start(
        'echo 1 >"$OUTPUT_FILE"; ls "$OLDPWD" >&2; ls ../../..',
        [["a"], ["b"]],
        ARGOSY_OUTPUTS="OUTPUT_FILE|index",
    )
    shown, _ = process.communicate()
    assert b"out" not in shown.split()
    assert pod.out() == {"0": "1\n", "1": "1\n"}


def test_a_retried_attempt_starts_clean(pod):
    options = {"ARGOSY_OUTPUTS": "OUTPUT_FILE|index", "ARGOSY_OUT": "storage/wf/clean/0"}
    for left in ["work/0/cwd/old", "storage/wf/clean/0/old", "storage/wf/clean/.0.part/old", "result"]:
        pod.file(left)
    pod.succeed('[ ! -e old ]; echo "$ATTEMPT" >"$OUTPUT_FILE"', [["a"]], ARGOSY_RETRIES=2, **options)
    assert pod.out("storage/wf/clean/0") == {"0": "3\n"}
    assert [path.name for path in (pod.root / "storage/wf/clean").iterdir()] == ["0"]
    assert not (pod.root / "result").exists()
    pod.fail("false", [["a"]], **options)
    assert not (pod.root / "storage/wf/clean/0").exists()


CLOSED = 'mkdir -p "$D/d/e"; echo x >"$D/d/e/f"; chmod 500 "$D/d/e"; chmod 555 "$D/d"'


def test_scribbles_that_nobody_may_remove_do_no_harm(pod):
    bound = replace(pod, shell=(*without_privileges(), *pod.shell))
    text = CLOSED.replace("$D/", "")
    assert bound.succeed(text, [["a"], ["b"]]) == b""
    assert not (pod.root / "work/0").exists()
    pod.file("work/0/d/f")
    (pod.root / "work/0/d").chmod(0o555)
    bound.succeed("true", [["a"]])


def test_a_folder_into_which_nobody_may_write_is_an_output(pod):
    bound = replace(pod, shell=(*without_privileges(), *pod.shell))
    bound.succeed(CLOSED.replace("$D", "$OUTPUT_DIR"), [["a"]], ARGOSY_OUTPUT_DIR="OUTPUT_DIR")
    assert (pod.root / "out/d/e/f").read_text() == "x\n"


# Several at once


def test_workers_run_items_at_the_same_time_and_keep_their_order(pod):
    text = """
    echo "$INDEX" >"$RESULT_FILE"
    : >"../../met$INDEX"
    while [ ! -e ../../met0 ] || [ ! -e ../../met1 ]; do :; done"""
    pod.succeed(text, [["a"], ["b"], ["c"]], ARGOSY_WORKERS=2, ARGOSY_RESULT="text")
    assert pod.result() == '0 "0"\n1 "1"\n2 "2"'


def test_the_first_failure_lets_started_items_end_and_starts_no_other(pod):
    text = """
    echo "$INDEX" >>../../../ran
    case $INDEX in
    0) while [ ! -e ../../failed ]; do :; done; echo ended >>../../../ran ;;
    1) exit 5 ;;
    esac"""
    report = pod.fail(text, [[name] for name in "abcd"], ARGOSY_WORKERS=2)
    assert report == ("argosy: clean: item 1 (b): the program ended with exit status 5", 5)
    assert sorted((pod.root / "ran").read_text().split()) == ["0", "1", "ended"]


def test_an_item_that_cannot_be_taken_is_a_failure_and_not_another_ones_work(pod):
    text = '[ 0 != "$INDEX" ] || { mv ../../taken ../../gone; : >../../taken; }; : >"$OUTPUT_FILE"'
    options = {"ARGOSY_OUTPUTS": "OUTPUT_FILE|index", "ARGOSY_WORKERS": 2}
    report = pod.fail(text, [["a"], ["b"], ["c"]], **options)
    assert "cannot write" in report[0]


def test_more_workers_than_items_do_no_harm(pod):
    assert pod.succeed("echo x", [["a"]], ARGOSY_WORKERS=8) == b"x\n"


@pytest.mark.slow
def test_a_thousand_items_are_done_in_time(pod):
    for number in range(1000):
        pod.file(f"in/up/{number}", "1")
    pod.succeed(
        COPY, [[f"{number}"] for number in range(1000)],
        ARGOSY_INPUTS="INPUT_FILE|store|in\\0057up||1||", ARGOSY_OUTPUTS=SAME_NAME,
    )  # fmt: skip
    assert len(pod.out()) == 1000


@pytest.mark.parametrize("variables", [{}, {"ARGOSY_WORKERS": 2}, {"ARGOSY_EACH": "all"}])
def test_a_text_that_is_asked_to_end_has_time_to_do_so(pod, variables):
    text = "trap 'sleep 1; echo done; exit 0' TERM; echo begun; while :; do sleep 1; done"
    process = pod.start(text, [["a"], ["b"]], **variables)
    begun = 2 if "ARGOSY_WORKERS" in variables else 1
    assert [process.stdout.readline() for _ in range(begun)] == [b"begun\n"] * begun
    os.killpg(process.pid, signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == b"done\n" * begun
    assert process.returncode == 143
