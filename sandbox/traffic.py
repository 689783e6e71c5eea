"""Counts of what arrived, so that a test can prove that nothing was flooded or sent twice."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from typing import Any

IDENTIFIER = re.compile(r"(?<=/)[0-9a-fA-F]{24}(?=/|$)")


class Traffic:
    """Requests as they arrived, whether a fault met them or not."""

    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Starts counting anew; what is in flight stays in flight."""
        self._paths: Counter[str] = Counter()
        self._documents: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._max_in_flight = self._in_flight
        self._peak = 0
        self._last_second: deque[float] = deque()

    def arrived(self, method: str, path: str) -> None:
        self._paths[f"{method} {IDENTIFIER.sub('{id}', path)}"] += 1

    def update_began(self, doc_id: str | None) -> None:
        """An index update arrived; ``doc_id`` is None when its body names no document."""
        if doc_id is not None:
            self._documents[doc_id] += 1
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)
        now = time.monotonic()
        self._last_second.append(now)
        while self._last_second[0] <= now - 1:
            self._last_second.popleft()
        self._peak = max(self._peak, len(self._last_second))

    def update_ended(self) -> None:
        self._in_flight -= 1

    def answered(self, status: int) -> None:
        """The status line of an answer to an index update left the service."""
        self._answers[str(status)] += 1

    def faulted(self, kind: str) -> None:
        """A fault rule was applied to a request."""
        self._faults[kind] += 1

    def summary(self, *, documents: bool = False) -> dict[str, Any]:
        """``{total, paths, faults, indexUpdates}``; ``documents`` adds how often each docId came.

        ``indexUpdates`` holds ``received``, ``answers`` by status, ``documents`` (distinct docIds),
        ``maxPerDocument``, ``inFlight``, ``maxInFlight`` and ``peakPerSecond`` (the most that
        arrived within any one second).
        """
        updates = {
            "received": self._paths["POST /search/index-update"],
            "answers": dict(self._answers),
            "documents": len(self._documents),
            "maxPerDocument": max(self._documents.values(), default=0),
            "inFlight": self._in_flight,
            "maxInFlight": self._max_in_flight,
            "peakPerSecond": self._peak,
        }
        summary: dict[str, Any] = {
            "total": sum(self._paths.values()),
            "paths": {path: count for path, count in self._paths.items() if count},
            "faults": dict(self._faults),
            "indexUpdates": updates,
        }
        return {**summary, "documents": dict(self._documents)} if documents else summary
