"""
Pure: how many requests may be in flight, found from the answers' latency.

A server that works off K requests at once answers the first K in its service time; each one more
only waits. The limit follows FAST TCP (Jin, Wei, Low 2004): limit × base latency ÷ latency, and a
tenth more, whose short queue shows that there is no room left. By Little's law that is
throughput × base latency, the amount that BBR (Cardwell et al. 2016) keeps in flight; and as with
BBR the base, latency when nothing waits, is measured at a lower limit now and then. It begins like
HyStart (Ha, Rhee 2008): multiply until even the quickest of the last answers have waited, then
fall to throughput × base. Medians, since one pause of the server delays all that is in flight.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

START_LIMIT = 4
BACK_OFF = 0.5
# Latency that is aimed at ÷ base. A wait below NOISE_SECONDS is the machine's own and no queue.
AIM, NOISE_SECONDS = 1.1, 0.0005
# What the beginning multiplies by: what it overshoots with is less than 1 % of ten seconds' work.
QUADRUPLE_BELOW, DOUBLE_BELOW, LATER = 16, 64, 1.4
# It goes on after a few answers that did not wait; it ends when three quarters of some did.
FEW_ANSWERS, SOME_ANSWERS, WAITED = 8, 16, 1.3
# A median needs so many answers, and so many rounds of all that is in flight.
WINDOW, ROUNDS = 96, 3
# The limit's growth once nothing waits (ROOM of the aim is left); it speeds up window by window.
ROOM, FIRST_GROWTH, MOST_GROWTH = 1.06, 1.12, 1.5
PROBE, PROBE_ROUNDS, WINDOWS_BETWEEN_PROBES = 0.7, 2, 24
# Latency that fell so much when the limit did had been nothing but waiting.
FELL = 0.8


@dataclass
class InFlightLimit:
    """
    The limit of one chunk. Not thread-safe: it lives on the event loop that posts.

    :param most: never more than this many
    """

    most: int
    limit: int = field(init=False)
    #: The median of the last answers, in seconds. Requests that are more than before are to be
    #: sent spread over it: together they would queue, and their answers would come together too.
    latency: float = 0.0
    _base: float = 0.0
    _base_limit: int = 0
    _sent_before: int = field(init=False)
    _window: list[float] = field(default_factory=list)
    _ramp: _Ramp | None = field(default_factory=lambda: _Ramp())
    _windows: int = WINDOWS_BETWEEN_PROBES
    _growth: float = FIRST_GROWTH
    _resume: int | None = None
    _before: float = 0.0

    def __post_init__(self) -> None:
        self.limit = min(START_LIMIT, self.most)
        self._sent_before = self.limit  # the first ones connect, which takes its time

    def answered(self, seconds: float, now: float) -> None:
        """A request was answered after so long. ``now`` is any monotonic clock in seconds."""
        if self._ramp is not None:
            self._ramp_up(self._ramp, seconds, now)
        elif self._sent_before:  # it was sent while another limit held
            self._sent_before -= 1
        else:
            self._window.append(seconds)
            if len(self._window) >= self._enough():
                self.latency = statistics.median(self._window)
                self._window.clear()
                if self._resume is None:
                    self._steady()
                else:
                    self._probed(self._resume)

    def overloaded(self) -> None:
        """The server said, or showed by a time-out, that it is too much: counts once a round."""
        if self._sent_before:
            self._sent_before -= 1
            return
        self._ramp = self._resume = None
        self._windows, self._base_limit = WINDOWS_BETWEEN_PROBES, 0
        self._set(self.limit * BACK_OFF)

    def _ramp_up(self, ramp: _Ramp, seconds: float, now: float) -> None:
        ramp.add(seconds, now)
        few = max(FEW_ANSWERS, self.limit // 8)
        some = max(SOME_ANSWERS, self.limit // 8)
        waited = max(WAITED * self._base, self._base + NOISE_SECONDS)
        # In between are the first answers of new connections, which took their time to connect.
        known = ramp.answers <= self._sent_before or ramp.answers >= self.limit + some
        if self._base and known and ramp.quickest(some) > waited:
            self._ramp = None
            self._set(min(self.limit, ramp.rate(self.limit) * self._aim()))
        elif ramp.answers >= self._sent_before + few and (
            not self._base or ramp.quickest(few) <= waited
        ):
            self.latency = self._base = ramp.unqueued(few)
            self._base_limit = self.limit
            if self.limit == self.most:
                self._ramp = None
            self._set(self.limit * _ramp_factor(self.limit))

    def _enough(self) -> int:
        return max(WINDOW, self.limit * (ROUNDS if self._resume is None else PROBE_ROUNDS))

    def _aim(self) -> float:
        return max(AIM * self._base, self._base + NOISE_SECONDS)

    def _steady(self) -> None:
        self._windows += 1
        if self.limit == 1 or self.latency < FELL * self._base:
            self._base = self.latency
        room = self._aim() / self.latency if self.latency else math.inf
        wanted = self.limit * room
        # Nothing waited at the limit that the base was found at: who wants less finds it wrong.
        outdated = self._windows > WINDOWS_BETWEEN_PROBES or wanted < self._base_limit
        if self.limit > 1 and outdated:
            self._look_below()
        elif room > ROOM:
            at_least = self.limit + (self._growth == MOST_GROWTH)
            self._set(max(at_least, int(self.limit * self._growth)))
            self._growth = min(MOST_GROWTH, self._growth**2)
        else:
            self._growth = FIRST_GROWTH
            self._set(wanted)

    def _look_below(self) -> None:
        self._resume, self._before = self.limit, self.latency
        self._set(min(self.limit - 1, self.limit * PROBE))

    def _probed(self, resume: int) -> None:
        queued = self.latency < FELL * self._before and self.latency > NOISE_SECONDS
        if queued and self.limit > 1:
            self._look_below()
            return
        self._base, self._base_limit = self.latency, self.limit
        self._windows, self._resume = 0, None
        self._set(resume)

    def _set(self, limit: float) -> None:
        self._window.clear()
        limit = max(1, min(self.most, round(limit)))
        if limit != self.limit:
            self._sent_before, self.limit = self.limit, limit


@dataclass
class _Ramp:
    """The answers of the beginning; ``answers`` of them came since the limit moved last."""

    answers: int = 0
    _seconds: list[float] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)
    _unqueued: list[float] = field(default_factory=list)

    def add(self, seconds: float, now: float) -> None:
        self.answers += 1
        self._seconds.append(seconds)
        self._times.append(now)

    def quickest(self, some: int) -> float:
        """Latency that three quarters of the last answers had at least."""
        last = sorted(self._seconds[-some:])
        return last[len(last) // 4]

    def unqueued(self, few: int) -> float:
        """The last few answers did not wait: the median latency of all such."""
        self._unqueued += self._seconds[-few:]
        self.answers = 0
        return statistics.median(self._unqueued)

    def rate(self, limit: int) -> float:
        """Answers a second, of late."""
        since = -1 - min(max(SOME_ANSWERS, limit // 2), len(self._times) - 1)
        seconds = self._times[-1] - self._times[since]
        return (-1 - since) / seconds if seconds > 0 else math.inf


def _ramp_factor(limit: int) -> float:
    if limit < QUADRUPLE_BELOW:
        return 4
    return 2 if limit < DOUBLE_BELOW else LATER
