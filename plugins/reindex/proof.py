"""A chunk's ledger at its end, held against what its range holds."""

from __future__ import annotations

from typing import Protocol

from reindex.doc_types import DOC_TYPES, DocType
from reindex.errors import LedgerImbalance
from reindex.ledger import ChunkLedger, came_and_went, settled_by_type
from reindex.work import IdRange, Work


class CountedSource(Protocol):
    """What is asked of the source: see :meth:`reindex.hooks.source.SourceHook.count`."""

    def count(self, doc_type: DocType, first: str, until: str | None, last: str | None) -> int: ...


def proven(source: CountedSource, work: Work, ledger: ChunkLedger) -> ChunkLedger:
    """
    The ledger, with every document of the range proven to be in it.

    Documents come and go between the plan's scan and this chunk's. So the range is counted, even
    where the numbers agree, as one that came may hide one that was skipped: it may hold fewer
    documents than were met, but not more.

    :raises LedgerImbalance: it does hold more, or ids of a list were never met
    """
    ledger = settled_by_type(ledger)
    off = ledger.total.not_reached
    if work.id_range is not None:
        _recount(source, work, work.id_range, ledger)
    elif off > 0:
        raise LedgerImbalance(f"{off} ids of {work.doc_type} were planned and never met")
    return came_and_went(ledger, work.doc_type, appeared=max(0, -off), vanished=max(0, off))


def _recount(source: CountedSource, work: Work, id_range: IdRange, ledger: ChunkLedger) -> None:
    """
    The whole range, also of a redrive: what the run before skipped, nobody expects to be behind it.
    """
    last = ledger.position if isinstance(ledger.position, str) else None
    doc_type = DOC_TYPES[id_range.doc_type]
    held = source.count(doc_type, id_range.first, id_range.until, last)
    met = id_range.settled + ledger.total.fetched + ledger.total.missing - len(work.ids)
    if held > met:
        when = ", now or in the run that is driven again: start a full run"
        raise LedgerImbalance(
            f"{id_range.doc_type} {id_range.first} to {last or 'the end'}: the collection holds "
            f"{held} documents, {met} were met: the read was cut short"
            f"{when if id_range.after else ''}"
        )
