"""Pure: the documents of a run that are not in the index, as a table to search and to download."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reindex.ledger import ChunkLedger, Failure
from reindex.views.records import RunRecord

FAILED, MISSING = "failed", "missing"
COLUMNS = ("docType", "docId", "outcome", "reason", "status", "attempts", "message", "chunk")
_SEARCHED = ("docType", "docId", "outcome", "reason", "message")
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

MEANINGS: Mapping[str, str] = {
    "validation": "The Discovery API refuses the document as it is. Correct the document; trying "
    "again as it is ends the same way.",
    "auth": "The Discovery API refused our token. Renew the token in the discovery connection, "
    "then re-drive.",
    "rate_limited": "The Discovery API asked for fewer requests, more often than we try. Re-drive "
    "when it is less busy, or set requestsPerSecond.",
    "server": "The Discovery API failed on its own side, at every attempt. Re-drive once it is "
    "well again.",
    "timeout": "No answer in time, at any attempt. Re-drive when the service is faster; the "
    "connection's timeout may be too short.",
    "connection": "No connection to the Discovery API. Check that it runs and can be reached from "
    "the workers, then re-drive.",
    "unreadable": "The document in MongoDB cannot be made into a request: a field has a type that "
    "it must not have. Correct the document, then re-drive.",
}

Row = dict[str, Any]


@dataclass(frozen=True)
class FailureFilter:
    """Which rows are asked for; empty: all. The reason ``missing`` finds the missing ones."""

    search: str = ""
    reason: str = ""
    doc_type: str = ""

    def fits(self, row: Row) -> bool:
        if self.doc_type and row["docType"] != self.doc_type:
            return False
        if self.reason and self.reason not in (row["reason"], row["outcome"]):
            return False
        wanted = self.search.casefold()
        return not wanted or any(wanted in str(row[name] or "").casefold() for name in _SEARCHED)


def failure_rows(record: RunRecord, asked: FailureFilter) -> list[Row]:
    """Every document that failed or is missing and fits, chunk by chunk."""
    return [row for row in _rows(record) if asked.fits(row)]


def failures_csv(rows: Iterable[Row]) -> str:
    """With a header; no cell of it is a formula to a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue()


def _rows(record: RunRecord) -> Iterator[Row]:
    for each in record.rejected:
        yield _failed(Failure(**each), None)
    for descriptor in record.descriptors or ():
        index = descriptor["index"]
        if index not in record.ledgers:
            continue
        ledger = ChunkLedger.from_json(record.ledgers[index])
        for failure in ledger.failures:
            yield _failed(failure, index)
        for doc_type, doc_id in ledger.missing:
            yield _row(doc_type, doc_id, MISSING, chunk=index)


def _failed(failure: Failure, chunk: int | None) -> Row:
    given = {name: getattr(failure, name) for name in ("reason", "status", "attempts", "message")}
    return _row(failure.docType, failure.docId, FAILED, chunk=chunk, **given)


def _row(doc_type: str, doc_id: str, outcome: str, **known: Any) -> Row:
    row: Row = dict.fromkeys(COLUMNS)
    return row | {"docType": doc_type, "docId": doc_id, "outcome": outcome} | known


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")  # Python 3.10's csv writes no NUL
    return f"'{value}" if value.startswith(_FORMULA) else value
