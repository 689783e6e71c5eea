"""Runs for the pages' tests: small valid ones, and those that hypothesis draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from reindex.answers import Reason
from reindex.chunks import RangeChunk, descriptor_of
from reindex.conf import RunConf
from reindex.ledger import ChunkLedger, Counts, Failure
from reindex.run_ledger import run_ledger
from reindex.verdict import run_result, verdict_of
from reindex.views.records import ChunkTask, RunRecord, Try
from tests.unit.builders import hex_id

START = datetime(2026, 11, 20, 2, tzinfo=timezone.utc)
STARTED = START.timestamp()
HOSTILE = "<img src=x onerror=alert(1)>"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def descriptor(index: int, expected: int = 10, doc_type: str = "creator") -> dict[str, object]:
    first, until = hex_id(100 * index + 1), hex_id(100 * index + 101)
    return descriptor_of(RangeChunk(index, doc_type, first, until, expected))


def a_chunk(
    index: int,
    *,
    doc_type: str = "creator",
    failed: int = 0,
    missing: int = 0,
    complete: bool = True,
    **counts: int,
) -> dict[str, object]:
    """A chunk's JSON ledger; what is not said to be ``indexed`` … is none."""
    outcomes = ("indexed", "ignored", "unchanged", "wouldSend")
    fetched = failed + sum(counts.get(name, 0) for name in outcomes)
    expected = counts.pop("expected", fetched + missing)
    reasons = list(Reason)
    ids = [hex_id(100 * index + number) for number in range(failed + missing)]
    return ChunkLedger(
        index,
        {
            doc_type: Counts(
                expected=expected, fetched=fetched, failed=failed, missing=missing, **counts
            )
        },
        tuple(
            Failure(doc_type, doc_id, reasons[place % 3].value, 422, 1, "validation_error")
            for place, doc_id in enumerate(ids[:failed])
        ),
        tuple((doc_type, doc_id) for doc_id in ids[failed:]),
        requests=fetched,
        complete=complete,
        started=STARTED + index,
        ended=STARTED + index + 10,
        error=None if complete else "ServiceUnavailable: no answer",
    ).to_json()


def a_run(ledgers: list[dict[str, Any]], **changes: Any) -> RunRecord:
    """A run with these chunks, each tried once; running unless it is said otherwise."""
    made = RunRecord(
        dag_id="reindex_batch",
        run_id="manual__1",
        state="running",
        trigger="manual",
        start=START,
        descriptors=tuple(_described(each) for each in ledgers),
        ledgers={each["index"]: each for each in ledgers},
        tasks={each["index"]: tried("success") for each in ledgers},
    )
    return replace(made, **changes)


def reported(record: RunRecord, state: str = "success") -> RunRecord:
    """The run once its report has run: with the very result that the report task leaves."""
    ledger = run_ledger(record.descriptors or (), record.ledgers.values())
    conf = RunConf(doc_types=("creator", "project"), allow_empty=True)
    result = run_result(record.run_id, ledger, conf, verdict_of(ledger, conf))
    return replace(record, state=state, end=at(60), result=result)


def tried(*states: str) -> ChunkTask:
    tries = (
        Try(number, state, at(20 * number), at(20 * number + 5))
        for number, state in enumerate(states, 1)
    )
    return ChunkTask(states[-1], tuple(tries))


def _described(ledger: Mapping[str, Any]) -> dict[str, object]:
    ((doc_type, counts),) = ledger["counts"].items()
    return descriptor(ledger["index"], counts.get("expected", 0), doc_type)


_numbers = st.integers(0, 4)


@st.composite
def chunks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The ledgers of a run: complete chunks, some that end early, of either type."""
    made: list[dict[str, Any]] = []
    for index in range(draw(st.integers(0, 5))):
        counts = {name: draw(_numbers) for name in ("indexed", "ignored", "unchanged")}
        failed, missing, left = draw(_numbers), draw(_numbers), draw(_numbers)
        expected = sum(counts.values()) + failed + missing + left
        made.append(
            a_chunk(
                index,
                doc_type=draw(st.sampled_from(["creator", "project"])),
                failed=failed,
                missing=missing,
                complete=not left,
                expected=expected,
                **counts,
            )
        )
    return made
