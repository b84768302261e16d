"""Every text comes back from every channel as it was sent; what a channel cannot carry is a diagnostic.

TEXTS is how many dozens of random ones are sent.
"""

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.channels import CHANNELS, letter
from tests.harness import LOWERINGS, codes, compile_file, run_here, write
from tests.hostile import HOSTILE

LARGE = 'é{{$"\\\n' * 1250  # 10 kB in UTF-8 and no run of equal characters
KNOWN = [*HOSTILE, LARGE]
EVERY = list(CHANNELS)
LANES = [
    *("python_items", "shell_items", "python_nested", "shell_nested", "python_keys", "shell_keys"),
    *("python_expand", "shell_expand", "sh_to_sh", "sh_to_py", "py_to_sh", "py_to_py"),
    *("sh_list_sh", "sh_list_py", "py_list_sh", "py_list_py", "output_keys", "output_keys_in_python"),
    *("names_sh", "names_py"),
]
"""Channels that have two forms."""

texts = st.lists(
    st.text(max_size=40) | st.text("{}$()=|;,/\\\"' \n-e1yn%#*~\t\r\x00\x7f", max_size=12),
    min_size=12,
    max_size=12,
    unique=True,
)
quiet = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


def check(sent, folder, lowering, size, channels=EVERY):
    """Send texts through channels, `size` to a partition, and compare what arrives."""
    mail = letter(sent, folder, "strings", channels, size=size)
    manifest = compile_file(write(folder, mail.text), lowering)
    ended = run_here(manifest, folder, folder / "out", parameters=mail.params)
    arrived = mail.arrived(ended)
    for name, own in mail.sent.items():
        assert arrived[name] == own, name
    shutil.rmtree(folder)


def test_hostile_texts_come_back(tmp_path):
    check(KNOWN, tmp_path, "explicit", 100)


@pytest.mark.slow
def test_hostile_texts_come_back_from_compact_lanes(tmp_path):
    check(KNOWN, tmp_path, "compact", 40, LANES)


def test_where_there_are_no_lanes_both_forms_are_one(tmp_path):
    mail = letter(KNOWN, tmp_path, "strings", [name for name in EVERY if name not in LANES], size=40)
    path = write(tmp_path, mail.text)
    assert compile_file(path, "explicit") == compile_file(path, "compact")


@settings(quiet, max_examples=1)
@given(texts)
def test_any_text_comes_back(tmp_path_factory, sent):
    check(sent, tmp_path_factory.mktemp("strings"), "compact", 6)


@pytest.mark.slow
@settings(quiet, max_examples=int(os.environ.get("TEXTS", "4")))
@given(texts, st.sampled_from(LOWERINGS))
def test_any_texts_come_back(tmp_path_factory, sent, lowering):
    check(sent, tmp_path_factory.mktemp("strings"), lowering, 5)


SHOW = 'import os\n@task.shell(image="busybox:1"%s)\ndef show(x):\n    return \'echo "$x"\'\n'
TELL = "@task%s\ndef tell(x):\n    return x\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (SHOW % "" + "with DAG('d'): show('a\\0b')", "UNSAFE_STRING"),
        (SHOW % "" + "with DAG('d'): show('\\ud800')", "NOT_JSON"),
        (SHOW % "" + "with DAG('d'): show.partial(x={'a': '\\ud800'})()", "NOT_JSON"),
        (SHOW % "" + "with DAG('d'): show.expand(x=['a', 'b\\0'])", "UNSAFE_STRING"),
        (SHOW % "" + "with DAG('d'): Items([{'x': '\\0'}]) >> show", "UNSAFE_STRING"),
        (SHOW % ", env={'A': '\\0'}" + "with DAG('d'): show('')", "UNSAFE_STRING"),
        (SHOW % ", env={'A': '\\ud800'}" + "with DAG('d'): show('')", "UNSAFE_STRING"),
        (SHOW.replace("echo", "echo \\0") % "" + "with DAG('d'): show('')", "UNSAFE_STRING"),
        (SHOW.replace("echo", "echo \\ud800") % "" + "with DAG('d'): show('')", "UNSAFE_STRING"),
        (TELL % "" + "with DAG('d'): tell('\\ud800')", "NOT_JSON"),
        (TELL % "" + "with DAG('d'): tell.expand(x=['\\udfff'])", "NOT_JSON"),
        (TELL % "" + "with DAG('d'): Items([{'x': {'\\ud800': 1}}]) >> tell", "NOT_JSON"),
        (TELL % "(env={'A': '\\0'})" + "with DAG('d'): tell('')", "UNSAFE_STRING"),
        (TELL % "" + "with DAG('d', params={'p': '\\ud800'}) as d: tell(d.params.p)", "UNSAFE_STRING"),
        (SHOW % "" + "with DAG('d', params={'p': '\\0'}) as d: show(d.params.p)", "UNSAFE_STRING"),
        (
            TELL % "" + "with DAG('d') as d:\n    a = tell('a')\n    tell('b').when(a == '\\ud800')",
            "NOT_JSON",
        ),
        (TELL % "" + "with DAG('d'): tell.override(task_id='\\ud800')('')", "INVALID_OPTION"),
        (TELL % "" + "with DAG('d'): tell.override(task_id='a/b')('')", "INVALID_NAME"),
        (TELL % "" + "with DAG('\\ud800a'): tell('')", "INVALID_NAME"),
    ],
)
def test_a_text_that_no_channel_carries_is_a_diagnostic(tmp_path, text, code):
    assert codes(write(tmp_path, text)) == {code}


@pytest.mark.parametrize(
    "text",
    [
        "@task\ndef tell(x='\\ud800'):\n    return ord(x)\n",
        "X = '\\ud800'\n@task\ndef tell():\n    return ord(X)\n",
    ],
)
def test_half_a_character_travels_in_the_source_of_a_function(tmp_path, text):
    manifest = compile_file(write(tmp_path, f"{text}with DAG('d'): tell()\n"))
    ended = run_here(manifest, tmp_path, tmp_path / "out").succeeded()
    assert ended.values["tell"] == 0xD800


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "\0", "é" * 128, "\ud800"])
def test_a_text_that_is_no_file_name_is_no_output_name(tmp_path, name):
    text = f"""
@task.shell(image="busybox:1", output="{{k}}")
def show(k):
    return 'echo >"$OUTPUT_FILE"'
with DAG("names"):
    Items([{{"k": {name!a}}}]) >> show
"""
    assert codes(write(tmp_path, text)) <= {"INVALID_OUTPUT_NAME", "UNSAFE_STRING", "NOT_JSON"}


READ = """
@task
def read(input_file):
    return input_file.name
with DAG("names"):
    Files("*.txt", size=51) >> read
"""


@pytest.mark.parametrize("name", [b"\xff.txt", b"{{workflow.name}}.txt", b"{{.txt"])
def test_a_file_that_cannot_be_an_artifact_is_a_diagnostic(tmp_path, name):
    (tmp_path / "a.txt").touch()
    (tmp_path / name.decode(errors="surrogateescape")).touch()
    assert codes(write(tmp_path, READ)) == {"UNSAFE_STRING"}


def test_dollars_in_file_names_need_partitions_that_travel_in_a_variable(tmp_path):
    for number in range(50):
        (tmp_path / f"{number}.txt").touch()
    (tmp_path / "$$.txt").touch()
    assert codes(write(tmp_path, READ)) == {"UNSAFE_STRING"}
    assert compile_file(write(tmp_path, READ.replace("size=51", "size=50")))
