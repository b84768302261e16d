import pytest

from dsl.engine.scope import Globals, Scope
from dsl.engine.tags import MissingError, Mode, TagError, substitute
from dsl.expr.expression import ExpressionError, compiled
from dsl.expr.gojson import dumps, loads, sprint
from dsl.expr.grammar import SyntaxFault

KNOWN = {
    "tasks": {
        "empty": {"outputs": {"parameters": "[]"}},
        "a-b": {"status": "Succeeded", "outputs": {"parameters": {"r": "x"}}},
        "bad": {"status": "Failed"},
    },
    "inputs": {"parameters": {"list": '["a","b"]', "n": "3"}},
    "item": "1",
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (
            "type(tasks.empty.outputs.parameters) == 'string' ? '[]' : tasks.empty.outputs.parameters['p']",
            "[]",
        ),
        ("fromJSON(inputs.parameters.list)[int(item)]", "b"),
        ("toJson(filter(0..3, not (string(#) in ['1', '2'])))", "[0,3]"),
        ("join(map(fromJSON(inputs.parameters.list), replace(#, 'a', '\\\\')), '\\n')", "\\\nb"),
        ("tasks['bad'].status == 'Succeeded' ? tasks['bad'].outputs.parameters.r : 'D'", "D"),
        ("tasks.bad.outputs?.parameters?.r ?? 'D'", "D"),
        ("tasks['a-b'].outputs?.parameters?.r ?? 'D'", "x"),
        ("map(1..2, sum(map(1..#, # * 10)))", [10, 30]),
        ("count(['a', 'b', 'a'], # == 'a') >= 2 && any([1], # > 0) && none([1], # > 1)", True),
        ("[1, 2, 3][1:]", [2, 3]),
        ("[1, 2, 3][-1]", 3),
        ("'abc'[:2]", "ab"),
        ("2 ** 3 + 7 % 4", 11.0),
        ("1 / 2", 0.5),
        ("'a' not in ['b'] and 'k' in {'k': 1}", True),
        ("len(inputs.parameters.list | fromJSON())", 2),
        ("asInt('7') + asInt('1')", 8),
        ("asFloat('1.5')", 1.5),
        ("get({'a': 1}, 'b') ?? 'none'", "none"),
        ("trimPrefix('abc', 'a') + trimSuffix('abc', 'c')", "bcab"),
        ("hasPrefix('abc', 'a') && hasSuffix('abc', 'c')", True),
        ("split('a,b', ',')", ["a", "b"]),
        ("sprig.upper('a') + sprig.default('d', '')", "Ad"),
        ("string(fromJSON('1000000')) + string(fromJSON('1.5'))", "1e+061.5"),
        ("let x = 2; x + 1", 3),
        ("filter([{'n': 1}, {'n': 2}], .n > 1)[0].n", 2),
        ("reduce(1..4, #acc + #)", 10),
        ("9223372036854775807 % 10", 7),
        ("-9007199254740993 % 10", -3),
        ("sprig.mod(9007199254740993, 10) + sprig.div(9007199254740993, 1)", 9007199254740996),
        ("[indexOf('é,b', ','), lastIndexOf('é,é,', ','), indexOf('é', 'x')]", [2, 5, -1]),
        ("split('a,b', ',', 0)", []),
        ("concat(split('a,b,c', ',', 2), splitAfter('a,b,c', ',', 2))", ["a", "b,c", "a,", "b,c"]),
        ("split('éb,c', '', 2)", ["é", "b,c"]),
        ("upper('straße') + lower('İΣ')", "STRAßEi\u03c3"),
        ('sprig.title("hello wORLD it\'s a_b é-é")', "Hello WORLD It'S A_b É-É"),
    ],
)
def test_an_expression_has_the_value_that_expr_gives_it(source, value):
    assert compiled(source).value(KNOWN) == value


def test_a_long_list_is_split_once_whoever_takes_an_element_of_it():
    split, known = compiled("split(list, ',')"), {"list": "a," * 1000}
    assert split.value(known) is split.value(known)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 +", "unexpected token EOF (1:3)\n | 1 +\n | ..^"),
        ("((", "unexpected token EOF (1:2)\n | ((\n | .^"),
        (
            "1 ?? 2 + 3",
            "Operator (+) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses."
            " (1:8)\n | 1 ?? 2 + 3\n | .......^",
        ),
        (
            "map([1], # + 1; 2)",
            "wrap predicate with brackets { and } (1:15)\n | map([1], # + 1; 2)\n | ..............^",
        ),
        ("'abc", "literal not terminated (1:5)\n | 'abc\n | ....^"),
        ("", "unexpected token EOF"),
        ("sprig.now()", "sprig.now is not supported here (1:7)\n | sprig.now()\n | ......^"),
    ],
)
def test_a_text_that_is_no_expression_is_shown_with_a_caret(source, message):
    with pytest.raises(SyntaxFault) as raised:
        compiled(source)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nope(1)", "unknown name nope (1:1)\n | nope(1)\n | ^"),
        ("'1' == 1", "invalid operation: == (mismatched types string and int) (1:5)\n | '1' == 1\n | ....^"),
        ("inputs.parameters.n + 1", "invalid operation: string + int (1:21)\n | inputs.parameters.n + 1\n"
         " | ....................^"),
        ("[1][3]", "index out of range: 3 (array length is 1) (1:4)\n | [1][3]\n | ...^"),
        ("asInt('x')", "invalid operation: int(x) (1:1)\n | asInt('x')\n | ^"),
        ("item.x", "type string has no field x (1:6)\n | item.x\n | .....^"),
        ("filter([1], 1)", "predicate should return boolean (got int) (1:13)\n | filter([1], 1)\n"
         " | ............^"),
        ("1 % 0", "integer divide by zero (1:3)\n | 1 % 0\n | ..^"),
        ("tasks.bad.nope.x", "cannot fetch x from <nil> (1:16)\n | tasks.bad.nope.x\n | ...............^"),
    ],
)  # fmt: skip
def test_what_expr_cannot_evaluate_is_told_in_its_words(source, message):
    with pytest.raises(ExpressionError) as raised:
        compiled(source).value(KNOWN)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.a[1].n", 2.0),
        ("$.a[*].m", ["x"]),
        ("$.a[-1:].n", [2.0]),
        ("$['a'][0,1].n", [1.0, 2.0]),
        ("$..n", [1.0, 2.0]),
        ("$.a[?(@.n == 2)]", [{"n": 2.0}]),
        ("$.a.length", 2),
    ],
)
def test_a_json_path_selects_one_value_or_many(path, found):
    source = f"""jsonpath('{{"a": [{{"n": 1, "m": "x"}}, {{"n": 2}}]}}', "{path}")"""
    assert compiled(source).value({}) == found


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a", "invalid JSONPath selector 'a' unexpected token 'a' at index 0"),
        ("$.b", "key: invalid token key 'b' not found"),
        ("$.a[5]", "index: invalid token out of range"),
        ("$.a[(1)]", "is not supported here"),
    ],
)
def test_a_json_path_that_selects_nothing_says_why(path, why):
    with pytest.raises(ExpressionError) as raised:
        compiled(f"""jsonpath('{{"a": [1]}}', '{path}')""").value({})
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("date('2023-08-14').AddDate(0, 1, 17).Format('Mon 02 Jan 2006')", "Sun 01 Oct 2023"),
        ("string(duration('90m') + duration('1s'))", "1h30m1s"),
        ("date('2023-08-14') - date('2023-08-13') == duration('24h') ? 'y' : 'n'", "y"),
        ("toJson(date('2023-08-14T10:00:00+02:00'))", '"2023-08-14T10:00:00+02:00"'),
        ("if 1 < 2 < 3 { 'in' } else { 'out' }", "in"),
        ("string(9223372036854775807 + 1)", "-9223372036854775808"),
        ("string(bitshl(1, 4) + bitnand(7, 2))", "21"),
    ],
)
def test_times_numbers_and_conditions_are_those_of_expr(source, text):
    assert compiled(source).value(KNOWN) == text


@pytest.mark.parametrize(
    "source", ["tasks.bad.outputs.parameters.r", "unknown", "[1][5]", "1 + 'a'", "fromJSON('[')"]
)
def test_what_has_no_value_raises(source):
    with pytest.raises(ExpressionError):
        compiled(source).value(KNOWN)


def test_numbers_and_texts_are_written_as_go_writes_them():
    assert dumps({"b": 2.0, "a": "<é\n>"}) == '{"a":"\\u003cé\\n\\u003e","b":2}'
    assert [sprint(x) for x in (1.0, 1e6, 1e-5, 123456.5, True, None, [1, "a"])] == [
        "1", "1e+06", "1e-05", "123456.5", "true", "<nil>", "[1 a]",
    ]  # fmt: skip
    assert loads(" [1] ") == [1.0]
    with pytest.raises(ValueError, match="invalid character 'h' looking for beginning of value"):
        loads("hello")


def scope():
    return Scope(
        Globals({"workflow.name": "wf"}),
        {"inputs.parameters.x": "{{workflow.name}}", "inputs.parameters.k": "name"},
    )


def test_a_value_that_holds_a_tag_is_filled_by_the_next_pass():
    assert substitute("<{{inputs.parameters.x}}>", scope()) == "<wf>"
    assert substitute("<{{workflow.{{inputs.parameters.k}}}}>", scope()) == "<wf>"
    assert substitute("{{ jinja }} {{=item + 1}} {{", scope()) == "{{ jinja }} {{=item + 1}} {{"


def test_a_strict_pass_insists_on_other_nodes_or_on_everything():
    with pytest.raises(MissingError, match=r"failed to resolve \{\{tasks.a.status\}\}"):
        substitute("{{tasks.a.status}}", scope(), Mode.NODES)
    with pytest.raises(MissingError, match="tasks is missing"):
        substitute("{{= tasks.a.status}}", Scope(None, {}, "tasks", {}), Mode.NODES)
    assert substitute("{{item}}", scope(), Mode.NODES) == "{{item}}"
    with pytest.raises(MissingError):
        substitute("{{item}}", scope(), Mode.ALL)


def test_control_characters_pass_through_expressions_only():
    known = Scope(Globals({}), {"inputs.parameters.x": "\x1b"})
    assert substitute("{{= inputs.parameters.x }}", known) == "\x1b"
    with pytest.raises(TagError, match="invalid JSON"):
        substitute("{{inputs.parameters.x}}", known)
