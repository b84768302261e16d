"""Patterns: they match what Go's regexp matches, found out with Go 1.26, and take no time for it."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.expr.condition import ConditionError, is_true
from dsl.expr.expression import ExpressionError, compiled
from dsl.expr.regexp import pattern
from dsl.expr.regexp_syntax import PatternFault


@pytest.mark.parametrize(
    ("source", "text", "spans"),
    [
        ("^ok$", "ok\n", []),
        ("(?m)^ok$", "no\nok\n", [(3, 5)]),
        ("a.c", "a\nc abc", [(4, 7)]),
        ("(?s)a.c", "a\nc", [(0, 3)]),
        (r"\d+", "٣ 3", [(2, 3)]),
        (r"\w+", "é_1", [(1, 3)]),
        (r"\bé", "aé é", [(1, 2)]),
        (r"\s", "\v\u00a0 ", [(2, 3)]),
        (r"[^\W\d]+", "é1ab", [(2, 4)]),
        ("(?i)k", "kK\u212a", [(0, 1), (1, 2), (2, 3)]),
        ("(?i)[^s]", "sS\u017fx", [(3, 4)]),
        ("(?i:a)b", "Ab AB", [(0, 2)]),
        (r"\pL+\p{Lu}", "aéÉ", [(0, 3)]),
        (r"\P{^Nd}", "a٣", [(1, 2)]),
        ("[[:alpha:]]+|[[:^alpha:]]", "ab1", [(0, 2), (2, 3)]),
        ("a*", "baac", [(0, 0), (1, 3), (4, 4)]),
        ("a|ab", "ab", [(0, 1)]),
        ("(?U)a+", "aa", [(0, 1), (1, 2)]),
        ("(?U)a+?", "aa", [(0, 2)]),
        ("a{2}", "aaa", [(0, 2)]),
        ("a{,2}", "a{,2}", [(0, 5)]),
        ("a{1,2}?", "aa", [(0, 1), (1, 2)]),
        ("(|a)*", "aa", [(0, 0), (1, 1), (2, 2)]),
        (r"\Qa*\E+", "a**", [(0, 3)]),
        (r"\x41\x{e9}\101\.", "AéA.", [(0, 4)]),
        ("[]a-]+", "]-a", [(0, 3)]),
        ("É(?m)*", "ÉÉ", [(0, 2)]),
    ],
)
def test_a_pattern_matches_where_go_finds_it(source, text, spans):
    assert [found[:2] for found in pattern(source).find_all(text)] == spans


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("(?=x)x", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
        ("(?P<n-m>a)", "invalid named capture: `(?P<n-m>`"),
        ("a(?i", "invalid or unsupported Perl syntax: `(?i`"),
        ("x(a", "missing closing ): `x(a`"),
        ("a)", "unexpected ): `a)`"),
        ("x[a", "missing closing ]: `[a`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        (r"\pX", r"invalid character class range: `\pX`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\y", r"invalid escape sequence: `\y`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("*?a", "missing argument to repetition operator: `*?`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{500}){3}", "invalid repeat count: `{3}`"),
    ],
)
def test_what_is_no_pattern_in_go_is_none_and_the_words_are_its(source, fault):
    with pytest.raises(PatternFault) as wrong:
        pattern(source)
    assert str(wrong.value) == f"error parsing regexp: {fault}"


def test_groups_that_are_too_deep_are_refused():
    assert pattern("(" * 100 + "a" + ")" * 100).matches("a")
    with pytest.raises(PatternFault, match="expression nests too deeply"):
        pattern("(" * 101 + "a" + ")" * 101)


LETTERS = st.sampled_from("ab.")
ITEMS = st.recursive(
    LETTERS | st.sampled_from(["[ab]", "[^a]", "^", r"\b"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(LETTERS, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}"])).map("".join),
        st.tuples(LETTERS, inner, st.sampled_from(["*", "+?", "{1,3}"])).map(
            lambda t: f"({t[0]}(?:{t[1]})){t[2]}"
        ),
    ),
    max_leaves=8,
)


@given(ITEMS, st.text("ab\n", max_size=8))
def test_the_match_is_the_one_that_a_search_with_backtracking_would_find(source, text):
    found = re.search(source, text)
    spans = next(pattern(source).find_all(text), None)
    assert (spans and spans[:2]) == (found and found.span())


def test_no_pattern_takes_more_time_than_its_text_is_long():
    began = time.process_time()
    assert not is_true(f"'{'a' * 200}b' =~ '^(a+)+$'")
    assert compiled("x matches '^(a|aa|a?)*c'").value({"x": "a" * 200}) is False
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("x matches '^ok$'", False),
        (r"sprig.regexReplaceAll('(a)(?P<n>b)?', 'abac', '<$n-${1}x$2y>')", "<b-ax><-ax>c"),
        ("sprig.regexReplaceAllLiteral('a', 'aba', '$0')", "$0b$0"),
        ("sprig.regexFindAll('a.', 'abaca', -1)", ["ab", "ac"]),
        ("sprig.regexFindAll('a.', 'abaca', 1)", ["ab"]),
        ("sprig.regexFind('z', 'abaca')", ""),
        ("sprig.regexSplit('a', 'abaca', -1)", ["", "b", "c", ""]),
        ("sprig.regexSplit('', 'abc', 2)", ["a", "bc"]),
        ("sprig.regexSplit('a', 'abaca', 0)", []),
        ("sprig.regexMatch('(', 'a')", False),
    ],
)
def test_functions_with_patterns_give_what_go_gives(source, value):
    assert compiled(source).value({"x": "ok\n"}) == value


def test_what_is_no_pattern_is_a_fault_where_it_is_used():
    words = "error parsing regexp: invalid or unsupported Perl syntax: `\\(\\?=`"
    with pytest.raises(ExpressionError, match=words):
        compiled("'x' matches '(?=x)x'").value({})
    with pytest.raises(ExpressionError, match=words):
        compiled("'x' matches y").value({"y": "(?=x)x"})
    with pytest.raises(ExpressionError, match=words):
        compiled("sprig.regexFind('(?=x)x', 'x')").value({})
    with pytest.raises(ConditionError, match=words):
        is_true("'x' =~ '(?=x)x'")
