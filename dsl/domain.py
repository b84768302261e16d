"""The items that mapped nodes share: columns of values and how partitions divide them.

Nodes of one domain are aligned: partition i of one goes to partition i of the next. A crossing or a
Repartition makes a new domain whose rows know the rows they come from.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from dsl.author import Element
from dsl.codes import Code
from dsl.construct import keyword_of
from dsl.diagnostics import Diagnostic, Rejected, Related
from dsl.encode import plain, plain_json, shown
from dsl.location import Location
from dsl.names import did_you_mean
from dsl.partition import sizes_by_count, sizes_by_size, sizes_by_weight, starts
from dsl.pattern import regex_of
from dsl.source import MOST_ITEMS, Division, Repartition, Source, Table, as_bytes

INPUTS, RUN = "inputs", "run"
"""Where the paths of a file column begin: at the DAG file's folder, or at the files that this run wrote."""


@dataclass(frozen=True, slots=True)
class Made:
    """A column of the files that a node writes under a variable: their paths in a run, or their names."""

    node: str
    variable: str
    is_path: bool


Column: TypeAlias = str | Made
"""What the author calls a part of each item, or what is known of the files that a node makes of it."""


@dataclass(eq=False)
class Domain:
    """Items in partitions: `sizes` holds the number of items of each.

    It is empty for a list that only the run knows: the value of the node `discovered_by`, divided by
    `discovered_size`. `constants` are the columns that do not vary inside a partition.
    """

    name: str
    origin: Element
    location: Location
    columns: dict[Column, Sequence[object]]
    files: dict[Column, str]
    sizes: tuple[int, ...]
    division: Division
    parallelism: int | None = None
    discovered_by: str | None = None
    discovered_size: int = 1
    constants: frozenset[str] = frozenset()
    bytes: Mapping[object, int] = field(default_factory=dict)
    """Of a source: the bytes of each file, by its path."""
    parents: tuple[Parent, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that are neither files nor the item itself."""
        return tuple(
            name
            for name in self.columns
            if isinstance(name, str) and name not in self.files and name != "item"
        )

    @property
    def main(self) -> str:
        """The column that a keyword stands for: the item, or its first file."""
        return next(column for column in self.columns if isinstance(column, str))

    @cached_property
    def partition_of(self) -> tuple[int, ...]:
        """The partition of each row."""
        return tuple(index for index, size in enumerate(self.sizes) for _ in range(size))

    def is_constant(self, column: Column) -> bool:
        """Whether the items of every partition agree in a column."""
        if column in self.constants:
            return True
        if self.discovered_by:
            return self.discovered_size == 1
        texts = [plain_json(value) for value in self.columns[column]]
        parts = zip(starts(self.sizes), self.sizes, strict=True)
        return all(len(set(texts[first : first + size])) == 1 for first, size in parts)

    def rows_in(self, ancestor: Domain) -> tuple[int, ...] | None:
        """Return the row of an ancestor that each row comes from, or None if there is no such ancestor."""
        for parent in self.parents:
            if parent.domain is ancestor:
                return parent.rows
            further = parent.domain.rows_in(ancestor)
            if further is not None:
                return tuple(further[row] for row in parent.rows)
        return None

    def column_of(self, ancestor: Domain, column: Column) -> Column:
        """Return the column that holds what a column of this domain or of an ancestor holds."""
        for parent in self.parents:
            if parent.domain is ancestor or parent.domain.rows_in(ancestor) is not None:
                return parent.columns[parent.domain.column_of(ancestor, column)]
        return column

    def origin_of(self, column: Column) -> tuple[Domain, Column]:
        """Return the domain that a column was first in, and what it is called there."""
        for parent in self.parents:
            for above, own in parent.columns.items():
                if own == column:
                    return parent.domain.origin_of(above)
        return self, column


@dataclass(frozen=True, slots=True)
class Parent:
    """Where the rows of a domain come from, and which of its columns holds what a column there does."""

    domain: Domain
    rows: tuple[int, ...]
    columns: Mapping[Column, Column]


@dataclass(frozen=True, slots=True)
class Axis:
    """A domain as one node maps over it: `names` are what the node calls its columns."""

    domain: Domain
    names: Mapping[str, str]

    @property
    def keywords(self) -> dict[str, str]:
        """The names that are not those of the columns themselves."""
        return {name: column for name, column in self.names.items() if name != column}


def own_axis(domain: Domain, keywords: Mapping[str, str]) -> Axis:
    """Return a domain by the names of its columns, and by keywords."""
    return Axis(domain, {name: name for name in domain.columns if isinstance(name, str)} | dict(keywords))


def named_axis(domain: Domain, keyword: str) -> Axis:
    """Return a domain whose main column goes by a keyword, if there is no other column of that name."""
    axis = own_axis(domain, {})
    if keyword in axis.names:
        return axis
    return Axis(domain, {keyword: domain.main, **{n: c for n, c in axis.names.items() if c != domain.main}})


def of_source(source: Source, name: str, keyword: str | None = None) -> Domain:
    """Return the domain of a source whose item is called `keyword`. Raises Rejected if it has none."""
    table = source.table()
    values = list(table.columns.values())
    try:
        if not table.files:
            values = plain([list(column) for column in values])
    except ValueError as error:
        message = f"an item of {type(source).__name__} is no JSON value: {error}"
        hint = "use text, numbers, booleans, None, and lists and dicts of them"
        raise Rejected(Diagnostic(Code.NOT_JSON, source.location, message, hint)) from None
    check_parallelism(source.parallelism, source.location)
    columns: dict[Column, Sequence[object]] = {}
    columns.update(zip(table.columns, values, strict=True))
    files: dict[Column, str] = dict.fromkeys(table.files, INPUTS)
    if keyword and keyword not in columns:
        main = next(iter(columns))
        columns = {keyword if column == main else column: values for column, values in columns.items()}
        files = {keyword if column == main else column: root for column, root in files.items()}
    sizes = _sizes(source.division, source.location, table)
    weights = {p: b for c, each in table.files.items() for p, b in zip(table.columns[c], each, strict=True)}
    division, limit = source.division, source.parallelism
    return Domain(name, source, source.location, columns, files, sizes, division, limit, bytes=weights)


def of_discovered(source: Source, name: str, keyword: str, node_id: str) -> Domain:
    """Return the domain of a list that a node's value holds when the DAG runs."""
    division = source.division
    check_parallelism(source.parallelism, source.location)
    if division.count is not None or division.weight is not None:
        message = "the number of items is known only when the DAG runs"
        raise Rejected(Diagnostic(Code.PARTITION_SIZE, source.location, message, "divide it by size="))
    size = 1 if division.size is None else division.size
    if size < 1:
        raise _bad_size(source.location, f"size is {size}")
    return Domain(
        name, source, source.location, {keyword: ()}, {}, (), division, source.parallelism, node_id, size
    )


def crossed(axes: Sequence[Axis], location: Location) -> Axis:
    """Return the cross product, the last domain fastest; size and parallelism come from the first."""
    if len(axes) == 1:
        return axes[0]
    domains = [axis.domain for axis in axes]
    if any(domain.discovered_by for domain in domains):
        message = "a list that only the run knows cannot be combined with another"
        raise Rejected(
            Diagnostic(Code.UNSUPPORTED, location, message, "let one task return the crossed list")
        )
    if math.prod(map(_length, domains)) > MOST_ITEMS:
        facts = " x ".join(str(_length(domain)) for domain in domains)
        message = f"these are {facts} items, more than {MOST_ITEMS}"
        raise Rejected(Diagnostic(Code.PARTITION_SIZE, location, message, "combine fewer items"))
    picks = list(itertools.product(*(range(_length(domain)) for domain in domains)))
    return _combined(axes, picks, location, " x ".join(domain.name for domain in domains))


def zipped(axes: Sequence[Axis], names: Sequence[str], location: Location) -> Axis:
    """Return position by position. Raises Rejected if the lengths differ."""
    domains = [axis.domain for axis in axes]
    if all(domain is domains[0] for domain in domains):
        return Axis(domains[0], {name: column for axis in axes for name, column in axis.names.items()})
    if any(domain.discovered_by for domain in domains):
        return crossed(axes, location)
    lengths = [_length(domain) for domain in domains]
    if len(set(lengths)) > 1:
        facts = ", ".join(f"{name} has {length}" for name, length in zip(names, lengths, strict=True))
        raise Rejected(Diagnostic(Code.UNEQUAL_ZIP, location, facts, "make the lists equally long"))
    return _combined(axes, [(row,) * len(domains) for row in range(lengths[0])], location, "zip")


def regrouped(repartition: Repartition, axis: Axis, names: Sequence[str] | None) -> Domain:
    """Return the rows of a domain divided anew; `names` are the files that the rows stand for."""
    domain = axis.domain
    by_name: dict[Column, Column] = {column: column for column in domain.columns}
    by_name.update(axis.keywords)
    division, here = repartition.division, repartition.location
    check_parallelism(repartition.parallelism, here)
    rows = list(range(_length(domain)))
    keys: dict[Column, Sequence[object]] = {}
    if division.by is not None:
        if division.size is not None or division.count is not None:
            raise _bad_size(here, "by= already says how items are divided")
        named = {n: c for n, c in axis.names.items() if c not in domain.files and n != "item"}
        keyed = {name: domain.columns[column] for name, column in named.items()}
        key, values = _grouping(division.by, keyed, names, here)
        groups = {value: index for index, value in enumerate(dict.fromkeys(values))}
        rows.sort(key=lambda row: groups[values[row]])
        keys[key] = [values[row] for row in rows]
        sizes = tuple(sum(1 for value in values if value == group) for group in groups)
        constants = frozenset((key,))
    else:
        table = Table({"row": rows})
        sizes, constants = _sizes(division, here, table), frozenset()
    columns = {name: [domain.columns[column][row] for row in rows] for name, column in by_name.items()}
    files = {name: domain.files[column] for name, column in by_name.items() if column in domain.files}
    return Domain(
        f"Repartition({domain.name})",
        repartition,
        here,
        {**columns, **keys},
        files,
        sizes,
        division,
        repartition.parallelism,
        constants=constants,
        parents=(Parent(domain, tuple(rows), {column: column for column in domain.columns}),),
    )


def _combined(axes: Sequence[Axis], picks: Sequence[tuple[int, ...]], here: Location, title: str) -> Axis:
    columns: dict[Column, Sequence[object]] = {}
    files: dict[Column, str] = {}
    owners: dict[Column, Domain] = {}
    parents: list[Parent] = []
    for position, axis in enumerate(axes):
        domain = axis.domain
        for name, column in axis.names.items():
            rows = [domain.columns[column][pick[position]] for pick in picks]
            if name in columns and rows != columns[name]:
                raise _two_columns(name, owners[name], domain, here)
            columns[name], owners[name] = rows, domain
            files.pop(name, None)
            if column in domain.files:
                files[name] = domain.files[column]
        held: dict[Column, Column] = {column: name for name, column in reversed([*axis.names.items()])}
        parents.append(Parent(domain, tuple(pick[position] for pick in picks), held))
    first = axes[0].domain
    division = Division(first.division.size, first.division.count)
    sizes = _sizes(division, here, Table({"row": picks}))
    combined = Domain(
        title,
        first.origin,
        here,
        columns,
        files,
        sizes,
        division,
        first.parallelism,
        parents=tuple(parents),
    )
    return own_axis(combined, {})


def _two_columns(column: str, one: Domain, other: Domain, here: Location) -> Rejected:
    """Return a rejection of items that are combined and both have a column."""
    message = f"both {one.name} and {other.name} have {column!r}"
    related = tuple(Related(domain.name, domain.location) for domain in (one, other))
    return Rejected(Diagnostic(Code.TWO_SOURCES, here, message, "rename it in one of them", related))


def _grouping(
    by: str | Callable[[str], object],
    keys: Mapping[str, Sequence[object]],
    names: Sequence[str] | None,
    here: Location,
) -> tuple[str, list[object]]:
    """Return the name of the key that groups rows and its value for each."""
    if not isinstance(by, str) and not callable(by):
        message = f"by={shown(by)} is no key, no pattern and no function"
        raise Rejected(Diagnostic(Code.REPARTITION, here, message, 'write by="year" for the key {year}'))
    if isinstance(by, str) and "{" not in by:
        if by not in keys:
            known = ", ".join(keys) or "none"
            message = f"there is no key {by!r} here; the items have: {known}"
            guess = did_you_mean(by, keys)
            hint = f'did you mean by="{guess}"?' if guess else 'write a pattern, such as by="{year}_*.tif"'
            raise Rejected(Diagnostic(Code.UNKNOWN_KEY, here, message, hint))
        return by, list(keys[by])
    if names is None:
        message = "no file names are known here before the DAG runs"
        raise Rejected(Diagnostic(Code.REPARTITION, here, message, "give the task before it output= names"))
    if callable(by):
        try:
            values = [by(name) for name in names]
        except BaseException as error:  # the author's function may raise anything, also what ends Python
            message = f"by= raised {type(error).__name__} for a file name: {error}"
            hint = "let it return the group of every file name as text"
            raise Rejected(Diagnostic(Code.REPARTITION, here, message, hint)) from None
        if any(not isinstance(value, str | int) for value in values):
            message = "by= must return text or a number for every file name"
            raise Rejected(Diagnostic(Code.REPARTITION, here, message, "return the group as text"))
        return "key", plain(values)
    found = re.findall(r"\{(\w+)\}", by)
    if len(found) != 1:
        message = f"{by!r} has {len(found)} keys"
        raise Rejected(Diagnostic(Code.REPARTITION, here, message, "write one key in the pattern"))
    try:
        regex = regex_of(by)
    except ValueError as error:
        raise Rejected(Diagnostic(Code.REPARTITION, here, str(error), "correct the pattern")) from None
    matches = [regex.fullmatch(name) for name in names]
    for name, match in zip(names, matches, strict=True):
        if match is None:
            message = f"{name!r} does not match {by!r}"
            raise Rejected(Diagnostic(Code.REPARTITION, here, message, "widen the pattern"))
    return found[0], [match[1] for match in matches if match]


def _length(domain: Domain) -> int:
    return len(next(iter(domain.columns.values()), ()))


def _sizes(division: Division, here: Location, table: Table) -> tuple[int, ...]:
    chosen = [name for name in ("size", "count", "weight") if getattr(division, name) is not None]
    if len(chosen) > 1:
        raise _bad_size(here, f"{' and '.join(chosen)} are both given")
    for name in ("size", "count"):
        value = getattr(division, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise _bad_size(here, f"{name} is {value!r}, no whole number")
    try:
        if division.count is not None:
            return tuple(sizes_by_count(len(table), division.count))
        if division.weight is not None:
            if not table.bytes and len(table):
                raise ValueError("weight counts bytes of files, and these items are no files")
            return tuple(sizes_by_weight(table.bytes, as_bytes(division.weight)))
        return tuple(sizes_by_size(len(table), 1 if division.size is None else division.size))
    except (ValueError, TypeError) as error:
        raise _bad_size(here, str(error)) from None


def _bad_size(here: Location, message: str) -> Rejected:
    return Rejected(
        Diagnostic(Code.PARTITION_SIZE, here, message, "give one of size, count and weight, from 1")
    )


def check_parallelism(limit: object, here: Location) -> None:
    """Raise Rejected unless a limit of partitions in flight is a number from 1, or None."""
    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit < 2**31
    ):
        message = f"parallelism is {shown(limit)}"
        hint = "let at least one partition run: parallelism=1"
        raise Rejected(Diagnostic(Code.INVALID_OPTION, keyword_of(here, "parallelism"), message, hint))
