"""What a chunk proves before it calls itself complete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reindex import proof
from reindex.errors import LedgerImbalance
from reindex.ledger import Counts
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
    return proof.proven(source, work, met).total, source


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
