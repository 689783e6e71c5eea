"""
asyncio: pages in, posts out with a bounded number in flight, a ledger back. No Airflow in here.

Workers take one request after the other from the pages; as many of them run as the in-flight
limit allows. What a page's items came to is folded into the ledger in the pages' order, so that
the ledger's position is always a place up to which everything is accounted for.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from reindex.answers import Accepted, Answer, Reason, Refused
from reindex.concurrency import InFlightLimit
from reindex.errors import (
    AuthRefused,
    LedgerImbalance,
    ReindexError,
    ServiceUnavailable,
    TooManyFailures,
)
from reindex.folding import Result, failure, settled
from reindex.ledger import ChunkLedger, Failure
from reindex.open_pages import OpenPage, OpenPages
from reindex.pace import Pace
from reindex.pages import Item, Page
from reindex.payloads import IndexRequest
from reindex.service_health import LONGEST_PATIENCE, Blame, ServiceHealth

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 5
ATTEMPTS_A_TURN = 2
FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
CHECKPOINT_SECONDS = 1.0

Post = Callable[[bytes], Awaitable[Answer]]
Checkpoint = Callable[[ChunkLedger], Awaitable[None]]
OnResult = Callable[[Item, Result], None]


@dataclass(frozen=True)
class PostPolicy:
    """
    How a chunk posts.

    The chunk gives up when more than ``most_failures`` documents fail of causes that another
    attempt may cure, or more than ``most_refused`` are refused for good: then it is not the
    documents. ``where`` names the service and its connection in errors.
    """

    where: str
    max_in_flight: int
    requests_per_second: float | None
    most_failures: int
    most_refused: int
    max_attempts: int = MOST_ATTEMPTS


@dataclass
class _Document:
    """
    A request on its way, and where its result belongs.

    ``tried_since`` is when the attempt before the last one was sent, or the only one.
    """

    request: IndexRequest
    place: int
    page: OpenPage
    attempts: int = 0
    first_sent: float = 0.0
    tried_since: float = 0.0
    _last_sent: float = 0.0

    def sent(self, now: float) -> None:
        self.first_sent = self.first_sent or now
        self.tried_since = self._last_sent or now
        self._last_sent = now
        self.attempts += 1


@dataclass
class Indexer:
    """
    Indexes the pages of one chunk.

    :param ledger: what earlier attempts of the chunk are accountable for
    :param checkpoint: called about once a second with the ledger so far
    :param on_result: called with each item and what it came to
    """

    policy: PostPolicy
    ledger: ChunkLedger
    checkpoint: Checkpoint
    on_result: OnResult
    retries: int = field(default=0, init=False)
    _ready: deque[_Document] = field(default_factory=deque)
    _aside: deque[_Document] = field(default_factory=deque)
    _open: OpenPages = field(default_factory=OpenPages)
    _workers: set[asyncio.Task[None]] = field(default_factory=set)
    _stop: ReindexError | None = None
    _exhausted: bool = False
    _requests: int = 0
    _failures: int = 0
    _refused: int = 0
    _last_trouble: Refused | None = None
    _taken: bytes | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def in_flight_limit(self) -> int:
        """How many requests may be in flight now; only while it runs, and afterwards."""
        return self._limit.limit

    async def run(self, pages: AsyncIterator[Page], post: Post) -> ChunkLedger:
        """
        Post everything.

        :raises AuthRefused, ServiceUnavailable, TooManyFailures: after folding what was settled
            into :attr:`ledger`, which holds good whatever is raised
        :raises LedgerImbalance: a document that was read came to no result
        """
        self._limit = InFlightLimit(self.policy.max_in_flight)
        self._pace = Pace(self.policy.requests_per_second)
        self._health = ServiceHealth()
        self._pages, self._post = pages, post
        self._loading, self._doubting = asyncio.Lock(), asyncio.Lock()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        saving = asyncio.create_task(self._save_now_and_then())
        try:
            self._employ()
            await self._all_workers_done()
        finally:
            for task in (saving, *self._workers):
                task.cancel()
            await asyncio.gather(saving, *self._workers, return_exceptions=True)
            self._fold(also_begun=True)
        if self._stop is None and self._health.nothing_got_through:
            self._stop = ServiceUnavailable(
                f"{self.policy.where} took none of {self._failures} documents: "
                f"{self._health.last_message}{_remedy(self._last_trouble)}"
            )
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
        more = 0 if self._exhausted else self._limit.limit - len(self._workers)
        for number in range(more):
            wait = self._limit.latency * (number + 1) / (more + 1)
            self._workers.add(asyncio.create_task(self._work(wait)))

    async def _work(self, wait: float) -> None:
        me = asyncio.current_task()
        assert me is not None
        if wait:
            await asyncio.sleep(wait)
        while len(self._workers) <= self._limit.limit:
            document = await self._next()
            if document is None:
                break
            result = await self._posted(document)
            if result is None:
                self._aside.append(document)
            else:
                self._settle(document.place, document.page, document.request, result)
            self._employ()
        # At once: were it counted among the workers, the last one might leave what is put aside.
        self._workers.discard(me)

    async def _next(self) -> _Document | None:
        """
        The next document to post. One that was put aside has its turn again as soon as another
        got through, and at the end.
        """
        while not self._stopping.is_set():
            if self._aside and self._health.answered_since(self._aside[0].first_sent):
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
                self._ready.append(_Document(item, place, opened))
            else:
                self._settle(place, opened, item, settled(item))
        self._fold()

    async def _posted(self, document: _Document) -> Result | None:
        """
        Post one document until it is settled: taken, refused for good, or out of attempts.

        ``None`` when its turn is over and nobody is to blame yet: others go first then, so that
        a few bad documents in a row do not pass for a service that is down.
        """
        while True:
            await self._turn()
            sent = time.monotonic()
            document.sent(sent)
            self.retries += document.attempts > 1
            answer = await self._post(document.request.body)
            now = time.monotonic()
            self._requests += 1
            if isinstance(answer, Accepted):
                self._limit.answered(now - sent, now)
                self._health.answered(now)
                self._taken = document.request.body
                return answer
            if not answer.reason.transient:
                return self._refused_for_good(document, answer, sent, now)
            self._note_trouble(document, answer, sent, now)
            spent = document.attempts >= self.policy.max_attempts
            blame = await self._blame(document, spent, now)
            if blame is Blame.SERVICE:
                story = f"{self._health.story(now)}{_remedy(answer)}"
                self._give_up(ServiceUnavailable(f"{self.policy.where}: {story}"))
            if spent and blame is Blame.DOCUMENT:
                return failure(document.request, answer, document.attempts)
            await asyncio.sleep(_delay_before(document.attempts + 1))
            # One that hangs holds its worker long enough: others show sooner who is to blame.
            turn_over = answer.reason is Reason.TIMEOUT or document.attempts >= ATTEMPTS_A_TURN
            if blame is Blame.NOBODY and turn_over:
                return None

    async def _blame(self, document: _Document, spent: bool, now: float) -> Blame:
        """
        Who is to blame. In doubt, a document that was taken before is the proof.

        In doubt is also one of several that others passed before their last two attempts only:
        they were on their way when the service went down, say, and are not done for with it.
        """
        blame = self._health.blame(now, document.first_sent)
        passed = self._health.answered_since(document.tried_since)
        several = self._health.several_fail and self._taken is not None
        late = spent and blame is Blame.DOCUMENT and not passed
        if blame is not Blame.SERVICE and not (late and several):
            return blame
        if await self._takes_again_what_it_took():
            return Blame.DOCUMENT
        return Blame.NOBODY if self._health.blame(now, now) is Blame.NOBODY else Blame.SERVICE

    async def _takes_again_what_it_took(self) -> bool:
        """
        Whether a document that was taken before is taken again: then the service is not down.

        To send it again is harmless, and no other proof is at hand when only bad ones are left.
        """
        asked = time.monotonic()
        async with self._doubting:
            if self._taken is not None and not self._health.answered_since(asked):
                await self._turn()
                answer = await self._post(self._taken)
                self._requests += 1
                if isinstance(answer, Accepted):
                    self._health.answered(time.monotonic())
        return self._health.answered_since(asked)

    async def _turn(self) -> None:
        """Wait for the next slot of the rate, and for the end of any pause."""
        wait = self._pace.delay(time.monotonic())
        while wait:
            await asyncio.sleep(wait)
            # All whose slot the pause took would post together at its end: each books another.
            paused = self._pace.pause_left(time.monotonic())
            wait = self._pace.delay(time.monotonic()) if paused else 0.0

    def _refused_for_good(
        self, document: _Document, answer: Refused, sent: float, now: float
    ) -> Failure:
        if answer.reason is Reason.AUTH:
            self._give_up(
                AuthRefused(
                    f"{self.policy.where} refused the token ({answer.status}, {answer.message}): "
                    "renew the connection's password"
                )
            )
        else:
            self._limit.answered(now - sent, now)
            self._health.answered(now)
        return failure(document.request, answer, document.attempts)

    def _note_trouble(self, document: _Document, answer: Refused, sent: float, now: float) -> None:
        self._last_trouble = answer
        doc_id = document.request.doc_id
        self._health.failed(doc_id, answer.message, now, answer.retry_after, took=now - sent)
        # The one document that hangs again and again says nothing of how much there is room for.
        hung = answer.reason is Reason.TIMEOUT and document.attempts == 1
        if hung or answer.reason is Reason.RATE_LIMITED or answer.status == 503:
            self._limit.overloaded()
        if answer.retry_after and answer.retry_after > LONGEST_PATIENCE:
            self._give_up(
                ServiceUnavailable(
                    f"{self.policy.where} asks to come back in {answer.retry_after:.0f} s"
                )
            )
        elif answer.retry_after:
            self._pace.pause(now, answer.retry_after)

    def _settle(self, place: int, opened: OpenPage, item: Item, result: Result) -> None:
        opened.settle(place, result)
        self.on_result(item, result)
        if isinstance(result, Failure):
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
        """End early, with ``error``; may be called from a signal handler."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._give_up, error)

    def _give_up(self, error: ReindexError) -> None:
        self._stop = self._stop or error
        self._stopping.set()

    def _fold(self, *, also_begun: bool = False) -> None:
        ledger = self._open.folded_into(self.ledger, self._requests, also_begun=also_begun)
        if ledger is not self.ledger:
            self.ledger, self._requests = ledger, 0

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


def _remedy(last: Refused | None) -> str:
    """What to look at when the last trouble was that no answer came at all."""
    if last is None or last.status is not None:
        return ""
    if "SSL" in last.message or "Certificate" in last.message:
        return ": is its certificate right, and the connection's extra verify?"
    return ": is it running, and are host and port right?"


def _delay_before(attempt: int) -> float:
    """Exponential, with jitter, so that documents that failed together do not return together."""
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempt - 2))
    return float(longest * random.uniform(0.5, 1.0))
