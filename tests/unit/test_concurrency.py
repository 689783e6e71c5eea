"""
The in-flight limit finds the knee.

The figures are of the real indexer against a model of a server, on a virtual clock.
"""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.concurrency import START_LIMIT, InFlightLimit
from tests.unit.saturating_server import Run, SaturatingServer

MOST = 64
# Of each knee: seconds of service, and the documents of about ten seconds.
SERVICE = {4: 0.005, 8: 0.010, 32: 0.020, 128: 0.050}


def ten_seconds_of(knee: int) -> int:
    return int(10 * knee / SERVICE[knee])


def last_half(run: Run) -> list[int]:
    return run.in_flight[len(run.in_flight) // 2 :]


def settled(limit: InFlightLimit, seconds: float, answers: int = 2_000) -> int:
    """The limit after so many answers of a server that has no knee."""
    for number in range(answers):
        limit.answered(seconds, number * seconds / 4)
    return limit.limit


@pytest.mark.parametrize(("most", "start"), [(1, 1), (3, 3), (MOST, START_LIMIT)])
def test_the_limit_starts_low_and_never_above_its_ceiling(most: int, start: int) -> None:
    assert InFlightLimit(most).limit == start


# The more the service times vary, the likelier the beginning ends too early; the limit then grows
# more slowly.
@pytest.mark.parametrize(("jitter", "share"), [(0.03, 0.95), (0.1, 0.95), (0.3, 0.95), (0.5, 0.7)])
@pytest.mark.parametrize("knee", SERVICE)
def test_the_limit_finds_the_knee(knee: int, jitter: float, share: float) -> None:
    documents = ten_seconds_of(knee)
    found = SaturatingServer(knee, SERVICE[knee], jitter).indexed(documents)
    at_knee, beyond = (
        SaturatingServer(knee, SERVICE[knee], jitter).met_by_loops(documents // 4, in_flight)
        for in_flight in (knee, knee * 3 // 2)
    )
    assert found.rate >= share * max(at_knee.rate, beyond.rate)
    assert found.p99 <= 1.5 * at_knee.p99
    assert 0.9 * knee <= statistics.median(last_half(found)) <= 1.3 * knee + 1
    assert max(last_half(found)) <= 1.6 * knee + 1


@pytest.mark.parametrize("knee", [32, 128])
def test_connecting_is_not_taken_for_a_queue(knee: int) -> None:
    """As with TLS over some distance: three times the service."""
    server = SaturatingServer(knee, SERVICE[knee], 0.1, connect=3 * SERVICE[knee])
    run = server.indexed(ten_seconds_of(knee))
    assert run.rate >= 0.9 * knee / SERVICE[knee]


@pytest.mark.parametrize(("before", "after"), [(32, 8), (8, 32), (64, 4), (4, 64)])
def test_the_limit_follows_a_knee_that_moves(before: int, after: int) -> None:
    moves = {4_000: lambda server: server.becomes(after, 0.01)}
    run = SaturatingServer(before, 0.01, 0.2, events=moves).indexed(16_000)
    assert 0.7 * after <= statistics.median(run.in_flight[12_000:]) <= 1.4 * after + 1


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_service_time_that_changes_is_not_taken_for_a_queue(factor: float) -> None:
    changes = {4_000: lambda server: server.becomes(32, 0.01 * factor)}
    run = SaturatingServer(32, 0.01, 0.2, events=changes).indexed(16_000)
    assert 0.85 * 32 <= statistics.median(run.in_flight[8_000:]) <= 1.4 * 32


@pytest.mark.parametrize("knee", [8, 32])
def test_pauses_of_the_server_drive_the_limit_neither_down_nor_up(knee: int) -> None:
    every = int(knee / SERVICE[knee])  # about once a second
    documents = ten_seconds_of(knee)
    pauses = {number: lambda server: server.pauses(0.2) for number in range(0, documents, every)}
    run = SaturatingServer(knee, SERVICE[knee], 0.1, events=pauses).indexed(documents)
    assert 0.6 * knee <= min(last_half(run))
    assert max(last_half(run)) <= 2 * knee


def test_the_limit_grows_to_the_ceiling_when_nothing_ever_waits() -> None:
    assert settled(InFlightLimit(MOST), 0.01) == MOST


def test_waits_of_less_than_a_millisecond_are_no_queue() -> None:
    """What the client's own CPU bounds: latency grows with the limit, from the first on."""
    limit = InFlightLimit(16)
    limits = []
    for number in range(5_000):
        limit.answered(0.00005 * limit.limit, number * 0.00005)
        limits.append(limit.limit)
    assert statistics.median(limits) == 16


def test_a_server_that_became_slower_for_good_is_not_taken_for_a_queue_for_ever() -> None:
    limit = InFlightLimit(MOST)
    settled(limit, 0.01)
    assert settled(limit, 0.1, answers=100 * MOST) == MOST


def test_the_first_answers_have_to_connect_and_tell_nothing() -> None:
    limit = InFlightLimit(MOST)
    for number in range(START_LIMIT + 7):
        limit.answered(0.01, number * 0.01)
    assert limit.limit == START_LIMIT
    limit.answered(0.01, 1.0)
    assert limit.limit > START_LIMIT


def test_overload_halves_the_limit_once_a_round_and_leaves_at_least_one() -> None:
    limit = InFlightLimit(MOST)
    settled(limit, 0.01)
    limits = []
    for _ in range(200):
        limit.overloaded()
        limits.append(limit.limit)
    assert [(each, len(list(run))) for each, run in itertools.groupby(limits)] == [
        (32, 65), (16, 33), (8, 17), (4, 9), (2, 5), (1, 71),
    ]  # fmt: skip


def test_the_limit_recovers_from_an_overload() -> None:
    limit = InFlightLimit(MOST)
    settled(limit, 0.01)
    for _ in range(200):
        limit.overloaded()
    assert limit.limit == 1
    assert settled(limit, 0.01, answers=4_000) == MOST


def test_an_overload_before_anything_is_known_is_overcome() -> None:
    limit = InFlightLimit(MOST)
    for _ in range(20):
        limit.overloaded()
    assert limit.limit == 1
    assert settled(limit, 0.01, answers=4_000) == MOST


@given(
    most=st.integers(1, 100),
    events=st.lists(st.none() | st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=600),
)
def test_the_limit_stays_between_one_and_its_ceiling(
    most: int, events: list[tuple[float, float] | None]
) -> None:
    limit, now = InFlightLimit(most), 0.0
    for event in events:
        if event is None:
            limit.overloaded()
        else:
            now += event[1]
            limit.answered(event[0], now)
        assert 1 <= limit.limit <= most
