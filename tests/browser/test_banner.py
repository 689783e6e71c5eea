"""What the banner says of a run in each state that it can be in; as its own module says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reindex.views.records import OtherRun, RunRecord
from reindex.views.run_report import run_report
from tests.browser.page import Page
from tests.unit.views.records import a_chunk, a_run, at, descriptor, reported, tried

BANNER = """
const [run, done] = arguments;
import(new URL("verdict.js", location.href)).then(({ verdictOf }) => done(verdictOf(run)));
"""
RIGHT, LEFT = a_chunk(0, indexed=8, ignored=2), a_chunk(0, indexed=4, expected=9, complete=False)
DRY = {"dryRun": True}
STRANGE = {
    "docType": "creator", "docId": "7", "reason": "unreadable", "status": None,
    "attempts": 0, "message": "_id is a int, expected an ObjectId",
}  # fmt: skip


def failing(reason: str, count: int = 2) -> dict[str, Any]:
    chunk: dict[str, Any] = a_chunk(0, indexed=1, failed=count)
    return {**chunk, "failures": [{**each, "reason": reason} for each in chunk["failures"]]}


def ended(chunk: dict[str, Any], state: str = "success", **changes: Any) -> RunRecord:
    return replace(reported(a_run([chunk]), state), report_state="success", **changes)


def unreported(chunk: dict[str, Any], **changes: Any) -> RunRecord:
    given: dict[str, Any] = {"state": "success", "end": at(60), "conf": {"docType": "creator"}}
    return a_run([chunk], **(given | changes))


def going(*states: str, **changes: Any) -> RunRecord:
    """Two chunks: one that went through, and one whose tries ended so."""
    chunk = a_chunk(1, indexed=2, expected=10, complete=False)
    if states[-1] == "running":
        chunk = {**chunk, "error": None}
    tasks = {0: tried("success"), 1: tried(*states)}
    return a_run([RIGHT, chunk], tasks=tasks, **changes)


def a_dry_run(chunk: dict[str, Any], state: str = "success", **found: Any) -> RunRecord:
    record = reported(a_run([chunk], conf=DRY), state)
    assert record.result is not None
    known = {"requests": 8, "estimatedSeconds": None, "basedOn": None, "samples": [], **found}
    return replace(record, result={**record.result, "dryRun": known, "redrive": None})


QUEUED = a_run([], descriptors=None, state="queued", start=None)
FAILED = ended(LEFT, "failed")
NO_JOB = replace(ended(RIGHT, "failed"), report_state="failed")
CASES = {
    "right": (ended(RIGHT), "good", "The index is right", "Nothing"),
    "nothing sent": (
        ended(a_chunk(0, unchanged=4)), "good", "There was nothing to send", "Nothing",
    ),
    "marked as success": (
        ended(LEFT), "bad", "The index is not right: 5 not reached", "Press the button below",
    ),
    "no report, all well": (
        unreported(RIGHT), "warn", "Not known whether the index is right: the run has no report",
        "Clear the task report: it adds up what the chunks left",
    ),
    "the report failed, all well": (
        unreported(RIGHT, state="failed", report_state="failed"), "warn",
        "Not known whether the index is right: the run has no report",
        "Mend what its log names, then clear the task report",
    ),
    "no report, a chunk died": (
        unreported(LEFT), "bad", "The index is not right: 5 not reached", "Press the button below",
    ),
    "the job has not heard": (
        replace(NO_JOB, conf={"jobId": "j"}), "warn",
        "The index is right, but the Jobs service has not heard of it",
        "Mend the connection to the Jobs service, then clear the task report",
    ),
    "marked as failed": (
        NO_JOB, "warn", "The index is right, though the run is marked as failed",
        "Nothing for the index; the log of the report task may say why the run is red",
    ),
    "validation": (
        ended(failing("validation"), "failed"), "bad", "The index is not right: 2 failed",
        "First correct the documents, then press the button below",
    ),
    "auth": (
        ended(failing("auth"), "failed"), "bad", "The index is not right: 2 failed",
        "First renew the token, then press the button below",
    ),
    "server": (
        ended(failing("server"), "failed"), "bad", "The index is not right: 2 failed",
        "Press the button below",
    ),
    "tolerated": (
        ended(a_chunk(0, indexed=400, failed=1)), "warn",
        "The index is right, except for 1 document",
        "First correct the documents, then press the button below",
    ),
    "a chunk whose token was refused": (
        ended({**LEFT, "error": "AuthRefused: 401"}, "failed"), "bad",
        "The index is not right: 5 not reached",
        "First renew the token, then press the button below",
    ),
    "nothing of it can be repeated": (
        unreported(RIGHT, rejected=(STRANGE,) * 5, state="failed"), "bad",
        "The index is not right: 5 failed", "Correct the documents that are named below",
    ),
    "missing": (
        ended(a_chunk(0, indexed=3, missing=2)), "warn",
        "The index is right; 2 ids are not in the source", "Check where those ids came from",
    ),
    "plan failed": (
        unreported(RIGHT, state="failed", descriptors=None, plan_error="InvalidConf: no"), "bad",
        "The run failed before anything was sent",
        "Mend what is named below, then trigger the run again",
    ),
    "re-driven": (
        replace(FAILED, redriven=OtherRun("manual__2", "success")), "warn",
        "5 not reached; a re-drive has succeeded since",
        "Nothing: a re-drive has sent what was left",
    ),
    "being re-driven": (
        replace(FAILED, redriven=OtherRun("manual__2", "running")), "bad",
        "The index is not right: 5 not reached", "Wait for the re-drive",
    ),
    "re-driven in vain": (
        replace(FAILED, redriven=OtherRun("manual__2", "failed")), "bad",
        "The index is not right: 5 not reached", "Open the re-drive: it failed as well",
    ),
    "queued": (QUEUED, "calm", "Waiting to start", "Wait"),
    "paused": (
        replace(QUEUED, paused=True), "warn", "Waiting: the DAG is paused",
        "Unpause the DAG, or ask somebody who may",
    ),
    "behind another": (
        replace(QUEUED, active=OtherRun("manual__0", "running")), "calm",
        "Waiting for another run to end", "Wait for manual__0",
    ),
    "planning": (
        a_run([], descriptors=None), "calm", "Planning: counting what there is to do", "Wait",
    ),
    "running": (going("running"), "calm", "Running: 60 % done", "Wait: about 2 min left"),
    "nothing done yet": (
        a_run([], descriptors=(descriptor(0),)), "calm", "Running: 0 % done", "Wait: not known yet",
    ),
    "a chunk is tried again": (
        going("up_for_retry"), "warn", "Running: 60 % done, 1 chunk waits for another try",
        "Wait: about 10 s left",
    ),
    "a chunk failed": (
        going("failed", "failed"), "bad", "Running: 60 % done, 1 chunk failed",
        "Look at what the chunk says; the others go on",
    ),
    "paused underway": (
        going("running", paused=True), "warn",
        "Running: 60 % done; the DAG is paused, no further task starts",
        "Unpause the DAG, or ask somebody who may",
    ),
    "the report is tried again": (
        a_run([RIGHT], report_state="up_for_retry"), "warn",
        "All chunks have ended, the report is tried again",
        "Look at the log of the report task: the Jobs service may not have heard",
    ),
    "dry, running": (
        going("running", conf=DRY), "calm", "Dry run. Running: 60 % done", "Wait: about 2 min left",
    ),
    "dry": (
        a_dry_run(a_chunk(0, wouldSend=8)), "good",
        "Dry run: 8 documents would be sent, nothing was", "Run it for real",
    ),
    "dry, some refused": (
        a_dry_run(a_chunk(0, wouldSend=800, failed=2)), "warn",
        "Dry run: 800 documents would be sent, 2 cannot be",
        "Look at the invalid documents, then run it for real",
    ),
    "dry, too many refused": (
        a_dry_run(a_chunk(0, wouldSend=8, failed=2), "failed"), "bad",
        "Dry run: a real run would fail; 8 documents would be sent, 2 cannot be",
        "Correct the documents that cannot be sent, then start the dry run again",
    ),
    "dry, not complete": (
        a_dry_run(a_chunk(0, wouldSend=4, expected=9, complete=False), "failed"), "bad",
        "Dry run, not complete: 5 documents were not looked at",
        "Mend what is named below, then start the dry run again",
    ),
    "dry, without a report": (
        unreported(RIGHT, state="failed", conf=DRY), "bad",
        "Dry run, not complete: it has no report",
        "Mend what is named below, then start the dry run again",
    ),
    "dry, plan failed": (
        unreported(RIGHT, state="failed", conf=DRY, descriptors=None), "bad",
        "Dry run: nothing was planned", "Mend what is named below, then start the dry run again",
    ),
}  # fmt: skip


def banner(page: Page, record: RunRecord, *, may_trigger: bool = True) -> dict[str, Any]:
    run = {**run_report(record, at(100)), "mayTrigger": may_trigger}
    page.driver.get(f"{page.airflow.url}/reindex/static/pages.css")
    said: dict[str, Any] = page.driver.execute_async_script(BANNER, run)
    return said


@pytest.mark.parametrize("case", CASES)
def test_what_the_banner_says(page: Page, case: str) -> None:
    record, tone, title, todo = CASES[case]
    said = banner(page, record)
    assert (said["tone"], said["title"], said["todo"]) == (tone, title, todo)


def test_whether_it_ran_is_told_by_the_ledgers(page: Page) -> None:
    """Airflow calls chunks failed that were all done: those of a run that somebody ended."""
    chunks = [RIGHT, a_chunk(1, indexed=4, expected=9, complete=False)]
    both_failed = {0: tried("failed"), 1: tried("failed")}
    said = banner(page, reported(a_run(chunks, tasks=both_failed), "failed"))
    assert said["ran"] == "In part: 1 of 2 chunks went through"


def test_a_plan_that_failed_is_not_taken_for_one_without_chunks(page: Page) -> None:
    nothing = a_run([], descriptors=None)
    assert banner(page, reported(nothing, "failed"))["ran"] == "No, nothing was planned"
    done = a_run([], descriptors=())
    assert banner(page, reported(done))["ran"] == "Yes; there was no chunk to run"


def test_what_fails_meanwhile_is_told_with_its_error(page: Page) -> None:
    said = banner(page, going("failed", "failed"))
    assert said["failed"] == "1 chunk failed"
    assert said["problems"] == ["chunk 1: ServiceUnavailable: no answer"]


def test_documents_that_nothing_can_repeat_are_told(page: Page) -> None:
    said = banner(page, unreported(failing("server"), rejected=(STRANGE,)))
    stuck = "1 document cannot be re-driven: correct its _id, which is no ObjectId"
    assert said["problems"][-1] == stuck
    assert said["title"] == "The index is not right: 3 failed"


def test_who_may_not_press_is_told_whom_to_ask(page: Page) -> None:
    said = banner(page, ended(failing("server"), "failed"), may_trigger=False)
    assert said["todo"] == "Ask somebody who may trigger runs to re-drive it"
