"""The read side alone: from Mongo's pages to bodies that are ready, and none of them posted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pymongo import MongoClient

from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.generated_mongo import generated_mongo
from bench.operator_run import connections
from bench.source_data import seeded_mongo
from reindex.chunks import LOWEST_ID, RangeChunk
from reindex.doc_types import PROJECT
from reindex.garbage_collection import quiet_garbage_collector
from reindex.hooks.source import PAGE_SIZE, SourceHook
from reindex.ledger import ChunkLedger
from reindex.payloads import IndexRequest
from reindex.reading import pages_of
from reindex.work import Work
from sandbox.seed import DATABASE

COMMAND = "python -m bench.read_side"
GOAL = Goal(0.7)
GENERATED, EMBEDDED = 50_000, 10_000
FIELDS = ["_id", "updatedAt", *PROJECT.fields]


def measure(repetitions: int = REPETITIONS) -> list[Figure]:
    """
    From a Mongo that costs next to nothing, and from one that costs more than either reader.

    The generated one shows what the reader's own work is worth: it answers faster than any
    database could. With the embedded one both readers mostly wait.
    """
    with generated_mongo(projects=GENERATED) as uri:
        generated = _figure("generated Mongo", uri, GENERATED, repetitions)
    with seeded_mongo(EMBEDDED) as mongo:
        embedded = _figure("embedded Mongo", mongo.uri, EMBEDDED, repetitions)
    return [generated, embedded]


def _figure(source: str, uri: str, documents: int, repetitions: int) -> Figure:
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    # The target is never posted to.
    with connections(uri, "http://127.0.0.1:9"), client:
        sides: dict[str, Callable[[], float]] = {
            "read side": partial(_quietly, partial(_built, documents), documents),
            "bare": partial(_quietly, partial(_read, client), documents),
            "bare, stock": partial(_seconds, partial(_read, client), documents),
        }
        seconds = interleaved(sides, repetitions)
    return Figure(
        f"docs/s, pages → payloads, not posted ÷ bare pymongo cursor, same projection ({source})",
        ratios(seconds["bare"], seconds["read side"]),
        GOAL,
        COMMAND,
        remark=f"{_rate(seconds['read side'], documents)} and "
        f"{_rate(seconds['bare'], documents)} docs/s, both with the operator's quiet garbage "
        f"collector; a bare cursor with the stock one {_rate(seconds['bare, stock'], documents)}",
    )


def _built(documents: int) -> int:
    work = Work.of_range(RangeChunk(0, PROJECT.name, LOWEST_ID, None, documents))
    with SourceHook() as source:
        pages = pages_of(source, work, ChunkLedger(0), None)
        return sum(isinstance(item, IndexRequest) for page in pages for item in page.items)


def _read(client: MongoClient[dict[str, Any]]) -> int:
    projects = client[DATABASE][PROJECT.collection]
    found = projects.find({}, FIELDS, sort=[("_id", 1)], batch_size=PAGE_SIZE)
    return sum("_id" in each for each in found)


def _quietly(work: Callable[[], int], documents: int) -> float:
    with quiet_garbage_collector():
        return _seconds(work, documents)


def _seconds(work: Callable[[], int], documents: int) -> float:
    started = time.perf_counter()
    read = work()
    seconds = time.perf_counter() - started
    if read != documents:
        raise RuntimeError(f"{read} documents were read, not {documents}")
    return seconds


def _rate(seconds: Sequence[float], documents: int) -> str:
    return f"{documents / Spread.of(seconds).median:,.0f}"


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
