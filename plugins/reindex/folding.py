"""
Pure: the results of a page's items → the chunk's ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reindex.answers import Accepted, Reason, Refused
from reindex.ledger import ChunkLedger, Counts, Failure
from reindex.pages import Missing, Page, Unchanged
from reindex.payloads import IndexRequest, Rejection


@dataclass(frozen=True)
class WouldSend:
    """A dry run built the document's request, and sent nothing."""


WOULD_SEND = WouldSend()
Result = Accepted | Failure | Missing | Unchanged | WouldSend


def settled(item: Rejection | Missing | Unchanged) -> Result:
    """What an item comes to that is never posted."""
    if isinstance(item, Rejection):
        reason = Reason.UNREADABLE.value
        return Failure(item.doc_type, item.doc_id, reason, None, 0, item.message)
    return item


def failure(request: IndexRequest, answer: Refused, attempts: int) -> Failure:
    """What a request comes to that the API did not take."""
    return Failure(
        request.doc_type,
        request.doc_id,
        answer.reason.value,
        answer.status,
        attempts,
        answer.message,
    )


def folded(
    ledger: ChunkLedger, page: Page, results: Sequence[Result | None], requests: int
) -> ChunkLedger:
    """
    The ledger with the page's results in it, up to the first item that has none.

    A document that stands in the ledger as failed, and was tried again, leaves its old column.
    """
    counts: dict[str, _Tally] = {}
    failures: list[Failure] = []
    missing: list[tuple[str, str]] = []
    tried_again = {(f.docType, f.docId) for f in ledger.failures} if ledger.failures else set()
    position = ledger.position
    replaced: set[tuple[str, str]] = set()
    for item, behind, result in zip(page.items, page.positions, results, strict=True):
        if result is None:
            break
        tally = counts.setdefault(item.doc_type, _Tally())
        key = (item.doc_type, item.doc_id)
        if key in tried_again:
            replaced.add(key)
            tally.fetched -= 1
            tally.failed -= 1
        tally.add(result)
        if isinstance(result, Failure):
            failures.append(result)
        elif isinstance(result, Missing):
            missing.append(key)
        position = behind if behind is not None else position
    kept = tuple(f for f in ledger.failures if (f.docType, f.docId) not in replaced)
    return replace(
        ledger,
        counts=_added(ledger.counts, counts),
        failures=(kept if replaced else ledger.failures) + tuple(failures),
        missing=ledger.missing + tuple(missing),
        requests=ledger.requests + requests,
        position=position,
    )


class _Tally:
    """One document type's counts while a page is folded."""

    __slots__ = (
        "failed", "fetched", "ignored", "indexed", "missing", "unchanged", "would_send",
    )  # fmt: skip

    def __init__(self) -> None:
        self.fetched = self.indexed = self.ignored = 0
        self.missing = self.failed = self.unchanged = self.would_send = 0

    def add(self, result: Result) -> None:
        if isinstance(result, Missing):
            self.missing += 1
            return
        self.fetched += 1
        if isinstance(result, Accepted):
            if result.indexed:
                self.indexed += 1
            else:
                self.ignored += 1
        elif isinstance(result, Unchanged):
            self.unchanged += 1
        elif isinstance(result, WouldSend):
            self.would_send += 1
        else:
            self.failed += 1

    def counts(self) -> Counts:
        return Counts(
            fetched=self.fetched,
            indexed=self.indexed,
            ignored=self.ignored,
            missing=self.missing,
            failed=self.failed,
            unchanged=self.unchanged,
            wouldSend=self.would_send,
        )


def _added(counts: Mapping[str, Counts], more: Mapping[str, _Tally]) -> dict[str, Counts]:
    added = dict(counts)
    for name, tally in more.items():
        added[name] = added.get(name, Counts()) + tally.counts()
    return added
