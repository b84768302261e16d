"""Stage 2: the heads of chains. A source knows its items as columns; listing files is its only I/O."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from dsl.author import Chain, Chainable, Element, Mistaken, Named, Node, Task, current_dag, record
from dsl.codes import Code
from dsl.construct import keyword_of
from dsl.diagnostics import Diagnostic, Rejected
from dsl.encode import shown
from dsl.function import seconds
from dsl.location import Location
from dsl.names import did_you_mean
from dsl.operand import Operand, option_of_run
from dsl.pattern import KEY, near, normal, regex_of, unlisted
from dsl.spelling import argument_respelt

MOST_ITEMS = 1_000_000
"""Items that one source may have; a manifest holds far fewer."""
_BYTES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


@dataclass(frozen=True, slots=True)
class Table:
    """The items of a source: equally long columns of values.

    Columns named in `files` hold paths relative to the DAG file's folder; it has the bytes of each file.
    """

    columns: Mapping[str, Sequence[object]]
    files: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def bytes(self) -> list[int]:
        """The bytes of the files of each item."""
        return [sum(sizes) for sizes in zip(*self.files.values(), strict=True)]


@dataclass(frozen=True, slots=True)
class Division:
    """How items share pods: at most one of the three is set; one item each if none is."""

    size: int | None = None
    count: int | None = None
    weight: str | int | None = None
    by: str | Callable[[str], object] | None = None


class Source(Element, Named):
    """What is divided. `size` items share a pod, or `count` pods share all, or a pod gets `weight` bytes.

    `parallelism` is how many of the partitions are in flight at once.
    """

    keyword = "item"
    options: tuple[str, ...] = ("size", "count", "parallelism")
    """The names of its keyword arguments."""

    def __init__(
        self, division: Division, parallelism: int | None, unknown: Mapping[str, object] | None = None
    ) -> None:
        self.location = Location.of_caller()
        self.division = _constant(self.location, division)
        self.parallelism = None if _is_late("parallelism", parallelism, self.location) else parallelism
        _record_unknown(self.location, unknown or {}, self.options)

    def table(self) -> Table:
        """Return the items. Raises Rejected if they cannot be known."""
        raise NotImplementedError


class Files(Source):
    """Files that patterns match, relative to the folder of the DAG file, sorted by path.

    `{k}` in a pattern matches within one path component and names a key of the item. Named patterns pair by
    their keys: `Files(a="a/{k}.tif", b="b/{k}.tif")`. A pattern that ends in `/` matches folders.
    """

    keyword = "input_file"
    options = ("size", "count", "weight", "parallelism")

    def __init__(
        self,
        *patterns: str,
        size: int | None = None,
        count: int | None = None,
        weight: str | int | None = None,
        parallelism: int | None = None,
        **named: str,
    ) -> None:
        given: dict[str, object] = dict(named)
        unknown = {name: value for name, value in given.items() if not isinstance(value, str)}
        super().__init__(Division(size, count, weight), parallelism, unknown)
        self.patterns = patterns
        self.named = {name: pattern for name, pattern in named.items() if name not in unknown}

    def table(self) -> Table:
        """List the files now. Raises Rejected for no match, unpaired keys, and places outside the folder."""
        self._check_patterns()
        folder = Path(self.location.path).resolve().parent
        if not self.named:
            found = [match for pattern in self.patterns for match in self._matches(folder, pattern)]
            paths = sorted(dict(found).items())
            names = list(paths[0][1]) if paths else []
            if any(list(keys) != names for _, keys in paths):
                raise self._rejected(
                    Code.UNPAIRED_KEYS, "the patterns have different keys", "use the same {keys} in all"
                )
            columns: dict[str, list[object]] = {self.keyword: [path for path, _ in paths]}
            columns |= {name: [keys[name] for _, keys in paths] for name in names}
            return Table(columns, {self.keyword: [_bytes(folder / path) for path, _ in paths]})
        return self._paired(folder)

    def _check_patterns(self) -> None:
        if self.named.get("at") == "run":
            hint = "list the files now, or let a task return their names: Items(upstream)"
            raise self._rejected(Code.UNSUPPORTED, 'at="run" lists files when the DAG runs', hint)
        if any(not isinstance(pattern, str) for pattern in self.patterns):
            raise self._rejected(Code.INVALID_OPTION, "a pattern is no text", 'write Files("data/*.tif")')
        if not self.patterns and not self.named:
            raise self._rejected(Code.INVALID_OPTION, "Files has no pattern", 'write Files("data/*.tif")')

    def _paired(self, folder: Path) -> Table:
        if self.patterns:
            raise self._rejected(
                Code.UNPAIRED_KEYS, "named and unnamed patterns are mixed", "name all of them"
            )
        sides: dict[str, dict[tuple[str, ...], str]] = {}
        names: list[str] | None = None
        for side, pattern in ((side, str(pattern)) for side, pattern in self.named.items()):
            keys = list(dict.fromkeys(KEY.findall(pattern)))
            if names is None:
                names = keys
            if sorted(keys) != sorted(names) or not keys:
                message = f"{side!r} has the keys {keys}, {next(iter(self.named))!r} has {names}"
                raise self._rejected(Code.UNPAIRED_KEYS, message, "give all patterns the same {keys}")
            sides[side] = {}
            for path, values in self._matches(folder, pattern):
                key = tuple(values[name] for name in names)
                if key in sides[side]:
                    twice = ", ".join(f"{name}={value!r}" for name, value in zip(names, key, strict=True))
                    message = f"{sides[side][key]!r} and {path!r} both have the key {twice}"
                    raise self._rejected(
                        Code.UNPAIRED_KEYS, message, f"make the pattern of {side!r} narrower"
                    )
                sides[side][key] = path
        assert names is not None
        every = sorted({key for side in sides.values() for key in side})
        for key in every:
            for side, paths in sides.items():
                if key not in paths:
                    other = next(p[key] for p in sides.values() if key in p)
                    message = f"{other!r} has no partner among {self.named[side]!r}"
                    raise self._rejected(
                        Code.UNPAIRED_KEYS, message, "add the missing file, or narrow the patterns"
                    )
        files = {side: [paths[key] for key in every] for side, paths in sides.items()}
        columns: dict[str, Sequence[object]] = {**files}
        columns |= {name: [key[index] for key in every] for index, name in enumerate(names)}
        sizes = {side: [_bytes(folder / path) for path in paths] for side, paths in files.items()}
        return Table(columns, sizes)

    def _matches(self, folder: Path, pattern: str) -> list[tuple[str, dict[str, str]]]:
        if "://" in pattern:
            raise self._rejected(
                Code.UNSUPPORTED,
                f"{pattern!r} is a URL",
                "stage the files beside the DAG file; URLs are not read yet",
            )
        if pattern.startswith(("/", "~")) or ".." in Path(pattern).parts:
            message = f"{pattern!r} leaves the folder of the DAG file, which a cluster cannot see"
            raise self._rejected(
                Code.PATH_OUTSIDE, message, "put the files below that folder, or link them there"
            )
        pattern = normal(pattern)
        try:
            regex = regex_of(pattern)
        except ValueError as error:
            raise self._rejected(Code.INVALID_OPTION, str(error), "correct the pattern") from None
        wild = KEY.sub("*", pattern)
        if closed := unlisted(folder, wild):
            message = f"{pattern!r} leads into {closed!r}, which cannot be listed: permission denied"
            raise self._rejected(
                Code.FOLDER_UNREADABLE, message, f"chmod u+rx {closed!r}, or narrow the pattern"
            )
        paths = [
            path
            for path in glob.glob(wild, root_dir=folder, recursive=True)  # noqa: PTH207 - relative paths
            if pattern.endswith("/") or not (folder / path).is_dir()
        ]
        matches = []
        for path in sorted(paths):
            path = path.rstrip("/")
            match = regex.fullmatch(path)
            if match:
                matches.append((path, match.groupdict()))
        for path, _ in matches:
            if not (folder / path).exists():
                message, hint = f"{path!r} is a link to nowhere", "mend the link, or narrow the pattern"
                raise self._rejected(Code.NO_MATCH, message, hint)
        if not matches:
            raise self._no_match(folder, pattern, wild)
        return matches

    def _no_match(self, folder: Path, pattern: str, wild: str) -> Rejected:
        """Return what to say of a pattern that matches nothing: what it was probably meant to be."""
        if not pattern.endswith("/") and glob.glob(f"{wild}/", root_dir=folder):  # noqa: PTH207
            message = f"{pattern!r} names a folder, and its files are not meant by that"
            hint = f'write "{pattern}/*" for the files in it, "{pattern}/" for folders that are items'
            hint = hint if pattern else 'write "*" for the files beside the DAG file'
            return self._rejected(Code.FOLDER_PATTERN, message, hint)
        hint = "check the pattern and the folder"
        if "\\" in pattern:
            hint = f"write / between the parts of a path: {pattern.replace(chr(92), '/')!r}"
        elif guess := near(folder, wild):
            hint = f"did you mean {guess!r}?"
        return self._rejected(Code.NO_MATCH, f"{pattern!r} matches no file in {folder}", hint)

    def _rejected(self, code: Code, message: str, hint: str) -> Rejected:
        return Rejected(Diagnostic(code, self.location, message, hint))


class Items(Source):
    """Values that JSON can hold; a node in their place is a list that only the run knows.

    The keys that all items have, if they are dicts, are keys.
    """

    def __init__(
        self,
        items: Iterable[object] | Node | Task[..., object] | Chain,
        *,
        size: int | None = None,
        count: int | None = None,
        parallelism: int | None = None,
        **unknown: object,
    ) -> None:
        super().__init__(Division(size, count), parallelism, unknown)
        if isinstance(items, Chain) and len(items.tails) == 1 and isinstance(items.tails[0], Node | Mistaken):
            items = items.tails[0]
        if isinstance(items, Task):
            items = items.node_in(current_dag("Items"))
        self.upstream = items if isinstance(items, Node | Mistaken) else None
        self.items: list[object] = []
        self.refused = ""
        if isinstance(items, str | bytes | Mapping | Chainable | Operand) or not isinstance(items, Iterable):
            what = "what only the run knows" if isinstance(items, Operand) else shown(items)
            self.refused = "" if self.upstream is not None else f"{what} is no list of items"
        else:
            self.items = list(items)

    def table(self) -> Table:
        """Return the items, and a column for each key that all of them have. Raises Rejected for no list."""
        if self.refused:
            hint = "write Items([…]), or Items(task) for the list that a task returns"
            raise Rejected(Diagnostic(Code.NOT_JSON, self.location, self.refused, hint))
        columns: dict[str, list[object]] = {"item": self.items}
        dicts = [item for item in self.items if isinstance(item, dict)]
        if dicts and len(dicts) == len(self.items):
            shared = [key for key in dicts[0] if isinstance(key, str) and all(key in item for item in dicts)]
            columns |= {key: [item[key] for item in dicts] for key in shared if key != "item"}
        return Table(columns)


class Range(Source):
    """The numbers of Python's `range`."""

    def __init__(
        self,
        *bounds: int,
        size: int | None = None,
        count: int | None = None,
        parallelism: int | None = None,
        **unknown: object,
    ) -> None:
        super().__init__(Division(size, count), parallelism, unknown)
        given: tuple[Any, ...] = bounds
        self.bounds = tuple(int(bound) if isinstance(bound, Operand) else bound for bound in given)

    def table(self) -> Table:
        """Return the numbers."""
        try:
            return Table({"item": _bounded(range(*self.bounds))})
        except (TypeError, ValueError) as error:
            hint = "write Range(stop), Range(start, stop) or Range(start, stop, step)"
            raise Rejected(Diagnostic(Code.INVALID_OPTION, self.location, str(error), hint)) from None


class Windows(Source):
    """Intervals of time from `start` to `end` (ISO dates or times), each `every` long, the last one cut.

    An item has the keys `data_interval_start` and `data_interval_end`, ISO 8601 texts.
    """

    def __init__(
        self,
        start: str | date,
        end: str | date,
        every: str | int | timedelta,
        *,
        size: int | None = None,
        count: int | None = None,
        parallelism: int | None = None,
        **unknown: object,
    ) -> None:
        super().__init__(Division(size, count), parallelism, unknown)
        self.start, self.end, self.every = start, end, every

    def table(self) -> Table:
        """Return the intervals."""
        try:
            days = isinstance(self.every, str) and re.fullmatch(r"(\d+)d", self.every)
            step = timedelta(days=int(days[1])) if days else timedelta(seconds=seconds(self.every))
            begin, end = (datetime.fromisoformat(str(bound)) for bound in (self.start, self.end))
            if not step:
                raise ValueError("windows of no length never end")
            if end < begin:
                raise ValueError(f"the end {self.end} is before the start {self.start}")
            count = max(0, -((begin - end) // step))
            starts = [begin + step * index for index in _bounded(range(count))]
        except (TypeError, ValueError, OverflowError) as error:
            hint = 'write Windows("2024-01-01", "2024-02-01", every="1d")'
            raise Rejected(Diagnostic(Code.INVALID_OPTION, self.location, str(error), hint)) from None
        ends = [end if end - start <= step else start + step for start in starts]
        first, last = [start.isoformat() for start in starts], [stop.isoformat() for stop in ends]
        items = [{"data_interval_start": a, "data_interval_end": b} for a, b in zip(first, last, strict=True)]
        return Table({"item": items, "data_interval_start": first, "data_interval_end": last})


class Repartition(Element, Named):
    """Divides anew, in the middle of a chain, the files that the nodes before it write.

    `by` groups them: the name of a key, a pattern with one `{key}`, or a function of the file name.
    """

    def __init__(
        self,
        *,
        size: int | None = None,
        count: int | None = None,
        by: str | Callable[[str], object] | None = None,
        parallelism: int | None = None,
        **unknown: object,
    ) -> None:
        self.division = Division(size, count, by=by)
        self.parallelism = parallelism
        self.location = Location.of_caller()
        _record_unknown(self.location, unknown, ("size", "count", "by", "parallelism"))


def _constant(place: Location, division: Division) -> Division:
    """Return a division without what only the run knows, which is recorded."""
    values = {name: getattr(division, name) for name in ("size", "count", "weight")}
    late = [name for name, value in values.items() if _is_late(name, value, place)]
    return replace(division, **dict.fromkeys(late)) if late else division


def _is_late(name: str, value: object, place: Location) -> bool:
    """Whether an option is a value of the run; if so that is recorded."""
    late = isinstance(value, Operand | Chainable)
    if late:
        record(option_of_run(name, keyword_of(place, name)))
    return late


def _record_unknown(place: Location, unknown: Iterable[str], known: Sequence[str]) -> None:
    """Record each option that a source does not have."""
    for name in unknown:
        guess = did_you_mean(name, known)
        hint = f"did you mean {guess!r}?" if guess else f"its options: {', '.join(known)}"
        at, message = keyword_of(place, name), f"there is no option {name!r}"
        fix = argument_respelt(at, name, known)
        record(Diagnostic(Code.UNKNOWN_OPTION, at, message, hint, fix=fix))


def as_bytes(weight: str | int) -> int:
    """Return a number of bytes from a number or text such as `500Mi`. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([kMGT]i?|Ki)?", str(weight))
    if not match or match[2] == "ki":
        raise ValueError(f"{weight!r} is no number of bytes; write a number or text such as '500Mi'")
    return int(match[1]) * _BYTES[match[2] or ""]


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(inner.stat().st_size for inner in path.rglob("*") if inner.is_file())
    return path.stat().st_size


def _bounded(numbers: range) -> range:
    """Return a range that is not too long to list. Raises ValueError."""
    if numbers[MOST_ITEMS:]:
        raise ValueError(f"these are more than {MOST_ITEMS} items")
    return numbers
