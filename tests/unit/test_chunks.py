"""Chunking never drops, doubles or reorders an id."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.chunks import (
    LOWEST_ID,
    Chunk,
    RangeChunk,
    RedriveChunk,
    SliceChunk,
    chunk_from,
    descriptor_of,
    plan_ranges,
    plan_slices,
)
from tests.unit.builders import hex_id, ids
from tests.unit.strategies import hex_ids

MOST_DESCRIPTOR_BYTES = 200
TYPES = ("creator", "project", "third")

_counts = st.integers(0, 2**40)
_indices = st.integers(0, 2**20)
_types = st.sampled_from(["creator", "project", "all"])
any_chunk: st.SearchStrategy[Chunk] = st.one_of(
    st.builds(RangeChunk, _indices, _types, hex_ids, st.none() | hex_ids, _counts),
    st.builds(SliceChunk, _indices, _types, _counts, _counts),
    st.builds(RedriveChunk, _indices, _types, _counts, _counts),
)


@st.composite
def collections(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    names = TYPES[: draw(st.integers(1, len(TYPES)))]
    numbers = st.sets(st.integers(0, 500), max_size=90)
    return [(name, [hex_id(number) for number in sorted(draw(numbers))]) for name in names]


def in_batches(
    planned: list[tuple[str, list[str]]], size: int = 7
) -> list[tuple[str, list[list[str]]]]:
    return [
        (doc_type, [held[at : at + size] for at in range(0, len(held), size)])
        for doc_type, held in planned
    ]


def holds(chunk: RangeChunk, doc_id: str) -> bool:
    return chunk.first <= doc_id and (chunk.until is None or doc_id < chunk.until)


@given(
    planned=collections(),
    size=st.integers(1, 40),
    more=st.integers(0, 30),
    batch=st.integers(1, 100),
)
def test_ranges_hold_every_id_once_whatever_the_count_the_size_and_the_limit(
    planned: list[tuple[str, list[str]]], size: int, more: int, batch: int
) -> None:
    most = len(planned) + more
    chunks, totals = plan_ranges(in_batches(planned, batch), size, most)
    assert len(chunks) <= most
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert totals == {doc_type: len(held) for doc_type, held in planned}
    for doc_type, held in planned:
        of_type = [chunk for chunk in chunks if chunk.docType == doc_type]
        met = [doc_id for chunk in of_type for doc_id in held if holds(chunk, doc_id)]
        assert met == held
        for chunk in of_type:
            assert chunk.expected == sum(holds(chunk, doc_id) for doc_id in held) > 0


@given(planned=collections(), size=st.integers(1, 40), more=st.integers(0, 30), new_id=hex_ids)
def test_an_id_inserted_later_falls_into_exactly_one_range(
    planned: list[tuple[str, list[str]]], size: int, more: int, new_id: str
) -> None:
    chunks, _ = plan_ranges(in_batches(planned), size, len(planned) + more)
    for doc_type, held in planned:
        of_type = [chunk for chunk in chunks if chunk.docType == doc_type]
        places = [new_id, LOWEST_ID, "f" * 24, *(chunk.first for chunk in of_type)]
        for place in places if held else ():
            assert sum(holds(chunk, place) for chunk in of_type) == 1
        bounds = [(chunk.first, chunk.until) for chunk in of_type]
        assert all(until == following for (_, until), (following, _) in itertools.pairwise(bounds))


@given(planned=collections(), size=st.integers(1, 40))
def test_chunks_have_the_asked_size_as_long_as_there_may_be_so_many(
    planned: list[tuple[str, list[str]]], size: int
) -> None:
    chunks, _ = plan_ranges(in_batches(planned), size, 1_000)
    for doc_type, held in planned:
        sizes = [chunk.expected for chunk in chunks if chunk.docType == doc_type]
        whole, rest = divmod(len(held), size)
        assert sizes == [size] * whole + [rest] * bool(rest)


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [
        (4, 4, [1, 1, 1, 1]),
        (5, 4, [2, 2, 1]),
        (10, 4, [4, 4, 2]),
        (10, 1, [10]),
        (33, 4, [16, 16, 1]),
    ],
)
def test_the_size_doubles_until_the_chunks_are_few_enough(
    count: int, most: int, sizes: list[int]
) -> None:
    chunks, _ = plan_ranges(in_batches([("creator", ids(count))], 1), 1, most)
    assert [chunk.expected for chunk in chunks] == sizes


def test_a_collection_is_read_once_and_as_a_stream() -> None:
    read = 0

    def streamed() -> Iterator[list[str]]:
        nonlocal read
        ((_, batches),) = in_batches([("creator", ids(1_000))], 30)
        for batch in batches:
            read += len(batch)
            yield batch

    chunks, totals = plan_ranges(iter([("creator", streamed())]), 100, 1_000)
    assert (read, totals, len(chunks)) == (1_000, {"creator": 1_000}, 10)


def test_ranges_of_known_ids_are_spelled_out() -> None:
    planned = in_batches([("creator", ids(3)), ("project", []), ("third", ids(1))])
    chunks, totals = plan_ranges(planned, 2, 9)
    assert chunks == [
        RangeChunk(0, "creator", LOWEST_ID, hex_id(3), 2),
        RangeChunk(1, "creator", hex_id(3), None, 1),
        RangeChunk(2, "third", LOWEST_ID, None, 1),
    ]
    assert totals == {"creator": 3, "project": 0, "third": 1}


@given(count=st.integers(0, 2_000), size=st.integers(1, 2_500), most=st.integers(1, 50))
def test_slices_hold_every_id_once_in_its_order(count: int, size: int, most: int) -> None:
    given_ids = list(range(count))
    chunks = plan_slices("creator", count, size, most)
    met = [n for chunk in chunks for n in given_ids[chunk.offset : chunk.offset + chunk.expected]]
    assert met == given_ids
    assert len(chunks) <= most
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.expected > 0 and chunk.docType == "creator" for chunk in chunks)
    assert sum(chunk.expected for chunk in chunks) == count
    # The size that was asked for, or the smallest that gives few enough.
    fitting = max(size, math.ceil(count / most))
    assert all(chunk.expected == fitting for chunk in chunks[:-1])
    assert not chunks or chunks[-1].expected <= fitting
    assert len(chunks) == math.ceil(count / fitting)


@given(chunk=any_chunk)
def test_a_descriptor_is_small_and_stands_for_its_chunk(chunk: Chunk) -> None:
    travelled = json.dumps(descriptor_of(chunk))
    assert len(travelled.encode()) <= MOST_DESCRIPTOR_BYTES
    assert chunk_from(json.loads(travelled)) == chunk


@pytest.mark.parametrize(
    ("chunk", "label"),
    [
        (RangeChunk(0, "creator", LOWEST_ID, None, 7), "creator all (7)"),
        (RangeChunk(0, "creator", LOWEST_ID, "b" * 24, 7), f"creator up to {'b' * 24} (7)"),
        (RangeChunk(1, "project", "a" * 24, "b" * 24, 7), f"project {'a' * 24}–{'b' * 24} (7)"),
        (RangeChunk(2, "project", "b" * 24, None, 7), f"project from {'b' * 24} on (7)"),
        (SliceChunk(0, "all", 500, 20), "all ids 501–520"),
        (RedriveChunk(0, "creator", 12, 3), "creator again: chunk 12 (3)"),
    ],
)
def test_a_chunk_is_named_by_what_it_holds(chunk: Chunk, label: str) -> None:
    assert chunk.label == label
