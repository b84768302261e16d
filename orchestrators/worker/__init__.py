"""The programs inside a pod, as text: `run.sh` for shell tasks, `run.py` for Python tasks.

They are real files with tests of their own. A manifest carries each without its comments; nothing here
runs them.
"""

from functools import lru_cache
from importlib.resources import files


@lru_cache
def program(name: str) -> str:
    """Return the text of `run.sh` or `run.py` without blank lines and whole-line comments.

    Raises FileNotFoundError for a file that is not there.
    """
    lines = files(__name__).joinpath(name).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
