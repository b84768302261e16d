"""The speed of `dsl validate`: files per second of a folder, and one file in units of the import of Hera.

    python tests/bench/validate_speed.py [RUNS]

The folder holds 200 files of four tasks; its start is what two of them take. One file runs RUNS times
(default 11) in turn with its peer `python -c "import hera.workflows"`; the ratio is that of the medians. Exit
status 1 if a bound is missed.
"""

import sys
import tempfile
from pathlib import Path

from compile_speed import CHAIN, DSL, medians, seconds

FILE = """\
from dsl import DAG, Range, task

@task.shell(image="busybox:1")
def make():
    return 'echo "$ITEM" >"$OUTPUT_FILE"'
@task.shell(image="busybox:1")
def copy():
    return 'cat "$INPUT_FILE" >"$OUTPUT_FILE"'
@task
def count(input_dir) -> int:
    return len(list(input_dir.iterdir()))
@task
def double(number: int) -> int:
    return 2 * number
with DAG("bench-{number}"):
    double(Range(4) >> make >> copy >> count)
"""
FILES = 200
PER_SECOND = 40
RATIO = 1.4


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            Path(folder, f"flow{number:03}.py").write_text(FILE.replace("{number}", str(number)))
        paths = [str(path) for path in sorted(Path(folder).iterdir())]
        start = min(seconds([*DSL, "validate", *paths[:2]]) for _ in range(3))
        whole = min(seconds([*DSL, "validate", *paths]) for _ in range(3))
        speed = (FILES - 2) / (whole - start)
        print(f"{FILES} files: {whole:.2f} s, start {start:.2f} s: {speed:.0f} files/s (bound {PER_SECOND})")
        one = Path(folder, "one.py")
        one.write_text(CHAIN.format(source="Range(100)"))
        own, peer = medians([*DSL, "validate", str(one)], runs)
        print(f"one file of 4 x 100: {own:.3f} s, import {peer:.3f} s: {own / peer:.2f} (bound {RATIO})")
    return int(speed < PER_SECOND or own / peer > RATIO)


if __name__ == "__main__":
    sys.exit(main())
