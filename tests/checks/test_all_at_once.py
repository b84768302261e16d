"""One run tells every mistake of a file, whatever stage it belongs to, and nothing that only follows."""

import re

import pytest

from dsl.stages import validated

MISTAKES = '''\
import subprocess

from dsl import DAG, Files, InFile, Items, Repartition, task

subprocess.run(["true"])  # DSL109


@task.shell(image="busybox:1", retires=2)  # DSL205
def clean():
    return 'cp "$INPUT_FILE" "$OUTPUT_FILE"'


@task.shel(image="busybox:1")  # DSL236
def tile():
    return 'cp "$INPUT_FILE" "$OUTPUT_FILE"'


@task  # DSL235
async def fetch():
    return 1


@task.shell
def unnamed():
    return "echo hello"


@task.shell(image="busybox:1")
def warp(crs):
    return f"warp {crs}"  # DSL213


@task.shell(image="busybox:1")
def check():
    return """
    if [ -s "$INPUT_FILE" ]; then
        echo "$ITEMS"  # DSL225
    done  # DSL242
    """


@task(trigger_rule="all_don", execution_timeout="1 hour")  # DSL229 DSL226
def late():
    return 1


@task
def total(sizes, limit):
    return sum(sizes) < limit


@task
def mean(item):
    return numpy.mean(item)  # DSL246


@task
def measure(input_file):
    return input_file.stat().st_size


@task
def blend(red: InFile, nir: InFile):
    return [red.stat().st_size, nir.stat().st_size]


@task
def spare():  # DSL111
    return 1


@task.shell(image="busybox:1")  # DSL312
def gather():
    return 'cat "$INPUT_DIR"/* > "$OUTPUT_FILE"'


unnamed >> late  # DSL211

with DAG("flow", params={"limit": 3, "spare": 1}, schedule="0 25 * * *") as dag:  # DSL251 DSL233 DSL224
    Files("data/*.tif", sise=2) >> clean  # DSL205
    unnamed()  # DSL207
    warp("EPSG:3413")
    Files("data/*.tif") >> check
    late()
    Items([1, 2]) >> mean
    tile() >> fetch >> total([1], 2)
    total(sizs=[1], limit=dag.params.limt)  # DSL208 DSL223
    passed = total([1], 2)
    if passed:  # DSL215
        total([1], object())  # DSL216
    total.expnad(sizes=[1])  # DSL236
    total(f"{passed}", 2)  # DSL238
    total(len(passed), 2)  # DSL239
    for each in passed:  # DSL237
        total(each, 2)
    passed > total  # DSL112
    Files("Data/*.tif") >> measure.override(task_id="a")  # DSL301
    Files(red="data/{k}.tif", nir="nir/{k}.tif") >> blend  # DSL303
    measure.override(task_id="i")("data/a.tif")  # DSL323
    Files("data/*.tif") >> measure >> total.override(task_id="a")([1], 2)  # DSL203
    Files("data/*.tif", size=0) >> measure.override(task_id="b")  # DSL302
    Files("data/*.tif") >> gather.override(task_id="c", each="all")
    sizes = Files("data/*.tif") >> measure.override(task_id="d")
    sizes >> Repartition(by="yaer") >> measure.override(task_id="e")  # DSL313
    "data/a.tif" >> measure.override(task_id="f")  # DSL210
    late.override(task_id="g", trigger_rule="all_done", execution_timeout=60).when(passed) >> passed  # DSL201
    passed >> total.override(task_id="h")(passed, 1) >> passed
'''


def findings(folder, text):
    """Return (line, code) of everything that is found in a file."""
    for name in ("data/a.tif", "data/b.tif", "nir/a.tif"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    path = folder / "flow.py"
    path.write_text(text)
    return [(d.location.line, d.code.id) for every in validated({str(path): False}, 60) for d in every]


def marked(text):
    """Return (line, code) of what the comments of a file say is wrong in it."""
    lines = enumerate(text.splitlines(), 1)
    return [(number, code) for number, line in lines for code in re.findall(r"DSL\d+", line)]


def test_every_mistake_of_a_file_is_found_in_one_run(tmp_path):
    assert sorted(findings(tmp_path, MISTAKES)) == sorted(marked(MISTAKES))
    assert len({code for _, code in marked(MISTAKES)}) >= 25


def test_what_is_sound_beside_a_mistake_is_checked_to_the_end(tmp_path):
    text = """\
from dsl import DAG, Range, task


@task(retires=2)  # DSL205
def measure(item):
    return item


@task
def refine(item):
    return item


with DAG("flow"):  # DSL392
    Range(20000) >> refine
    Range(3) >> measure
"""
    assert findings(tmp_path, text) == marked(text)


@pytest.mark.parametrize("made", ["f()", "g(0) >> f"])
def test_a_node_and_a_chain_are_no_values_yet(tmp_path, made):
    text = f"""\
from dsl import DAG, Range, task


@task
def f():
    return 1


@task
def g(x):
    return x


with DAG("flow") as dag:
    m = {made}
    g(f"{{m}}")  # DSL238
    g(str(m))  # DSL238
    g("%s" % m)  # DSL238
    g(f"{{Range(3)}}")  # DSL238
    g(f"{{g}}")  # DSL238
    g("%s" % dag)  # DSL238
    g(str(g(0).file("a")))  # DSL238
    if m:  # DSL215
        g(1)
    g(not m)  # DSL215
    g(m or 3)  # DSL215
    g(m + 1)  # DSL239
    g(len(m))  # DSL239
    g(-m)  # DSL239
    for each in m:  # DSL237
        g(each)
    g(3 in m)  # DSL237
    g(2).when((m > 2) & ~m | m & g(3))
    g(3).when(m | m)
"""
    assert findings(tmp_path, text) == marked(text)


def test_outside_a_dag_a_task_and_a_source_have_a_text(tmp_path):
    text = """\
from dsl import DAG, Range, task


@task
def f(item):
    return item


print(f"{f} {Range(3)}", str(f))
with DAG("flow") as dag:
    Range(3) >> f
print(f"{dag}")
"""
    assert findings(tmp_path, text) == []


def test_a_parameter_that_another_dag_lacks_is_told_once(tmp_path):
    text = """\
from dsl import DAG, task


@task
def total(x):
    return x


with DAG("y", params={"n": 1}) as other:
    total(other.params.n)
with DAG("x"):
    total(other.params.limit)  # DSL223
    total(1).when(other.params.limit > 3)  # DSL223
    total(other.params.n)  # DSL223
"""
    assert findings(tmp_path, text) == marked(text)


def test_what_ended_the_file_hides_nothing_that_was_found_before(tmp_path):
    text = """\
from dsl import DAG, task


@task
def one():
    return 1


@task(retires=2)  # DSL205
def two():
    return 2


idle = DAG("idle", params=["x"])  # DSL110 DSL206
with DAG("flow") as dag:
    one() + 1  # DSL239
    one.expnad()  # DSL236
    1 / 0  # DSL104
"""
    assert sorted(findings(tmp_path, text)) == sorted(marked(text))


def test_an_option_is_taken_for_what_was_meant_and_the_rest_of_its_task_is_checked(tmp_path):
    text = """\
from dsl import DAG, task


@task.shell(imgae="busybox:1", memory="much")  # DSL205, DSL227
def say(word):
    return 'echo "$wrod" "$word"'  # DSL225


with DAG("flow"):
    say("hello")
"""
    assert findings(tmp_path, text) == marked(text)
