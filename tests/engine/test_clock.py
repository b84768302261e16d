"""A clock that jumps: of a run in a process to which the system tells a time that goes back."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from engine.manifests import dag, task, workflow

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

/* Each look at the time of day finds it an hour before the last. */
int clock_gettime(clockid_t clock, struct timespec *found)
{
    static int (*told)(clockid_t, struct timespec *);
    static int jumps;
    if (!told)
        told = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = told(clock, found);
    if (clock == CLOCK_REALTIME)
        found->tv_sec -= 3600L * __atomic_fetch_add(&jumps, 1, __ATOMIC_RELAXED);
    return code;
}
"""
PROGRAM = """
import json, sys, time
from pathlib import Path
from dsl.engine import Resume, RunOptions, Silent, run

class Seconds(Silent):
    least = 0
    def ended(self, event):
        self.least = min(self.least, event.seconds)

manifest, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
back = time.time() - time.time()
heard = Seconds()
ended = run(manifest, RunOptions(out), heard).phase
again = run(manifest, RunOptions(out, resume=Resume()))
print(json.dumps([back > 3000, ended, heard.least, again.phase, again.taken]))
"""


@pytest.fixture
def clock(tmp_path):
    """A library that puts the clock of a process back."""
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("needs Linux and a C compiler")
    (tmp_path / "clock.c").write_text(CLOCK)
    library = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"], check=True)
    return library


def test_a_clock_that_is_set_back_disturbs_nothing(tmp_path, clock):
    retried = {
        "name": "x",
        "script": {
            "image": "busybox:1", "command": ["sh"],
            "source": f"[ -e {tmp_path}/x ] || {{ touch {tmp_path}/x; exit 1; }}",
        },
        "retryStrategy": {"limit": "2", "backoff": {"duration": "100ms", "maxDuration": "1h"}},
    }  # fmt: skip
    pause = {"name": "pause", "suspend": {"duration": "1"}}
    main = dag("main", task("x"), task("p", "pause"), task("y", "x", "x && p"))
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(workflow(main, retried, pause, activeDeadlineSeconds=60)))
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, path, tmp_path / "out"],
        env={**os.environ, "LD_PRELOAD": str(clock)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [True, "Succeeded", 0, "Succeeded", 3]
