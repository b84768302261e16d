"""Many files in, what a function makes of the DAGs of each out; each in a child of its own, several at once.

A fresh interpreter for each would spend a second on imports. Instead one process, the server, imports what
the children need, executes nothing of an author's, and forks. What `child` promises of a file holds here too.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from dsl.child import GRACE, ChildFailed, Loaded, Loading, answer, imported, interpreter, named

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

IS_AVAILABLE = hasattr(os, "fork")


@contextmanager
def in_forks(paths: Sequence[str], then: str, first: str, timeout: float) -> Iterator[Iterator[Loaded]]:
    """Start loading files; give what `then` made of the DAGs of each, in order. `child.start` says more.

    `first`, named as `then` is, makes once what the children share; it may import nothing that is not ours.
    Leaving the block stops what is still at work. The iterator raises ChildFailed when a child failed by a
    mistake of ours.
    """
    from multiprocessing import Pipe

    ours, theirs = Pipe()
    number = theirs.fileno()
    server = interpreter("forks", "serve", [str(number), then, first], [number])
    theirs.close()
    try:
        with suppress(BrokenPipeError):  # it ended, which the first answer that is missing tells
            ours.send((paths, timeout))
        yield _in_order(ours, len(paths))
    finally:
        ours.close()
        server.terminate()  # while it imports; later the end of the connection ends it, and the children
        server.wait()


def _in_order(server: Connection, count: int) -> Iterator[Loaded]:
    early: dict[int, Loaded | ChildFailed] = {}
    for index in range(count):
        while index not in early:
            try:
                found, result = server.recv()
            except (EOFError, OSError) as problem:
                ended = f"the process that starts the children ended: {problem!r}"
                raise ChildFailed(ended) from None
            early[found] = result
        result = early.pop(index)
        if isinstance(result, ChildFailed):
            raise result
        yield result


# --- in the server ---


class _Forked:
    """A child of a fork, as `child.Process` wants it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, None while it is at work."""
        return self._ended(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the server gives it the time that it may take before."""
        status = self._ended(0)
        assert status is not None
        return status

    def _ended(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def serve(number: str, then: str, first: str) -> None:
    """Read what to do from the connection with this file descriptor; answer, file by file, until it is done.

    The end of the connection is the end of the parent, however that ended, and so of the children.
    """
    imported(then)
    named(first)()
    fresh = frozenset(sys.modules)
    import gc
    from multiprocessing.connection import Connection

    parent = Connection(int(number))
    paths, timeout = parent.recv()
    gc.freeze()  # what the children share stays shared
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _Server(parent, then, timeout, fresh).serve(paths)


class _Server:
    def __init__(self, parent: Connection, then: str, timeout: float, fresh: frozenset[str]) -> None:
        self._parent = parent
        self._then = then
        self._timeout = timeout
        self._fresh = fresh  # the modules that a fresh interpreter would have imported
        self._at_work: dict[int, tuple[Loading, float]] = {}  # by the index of the file; until when
        self._woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self, paths: Sequence[str]) -> None:
        """Fork a child per file, as many at once as there are processors, and send what each answered."""
        rest = enumerate(paths)
        with suppress(BrokenPipeError):
            try:
                while True:
                    for index, path in islice(rest, _processors() - len(self._at_work)):
                        self._at_work[index] = self._fork(path), time.monotonic() + self._timeout + GRACE
                    if not self._at_work or self._parent_ends():
                        return
                    self._send_answers()
            finally:
                for loading, _ in self._at_work.values():
                    loading.stop()

    def _parent_ends(self) -> bool:
        """Wait until a child ends or is too late; return whether the parent, which says no more, ended."""
        import select

        soonest = min(until for _, until in self._at_work.values())
        parent, seconds = self._parent.fileno(), max(soonest - time.monotonic(), 0)
        ready, _, _ = select.select([parent, self._woken], [], [], seconds)
        if self._woken in ready:
            os.read(self._woken, 65536)
        return parent in ready

    def _send_answers(self) -> None:
        for index, (loading, until) in list(self._at_work.items()):
            if loading.is_over or time.monotonic() > until:
                result: Loaded | ChildFailed
                try:
                    result = loading.finish()
                except ChildFailed as failed:
                    result = failed
                del self._at_work[index]
                self._parent.send((index, result))

    def _fork(self, path: str) -> Loading:
        import tempfile

        reply, trace = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - Loading closes them
        pid = os.fork()
        if pid == 0:
            try:
                self._be_a_child(path, reply.fileno(), trace.fileno())
            finally:
                os._exit(70)
        with suppress(OSError):  # the child does the same: whoever is first
            os.setpgid(pid, pid)
        return Loading(path, self._timeout, _Forked(pid), reply, trace)

    def _be_a_child(self, path: str, reply: int, trace: int) -> None:
        """Leave nothing of the server's that a fresh interpreter would not have, then answer."""
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for before, after in pairwise([2, *sorted((reply, trace)), os.sysconf("SC_OPEN_MAX")]):
            os.closerange(before + 1, after)
        for name in sys.modules.keys() - self._fresh:  # a neighbour of this name is what the file imports
            del sys.modules[name]
        answer(path, self._then, str(self._timeout), str(reply), str(trace))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
