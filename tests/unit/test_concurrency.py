"""The in-flight limit finds the knee; the pace holds a ceiling and a pause."""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.concurrency import START_LIMIT, InFlightLimit, Pace

SERVICE_SECONDS = 0.01
MOST = 64


def latency_of(limit: int, knee: int) -> float:
    """A server that works off ``knee`` requests at once; the others wait for their turn."""
    return SERVICE_SECONDS * max(1.0, limit / knee)


def settled_limit(limit: InFlightLimit, knee: int, answers: int = 5_000) -> int:
    for _ in range(answers):
        limit.answered(latency_of(limit.limit, knee))
    return limit.limit


@pytest.mark.parametrize(("most", "start"), [(1, 1), (3, 3), (MOST, START_LIMIT)])
def test_the_limit_starts_low_and_never_above_its_ceiling(most: int, start: int) -> None:
    assert InFlightLimit(most).limit == start


@pytest.mark.parametrize("knee", [4, 8, 16, 32])
def test_the_limit_finds_the_servers_knee_and_stays_there(knee: int) -> None:
    limit = InFlightLimit(MOST)
    limits = [settled_limit(limit, knee, answers=1) for _ in range(20_000)][1_000:]
    assert knee * 0.8 <= statistics.median(limits) <= 1.6 * knee
    assert max(limits) <= 2 * knee


def test_the_limit_grows_to_the_ceiling_when_nothing_ever_waits() -> None:
    assert settled_limit(InFlightLimit(MOST), knee=1_000) == MOST


def test_the_limit_shrinks_when_answers_become_slow_and_recovers() -> None:
    limit = InFlightLimit(MOST)
    before = settled_limit(limit, knee=32)
    assert settled_limit(limit, knee=2, answers=1_500) <= before / 2
    assert settled_limit(limit, knee=32) >= before / 2


def test_a_server_that_became_slower_for_good_is_not_taken_for_a_queue_for_ever() -> None:
    limit = InFlightLimit(MOST)
    settled_limit(limit, knee=1_000)
    for _ in range(200 * MOST):
        limit.answered(10 * SERVICE_SECONDS)
    assert limit.limit == MOST


def test_the_limit_moves_only_with_a_full_window() -> None:
    limit = InFlightLimit(MOST)
    for _ in range(15):
        limit.answered(SERVICE_SECONDS)
    assert limit.limit == START_LIMIT
    limit.answered(SERVICE_SECONDS)
    assert limit.limit > START_LIMIT


def test_overload_halves_the_limit_and_leaves_at_least_one() -> None:
    limit = InFlightLimit(MOST)
    settled_limit(limit, knee=1_000)
    halves = []
    for _ in range(8):
        limit.overloaded()
        halves.append(limit.limit)
    assert halves == [32, 16, 8, 4, 2, 1, 1, 1]


def test_overload_forgets_the_window_it_fell_into() -> None:
    limit = InFlightLimit(MOST)
    for _ in range(15):
        limit.answered(SERVICE_SECONDS)
    limit.overloaded()
    limit.answered(SERVICE_SECONDS)
    assert limit.limit == START_LIMIT // 2


@given(
    most=st.integers(1, 100),
    events=st.lists(st.none() | st.floats(0, 100), max_size=400),
)
def test_the_limit_stays_between_one_and_its_ceiling(most: int, events: list[float | None]) -> None:
    limit = InFlightLimit(most)
    for seconds in events:
        if seconds is None:
            limit.overloaded()
        else:
            limit.answered(seconds)
        assert 1 <= limit.limit <= most


def test_without_a_ceiling_nobody_waits() -> None:
    pace = Pace()
    assert [pace.delay(now) for now in (0.0, 0.0, 5.0)] == [0.0, 0.0, 0.0]


def test_a_ceiling_spreads_requests_evenly() -> None:
    pace = Pace(per_second=4)
    assert [pace.delay(100.0) for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]


def test_no_burst_is_saved_up_while_idle() -> None:
    pace = Pace(per_second=4)
    pace.delay(0.0)
    assert [pace.delay(60.0) for _ in range(3)] == [0.0, 0.25, 0.5]


def test_a_pause_holds_for_everyone_and_ends() -> None:
    pace = Pace()
    pace.pause(10.0, 5.0)
    assert [pace.delay(now) for now in (10.0, 12.0, 15.0, 20.0)] == [5.0, 3.0, 0.0, 0.0]


def test_the_longest_of_several_pauses_counts() -> None:
    pace = Pace()
    pace.pause(10.0, 5.0)
    pace.pause(11.0, 1.0)
    assert pace.delay(11.0) == 4.0


def test_after_a_pause_the_ceiling_still_spreads() -> None:
    pace = Pace(per_second=2)
    pace.pause(10.0, 5.0)
    assert [pace.delay(10.0) for _ in range(3)] == [5.0, 5.5, 6.0]


@given(
    per_second=st.floats(0.5, 500),
    gaps=st.lists(st.floats(0, 3), min_size=2, max_size=50),
)
def test_no_two_requests_are_closer_than_the_ceiling_allows(
    per_second: float, gaps: list[float]
) -> None:
    pace, now, starts = Pace(per_second), 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + pace.delay(now))
    apart = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert min(apart) >= 1 / per_second - 1e-6
