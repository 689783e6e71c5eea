"""
asyncio: pages in, posts out with a bounded number in flight, a ledger back. No Airflow in here.

Workers take one request after the other from the pages; as many of them run as the in-flight
limit allows. What a page's items came to is folded into the ledger in the pages' order, so that
the ledger's position is always a place up to which everything is accounted for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from reindex.answers import Reason
from reindex.delivery import Delivery, Post, Posting, PostPolicy
from reindex.errors import LedgerImbalance, ReindexError, TooManyFailures
from reindex.folding import Result, settled
from reindex.ledger import ChunkLedger, Failure
from reindex.open_pages import OpenPage, OpenPages
from reindex.pages import Item, Page
from reindex.payloads import IndexRequest

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 1.0
CANCEL_AGAIN_SECONDS = 0.1

Checkpoint = Callable[[ChunkLedger], Awaitable[None]]
OnResult = Callable[[Item, Result], None]


@dataclass
class Indexer:
    """
    Indexes the pages of one chunk.

    :param ledger: what earlier attempts of the chunk are accountable for
    :param failed_before: documents whose failing again is no news: neither does it make the chunk
        give up, nor does it speak against the service, or a few bad ones would keep the chunk from
        ever getting to those behind them
    :param checkpoint: called about once a second with the ledger so far
    :param on_result: called with each item and what it came to
    """

    policy: PostPolicy
    ledger: ChunkLedger
    checkpoint: Checkpoint
    on_result: OnResult
    failed_before: frozenset[str] = frozenset()
    _ready: deque[Posting] = field(default_factory=deque)
    _aside: deque[Posting] = field(default_factory=deque)
    _open: OpenPages = field(default_factory=OpenPages)
    _workers: set[asyncio.Task[None]] = field(default_factory=set)
    _stop: ReindexError | None = None
    _exhausted: bool = False
    _requests: int = 0  # those that are in the ledger
    _failures: int = 0
    _refused: int = 0
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def in_flight_limit(self) -> int:
        """How many requests may be in flight now; only while it runs, and afterwards."""
        return self._delivery.limit.limit

    @property
    def retries(self) -> int:
        """How many posts were not a document's first; only while it runs, and afterwards."""
        return self._delivery.retries

    async def run(self, pages: AsyncIterator[Page], post: Post) -> ChunkLedger:
        """
        Post everything.

        :raises AuthRefused, ServiceUnavailable, TooManyFailures: after folding what was settled
            into :attr:`ledger`, which holds good whatever is raised
        :raises LedgerImbalance: a document that was read came to no result
        """
        self._delivery = Delivery(self.policy, post, self._give_up, self.failed_before)
        self._pages = pages
        self._loading, self._stopping = asyncio.Lock(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._stop is not None:
            raise self._stop
        saving = asyncio.create_task(self._save_now_and_then())
        try:
            self._employ()
            await self._all_workers_done()
        finally:
            await _ended({saving, *self._workers})
            self._fold(also_begun=True)
        self._stop = self._stop or self._delivery.took_none()
        if self._stop is None and (left := self._open.unsettled):
            # Whoever counts the range again counts up to the ledger's position, and not these.
            self._stop = LedgerImbalance(f"{left} documents were read and came to no result")
        if self._stop is not None:
            raise self._stop
        return self.ledger

    async def _all_workers_done(self) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while self._workers and not self._stopping.is_set():
                done, _ = await asyncio.wait(
                    {*self._workers, stopping}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done - {stopping}:
                    self._workers.discard(task)
                    task.result()
        finally:
            stopping.cancel()

    def _employ(self) -> None:
        more = 0 if self._exhausted else self._delivery.limit.limit - len(self._workers)
        for number in range(more):
            wait = self._delivery.limit.latency * (number + 1) / (more + 1)
            self._workers.add(asyncio.create_task(self._work(wait)))

    async def _work(self, wait: float) -> None:
        me = asyncio.current_task()
        assert me is not None
        if wait:
            await asyncio.sleep(wait)
        while len(self._workers) <= self._delivery.limit.limit:
            document = await self._next()
            if document is None:
                break
            result = await self._delivery.posted(document)
            if result is None:
                self._aside.append(document)
            else:
                self._settle(document.place, document.page, document.request, result)
            self._employ()
        # At once: were it counted among the workers, the last one might leave what is put aside.
        self._workers.discard(me)

    async def _next(self) -> Posting | None:
        """
        The next document to post. One that was put aside has its turn again as soon as another
        got through, and at the end.
        """
        while not self._stopping.is_set():
            if self._aside and self._delivery.answered_since(self._aside[0].first_sent):
                return self._aside.popleft()
            if self._ready:
                return self._ready.popleft()
            async with self._loading:
                if self._exhausted and not self._ready:
                    return self._aside.popleft() if self._aside else None
                if not self._ready:
                    await self._load()
        return None

    async def _load(self) -> None:
        page = await anext(self._pages, None)
        if page is None:
            self._exhausted = True
            return
        opened = self._open.add(page)
        for place, item in enumerate(page.items):
            if isinstance(item, IndexRequest):
                self._ready.append(Posting(item, place, opened))
            else:
                self._settle(place, opened, item, settled(item))
        self._fold()

    def _settle(self, place: int, opened: OpenPage, item: Item, result: Result) -> None:
        opened.settle(place, result)
        self.on_result(item, result)
        if isinstance(result, Failure) and result.docId not in self.failed_before:
            self._count_failure(result)
        if not opened.waiting:
            self._fold()

    def _count_failure(self, failed: Failure) -> None:
        if Reason(failed.reason).transient:
            self._failures += 1
        else:
            self._refused += 1
        failures, refused = self.policy.most_failures, self.policy.most_refused
        if self._failures > failures or self._refused > refused:
            self._give_up(
                TooManyFailures(
                    f"{self._failures + self._refused} documents failed at {self.policy.where}, "
                    f"the last with {failed.reason} ({failed.message}); a chunk gives up after "
                    f"{failures} of passing causes or {refused} that are refused for good"
                )
            )

    def stop(self, error: ReindexError) -> None:
        """End early, with ``error``; may be called from a signal handler, and before it runs."""
        if self._loop is None:
            self._stop = error
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._give_up, error)

    def _give_up(self, error: ReindexError) -> None:
        self._stop = self._stop or error
        self._stopping.set()

    def _fold(self, *, also_begun: bool = False) -> None:
        posted = self._delivery.requests
        more = posted - self._requests
        ledger = self._open.folded_into(self.ledger, more, also_begun=also_begun)
        if ledger is not self.ledger:
            self.ledger, self._requests = ledger, posted

    async def _save_now_and_then(self) -> None:
        saved = self.ledger
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            self._fold(also_begun=True)
            if self.ledger is not saved:
                saved = self.ledger
                try:
                    await self.checkpoint(saved)
                except Exception:
                    # The next one may succeed; without any, a later attempt only redoes more.
                    log.warning("the ledger could not be saved", exc_info=True)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    """
    Cancel these, until each has ended.

    Once is not enough to rely on: a cancellation that meets the end of what a task waits for gets
    lost in some libraries, and a chunk must not hang on it.
    """
    while tasks:
        for task in tasks:
            task.cancel()
        ended, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN_SECONDS)
        await asyncio.gather(*ended, return_exceptions=True)  # the first error is raised already
