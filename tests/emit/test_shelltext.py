"""What a shell task's text uses and sets."""

import shutil
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsl.shelltext import invocations, is_plain, mentions, undeclared

PIECES = [
    "$",
    "${",
    "}",
    "$(",
    "$((",
    "))",
    ")",
    "(",
    "`",
    '"',
    "'",
    "\\",
    "\n",
    "#",
    " ",
    ";",
    "<<E",
    "<<'E'",
    "E",
]
PIECES += [
    "a",
    "b=",
    "case",
    "esac",
    "in",
    "read",
    "x",
    "for",
    ":-",
    "=",
    "<",
    "<<<",
    "|",
    "{",
    "$'",
    "\t",
    "1",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=30))
def test_no_text_fails(text):
    for _, line, column in undeclared(text, set()):
        assert text.split("\n")[line - 1][column - 1] == "$"
    for command in invocations(text):
        assert all(word and word in command.text for word in command.words)
        assert command.text in text or command.text in "()"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('gdalwarp -t_srs "$crs" "$INPUT_FILE" "$OUTPUT_FILE"', "crs INPUT_FILE OUTPUT_FILE"),
        ("echo ${a} ${b:-$c} ${d%.tif} ${#e} ${f[1]} ${g/x/$h}", "a c d e f g h"),
        ("echo '$a' \"'$b'\" \\$c $'$d' \"\\$e\"", "b"),
        ("echo $1 $@ $? $# $! $$ $- $* $0 ${1:-$a} ${@} $", "a"),
        ("echo $a # $b\n# $c\necho x#$d", "a d"),
        ('echo $(cat $a `echo $b` "$(echo "$c")") $((1 + $d))', "a b c d"),
        ("cat <<EOF\n$a 'it is $b' \\$c # $d\nEOF\necho $e", "a b d e"),
        ("cat <<'EOF' && echo $x\n$a\nEOF\ncat <<-\\E\n\t$b\n\tE\necho $c", "x c"),
        ('cat <<A <<"B"; echo $c\n$a\nA\n$b\nB\necho $d', "a c d"),
        ("awk '{ print $name }' <<< $a", "a"),
        ('x=$(case $a in b) echo $c;; (d) echo "$e)";; esac; echo $f) && echo $g', "a c e f g"),
        ("python3 - <<'EOF'\nprint(f'{x}${y}')  # it's\nEOF\necho $z", "z"),
        ("echo ${a:-'$b'} \"${c:-'$d'}\"", "d"),
        ("echo $a_b.$c-$d", "a_b c d"),
        ("x=$(cat <<E\n$a\nE\n)\necho $b", "a b"),
        ("echo $(( (a) + $b ))$c", "b c"),
    ],
)
def test_expanded_variables_without_a_default_are_found(text, names):
    assert {place.name for place in undeclared(text, set())} == set(names.split())


@pytest.mark.parametrize(
    "text",
    [
        "x=1; echo $x",
        "x=1 y=2 true; echo $x $y",
        "x+=1; echo $x",
        "x=$(true) && echo ${x}",
        "if read -r a b <file; then echo $a $b; fi",
        "find . | while IFS= read -r line; do echo $line; done",
        "for f in *.tif; do echo $f; done",
        "for f do echo $f; done",
        "for ((i = 0; i < 3; i++)); do echo $i; done",
        "export A=1 B; echo $A $B",
        "f() { local x=$1 y; y=2; echo $x $y; }",
        "while getopts ab: opt; do echo $opt $OPTARG; done",
        'echo ${a:-1} ${b-} ${c:+x} ${d:?need d} "${e:=1}" $e',
        ": ${n=3}; echo $n",
        "echo $PATH $HOME $PWD $TMPDIR $HOSTNAME $IFS $RANDOM $LANG $LC_ALL $KUBERNETES_SERVICE_HOST",
        "echo $(( i = 1 )); echo $i",
        "(( n += 1 )); echo $n",
        "let n=1; echo $n",
        "printf -v out '%s' x; echo $out",
        "mapfile -t lines <f; echo ${lines[0]}",
        "a=(1 2); echo ${a[@]}",
        "case $1 in -x) v=1;; esac; echo $v",
        ". ./settings; echo $anything",
        'eval "$(cat)"; echo $anything',
        "{ x=1; } && echo $x",
        "time x=1; echo $x",
        "exec {fd}>out; echo $fd",
        "cat <<EOF | { read -r a; echo $a; }\nx\nEOF",
        "echo $((a + b))",
        "trap 'rm $tmp' EXIT",
        "true | \\\n  while read -r a \\\n  b; do echo $a $b; done",
        "echo $crs",
    ],
)
def test_a_variable_that_something_sets_is_declared(text):
    assert undeclared(text, {"crs", "tmpx"}) == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("echo $crz", [("crz", 1, 6)]),
        ('set -eu\n  gdal "$crs" "${lvl}"\n', [("lvl", 2, 16)]),
        ("echo $a $a\necho $b", [("a", 1, 6), ("b", 2, 6)]),
        ("echo x=$y", [("y", 1, 8)]),
        ("echo é$y", [("y", 1, 7)]),
        ("cat <<EOF\n$y\nEOF", [("y", 2, 1)]),
        ("echo ${y%.tif}", [("y", 1, 6)]),
        ("echo y=1; echo $y", [("y", 1, 16)]),
        ("# y=1\necho $y", [("y", 2, 6)]),
        ("echo 'y=1' $y", [("y", 1, 12)]),
        ("echo read y; echo $y", [("y", 1, 19)]),
        ("read x <y; echo $y", [("y", 1, 17)]),
        ("echo ${z:-$y}", [("y", 1, 11)]),
    ],
)
def test_a_variable_that_nothing_sets_is_found_at_its_place(text, places):
    assert undeclared(text, {"crs"}) == places


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ('cat "$ITEM"', True),
        ("cat ${ITEM:-x}", True),
        ("printenv ITEM", True),
        ("sh -c 'echo $ITEM'", True),
        ("python3 - <<'EOF'\nimport os; os.environ['ITEM']\nEOF", True),
        ("cat <<EOF\n# ITEM\nEOF", True),
        ("echo '# ITEM'", True),
        ("echo x#ITEM", True),
        ("# ITEM\ntrue", False),
        ("true # $ITEM", False),
        ("true;# ITEM", False),
        ("echo $(true # ITEM\n)", False),
        ("echo $ITEMS $MY_ITEM item", False),
        ("", False),
    ],
)
def test_a_word_counts_outside_comments(text, mentioned):
    assert mentions(text, "ITEM") is mentioned


def test_a_pattern_of_a_case_does_not_end_a_substitution():
    text = "x=$( (case $a in b) c;; (d) (e);; esac) ) y=$x; for z in 1; do echo $z $y; done"
    assert undeclared(text, {"a"}) == []


def test_deep_nesting_is_not_judged():
    assert undeclared("$(" * 5000 + "echo $x", set()) == []


SHELLS = [[shell] for shell in ("sh", "dash", "bash") if shutil.which(shell)]
SHELLS += [["busybox", "sh"]] if shutil.which("busybox") else []
PARTS = [
    "a",
    "A=b",
    "$A",
    "${A}",
    "${1a}",
    '"$A b"',
    "'c d'",
    '"',
    "'",
    "\\",
    ">",
    "2>",
    ">&1",
    "<",
    ">>",
    "|",
]
PARTS += [
    "&&",
    "||",
    "&",
    ";",
    ";;",
    "\n",
    " ",
    "  ",
    "\t",
    "#",
    "(",
    ")",
    "{",
    "}",
    "`",
    "!",
    "$",
    "if",
    "fi",
]
PARTS += ["done", "in", "*", "~", "é", "\r", "[", "[[", "2", "alias", "time", "="]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
@example("a >b;c 2>&1&&d|e&\n\n a;")
@example(";")
@example("2>2>$A")
@example("a\n;b")
def test_what_is_plain_is_sound_to_every_shell(text):
    if is_plain(text):
        for shell in SHELLS:
            ended = subprocess.run([*shell, "-n"], input=text.encode(), capture_output=True, check=False)
            assert (ended.returncode, ended.stderr) == (0, b""), (shell, text)


@pytest.mark.parametrize(
    "text",
    [
        'gdalwarp -t_srs EPSG:4326 "$INPUT_FILE" "$OUTPUT_FILE"',
        'cat "${INPUT_FILE}" | sort -u >"$OUTPUT_FILE" 2>/dev/null && echo "$A"',
        "\n  echo 'a b' > x\n\n  rm -f *.tmp;\n",
    ],
)
def test_a_usual_text_is_plain(text):
    assert is_plain(text)


def test_a_long_text_is_judged_at_once():
    assert is_plain('echo "$A" && ' * 10000 + "echo a")
    assert not is_plain("a" * 100000 + "(" + '"' * 99999)
