"""
Pure: what a chunk has to do, whatever kind of chunk it is, and what is left of it later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reindex.answers import Reason
from reindex.chunks import RangeChunk
from reindex.ledger import ChunkLedger


@dataclass(frozen=True)
class IdRange:
    """
    ``first <= _id < until``, or, once part of it is done, what lies behind ``after``.

    ``settled`` documents up to there stand in the ledger of the run that is driven again.
    """

    doc_type: str
    first: str
    until: str | None
    after: str | None = None
    settled: int = 0


@dataclass(frozen=True)
class Work:
    """
    The ids of a list, then the documents of a range; either may be missing.

    ``doc_type`` is what the ids are looked up as, possibly ``all``. A ledger's position in this
    work is a number while in the list, and an id while in the range. ``failed_before`` are those of
    the ids that the run that is driven again could not get indexed.
    """

    doc_type: str
    ids: tuple[str, ...] = ()
    id_range: IdRange | None = None
    failed_before: frozenset[str] = frozenset()

    @classmethod
    def of_range(cls, chunk: RangeChunk) -> Work:
        return cls(chunk.docType, (), IdRange(chunk.docType, chunk.first, chunk.until))


def remaining(work: Work, ledger: ChunkLedger | None) -> Work:
    """The part of the work that lies behind the ledger's position."""
    if ledger is None or ledger.position is None:
        return work
    if isinstance(ledger.position, int):
        return replace(work, ids=work.ids[ledger.position :])
    assert work.id_range is not None
    total = ledger.total
    settled = work.id_range.settled + total.fetched + total.missing - len(work.ids)
    rest = replace(work.id_range, after=ledger.position, settled=settled)
    return replace(work, ids=(), id_range=rest)


def to_drive_again(work: Work, ledger: ChunkLedger | None) -> Work:
    """What a later run has to do so that nothing of this work is left undone: failed, then rest."""
    if ledger is None:
        return work
    failed = tuple(dict.fromkeys(failure.docId for failure in ledger.failures))
    rest = Work(work.doc_type) if ledger.complete else remaining(work, ledger)
    return replace(rest, ids=failed + rest.ids, failed_before=frozenset(failed))


def worth_another_try(ledger: ChunkLedger) -> dict[str, list[str]]:
    """By document type, the failed ids that the next attempt of the same chunk ends with."""
    again: dict[str, list[str]] = {}
    for failure in ledger.failures:
        reason = Reason(failure.reason)
        if reason.transient or reason is Reason.AUTH:
            again.setdefault(failure.docType, []).append(failure.docId)
    return again
