"""What an author gets wrong, and what only looks like it; `^` beneath a line marks the exact place."""

import ast
import re

import pytest

from dsl.analyze import analyze_all
from dsl.argo.cron import schedule_fault
from dsl.checks.file import AuthoredFile, work_at_import
from dsl.checks.secret import plaintext_secrets
from dsl.codes import Code
from dsl.diagnostics import Rejected
from dsl.explain import page
from dsl.load import execute

HEAD = "from dsl import DAG, Files, InFile, Items, Range, task\n"
ONE = "@task\ndef one(): return 1\n"
TAKE = "@task\ndef take(x, y=1): return x\n"


def findings(folder, text):
    """Return (code, line, column, end column) of what is found in a file."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "a.tif").write_text("x")
    path = folder / "flow.py"
    path.write_text(text)
    try:
        found = [d for analysis in analyze_all(execute(str(path))) for d in analysis.diagnostics]
    except Rejected as rejected:
        found = [*rejected.diagnostics]
    return sorted(
        {(d.code.name, d.location.line, d.location.column, d.location.end_column) for d in found},
        key=lambda one: one[1:],
    )


def marked(text):
    """Return a file without its marks, and the (code, line, column, end column) of each `#  ^^^ CODE`."""
    lines, marks = [], []
    for line in text.splitlines():
        if found := re.match(r"#? *(\^+) ([A-Z_]+)$", line):
            marks.append((found[2], len(lines), found.start(1) + 1, found.end(1) + 1))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n", marks


WRONG = {
    "an output in an if, a while and an assert": ONE
    + """
with DAG("x"):
    out = one()
    if out:
#      ^^^ CONDITION_AS_BOOL
        one().when(0 < out < 3)
#                  ^^^^^^^^^^^ CONDITION_AS_BOOL
    while out > 1:
#         ^^^^^^^ CONDITION_AS_BOOL
        pass
""",
    "an output in a loop, unpacked, searched": ONE
    + """
with DAG("x"):
    out = one()
    [each for each in out]
#                     ^^^ OUTPUT_ITERATED
    a, b = out
#   ^^^^ OUTPUT_ITERATED
    3 in out
#   ^^^^^^^^ OUTPUT_ITERATED
""",
    "a task as a truth value": ONE
    + TAKE
    + """
with DAG("x"):
    one and take(1)
#   ^^^^^^^^^^^^^^^ CONDITION_AS_BOOL
    take(not one)
#        ^^^^^^^ CONDITION_AS_BOOL
    while one:
#         ^^^ CONDITION_AS_BOOL
        one >> take(1)
assert one
""",
    "a constant before & and |": ONE
    + TAKE
    + """
with DAG("x"):
    out = one()
    take(1).when(out["a"] == 1 & out["a"] == 2)
#                            ^^^^^^^^^^^^ CONDITION_VALUE
    take(1).when((out > 1) | (1 | one))
#                             ^^^^^^^ CONDITION_VALUE
    1 / 0
#   ^^^^^ IMPORT_FAILED
""",
    "tasks between operators that chain nothing": ONE
    + TAKE
    + """
with DAG("x"):
    one | take
#   ^^^^^^^^^^ COMPARED_IN_CHAIN
    one >> take(1) | one
#   ^^^^^^^^^^^^^^^^^^^^ COMPARED_IN_CHAIN
    take(1) & take(2)
#   ^^^^^^^^^^^^^^^^^ COMPARED_IN_CHAIN
    one >> take + one
#          ^^^^^^^^^^ OUTPUT_COMPUTED
""",
    "parameters of a run without defaults": ONE
    + TAKE
    + """
with DAG("x", params=["limit"]) as dag:
#             ^^^^^^^^^^^^^^^^ INVALID_OPTION
    take(one(), dag.params.limit)
    take()
#   ^^^^^^ MISSING_ARGUMENT
""",
    "a task in a loop, unpacked, searched": ONE
    + TAKE
    + """
with DAG("x"):
    for each in one:
#               ^^^ OUTPUT_ITERATED
        each >> take(1)
    a, b = one
#   ^^^^ OUTPUT_ITERATED
    a >> b
    3 in one
#   ^^^^^^^^ OUTPUT_ITERATED
    list(one)
#   ^^^^^^^^^ OUTPUT_ITERATED
    take.expand_kwargs(one)
#   ^^^^^^^^^^^^^^^^^^^^^^^ OUTPUT_ITERATED
""",
    "an output as text and as a number": ONE
    + TAKE
    + """
with DAG("x"):
    out = one()
    take(f"{out}")
#        ^^^^^^^^ OUTPUT_IN_TEXT
    take("%s" % out)
#        ^^^^^^^^^^ OUTPUT_IN_TEXT
    take(str(out))
#        ^^^^^^^^ OUTPUT_IN_TEXT
    take(len(out))
#        ^^^^^^^^ OUTPUT_COMPUTED
    take(-out * 2)
#        ^^^^ OUTPUT_COMPUTED
#        ^^^^^^^^ OUTPUT_COMPUTED
    take(range(out))
#        ^^^^^^^^^^ OUTPUT_COMPUTED
""".replace("take(range(out))\n#        ^^^^^^^^^^ OUTPUT_COMPUTED", "print(out)"),
    "a method that does not exist, in a chain and as an argument": ONE
    + TAKE
    + """
with DAG("x") as dag:
    one.overide(retries=1) >> take(1)
#   ^^^^^^^^^^^ UNKNOWN_ATTRIBUTE
    take(one().upper(), dag.prams.x)
#        ^^^^^^^^^^^ UNKNOWN_ATTRIBUTE
#                       ^^^^^^^^^ UNKNOWN_ATTRIBUTE
    take.expand([1])
#   ^^^^^^^^^^^^^^^^ UNKNOWN_ARGUMENT
""",
    "an option of a source that does not exist": TAKE
    + """
with DAG("x"):
    Items([1], sise=2) >> take.override(each="item").partial(x=1)
#              ^^^^^^ UNKNOWN_OPTION
    Files("data/*", wieght=3) >> take.override(each="item", task_id="b").partial(x=1)
#                   ^^^^^^^^ UNKNOWN_OPTION
""",
    "a chain outside of the with block": ONE
    + TAKE
    + """
both = one >> take
#      ^^^^^^^^^^^ NO_OPEN_DAG
with DAG("x"):
    both >> one()
""",
    "shell syntax in the second of three texts": """
@task.shell(image="busybox:1")
def good(): return "echo"
@task.shell(image="busybox:1")
def bad():
    return '''
    for name in a b; do
      echo "$name"
    end
    done; fi
#   ^^^^^^^^ SHELL_SYNTAX
    '''
@task.shell(image="busybox:1")
def fine(): return "echo $(date)"
with DAG("x"):
    good >> bad >> fine
""",
    "two functions of one wrong text": """
@task.shell(image="i")
def say(): return "echo a; fi"
#                  ^^^^^^^^^^ SHELL_SYNTAX
@task.shell(image="i")
def tell(): return "echo a; fi"
#                   ^^^^^^^^^^ SHELL_SYNTAX
with DAG("x"):
    say() >> tell()
""",
    "a quote that is not closed in a text that is computed": """
PROGRAM = 'echo "a'
@task.shell(image="busybox:1")
def bad():
    return PROGRAM + " b"
#          ^^^^^^^^^^^^^^ SHELL_SYNTAX
with DAG("x"):
    bad()
""",
    "a missing module whose name is also a key of a dict": """
NAMES = {"numpy": 1}
@task
def one():
    import numpy
#   ^^^^^^^^^^^^ MISSING_MODULE
    return NAMES
with DAG("x"):
    one()
""",
    "tasks side by side that nothing chains": ONE
    + """
@task
def two(): return 2
with DAG("x"):
    one() >> two()
    [one]
#    ^^^ IDLE_TASK
    one, two
#   ^^^ IDLE_TASK
#        ^^^ IDLE_TASK
    [two(), (one, [one.partial()])]
#            ^^^ IDLE_TASK
#                  ^^^^^^^^^^^^^ IDLE_TASK
""",
    "a Python task that writes no file": """
@task(output="a.txt")
def idle(output_file): return 1
#        ^^^^^^^^^^^ UNWRITTEN_OUTPUT
@task(output="b.txt")
def nested(output_file): return [one() for one in (lambda: output_file.touch(),)]
@task(output="c.txt")
def sketch(output_file):
    '''It writes a file some day.'''
@task(output="d.txt")
def by_name(output_file): locals()["output_file"].touch()
with DAG("x"):
    idle(); nested(); sketch(); by_name()
""",
    "secrets": ONE
    + """
key = "AKIAIOSFODNN7EXAMPLE"
#     ^^^^^^^^^^^^^^^^^^^^^^ PLAINTEXT_SECRET
with DAG("x", default_args={"env": {"API_TOKEN": "a1b2c3d4e5"}}):
#                                                ^^^^^^^^^^^^ PLAINTEXT_SECRET
    one()
""",
    "every bad option at once": """
@task(retries=-1, execution_timeout="soon", memory="1 GB", env={"1": "2"}, each="itm")
#     ^^^^^^^^^^ INVALID_RETRIES
#                 ^^^^^^^^^^^^^^^^^^^^^^^^ INVALID_DURATION
#                                           ^^^^^^^^^^^^^ INVALID_RESOURCE
#                                                          ^^^^^^^^^^^^^^ INVALID_ENVIRONMENT
#                                                                          ^^^^^^^^^^ INVALID_OPTION
def one(): return 1
with DAG("x", default_args={"image": "A B"}):
#                           ^^^^^^^ INVALID_IMAGE
    one()
""",
    "a sound node beside a lost one": TAKE
    + """
with DAG("x") as dag:
    lost = take(dag.params.limit)
#               ^^^^^^^^^^^^^^^^ UNKNOWN_RUN_PARAMETER
    take(lost, z=3)
#              ^^^ UNKNOWN_ARGUMENT
    take()
#   ^^^^^^ MISSING_ARGUMENT
""",
    "an exception after recorded mistakes": ONE
    + """
with DAG("x"):
    one() + 1
#   ^^^^^^^^^ OUTPUT_COMPUTED
    nope()
#   ^^^^ IMPORT_FAILED
""",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_pointed_at_exactly(name, tmp_path):
    text, marks = marked(HEAD + WRONG[name])
    assert findings(tmp_path, text) == sorted(marks, key=lambda one: one[1:])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('Files("Data/*.tif") >> read', "did you mean 'data/*.tif'?"),
        ('Files("data/*.TIF") >> read', "did you mean 'data/*.tif'?"),
        (r'Files("data\\*.tif") >> read', "write / between the parts of a path: 'data/*.tif'"),
        ('Files("dta/a.tif") >> read', "did you mean 'data/a.tif'?"),
        ('Files("") >> read', 'write "*" for the files beside the DAG file'),
        ('Files("zzz/a.tif") >> read', "check the pattern and the folder"),
    ],
)
def test_a_pattern_that_matches_nothing_is_told_with_the_one_that_does(text, hint, tmp_path):
    read = "@task\ndef read(input_file): return 1\n"
    findings(tmp_path, f'{HEAD}{read}with DAG("x"):\n    {text}\n')
    [analysis] = analyze_all(execute(str(tmp_path / "flow.py")))
    code = "FOLDER_PATTERN" if 'Files("")' in text else "NO_MATCH"
    assert [(d.code.name, d.hint) for d in analysis.diagnostics] == [(code, hint)]


@pytest.mark.parametrize(
    "text",
    [
        *("* * * * *", "*/5 0-6,22 1 jan,DEC mon-fri", "@daily", "@every 1h30m", "? ? ? ? ?"),
        *("TZ=UTC 0 4 * * *", "CRON_TZ=Europe/Berlin @hourly", "0 0 1-31/2 12 6"),
    ],
)
def test_a_schedule_that_argo_reads_has_no_problem(text):
    assert schedule_fault(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7"),
        *(
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "@dayly",
            "@every soon",
            "1-2-3 * * * *",
        ),
    ],
)
def test_a_schedule_that_argo_cannot_read_has_one(text):
    assert schedule_fault(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            'password = "x1"',
            'f(api_key="abcdefg1")',
            '{"AUTH_TOKEN": "abcdefg1"}',
            "def f(passwd='a1'): pass",
        ),
        *('x = "-----BEGIN RSA PRIVATE KEY-----"', 'x = "curl https://ann:pw@example.org"'),
        'x = """curl -H "Authorization: ghp_' + "a1" * 18 + '" """',
    ],
)
def test_a_secret_is_seen(text):
    assert len(list(plaintext_secrets(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        *(
            'password = ""',
            'password = "$PASSWORD"',
            'token = "<eos>"',
            'secret = "slack"',
            'token = "short1"',
        ),
        *(
            '{"DB_SECRET": "db-creds-v2"}',
            'IMAGE_PULL_SECRET = "regcred-2024"',
            'show_password = "no"',
            '{"password": "password"}',
            'DB_PASSWORD = "db-password"',
            'next_token = "page2token"',
            'api_key = "my-api-key-1"',
            'x = "use scheme://user:password@host/"',
        ),
        *(
            'password = get("x")',
            'tokens = "abcdefg1"',
            'password_file = "/run/x1"',
            'x = "https://a.org:80/b@c"',
        ),
        *('f(token=os.environ["TOKEN1234"])', 'password = "{{ secret }}"', 'sort_key = "column12"'),
    ],
)
def test_what_only_looks_like_a_secret_is_not(text):
    assert list(plaintext_secrets(ast.parse(text))) == []


@pytest.mark.parametrize(
    "call", ["write_text('x')", "write_bytes(b'x')", "unlink()", "mkdir()", "rmdir()", "touch()"]
)
def test_a_path_that_is_changed_while_the_file_is_loaded_is_seen(call):
    path, folder = f"Path('x').{call}", f"(folder / 'x').{call}"
    tree = ast.parse(f"from pathlib import Path\nfolder = Path('a')\n{path}\n{folder}\ndef f(): {path}\n")
    problems = work_at_import(AuthoredFile("flow.py", tree, {}, True))
    assert sorted(problem.location.line for problem in problems) == [3, 4]


def test_a_module_that_travels_with_its_task_is_not_missing(tmp_path):
    (tmp_path / "own_module.py").write_text("def f(): return 1\n")
    task = "@task\ndef one():\n    import own_module\n    return own_module.f()\n"
    assert findings(tmp_path, HEAD + task + 'with DAG("x"):\n    one()\n') == []


def test_a_path_in_a_comment_or_a_here_document_of_a_shell_task_is_text(tmp_path):
    task = '@task.shell(image="busybox:1")\ndef one(): return """\n{}\n"""\n'
    dag = 'with DAG("x"):\n    one()\n'
    text = "# from data/a.tif by hand\ncat <<EOT\ninput: data/a.tif\nEOT"
    assert findings(tmp_path, HEAD + task.format(text) + dag) == []
    found = findings(tmp_path, HEAD + task.format(f"{text}\ncat data/a.tif") + dag)
    assert [code for code, *_ in found] == ["LOCAL_PATH"]


def test_an_endless_loop_over_an_output_ends(tmp_path):
    text = HEAD + ONE + 'with DAG("x"):\n    out = one()\n    while out != 3:\n        out2 = one()\n'
    assert [code for code, *_ in findings(tmp_path, text)] == ["CONDITION_AS_BOOL"]


def test_a_name_that_no_attribute_has_is_an_error_of_python_outside_a_dag(tmp_path):
    text = HEAD + ONE + 'seen = hasattr(one, "cache_clear")\nwith DAG("x"):\n    one()\nassert not seen\n'
    assert findings(tmp_path, text) == []


def test_every_code_that_a_file_can_draw_has_a_page_with_place_caret_and_hint():
    without_line = {"NO_DAG", "NO_MANIFEST", "FILE_NOT_FOUND", "FILE_UNREADABLE", "LOAD_TIMEOUT"}
    for code in Code:
        report = page(code).partition("## Report")[2].partition("## Right")[0]
        if code.name not in without_line:
            assert re.search(
                r"^flow\.(?:py|yaml):\d+:\d+: (error|warning)\[DSL\d+\]", report, re.MULTILINE
            ), code
            assert re.search(r"^ +\| +\^+$", report, re.MULTILINE), code
            assert code.name in ("SYNTAX", "MANIFEST_SYNTAX") or "\n  hint: " in report, code
