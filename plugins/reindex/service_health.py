"""
Pure: is it the document, or is it the service?

A document that fails while others get through is to blame itself. When many different documents
fail and none gets through, the service is suspect: documents are not given up then, and after a
while the chunk is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SUSPECT_AFTER_DOCUMENTS = 5
GIVE_UP_SECONDS = 10.0
LONGEST_PATIENCE = 300.0


@dataclass
class ServiceHealth:
    """``now`` is any monotonic clock in seconds."""

    give_up_after: float = GIVE_UP_SECONDS
    last_message: str = ""
    _failing: set[str] = field(default_factory=set)
    _since: float | None = None
    _patience_until: float = 0.0
    _ever_answered: bool = False

    def answered(self) -> None:
        """The service dealt with a document, be it to take it or to refuse it."""
        self._ever_answered = True
        if self._since is not None:
            self._since = None
            self._failing.clear()

    def failed(self, doc_id: str, message: str, now: float, retry_after: float | None) -> None:
        """A post was lost, or answered by an error that another try may cure."""
        self.last_message = message
        self._failing.add(doc_id)
        if self._since is None:
            self._since = now
            self._patience_until = now + self.give_up_after
        if retry_after:
            # It said when to come back: that long it is not down.
            asked_for = now + retry_after + self.give_up_after
            self._patience_until = min(
                self._since + LONGEST_PATIENCE, max(self._patience_until, asked_for)
            )

    @property
    def suspect(self) -> bool:
        """Several different documents failed, and none got through since."""
        return len(self._failing) >= SUSPECT_AFTER_DOCUMENTS

    def down(self, now: float) -> bool:
        """Suspect for longer than there is patience for."""
        return self.suspect and now >= self._patience_until

    @property
    def nothing_got_through(self) -> bool:
        """Something failed, and not one document was ever dealt with."""
        return bool(self._failing) and not self._ever_answered

    def story(self, now: float) -> str:
        """For the error message."""
        since = now - (self._since if self._since is not None else now)
        return (
            f"no document got through for {since:.0f} s ({len(self._failing)} tried, "
            f"last: {self.last_message})"
        )
