"""How long a run worked, whatever lies between its chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.spans import PAUSE_SECONDS, Span, seconds_worked

HOURS = 8 * 3600.0


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([(5.0, 8.0)], 3.0),
        ([(5.0, 8.0), (3.0, 4.0), (6.0, 7.0)], 5.0),
        ([(0.0, 10.0), (PAUSE_SECONDS, PAUSE_SECONDS + 10)], PAUSE_SECONDS + 10),
        ([(0.0, 10.0), (HOURS, HOURS + 10)], 20.0),
        ([(HOURS, HOURS + 10), (0.0, 10.0), (2.0, HOURS)], HOURS + 10),
    ],
    ids=[
        "nothing",
        "one",
        "overlapping",
        "a wait for a retry",
        "cleared in the morning",
        "bridged",
    ],
)
def test_pauses_are_no_work_and_waits_are(spans: list[Span], seconds: float) -> None:
    assert seconds_worked(spans) == seconds


_moments = st.integers(0, 10_000).map(float)


@given(st.lists(st.tuples(_moments, _moments).map(lambda pair: (min(pair), max(pair)))))
def test_it_is_never_less_than_the_longest_and_never_more_than_the_whole(spans: list[Span]) -> None:
    worked = seconds_worked(spans)
    assert worked >= max((end - start for start, end in spans), default=0.0)
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    assert worked <= max(ends, default=0.0) - min(starts, default=0.0)
