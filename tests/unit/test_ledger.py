"""The closed ledger: every document that was expected stands in exactly one column."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import Reason
from reindex.ledger import ChunkLedger, Counts, Failure, came_and_went, settled_by_type
from tests.unit.builders import a_ledger, hex_id
from tests.unit.strategies import balanced_counts, few, texts

COLUMNS = [each.name for each in fields(Counts)]

counts_of_anything = st.builds(Counts, **dict.fromkeys(COLUMNS, few))
failures = st.builds(
    Failure,
    docType=st.sampled_from(["creator", "project"]),
    docId=st.integers(0, 99).map(hex_id),
    reason=st.sampled_from(Reason).map(lambda reason: reason.value),
    status=st.none() | st.integers(100, 599),
    attempts=st.integers(0, 9),
    message=texts,
)


chunk_ledgers = st.builds(
    ChunkLedger,
    index=st.integers(0, 1023),
    counts=st.dictionaries(st.sampled_from(["creator", "project", "all"]), counts_of_anything),
    failures=st.lists(failures, max_size=3).map(tuple),
    missing=st.lists(
        st.tuples(st.sampled_from(["creator", "all"]), st.integers(0, 99).map(hex_id)), max_size=3
    ).map(tuple),
    requests=few,
    position=st.none() | few | st.integers(0, 99).map(hex_id),
    complete=st.booleans(),
    started=st.floats(0, 2e9),
    ended=st.floats(0, 2e9),
    error=st.none() | texts,
)


@pytest.mark.parametrize("name", COLUMNS)
def test_counts_add_up_column_by_column(name: str) -> None:
    one = Counts(**{name: 3})
    assert one + Counts(**{name: 4}) == Counts(**{name: 7})
    assert one + Counts() == one


@given(counts=balanced_counts(), name=st.sampled_from(COLUMNS), off=st.sampled_from([-1, 1]))
def test_one_document_too_many_or_too_few_in_any_column_is_an_imbalance(
    counts: Counts, name: str, off: int
) -> None:
    assert counts.balanced
    assert not replace(counts, **{name: getattr(counts, name) + off}).balanced


@given(one=balanced_counts(), other=balanced_counts())
def test_balanced_counts_stay_balanced_when_added(one: Counts, other: Counts) -> None:
    assert (one + other).balanced


def test_what_is_not_reached_is_expected_and_in_no_column() -> None:
    counts = Counts(expected=10, appeared=2, vanished=3, fetched=4, indexed=4, missing=1)
    assert counts.not_reached == 4
    assert not counts.balanced


@given(ledger=chunk_ledgers)
def test_a_ledger_survives_its_journey_as_json(ledger: ChunkLedger) -> None:
    travelled = json.loads(json.dumps(ledger.to_json()))
    # Milliseconds are enough; and nobody goes on behind the position of what is complete.
    started, ended = round(ledger.started, 3), round(ledger.ended, 3)
    position = None if ledger.complete else ledger.position
    ledger = replace(ledger, started=started, ended=ended, position=position)
    assert ChunkLedger.from_json(travelled) == ledger
    assert ChunkLedger.from_json({**travelled, "chunk": "creator all (7)", "later": 1}) == ledger
    every_key = {
        **{each.name: getattr(ledger, each.name) for each in fields(ledger)},
        "counts": {name: asdict(counts) for name, counts in ledger.counts.items()},
        "failures": [asdict(failure) for failure in ledger.failures],
        "missing": [list(pair) for pair in ledger.missing],
    }
    assert ChunkLedger.from_json(every_key) == ledger


def test_a_ledgers_json_leaves_out_what_says_nothing() -> None:
    begun = {"index": 0, "counts": {"creator": {"expected": 3}}, "complete": False}
    assert a_ledger(3).to_json() == begun


@given(documents=st.integers(0, 9_999_999), indexed=st.floats(0, 1), times=st.floats(1e9, 9e9))
def test_the_xcom_of_a_clean_chunk_isfew_whatever_its_size(
    documents: int, indexed: float, times: float
) -> None:
    """Every one of a run's is fetched by its report, and kept."""
    new = int(documents * indexed)
    counts = Counts(expected=documents, fetched=documents, indexed=new, ignored=documents - new)
    ledger = ChunkLedger(
        1023, {"creator": counts}, (), (), documents, hex_id(1), True, times, times + 3600 / 7
    )
    assert len(json.dumps(ledger.to_json())) <= 200


def test_what_was_expected_of_all_is_booked_under_the_types_found() -> None:
    ledger = a_ledger(
        9,
        "all",
        counts={
            "all": Counts(expected=9, missing=2),
            "creator": Counts(fetched=4, indexed=4),
            "project": Counts(fetched=3, failed=3),
        },
    )
    settled = settled_by_type(ledger)
    assert settled.counts == {
        "creator": Counts(expected=4, fetched=4, indexed=4),
        "project": Counts(expected=3, fetched=3, failed=3),
        "all": Counts(expected=2, missing=2),
    }
    assert settled.total == ledger.total
    assert settled.total.balanced


def test_nothing_stays_under_all_when_every_id_was_found() -> None:
    counts = {"all": Counts(expected=4), "creator": Counts(fetched=4, ignored=4)}
    settled = settled_by_type(a_ledger(4, counts=counts))
    assert settled.counts == {"creator": Counts(expected=4, fetched=4, ignored=4)}


def test_a_ledger_of_one_type_is_settled_already() -> None:
    ledger = a_ledger(4)
    assert settled_by_type(ledger) is ledger


def test_what_came_and_went_is_booked_under_its_type() -> None:
    ledger = came_and_went(a_ledger(4), "creator", appeared=2, vanished=1)
    assert ledger.counts == {"creator": Counts(expected=4, appeared=2, vanished=1)}
    assert came_and_went(ledger, "project", appeared=1, vanished=0).counts["project"] == Counts(
        appeared=1
    )
    assert came_and_went(ledger, "creator", appeared=0, vanished=0) is ledger
