"""A run's ledger: its chunks added up, whatever became of them."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import Reason
from reindex.chunks import LOWEST_ID, RangeChunk, SliceChunk, descriptor_of
from reindex.ledger import ChunkLedger, Counts, Failure
from reindex.run_ledger import Incomplete, left_undone, run_ledger
from tests.unit.builders import a_failure, hex_id
from tests.unit.strategies import balanced_counts

CREATORS = descriptor_of(RangeChunk(0, "creator", LOWEST_ID, hex_id(50), 10))
PROJECTS = descriptor_of(RangeChunk(1, "project", LOWEST_ID, None, 4))
ALL_WELL = Counts(expected=10, fetched=9, indexed=5, ignored=3, failed=1, missing=1)


def complete(index: int, doc_type: str, counts: Counts, **changes: object) -> dict[str, object]:
    ledger = ChunkLedger(index, {doc_type: counts}, complete=True)
    return replace(ledger, **changes).to_json()  # type: ignore[arg-type]


def test_a_run_adds_its_chunks_up_whatever_their_order() -> None:
    creator_failure = a_failure(hex_id(1))
    ledgers = [
        complete(
            1, "project", Counts(4, fetched=4, ignored=4), requests=4, started=5.0, ended=9.0
        ),
        complete(
            0, "creator", ALL_WELL, requests=12, started=1.0, ended=3.0,
            failures=(creator_failure,), missing=(("creator", hex_id(2)),),
        ),
    ]  # fmt: skip
    run = run_ledger([CREATORS, PROJECTS], ledgers)
    assert run.counts == {"creator": ALL_WELL, "project": Counts(expected=4, fetched=4, ignored=4)}
    assert run.total == ALL_WELL + run.counts["project"]
    assert run.total.balanced
    assert (run.failures, run.missing) == ((creator_failure,), (("creator", hex_id(2)),))
    assert (run.chunks, run.requests, run.total_not_reached) == (2, 16, 0)
    assert (run.incomplete, run.unbalanced) == ((), ())
    assert run.spans == {"creator": ((1.0, 3.0),), "project": ((5.0, 9.0),)}
    assert run.seconds == 8.0
    assert run.failed_by_reason == {"server": 1}
    assert run.drift == 5 / 12


def test_a_chunk_that_left_no_ledger_was_not_reached_and_is_named() -> None:
    run = run_ledger([CREATORS, PROJECTS], [complete(0, "creator", ALL_WELL)])
    label = "project all (4)"
    assert run.incomplete == (Incomplete(1, label, 4, None),)
    assert (run.not_reached, run.total_not_reached) == ({"project": 4}, 4)
    assert run.counts["project"] == Counts(expected=4)


def test_a_chunk_that_ended_early_says_how_far_it_got_and_why() -> None:
    counts = Counts(expected=10, fetched=3, indexed=3)
    left = complete(0, "creator", counts, complete=False, error="AuthRefused: no")
    run = run_ledger([CREATORS], [left])
    assert [asdict(each) for each in run.incomplete] == [
        {
            "index": 0,
            "label": f"creator up to {hex_id(50)} (10)",
            "notReached": 7,
            "error": "AuthRefused: no",
        }
    ]
    assert run.unbalanced == ()


@pytest.mark.parametrize(
    "counts",
    [
        replace(ALL_WELL, indexed=4),
        replace(ALL_WELL, indexed=6),
        replace(ALL_WELL, fetched=8, indexed=4),
        replace(ALL_WELL, expected=11),
    ],
)
def test_an_imbalance_names_the_range(counts: Counts) -> None:
    run = run_ledger([CREATORS], [complete(0, "creator", counts)])
    assert len(run.unbalanced) == 1
    assert run.unbalanced[0].startswith(f"chunk 0, creator up to {hex_id(50)} (10): expected 1")
    assert f"fetched {counts.fetched}, indexed {counts.indexed}" in run.unbalanced[0]


def test_a_ledger_that_no_chunk_planned_is_left_out() -> None:
    run = run_ledger(
        [PROJECTS], [complete(0, "creator", ALL_WELL), complete(1, "project", Counts(4))]
    )
    assert set(run.counts) == {"project"}


def test_documents_that_the_plan_rejected_are_counted_as_failed() -> None:
    rejected = Failure("creator", "42", "unreadable", None, 0, "_id is a int")
    run = run_ledger([CREATORS], [complete(0, "creator", ALL_WELL)], [rejected])
    assert run.counts["creator"] == ALL_WELL + Counts(expected=1, fetched=1, failed=1)
    assert run.total.balanced
    assert run.failures == (rejected,)


def test_a_run_of_nothing_is_empty_and_has_no_drift() -> None:
    run = run_ledger([], [])
    assert (run.total, run.total_not_reached, run.drift, run.chunks) == (Counts(), 0, None, 0)


def test_a_chunk_that_left_no_end_has_no_span() -> None:
    more = descriptor_of(RangeChunk(2, "creator", hex_id(50), None, 4))
    unfinished = descriptor_of(RangeChunk(3, "creator", hex_id(90), None, 4))
    ledgers = [
        complete(0, "creator", ALL_WELL, started=5.0, ended=6.0),
        complete(2, "creator", Counts(4, fetched=4, indexed=4), started=2.0, ended=9.0),
        complete(3, "creator", Counts(4), complete=False, started=1.0, ended=0.0),
    ]
    run = run_ledger([CREATORS, more, unfinished], ledgers)
    assert run.spans == {"creator": ((5.0, 6.0), (2.0, 9.0))}


@given(
    met=st.lists(balanced_counts(), max_size=6),
    lost=st.sets(st.integers(0, 5)),
    cut=st.sets(st.integers(0, 5)),
)
def test_a_run_closes_whatever_became_of_its_chunks(
    met: list[Counts], lost: set[int], cut: set[int]
) -> None:
    chunks = [
        descriptor_of(SliceChunk(index, "creator", 0, counts.expected))
        for index, counts in enumerate(met)
    ]
    ledgers = []
    for index, counts in enumerate(met):
        # A chunk that was cut off met less than it ended with, of what was expected.
        reached = replace(counts, missing=0) if index in cut else counts
        if index not in lost:
            ledgers.append(complete(index, "creator", reached, complete=index not in cut))
    run = run_ledger(chunks, ledgers)
    total = run.total
    assert total.not_reached == run.total_not_reached
    taken = total.indexed + total.ignored + total.wouldSend
    assert total.fetched == taken + total.failed + total.unchanged
    assert not run.unbalanced
    assert {each.index for each in run.incomplete} == (lost | cut) & set(range(len(met)))


def test_ids_of_any_type_are_booked_by_type_though_their_chunk_is_not_done() -> None:
    counts = {"all": Counts(expected=10, missing=1), "creator": Counts(fetched=4, indexed=4)}
    ids = descriptor_of(SliceChunk(0, "all", 0, 10))
    run = run_ledger([ids], [ChunkLedger(0, counts).to_json()])
    assert run.counts == {
        "creator": Counts(expected=4, fetched=4, indexed=4),
        "all": Counts(expected=6, missing=1),
    }
    assert run.not_reached == {"all": 5}


def test_documents_that_appeared_do_not_hide_those_that_were_not_reached() -> None:
    grown = Counts(expected=10, fetched=13, indexed=13)
    run = run_ledger([CREATORS, PROJECTS], [complete(0, "creator", grown, complete=False)])
    assert run.total_not_reached == 4
    assert all(each.notReached >= 0 for each in run.incomplete)
    assert run.counts["creator"] == replace(grown, appeared=3)


def test_the_time_of_a_run_is_from_its_first_chunk_to_its_last() -> None:
    chunks = [descriptor_of(SliceChunk(index, "creator", index * 10, 10)) for index in range(3)]
    times = [(5.0, 8.0), (3.0, 4.0), (6.0, 7.0)]
    ledgers = [
        complete(index, "creator", ALL_WELL, started=started, ended=ended)
        for index, (started, ended) in enumerate(times)
    ]
    assert run_ledger(chunks, ledgers).seconds == 5.0


def test_a_rejection_of_the_plan_counts_also_where_its_type_has_no_chunk() -> None:
    run = run_ledger([], [], [a_failure("42", Reason.UNREADABLE)])
    assert run.counts == {"creator": Counts(expected=1, fetched=1, failed=1)}


@pytest.mark.parametrize(
    ("ledgers", "undone"),
    [
        ([], {0: 10, 1: 4}),
        ([complete(0, "creator", ALL_WELL, failures=(a_failure(hex_id(1)),))], {0: 1, 1: 4}),
        ([complete(0, "creator", Counts(10, fetched=10, indexed=10))], {1: 4}),
        (
            [complete(0, "creator", Counts(10, fetched=6, indexed=6), complete=False)],
            {0: 4, 1: 4},
        ),
        (
            [complete(0, "creator", Counts(10, fetched=13, indexed=13), complete=False)],
            {0: 0, 1: 4},
        ),
    ],
)
def test_what_is_left_undone_is_what_failed_or_was_not_reached(
    ledgers: list[dict[str, object]], undone: dict[int, int]
) -> None:
    assert left_undone([CREATORS, PROJECTS], ledgers) == undone
