"""
The adaptive limit against the best fixed number in flight, on servers that saturate at a knee.

A figure of issue 6. ``python -m bench.knee --jitter 0.5`` lets the service times vary.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial

from yarl import URL

from bench.bare_loops import HEADERS
from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.target import PATH, running_target
from reindex.answers import Answer
from reindex.delivery import PostPolicy
from reindex.hooks.discovery import DiscoverySession
from reindex.hooks.keep_alive import KeepAlivePosts
from reindex.indexer import Indexer
from reindex.ledger import ChunkLedger
from reindex.pages import Page
from reindex.payloads import IndexRequest

COMMAND = "python -m bench.knee"
RATE_GOAL, LATENCY_GOAL = Goal(0.95), Goal(1.5, at_most=True)
PAGE = 500
TIMEOUT_SECONDS = 30.0
MOST_IN_FLIGHT = 1024
# Beside the knee itself: the way between client and server is not in the service time.
FIXED_AS_SHARE_OF_KNEE = (1.0, 1.5)
BODY = b'{"docType":"project","docId":"65a000000000000000000001","payload":{"title":"%s"}}' % (
    b"x" * 280
)


@dataclass(frozen=True)
class Server:
    """``knee`` requests are worked off at once, each in ``service_ms``."""

    knee: int
    service_ms: float
    documents: int


# The adaptive side works ten seconds, as a chunk should hold at least, and its ramp counts.
SERVERS = (
    Server(4, 5, 8_000),
    Server(8, 10, 8_000),
    Server(32, 20, 16_000),
    Server(128, 50, 25_600),
)
# A fixed number in flight has no ramp: a part of the documents says as much.
FIXED_PART = 3


@dataclass(frozen=True)
class Run:
    """Documents a second, and the 99th percentile of the answers' latency in seconds."""

    rate: float
    p99: float


def measure(
    jitter: float = 0.0, repetitions: int = REPETITIONS, servers: Sequence[Server] = SERVERS
) -> list[Figure]:
    """Two figures a server; one chunk with the highest ``maxInFlight`` that a conf may ask for."""
    return [figure for each in servers for figure in _measured(each, jitter, repetitions)]


def _measured(server: Server, jitter: float, repetitions: int) -> list[Figure]:
    fixed = {round(server.knee * share): f"{share:g}" for share in FIXED_AS_SHARE_OF_KNEE}
    options = ("--knee", server.knee, "--service-ms", server.service_ms, "--jitter", jitter)
    with running_target(*map(str, options)) as target:
        sides = {
            str(limit): partial(fixed_run, target, server.documents // FIXED_PART, limit)
            for limit in fixed
        }
        runs = interleaved(
            {"adaptive": partial(adaptive_run, target, server.documents), **sides}, repetitions
        )
    return _compared(server, jitter, runs["adaptive"], {n: runs[str(n)] for n in fixed})


def _compared(
    server: Server, jitter: float, adaptive: Sequence[Run], fixed: dict[int, list[Run]]
) -> list[Figure]:
    best = max(fixed, key=lambda limit: Spread.of([r.rate for r in fixed[limit]]).median)
    where = f"knee {server.knee}" + (f", jitter {jitter:g}" if jitter else "")
    rates = Spread.of([r.rate for r in adaptive]), Spread.of([r.rate for r in fixed[best]])
    waits = Spread.of([r.p99 for r in adaptive]), Spread.of([r.p99 for r in fixed[server.knee]])
    return [
        Figure(
            f"docs/s, adaptive limit ÷ best fixed one ({where})",
            ratios([r.rate for r in adaptive], [r.rate for r in fixed[best]]),
            RATE_GOAL,
            COMMAND,
            remark=f"{rates[0].median:,.0f} and {rates[1].median:,.0f} docs/s with {best}",
        ),
        Figure(
            f"p99, adaptive limit ÷ fixed at the knee ({where})",
            ratios([r.p99 for r in adaptive], [r.p99 for r in fixed[server.knee]]),
            LATENCY_GOAL,
            COMMAND,
            remark=f"{1000 * waits[0].median:.1f} and {1000 * waits[1].median:.1f} ms",
        ),
    ]


def fixed_run(target: str, documents: int, in_flight: int) -> Run:
    """So many plain loops."""
    return asyncio.run(_fixed(target, documents, in_flight))


def adaptive_run(target: str, documents: int) -> Run:
    """The package's indexer, which finds its limit itself."""
    return asyncio.run(_adaptive(target, documents))


async def _fixed(target: str, documents: int, in_flight: int) -> Run:
    waits: list[float] = []
    async with _posts(target) as posts:
        post = _Timed(DiscoverySession(posts.post), waits)
        left = iter(range(documents))

        async def loop() -> None:
            for _ in left:
                await post(BODY)

        started = time.perf_counter()
        await asyncio.gather(*(loop() for _ in range(in_flight)))
        return _run(documents, started, waits)


async def _adaptive(target: str, documents: int) -> Run:
    waits: list[float] = []
    policy = PostPolicy("the target", MOST_IN_FLIGHT, None, 0, 0)
    indexer = Indexer(policy, ChunkLedger(0), _no_checkpoint, lambda item, result: None)
    async with _posts(target) as posts:
        post = _Timed(DiscoverySession(posts.post), waits)
        started = time.perf_counter()
        await indexer.run(_pages(documents), post)
        return _run(documents, started, waits)


def _run(documents: int, started: float, waits: list[float]) -> Run:
    rate = documents / (time.perf_counter() - started)
    return Run(rate, sorted(waits)[len(waits) * 99 // 100])


def _posts(target: str) -> KeepAlivePosts:
    return KeepAlivePosts(URL(target + PATH), HEADERS, TIMEOUT_SECONDS)


class _Timed:
    """Posts, and keeps how long each answer took."""

    def __init__(self, session: DiscoverySession, waits: list[float]) -> None:
        self._session, self._waits = session, waits

    async def __call__(self, body: bytes) -> Answer:
        sent = time.perf_counter()
        answer = await self._session.post(body)
        self._waits.append(time.perf_counter() - sent)
        return answer


async def _pages(documents: int) -> AsyncIterator[Page]:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for start in range(0, documents, PAGE):
        ids = [f"{number:024x}" for number in range(start, min(start + PAGE, documents))]
        yield Page([IndexRequest("project", doc_id, at, BODY) for doc_id in ids], ids)


async def _no_checkpoint(ledger: ChunkLedger) -> None: ...


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.knee", description=__doc__)
    parser.add_argument("--jitter", type=float, default=0.0, help="of the service times: sigma")
    jitter = parser.parse_args().jitter
    for server in SERVERS:
        for figure in measure(jitter, servers=[server]):
            print(figure.line(), flush=True)
