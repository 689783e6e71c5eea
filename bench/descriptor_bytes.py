"""The largest chunk descriptor in XCom of every kind of run; the whole list by the run's size."""

from __future__ import annotations

import json

from bench.figures import Figure, Goal, Spread
from reindex.chunks import (
    Chunk,
    RangeChunk,
    RedriveChunk,
    SliceChunk,
    descriptor_of,
    plan_ranges,
)
from reindex.conf import DEFAULT_CHUNK_SIZE
from reindex.doc_types import ALL, DOC_TYPES
from reindex.ledger import ChunkLedger, Counts

COMMAND = "python -m bench.descriptor_bytes"
GOAL = Goal(200, at_most=True)
MOST_CHUNKS, MOST_DOCUMENTS = 1024, 1_000_000_000
MOST_CHUNK_SIZE = 10_000_000  # that a conf may ask for
HIGHEST_ID = "f" * 24
# Every mapped task pulls the whole list: it is bounded, whatever the number of documents.
LIST_GOAL = Goal(GOAL.bound * MOST_CHUNKS, at_most=True)
SIZES = tuple(10**power for power in range(4, 10))


def measure() -> list[Figure]:
    """One figure a kind of run, with the largest values that it can hold, the list, a ledger."""
    return [*_descriptor_figures(), _list_figure(), _ledger_figure()]


def _descriptor_figures() -> list[Figure]:
    return [
        Figure(
            f"a chunk descriptor in XCom, {kind}",
            Spread.of([max(xcom_bytes(chunk) for chunk in chunks)]),
            GOAL,
            COMMAND,
            unit="bytes",
            digits=0,
        )
        for kind, chunks in largest().items()
    ]


def _list_figure() -> Figure:
    by_size = {documents: list_bytes(documents) for documents in SIZES}
    shown = ", ".join(f"{documents:.0e}: {each:,}" for documents, each in by_size.items())
    return Figure(
        f"bytes of the plan's list, which each mapped task pulls, at most {MOST_CHUNKS} chunks",
        Spread.of([max(by_size.values())]),
        LIST_GOAL,
        COMMAND,
        unit="bytes",
        digits=0,
        remark=f"by documents, {shown}".replace("e+0", "e"),
    )


def _ledger_figure() -> Figure:
    return Figure(
        "what a chunk without failures returns in XCom, full run, any size",
        Spread.of([len(json.dumps(clean_ledger().to_json()))]),
        GOAL,
        COMMAND,
        unit="bytes",
        digits=0,
        remark="each failure adds to it. Airflow adds the link to the report, some 100 bytes",
    )


def clean_ledger() -> ChunkLedger:
    """The largest that a chunk of a full run can leave when every document was taken."""
    half = MOST_CHUNK_SIZE // 2
    counts = Counts(expected=2 * half, fetched=2 * half, indexed=half, ignored=half)
    return ChunkLedger(
        index=MOST_CHUNKS - 1,
        counts={max(DOC_TYPES, key=len): counts},
        requests=2 * half,
        position=HIGHEST_ID,
        complete=True,
        started=1_790_000_000.123456,
        ended=1_790_003_600.654321,
    )


def list_bytes(documents: int) -> int:
    """What the plan of so many documents of one type returns, as XCom keeps it."""
    # Of 24 digits, as ids are; a range holds none of them.
    ids = range(10**23, 10**23 + documents)
    chunks, _ = plan_ranges([("project", [ids])], DEFAULT_CHUNK_SIZE, MOST_CHUNKS)
    return len(json.dumps([descriptor_of(chunk) for chunk in chunks]))


def largest() -> dict[str, list[Chunk]]:
    """The largest descriptors of each kind of run, whatever its document type."""
    last, most = MOST_CHUNKS - 1, MOST_DOCUMENTS
    names = (*DOC_TYPES, ALL)
    return {
        "full run": [RangeChunk(last, name, HIGHEST_ID, HIGHEST_ID, most) for name in names],
        "run with ids": [SliceChunk(last, name, most, most) for name in names],
        "redrive": [RedriveChunk(last, name, last, most) for name in names],
    }


def xcom_bytes(chunk: Chunk) -> int:
    """As Airflow keeps plain JSON in XCom, with the comma that sets it apart in the plan's list."""
    return len(json.dumps([descriptor_of(chunk)])) - len("[]") + len(", ")


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
