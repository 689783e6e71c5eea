"""
Pure: ids → chunks. A chunk descriptor is small and constant, because every mapped task fetches
the whole list of them: a range of ids, or an offset and a count, never ids.

A full run's ranges are half open, ``first <= _id < until``, and lie without a gap from the
smallest ObjectId to no end at all: whatever is inserted while the run goes on falls into one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

LOWEST_ID = "0" * 24


@dataclass(frozen=True)
class RangeChunk:
    """Every document of a type with ``first <= _id < until`` (``None``: no end)."""

    index: int
    docType: str  # noqa: N815 - descriptors travel as JSON, in the platform's spelling
    first: str
    until: str | None
    expected: int

    @property
    def label(self) -> str:
        if self.first == LOWEST_ID:
            span = f"up to {self.until}" if self.until else "all"
        else:
            span = f"{self.first}–{self.until}" if self.until else f"from {self.first} on"
        return f"{self.docType} {span} ({self.expected})"


@dataclass(frozen=True)
class SliceChunk:
    """``expected`` ids of the conf's ``docIds``, from ``offset`` on."""

    index: int
    docType: str  # noqa: N815
    offset: int
    expected: int

    @property
    def label(self) -> str:
        return f"{self.docType} ids {self.offset + 1}–{self.offset + self.expected}"


@dataclass(frozen=True)
class RedriveChunk:
    """What chunk ``source`` of the run that is driven again left undone."""

    index: int
    docType: str  # noqa: N815
    source: int
    expected: int

    @property
    def label(self) -> str:
        return f"{self.docType} again: chunk {self.source} ({self.expected})"


Chunk = RangeChunk | SliceChunk | RedriveChunk


def chunk_from(descriptor: Mapping[str, object]) -> Chunk:
    """The chunk that a descriptor stands for; the inverse of :func:`descriptor_of`."""
    if "first" in descriptor:
        return RangeChunk(**descriptor)  # type: ignore[arg-type]
    if "offset" in descriptor:
        return SliceChunk(**descriptor)  # type: ignore[arg-type]
    return RedriveChunk(**descriptor)  # type: ignore[arg-type]


def descriptor_of(chunk: Chunk) -> dict[str, object]:
    """What travels by XCom: a flat JSON object, below 200 bytes."""
    return asdict(chunk)


def plan_slices(doc_type: str, count: int, size: int, most: int) -> list[SliceChunk]:
    """Slices of ``size`` over ``count`` ids; larger ones when there would be more than ``most``."""
    size = max(size, -(-count // most))
    return [
        SliceChunk(index, doc_type, offset, min(size, count - offset))
        for index, offset in enumerate(range(0, count, size))
    ]


def plan_ranges(
    ids: Iterable[tuple[str, Iterable[Sequence[object]]]], size: int, most: int
) -> tuple[list[RangeChunk], dict[str, int]]:
    """
    Ranges over the ids of each document type, in one pass and constant memory.

    :param ids: document type → batches of its ids, ascending; only where a range begins is an id
        looked at, and written as text
    :param size: documents a chunk; doubled as often as needed to stay within ``most`` chunks
    :param most: the most chunks that the run may have; at least one a document type
    :return: the chunks, and how many ids each document type had
    """
    planned: list[tuple[str, list[_Cut]]] = []
    for doc_type, batches in ids:
        cuts: list[_Cut] = []
        planned.append((doc_type, cuts))
        for batch in batches:
            at = 0
            while at < len(batch):
                if not cuts or cuts[-1].count >= size:
                    cuts.append(_Cut(str(batch[at])))
                    if sum(len(each) for _, each in planned) > most:
                        size *= 2
                        for _, each in planned:
                            each[:] = _merged_in_pairs(each)
                taken = min(size - cuts[-1].count, len(batch) - at)
                cuts[-1].count += taken
                at += taken
    chunks = [chunk for doc_type, cuts in planned for chunk in _ranges(doc_type, cuts)]
    totals = {doc_type: sum(cut.count for cut in cuts) for doc_type, cuts in planned}
    return [replace(chunk, index=index) for index, chunk in enumerate(chunks)], totals


@dataclass
class _Cut:
    """Where a range starts, and how many ids it holds so far."""

    first: str
    count: int = 0


def _merged_in_pairs(cuts: Sequence[_Cut]) -> list[_Cut]:
    return [
        _Cut(pair[0].first, sum(cut.count for cut in pair))
        for pair in (cuts[at : at + 2] for at in range(0, len(cuts), 2))
    ]


def _ranges(doc_type: str, cuts: Sequence[_Cut]) -> Iterator[RangeChunk]:
    for place, cut in enumerate(cuts):
        first = cut.first if place else LOWEST_ID
        until = cuts[place + 1].first if place + 1 < len(cuts) else None
        yield RangeChunk(0, doc_type, first, until, cut.count)
