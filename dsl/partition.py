"""Items and a size, count or weight in, partitions out: all items, once, in order. Arithmetic, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

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
    load = limit
    for weight in weights:
        if load + weight > limit:
            sizes.append(0)
            load = 0
        sizes[-1] += 1
        load += weight
    return sizes


def divide(rows: Sequence[Row], sizes: Sequence[int]) -> tuple[FilePartition, ...]:
    """Return the partitions that hold `sizes` rows each. Raises ValueError if they do not add up."""
    if sum(sizes) != len(rows):
        raise ValueError(f"{len(rows)} items do not fill partitions of {sum(sizes)}")
    partitions = []
    start = 0
    for index, size in enumerate(sizes):
        items = tuple(rows[start : start + size])
        partitions.append(FilePartition.model_construct(index=index, start=start, items=items))
        start += size
    return tuple(partitions)


def _positive(number: int, name: str) -> None:
    if number < 1:
        raise ValueError(f"{name} is {number}")
