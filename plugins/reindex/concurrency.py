"""
Pure: how many requests may be in flight, found from the answers' latency.

A server that works off K requests at once answers the first K in its service time; each one more
only waits. The limit is moved after the Vegas scheme of TCP: with ``best`` the service time when
nothing waits, ``limit * (1 - best / latency)`` of the requests in flight are queued, and the
limit is kept where only a few are. Errors that say "too much" cut it in half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FEWEST_QUEUED = 1.0
START_LIMIT = 4
BACK_OFF = 0.5
# The best latency is forgotten bit by bit, so that a server that became slower is not mistaken
# for one with a queue for ever.
WINDOWS_REMEMBERED = 50


@dataclass
class InFlightLimit:
    """
    The limit of one chunk. Not thread-safe: it lives on the event loop that posts.

    :param most: never more than this many
    """

    most: int
    limit: int = field(init=False)
    _latencies: list[float] = field(default_factory=list)
    _best: list[float] = field(default_factory=list)
    _ceiling: float = math.inf

    def __post_init__(self) -> None:
        self.limit = min(START_LIMIT, self.most)

    def answered(self, seconds: float) -> None:
        """A request was answered after so long. Moves the limit once a window is full."""
        self._latencies.append(seconds)
        if len(self._latencies) >= max(16, 2 * self.limit):
            self._move()

    def overloaded(self) -> None:
        """The server said, or showed by a time-out, that it is too much."""
        self.limit = max(1, int(self.limit * BACK_OFF))
        self._latencies.clear()

    def _move(self) -> None:
        window = sorted(self._latencies)
        self._latencies.clear()
        self._best = [*self._best, window[len(window) // 10]][-WINDOWS_REMEMBERED:]
        best, typical = min(self._best), window[len(window) // 2]
        queued = self.limit * (1 - best / typical) if typical > 0 else 0.0
        allowed = FEWEST_QUEUED + math.sqrt(self.limit)
        if queued < allowed:
            self.limit = min(self.most, self.limit + max(1, self.limit // 4))
        elif queued > 2 * allowed:
            self.limit = max(1, self.limit - max(1, self.limit // 8))


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
