"""The read side alone: from Mongo's pages to bodies that are ready, and none of them posted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import msgspec
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
from reindex.pages import Page
from reindex.payloads import IndexRequest
from reindex.reading import pages_of
from reindex.work import Work
from sandbox.seed import DATABASE

COMMAND = "python -m bench.read_side"
GOAL = Goal(0.7)
GENERATED, EMBEDDED = 50_000, 10_000
READ_SIDE = "pages → payloads, not posted"
BARE = "bare pymongo cursor"
WITH_OWNERS = "bare pymongo cursors, the joined owners' too"
IN_C = "these cursors and the encoding of payloads that are there already"
FIELDS = ["_id", "updatedAt", *PROJECT.fields]
(OWNER,) = PROJECT.joins
OWNER_FIELDS = ["_id", "updatedAt", *OWNER.fields]


def measure(
    generated: int = GENERATED, embedded: int = EMBEDDED, repetitions: int = REPETITIONS
) -> list[Figure]:
    """
    From a Mongo that costs next to nothing, and from one that costs more than either reader.

    The generated one shows what the reader's own work is worth: it answers faster than any
    database could. With the embedded one all readers mostly wait. All have the operator's quiet
    garbage collector.

    ``IN_C`` does only what is done in C whoever builds the payloads: decode both documents and
    encode the body. It is what the read side would come to if its own Python took no time.
    """
    with generated_mongo(projects=generated) as uri:
        figures = _figures("generated Mongo", uri, generated, GOAL, repetitions)
    with seeded_mongo(embedded) as mongo:
        return figures + _figures("embedded Mongo", mongo.uri, embedded, None, repetitions)


def _figures(
    source: str, uri: str, documents: int, goal: Goal | None, repetitions: int
) -> list[Figure]:
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    sides: dict[str, Callable[[], float]] = {
        READ_SIDE: partial(_seconds, partial(_built, documents), documents),
        BARE: partial(_seconds, partial(_read, client), documents),
        WITH_OWNERS: partial(_seconds, partial(_read_with_owners, client), documents),
    }
    # The target is never posted to.
    with connections(uri, "http://127.0.0.1:9"), client, quiet_garbage_collector():
        bodies = _ready_bodies(documents)
        sides[IN_C] = partial(_seconds, partial(_read_and_encoded, client, bodies), documents)
        seconds = interleaved(sides, repetitions)
    compared = [(READ_SIDE, BARE, goal), (READ_SIDE, WITH_OWNERS, None), (IN_C, BARE, None)]
    return [
        Figure(
            f"docs/s, {side} ÷ {bare}, same projection ({source})",
            ratios(seconds[bare], seconds[side]),
            to_reach,
            COMMAND,
            remark=f"{_rate(seconds[side], documents)} and "
            f"{_rate(seconds[bare], documents)} docs/s",
        )
        for side, bare, to_reach in compared
    ]


def _pages(documents: int) -> Iterator[Page]:
    work = Work.of_range(RangeChunk(0, PROJECT.name, LOWEST_ID, None, documents))
    with SourceHook() as source:
        yield from pages_of(source, work, ChunkLedger(0), None)


def _built(documents: int) -> int:
    return sum(isinstance(item, IndexRequest) for page in _pages(documents) for item in page.items)


def _ready_bodies(documents: int) -> list[object]:
    """A page's bodies as objects; another page's differ in nothing that takes time."""
    requests = (item for item in next(_pages(documents)).items if isinstance(item, IndexRequest))
    return [msgspec.json.decode(request.body) for request in requests]


def _read(client: MongoClient[dict[str, Any]]) -> int:
    projects = client[DATABASE][PROJECT.collection]
    found = projects.find({}, FIELDS, sort=[("_id", 1)], batch_size=PAGE_SIZE)
    return sum("_id" in each for each in found)


def _pages_with_owners(client: MongoClient[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    database = client[DATABASE]
    found = database[PROJECT.collection].find({}, FIELDS, sort=[("_id", 1)], batch_size=PAGE_SIZE)
    while page := list(islice(found, PAGE_SIZE)):
        owners = list({project[OWNER.local_field] for project in page})
        list(database[OWNER.collection].find({"_id": {"$in": owners}}, OWNER_FIELDS))
        yield page


def _read_with_owners(client: MongoClient[dict[str, Any]]) -> int:
    return sum(map(len, _pages_with_owners(client)))


def _read_and_encoded(client: MongoClient[dict[str, Any]], bodies: Sequence[object]) -> int:
    encode = msgspec.json.Encoder().encode
    return sum(
        len([encode(body) for body in islice(bodies, len(page))])
        for page in _pages_with_owners(client)
    )


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
