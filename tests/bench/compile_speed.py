"""Compile time and manifest size, in units of `python -c "import hera.workflows"` measured in the same run.

    python tests/bench/compile_speed.py [RUNS]

Every command runs RUNS times (default 11), in turn with its peer; the ratio is that of the medians. Exit
status 1 if a bound is missed.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHAIN = """\
from dsl import DAG, Items, Range, task

@task.shell(image="busybox:1")
def a():
    return 'echo "$ITEM" >"$OUTPUT_FILE"'
@task.shell(image="busybox:1")
def b():
    return 'cat "$INPUT_FILE" >"$OUTPUT_FILE"'
@task.shell(image="busybox:1")
def c():
    return 'cat "$INPUT_FILE" >"$OUTPUT_FILE"'
@task.shell(image="busybox:1")
def d():
    return 'cat "$INPUT_FILE" >"$OUTPUT_FILE"'
with DAG("bench"):
    {source} >> a >> b >> c >> d
"""
BARRIER = """\
from dsl import DAG, Range, task

@task.shell(image="busybox:1")
def a():
    return 'echo "$ITEM"'
@task.shell(image="busybox:1")
def b():
    return 'echo "$ITEM"'
with DAG("barrier"):
    Range(300) >> a >> Range(300) >> b
"""
PYTHON = sys.executable
PEER = [PYTHON, "-c", "import hera.workflows"]
DSL = [PYTHON, "-m", "dsl"]
WRITE = ["--format", "json", "-o"]


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def medians(command: list[str], runs: int) -> tuple[float, float]:
    """Return the median seconds of the command and of the peer, run in turn after one of each."""
    pairs = [(seconds(command), seconds(PEER)) for _ in range(runs + 1)][1:]
    own, peer = zip(*pairs, strict=True)
    return statistics.median(own), statistics.median(peer)


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        files = {"items": "Items([f'scene-{n:05}' for n in range(10_000)])", "100": "Range(100)"}
        for name, source in files.items():
            Path(folder, f"{name}.py").write_text(CHAIN.format(source=source))
        Path(folder, "barrier.py").write_text(BARRIER)
        print(f"{'command':44} {'median s':>9} {'import s':>9} {'ratio':>6} {'bound':>6}")
        for label, arguments, bound in (
            ("compile 4 stages x 10,000 partitions", ["compile", "items.py", *WRITE, "items.json"], 1.3),
            ("validate 4 stages x 100 partitions", ["validate", "100.py"], 1.4),
        ):
            command = [*DSL, *(f"{folder}/{a}" if "." in a else a for a in arguments)]
            own, peer = medians(command, runs)
            missed += own / peer > bound
            print(f"{label:44} {own:9.3f} {peer:9.3f} {own / peer:6.2f} {bound:6.2f}")
        own, _ = medians([*DSL, "--help"], runs)
        missed += own > 0.25
        print(f"{'--help':44} {own:9.3f} {'':9} {'':6} {0.25:6.2f} s")
        manifest = json.loads(Path(folder, "items.json").read_text())
        size = len(json.dumps(manifest, separators=(",", ":")))
        names = 10_000 * len("scene-00000")
        missed += size - names > 64 * 1024
        print(f"manifest of 4 x 10,000: {size} bytes, {size - names} besides item names (bound {64 * 1024})")
        subprocess.run([*DSL, "compile", f"{folder}/barrier.py", *WRITE, f"{folder}/b.json"], check=True)
        barrier = json.loads(Path(folder, "b.json").read_text())
        text = json.dumps(barrier, separators=(",", ":"))
        main_dag = next(t for t in barrier["spec"]["templates"] if t["name"] == "main")["dag"]["tasks"]
        edges = sum(task.get("depends", "").count(".Succeeded") for task in main_dag)
        missed += len(text) > 40 * 1024 or edges != 1
        print(f"barrier 300 -> 300: {len(text)} bytes (bound {40 * 1024}), {edges} edge")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
