"""The pace holds a ceiling and a pause."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from reindex.pace import Pace


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
