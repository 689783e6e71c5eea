"""Pure: when the next request may be sent."""

from __future__ import annotations

from dataclasses import dataclass


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
