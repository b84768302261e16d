"""An exception that no command expects in, what is said of it and an exit code out."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def exit_code_of(problem: Exception) -> int:
    """Say what went wrong; return 1 if standard output takes no more, 101 for a mistake of ours."""
    if isinstance(problem, OSError) and problem.errno in _FULL and problem.filename is None:
        with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # and let go of what could not be written
        sys.stderr.write(f"dsl: cannot write: {problem.strerror}\n")
        return 1
    last = (str(problem).strip() or "no message").splitlines()[-1]
    sys.stderr.write(
        f"dsl: {type(problem).__name__}: {last}\nThis is a mistake of Argosy's, not of your file.\n"
        f"Please send {_written(problem)} with the file that you gave it.\n"
    )
    return 101


def _written(problem: Exception) -> str:
    """Write what went wrong to a file that can be sent, and return its path."""
    import platform
    import tempfile
    import traceback

    lines = [f"dsl {' '.join(sys.argv[1:])}", f"Python {sys.version}", platform.platform(), ""]
    lines += traceback.format_exception(problem)
    with tempfile.NamedTemporaryFile(
        "w", prefix="argosy-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write("\n".join(lines))
    return file.name
