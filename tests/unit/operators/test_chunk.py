"""What the chunk operator proves before it calls itself complete; the rest is integration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from reindex.chunks import SliceChunk
from reindex.conf import RunConf
from reindex.errors import LedgerImbalance
from reindex.hooks.source import SourceHook
from reindex.ledger import Counts
from reindex.operators.chunk import (
    FEWEST_FAILURES,
    MOST_FAILURES,
    _begun,
    _most_failures,
    _most_refused,
    _proven,
    _store,
)
from reindex.service_health import GIVE_UP_ROUNDS, GIVE_UP_SECONDS
from reindex.work import IdRange, Work
from tests.unit.builders import a_ledger, hex_id, ids

BOUNDS = IdRange("creator", hex_id(1), hex_id(99))
RANGE = Work("creator", (), BOUNDS)


class Counting:
    """A source of which only the number of documents is asked."""

    def __init__(self, held: int) -> None:
        self.held, self.asked = held, list[tuple[Any, ...]]()

    def count(self, *bounds: Any) -> int:
        self.asked.append(bounds[1:])
        return self.held


def proven(held: int, work: Work, counts: Counts, **ledger: Any) -> tuple[Counts, Counting]:
    source = Counting(held)
    met = a_ledger(0, counts={"creator": counts}, **ledger)
    return _proven(cast(SourceHook, source), work, met).total, source


def test_the_time_between_two_attempts_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = SliceChunk(0, "creator", 0, 10)
    saved: dict[str, Any] = {}
    monkeypatch.setattr("time.time", lambda: 1_020.0)
    _store(Store(saved), chunk, a_ledger(10, started=1_000.0))
    monkeypatch.setattr("time.time", lambda: 50_000.0)
    begun = _begun(saved["ledger"], chunk)
    assert (begun.started, begun.ended) == (49_980.0, 0.0)


class Store:
    """A task state store."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held

    def set(self, key: str, value: Any) -> None:
        self.held[key] = value


def test_a_range_is_counted_also_where_the_numbers_agree() -> None:
    counts = Counts(expected=5, fetched=5, indexed=5)
    total, source = proven(5, RANGE, counts)
    assert (total, source.asked) == (counts, [(hex_id(1), hex_id(99), None)])
    with pytest.raises(LedgerImbalance):
        proven(6, RANGE, counts)


def test_a_redrive_counts_the_whole_range_with_what_the_run_before_settled() -> None:
    """Two failed before, one of them is gone now; 40 were settled up to the place it goes on at."""
    work = Work("creator", tuple(ids(2)), replace(BOUNDS, after=hex_id(40), settled=40))
    counts = Counts(expected=12, fetched=10, indexed=10, missing=1)
    total, source = proven(49, work, counts)
    assert (total.vanished, source.asked) == (1, [(hex_id(1), hex_id(99), None)])
    with pytest.raises(LedgerImbalance, match=r"50 documents, 49 were met.* start a full run"):
        proven(50, work, counts)


@pytest.mark.parametrize(
    ("expected", "appeared", "vanished"), [(5, 2, 0), (9, 0, 2)], ids=["appeared", "vanished"]
)
def test_a_difference_to_the_plan_is_counted_and_booked(
    expected: int, appeared: int, vanished: int
) -> None:
    counts = Counts(expected=expected, fetched=7, indexed=7)
    total, source = proven(7, RANGE, counts, position=hex_id(50))
    assert (total.appeared, total.vanished, total.balanced) == (appeared, vanished, True)
    assert source.asked == [(hex_id(1), hex_id(99), hex_id(50))]


def test_a_read_that_was_cut_short_is_found_and_names_the_range() -> None:
    with pytest.raises(
        LedgerImbalance, match=rf"creator {hex_id(1)} to the end.* 10 .* 7 were met"
    ):
        proven(10, RANGE, Counts(expected=10, fetched=7, indexed=7))


def test_ids_of_a_list_that_were_never_met_are_an_imbalance() -> None:
    with pytest.raises(LedgerImbalance):
        proven(0, Work("creator", tuple(ids(5))), Counts(expected=5, fetched=2, indexed=2))


def test_the_docs_name_the_limits_that_hold() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text()
    rows = text.partition("## When a chunk ends early")[2].partition("## ")[0]
    assert f"after {GIVE_UP_SECONDS:.0f} s" in rows
    assert f"after {GIVE_UP_ROUNDS} time-outs in a row" in rows
    assert rows.count(f"not below {FEWEST_FAILURES + 1} of them") == 2
    assert f"more than {MOST_FAILURES:,} of either" in rows


@pytest.mark.parametrize(
    ("documents", "tolerance", "failures", "refused"),
    [
        (10, 0.0, 20, 20),  # a handful never ends a chunk
        (5_000, 0.01, 50, 2_500),
        (5_000, 1.0, 5_000, 5_000),
        (1_000_000, 0.01, 10_000, 10_000),
        (1_000_000, 1.0, 10_000, 10_000),
    ],
)
def test_failures_that_end_a_chunk_are_bounded(
    documents: int, tolerance: float, failures: int, refused: int
) -> None:
    chunk = SliceChunk(0, "creator", 0, documents)
    conf = RunConf(doc_types=("creator",), failure_tolerance=tolerance)
    assert (_most_failures(conf, chunk), _most_refused(conf, chunk)) == (failures, refused)
