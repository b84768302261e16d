"""The folders in which leaves work: each start of a run has its own, as what a former one left may run on.

A process that outlives its run knows paths of that start alone, so that it can spoil nothing of another.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dsl.engine.copies import remove
from dsl.engine.relocate import SECRETS, beside

_NOT_PLAIN = re.compile(r"[^\w./+,:@-]")
_LINK = "leaves"
_SCRIPTS = "scripts"  # no leaf's folder has so short a name


def write_script(path: Path, source: str) -> None:
    """Write a file that can be run. Raises OSError."""
    path.write_text(source, encoding="utf-8")
    path.chmod(0o755)


class Work:
    """The folders of one start of a run, below `tasks`. May be used by many threads."""

    def __init__(self, tasks: Path) -> None:
        self._tasks = tasks
        self._own = tasks / secrets.token_hex(4)
        self._is_plain = not _NOT_PLAIN.search(str(tasks))
        self._links = f"argosy-{hashlib.sha256(os.fsencode(tasks)).hexdigest()[:16]}-"
        self._scripts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._former = [path for path in tasks.iterdir() if path.is_dir()] if tasks.is_dir() else []

    def clear(self) -> None:
        """Remove secrets and links of leaves that were at work when a former start was killed."""
        for start in self._former:
            for path in start.glob(f"{beside(Path('*'))}/{SECRETS}"):
                with suppress(OSError):  # it may be somebody else's
                    remove(path)

        if not self._is_plain:
            for folder in Path(tempfile.gettempdir()).glob(f"{self._links}*"):
                with suppress(OSError):
                    (folder / _LINK).unlink(missing_ok=True)
                    folder.rmdir()

    @contextmanager
    def plain(self, folder: Path) -> Iterator[Path]:
        """Give a path of a leaf's folder that no program has to quote. Raises OSError."""
        if self._is_plain:
            yield folder
            return
        with tempfile.TemporaryDirectory(prefix=self._links) as plain:
            link = Path(plain) / _LINK
            link.symlink_to(folder.parent)
            yield link / folder.name

    def folder(self, name: str) -> Path:
        """Make a folder for a leaf, and remove that of a former start and its log. Raises OSError."""
        if self._former:  # who has that log open writes on in it
            (self._tasks / f"{name}.log").unlink(missing_ok=True)
        for start in self._former:
            self.remove(start / name)
        folder = self._own / name
        folder.mkdir(parents=True)
        return folder

    def remove(self, folder: Path) -> None:
        """Remove the folder of a leaf, and what is beside it, as far as it is not somebody else's."""
        for path in (folder, beside(folder)):
            with suppress(OSError):
                remove(path)

    def script(self, source: str) -> str:
        """Return where a script is that many leaves run; it is written for the first. Raises OSError."""
        with self._lock:
            if source not in self._scripts:
                path = self._own / _SCRIPTS / str(len(self._scripts))
                path.parent.mkdir(parents=True, exist_ok=True)
                write_script(path, source)
                self._scripts[source] = str(path)
            return self._scripts[source]

    def close(self) -> None:
        """Remove the scripts, and what holds no folder of a leaf."""
        for start in (self._own, *self._former):
            with suppress(OSError):
                remove(start / _SCRIPTS)
                start.rmdir()
