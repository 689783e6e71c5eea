"""
Posts out, outcomes back, against a scripted Discovery API.

Time is virtual (`builders.Clock`): waits take none, and a wait without an end is an error.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import IGNORED, INDEXED, Accepted, Answer, Reason, Refused, answer_of
from reindex.chunks import LOWEST_ID
from reindex.concurrency import START_LIMIT
from reindex.delivery import Delivery, PostPolicy
from reindex.errors import (
    AuthRefused,
    ChunkKilled,
    LedgerImbalance,
    ReindexError,
    ServiceUnavailable,
    TooManyFailures,
)
from reindex.folding import Result
from reindex.indexer import Indexer
from reindex.ledger import ChunkLedger, Counts
from reindex.pages import Item, Missing, Page
from reindex.payloads import Rejection
from reindex.reading import pages_of
from reindex.work import IdRange, Work
from tests.unit.builders import (
    ALL_INDEXED,
    BAD_TOKEN,
    INVALID,
    NO_CONNECTION,
    SERVER_ERROR,
    TIMED_OUT,
    Clock,
    FakeDiscovery,
    FakeSource,
    Script,
    a_ledger,
    a_request,
    always,
    hex_id,
    ids,
)

POLICY = PostPolicy(
    where="Discovery API at http://search (connection 'discovery_api')",
    max_in_flight=64,
    requests_per_second=None,
    most_failures=20,
    most_refused=50,
)
TWO = a_request(hex_id(2))


def pages(items: Sequence[Item], page_size: int = 50) -> list[Page]:
    parts = [items[at : at + page_size] for at in range(0, len(items), page_size)]
    return [Page(part, [item.doc_id for item in part]) for part in parts]


def requests(count: int) -> list[Item]:
    return [a_request(doc_id) for doc_id in ids(count)]


def only(doc_id: str, answers: Sequence[Answer]) -> Script:
    """One document gets these answers, the last of them for ever; the others are taken."""
    return lambda each, attempt: (
        answers[min(attempt, len(answers)) - 1] if each == doc_id else INDEXED
    )


@dataclass
class Bench:
    """One run of an indexer; what it posted, saved and said."""

    script: Script = ALL_INDEXED
    policy: PostPolicy = POLICY
    ledger: ChunkLedger | None = None
    seconds: float = 0.01
    failed_before: frozenset[str] = frozenset()
    clock: Clock = field(default_factory=Clock)
    saved: list[ChunkLedger] = field(default_factory=list)
    results: list[tuple[Item, Result]] = field(default_factory=list)
    stopped: ReindexError | None = None

    def __post_init__(self) -> None:
        self.api = FakeDiscovery(self.clock, self.script, self.seconds)
        self.began = self.clock.now

    async def checkpoint(self, ledger: ChunkLedger) -> None:
        self.saved.append(ledger)

    def index(
        self, source: Iterable[Page], *, fails: type[ReindexError] | None = None
    ) -> ChunkLedger:
        """Run to the end, which must be ``fails`` if given; the ledger that is left."""
        source = list(source)
        expected = sum(len(page.items) for page in source)
        indexer = Indexer(
            policy=self.policy,
            ledger=self.ledger or a_ledger(expected),
            checkpoint=lambda ledger: self.checkpoint(ledger),
            on_result=lambda item, result: self.results.append((item, result)),
            failed_before=self.failed_before,
        )
        if fails is None:
            returned = self.clock.run(indexer.run(_streamed(source), self.api.post))
            assert returned is indexer.ledger
        else:
            with pytest.raises(fails) as caught:
                self.clock.run(indexer.run(_streamed(source), self.api.post))
            self.stopped = caught.value
        assert self.api.in_flight == 0
        return indexer.ledger

    @property
    def took(self) -> float:
        return self.clock.now - self.began

    def posted(self, doc_id: str) -> list[float]:
        """When the document was posted, in seconds from the start."""
        return [at - self.began for at, each in self.api.posts if each == doc_id]


async def _streamed(source: Iterable[Page]) -> AsyncIterator[Page]:
    for page in source:
        yield page


def test_every_document_is_posted_once_and_counted() -> None:
    bench = Bench(lambda doc_id, _: INDEXED if doc_id < hex_id(100) else IGNORED)
    ledger = bench.index(pages(requests(230)))
    assert sorted(doc_id for _, doc_id in bench.api.posts) == ids(230)
    assert ledger.total == Counts(expected=230, fetched=230, indexed=99, ignored=131)
    assert ledger.total.balanced
    assert (ledger.position, ledger.requests) == (hex_id(230), 230)
    assert len(bench.results) == 230


def test_the_body_of_each_request_is_posted_as_it_is() -> None:
    bodies: list[bytes] = []

    async def post(body: bytes) -> Answer:
        bodies.append(body)
        return INDEXED

    bench = Bench()
    bench.api.post = post  # type: ignore[method-assign]
    bench.index(pages([TWO]))
    assert bodies == [TWO.body]


@pytest.mark.parametrize(
    "source", [[], [Page([], [])], [Page([], []), *pages([TWO]), Page([], [])]]
)
def test_empty_pages_are_nothing_to_do(source: list[Page]) -> None:
    bench = Bench()
    ledger = bench.index(source)
    assert ledger.total.fetched == len(bench.api.posts) == sum(len(page.items) for page in source)


def test_what_is_settled_already_is_counted_and_never_posted() -> None:
    settled: list[Item] = [Rejection("creator", hex_id(1), "why"), Missing("creator", hex_id(3))]
    bench = Bench()
    ledger = bench.index(pages([settled[0], TWO, settled[1]]))
    assert [doc_id for _, doc_id in bench.api.posts] == [hex_id(2)]
    assert ledger.total == Counts(expected=3, fetched=2, indexed=1, failed=1, missing=1)
    assert {item.doc_id for item, _ in bench.results} == set(ids(3))


@pytest.mark.parametrize(
    ("answer", "reason", "attempts"),
    [
        (INVALID, "validation", 1),
        (Refused(Reason.VALIDATION, "HTTP 413 (text/html)", 413), "validation", 1),
        (SERVER_ERROR, "server", 5),
        (TIMED_OUT, "timeout", 5),
        (NO_CONNECTION, "connection", 5),
        (Refused(Reason.RATE_LIMITED, "HTTP 429", 429), "rate_limited", 5),
    ],
)
def test_t56_2_one_failing_document_does_not_stop_the_batch(
    answer: Refused, reason: str, attempts: int
) -> None:
    bench = Bench(only(hex_id(30), [answer]))
    ledger = bench.index(pages(requests(60)))
    assert ledger.total == Counts(expected=60, fetched=60, indexed=59, failed=1)
    (failed,) = ledger.failures
    assert (failed.docId, failed.reason, failed.status) == (hex_id(30), reason, answer.status)
    assert (failed.attempts, failed.message) == (attempts, answer.message)
    assert len(bench.posted(hex_id(30))) == attempts
    # It is the last one left: before its last attempt and after it, one that was taken is sent
    # again, as the proof that the service is up.
    proofs = 2 if attempts > 1 else 0
    assert ledger.requests == 59 + attempts + proofs == len(bench.api.posts)


def test_a_transient_error_that_passes_leaves_no_trace() -> None:
    bench = Bench(only(hex_id(3), [SERVER_ERROR, TIMED_OUT, NO_CONNECTION, IGNORED]))
    ledger = bench.index(pages(requests(10)))
    assert ledger.total == Counts(expected=10, fetched=10, indexed=9, ignored=1)
    assert (ledger.failures, ledger.requests) == ((), 13)


def test_retries_wait_exponentially_with_jitter() -> None:
    waits = []
    for _ in range(20):
        bench = Bench(only(hex_id(3), [SERVER_ERROR]))
        bench.index(pages(requests(10)))
        at = bench.posted(hex_id(3))
        waits.append([later - before - 0.01 for before, later in itertools.pairwise(at)])
    for place, longest in enumerate((0.2, 0.4, 0.8, 1.6)):
        # Before the last attempt comes the proof that the service is up.
        proof = 0.01 if place == 3 else 0
        drawn = [each[place] - proof for each in waits]
        assert longest / 2 - 1e-6 <= min(drawn) < max(drawn) <= longest + 1e-6


def test_a_refused_token_stops_at_once_and_keeps_what_was_done() -> None:
    bench = Bench(lambda doc_id, _: BAD_TOKEN if doc_id >= hex_id(100) else INDEXED)
    ledger = bench.index(pages(requests(1_000)), fails=AuthRefused)
    assert str(bench.stopped) == (
        "Discovery API at http://search (connection 'discovery_api') refused the token "
        "(401, invalid_token): renew the connection's password"
    )
    assert len(bench.api.posts) < 100 + 64
    assert 0 < ledger.total.indexed <= 99
    assert bench.took < 5
    refused = [doc_id for _, doc_id in bench.api.posts if doc_id >= hex_id(100)]
    assert len(refused) == len(set(refused))


def test_an_indexer_that_is_told_to_stop_keeps_what_was_done() -> None:
    bench = Bench()
    indexer = Indexer(POLICY, a_ledger(1_000), bench.checkpoint, lambda *_: None)
    killed = ChunkKilled("Airflow asked this task to end")

    def stopping(doc_id: str, _attempt: int) -> Answer:
        if doc_id == hex_id(100):
            indexer.stop(killed)
        return INDEXED

    bench.api.script = stopping
    with pytest.raises(ChunkKilled) as caught:
        bench.clock.run(indexer.run(_streamed(pages(requests(1_000))), bench.api.post))
    assert caught.value is killed
    assert 36 <= indexer.ledger.total.indexed <= 164
    assert indexer.ledger.position == hex_id(indexer.ledger.total.fetched)
    indexer.stop(ChunkKilled("too late to mean anything"))


def test_an_indexer_that_is_told_to_stop_before_it_runs_posts_nothing() -> None:
    bench = Bench()
    indexer = Indexer(POLICY, a_ledger(9), bench.checkpoint, lambda *_: None)
    killed = ChunkKilled("Airflow asked this task to end")
    indexer.stop(killed)
    with pytest.raises(ChunkKilled) as caught:
        bench.clock.run(indexer.run(_streamed(pages(requests(9))), bench.api.post))
    assert caught.value is killed
    assert (bench.api.posts, indexer.ledger.total.fetched) == ([], 0)


@pytest.mark.parametrize(
    ("script", "seconds", "error"),
    [(ALL_INDEXED, 30.0, ChunkKilled), (always(NO_CONNECTION), 0.5, ServiceUnavailable)],
)
def test_a_cancellation_that_gets_lost_keeps_no_chunk_from_ending(
    script: Script, seconds: float, error: type[ReindexError]
) -> None:
    """As `asyncio.wait_for` loses one before Python 3.12, when it comes together with a result."""
    bench = Bench(script, seconds=seconds)
    indexer = Indexer(POLICY, a_ledger(1_000), bench.checkpoint, lambda *_: None)
    lost = []

    async def post(body: bytes) -> Answer:
        try:
            return await bench.api.post(body)
        except asyncio.CancelledError:
            lost.append(body)
            return NO_CONNECTION

    async def index() -> None:
        asyncio.get_running_loop().call_later(40.0, indexer.stop, ChunkKilled("enough"))
        await indexer.run(_streamed(pages(requests(1_000))), post)

    with pytest.raises(error):
        bench.clock.run(index())
    assert lost
    assert bench.took < 42
    assert bench.api.in_flight == 0


@pytest.mark.parametrize(
    "answer", [NO_CONNECTION, SERVER_ERROR, Refused(Reason.SERVER, "HTTP 503", 503)]
)
def test_a_service_that_is_down_ends_the_chunk_in_seconds(answer: Refused) -> None:
    bench = Bench(always(answer), seconds=0.005)
    ledger = bench.index(pages(requests(5_000)), fails=ServiceUnavailable)
    assert 10 <= bench.took < 25
    assert len(bench.api.posts) < 300
    said = str(bench.stopped)
    assert said.startswith(f"{POLICY.where}: no document got through for 1")
    # A service that answers is running, where it is looked for.
    remedy = ": is it running, and are host and port right?" if answer.status is None else ""
    assert said.endswith(f"last: {answer.message}){remedy}")
    assert ledger.total.indexed == 0
    assert ledger.total.not_reached >= 4_990


def test_a_service_that_hangs_ends_the_chunk_before_every_document_has_timed_out() -> None:
    bench = Bench(always(TIMED_OUT), seconds=10.0)
    bench.index(pages(requests(5_000)), fails=ServiceUnavailable)
    assert 40 <= bench.took < 60
    assert len(bench.api.posts) < 40


def test_a_service_that_begins_to_hang_ends_the_chunk_as_soon() -> None:
    clock = Clock()
    bench = Bench(clock=clock, policy=replace(POLICY, max_in_flight=8))
    hung_at = clock.now + 1
    bench.api.slow = _SlowSince(clock, hung_at)
    bench.api.script = lambda *_: TIMED_OUT if clock.now > hung_at + 1 else INDEXED
    ledger = bench.index(pages(requests(9_000)), fails=ServiceUnavailable)
    assert bench.took < 1 + 80
    assert ledger.total.not_reached > 1_000


class _SlowSince(dict[str, float]):
    """Every document hangs that is posted after a time; before, not two take as long."""

    def __init__(self, clock: Clock, since: float) -> None:
        self._clock, self._since = clock, since

    def get(self, doc_id: str, otherwise: float) -> float:  # type: ignore[override]
        return (
            10.0 if self._clock.now > self._since else otherwise * (1 + int(doc_id, 16) % 97 / 97)
        )


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(ids(4), id="the first four, which hold the first workers"),
        pytest.param(ids(4, 1_997), id="the last four"),
        pytest.param([hex_id(number) for number in range(50, 2_001, 50)], id="one in fifty"),
    ],
)
@pytest.mark.parametrize("max_in_flight", [2, 64])
def test_documents_that_hang_do_not_pass_for_a_service_that_does(
    bad: list[str], max_in_flight: int
) -> None:
    """10 s is the default time-out, and as long as patience is where failures are quick."""
    policy = replace(POLICY, most_failures=100, max_in_flight=max_in_flight)
    bench = Bench(lambda doc_id, _: TIMED_OUT if doc_id in bad else INDEXED, policy)
    bench.api.slow = dict.fromkeys(bad, 10.0)
    ledger = bench.index(pages(requests(2_000)))
    good = 2_000 - len(bad)
    assert ledger.total == Counts(expected=2_000, fetched=2_000, indexed=good, failed=len(bad))


def test_what_hangs_again_and_again_takes_no_room_from_the_others() -> None:
    bad = [hex_id(number) for number in range(50, 5_001, 50)]
    bench = Bench(lambda doc_id, _: TIMED_OUT if doc_id in bad else INDEXED)
    bench.policy = replace(POLICY, most_failures=100)
    bench.api.slow = dict.fromkeys(bad, 10.0)
    bench.index(pages(requests(5_000)))
    assert bench.took < 180


@pytest.mark.parametrize("count", [1, 2])
def test_a_service_that_is_down_is_named_also_when_there_are_few_documents(count: int) -> None:
    bench = Bench(always(NO_CONNECTION))
    ledger = bench.index(pages(requests(count)), fails=ServiceUnavailable)
    assert str(bench.stopped) == (
        f"{POLICY.where} took none of {count} documents: ClientConnectorError: is it running, "
        "and are host and port right?"
    )
    assert ledger.total == Counts(expected=count, fetched=count, failed=count)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (308, "it redirects, is the connection's host the service's own address, https:// or not?"),
        (200, "is the connection's host the service's address?"),
        (405, "is the connection's host the service's address?"),
    ],
)
def test_what_may_not_be_the_service_at_all_is_named(status: int, remedy: str) -> None:
    bench = Bench(always(answer_of(status, {"Content-Type": "text/html"}, b"<html>")))
    bench.index(pages(requests(100)), fails=ServiceUnavailable)
    assert str(bench.stopped).endswith(f" (text/html)): {remedy}")


@pytest.mark.parametrize("name", ["SSLCertVerificationError", "ClientConnectorCertificateError"])
def test_a_certificate_that_is_not_trusted_is_no_service_that_is_down(name: str) -> None:
    bench = Bench(always(Refused(Reason.CONNECTION, name)))
    bench.index(pages(requests(1)), fails=ServiceUnavailable)
    assert str(bench.stopped).endswith(
        "is its certificate right, and the connection's extra verify?"
    )


def test_a_document_that_was_read_and_came_to_no_result_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle = Indexer._settle

    def all_but_the_second(self: Indexer, place: int, *rest: Any) -> None:
        if place != 1:
            settle(self, place, *rest)

    monkeypatch.setattr(Indexer, "_settle", all_but_the_second)
    bench = Bench()
    ledger = bench.index(pages(requests(3)), fails=LedgerImbalance)
    assert str(bench.stopped) == "1 documents were read and came to no result"
    assert ledger.position == hex_id(1)


def test_the_last_worker_does_not_leave_what_is_put_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put aside in the moment in which the limit falls and the others have nothing to do."""

    async def posted(self: Delivery, document: Any) -> Result | None:
        document.attempts += 1
        await asyncio.sleep(0)
        if document.place == START_LIMIT - 1 and document.attempts == 1:
            self.limit.limit = 1
            return None
        return INDEXED

    monkeypatch.setattr(Delivery, "posted", posted)
    ledger = Bench().index(pages(requests(START_LIMIT)))
    assert ledger.total == Counts(expected=START_LIMIT, fetched=START_LIMIT, indexed=START_LIMIT)


def test_a_short_outage_is_bridged_without_a_failure() -> None:
    clock = Clock()
    began = clock.now
    bench = Bench(clock=clock)
    bench.api.script = lambda *_: NO_CONNECTION if 1 < clock.now - began < 8 else INDEXED
    ledger = bench.index(pages(requests(5_000)))
    assert ledger.total == Counts(expected=5_000, fetched=5_000, indexed=5_000)
    assert ledger.failures == ()


def test_more_passing_failures_than_tolerated_end_the_chunk() -> None:
    bench = Bench(lambda doc_id, _: SERVER_ERROR if int(doc_id, 16) % 10 == 5 else INDEXED)
    bench.policy = replace(POLICY, most_failures=5)
    ledger = bench.index(pages(requests(3_000)), fails=TooManyFailures)
    assert str(bench.stopped) == (
        f"6 documents failed at {POLICY.where}, the last with server (internal_error); a chunk "
        "gives up after 5 of passing causes or 50 that are refused for good"
    )
    assert ledger.total.failed <= 6
    assert ledger.total.not_reached > 2_000


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(ids(5, 996), id="the last five"),
        pytest.param([hex_id(number) for number in range(100, 1_000, 100)], id="one in a hundred"),
        pytest.param(ids(8), id="the first eight"),
        pytest.param(ids(20), id="the first twenty"),
        pytest.param(ids(10, 41), id="the last ten of a page"),
        pytest.param(ids(10, 991), id="the last ten"),
    ],
)
@pytest.mark.parametrize("max_in_flight", [1, 64])
def test_bad_documents_within_the_tolerance_do_not_pass_for_a_service_that_is_down(
    bad: list[str], max_in_flight: int
) -> None:
    policy = replace(POLICY, max_in_flight=max_in_flight)
    bench = Bench(lambda doc_id, _: SERVER_ERROR if doc_id in bad else INDEXED, policy)
    ledger = bench.index(pages(requests(1_000)))
    good = 1_000 - len(bad)
    assert ledger.total == Counts(expected=1_000, fetched=1_000, indexed=good, failed=len(bad))


@pytest.mark.parametrize(("refused", "fails"), [(50, None), (51, TooManyFailures)])
def test_documents_that_are_refused_for_good_have_a_limit_of_their_own(
    refused: int, fails: type[ReindexError] | None
) -> None:
    bench = Bench(lambda doc_id, _: INVALID if doc_id <= hex_id(refused) else INDEXED)
    bench.policy = replace(POLICY, most_failures=0)
    ledger = bench.index(pages(requests(500)), fails=fails)
    assert ledger.total.failed == refused
    assert (ledger.total.not_reached == 0) is (fails is None)


def test_rejections_count_as_refused_for_good() -> None:
    items: list[Item] = [Rejection("creator", doc_id, "why") for doc_id in ids(51)]
    bench = Bench()
    ledger = bench.index(pages(items), fails=TooManyFailures)
    assert ledger.total.failed >= 50


def test_never_more_than_max_in_flight_at_once_and_as_many_when_it_pays() -> None:
    bench = Bench(policy=replace(POLICY, max_in_flight=12))
    bench.index(pages(requests(2_000)))
    assert bench.api.most_in_flight == 12


def test_one_in_flight_is_one_after_the_other() -> None:
    bench = Bench(policy=replace(POLICY, max_in_flight=1))
    bench.index(pages(requests(50)))
    assert bench.api.most_in_flight == 1
    assert [doc_id for _, doc_id in bench.api.posts] == ids(50)
    assert bench.took == pytest.approx(0.5)


@pytest.mark.parametrize("answer", [TIMED_OUT, Refused(Reason.RATE_LIMITED, "HTTP 429", 429)])
def test_overload_lowers_the_number_in_flight(answer: Refused) -> None:
    bench = Bench()
    before: list[int] = []
    after: list[int] = []

    def overloaded_for_a_while(_doc_id: str, _attempt: int) -> Answer:
        if 0.9 < bench.took < 1.0:
            before.append(bench.api.in_flight)
        if 2.2 < bench.took < 2.3:
            after.append(bench.api.in_flight)
        return answer if 1 < bench.took < 2 else INDEXED

    bench.api.script = overloaded_for_a_while
    bench.index(pages(requests(9_000)))
    assert max(before) == 64
    assert after
    assert max(after) <= 16


@pytest.mark.parametrize("per_second", [5, 50])
def test_requests_per_second_is_obeyed(per_second: int) -> None:
    bench = Bench(policy=replace(POLICY, requests_per_second=per_second))
    bench.index(pages(requests(101)))
    assert bench.took == pytest.approx(100 / per_second, rel=0.05)
    _assert_rate(bench, per_second)


def _assert_rate(bench: Bench, per_second: int) -> None:
    at = sorted(at for at, _ in bench.api.posts)
    assert all(later - first > 1 - 1e-6 for first, later in zip(at, at[per_second:], strict=False))


def test_retries_count_against_the_rate() -> None:
    bench = Bench(only(hex_id(1), [SERVER_ERROR]), policy=replace(POLICY, requests_per_second=10))
    bench.index(pages(requests(30)))
    at = sorted(at for at, _ in bench.api.posts)
    assert min(later - before for before, later in itertools.pairwise(at)) > 0.099


def test_retry_after_holds_everyone_back() -> None:
    asked = Refused(Reason.RATE_LIMITED, "HTTP 429", 429, retry_after=30.0)
    bench = Bench(only(hex_id(20), [asked, INDEXED]))
    ledger = bench.index(pages(requests(500)))
    assert ledger.total.indexed == 500
    first, second = bench.posted(hex_id(20))
    told = first + 0.01
    assert second >= told + 30 - 1e-6
    # Those that were under way when it said so have been posted already; nobody else is.
    assert not [at for at, _ in bench.api.posts if told < at - bench.began < told + 30 - 1e-6]


def test_retry_after_holds_back_those_who_wait_for_the_rate() -> None:
    asked = Refused(Reason.RATE_LIMITED, "HTTP 429", 429, retry_after=30.0)
    policy = replace(POLICY, requests_per_second=5)
    bench = Bench(only(hex_id(20), [asked, INDEXED]), policy=policy)
    bench.index(pages(requests(100)))
    told = bench.posted(hex_id(20))[0] + 0.01
    assert not [at for at, _ in bench.api.posts if told < at - bench.began < told + 30 - 1e-6]


@pytest.mark.parametrize("per_second", [5, 40])
def test_requests_per_second_is_obeyed_after_a_retry_after_too(per_second: int) -> None:
    asked = Refused(Reason.RATE_LIMITED, "HTTP 429", 429, retry_after=10.0)
    policy = replace(POLICY, requests_per_second=per_second)
    bench = Bench(only(hex_id(400), [asked, INDEXED]), policy=policy)
    ledger = bench.index(pages(requests(900)))
    assert ledger.total.indexed == 900
    _assert_rate(bench, per_second)


def test_a_retry_after_of_a_day_ends_the_chunk_instead_of_waiting() -> None:
    asked = Refused(Reason.RATE_LIMITED, "HTTP 429", 429, retry_after=86_400.0)
    bench = Bench(always(asked))
    bench.index(pages(requests(100)), fails=ServiceUnavailable)


def test_the_ledger_is_saved_about_once_a_second_also_amid_a_page() -> None:
    bench = Bench(policy=replace(POLICY, requests_per_second=10))
    bench.index(pages(requests(100), page_size=20))
    saved = [ledger.total.fetched for ledger in bench.saved]
    assert saved == sorted(set(saved))
    assert all(5 <= later - before <= 15 for before, later in zip([0, *saved], saved, strict=False))
    assert 8 <= len(saved) <= 10
    assert all(ledger.position == hex_id(ledger.total.fetched) for ledger in bench.saved)


def test_a_checkpoint_that_failed_once_is_not_the_last() -> None:
    bench = Bench(policy=replace(POLICY, requests_per_second=10))
    tried: list[int] = []

    async def failing(ledger: ChunkLedger) -> None:
        tried.append(ledger.total.fetched)
        if len(tried) == 1:
            raise ConnectionError("the API server is being restarted")

    bench.checkpoint = failing  # type: ignore[method-assign]
    bench.index(pages(requests(100), page_size=20))
    assert len(tried) > 1


def test_a_source_that_fails_midway_raises_and_keeps_what_was_done() -> None:
    class SourceBrokeError(Exception):
        pass

    async def breaking() -> AsyncIterator[Page]:
        for page in pages(requests(40), page_size=20):
            yield page
        raise SourceBrokeError

    bench = Bench()
    indexer = Indexer(POLICY, a_ledger(60), bench.checkpoint, lambda *_: None)
    with pytest.raises(SourceBrokeError):
        bench.clock.run(indexer.run(breaking(), bench.api.post))
    assert indexer.ledger.total.indexed >= 20
    assert indexer.ledger.position == hex_id(indexer.ledger.total.fetched)


def test_a_page_cut_off_by_a_stop_is_folded_up_to_its_first_open_document() -> None:
    """Document 4 is slow; 5 to 8 are done when the token is refused on the next page."""
    clock = Clock()
    slow, refused = hex_id(4), hex_id(9)
    indexer = Indexer(
        replace(POLICY, max_in_flight=4), a_ledger(12), Bench().checkpoint, lambda *_: None
    )
    posts = 0

    async def post(body: bytes) -> Answer:
        nonlocal posts
        posts += 1
        doc_id = json.loads(body)["docId"]
        await asyncio.sleep(100.0 if doc_id == slow else 0.01)
        return BAD_TOKEN if doc_id == refused else INDEXED

    with pytest.raises(AuthRefused):
        clock.run(indexer.run(_streamed(pages(requests(12), page_size=8)), post))
    assert indexer.ledger.total == Counts(expected=12, fetched=3, indexed=3)
    assert indexer.ledger.position == hex_id(3)
    assert 8 <= indexer.ledger.requests < posts


OUTCOMES: dict[str, Answer] = {
    "indexed": INDEXED,
    "ignored": IGNORED,
    "invalid": INVALID,
    "server": SERVER_ERROR,
    "timeout": TIMED_OUT,
    "limited": Refused(Reason.RATE_LIMITED, "HTTP 429", 429, retry_after=2.0),
}
documents_script = st.lists(
    st.lists(st.sampled_from(sorted(OUTCOMES)), min_size=1, max_size=3), min_size=1, max_size=25
)


@given(
    scripts=documents_script,
    absent=st.sets(st.integers(0, 8)),
    listed=st.integers(0, 9),
    page_size=st.integers(1, 7),
    stops=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=4),
    in_flight=st.integers(1, 6),
)
def test_attempts_cut_off_anywhere_and_resumed_count_each_document_once(
    scripts: list[list[str]],
    absent: set[int],
    listed: int,
    page_size: int,
    stops: list[tuple[int, int]],
    in_flight: int,
) -> None:
    """
    Some documents come by id, some of them missing, the others by range. Each attempt but the
    last may be killed during its ``stop[0]``-th post; the next goes on from the ledger as it was
    ``stop[1]`` posts before that, as a checkpoint that is a little old would have it. When the
    last finds the service down, one more comes when it is up again.
    """
    listed = min(listed, len(scripts))
    all_ids = ids(len(scripts))
    by_list, by_range = all_ids[:listed], all_ids[listed:]
    held = [
        doc_id for place, doc_id in enumerate(all_ids) if place >= listed or place not in absent
    ]
    source = FakeSource({"creator": held}, page_size)
    first = by_range[0] if by_range else "f" * 24
    work = Work("creator", tuple(by_list), IdRange("creator", first, None))
    asked: dict[str, int] = {}
    said_last: dict[str, Answer] = {}
    ledger = a_ledger(len(scripts))

    def script(doc_id: str, _attempt: int) -> Answer:
        # What was taken is taken again, as the index does: in doubt it is sent as a proof.
        if isinstance(said_last.get(doc_id), Accepted):
            return IGNORED
        said = scripts[all_ids.index(doc_id)]
        asked[doc_id] = asked.get(doc_id, 0) + 1
        said_last[doc_id] = OUTCOMES[said[min(asked[doc_id], len(said)) - 1]]
        return said_last[doc_id]

    def recovered(doc_id: str, attempt: int) -> Answer:
        answer = script(doc_id, attempt)
        if isinstance(answer, Refused) and answer.reason.transient:
            said_last[doc_id] = answer = IGNORED
        return answer

    attempts = iter([*((script, stop) for stop in stops), (script, None), (recovered, None)])
    finished = False
    while not finished:
        answers, stop = next(attempts)
        ledger, finished = attempt(source, work, ledger, answers, in_flight, stop)
        assert ledger.total.fetched == sum(
            (ledger.total.indexed, ledger.total.ignored, ledger.total.failed)
        )
    total = ledger.total
    assert total.balanced
    assert total.expected == len(scripts)
    assert (
        total.missing == len(ledger.missing) == len(set(ledger.missing)) == len(all_ids) - len(held)
    )
    assert total.failed == len(ledger.failures) == len({f.docId for f in ledger.failures})
    assert set(said_last) == set(held)
    refused = {doc_id for doc_id, answer in said_last.items() if isinstance(answer, Refused)}
    assert {f.docId for f in ledger.failures} == refused


def attempt(
    source: FakeSource,
    work: Work,
    ledger: ChunkLedger,
    script: Script,
    in_flight: int,
    stop: tuple[int, int] | None,
) -> tuple[ChunkLedger, bool]:
    """One attempt of a chunk; the ledger that the next one would find, and whether it is due."""
    seen: list[ChunkLedger] = []
    clock = Clock()
    api = FakeDiscovery(clock, script)
    policy = replace(POLICY, max_in_flight=in_flight, most_failures=999, most_refused=999)
    indexer = Indexer(policy, ledger, Bench().checkpoint, lambda *_: None)

    running: list[asyncio.Task[ChunkLedger]] = []

    async def post(body: bytes) -> Answer:
        seen.append(indexer.ledger)
        if stop is not None and len(seen) == stop[0]:
            running[0].cancel()
        return await api.post(body)

    async def run() -> None:
        work_pages = pages_of(source, work, ledger, None)
        running.append(asyncio.create_task(indexer.run(_streamed(work_pages), post)))
        await asyncio.wait(running)

    clock.run(run())
    killed = running[0].cancelled()
    error = None if killed else running[0].exception()
    assert error is None or isinstance(error, ServiceUnavailable)
    left = indexer.ledger
    if killed and stop is not None and stop[1]:
        left = seen[max(0, len(seen) - stop[1])]
    travelled = ChunkLedger.from_json(json.loads(json.dumps(left.to_json())))
    return travelled, not killed and error is None


def test_documents_that_failed_before_keep_no_attempt_from_those_behind_them() -> None:
    """More of them than a chunk may fail come first, and they are as bad as they were."""
    bad = frozenset(ids(POLICY.most_failures + 10))
    script = lambda doc_id, _: SERVER_ERROR if doc_id in bad else INDEXED  # noqa: E731
    bench = Bench(script, failed_before=bad)
    total = bench.index(pages(requests(1_000))).total
    assert (total.indexed, total.failed) == (970, 30)
    bench = Bench(script)
    total = bench.index(pages(requests(1_000)), fails=TooManyFailures).total
    assert total.not_reached > 0


@pytest.mark.parametrize("answer", [SERVER_ERROR, TIMED_OUT])
@pytest.mark.parametrize("others", [0, 1_500])
def test_the_few_that_failed_before_do_not_pass_for_a_service_that_is_down(
    answer: Refused, others: int
) -> None:
    """A redrive begins with them; after a cut in the end, only they may be left of a chunk."""
    bad = ids(POLICY.most_failures)
    bench = Bench(
        lambda doc_id, _: answer if doc_id in bad else INDEXED, failed_before=frozenset(bad)
    )
    if answer is TIMED_OUT:
        bench.api.slow = dict.fromkeys(bad, 10.0)
    total = bench.index(pages(requests(len(bad) + others))).total
    assert (total.failed, total.indexed) == (len(bad), others)
    assert bench.took < 150


@pytest.mark.parametrize("answer", [NO_CONNECTION, SERVER_ERROR])
def test_many_that_failed_before_and_fail_all_over_again_are_a_service_that_is_down(
    answer: Refused,
) -> None:
    bench = Bench(always(answer), failed_before=frozenset(ids(5_000)))
    bench.index(pages(requests(5_000)), fails=ServiceUnavailable)
    assert 10 <= bench.took < 25


def test_a_document_is_not_blamed_when_the_service_comes_back_just_before_the_proof() -> None:
    """Its last attempt was lost to the outage, and the one that proves the service up was not."""
    for tenths in range(20, 90):
        bench = Bench(seconds=0.05)

        def outage(doc_id: str, _: int, bench: Bench = bench, up: float = tenths / 10) -> Answer:
            passed = bench.clock.now - bench.began
            down = passed < up and (doc_id == hex_id(3) or passed > 0.2)
            return NO_CONNECTION if down else INDEXED

        bench.api.script = outage
        total = bench.index(pages(requests(3))).total
        assert (total.indexed, total.failed) == (3, 0)


def test_the_lowest_id_is_below_every_id() -> None:
    assert hex_id(0) == LOWEST_ID


def test_documents_that_an_outage_cut_off_are_not_blamed_for_it() -> None:
    """Others got through while they were on their way; then nobody does for some seconds."""
    bench = Bench(seconds=0.05)

    def outage(doc_id: str, _attempt: int) -> Answer:
        # Within the same moment the last ones get through and the first ones do not.
        passed = bench.clock.now - bench.began
        down = 0.5 <= passed < 8 and not (passed < 0.55 and int(doc_id, 16) % 2)
        return NO_CONNECTION if down else INDEXED

    bench.api.script = outage
    total = bench.index(pages(requests(3_000))).total
    assert (total.indexed, total.failed) == (3_000, 0)


def test_nor_is_the_only_one_that_it_cut_off() -> None:
    """Of a small chunk, all others got through in the moment in which the service went down."""
    bench = Bench(seconds=0.05)

    def outage(doc_id: str, _attempt: int) -> Answer:
        passed = bench.clock.now - bench.began
        return NO_CONNECTION if passed < 8 and (doc_id == hex_id(3) or passed > 0.2) else INDEXED

    bench.api.script = outage
    total = bench.index(pages(requests(3))).total
    assert (total.indexed, total.failed) == (3, 0)
