"""
Pure: how many requests may be in flight, found from the answers' latency.

A server that works off K requests at once answers the first K in its service time; each one more
only waits. Latency tells where K is only against itself: the median of a window of answers is
compared with the median of one that was sent at a lower limit, when nothing waited. As high as
that: the limit may grow. Risen: what was added only waits. (A minimum would do for a server whose
service time never varies; a median cancels that out.) Errors that say "too much" halve the limit.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

START_LIMIT = 4
BACK_OFF = 0.5
# Answers that a median is taken of: at least so many, and a round of what is in flight.
RAMP_WINDOW, WINDOW = 16, 128
# Latency at the limit ÷ latency when nothing waits: below FREE the limit grows, above FULL it
# shrinks, and above RAMP_END the doubling of the beginning ends.
FREE, FULL, RAMP_END = 1.17, 1.30, 1.40
PROBE, FELL = 0.7, 0.75
WINDOWS_A_PROBE_HOLDS = 16
FIRST_GROWTH, GROWTH = 0.125, 0.25


@dataclass
class InFlightLimit:
    """
    The limit of one chunk. Not thread-safe: it lives on the event loop that posts.

    :param most: never more than this many
    """

    most: int
    limit: int = field(init=False)
    _window: list[float] = field(default_factory=list)
    _unqueued: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    _sent_before: int = 0
    _resume: int = 0
    _before: float = 0.0
    _age: int = WINDOWS_A_PROBE_HOLDS
    _growing: bool = False
    _weigh: Callable[[], None] = field(init=False)

    def __post_init__(self) -> None:
        self.limit = min(START_LIMIT, self.most)
        self._weigh = self._ramp

    def answered(self, seconds: float) -> None:
        """A request was answered after so long. Moves the limit once a window is full."""
        if self._sent_before:  # it was sent while another limit held
            self._sent_before -= 1
            return
        self._window.append(seconds)
        if len(self._window) >= self._enough():
            self._weigh()
            self._window.clear()

    def overloaded(self) -> None:
        """The server said, or showed by a time-out, that it is too much."""
        self._weigh, self._age = self._steady, WINDOWS_A_PROBE_HOLDS
        self._set(self.limit * BACK_OFF)

    def _enough(self) -> int:
        if self._weigh == self._ramp:
            return max(RAMP_WINDOW, self.limit // 2)
        return max(WINDOW, self.limit)

    def _ramp(self) -> None:
        """Double until latency rises."""
        risen = self._risen()
        if risen > RAMP_END:
            self._weigh = self._steady
            self._set(math.ceil(self.limit * FREE / risen))
            return
        self._unqueued.extend(self._window)
        if self.limit == self.most:
            self._weigh = self._steady
        self._set(self.limit * 2)

    def _steady(self) -> None:
        """Grow while latency does not rise; before shrinking, look whether something waits."""
        risen = self._risen()
        self._age += 1
        if risen < FREE:
            share = GROWTH if self._growing else FIRST_GROWTH
            self._set(self.limit + max(1, int(self.limit * share)))
            self._growing = True
            return
        self._growing = False
        if self._age > WINDOWS_A_PROBE_HOLDS and self.limit > 1:
            self._look_below()
        elif risen > FULL:
            self._set(max(min(self.limit - 1, self.limit * FREE / risen), self.limit * PROBE))

    def _look_below(self) -> None:
        self._resume, self._before = self.limit, statistics.median(self._window)
        self._weigh = self._probe
        self._set(self.limit * PROBE)

    def _probe(self) -> None:
        """
        Latency at a lower limit is what the next windows are compared with.

        Where it fell with the limit, all that was taken off had only waited: look further below.
        """
        if statistics.median(self._window) < FELL * self._before and self.limit > 1:
            self._look_below()
            return
        self._unqueued.clear()
        self._unqueued.extend(self._window)
        self._age, self._weigh = 0, self._steady
        self._set(self._resume)

    def _risen(self) -> float:
        least = statistics.median(self._unqueued) if self._unqueued else 0.0
        return statistics.median(self._window) / least if least > 0 else 1.0

    def _set(self, limit: float) -> None:
        limit = max(1, min(self.most, int(limit)))
        if limit != self.limit:
            self._sent_before, self.limit = self.limit, limit
        self._window.clear()


@dataclass
class Pace:
    """
    A ceiling of requests per second, and the pause that ``Retry-After`` asks for.

    ``now`` is any monotonic clock in seconds. Requests are spread evenly: no burst saved up.
    """

    per_second: float | None = None
    _next: float = 0.0
    _paused_until: float = 0.0

    def delay(self, now: float) -> float:
        """Seconds to wait before the next request, which this call books."""
        if self.per_second is None:
            return self.pause_left(now)
        at = max(self._next, now, self._paused_until)
        self._next = at + 1.0 / self.per_second
        return at - now

    def pause_left(self, now: float) -> float:
        """Seconds until the pause ends that was asked for last, possibly while one waited."""
        return max(0.0, self._paused_until - now)

    def pause(self, now: float, seconds: float) -> None:
        """Nobody posts for so long."""
        self._paused_until = max(self._paused_until, now + seconds)
