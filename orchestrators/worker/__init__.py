"""The programs inside a pod, as text: `run.sh` for shell tasks, `run.py` for Python tasks.

They are real files with tests of their own. A manifest carries each without its comments; nothing here
runs them.
"""

import re
from functools import lru_cache
from importlib.resources import files

_DOCSTRING = re.compile(r'^ *r?"""(?:[^"]|"(?!""))*"""\n', re.MULTILINE)
_INDENT = re.compile(r"^ +", re.MULTILINE)


@lru_cache
def program(name: str) -> str:
    """Return the text of `run.sh` or `run.py` without comments, blank lines and, in Python, docstrings.

    One blank per level is its indentation: a manifest holds a copy per template. Raises FileNotFoundError
    for a file that is not there.
    """
    text, level = files(__name__).joinpath(name).read_text(encoding="utf-8"), 2
    if name.endswith(".py"):
        text, level = _DOCSTRING.sub("", text), 4
    lines = text.splitlines(keepends=True)
    text = "".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return _INDENT.sub(lambda found: " " * (len(found[0]) // level), text)
