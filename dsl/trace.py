"""A traceback or a dump of `faulthandler` in, the places in the author's files out.

The author's are the file itself and what it imports, but not this package, not Python, no installed package.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path
from types import TracebackType

from dsl.location import Location, line_of

_HOME = Path(__file__).absolute().parents[1]
_OURS = tuple(f"{_HOME / package}{os.sep}" for package in ("dsl", "orchestrators"))


def is_authored(path: str, filename: str) -> bool:
    """Whether a file is the author's, whose DAG file is `path`."""
    import sysconfig

    if filename == path:
        return True
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders = tuple(f"{folder}{os.sep}" for folder in installed)
    return not filename.startswith(("<", *_OURS, *folders)) and "site-packages" not in filename


def of_traceback(path: str, trace: TracebackType | None) -> list[Location]:
    """Return the places of a traceback that are the author's, outermost first."""
    places = []
    while trace:
        filename = trace.tb_frame.f_code.co_filename
        if is_authored(path, filename):
            places.append(_place(filename, trace))
        trace = trace.tb_next
    return places


def _place(filename: str, trace: TracebackType) -> Location:
    positions = list(trace.tb_frame.f_code.co_positions())[trace.tb_lasti // 2]
    line, end_line, start, end = positions
    line = line or trace.tb_lineno
    node = ast.Pass(lineno=line, end_lineno=end_line, col_offset=start or 0, end_col_offset=end)
    return Location.of_node(filename, node)


def of_dump(path: str, dump: str) -> Location:
    """Return the author's innermost place in a dump of `faulthandler`: innermost first.

    The thread that crashed is the current one; after a time limit no thread is, and the main one comes last.
    """
    import re

    crashed = re.split(r"^Current thread .*$", dump, flags=re.MULTILINE)[-1]
    threads = re.split(r"^Thread .*$", crashed, flags=re.MULTILINE)
    thread = threads[0] if crashed != dump else threads[-1]
    for name, line in re.findall(r'^  File "(.*)", line (\d+) in ', thread, re.MULTILINE):
        if name == path.encode("ascii", "backslashreplace").decode():
            return _whole_line(path, int(line))
        if is_authored(path, name):
            return _whole_line(name, int(line))
    return Location(path)


def _whole_line(path: str, line: int) -> Location:
    text = line_of(path, line)
    indent = len(text) - len(text.lstrip())
    return Location(path, line, indent + 1, len(text.rstrip()) + 1)
