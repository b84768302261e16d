"""Items and a size, count or weight in, partitions out: all items, once, in order. Arithmetic, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, overload

from pydantic import BaseModel, ConfigDict, Field

Row: TypeAlias = tuple[str, ...]
"""One item as the texts of its fields, in the order of its table's fields."""


class FilePartition(BaseModel):
    """What one pod receives: consecutive items, the first of which is the `start`-th of all (from 0)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: int = Field(ge=0)
    start: int = Field(ge=0)
    items: tuple[Row, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The first field of every item: its file, where items are files."""
        return tuple(item[0] for item in self.items)


def sizes_by_size(items: int, size: int) -> list[int]:
    """Return how many items each partition holds when a partition holds `size`, the last one the rest.

    >>> sizes_by_size(5, 2)
    [2, 2, 1]
    """
    _positive(size, "size")
    return [min(size, items - start) for start in range(0, items, size)]


def sizes_by_count(items: int, count: int) -> list[int]:
    """Return how many items each of `count` partitions holds, as even as possible, none of them empty.

    >>> sizes_by_count(5, 2)
    [3, 2]
    """
    _positive(count, "count")
    count = min(count, items)
    return [items // count + (index < items % count) for index in range(count)]


def sizes_by_weight(weights: Sequence[int], limit: int) -> list[int]:
    """Return how many consecutive items fit into `limit`; an item heavier than it gets its own partition.

    >>> sizes_by_weight([4, 4, 4, 9, 1], 8)
    [2, 1, 1, 1]
    """
    _positive(limit, "weight")
    sizes: list[int] = []
    load = 0
    for weight in weights:
        if not sizes or load + weight > limit:
            sizes.append(0)
            load = 0
        sizes[-1] += 1
        load += weight
    return sizes


@dataclass(frozen=True, slots=True)
class Partitions(Sequence[FilePartition]):
    """Rows in partitions of `sizes` rows each; a partition is made when it is asked for.

    Ten thousand of them are as cheap to keep, compare and send to another process as their rows.
    """

    rows: tuple[Row, ...]
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[FilePartition]:
        for index, (start, size) in enumerate(zip(starts(self.sizes), self.sizes, strict=True)):
            yield self._made(index, start, size)

    @overload
    def __getitem__(self, index: int) -> FilePartition: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FilePartition, ...]: ...
    def __getitem__(self, index: int | slice) -> FilePartition | tuple[FilePartition, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        number = range(len(self.sizes))[index]
        return self._made(number, sum(self.sizes[:number]), self.sizes[number])

    def _made(self, index: int, start: int, size: int) -> FilePartition:
        return FilePartition.model_construct(index=index, start=start, items=self.rows[start : start + size])


def divide(rows: Sequence[Row], sizes: Sequence[int]) -> Partitions:
    """Return the partitions that hold `sizes` rows each. Raises ValueError if they do not add up."""
    if sum(sizes) != len(rows):
        raise ValueError(f"{len(rows)} items do not fill partitions of {sum(sizes)}")
    return Partitions(tuple(rows), tuple(sizes))


def starts(sizes: Sequence[int]) -> list[int]:
    """Return the first row of each partition.

    >>> starts([2, 1, 3])
    [0, 2, 3]
    """
    return list(accumulate(sizes[:-1], initial=0)) if sizes else []


def _positive(number: int, name: str) -> None:
    if number < 1:
        raise ValueError(f"{name} is {number}")
