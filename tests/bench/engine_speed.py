"""How fast `dsl run` starts tasks that do nothing, beside `xargs`, make, forks, and other engines if asked.

    python tests/bench/engine_speed.py [--runs N] [--nodes] [--resume] [--peers]

All run 1,000 of them, two at once, in turn; the seconds of a command include its own start, and the best of
N (default 3) counts. The forks are of an interpreter that has imported what a Python task imports, and end at
once: no task with a process of its own is cheaper. `--nodes` adds the memory and the time of nodes without
processes, `--resume` the time to take up a finished run of 10,000 partitions, which is run first and takes
minutes; `--peers` adds Snakemake and Dask, which are installed into a folder that is thrown away. Exit status
1 if a bound is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LEAVES, JOBS, FINISHED = 1000, 2, 10_000
XARGS = f"seq {LEAVES} | xargs -P{JOBS} -n1 sh -c true"
BY_SH, BY_SHELL_TASKS = "dsl run, sh of a foreign manifest", "dsl run, @task.shell"
BY_TASKS = "dsl run, @task"
SHELL = """
from dsl import DAG, Range, task

@task.shell(image="busybox:1")
def nothing(item):
    return ":"
with DAG("shell"):
    Range({leaves}) >> nothing
"""
PYTHON = """
from dsl import DAG, Range, task

@task
def nothing(item):
    return None
with DAG("python"):
    Range({leaves}) >> nothing
"""
SNAKEFILE = """
rule all:
    input: expand("done/{{n}}", n=range({leaves}))
rule nothing:
    output: "done/{{n}}"
    shell: "touch {{output}}"
"""
DASK = """
from dask.distributed import Client, LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers={jobs}, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            client.gather(client.map(lambda n: None, range({leaves})))
"""
FORKS = """
import copy, inspect, json, linecache, os, re, shutil, sys, traceback, types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

for n in range({leaves}):
    if n >= {jobs}:
        os.wait()
    if not os.fork():
        os.setsid()
        os._exit(0)
"""
NODES = """
import resource, sys, time
from pathlib import Path
from dsl.engine import RunOptions, run

count = sys.argv[1]
task = {"name": "x", "template": "x", "withSequence": {"count": count}}
templates = [{"name": "main", "dag": {"tasks": [task]}}, {"name": "x", "suspend": {"duration": "0"}}]
spec = {"entrypoint": "main", "templates": templates}
began = time.perf_counter()
run({"kind": "Workflow", "metadata": {"name": "wf"}, "spec": spec}, RunOptions(Path(sys.argv[2])))
size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(time.perf_counter() - began, size)
"""
DSL = [sys.executable, "-m", "dsl"]
ROOT = Path(__file__).parents[2]


def seconds(command, folder):
    """Return the time that a command takes; its folder has nothing of a run before."""
    subprocess.run(["rm", "-rf", "out", "done", ".snakemake"], cwd=folder, check=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=environment, shell=isinstance(command, str), check=True, capture_output=True
    )
    return time.perf_counter() - start


def foreign(name, template, **task):
    """Return a manifest of a loop over a template."""
    main = {"name": "main", "dag": {"tasks": [{"name": "x", "template": "x", **task}]}}
    spec = {"entrypoint": "main", "templates": [main, {"name": "x", "container": {"image": "a", **template}}]}
    metadata = {"generateName": f"{name}-"}
    return json.dumps(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec}
    )


def prepare(folder):
    """Write what is run; return the commands by their names."""
    looped = foreign("sh", {"command": ["sh", "-c", "true"]}, withSequence={"count": str(LEAVES)})
    (folder / "foreign.yaml").write_text(looped)
    for name, text in (("shell", SHELL), ("python", PYTHON)):
        (folder / f"{name}.py").write_text(text.format(leaves=LEAVES))
        compiling = [*DSL, "compile", f"{name}.py", "-o", f"{name}.yaml"]
        seconds(compiling, folder)
    (folder / "forks.py").write_text(FORKS.format(leaves=LEAVES, jobs=JOBS))
    targets = "\n".join(f"{n}:\n\t@sh -c true" for n in range(LEAVES))
    names = " ".join(map(str, range(LEAVES)))
    (folder / "Makefile").write_text(f".PHONY: all {names}\nall: {names}\n{targets}\n")
    running = [*DSL, "run", "--quiet", "--out", "out", "--jobs", str(JOBS)]
    return {
        "xargs": XARGS,
        "make": ["make", f"-j{JOBS}", "all"],
        "forks of Python": [sys.executable, "forks.py"],
        BY_SH: [*running, "foreign.yaml"],
        BY_SHELL_TASKS: [*running, "shell.yaml"],
        BY_TASKS: [*running, "python.yaml"],
    }


def peers(folder):
    """Install the other engines; return their commands by their names."""
    python = folder / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "snakemake", "dask[distributed]"], check=True)
    (folder / "Snakefile").write_text(SNAKEFILE.format(leaves=LEAVES))
    (folder / "by_dask.py").write_text(DASK.format(leaves=LEAVES, jobs=JOBS))
    return {
        "Snakemake": [str(python), "-m", "snakemake", "-q", "--cores", str(JOBS)],
        "Dask": [str(python), "by_dask.py"],
    }


def first_task(folder):
    """Return the seconds until the first task of a manifest has started."""
    mark = folder / "mark"
    mark.unlink(missing_ok=True)
    (folder / "first.yaml").write_text(foreign("first", {"command": ["touch", str(mark)]}))
    start = time.time()
    seconds([*DSL, "run", "--quiet", "--out", "out", "first.yaml"], folder)
    return mark.stat().st_mtime - start


def nodes(folder):
    """Print time and memory per node; return the bytes of each beyond those of the smallest run."""
    sizes = {}
    for count in (1_000, 10_000, 100_000):
        command = [sys.executable, "-c", NODES, str(count), str(folder / f"out-{count}")]
        told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
        sizes[count] = float(told[1])
        print(f"{count:7,} nodes {float(told[0]):8.2f} s {1e6 * float(told[0]) / count:8.0f} µs each")
    return (sizes[100_000] - sizes[1_000]) / 99_000


def resume(folder, runs):
    """Return the seconds in which a finished run is taken up: nothing runs again."""
    (folder / "finished.py").write_text(SHELL.format(leaves=FINISHED))
    seconds([*DSL, "compile", "finished.py", "-o", "finished.yaml"], folder)
    options = ["--quiet", "--out", "finished", "--jobs", str(JOBS), "finished.yaml"]
    seconds([*DSL, "run", *options], folder)
    return min(seconds([*DSL, "run", "--resume", *options], folder) for _ in range(runs))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--nodes", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--peers", action="store_true")
    asked = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = prepare(folder) | (peers(folder) if asked.peers else {})
        runs = [
            {name: seconds(command, folder) for name, command in commands.items()} for _ in range(asked.runs)
        ]
        best = {name: min(run[name] for run in runs) for name in commands}
        peer = LEAVES / best["xargs"]
        bounds = {BY_SH: 0.5 * peer, BY_SHELL_TASKS: 0.33 * peer, BY_TASKS: 1000}
        print(
            f"{f'{LEAVES:,} tasks, {JOBS} at once':36} {'s':>7} {'tasks/s':>8} {'of xargs':>9} {'bound/s':>8}"
        )
        for name, taken in best.items():
            rate, bound = LEAVES / taken, bounds.get(name)
            missed += bool(bound and rate < bound)
            shown = f"{bound:8.0f}" if bound else ""
            print(f"{name:36} {taken:7.2f} {rate:8.0f} {best['xargs'] / taken:9.2f} {shown}")
        start = min(first_task(folder) for _ in range(asked.runs + 2))
        missed += start > 0.3
        print(f"first task of a manifest after {start:.2f} s, bound 0.30 s")
        if asked.nodes:
            size = nodes(folder)
            missed += size > 1536
            print(f"{size:.0f} bytes per node, bound 1536")
        if asked.resume:
            taken = resume(folder, asked.runs)
            missed += taken > 2
            print(f"finished run of {FINISHED:,} partitions taken up in {taken:.2f} s, bound 2.00 s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
