"""What is written reads back as it was, for PyYAML and for Argo, and what is read is what Argo reads."""

import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from dsl import manifest
from dsl.diagnostics import Rejected
from dsl.documents import sound_documents
from tests.hostile import HOSTILE, WORDS

TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from([*HOSTILE, *WORDS]),
    st.text("ab \n#:-|\t'\"{", max_size=12),
)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOAT | TEXT
VALUE = st.recursive(SCALAR, lambda v: st.lists(v) | st.dictionaries(TEXT, v), max_leaves=15)

AS_ARGO_READS = {
    "1e3": 1000, "08": 8, "0o17": 15, "017": 15, "12:30": "12:30", "y": True, "No": False,
    "2021-01-01": "2021-01-01", "1_000": 1000, "0x1F": 31, "0b11": 3, "1.50": 1.5, ".5": 0.5, "+5": 5,
    "5.": 5, "1e": "1e", "1E+5": 100000, "12345678901234567890": 12345678901234567890,
    "123456789012345678901234567890": 1.2345678901234568e29, "0.1e-10": 1e-11, "-0": 0, "-0b11": -3,
    "0X1f": 31, "1__0": 10, "0o8": "0o8", "1.2.3": "1.2.3", "yes": True, "oN": "oN", "-.5": -0.5, "0_8": 8,
    "190:20:30.15": "190:20:30.15", "_1": "_1", "1_000.5": 1000.5, "-1e3": -1000, "~": None, "": None,
    "Null": None, "!!str 08": "08", '"08"': "08", "!!int '3'": 3, "<<": "<<",
}  # fmt: skip


def read_manifests(content, path):
    return [document.value for document in sound_documents(content, path)]


@given(VALUE)
@example("a\n  b\n")
@example(["\n", "a\n\n", " a\nb", "a \nb", "---\nb", "# a\nb", "a\n---\nb"])
def test_yaml_comes_back(value):
    text = manifest.to_yaml(value)
    assert yaml.safe_load(text) == value
    assert text.isascii()


@given(st.dictionaries(TEXT, VALUE))
def test_what_is_written_is_read(value):
    assert read_manifests(manifest.to_yaml(value).encode(), "x") == [value]
    assert read_manifests(manifest.to_json(value).encode(), "x") == [value]


@given(VALUE)
def test_only_words_that_every_reader_takes_for_text_are_unquoted(value):
    for event in yaml.parse(manifest.to_yaml(value)):
        if isinstance(event, yaml.ScalarEvent) and event.style is None:
            text = event.value
            number = isinstance(yaml.safe_load(text), int | float | None)
            assert number or (
                text[0].isalpha()
                and text.lower() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
            )
            assert not {*":#{}[]&*!|>%@`'\" \n"} & {*text}


@pytest.mark.parametrize("word", [*WORDS, "Y", "on", "a: b", "a #b"])
def test_a_word_with_another_meaning_is_quoted(word):
    assert manifest.to_yaml({"v": word}) == f'v: "{word}"\n'
    assert manifest.to_yaml({word: "v"}).startswith(f'"{word}": v\n')


def test_a_program_stays_readable_when_it_survives():
    assert manifest.to_yaml({"source": "set -eu\nif true; then\n  echo '{{'\nfi\n"}) == (
        "source: |\n  set -eu\n  if true; then\n    echo '{{'\n  fi\n"
    )


@pytest.mark.parametrize("text", ["a \nb", " a\nb", "\na", "a\n\n", "a\tb\nc", "é\nb", "a\r\nb", "a\x07\n"])
def test_a_program_that_would_not_survive_is_quoted(text):
    assert manifest.to_yaml({"v": text}).startswith('v: "')


def test_json_keeps_the_order_of_keys():
    assert manifest.to_json({"b": 1, "a": ["é"]}) == '{\n  "b": 1,\n  "a": [\n    "\\u00e9"\n  ]\n}\n'


def test_one_object_in_two_places_is_written_twice():
    shared = {"a": ["b"]}
    assert manifest.to_yaml({"x": shared, "y": shared}) == 'x:\n  a:\n  - b\n"y":\n  a:\n  - b\n'


@pytest.mark.parametrize("write", [manifest.to_json, manifest.to_yaml])
@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": "\ud800"}, {"a": {1}}, {"a": object()}])
def test_what_json_cannot_hold_is_refused(write, value):
    with pytest.raises(ValueError, match=r"."):
        write(value)


@pytest.mark.parametrize(("scalar", "value"), AS_ARGO_READS.items())
def test_an_unquoted_scalar_means_what_argo_takes_it_for(scalar, value):
    (document,) = read_manifests(f"a: {scalar}\n".encode(), "x")
    assert document == {"a": value}
    assert type(document["a"]) is type(value)


def test_several_documents_are_read_in_order_and_empty_ones_left_out():
    text = "# head\n---\na: 1\n---\n# nothing\n---\nb: &x {c: d}\ne: {<<: *x, 1: f}\n...\n"
    assert read_manifests(text.encode(), "x") == [{"a": 1}, {"b": {"c": "d"}, "e": {"c": "d", "1": "f"}}]
    assert read_manifests(b"", "x") == []


def test_a_number_of_json_stays_as_it_is():
    assert read_manifests(json.dumps({"a": 1.0, "b": "08"}).encode(), "x") == [{"a": 1.0, "b": "08"}]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: b: c\n", "x:1:5"),
        ("a:\n  - b\n c: d\n", "x:3:2"),
        ("a: 'b\n", "x:2:1"),
        ("a: *b\n", "x:1:4"),
        ("\tb: 1\n", "x:1:1"),
        ("a: 1\nb: é\x07\n", "x:2:5"),
        ("a: 1\n---\n- b\n", "x:3:1"),
        ("text\n", "x:1:1"),
        ("[1, 2]", "x:1:1"),
        ('{"a": }x', "x:1:8"),
        ("a: !!binary a\n", "x:1:4"),
        ("a: !!int b\n", "x:1:4"),
        ("a: &b [*b]\n", "x:1:8"),
        ("a: {~: 2}\n", "x:1:5"),
        ("a: 1\nb: 2\na: 3\n", "x:3:1"),
        ('{"a": 1,\n "a": 2}', "x:2:2"),
        ("a: .nan\n", "x:1:4"),
        ("a: {[1]: 2}\n", "x:1:5"),
        ("[" * 20000, "x:1:1001"),
        ("[" * 500, "x:1:201"),
    ],
)
def test_what_cannot_be_read_is_rejected_at_its_place(text, where):
    with pytest.raises(Rejected) as rejected:
        read_manifests(text.encode(), "x")
    (diagnostic,) = rejected.value.diagnostics
    assert str(diagnostic.location) == where
    assert diagnostic.message


def test_a_tag_makes_no_object_and_binary_is_its_text():
    text = b"a: !!binary aGk=\nb: !!python/object:os.system {}\nc: !x y\n"
    assert read_manifests(text, "x") == [{"a": "hi", "b": {}, "c": "y"}]


def test_aliases_that_stand_for_a_billion_values_are_refused_at_once():
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    with pytest.raises(Rejected, match="aliases stand for more than"):
        read_manifests("\n".join(lines).encode(), "x")


def test_other_bytes_than_utf_8_have_a_place():
    with pytest.raises(Rejected) as rejected:
        read_manifests(b"a: 1\nb: \xff\n", "x")
    assert str(rejected.value.diagnostics[0].location) == "x:2:4"


def test_half_a_character_is_replaced_as_in_go():
    [read] = read_manifests(b'{"a": "\\ud800x", "\\udc00": "\\ud83e\\uddca"}', "m.json")
    assert read == {"a": "\ufffdx", "\ufffd": "\U0001f9ca"}
