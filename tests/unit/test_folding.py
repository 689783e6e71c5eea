"""Any sequence of outcomes folds to a balanced ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import IGNORED, INDEXED, Reason
from reindex.folding import WOULD_SEND, Result, failure, folded, settled
from reindex.ledger import ChunkLedger, Counts, Failure
from reindex.pages import Item, Missing, Page, Position, Unchanged
from reindex.payloads import Rejection
from tests.unit.builders import INVALID, SERVER_ERROR, a_failure, a_ledger, a_request, hex_id, ids

OUTCOMES = ("indexed", "ignored", "failed", "rejected", "missing", "unchanged", "would send")


def item_and_result(doc_id: str, outcome: str, doc_type: str = "creator") -> tuple[Item, Result]:
    request = a_request(doc_id, doc_type)
    items: dict[str, tuple[Item, Result]] = {
        "indexed": (request, INDEXED),
        "ignored": (request, IGNORED),
        "failed": (request, failure(request, SERVER_ERROR, 5)),
        "rejected": (rejected := Rejection(doc_type, doc_id, "why"), settled(rejected)),
        "missing": (missing := Missing(doc_type, doc_id), missing),
        "unchanged": (unchanged := Unchanged(doc_type, doc_id), unchanged),
        "would send": (request, WOULD_SEND),
    }
    return items[outcome]


def fold(
    ledger: ChunkLedger,
    met: Sequence[tuple[str, str]],
    *,
    moving: bool = True,
    done: int | None = None,
    requests: int = 0,
) -> ChunkLedger:
    """Fold a page of (id, outcome), of which the first ``done`` have a result."""
    pairs = [item_and_result(doc_id, outcome) for doc_id, outcome in met]
    positions: list[Position] = [doc_id if moving else None for doc_id, _ in met]
    results: list[Result | None] = [result for _, result in pairs]
    if done is not None:
        results[done:] = [None, *results[done + 1 :]]
    return folded(ledger, Page([item for item, _ in pairs], positions), results, requests)


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("indexed", Counts(fetched=1, indexed=1)),
        ("ignored", Counts(fetched=1, ignored=1)),
        ("failed", Counts(fetched=1, failed=1)),
        ("rejected", Counts(fetched=1, failed=1)),
        ("missing", Counts(missing=1)),
        ("unchanged", Counts(fetched=1, unchanged=1)),
        ("would send", Counts(fetched=1, wouldSend=1)),
    ],
)
def test_each_outcome_has_its_column(outcome: str, counts: Counts) -> None:
    ledger = fold(a_ledger(1), [(hex_id(1), outcome)], requests=3)
    assert ledger.total == counts + Counts(expected=1)
    assert ledger.total.balanced
    assert (ledger.position, ledger.requests) == (hex_id(1), 3)
    assert [f.docId for f in ledger.failures] == [hex_id(1)] * counts.failed
    assert ledger.missing == (("creator", hex_id(1)),) * counts.missing


def test_a_failure_says_what_the_contract_asks_for() -> None:
    assert failure(a_request(hex_id(1), "project"), INVALID, 2) == Failure(
        "project", hex_id(1), "validation", 422, 2, "validation_error; title: too long"
    )
    assert settled(Rejection("creator", hex_id(2), "updatedAt is a str")) == Failure(
        "creator", hex_id(2), "unreadable", None, 0, "updatedAt is a str"
    )


@pytest.mark.parametrize("quiet", [Missing("creator", "x"), Unchanged("creator", "x")])
def test_what_needs_no_words_stays_as_it_is(quiet: Missing | Unchanged) -> None:
    assert settled(quiet) is quiet


def test_a_page_that_was_cut_off_counts_up_to_the_first_item_without_a_result() -> None:
    met = list(zip(ids(4), ["indexed", "failed", "ignored", "failed"], strict=True))
    ledger = fold(a_ledger(4), met, done=2)
    assert ledger.total == Counts(expected=4, fetched=2, indexed=1, failed=1)
    assert ledger.position == hex_id(2)
    assert ledger.total.not_reached == 2
    assert [f.docId for f in ledger.failures] == [hex_id(2)]


def test_results_and_items_must_be_as_many() -> None:
    page = Page([a_request(hex_id(1))], [hex_id(1)])
    with pytest.raises(ValueError, match="shorter"):
        folded(a_ledger(1), page, [], 0)


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("indexed", Counts(fetched=2, failed=1, indexed=1)),
        ("ignored", Counts(fetched=2, failed=1, ignored=1)),
        ("unchanged", Counts(fetched=2, failed=1, unchanged=1)),
        ("missing", Counts(fetched=1, failed=1, missing=1)),
        ("failed", Counts(fetched=2, failed=2)),
        ("rejected", Counts(fetched=2, failed=2)),
    ],
)
def test_a_failure_that_is_tried_again_changes_its_column(outcome: str, counts: Counts) -> None:
    before = fold(a_ledger(2), [(hex_id(1), "failed"), (hex_id(2), "failed")])
    ledger = fold(before, [(hex_id(1), outcome)], moving=False)
    assert ledger.total == counts + Counts(expected=2)
    assert ledger.total.balanced
    assert ledger.position == hex_id(2)
    assert len(ledger.failures) == counts.failed
    assert ledger.failures[0].docId == hex_id(2)


def test_the_same_id_of_another_type_keeps_its_failure() -> None:
    failed = a_ledger(
        1,
        "project",
        counts={"project": Counts(expected=1, fetched=1, failed=1), "creator": Counts(expected=1)},
        failures=(a_failure(hex_id(1), doc_type="project"),),
    )
    ledger = fold(failed, [(hex_id(1), "indexed")])
    assert ledger.counts["project"] == failed.counts["project"]
    assert ledger.counts["creator"] == Counts(expected=1, fetched=1, indexed=1)
    assert ledger.failures == failed.failures


def test_doc_types_of_one_page_are_counted_apart() -> None:
    pairs = [
        item_and_result(hex_id(1), "indexed"),
        item_and_result(hex_id(2), "ignored", "project"),
    ]
    page = Page([item for item, _ in pairs], [1, 2])
    ledger = folded(a_ledger(2, "all"), page, [result for _, result in pairs], 2)
    assert ledger.counts == {
        "all": Counts(expected=2),
        "creator": Counts(fetched=1, indexed=1),
        "project": Counts(fetched=1, ignored=1),
    }
    assert ledger.position == 2


def through_json(ledger: ChunkLedger) -> ChunkLedger:
    return ChunkLedger.from_json(json.loads(json.dumps(ledger.to_json())))


@given(
    outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=20),
    page_size=st.integers(2, 9),
    data=st.data(),
)
def test_any_outcomes_retries_cuts_and_resumes_fold_to_a_balanced_ledger(
    outcomes: list[str], page_size: int, data: st.DataObject
) -> None:
    met = list(zip(ids(len(outcomes)), outcomes, strict=True))
    ledger = a_ledger(len(met))
    now = dict[str, str]()
    while len(now) < len(met):
        rest = met[len(now) :]
        page = rest[:page_size]
        done = data.draw(st.integers(1, len(page)))
        ledger = fold(ledger, page, done=done if done < len(page) else None)
        now |= dict(page[:done])
        again = [f.docId for f in ledger.failures if data.draw(st.booleans())]
        retried = [(doc_id, data.draw(st.sampled_from(OUTCOMES))) for doc_id in again]
        ledger = through_json(fold(ledger, retried, moving=False))
        now |= dict(retried)
        assert ledger.total.not_reached == len(met) - len(now)
        assert ledger.position == (met[len(now) - 1][0] if now else None)
    columns = [*now.values()]
    failed = {doc_id for doc_id, outcome in now.items() if outcome in ("failed", "rejected")}
    missing = [doc_id for doc_id, outcome in now.items() if outcome == "missing"]
    assert ledger.total.balanced
    assert ledger.total.fetched == len(met) - len(missing)
    assert ledger.total.indexed == columns.count("indexed")
    assert ledger.total.ignored == columns.count("ignored")
    assert ledger.total.unchanged == columns.count("unchanged")
    assert ledger.total.wouldSend == columns.count("would send")
    assert ledger.total.failed == len(failed) == len(ledger.failures)
    assert {f.docId for f in ledger.failures} == failed
    assert sorted(doc_id for _, doc_id in ledger.missing) == sorted(missing)
    assert all(f.reason in (Reason.SERVER.value, Reason.UNREADABLE.value) for f in ledger.failures)
