"""The ledger of a run → its verdict, and the result that XCom and the Jobs service hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import Reason
from reindex.chunks import LOWEST_ID, RangeChunk, SliceChunk, descriptor_of
from reindex.conf import RunConf, parse_conf
from reindex.ledger import ChunkLedger, Counts, Failure
from reindex.run_ledger import RunLedger, run_ledger
from reindex.verdict import (
    MOST_PASTED_IDS,
    MOST_REPORTED_BYTES,
    Verdict,
    failed_ids_conf,
    redrive_conf,
    reported_result,
    run_result,
    summary,
    tolerated_failures,
    verdict_of,
)
from tests.unit.builders import a_failure, hex_id, ids

CREATORS = RunConf(doc_types=("creator",))
BOTH = RunConf(doc_types=("creator", "project"))
DRY = RunConf(doc_types=("creator",), dry_run=True)
OF_IDS = RunConf(doc_types=("creator",), doc_ids=tuple(ids(10)))
MOST_BODY_BYTES = 100_000


def a_run(counts: Counts, doc_type: str = "creator", **ledger: Any) -> RunLedger:
    """A run of one chunk, complete unless said otherwise."""
    chunk = RangeChunk(0, doc_type, LOWEST_ID, None, counts.expected)
    made = ChunkLedger(0, {doc_type: counts}, **{"complete": True, **ledger})
    return run_ledger([descriptor_of(chunk)], [made.to_json()])


def done(
    indexed: int = 0, failed: int = 0, ignored: int = 0, missing: int = 0, unchanged: int = 0
) -> Counts:
    fetched = indexed + failed + ignored + unchanged
    return Counts(
        expected=fetched + missing,
        fetched=fetched,
        indexed=indexed,
        failed=failed,
        ignored=ignored,
        missing=missing,
        unchanged=unchanged,
    )


def problems(run: RunLedger, conf: RunConf = CREATORS) -> tuple[str, ...]:
    return verdict_of(run, conf).problems


def result_of(run: RunLedger, conf: RunConf = CREATORS) -> dict[str, object]:
    return run_result("run-1", run, conf, verdict_of(run, conf))


@pytest.mark.parametrize(
    ("documents", "tolerance", "tolerated"),
    [
        (0, 0.01, 0),
        (1, 0.01, 1),
        (10, 0.01, 1),
        (100, 0.01, 1),
        (101, 0.01, 2),
        (10, 0, 0),
        (7, 1, 7),
    ],
)
def test_the_tolerance_is_rounded_up_to_whole_documents(
    documents: int, tolerance: float, tolerated: int
) -> None:
    assert tolerated_failures(documents, tolerance) == tolerated


def test_a_whole_number_of_documents_is_not_rounded_up() -> None:
    assert tolerated_failures(100, 0.07) == 7


@pytest.mark.parametrize(
    "counts", [done(indexed=10), done(ignored=10), done(indexed=5, ignored=4, failed=1, missing=3)]
)
def test_a_run_within_its_tolerance_is_a_success(counts: Counts) -> None:
    verdict = verdict_of(a_run(counts), CREATORS)
    assert verdict == Verdict(())
    assert verdict.ok


def test_failures_above_the_tolerance_fail_the_run_with_their_reasons() -> None:
    failures = (a_failure(hex_id(1), Reason.TIMEOUT), *map(a_failure, ids(2, 2)))
    run = a_run(done(indexed=97, failed=3), failures=failures)
    assert problems(run) == (
        "3 of 100 documents failed (server 2, timeout 1); failureTolerance 0.01 allows 1",
    )


@pytest.mark.parametrize(("tolerance", "ok"), [(0, False), (0.01, True), (0.1, True)])
def test_the_runs_own_tolerance_decides(tolerance: float, ok: bool) -> None:
    conf = RunConf(doc_types=("creator",), failure_tolerance=tolerance)
    assert verdict_of(a_run(done(indexed=9, failed=1)), conf).ok is ok


@pytest.mark.parametrize("failed", [1, 5])
def test_a_run_of_which_nothing_was_taken_fails_whatever_the_tolerance(failed: int) -> None:
    conf = RunConf(doc_types=("creator",), failure_tolerance=1)
    (problem,) = problems(a_run(done(failed=failed)), conf)
    assert problem.startswith(f"{failed} of {failed} documents failed")
    assert problem.endswith("; not one got through")


def test_what_was_left_out_does_not_outweigh_what_was_sent_in_vain() -> None:
    counts = done(indexed=1, failed=9, unchanged=990)
    (problem,) = problems(a_run(counts, failures=tuple(map(a_failure, ids(9)))))
    assert problem == (
        "9 of 10 documents to be sent failed (server 9); failureTolerance 0.01 allows 1"
    )


def test_an_old_unreadable_document_fails_no_run_in_which_nothing_changed() -> None:
    unreadable = (a_failure(hex_id(1), Reason.UNREADABLE),)
    assert problems(a_run(done(failed=1, unchanged=99), failures=unreadable)) == ()
    assert problems(a_run(done(failed=1), failures=unreadable)) != ()
    (problem,) = problems(a_run(done(failed=1, unchanged=99), failures=(a_failure(hex_id(1)),)))
    assert problem.endswith("; not one got through")


def test_chunks_that_did_not_reach_all_fail_the_run_and_the_first_three_are_named() -> None:
    chunks = [descriptor_of(SliceChunk(n, "creator", n, 1)) for n in range(5)]
    ledger = ChunkLedger(1, {"creator": Counts(expected=1)}, error="AuthRefused: no")
    (problem,) = problems(run_ledger(chunks, [ledger.to_json()]), OF_IDS)
    assert problem == (
        "5 documents not reached, in 5 of 5 chunks (creator ids 1–1: 1; "
        "creator ids 2–2: 1, AuthRefused: no; creator ids 3–3: 1 and 2 more)"
    )


def test_three_chunks_that_did_not_reach_all_are_all_named() -> None:
    chunks = [descriptor_of(SliceChunk(n, "creator", n, 1)) for n in range(3)]
    (problem,) = problems(run_ledger(chunks, []), OF_IDS)
    assert problem.endswith("creator ids 3–3: 1)")


def test_a_chunk_that_gave_up_at_its_very_end_fails_the_run() -> None:
    run = a_run(done(indexed=10), complete=False, error="TooManyFailures: x")
    (problem,) = problems(run)
    assert problem.startswith("0 documents not reached, in 1 of 1 chunks")


def test_an_imbalance_fails_the_run() -> None:
    run = a_run(Counts(expected=5, fetched=5, indexed=4))
    assert problems(run) == (
        "the ledger does not balance: chunk 0, creator all (5): expected 5, fetched 5, indexed 4",
    )


def test_a_collection_without_documents_fails_a_full_run_unless_that_is_fine() -> None:
    run = a_run(done(indexed=1))
    assert problems(run, BOTH) == (
        "the collection of docType project holds no documents: wrong database? "
        "(allowEmpty: true accepts it)",
    )
    accepted = RunConf(doc_types=("creator", "project"), allow_empty=True)
    assert problems(run, accepted) == ()
    assert len(problems(run_ledger([], []), BOTH)) == 2


def test_documents_that_all_vanished_since_the_plan_fail_a_full_run_unless_that_is_fine() -> None:
    run = a_run(Counts(expected=5_000, vanished=5_000))
    assert problems(run) == (
        "the collection of docType creator holds none of the 5000 documents any more that were "
        "planned: dropped? (allowEmpty: true accepts it)",
    )
    assert problems(run, RunConf(doc_types=("creator",), allow_empty=True)) == ()
    assert problems(a_run(Counts(expected=2, vanished=1, fetched=1, indexed=1))) == ()


def test_a_collection_that_was_not_reached_is_not_called_empty() -> None:
    chunk = descriptor_of(RangeChunk(0, "creator", LOWEST_ID, None, 5))
    (problem,) = problems(run_ledger([chunk], []))
    assert problem.startswith("5 documents not reached")


def test_ids_of_which_none_exists_fail_the_run() -> None:
    run = a_run(Counts(expected=10, missing=10))
    assert problems(run, OF_IDS) == (
        "none of the 10 docIds exists as docType creator: "
        "wrong docType, wrong database, or all deleted since",
    )
    assert problems(a_run(done(indexed=1, missing=9)), OF_IDS) == ()


def test_ids_that_were_not_reached_are_not_called_gone() -> None:
    chunk = descriptor_of(SliceChunk(0, "creator", 0, 10))
    (problem,) = problems(run_ledger([chunk], []), OF_IDS)
    assert problem.startswith("10 documents not reached")


def test_a_redrive_with_nothing_left_to_do_is_a_success() -> None:
    conf = RunConf(doc_types=("creator", "project"), redrive="run-0")
    assert problems(run_ledger([], []), conf) == ()


def test_the_result_holds_every_figure() -> None:
    counts = Counts(
        expected=20, appeared=3, vanished=1, fetched=20, indexed=12, ignored=4, missing=2,
        failed=1, unchanged=3,
    )  # fmt: skip
    failed, missing = a_failure(hex_id(1)), ("creator", hex_id(2))
    run = a_run(
        counts, failures=(failed,), missing=(missing,), requests=33, started=10.0, ended=12.5
    )
    row = {
        "planned": 22, "fetched": 20, "indexed": 12, "ignored": 4, "missing": 2, "failed": 1,
        "unchanged": 3, "appeared": 3, "vanished": 1, "notReached": 0, "wouldSend": 0,
    }  # fmt: skip
    conf = RunConf(doc_types=("creator",), duplicates=2)
    result = result_of(run, conf)
    assert result == {
        "runId": "run-1",
        "state": "success",
        "problems": [],
        "totalIndexed": 12,
        "docType": "creator",
        "full": True,
        **row,
        "seconds": 2.5,
        "docsPerSecond": 8.0,
        "duplicates": 2,
        "docTypes": {"creator": {**row, "seconds": 2.5, "docsPerSecond": 8.0}},
        "drift": 0.75,
        "failedByReason": {"server": 1},
        "failedSample": [
            {
                "docType": "creator",
                "docId": hex_id(1),
                "reason": "server",
                "status": 500,
                "attempts": 5,
                "message": "internal_error",
            }
        ],
        "missingSample": [{"docType": "creator", "docId": hex_id(2)}],
        "chunks": 1,
        "incompleteChunks": [],
        "requests": 33,
        "redrive": {"redrive": "run-1"},
        "retry": {"docType": "creator", "docIds": [hex_id(1)]},
        "summary": summary(result),
        "dryRun": None,
    }
    assert summary(result) == (
        "reindex creator success [planned 22, indexed 12, ignored 4, unchanged 3, missing 2, "
        "failed 1, notReached 0]"
    )


def test_the_result_of_a_failed_run_says_why_and_what_is_left() -> None:
    counts = Counts(expected=10, fetched=4, indexed=4)
    result = result_of(a_run(counts, complete=False, error="AuthRefused: no"), BOTH)
    assert (result["state"], result["totalIndexed"], result["notReached"]) == ("failed", 4, 6)
    assert result["incompleteChunks"] == [
        {"index": 0, "label": "creator all (10)", "notReached": 6, "error": "AuthRefused: no"}
    ]
    assert (result["redrive"], result["retry"]) == ({"redrive": "run-1"}, None)
    assert result["drift"] == 1.0
    assert summary(result).startswith(
        "reindex all failed: 6 documents not reached, in 1 of 1 chunks "
        "(creator all (10): 6, AuthRefused: no); the collection of docType project holds no"
    )
    assert summary(result).endswith(
        "[planned 10, indexed 4, ignored 0, missing 0, failed 0, notReached 6]"
    )


def test_a_run_without_a_span_has_no_rate() -> None:
    rows = result_of(a_run(done(indexed=5)))["docTypes"]
    assert isinstance(rows, dict)
    assert (rows["creator"]["seconds"], rows["creator"]["docsPerSecond"]) == (0.0, None)


def test_nothing_is_driven_again_when_nothing_is_left() -> None:
    run = a_run(done(indexed=5))
    assert redrive_conf("run-1", run) is None
    assert failed_ids_conf(()) is None


def test_what_no_request_can_hold_is_not_driven_again() -> None:
    strange = Failure("creator", "42", "unreadable", None, 0, "_id is a int")
    run = a_run(done(indexed=5, failed=1), failures=(strange,))
    assert result_of(run)["redrive"] is None
    both = a_run(done(indexed=5, failed=2), failures=(strange, a_failure(hex_id(1))))
    assert result_of(both)["redrive"] == {"redrive": "run-1"}


@pytest.mark.parametrize(("conf", "full"), [(CREATORS, True), (OF_IDS, False), (DRY, False)])
def test_the_result_says_whether_the_run_was_about_everything(conf: RunConf, full: bool) -> None:
    assert result_of(a_run(done(indexed=5)), conf)["full"] is full


def test_the_ids_to_retry_are_named_with_their_type_while_they_fit() -> None:
    creator, project = a_failure(hex_id(1)), a_failure(hex_id(2), doc_type="project")
    assert failed_ids_conf((creator, project)) == {"docType": "all", "docIds": ids(2)}
    many = tuple(map(a_failure, ids(MOST_PASTED_IDS)))
    retry = failed_ids_conf(many)
    assert retry is not None
    assert parse_conf(retry).doc_ids == tuple(ids(MOST_PASTED_IDS))
    assert len(json.dumps(retry)) < MOST_BODY_BYTES
    assert failed_ids_conf((*many, creator)) is None


def test_the_conf_to_paste_is_accepted_whatever_failed() -> None:
    strange = Failure("creator", "42", "unreadable", None, 0, "_id is a int")
    retry = failed_ids_conf((strange, a_failure(hex_id(1))))
    assert retry is not None
    assert parse_conf(retry).doc_ids == (hex_id(1),)


def size_of(value: object) -> int:
    return len(json.dumps(value).encode())


@pytest.mark.parametrize("message", ["x" * 200, "名" * 200, "\n\x00" * 100])
def test_a_report_of_20000_failures_is_below_its_limit_and_keeps_every_figure(message: str) -> None:
    failures = tuple(
        Failure("creator", doc_id, "validation", 422, 1, message) for doc_id in ids(20_000)
    )
    missing = tuple(("creator", doc_id) for doc_id in ids(20_000, 50_000))
    counts = done(indexed=1, failed=20_000, missing=20_000)
    result = result_of(a_run(counts, failures=failures, missing=missing))
    reported = reported_result(result)
    assert size_of({"result": reported}) <= MOST_REPORTED_BYTES < MOST_BODY_BYTES
    cut = {"failedSample", "missingSample", "incompleteChunks", "problems", "retry"}
    assert {key: result[key] for key in result if key not in cut} == {
        key: reported[key] for key in reported if key not in cut
    }
    assert reported["failedSample"]
    assert reported["redrive"] == {"redrive": "run-1"}
    assert reported["failedByReason"] == {"validation": 20_000}


def test_samples_hold_a_hundred_and_a_report_that_fits_keeps_them() -> None:
    failures = tuple(map(a_failure, ids(150)))
    missing = tuple(("creator", doc_id) for doc_id in ids(150, 1_000))
    result = result_of(
        a_run(done(indexed=1, failed=150, missing=150), failures=failures, missing=missing)
    )
    reported = reported_result(result)
    for key in ("failedSample", "missingSample"):
        sample = result[key]
        assert isinstance(sample, list)
        assert len(sample) == 100
        assert reported[key] == sample
    assert (reported["retry"], result["retry"] is None) == (None, False)


def test_the_limit_of_a_report_is_the_agreed_one() -> None:
    assert MOST_REPORTED_BYTES == 90_000


def test_what_a_report_wraps_the_result_in_counts_as_well() -> None:
    samples: dict[str, object] = dict.fromkeys(
        ("failedSample", "missingSample", "incompleteChunks", "problems"), ["one"] * 100
    )
    result = {**samples, "retry": None, "summary": ""}
    result["summary"] = "x" * (MOST_REPORTED_BYTES - size_of(result))
    assert size_of(result) == MOST_REPORTED_BYTES
    assert size_of({"result": reported_result(result)}) <= MOST_REPORTED_BYTES


@given(
    failed=st.integers(0, 300),
    message=st.text(max_size=200),
    long=st.integers(1, 40),
    chunks=st.integers(0, 200),
    error=st.none() | st.text(min_size=1, max_size=60).map(lambda text: (text * 500)[:500]),
    balanced=st.booleans(),
)
def test_any_report_is_below_its_limit(
    failed: int, message: str, long: int, chunks: int, error: str | None, balanced: bool
) -> None:
    failures = tuple(
        Failure("project", doc_id * 3, "unreadable", None, 0, message * long)
        for doc_id in ids(failed)
    )
    descriptors = [descriptor_of(SliceChunk(n, "project", n, 10)) for n in range(chunks + 1)]
    ledgers = [
        ChunkLedger(
            0, {"project": done(indexed=1, failed=failed)}, failures=failures, complete=True
        ),
        *(
            ChunkLedger(n, {"project": Counts(10, fetched=3)}, complete=not balanced, error=error)
            for n in range(1, chunks + 1)
        ),
    ]
    result = result_of(run_ledger(descriptors, [ledger.to_json() for ledger in ledgers]), BOTH)
    reported = reported_result(result)
    assert size_of({"result": reported}) <= MOST_REPORTED_BYTES
    assert set(reported) == set(result)
    assert reported["totalIndexed"] == 1


def test_the_message_of_a_failed_job_is_below_the_limit_too() -> None:
    descriptors = [
        descriptor_of(RangeChunk(n, "creator", hex_id(n), hex_id(n + 1), 5)) for n in range(1_000)
    ]
    ledgers = [
        ChunkLedger(n, {"creator": Counts(5, fetched=5)}, complete=True).to_json()
        for n in range(1_000)
    ]
    result = result_of(run_ledger(descriptors, ledgers))
    assert size_of(summary(result)) <= MOST_REPORTED_BYTES


def would(send: int = 0, failed: int = 0) -> Counts:
    return Counts(expected=send + failed, fetched=send + failed, wouldSend=send, failed=failed)


FOUND = {
    "requests": 97, "estimatedSeconds": 194.0, "basedOn": {"docsPerSecond": 0.5, "runs": ["r"]},
    "noEstimate": None, "samples": [],
}  # fmt: skip


def test_a_dry_run_succeeds_when_the_real_one_would() -> None:
    failures = (a_failure(hex_id(1), Reason.UNREADABLE),)
    assert problems(a_run(would(send=99, failed=1), failures=failures), DRY) == ()
    (problem,) = problems(a_run(would(send=9, failed=91), failures=failures * 91), DRY)
    assert problem.startswith("91 of 100 documents failed (unreadable 91)")
    (nothing,) = problems(a_run(would(failed=1), failures=failures), DRY)
    assert nothing.startswith("1 of 1 documents failed")
    (cut_off,) = problems(a_run(would(send=10), complete=False, error="x"), DRY)
    assert cut_off.startswith("0 documents not reached")


def test_a_dry_run_is_no_fresh_index_and_leaves_nothing_to_repeat() -> None:
    run = a_run(would(send=97, failed=3), failures=tuple(map(a_failure, ids(3))))
    result = run_result("run-1", run, DRY, verdict_of(run, DRY), FOUND)
    assert result["dryRun"] == FOUND
    assert (result["totalIndexed"], result["drift"], result["wouldSend"]) == (0, None, 97)
    assert (result["redrive"], result["retry"]) == (None, None)
    assert len(result["failedSample"]) == 3  # type: ignore[arg-type]
    assert summary(result) == (
        "dry run of reindex creator failed: 3 of 100 documents failed (server 3); "
        "failureTolerance 0.01 allows 1 [planned 100, wouldSend 97, missing 0, failed 3, "
        "notReached 0]; nothing was sent; a real run makes 97 requests, in about 3 min 14 s"
    )
