"""Partitions: all items, once, in order, however they are divided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.partition import divide, sizes_by_count, sizes_by_size, sizes_by_weight, starts

WEIGHTS = st.lists(st.integers(0, 50), max_size=60)
NUMBERS = st.integers(1, 70)


def rows(count):
    return [(str(number),) for number in range(count)]


@given(WEIGHTS, NUMBERS)
def test_every_division_holds_all_items_once_in_order(weights, number):
    count = len(weights)
    for sizes in (
        sizes_by_size(count, number),
        sizes_by_count(count, number),
        sizes_by_weight(weights, number),
    ):
        partitions = divide(rows(count), sizes)
        assert [row for partition in partitions for row in partition.items] == rows(count)
        assert [partition.index for partition in partitions] == list(range(len(sizes)))
        assert [partition.start for partition in partitions] == starts(sizes)
        assert all(partition.items for partition in partitions)


@given(st.integers(0, 200), NUMBERS)
def test_by_size_only_the_last_partition_holds_less(count, size):
    sizes = sizes_by_size(count, size)
    assert all(found == size for found in sizes[:-1])
    assert len(sizes) == -(-count // size)


@given(st.integers(0, 200), NUMBERS)
def test_by_count_partitions_differ_by_one_item_at_most(items, count):
    sizes = sizes_by_count(items, count)
    assert len(sizes) == min(count, items)
    assert not sizes or max(sizes) - min(sizes) <= 1


@given(WEIGHTS, NUMBERS)
def test_by_weight_only_a_partition_of_one_item_exceeds_the_limit(weights, limit):
    sizes = sizes_by_weight(weights, limit)
    loads = [sum(weights[first : first + size]) for first, size in zip(starts(sizes), sizes, strict=True)]
    assert all(load <= limit or size == 1 for load, size in zip(loads, sizes, strict=True))


@given(WEIGHTS, NUMBERS)
def test_a_partition_is_the_same_by_index_and_by_iteration(weights, size):
    partitions = divide(rows(len(weights)), sizes_by_size(len(weights), size))
    assert [partitions[index] for index in range(len(partitions))] == list(partitions)


@pytest.mark.parametrize(
    "divided", [sizes_by_size, sizes_by_count, lambda _, limit: sizes_by_weight([1], limit)]
)
def test_nothing_is_divided_by_zero(divided):
    with pytest.raises(ValueError, match="is 0"):
        divided(3, 0)


def test_sizes_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="3 items do not fill partitions of 2"):
        divide(rows(3), [2])


def test_the_files_of_a_partition_are_the_first_fields_of_its_items():
    [partition] = divide([("a.tif", "1"), ("b.tif", "2")], [2])
    assert partition.files == ("a.tif", "b.tif")
