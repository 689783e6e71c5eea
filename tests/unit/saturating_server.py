"""
A server with a knee on the virtual clock, and the real indexer posting to it.

The queue is the one of the bench's target server: so many requests are worked off at once, the
others wait in line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from bench.target_server import Timing
from reindex.answers import INDEXED, Answer
from reindex.delivery import PostPolicy
from reindex.indexer import Indexer
from reindex.pages import Page
from tests.unit.builders import Clock, a_ledger, a_request, ids

MOST_IN_FLIGHT = 1024
LATENCY = 0.0005
PAGE = 500


@dataclass(frozen=True)
class Run:
    """What a client met: answers a second, their latencies, and how many were in flight."""

    rate: float
    latencies: list[float]
    in_flight: list[int]

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[len(self.latencies) * 99 // 100]


@dataclass
class SaturatingServer:
    """
    Answers on the virtual clock.

    :param connect: seconds more that the first request of each connection takes
    :param events: number of a request → what happens to the server before it
    """

    knee: int
    service: float = 0.01
    jitter: float = 0.0
    connect: float = 0.0
    events: dict[int, Callable[[SaturatingServer], None]] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._timing = Timing(LATENCY, self.knee, self.service, self.jitter)
        self._latencies: list[float] = []
        self._in_flight: list[int] = []
        self._posted = self._busy = self._connections = 0

    def becomes(self, knee: int, service: float) -> None:
        """From now on so many at a time take so long, as after a deployment."""
        self._timing = Timing(LATENCY, knee, service, self.jitter)

    def pauses(self, seconds: float) -> None:
        """Nothing is begun or ended for so long, as while garbage is collected."""
        busy = (max(at, self.clock.now) + seconds for at in self._timing._free_at)
        self._timing._free_at = sorted(busy)

    async def post(self, _body: bytes) -> Answer:
        self._posted += 1
        if self._posted in self.events:
            self.events[self._posted](self)
        sent = self.clock.now
        self._busy += 1
        if self._busy > self._connections:
            self._connections = self._busy
            await asyncio.sleep(self.connect)
        await asyncio.sleep(self._timing.answer_at(self.clock.now) - self.clock.now)
        self._busy -= 1
        self._latencies.append(self.clock.now - sent)
        return INDEXED

    def indexed(self, documents: int, most_in_flight: int = MOST_IN_FLIGHT) -> Run:
        """The package's indexer finds its limit itself."""
        policy = PostPolicy("the model", most_in_flight, None, 0, 0)
        indexer = Indexer(policy, a_ledger(documents), _no_checkpoint, lambda *_: None)

        async def post(body: bytes) -> Answer:
            self._in_flight.append(indexer.in_flight_limit)
            return await self.post(body)

        return self._run(documents, indexer.run(_pages(documents), post))

    def met_by_loops(self, documents: int, in_flight: int) -> Run:
        """A fixed number of loops, which is what the adaptive limit is held against."""
        left = iter(range(documents))

        async def loop() -> None:
            for _ in left:
                self._in_flight.append(in_flight)
                await self.post(b"")

        async def loops() -> None:
            await asyncio.gather(*(loop() for _ in range(in_flight)))

        return self._run(documents, loops())

    def _run(self, documents: int, work: Coroutine[Any, Any, object]) -> Run:
        began = self.clock.now
        self.clock.run(work)
        return Run(documents / (self.clock.now - began), self._latencies, self._in_flight)


async def _pages(documents: int) -> AsyncIterator[Page]:
    for start in range(1, documents + 1, PAGE):
        some = ids(min(PAGE, documents + 1 - start), start)
        yield Page([a_request(doc_id) for doc_id in some], some)


async def _no_checkpoint(_ledger: object) -> None: ...
