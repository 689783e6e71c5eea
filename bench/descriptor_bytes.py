"""The largest chunk descriptor in XCom, of every kind of run."""

from __future__ import annotations

import json

from bench.figures import Figure, Goal, Spread
from reindex.chunks import Chunk, RangeChunk, RedriveChunk, SliceChunk, descriptor_of
from reindex.doc_types import ALL, DOC_TYPES

COMMAND = "python -m bench.descriptor_bytes"
GOAL = Goal(200, at_most=True)
MOST_CHUNKS, MOST_DOCUMENTS = 1024, 1_000_000_000
HIGHEST_ID = "f" * 24


def measure() -> list[Figure]:
    """One figure a kind of run, with the largest values that it can hold."""
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
