"""
Pure: is it the document, or is it the service?

A document that fails while others get through is to blame itself. While none gets through, nobody
is blamed until patience ends; then it is the service if several different documents failed, and
else these documents. Patience is long enough for others to be tried meanwhile, however long a
failing one takes.

Documents that failed before, in an earlier attempt or run, are no sign as long as they are few:
what is left over of a chunk may be nothing but them, and would pass for a service that is down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

SUSPECT_AFTER_DOCUMENTS = 3
GIVE_UP_SECONDS = 10.0
GIVE_UP_ROUNDS = 3
LONGEST_PATIENCE = 300.0


class Blame(Enum):
    """Whom a document's failure is put down to."""

    NOBODY = "nobody yet"
    DOCUMENT = "the document"
    SERVICE = "the service"


@dataclass
class ServiceHealth:
    """
    ``now`` is any monotonic clock in seconds.

    :param failed_before: ids that are a sign only when more than ``few`` of them fail again
    """

    failed_before: frozenset[str] = frozenset()
    few: int = 0
    give_up_after: float = field(default_factory=lambda: GIVE_UP_SECONDS)
    last_message: str = ""
    _failing: set[str] = field(default_factory=set)
    _failing_again: set[str] = field(default_factory=set)
    _since: float | None = None
    _patience_until: float = 0.0
    _last_answer: float = -math.inf
    _ever_answered: bool = False

    def answered(self, now: float) -> None:
        """The service dealt with a document, be it to take it or to refuse it."""
        self._ever_answered = True
        self._last_answer = now
        if self._since is not None:
            self._since = None
            self._failing.clear()
            self._failing_again.clear()

    def failed(
        self, doc_id: str, message: str, now: float, retry_after: float | None, took: float
    ) -> None:
        """A post was lost, or answered by an error that another try may cure, after so long."""
        self.last_message = message
        again = doc_id in self.failed_before
        (self._failing_again if again else self._failing).add(doc_id)
        if self._since is None:
            self._since, self._patience_until = now, now
        # A few that hang must not pass for the service before others had the time to get through.
        until = self._since + max(self.give_up_after, GIVE_UP_ROUNDS * took)
        if retry_after:
            # It said when to come back: that long it is not down.
            until = max(until, now + retry_after + self.give_up_after)
        self._patience_until = min(self._since + LONGEST_PATIENCE, max(self._patience_until, until))

    def answered_since(self, time: float) -> bool:
        """Whether the service dealt with any document after that time."""
        return self._last_answer > time

    def blame(self, now: float, first_sent: float) -> Blame:
        """
        Why a document, sent first at ``first_sent``, still is not through.

        To be asked right after :meth:`failed`.
        """
        if self.answered_since(first_sent):
            return Blame.DOCUMENT
        if now < self._patience_until:
            return Blame.NOBODY
        several = self._signs >= SUSPECT_AFTER_DOCUMENTS
        return Blame.SERVICE if several else Blame.DOCUMENT

    @property
    def failing(self) -> int:
        """How many different documents failed since the last answer."""
        return len(self._failing) + len(self._failing_again)

    @property
    def _signs(self) -> int:
        return self.failing if len(self._failing_again) > self.few else len(self._failing)

    @property
    def nothing_got_through(self) -> bool:
        """Something failed that is a sign, and not one document was ever dealt with."""
        return self._signs > 0 and not self._ever_answered

    def story(self, now: float) -> str:
        """For the error message."""
        since = now - (self._since if self._since is not None else now)
        return (
            f"no document got through for {since:.0f} s ({self.failing} tried, "
            f"last: {self.last_message})"
        )
