"""
asyncio: one document at a time to the service, until it is taken, refused for good, or out of
attempts; and who is to blame while none of that has happened.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reindex.answers import Accepted, Answer, Reason, Refused, wrong_address
from reindex.concurrency import InFlightLimit
from reindex.errors import AuthRefused, ReindexError, ServiceUnavailable
from reindex.folding import Result, failure
from reindex.ledger import Failure
from reindex.open_pages import OpenPage
from reindex.pace import Pace
from reindex.payloads import IndexRequest
from reindex.service_health import LONGEST_PATIENCE, Blame, ServiceHealth

MOST_ATTEMPTS = 5
ATTEMPTS_A_TURN = 2
FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0

Post = Callable[[bytes], Awaitable[Answer]]


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
class Posting:
    """A request on its way, and where its result belongs."""

    request: IndexRequest
    place: int
    page: OpenPage
    attempts: int = 0
    first_sent: float = 0.0
    last_sent: float = 0.0
    seen_up: int = 0

    def sent(self, now: float) -> None:
        self.first_sent = self.first_sent or now
        self.last_sent = now
        self.attempts += 1


@dataclass
class Delivery:
    """
    The way to the service, which all workers of a chunk share: its rate, its limit, its health.

    :param give_up: called with the reason once there is no sense in posting on
    :param failed_before: ids of documents that failed in an earlier attempt or run
    """

    policy: PostPolicy
    post: Post
    give_up: Callable[[ReindexError], None]
    failed_before: frozenset[str] = frozenset()
    requests: int = field(default=0, init=False)
    retries: int = field(default=0, init=False)
    _last_trouble: Refused | None = None
    _taken: bytes | None = None

    def __post_init__(self) -> None:
        self.limit = InFlightLimit(self.policy.max_in_flight)
        self._pace = Pace(self.policy.requests_per_second)
        self._health = ServiceHealth(self.failed_before, few=self.policy.most_failures)
        self._doubting = asyncio.Lock()

    def answered_since(self, time: float) -> bool:
        """Whether the service dealt with any document after that time."""
        return self._health.answered_since(time)

    def took_none(self) -> ServiceUnavailable | None:
        """An error if not one document was ever dealt with, though some failed."""
        if not self._health.nothing_got_through:
            return None
        return ServiceUnavailable(
            f"{self.policy.where} took none of {self._health.failing} documents: "
            f"{self._health.last_message}{_remedy(self._last_trouble)}"
        )

    async def posted(self, document: Posting) -> Result | None:
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
            answer = await self.post(document.request.body)
            now = time.monotonic()
            self.requests += 1
            if isinstance(answer, Accepted):
                self.limit.answered(now - sent, now)
                self._health.answered(now)
                self._taken = document.request.body
                return answer
            if not answer.reason.transient:
                return self._refused_for_good(document, answer, sent, now)
            self._note_trouble(document, answer, sent, now)
            most = self._most_attempts(document, answer)
            spent = document.attempts >= most
            blame = await self._blame(document, most, now)
            if blame is Blame.SERVICE:
                story = f"{self._health.story(now)}{_remedy(answer)}"
                self.give_up(ServiceUnavailable(f"{self.policy.where}: {story}"))
            if spent and blame is Blame.DOCUMENT:
                return failure(document.request, answer, document.attempts)
            await asyncio.sleep(_delay_before(document.attempts + 1))
            # One that hangs holds its worker long enough: others show sooner who is to blame.
            turn_over = answer.reason is Reason.TIMEOUT or document.attempts >= ATTEMPTS_A_TURN
            if blame is Blame.NOBODY and turn_over:
                return None

    def _most_attempts(self, document: Posting, answer: Refused) -> int:
        """One that hangs again, as it did before, holds its worker less often."""
        if answer.reason is Reason.TIMEOUT and document.request.doc_id in self.failed_before:
            return min(ATTEMPTS_A_TURN, self.policy.max_attempts)
        return self.policy.max_attempts

    async def _blame(self, document: Posting, most_attempts: int, now: float) -> Blame:
        """
        Who is to blame. In doubt, a document that was taken before is the proof.

        In doubt is also one that others passed before its last attempts only: it was on its way
        when the service went down, say, and is not done for with it. And that the service takes
        others now proves nothing about an attempt before: it may just have come back. So it has to
        be seen up before the last attempt and after it.
        """
        blame = self._health.blame(now, document.first_sent)
        up = self._health.answered_since(document.last_sent)
        last_ones = document.attempts >= most_attempts - 1
        in_doubt = last_ones and blame is Blame.DOCUMENT and not up and self._taken is not None
        if blame is Blame.SERVICE or in_doubt:
            up = await self._takes_again_what_it_took()
            if not up:
                nobody = self._health.blame(now, now) is Blame.NOBODY
                return Blame.NOBODY if nobody else Blame.SERVICE
            blame = Blame.DOCUMENT
        document.seen_up += last_ones and up
        spent = document.attempts >= most_attempts
        once = spent and self._taken is not None and document.seen_up < 2
        return Blame.NOBODY if once else blame

    async def _takes_again_what_it_took(self) -> bool:
        """
        Whether a document that was taken before is taken again: then the service is not down.

        To send it again is harmless, and no other proof is at hand when only bad ones are left.
        """
        asked = time.monotonic()
        async with self._doubting:
            if self._taken is not None and not self._health.answered_since(asked):
                await self._turn()
                answer = await self.post(self._taken)
                self.requests += 1
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
        self, document: Posting, answer: Refused, sent: float, now: float
    ) -> Failure:
        if answer.reason is Reason.AUTH:
            self.give_up(
                AuthRefused(
                    f"{self.policy.where} refused the token ({answer.status}, {answer.message}): "
                    "renew the connection's password"
                )
            )
        else:
            self.limit.answered(now - sent, now)
            self._health.answered(now)
        return failure(document.request, answer, document.attempts)

    def _note_trouble(self, document: Posting, answer: Refused, sent: float, now: float) -> None:
        self._last_trouble = answer
        doc_id = document.request.doc_id
        self._health.failed(doc_id, answer.message, now, answer.retry_after, took=now - sent)
        # The one document that hangs again and again says nothing of how much there is room for.
        first = document.attempts == 1 and doc_id not in self.failed_before
        hung = answer.reason is Reason.TIMEOUT and first
        if hung or answer.reason is Reason.RATE_LIMITED or answer.status == 503:
            self.limit.overloaded()
        if answer.retry_after and answer.retry_after > LONGEST_PATIENCE:
            self.give_up(
                ServiceUnavailable(
                    f"{self.policy.where} asks to come back in {answer.retry_after:.0f} s"
                )
            )
        elif answer.retry_after:
            self._pace.pause(now, answer.retry_after)


def _remedy(last: Refused | None) -> str:
    """What to look at when the last trouble was that no answer came, or none of the API's."""
    if last is None:
        return ""
    if last.status is not None:
        return wrong_address(last.status)
    if "SSL" in last.message or "Certificate" in last.message:
        return ": is its certificate right, and the connection's extra verify?"
    return ": is it running, and are host and port right?"


def _delay_before(attempt: int) -> float:
    """Exponential, with jitter, so that documents that failed together do not return together."""
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempt - 2))
    return float(longest * random.uniform(0.5, 1.0))
