"""What the chunk operator proves before it calls itself complete; the rest is integration."""

from __future__ import annotations

from typing import Any, cast

import pytest

from reindex.errors import LedgerImbalance
from reindex.hooks.source import SourceHook
from reindex.ledger import Counts
from reindex.operators.chunk import _proven
from reindex.work import IdRange, Work
from tests.unit.builders import a_ledger, hex_id, ids

RANGE = Work("creator", (), IdRange("creator", hex_id(1), hex_id(99)))


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


def test_a_ledger_that_balances_is_not_counted_again() -> None:
    counts = Counts(expected=5, fetched=5, indexed=5)
    total, source = proven(99, RANGE, counts)
    assert (total, source.asked) == (counts, [])


@pytest.mark.parametrize(
    ("expected", "appeared", "vanished"), [(5, 2, 0), (9, 0, 2)], ids=["appeared", "vanished"]
)
def test_a_difference_to_the_plan_is_counted_and_booked(
    expected: int, appeared: int, vanished: int
) -> None:
    counts = Counts(expected=expected, fetched=7, indexed=7)
    total, source = proven(7, RANGE, counts, position=hex_id(50))
    assert (total.appeared, total.vanished, total.balanced) == (appeared, vanished, True)
    assert source.asked == [(hex_id(1), hex_id(99), None, hex_id(50))]


def test_a_read_that_was_cut_short_is_found_and_names_the_range() -> None:
    with pytest.raises(
        LedgerImbalance, match=rf"creator {hex_id(1)} to the end.* 10 .* 7 were met"
    ):
        proven(10, RANGE, Counts(expected=10, fetched=7, indexed=7))


def test_ids_of_a_list_that_were_never_met_are_an_imbalance() -> None:
    with pytest.raises(LedgerImbalance):
        proven(0, Work("creator", tuple(ids(5))), Counts(expected=5, fetched=2, indexed=2))
