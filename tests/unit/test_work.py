"""What a chunk has to do, and what is left of it later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import Reason
from reindex.chunks import LOWEST_ID, RangeChunk
from reindex.ledger import Counts
from reindex.work import IdRange, Work, remaining, to_drive_again, worth_another_try
from tests.unit.builders import a_failure, a_ledger, hex_id, ids

RANGE = IdRange("creator", LOWEST_ID, hex_id(100))
BOTH = Work("creator", tuple(ids(3)), RANGE)


def test_the_work_of_a_range_chunk_is_its_range() -> None:
    chunk = RangeChunk(3, "project", hex_id(5), hex_id(9), 4)
    assert Work.of_range(chunk) == Work("project", (), IdRange("project", hex_id(5), hex_id(9)))


@pytest.mark.parametrize(
    ("position", "left"),
    [
        (None, BOTH),
        (0, BOTH),
        (2, replace(BOTH, ids=(hex_id(3),))),
        (3, replace(BOTH, ids=())),
        (hex_id(40), Work("creator", (), replace(RANGE, after=hex_id(40), settled=39))),
    ],
)
def test_what_remains_lies_behind_the_position(position: str | int | None, left: Work) -> None:
    counts = {"creator": Counts(expected=50, fetched=40, indexed=40, missing=2)}
    assert remaining(BOTH, a_ledger(50, position=position, counts=counts)) == left


def test_what_is_settled_adds_up_when_a_redrive_is_driven_again() -> None:
    counts = {"creator": Counts(expected=30, fetched=20, indexed=20)}
    begun = replace(BOTH, id_range=replace(RANGE, after=hex_id(40), settled=39))
    left = remaining(begun, a_ledger(30, position=hex_id(60), counts=counts))
    assert left.id_range == replace(RANGE, after=hex_id(60), settled=39 + 20 - 3)


def test_without_a_ledger_all_of_it_remains() -> None:
    assert remaining(BOTH, None) is BOTH
    assert to_drive_again(BOTH, None) is BOTH


@pytest.mark.parametrize("reason", Reason)
def test_only_what_may_pass_or_wanted_a_token_is_worth_another_try(reason: Reason) -> None:
    ledger = a_ledger(2, failures=(a_failure(hex_id(1), reason), a_failure(hex_id(2))))
    transient = {Reason.RATE_LIMITED, Reason.SERVER, Reason.TIMEOUT, Reason.CONNECTION, Reason.AUTH}
    expected = [hex_id(1), hex_id(2)] if reason in transient else [hex_id(2)]
    assert worth_another_try(ledger) == {"creator": expected}


def test_a_complete_chunk_is_driven_again_for_its_failures_only() -> None:
    failures = (a_failure(hex_id(7)), a_failure(hex_id(2), Reason.VALIDATION))
    ledger = a_ledger(50, failures=failures, complete=True, position=hex_id(99))
    assert to_drive_again(BOTH, ledger) == Work(
        "creator", (hex_id(7), hex_id(2)), failed_before=frozenset({hex_id(7), hex_id(2)})
    )


def test_an_id_that_failed_under_both_types_is_driven_again_once() -> None:
    failures = (a_failure(hex_id(7)), a_failure(hex_id(7), doc_type="project"))
    ledger = a_ledger(1, "all", failures=failures, complete=True)
    assert to_drive_again(Work("all", (hex_id(7),)), ledger).ids == (hex_id(7),)


@given(
    listed=st.integers(0, 8),
    in_range=st.integers(0, 8),
    done=st.integers(0, 16),
    failed=st.sets(st.integers(0, 15)),
    complete=st.booleans(),
)
def test_a_redrive_holds_each_failed_or_unreached_document_once(
    listed: int, in_range: int, done: int, failed: set[int], complete: bool
) -> None:
    """The list holds ids from 1000 on, the range from 1 on; ``done`` of both are settled."""
    ids_listed, ids_in_range = ids(listed, 1_000), ids(in_range)
    everything = ids_listed + ids_in_range
    settled = everything if complete else everything[:done]
    position: str | int | None = len(settled) if settled else None
    if len(settled) > listed:
        position = settled[-1]
    failures = tuple(a_failure(doc_id) for place, doc_id in enumerate(settled) if place in failed)
    work = Work("creator", tuple(ids_listed), RANGE)
    ledger = a_ledger(99, failures=failures, position=position, complete=complete)
    again = to_drive_again(work, ledger)
    met = list(again.ids)
    if again.id_range is not None:
        met += [each for each in ids_in_range if each > (again.id_range.after or "")]
    expected = [failure.docId for failure in failures] + everything[len(settled) :]
    assert met == expected
