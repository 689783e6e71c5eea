"""
What a run tells Airflow's metrics: StatsD, DogStatsD or OpenTelemetry, as the deployment has it.

Document type and outcome stand in a metric's name, where every one of them can hold them, and in
its tags. A chunk speaks about once a second, whatever it posts.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from reindex.answers import Answer
from reindex.delivery import Post
from reindex.indexer import Indexer
from reindex.ledger import ChunkLedger, Counts

TELL_SECONDS = 1.0
COUNTER, GAUGE, TIMER = "counter", "gauge", "timer"


@dataclass(frozen=True)
class Metric:
    """``name`` as Airflow gets it; its prefix (``airflow.``) is Airflow's own."""

    name: str
    kind: str
    unit: str
    help: str


DOCUMENTS = Metric(
    "reindex.documents.{doc_type}.{outcome}",
    COUNTER,
    "documents",
    "what became of them, as it does",
)
REQUESTS = Metric("reindex.requests", COUNTER, "requests", "posts to the Discovery API")
RETRIES = Metric("reindex.retries", COUNTER, "requests", "those among them that repeat another")
LATENCY_P50 = Metric(
    "reindex.latency.p50", TIMER, "ms", "of the requests of a chunk's last second, the median"
)
LATENCY_P99 = Metric("reindex.latency.p99", TIMER, "ms", "and the slowest hundredth")
IN_FLIGHT_LIMIT = Metric(
    "reindex.in_flight_limit",
    GAUGE,
    "requests",
    "of the chunk that spoke last: what it found bearable",
)
CHUNK_DURATION = Metric(
    "reindex.chunk.duration", TIMER, "ms", "one attempt of a chunk, however it ended"
)
DRIFT = Metric(
    "reindex.drift.{doc_type}", GAUGE, "share", "of a full run: how much of the index was stale"
)
METRICS = (
    DOCUMENTS, REQUESTS, RETRIES, LATENCY_P50, LATENCY_P99, IN_FLIGHT_LIMIT, CHUNK_DURATION, DRIFT,
)  # fmt: skip
# Outcome in a metric's name → column of the ledger.
OUTCOMES = {
    "indexed": "indexed",
    "ignored": "ignored",
    "unchanged": "unchanged",
    "missing": "missing",
    "failed": "failed",
}
NOT_REACHED = "not_reached"


@dataclass
class ChunkMeter:
    """Tells what is new since it last spoke, of one attempt of a chunk."""

    indexer: Indexer
    _told: ChunkLedger = field(init=False)
    _retries: int = 0
    _seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._told = self.indexer.ledger

    def timed(self, post: Post) -> Post:
        """The same, with a note of how long each request took."""

        async def timed_post(body: bytes) -> Answer:
            sent = time.monotonic()
            try:
                return await post(body)
            finally:
                self._seconds.append(time.monotonic() - sent)

        return timed_post

    @asynccontextmanager
    async def speaking(self) -> AsyncIterator[None]:
        """Tell every second while the chunk is being posted, and how long that took at the end."""
        from airflow.sdk.observability import stats

        began = time.monotonic()
        speaking = asyncio.create_task(self._tell_now_and_then())
        try:
            yield
        finally:
            speaking.cancel()
            self.tell()
            stats.timing(CHUNK_DURATION.name, timedelta(seconds=time.monotonic() - began))

    async def _tell_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            self.tell()

    def tell(self) -> None:
        from airflow.sdk.observability import stats

        ledger, retries = self.indexer.ledger, self.indexer.retries
        _count_documents(self._told.counts, ledger.counts)
        if ledger.requests > self._told.requests:
            stats.incr(REQUESTS.name, ledger.requests - self._told.requests)
        if retries > self._retries:
            stats.incr(RETRIES.name, retries - self._retries)
        self._told, self._retries = ledger, retries
        stats.gauge(IN_FLIGHT_LIMIT.name, self.indexer.in_flight_limit)
        seconds, self._seconds = self._seconds, []
        if seconds:
            stats.timing(LATENCY_P50.name, timedelta(seconds=_percentile(seconds, 50)))
            stats.timing(LATENCY_P99.name, timedelta(seconds=_percentile(seconds, 99)))


def tell_not_reached(result: Mapping[str, Any]) -> None:
    """
    Which only the report knows.

    :param result: of :func:`reindex.verdict.run_result`
    """
    for doc_type, row in result["docTypes"].items():
        if row["notReached"] > 0:
            _count(doc_type, NOT_REACHED, row["notReached"])


def tell_drift(result: Mapping[str, Any]) -> None:
    """Of a full run that succeeded."""
    from airflow.sdk.observability import stats

    for doc_type, row in result["docTypes"].items():
        if taken := row["indexed"] + row["ignored"]:
            name = DRIFT.name.format(doc_type=doc_type)
            stats.gauge(name, row["indexed"] / taken, tags={"doc_type": doc_type})


def _count_documents(before: Mapping[str, Counts], now: Mapping[str, Counts]) -> None:
    for doc_type, counts in now.items():
        told = before.get(doc_type, Counts())
        for outcome, column in OUTCOMES.items():
            # Below zero when a document that failed was tried again: no counter takes that back.
            if (more := getattr(counts, column) - getattr(told, column)) > 0:
                _count(doc_type, outcome, more)


def _count(doc_type: str, outcome: str, documents: int) -> None:
    from airflow.sdk.observability import stats

    name = DOCUMENTS.name.format(doc_type=doc_type, outcome=outcome)
    stats.incr(name, documents, tags={"doc_type": doc_type, "outcome": outcome})


def _percentile(seconds: list[float], percent: int) -> float:
    return sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1]
