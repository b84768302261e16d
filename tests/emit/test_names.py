"""No two names meet, each is one that Kubernetes and Argo take, and a reader recognises the word."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl import names

WORD = st.text(max_size=12) | st.from_regex(r"[aA]([._ -]?[bB])?(-partition(-\d)?)?", fullmatch=True)
WORDS = st.lists(WORD, unique=True, max_size=12)


@given(WORDS)
def test_no_two_names_meet(words):
    found = names.template_names(words)
    assert list(found) == words
    assert len({name.casefold() for name in found.values()}) == len(words)


@given(WORDS | st.lists(st.text("ab ", min_size=90, max_size=130), unique=True, max_size=3))
def test_argo_and_kubernetes_take_every_name(words):
    for name in names.template_names(words).values():
        assert re.fullmatch(r"[a-z][-a-z0-9]*[a-z0-9]|[a-z]", name)
        assert len(name) <= 100
        assert len(names.partition_name(name, 99999)) <= 128
        assert name not in names.EXPRESSION_WORDS


@given(WORDS, st.randoms())
def test_the_order_of_words_does_not_change_a_name(words, random):
    shuffled = random.sample(words, len(words))
    assert names.template_names(shuffled) == names.template_names(words)


@given(WORDS, st.integers(0, 9))
def test_no_partition_has_the_name_of_another_template(words, index):
    found = set(names.template_names(words).values())
    assert not found & {names.partition_name(name, index) for name in found}


@given(WORDS)
def test_reserved_names_stay_free(words):
    assert not set(names.template_names(words, reserved=["a", "a-b"]).values()) & {"a", "a-b"}


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("reproject", "reproject"),
        ("reproject-2", "reproject-2"),
        ("percent_cover", "percent-cover"),
        ("group.task", "group-task"),
        ("CamelCase", "camelcase"),
        ("Café", "cafe"),
        ("2024", "task-2024"),
        ("in", "task-in"),
        ("matches", "task-matches"),
        ("_", "task"),
        ("日本", "task-cf2abf"),
        ("clean-partition", "clean-partition-beab0d"),
    ],
)
def test_a_name_is_recognised(word, name):
    assert names.template_names([word]) == {word: name}


def test_the_word_that_is_a_name_already_keeps_it():
    found = names.template_names(["a_b", "A-B", "a-b"])
    assert found["a-b"] == "a-b"
    assert re.fullmatch(r"a-b-[0-9a-f]{6}", found["a_b"])
    assert re.fullmatch(r"a-b-[0-9a-f]{6}", found["A-B"])


@given(st.text())
def test_the_name_of_a_workflow_leaves_room_for_five_characters(text):
    name = names.object_name(text)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 57


def test_long_names_of_workflows_stay_different():
    assert names.object_name("x" * 80) != names.object_name("x" * 81)
    assert names.object_name("sea ice") == "sea-ice"


@pytest.mark.parametrize("name", ["crs", "_x", "A1", "x_2"])
def test_a_variable_is_a_word(name):
    assert names.is_shell_variable(name)


@pytest.mark.parametrize("name", ["", "my-key", "1a", "é", "a b", "a\n", "a.b"])
def test_what_sh_cannot_name_is_no_variable(name):
    assert not names.is_shell_variable(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "IFS",
        "UID",
        "LD_PRELOAD",
        "ARGO_TEMPLATE",
        "ARGOSY_ROOT",
        "KUBERNETES_PORT",
        "BASH_ENV",
        "INPUT_FILE",
        "RESULT_FILE",
        "ITEM",
        "RUN_ID",
        "run_id",
        "index",
        "output_dir",
        "data_interval_end",
    ],
)
def test_names_with_a_meaning_are_reserved(name):
    assert names.is_reserved(name)


@pytest.mark.parametrize("name", ["crs", "path", "LANG", "year", "result_file", "ARGON", "name", "home"])
def test_other_names_are_free(name):
    assert not names.is_reserved(name)


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("retires", ["retries", "retry_delay"], "retries"),
        ("Image", ["image"], "image"),
        ("crz", ["crs", "limit"], "crs"),
        ("itme", ["ITEM", "item"], "item"),
        ("ITME", ["ITEM", "item"], "ITEM"),
        ("zzz", ["crs"], None),
        ("crs", [], None),
        ("crs", ["crs"], None),
    ],
)
def test_the_nearest_word_is_offered(word, known, meant):
    assert names.did_you_mean(word, known) == meant
