"""The run report: the ledger's figures, whatever state the run is in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.run_ledger import run_ledger
from reindex.views.failure_table import FailureFilter, failure_rows
from reindex.views.records import ChunkTask, OtherRun, RunRecord
from reindex.views.run_report import REPORT_FAILED, UNHEARD, run_report
from tests.unit.views.records import (
    STARTED,
    a_chunk,
    a_run,
    at,
    chunks,
    descriptor,
    reported,
    tried,
)

NOW = at(100)


def report(record: RunRecord) -> dict[str, Any]:
    made = run_report(record, NOW)
    assert json.loads(json.dumps(made)) == made
    return made


@given(chunks(), st.booleans())
def test_the_totals_are_those_of_the_ledger(ledgers: list[dict[str, Any]], ended: bool) -> None:
    record = reported(a_run(ledgers)) if ended else a_run(ledgers)
    shown = report(record)
    total = run_ledger(record.descriptors or (), ledgers).total
    for name in ("fetched", "indexed", "ignored", "missing", "failed", "unchanged"):
        expected = getattr(total, name)
        assert shown["totals"][name] == expected
        assert sum(row[name] for row in shown["docTypes"]) == expected
    assert shown["progress"]["done"] == total.fetched + total.missing
    assert shown["progress"]["done"] == sum(row["done"] for row in shown["chunks"]["rows"])
    assert shown["progress"]["planned"] == shown["progress"]["done"] + shown["totals"]["notReached"]


@given(chunks())
def test_a_run_looks_the_same_before_and_after_its_report(ledgers: list[dict[str, Any]]) -> None:
    before, after = report(a_run(ledgers)), report(reported(a_run(ledgers)))
    assert {**after["totals"], "wouldSend": 0} == {**before["totals"], "wouldSend": 0}
    assert after["docTypes"] == before["docTypes"]
    assert after["chunks"] == before["chunks"]


@given(chunks())
def test_the_failures_are_those_that_the_table_lists(ledgers: list[dict[str, Any]]) -> None:
    record = reported(a_run(ledgers))
    shown = report(record)["failures"]
    assert shown["failed"] + shown["missing"] == len(failure_rows(record, FailureFilter()))
    assert sum(each["count"] for each in shown["byReason"]) == shown["failed"]
    for each in shown["byReason"]:
        rows = failure_rows(record, FailureFilter(reason=each["reason"]))
        assert len(rows) == each["count"]
        assert each["meaning"]


def test_the_figures_of_a_run_that_has_ended_are_those_of_its_report() -> None:
    record = reported(a_run([a_chunk(0, indexed=3, ignored=1)]))
    assert record.result is not None
    told = replace(record, result={**record.result, "indexed": 77, "drift": 0.5})
    assert report(told)["totals"]["indexed"] == 77
    assert report(told)["totals"]["drift"] == 0.5


def test_a_run_before_its_plan() -> None:
    shown = report(a_run([], descriptors=None, state="queued", start=None))
    assert shown["totals"] is None
    assert shown["docTypes"] == []
    assert shown["chunks"] == {"count": 0, "byState": {}, "rows": []}
    assert shown["verdict"] is None
    assert shown["seconds"] is None
    assert shown["progress"] == {
        "done": 0, "planned": None, "docsPerSecond": None, "secondsLeft": None,
    }  # fmt: skip


def test_progress_of_a_run_that_goes_on() -> None:
    """40 of 100 documents in the 100 seconds since its chunk began: 150 more seconds."""
    begun = a_chunk(0, indexed=30, ignored=10, complete=False)
    record = a_run([begun], tasks={0: tried("running")})
    waiting = replace(record, descriptors=(*(record.descriptors or ()), descriptor(1, 60)))
    shown = report(waiting)
    assert shown["progress"] == {
        "done": 40, "planned": 100, "docsPerSecond": 0.4, "secondsLeft": 150.0,
    }  # fmt: skip
    assert shown["totals"]["docsPerSecond"] == 0.4
    assert shown["seconds"] == 100
    assert shown["verdict"] is None
    assert shown["redrive"] is None


def test_the_night_between_a_run_and_its_cleared_chunk_is_no_work() -> None:
    hours = 8 * 3600.0
    first = a_chunk(0, indexed=40)
    later = a_chunk(1, indexed=40) | {"started": STARTED + hours, "ended": STARTED + hours + 10}
    shown = report(reported(a_run([first, later])))
    assert shown["totals"]["docsPerSecond"] == 4.0
    assert [row["seconds"] for row in shown["docTypes"]] == [20.0]


def test_nothing_done_yet_promises_no_time() -> None:
    shown = report(a_run([], descriptors=(descriptor(0),)))
    assert shown["progress"] == {
        "done": 0, "planned": 10, "docsPerSecond": None, "secondsLeft": None,
    }  # fmt: skip
    assert shown["chunks"]["byState"] == {"no_status": 1}


def test_a_chunk_with_its_retries() -> None:
    ledger = a_chunk(0, indexed=4, failed=1, missing=1, expected=9, complete=False)
    task = tried("failed", "failed", "running")
    (row,) = report(a_run([ledger], tasks={0: task}))["chunks"]["rows"]
    assert row["label"].startswith("creator ")
    assert (row["state"], row["expected"], row["done"], row["failed"]) == ("running", 9, 6, 1)
    assert (row["complete"], row["error"]) == (False, "ServiceUnavailable: no answer")
    assert [(each["number"], each["state"]) for each in row["tries"]] == [
        (1, "failed"),
        (2, "failed"),
        (3, "running"),
    ]
    assert row["tries"][0]["start"] == "2026-11-20T02:00:20+00:00"


def test_a_run_that_ended_without_its_report_says_so_and_keeps_its_figures() -> None:
    unfinished = a_chunk(0, indexed=4, expected=9, complete=False)
    shown = report(a_run([unfinished], state="failed", end=at(60)))
    assert shown["totals"]["indexed"] == 4
    assert shown["totals"]["notReached"] == 5
    assert shown["verdict"]["state"] == "failed"
    assert "the report task did not run" in shown["verdict"]["problems"][0]
    assert shown["verdict"]["reported"] is False
    assert shown["redrive"] == {"redrive": "manual__1"}


def test_a_report_that_failed_is_told_apart_from_one_that_did_not_run() -> None:
    record = a_run([a_chunk(0, indexed=4)], state="failed", end=at(60), report_state="failed")
    shown = report(record)
    assert shown["verdict"]["problems"][0] == REPORT_FAILED
    assert shown["verdict"]["unheard"] is None


@pytest.mark.parametrize(
    ("changes", "job", "unheard"),
    [
        ({"report_state": "failed", "conf": {"jobId": "j"}}, None, True),
        ({"report_state": "failed", "registered_job": {"jobId": "j"}}, None, True),
        ({"report_state": "failed", "conf": {"jobId": "j"}}, {"status": "dlq"}, False),
        ({"report_state": "failed", "conf": {}}, None, False),
        ({"report_state": "success", "conf": {"jobId": "j"}}, {"status": "succeeded"}, False),
    ],
)
def test_a_job_that_has_not_heard_is_named(
    changes: dict[str, Any], job: object, unheard: bool
) -> None:
    record = reported(a_run([a_chunk(0, indexed=4)]))
    assert record.result is not None
    record = replace(record, state="failed", result={**record.result, "job": job}, **changes)
    assert report(record)["verdict"]["unheard"] == (UNHEARD if unheard else None)


def test_a_dry_run_is_one_from_its_first_moment_on() -> None:
    conf = {"dryRun": True}
    for record in (
        a_run([], descriptors=None, state="queued", conf=conf),
        a_run([a_chunk(0, expected=4, complete=False)], conf=conf),
        a_run([a_chunk(0, expected=4, complete=False)], state="failed", end=at(60), conf=conf),
        a_run([], descriptors=None, state="failed", end=at(60), conf={**conf, "docIds": 7}),
    ):
        shown = report(record)
        assert (shown["dryRun"], shown["foundOut"], shown["redrive"]) == (True, None, None)


def test_what_a_waiting_run_waits_for() -> None:
    queued = a_run([], descriptors=None, state="queued", start=None, paused=True)
    behind = replace(queued, paused=False, active=OtherRun("manual__0", "running"))
    assert (report(queued)["paused"], report(queued)["behind"]) == (True, None)
    assert (report(behind)["paused"], report(behind)["behind"]) == (False, "manual__0")
    assert report(replace(behind, state="running"))["behind"] is None


def test_the_run_that_repeats_it_is_named() -> None:
    record = reported(a_run([a_chunk(0, failed=3)]), "failed")
    assert report(record)["redriven"] is None
    again = replace(record, redriven=OtherRun("manual__2", "success"))
    assert report(again)["redriven"] == {"runId": "manual__2", "state": "success"}


def test_a_run_whose_plan_failed_says_why() -> None:
    why = "InvalidConf: conf docIds is 7, expected a list of ids"
    shown = report(
        a_run([], descriptors=None, plan_error=why, state="failed", conf={"docIds": 7}, end=at(9))
    )
    assert why in shown["verdict"]["problems"][1]
    assert shown["totals"] is None


def test_documents_that_the_plan_refused_are_counted() -> None:
    rejected = {
        "docType": "creator", "docId": "7", "reason": "unreadable", "status": None,
        "attempts": 0, "message": "_id is a int, expected an ObjectId",
    }  # fmt: skip
    shown = report(a_run([a_chunk(0, indexed=2)], rejected=(rejected,)))
    assert shown["totals"]["failed"] == 1
    assert shown["failures"]["byReason"][0]["reason"] == "unreadable"
    assert (shown["failures"]["failed"], shown["failures"]["stuck"]) == (1, 1)


def test_drift_stands_beside_each_type_that_has_one() -> None:
    ledgers = [a_chunk(0, indexed=1, ignored=3), a_chunk(1, doc_type="project", missing=2)]
    shown = report(reported(a_run(ledgers)))
    assert shown["totals"]["drift"] == 0.25
    assert [(row["name"], row["drift"]) for row in shown["docTypes"]] == [
        ("creator", 0.25),
        ("project", None),
    ]


@pytest.mark.parametrize("state", ["success", "failed"])
def test_verdict_and_redrive_are_the_reports(state: str) -> None:
    ledgers = [a_chunk(0, indexed=1, failed=0 if state == "success" else 3)]
    record = reported(a_run(ledgers), state)
    assert record.result is not None
    shown = report(record)
    assert shown["verdict"]["state"] == state
    assert shown["verdict"]["summary"] == record.result["summary"]
    assert shown["redrive"] == (None if state == "success" else {"redrive": "manual__1"})


def test_a_chunk_that_nobody_has_looked_at() -> None:
    record = a_run([a_chunk(0, indexed=1)], tasks={0: ChunkTask()})
    assert report(record)["chunks"]["byState"] == {"no_status": 1}
