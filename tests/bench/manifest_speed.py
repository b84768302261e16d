"""How long it takes to validate one Argo manifest of 5,000 tasks, with the start of the interpreter.

    python tests/bench/manifest_speed.py

25 DAG templates of 200 tasks, each with `depends` and arguments. The bound is 2 seconds on an idle machine.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATES, TASKS = 25, 200
BOUND = 2.0
"""Seconds."""
PROGRAM = """
import sys
from pathlib import Path
from dsl.argo import validate_manifests

found = validate_manifests({sys.argv[1]: Path(sys.argv[1]).read_bytes()})
assert found == {sys.argv[1]: ()}, found
slow = {"hera", "networkx", "pydantic"} & set(sys.modules)
assert not slow, slow
"""


def manifest():
    """Return the text of a workflow whose DAGs are chains with arguments."""
    lines = ["apiVersion: argoproj.io/v1alpha1", "kind: Workflow", "metadata:", "  name: large", "spec:"]
    lines += ["  entrypoint: main-0", "  templates:", "  - name: leaf", "    inputs:", "      parameters:"]
    lines += [
        "      - name: a",
        "      - name: b",
        "    container:",
        "      image: alpine",
        "      command: [echo]",
    ]
    for template in range(TEMPLATES):
        lines += [f"  - name: main-{template}", "    dag:", "      tasks:"]
        for task in range(TASKS):
            before = [f"task-{number}" for number in (task - 1, task - 2) if number >= 0]
            value = f"{{{{tasks.{before[0]}.status}}}}" if before else "first"
            lines += [f"      - name: task-{task}", "        template: leaf", "        arguments:"]
            lines += ["          parameters:", "          - name: a", f"            value: x{task}"]
            lines += ["          - name: b", f'            value: "{value}"']
            lines += [f"        depends: {' && '.join(before)}"] if before else []
    return "\n".join(lines) + "\n"


def validate_speed():
    """Return the seconds that a new process takes for it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(manifest())
        file.flush()
        start = time.perf_counter()
        root = Path(__file__).parents[2]
        subprocess.run([sys.executable, "-c", PROGRAM, file.name], cwd=root, check=True)
        return time.perf_counter() - start


if __name__ == "__main__":
    print(f"{TEMPLATES * TASKS} tasks: {min(validate_speed() for _ in range(3)):.2f} s, bound {BOUND} s")
