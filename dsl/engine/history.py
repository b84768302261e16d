"""A leaf in; how it ended in a former run in the same folder, if that stands, out; how it ends now put down.

A leaf is taken over when its fingerprint is the one on record and all files that it left are what they were,
or were set aside and can be put back: who reads them next shall find what it found, and nothing that was left
later. So what is not taken over yet is set aside before a leaf looks at a place where it is.
What a former run left and this one does not take over is removed before anybody could read it.
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from dsl.engine.ancestry import Position, before, positions
from dsl.engine.chosen import calls
from dsl.engine.contents import LASTING, Contents, digest_of_text, files_at, stamp_of
from dsl.engine.definition import Definition, Template
from dsl.engine.fingerprint import Fingerprints
from dsl.engine.journal import Choice, FileNote, Former, Journal, Record
from dsl.engine.leaf import Leaf, LeafResult, Places
from dsl.engine.mounts import Mounts
from dsl.engine.node import BAD, NOTHING, Node
from dsl.engine.whole import Whole

_ATTEMPT = re.compile(r"\((\d+)\)")
_STEP = re.compile(r"[/(]")
_NAME = re.compile(r"[^/(.]*")  # of a task, in what is left of the path of an item, an attempt or a hook
_EXIT = "main.onExit"


class InTheWay(OSError):
    """What a former run left cannot be removed, and would be read."""


class Resume(NamedTuple):
    """How to take a run up again: what stands is taken over, but nothing with `force`.

    The task `start` runs again with all after it; `only` runs alone, and what others left is taken over, good
    or bad, whatever has changed. A task is an execution function's id, or what a task in the manifest is
    named.
    """

    force: bool = False
    start: str = ""
    only: str = ""

    @property
    def choice(self) -> Choice | None:
        """Return the task that is to run again, if one is."""
        task = self.only or self.start
        return (task, bool(self.only)) if task else None


class History:
    """The records of former runs and of this one. Threads may call `fingerprint`, `at_work`, `files`."""

    def __init__(
        self,
        out: Path,
        places: Places,
        journal: Journal,
        former: Former,
        mounts: Mounts,
        resume: Resume | None,
        stored: Iterable[Path] = (),
    ) -> None:
        """Remove what nobody can take over; the folders `stored`, on volumes, hold files of leaves alone."""
        self._out = out
        self._places = places
        self._journal = journal
        self._resume = resume or Resume()
        self._records = {} if self._resume.force else former.records
        known = [self._absolute(note) for record in self._records.values() for note in record.files]
        self._contents = Contents([*former.read, *known], journal.add_file)
        self._fingerprints = Fingerprints(places, self._contents, mounts)
        self._live: set[str] = set()
        self._ends: dict[str, str] = {}
        self._open = dict.fromkeys(self._records)
        self._promised: set[str] = set()
        """Leaves that will be taken over: what they are in may end before."""
        self._hidden: dict[str, Record] = {}
        self._seen: set[Path] = set()
        self._chosen = {} if self._resume.only else {key: left for key, left in former.again.items() if left}
        if choice := self._resume.choice:
            self._chosen[choice] = set(self._records)
        self._again: dict[Choice, set[Position]] = {choice: set() for choice in self._chosen}
        self.taken = 0
        self.outdated: set[str] = set()
        self.reads = self._fingerprints.reads
        if self._resume.force:
            for record in former.records.values():
                self._remove(record)
        self._sweep([self._places.store.root, *stored])

    # --- taking over ---

    def former(self, leaf: Leaf) -> Record | None:
        """Return how a leaf ended in a former run if that stands; else make room for it to run again."""
        self._note_again(leaf.node)
        if self._open:
            self._hide(self._fingerprints.places(leaf))
        record = self._records.get(leaf.node.path)
        if record and self._stands(leaf, record):
            if self._resume.only and record.fingerprint != self.fingerprint(leaf):
                self.outdated.add(leaf.template.task)
            self._promised.add(record.leaf)
            return record
        if not self.leaves_out(leaf):
            self._drop([leaf.node.path])
        return None

    def leaves_out(self, leaf: Leaf) -> bool:
        """Whether a leaf shall not run: only another task shall, which may need a daemon."""
        return (
            bool(self._resume.only)
            and not leaf.template.is_daemon
            and not _is_of(leaf.node, self._resume.only)
        )

    @property
    def is_partial(self) -> bool:
        """Whether leaves are taken over that may be out of date: only a task shall run."""
        return bool(self._resume.only)

    def has_succeeded(self, path: str) -> bool:
        """Whether a leaf has succeeded in a former run, at or below the path of a node."""
        return any(self._records[below].phase == "Succeeded" for below in self._below.get(path, ()))

    def make_room(self, path: str) -> None:
        """Remove what a former run left at or below the path of a node whose outputs come from a cache."""
        if not self._resume.only:
            self._drop(self._below.get(path, ()))

    def has_waited(self, node: Node, fingerprint: str) -> bool:
        """Whether a suspend node that begins has ended in a former run."""
        self._note_again(node)
        record = self._records.get(node.path)
        return bool(record and record.fingerprint == fingerprint and not self._is_withdrawn(node))

    def _stands(self, leaf: Leaf, record: Record) -> bool:
        if self._is_withdrawn(leaf.node):
            return False
        if not (record.phase == "Succeeded" or self.leaves_out(leaf) or self.was_retried(record)):
            return False
        if not self.leaves_out(leaf) and record.fingerprint != self.fingerprint(leaf):
            return False
        store = self._places.store
        return all(
            store.is_aside(note) or self._contents.is_as_noted(self._absolute(note)) for note in record.files
        )

    def _is_withdrawn(self, node: Node) -> bool:
        """Whether how a leaf ended does not count: it shall run again, and has not since that was said."""
        if not self._resume.only and _is_at_exit(node.path):
            return True
        return any(node.path in self._chosen[choice] for choice in self._concerning(node))

    def _concerning(self, node: Node) -> list[Choice]:
        """Return the choices for which a node is of the task, or after something that runs again."""
        return [choice for choice in self._chosen if self._is_concerned(node, choice)]

    def _is_concerned(self, node: Node, choice: Choice) -> bool:
        task, is_alone = choice
        return _is_of(node, task) or not (is_alone or self._again[choice].isdisjoint(before(node)))

    def _note_again(self, node: Node) -> None:
        """Take note that what stands after a node that begins runs again, if the node is to."""
        for choice in self._concerning(node):
            self._again[choice].update(positions(node))

    def is_chosen(self, node: Node, definition: Definition) -> bool:
        """Whether a node, or something that it calls, shall run whatever there is of it in a cache."""
        if self._resume.force or self._concerning(node):
            return True
        return any(calls(definition, node.template, task) for task, _ in self._chosen)

    def was_retried(self, record: Record) -> bool:
        """Whether a leaf was, or was in, an attempt after which a later one had success."""
        attempts = _ATTEMPT.finditer(record.leaf)
        return any(
            self._last_attempts.get(record.leaf[: found.start()], -1) > int(found[1]) for found in attempts
        )

    @cached_property
    def _last_attempts(self) -> dict[str, int]:
        """The last attempt in which a leaf had success, by the path of what was retried."""
        last: defaultdict[str, int] = defaultdict(lambda: -1)
        for path in (path for path, record in self._records.items() if record.phase == "Succeeded"):
            for found in _ATTEMPT.finditer(path):
                last[path[: found.start()]] = max(last[path[: found.start()]], int(found[1]))
        return dict(last)

    def take(self, leaf: Leaf, record: Record) -> tuple[Path, ...]:
        """Take a leaf over; return where the files are that it left."""
        self._fingerprints.ended(leaf, record)
        return self._take(record)

    def _take(self, record: Record) -> tuple[Path, ...]:
        self.taken += 1
        for note in record.files:
            if self._places.store.is_aside(note):
                self._put_back(record, self._absolute(note))
        self._note_end(record)
        kept = tuple(self._out / place for place in record.kept)
        self._places.store.take(kept)
        return kept

    def stands_whole(self, node: Node, whole: Whole) -> bool:
        """Whether each of the leaves that ended in a node, in a former run, would be taken over."""
        if self._chosen or _is_at_exit(node.path):
            return False
        leaves = whole.leaves()
        records = [self._records[path] for path in leaves if path in self._records]
        if len(records) < len(leaves) or _digest_of_ends(map(_end, records)) != whole.ends:
            return False
        has_others = len(leaves) < len(self._open) and len(leaves) < len(self._below.get(node.path, ()))
        if node.template and has_others:
            self.node_begins(node, node.template)
        return all(map(self._are_in_place, records)) and all(
            self._contents.of(Path(path)) == digest for path, digest in whole.reads.items()
        )

    def _are_in_place(self, record: Record) -> bool:
        """Whether all files that a leaf left are where it left them, and no other has left any of them."""
        is_aside, is_as_noted = self._places.store.is_aside, self._contents.is_as_noted
        return not any(
            len(self._writers[note[0]]) > 1 or is_aside(note) or not is_as_noted(self._absolute(note))
            for note in record.files
        )

    @cached_property
    def _writers(self) -> dict[str, list[Record]]:
        """The leaves of former runs that have left a file, by its path: one may be put in another's place."""
        writers: defaultdict[str, list[Record]] = defaultdict(list)
        for record in self._records.values():
            for path, *_ in record.files:
                writers[path].append(record)
        return dict(writers)

    def take_whole(self, whole: Whole) -> Iterator[tuple[Record, tuple[Path, ...]]]:
        """Take over all leaves of a node; yield how they ended, and where the files are that they left."""
        self.reads[whole.path] = whole.reads
        for path in whole.leaves():
            self.reads[path] = NOTHING
            yield self._records[path], self._take(self._records[path])

    def ends(self, leaves: Iterable[str]) -> str:
        """Return a digest of how leaves have ended, `""` where that is not on record."""
        found = [self._ends.get(path, "") for path in leaves]
        return _digest_of_ends(found) if all(found) else ""

    def _put_back(self, record: Record, note: FileNote) -> None:
        there = self._owner(note[0]) or self._hidden.get(note[0]) or record
        raced = there.started < record.finished and record.started < there.finished
        if there is record or not raced:  # else that one has won
            with _able():
                self._places.store.put_back(note[1], Path(note[0]))
            self._contents.put_back(note)

    def _hide(self, places: Iterable[Path]) -> None:
        """Set aside what is at places, or below them, and not taken over yet."""
        for place in places:
            if place not in self._seen:
                self._seen.add(place)
                for path in list(files_at(os.fspath(place))):
                    self._hide_file(path)

    def _hide_file(self, path: str) -> None:
        writers = self._writers.get(self._relative(path), ())
        for record in [each for each in writers if each.leaf in self._open]:
            if self._owner(path) in (None, record) and self._set_aside(path):
                self._hidden[path] = record
                self._contents.forget([path])
                return

    def _set_aside(self, path: str) -> bool:
        """Set a file aside if it is not of this run; return whether it was."""
        if self._relative(path) in self._live:
            return False
        with _able():
            _opened(Path(path).parent, partial(self._places.store.set_aside, Path(path)))
        return True

    def _owner(self, path: str) -> Record | None:
        """Return the record of the leaf that left the file that is at a place now."""
        stamp = stamp_of(path)
        return self._owners.get((path, stamp[:LASTING])) if stamp else None

    @cached_property
    def _owners(self) -> dict[tuple[str, tuple[object, ...]], Record]:
        records = self._records.values()
        return {(self._absolute(note)[0], note[1:-1]): record for record in records for note in record.files}

    # --- noting down ---

    def fingerprint(self, leaf: Leaf) -> str:
        """Return the fingerprint of a leaf that is about to run."""
        leaf.fingerprint = leaf.fingerprint or self._fingerprints.of(leaf)
        return leaf.fingerprint

    def at_work(self, leaf: Leaf) -> AbstractContextManager[None]:
        """Return what is to surround the work of a leaf: it may change folders given for volumes."""
        return self._fingerprints.at_work(leaf)

    def files(self, left: tuple[Path, ...]) -> list[FileNote]:
        """Return the files that a leaf has left."""
        return [note for place in left for note in self._contents.note(place)]

    def ended(self, leaf: Leaf, result: LeafResult, finished: float) -> None:
        """Put down how a leaf that ran has ended, but for a daemon: it has to run again. Raises OSError."""
        if leaf.template.is_daemon:
            return
        record = Record(
            leaf.node.path, leaf.template.task, leaf.fingerprint, result.phase, result.message,
            result.exit_code, result.result, result.outputs, dict(result.members), result.artifacts,
            [self._relative(os.fspath(place)) for place in result.kept],
            [(self._relative(note[0]), *note[1:]) for note in result.files], leaf.node.started, finished,
        )  # fmt: skip
        self._journal.add(record)
        self._enter(leaf, record)

    def waited(self, node: Node, fingerprint: str) -> None:
        """Put down that a suspend node has ended; where there is no room it will wait again."""
        with suppress(OSError):
            self._journal.add(Record(node.path, node.task, fingerprint, "Succeeded"))

    def _enter(self, leaf: Leaf, record: Record) -> None:
        self._note_end(record)
        self._fingerprints.ended(leaf, record)

    def _note_end(self, record: Record) -> None:
        self._open.pop(record.leaf, None)
        self._live.update(path for path, *_ in record.files)
        self._ends[record.leaf] = _end(record)

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self._out}/")

    def _absolute(self, note: FileNote) -> FileNote:
        return (os.path.join(self._out, note[0]), *note[1:])  # noqa: PTH118  # a text, for speed

    # --- removing ---

    def node_begins(self, node: Node, template: Template) -> None:
        """Remove what a former run left of tasks that a DAG, or steps, do not have any more."""
        if self._open:
            start, tasks = f"{node.path}/", {task.name for task in template.calls}
            below = self._below.get(node.path, ())
            self._drop(path for path in below if _task_in(path, start) not in tasks)

    def node_ended(self, node: Node) -> None:
        """Remove what a former run left below a node and nothing in this one has taken over.

        Below one that came to no good end it may stand again when what stopped it is mended.
        """
        if self._open and (node.boundary or node.phase not in BAD):
            below = self._below.get(node.path, ())
            if node.phase in (*BAD, "Omitted"):
                self._put_by(below)
            else:
                self._drop(below)

    def _drop(self, paths: Iterable[str]) -> None:
        for path in self._left_over(paths):
            del self._open[path]
            self._remove(self._records[path])

    def _put_by(self, paths: Iterable[str]) -> None:
        """Set aside what leaves have left: nobody in this run shall read it, and the next one may need it."""
        for record in map(self._records.__getitem__, self._left_over(paths)):
            del self._open[record.leaf]
            for path in (self._absolute(note)[0] for note in record.files):
                if self._owner(path) is record:
                    self._set_aside(path)
            self._remove_left(record)

    def _left_over(self, paths: Iterable[str]) -> list[str]:
        return [path for path in paths if path in self._open and path not in self._promised]

    @cached_property
    def _below(self) -> dict[str, list[str]]:
        """The leaves of former runs by the path of each node that they are in, and by their own."""
        below: defaultdict[str, list[str]] = defaultdict(list)
        for path in self._records:
            below[path].append(path)
            for mark in _STEP.finditer(path):
                below[path[: mark.start()]].append(path)
        return dict(below)

    def _sweep(self, folders: Iterable[Path]) -> None:
        """Remove what leaves left that have no record: the run was killed before it could be put down.

        And folders that it had just emptied, or made for what was to be put back: a reader would find them.
        """
        noted = {self._absolute(note)[0] for record in self._records.values() for note in record.files}
        with _able():
            for folder in folders:
                found = set(_files_below(folder))
                self._remove_files(found - noted)
                self._remove_emptied(folder, found ^ noted)
            self._places.store.sweep([note[1] for record in self._records.values() for note in record.files])

    def _remove_emptied(self, top: Path, paths: Iterable[str]) -> None:
        """Remove the folders of files that are gone, but none that a leaf has left empty."""
        records = self._records.values()
        empty = {self._out / place for record in records if not record.files for place in record.kept}
        for path in map(Path, paths):
            with suppress(OSError):  # there is something in it
                for folder in takewhile(top.__ne__, path.parents) if path.is_relative_to(top) else ():
                    if folder in empty:
                        break
                    with suppress(FileNotFoundError):
                        folder.rmdir()

    def _remove(self, record: Record) -> None:
        with _able():
            self._places.store.drop(record.files)
        self._remove_left(record)

    def _remove_left(self, record: Record) -> None:
        """Remove what is where a leaf left its files, and is not another's."""
        paths = [self._absolute(note)[0] for note in record.files]
        with _able():
            self._remove_files(path for path in paths if self._owner(path) in (None, record))
        for place in record.kept:
            for folder, _, _ in os.walk(self._out / place, topdown=False):
                with suppress(OSError):  # somebody else's files are in it
                    _opened(Path(folder).parent, Path(folder).rmdir)

    def _remove_files(self, paths: Iterable[str]) -> None:
        """Remove files that are not of this run."""
        for path in paths:
            if self._relative(path) not in self._live:
                _opened(Path(path).parent, partial(Path(path).unlink, missing_ok=True))


def _opened(folder: Path, action: Callable[[], None]) -> None:
    """Do something in a folder, whose permissions a program may have taken away. Raises OSError."""
    try:
        action()
    except PermissionError:
        folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
        action()


@contextmanager
def _able() -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise InTheWay(f"what a former run left is in the way: {wrong}") from None


def _end(record: Record) -> str:
    return f"{record.fingerprint} {record.finished}"


def _digest_of_ends(ends: Iterable[str]) -> str:
    return digest_of_text("\n".join(ends))


def _is_of(node: Node, task: str) -> bool:
    """Whether a leaf is of an execution function, or of a task of the manifest or of what that calls."""
    own = node.template is not None and node.template.task == task
    return own or any(name == task for _, name in positions(node))


def _is_at_exit(path: str) -> bool:
    """Whether a node is, or is in, the exit handler of the run: it runs at each end, as when Argo retries."""
    return path.startswith(_EXIT) and path[len(_EXIT) :][:1] in ("", "/", "(")


def _task_in(path: str, start: str) -> str:
    """Return the task of a path that begins so, `""` for one that does not."""
    found = _NAME.match(path, len(start)) if path.startswith(start) else None
    return found[0] if found else ""


def _files_below(place: Path) -> Iterator[str]:
    if place.is_file() or place.is_symlink():
        yield os.fspath(place)
    for folder, _, names in os.walk(place):
        yield from (f"{folder}/{name}" for name in names)
