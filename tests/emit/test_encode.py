"""Every string comes back, and no layer on the way sees anything it would act on."""

import json
import os
import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl import encode
from tests.hostile import HOSTILE

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(HOSTILE)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda values: st.lists(values) | st.dictionaries(TEXT, values),
    max_leaves=20,
)
SHELL_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(
    HOSTILE
)
LONE_SURROGATE = "a\ud800b"
EXPRESSIONS = [
    encode.as_octal("x"),
    encode.field_text("x"),
    encode.octal_line("x"),
    encode.shell_text("a ? b : c"),
    encode.brace_safe("x"),
    encode.kubelet("x"),
]


def undo_octal(encoded: str) -> str:
    """What POSIX says about `printf %b`, for the one escape that is used."""
    octets = re.sub(rb"\\0([0-7]{3})", lambda m: bytes([int(m[1], 8)]), encoded.encode())
    return octets.decode()


def undo_literal(encoded: str) -> str:
    """What expr-lang says about `\\u` and `\\U` in a string."""
    return re.sub(r"\\u(.{4})|\\U(.{8})", lambda m: chr(int(m[1] or m[2], 16)), encoded[1:-1])


def kubelet_expand(text: str, variables: dict[str, str]) -> str:
    """kubernetes third_party/forked/golang/expansion: `$$` and `$(NAME)`, once, from left to right."""
    return re.sub(
        r"\$\$|\$\((.*?)\)",
        lambda m: "$" if m[0] == "$$" else variables.get(m[1], m[0]),
        text,
        flags=re.DOTALL,
    )


@given(VALUE)
def test_json_comes_back_and_is_plain(value):
    text = encode.json_text(value)
    assert json.loads(text) == value
    assert "{{" not in text
    assert "$" not in text
    assert re.fullmatch(r"[ -~]*", text)


@given(TEXT)
def test_a_field_comes_back_and_has_no_separator(text):
    encoded = encode.field(text)
    assert json.loads(f'"{encoded}"') == text
    assert re.fullmatch(r"[ -~]*", encoded)
    assert not set(encoded) & set("{$|;")


@given(st.integers(0), st.lists(st.lists(TEXT, min_size=1, max_size=3)))
def test_the_items_of_a_line_come_back(start, items):
    first, *others = encode.line(start, items).split(";")
    assert int(first) == start
    assert [[json.loads(f'"{part}"') for part in item.split("|")] for item in others] == items


@given(SHELL_TEXT)
def test_octal_comes_back_and_has_no_separator(text):
    encoded = encode.octal(text)
    assert undo_octal(encoded) == text
    assert re.fullmatch(r"[ -~]*", encoded)
    assert not set(encoded) & set("{$|;,/\n")


@pytest.mark.parametrize("shell", [s for s in ("sh", "dash", "bash", "busybox") if shutil.which(s)])
def test_the_printf_of_a_shell_undoes_octal(shell):
    command = [shell, "sh"] if shell == "busybox" else [shell]
    program = (
        """for name in $NAMES; do eval "e=\\$$name"; v=$(printf '%bx' "$e"); printf '%s:' "${v%x}"; done"""
    )
    variables = {f"V{number}": encode.octal(text) for number, text in enumerate(HOSTILE)}
    done = subprocess.run(
        [*command, "-c", program],
        env={**variables, "NAMES": " ".join(variables), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == "".join(f"{text}:" for text in HOSTILE)


@given(TEXT)
def test_a_literal_comes_back_and_has_no_brace_or_quote(text):
    encoded = encode.literal(text)
    assert undo_literal(encoded) == text
    assert re.fullmatch(r"'[ -~]*'", encoded)
    assert not set(encoded[1:-1]) & set("{}$'")


@settings(max_examples=300)
@given(st.lists(SHELL_TEXT | st.sampled_from(["{", "$", "${", "$({"]), max_size=3))
def test_the_kubelet_undoes_literals_that_stand_side_by_side(texts):
    encoded = "".join(map(encode.kubelet_literal, texts))
    assert "{{" not in encoded
    assert kubelet_expand(encoded, {"ARGOSY_BRACE": "{", "HOME": "/", "INDEX": "1"}) == "".join(texts)
    assert not encoded.endswith("{")


def test_only_text_with_two_braces_needs_the_brace_variable():
    assert encode.kubelet_literal('awk {print $1} {"a": {}}') == 'awk {print $$1} {"a": {}}'
    assert encode.BRACE_VARIABLE not in encode.kubelet_literal("{a}")
    assert encode.BRACE_VARIABLE in encode.kubelet_literal("{{a}}")
    assert encode.BRACE_VARIABLE in encode.kubelet("x")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_fits_in_a_tag(expression):
    assert encode.tag(expression) == "{{= " + expression + " }}"


@pytest.mark.parametrize("expression", ["'{{'", "{a: {b: 1}}"])
def test_a_tag_refuses_an_expression_that_ends_it(expression):
    with pytest.raises(ValueError, match="an expression cannot contain"):
        encode.tag(expression)


@pytest.mark.parametrize(
    "encoder", [encode.json_text, encode.octal, encode.field, encode.literal, encode.kubelet_literal]
)
def test_a_lone_surrogate_is_refused(encoder):
    with pytest.raises(ValueError, match="lone surrogate"):
        encoder(LONE_SURROGATE)


@pytest.mark.parametrize("encoder", [encode.octal, encode.kubelet_literal])
def test_nul_is_refused_where_an_environment_carries_it(encoder):
    with pytest.raises(ValueError, match="NUL"):
        encoder("a\0b")


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1: 2}, [{"a": {None: 1}}], {1}, b"a", LONE_SURROGATE]
)
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        encode.json_text(value)


def test_an_item_without_fields_is_refused():
    with pytest.raises(ValueError, match="at least one field"):
        encode.line(0, [["a"], []])


def test_a_line_of_no_items_is_its_start():
    assert encode.line(12, []) == "12"
