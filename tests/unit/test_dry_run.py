"""The dry run of a chunk: everything is built and checked, a few payloads are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given

from reindex import dry_run
from reindex.dry_run import (
    MOST_BODY_BYTES,
    MOST_SAMPLE_CHARACTERS,
    DryRun,
    Sample,
    chunks_to_sample,
    found_out,
    in_words,
    sample_of,
    spread,
)
from reindex.errors import ChunkKilled, TooManyFailures
from reindex.folding import WOULD_SEND, Result
from reindex.ledger import ChunkLedger, Counts
from reindex.pages import Item, Missing, Page, Unchanged
from reindex.payloads import IndexRequest, Rejection
from reindex.run_ledger import RunLedger, run_ledger
from reindex.run_rate import RunRate
from tests.unit.builders import NOON, a_ledger, hex_id, ids
from tests.unit.strategies import json_values


def request(number: int, doc_type: str = "creator", **payload: object) -> IndexRequest:
    body = {"docType": doc_type, "docId": hex_id(number), "payload": payload or {"n": number}}
    return IndexRequest(doc_type, hex_id(number), NOON, json.dumps(body).encode())


def page_of(*items: Item) -> Page:
    return Page(items, [item.doc_id for item in items])


def a_dry_run(expected: int = 0, most_refused: int = 20) -> tuple[DryRun, list[object]]:
    """A dry run, and what it tells: saved ledgers, and (id, result) of each item."""
    told: list[object] = []

    def on_result(item: Item, result: Result) -> None:
        told.append((item.doc_id, result))

    return DryRun(a_ledger(expected), most_refused, told.append, on_result), told


def test_everything_is_counted_and_nothing_is_requested() -> None:
    dry, told = a_dry_run(4)
    rejected = Rejection("creator", hex_id(2), "headline is a bytes, expected text")
    pages = [
        page_of(request(1), rejected),
        page_of(Missing("creator", hex_id(3)), Unchanged("creator", hex_id(4))),
    ]
    ledger = dry.run(pages)
    counts = Counts(expected=4, fetched=3, wouldSend=1, failed=1, missing=1, unchanged=1)
    assert ledger.total == counts
    assert counts.balanced
    assert (ledger.requests, ledger.position) == (0, hex_id(4))
    (failed,) = ledger.failures
    assert (failed.reason, failed.message) == ("unreadable", rejected.message)
    assert told[0] == (hex_id(1), WOULD_SEND)
    assert len(told) == 4


def test_a_request_that_the_api_would_find_too_large_names_the_field_and_nothing_in_it() -> None:
    body = MOST_BODY_BYTES - len(request(1, title="s3cr3t", skills=[""]).body)
    fits = request(1, title="s3cr3t", skills=["x" * body])
    assert len(fits.body) == MOST_BODY_BYTES
    dry, _ = a_dry_run()
    ledger = dry.run([page_of(fits, request(2, title="s3cr3t", skills=["x" * (body + 1)]))])
    assert ledger.total == Counts(fetched=2, wouldSend=1, failed=1)
    (failed,) = ledger.failures
    assert (failed.docId, failed.reason, failed.attempts) == (hex_id(2), "validation", 0)
    assert failed.message.endswith("most of it is payload.skills")
    assert "s3cr3t" not in failed.message


def test_it_gives_up_where_a_real_run_would() -> None:
    rejected = [Rejection("creator", doc_id, "why") for doc_id in ids(3)]
    assert a_dry_run(most_refused=3)[0].run([page_of(*rejected)]).total.failed == 3
    dry, _ = a_dry_run(most_refused=2)
    with pytest.raises(TooManyFailures, match=r"3 documents cannot be sent.* gives up after 2"):
        dry.run([page_of(*rejected), page_of(request(9))])
    assert dry.ledger.total == Counts(fetched=3, failed=3)


def test_it_ends_after_the_page_at_hand_when_told_to() -> None:
    dry, _ = a_dry_run()

    def pages() -> Iterator[Page]:
        yield page_of(request(1))
        dry.stop(ChunkKilled("asked to end"))
        yield page_of(request(2))
        raise AssertionError("one page too many")

    with pytest.raises(ChunkKilled):
        dry.run(pages())
    assert dry.ledger.total.wouldSend == 2


def test_the_ledger_is_saved_about_once_a_second() -> None:
    dry, told = a_dry_run()
    with patch.object(dry_run.time, "monotonic", side_effect=[0.0, 0.9, 1.0, 1.0, 1.1, 2.0, 2.0]):
        dry.run([page_of(request(number)) for number in range(1, 5)])
    saved = [each.total.wouldSend for each in told if isinstance(each, ChunkLedger)]
    assert saved == [2, 4]


def test_samples_are_of_every_type() -> None:
    dry, _ = a_dry_run()
    creators = [request(number) for number in range(1, 100)]
    dry.run([page_of(*creators, request(200, "project"), request(201, "project"))])
    shown = [(each["docType"], each["docId"]) for each in dry.samples]
    assert shown == [
        ("creator", hex_id(1)),
        ("project", hex_id(200)),
        ("creator", hex_id(2)),
        ("project", hex_id(201)),
        ("creator", hex_id(3)),
    ]
    assert dry.samples[0]["payload"] == {"n": 1}


def test_long_texts_and_lists_of_a_sample_are_cut_with_a_mark() -> None:
    sample = sample_of(request(1, title="é" * 250, skills=["a"] * 25, rating={"average": 4.5}))
    assert sample["payload"] == {
        "title": "é" * 200 + "… 50 more characters",
        "skills": ["a"] * 20 + ["… 5 more"],
        "rating": {"average": 4.5},
    }


@given(value=json_values)
def test_a_sample_is_bounded_whatever_it_holds(value: object) -> None:
    wide = {f"{number}{'k' * 300}": [value] * 6 for number in range(30)}
    sample = sample_of(request(1, deep=[[wide] * 3] * 3, value=value))
    assert len(json.dumps(sample["payload"], ensure_ascii=False)) <= MOST_SAMPLE_CHARACTERS


def test_a_payload_that_no_cutting_makes_small_is_named_by_its_size() -> None:
    value: object = "x" * 20
    for _ in range(12):
        value = [value, value]
    sample = sample_of(huge := request(1, deep=value))
    assert sample["payload"] == {"…": f"a payload of {len(huge.body)} bytes"}


def test_samples_of_many_chunks_are_spread_over_types_and_chunks() -> None:
    def one(doc_type: str, doc_id: str) -> Sample:
        return {"docType": doc_type, "docId": doc_id}

    chunks = [
        [one("creator", "a1"), one("creator", "a2")],
        [one("creator", "b1"), one("creator", "b2")],
        [],
        [one("project", "c1")],
    ]
    assert [each["docId"] for each in spread(chunks)] == ["a1", "c1", "b1", "a2", "b2"]
    assert spread([]) == []


def test_of_many_chunks_only_a_few_are_asked_for_samples() -> None:
    ledgers = [ChunkLedger(n, {"creator": Counts(wouldSend=1)}) for n in range(1000)]
    ledgers += [ChunkLedger(1000, {"project": Counts(wouldSend=1)})]
    ledgers += [ChunkLedger(1001, {"project": Counts(failed=1)})]
    assert chunks_to_sample(reversed(ledgers)) == [0, 200, 400, 600, 800, 1000]


def a_run(would_send: int, **changes: float) -> RunLedger:
    counts = {"creator": Counts(expected=would_send, fetched=would_send, wouldSend=would_send)}
    chunk = {"index": 0, "docType": "creator", "offset": 0, "expected": would_send}
    return run_ledger([chunk], [ChunkLedger(0, counts, complete=True, **changes).to_json()])


RATES = [RunRate("night-1", 900, 50.0, 1.0), RunRate("night-2", 900, 250.0, 2.0)]


@pytest.mark.parametrize(("ceiling", "seconds"), [(None, 4.0), (1_000, 4.0), (10, 60.0)])
def test_the_estimate_is_from_the_typical_rate_and_obeys_the_ceiling(
    ceiling: float | None, seconds: float
) -> None:
    found = found_out(a_run(600), RATES, ceiling, [{"docType": "creator"}])
    assert found == {
        "requests": 600,
        "estimatedSeconds": seconds,
        "basedOn": {"docsPerSecond": 150.0, "runs": ["night-1", "night-2"]},
        "noEstimate": None,
        "readingSeconds": 0.0,
        "samples": [{"docType": "creator"}],
    }


def test_a_real_run_reads_everything_too_however_little_it_sends() -> None:
    found = found_out(a_run(1, started=100.0, ended=139.0), RATES, None, [])
    assert (found["readingSeconds"], found["estimatedSeconds"]) == (39.0, 39.0)


def test_without_a_plan_there_is_no_estimate() -> None:
    found = found_out(run_ledger([], []), RATES, None, [])
    assert (found["estimatedSeconds"], found["noEstimate"]) == (None, "nothing was planned")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (194, "3 min 14 s"), (3600, "1 h 0 min"), (90_000, "25 h 0 min")],
)
def test_the_estimate_is_said_in_units(seconds: float, words: str) -> None:
    found = {"requests": 1, "estimatedSeconds": seconds, "noEstimate": None}
    assert in_words(found).endswith(f"in about {words}")


def test_a_dry_run_that_did_not_see_everything_estimates_nothing() -> None:
    chunk = {"index": 0, "docType": "creator", "offset": 0, "expected": 600}
    found = found_out(run_ledger([chunk], []), RATES, None, [])
    assert (found["estimatedSeconds"], found["basedOn"]) == (None, None)
    assert found["noEstimate"] == "600 documents were not looked at"


def test_without_an_earlier_run_there_is_no_estimate_but_a_reason() -> None:
    found = found_out(a_run(600), [], 10.0, [])
    assert (found["estimatedSeconds"], found["basedOn"]) == (None, None)
    assert str(found["noEstimate"]) in in_words(found)
    assert in_words(found).startswith("nothing was sent; a real run makes 600 requests, how long")
