"""Pure: how long a run worked."""

from __future__ import annotations

from collections.abc import Iterable

# Waits for retries and for the scheduler are shorter, and are part of what a run takes.
PAUSE_SECONDS = 600.0

Span = tuple[float, float]


def seconds_worked(spans: Iterable[Span]) -> float:
    """
    From the first start to the last end, without pauses.

    A pause is a time in which no chunk was at work: such as the hours until somebody cleared the
    chunks that failed at night.
    """
    worked, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        if start - until > PAUSE_SECONDS:
            until = start
        worked += max(0.0, end - until)
        until = max(until, end)
    return worked
