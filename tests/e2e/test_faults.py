"""
Faults, each met by a real scheduler, a real Mongo wire server and real HTTP.

Afterwards the index holds what Mongo holds, except what the ledger names; nothing is unexplained;
the job hears one report; the run's state says what the ledger says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest
import requests
from bson import ObjectId
from pymongo import MongoClient

from sandbox.processes import wait_until
from sandbox.seed import DATABASE
from sandbox.stack import Stack
from tests.e2e.conftest import CREATORS
from tests.e2e.expected_index import Expected, expected_index
from tests.e2e.fault_table import FaultTable
from tests.e2e.scheduled_run import (
    DAG_ID,
    RUN_SECONDS,
    WORKER,
    job,
    leased_job,
    report_ended,
)
from tests.e2e.task_processes import running_chunk

COUNTED = ("indexed", "ignored", "failed", "unchanged", "missing", "notReached")
REPORTS = ("POST /jobs/{id}/succeed", "POST /jobs/{id}/fail")


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[FaultTable]:
    table = FaultTable()
    yield table
    config = request.config
    narrowed = bool(config.option.keyword) or any("::" in each for each in config.args)
    chosen = [each for each in request.session.items if "test_faults.py" in each.nodeid]
    if not narrowed and request.session.testsfailed == 0 and len(table.rows) >= len(chosen):
        table.write()


@pytest.fixture(scope="session")
def creators(running: Stack) -> Expected:
    return expected_index(running.mongo.uri)["creator"]


@pytest.fixture
def many(stack: Stack) -> Iterator[Expected]:
    """More creators than a chunk has read before the first page of them is done."""
    if stack.mongo.kind == "external":
        pytest.skip("the Mongo of REINDEX_MONGO_URI is not ours to fill")
    with MongoClient[dict[str, Any]](stack.mongo.uri) as client:
        collection = client[DATABASE]["creatorprofiles"]
        more = [{**each, "_id": ObjectId()} for each in collection.find() for _ in range(8)]
        collection.insert_many(more)
    yield expected_index(stack.mongo.uri)["creator"]
    with MongoClient[dict[str, Any]](stack.mongo.uri) as client:
        collection = client[DATABASE]["creatorprofiles"]
        collection.delete_many({"_id": {"$in": [each["_id"] for each in more]}})


@dataclass(frozen=True)
class Ended:
    """How a run ended, with everything that is asserted of every run."""

    stack: Stack
    run_id: str
    state: str
    result: Mapping[str, Any]
    job_id: str

    def assert_explained(self, expected: Expected, reports: int = 1) -> None:
        """Nothing unexplained: not in the index, not in the ledger, not between run and job."""
        result = self.result
        assert result["planned"] == sum(result[column] for column in COUNTED)
        held = index_of(self.stack)
        assert {key: expected[key] for key in held} == held
        absent = expected.keys() - held.keys()
        named = {failure["docId"] for failure in result["failedSample"]}
        named |= set((result["retry"] or {}).get("docIds", ()))
        assert len(absent - named) <= result["notReached"] + result["unchanged"]
        assert (self.state == "success") == (result["state"] == "success")
        assert self.reports == reports
        self._assert_the_job_was_told()

    def _assert_the_job_was_told(self) -> None:
        reported = job(self.stack, self.job_id)
        if self.result["job"]["leaseLost"]:
            assert (reported["status"], reported["result"]) == ("leased", None)
        elif self.result["state"] == "success":
            assert reported["status"] == "succeeded"
            assert reported["result"]["runId"] == self.run_id
        else:
            assert reported["lastError"]["message"].startswith(f"run {self.run_id}: ")

    @property
    def reports(self) -> int:
        """How many reports the Jobs service had."""
        paths = self.stack.platform.requests()["paths"]
        return sum(paths.get(path, 0) for path in REPORTS)


def index_of(stack: Stack) -> Expected:
    with stack.platform.index() as index:
        held = index.documents("creator")
    return {key: (each.payload, each.updatedAt) for key, each in held.items()}


def started(stack: Stack, conf: Mapping[str, object]) -> tuple[str, str]:
    """Trigger a full run over the creators for a leased job; run id and job id."""
    payload: dict[str, object] = {"docType": "creator", "docIds": [], "mode": "full"}
    job_id = leased_job(stack, payload)
    conf = {**payload, "jobId": job_id, "workerId": WORKER, **conf}
    return stack.airflow.trigger(DAG_ID, conf), job_id


def started_again(stack: Stack, earlier: str) -> tuple[str, str]:
    """Re-drive a run for a leased job; run id and job id."""
    job_id = leased_job(stack, {"docType": "creator", "docIds": [], "mode": "full"})
    conf = {"redrive": earlier, "jobId": job_id, "workerId": WORKER}
    return stack.airflow.trigger(DAG_ID, conf), job_id


def ended(stack: Stack, run_id: str, job_id: str) -> Ended:
    state = stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)
    return Ended(stack, run_id, state, stack.airflow.xcom(DAG_ID, run_id, "report"), job_id)


def some(creators: Expected, count: int) -> list[str]:
    """Ids spread over both chunks."""
    ids = sorted(creators)
    return ids[:: len(ids) // count][:count]


@dataclass(frozen=True)
class Injected:
    """
    A fault of the service, and what is to come of it. ``failed`` is the number of documents,
    ``attempts`` how often each of them was posted.
    """

    what: str
    said: str
    rules: Callable[[list[str]], Sequence[Mapping[str, object]]]
    conf: Mapping[str, object] = field(default_factory=dict)
    failed: int = 0
    reason: str | None = None
    attempts: int | None = None
    state: str = "success"
    and_then: Callable[[Ended], None] = lambda _: None


def once(kind: str, **more: object) -> Callable[[list[str]], Sequence[Mapping[str, object]]]:
    """The first request of every fifth document meets the fault, its next one does not."""
    return lambda _: [{"kind": kind, "times": 1, "rate": 0.2, **more}]


def always(kind: str, **more: object) -> Callable[[list[str]], Sequence[Mapping[str, object]]]:
    """Two documents meet the fault whenever they are sent."""
    return lambda ids: [{"kind": kind, "docIds": ids[:2], **more}]


def second_try_was_ignored(end: Ended) -> None:
    lost = end.stack.platform.requests()["faults"]["reset"]
    assert end.result["ignored"] == lost


SERVICE_FAULTS = [
    Injected("answers take 100 ms", "all in the index", lambda _: [{"kind": "latency", "ms": 100}]),
    Injected(
        "429 with Retry-After, now and then",
        "all in the index",
        lambda _: [{"kind": "rate_limited", "retryAfter": 1, "times": 1, "rate": 0.1}],
    ),
    Injected("500, cured by a retry", "all in the index", once("error", status=500)),
    Injected("503, cured by a retry", "all in the index", once("error", status=503)),
    Injected("connections are reset", "all in the index", once("reset")),
    Injected(
        "the answer is lost after the service did the work",
        "all in the index; the second try is `ignored`",
        once("reset", applied=True),
        and_then=second_try_was_ignored,
    ),
    Injected("answers are cut off half way", "all in the index", once("truncated")),
    Injected("a proxy's HTML page for an answer", "all in the index", once("html", status=502)),
    Injected(
        "200 that is no answer of the API", "all in the index", once("garbage", body={"ok": 1})
    ),
    Injected(
        "two documents always get 500",
        "two failed (`server`, after 5 attempts), within the tolerance; the rest in the index",
        always("error", status=500),
        failed=2,
        reason="server",
        attempts=5,
    ),
    Injected(
        "two documents are refused (422)",
        "two failed (`validation`, one attempt each); the rest in the index",
        always("validation"),
        failed=2,
        reason="validation",
        attempts=1,
    ),
    Injected(
        "two documents get the platform's HTML 413",
        "two failed (`validation`); the rest in the index",
        always("html", status=413),
        failed=2,
        reason="validation",
    ),
    Injected(
        "two documents are never answered",
        "two failed (`timeout`); the rest in the index",
        always("hang"),
        failed=2,
        reason="timeout",
    ),
    Injected(
        "two documents fail and none may",
        "two failed, above `failureTolerance: 0`; the rest in the index; the job failed",
        always("validation"),
        {"failureTolerance": 0},
        failed=2,
        reason="validation",
        state="failed",
    ),
    Injected(
        "the service is down for 4 seconds",
        "all in the index; no document is blamed",
        lambda _: [{"kind": "down", "seconds": 4, "path": "/search"}],
    ),
]


@pytest.mark.parametrize("fault", SERVICE_FAULTS, ids=lambda fault: fault.what.replace(" ", "-"))
def test_service_fault(
    stack: Stack, creators: Expected, table: FaultTable, fault: Injected
) -> None:
    stack.platform.put_faults(list(fault.rules(some(creators, 4))))
    end = ended(stack, *started(stack, fault.conf))
    end.assert_explained(creators)
    assert end.state == fault.state
    assert end.result["failed"] == fault.failed
    assert end.result["failedByReason"] == ({fault.reason: fault.failed} if fault.reason else {})
    assert end.result["notReached"] == 0
    requests = stack.platform.requests(documents=True)
    assert sum(requests["faults"].values()) > 0
    if fault.attempts is not None:
        for failure in end.result["failedSample"]:
            assert failure["attempts"] == fault.attempts
            assert requests["documents"][failure["docId"]] == fault.attempts
    fault.and_then(end)
    table.add(fault.what, end.state, fault.said)


def test_asked_to_wait(stack: Stack, creators: Expected, table: FaultTable) -> None:
    wait = 8
    one = sorted(creators)[CREATORS // 4]
    rule = {"kind": "rate_limited", "retryAfter": wait, "times": 1, "docIds": [one]}
    stack.platform.put_faults([rule])
    run_id, job_id = started(stack, {"chunkSize": CREATORS})
    wait_until(lambda: "429" in posts(stack)["answers"], 60, "the answer that asks to wait")
    asked = time.monotonic()
    time.sleep(1)  # what was in flight arrives
    before = posts(stack)["received"]
    time.sleep(3)
    after = posts(stack)["received"]
    assert time.monotonic() - asked < wait, "this machine is too slow to look in time"
    assert before == after < CREATORS
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert (end.state, end.result["failed"]) == ("success", 0)
    table.add(
        f"429 with Retry-After: {wait}",
        "success",
        "nobody posts while asked to wait; all in the index",
    )


def posts(stack: Stack) -> dict[str, Any]:
    posts: dict[str, Any] = stack.platform.requests()["indexUpdates"]
    return posts


def tried_again(stack: Stack, run_id: str, task_id: str) -> bool:
    """Whether a try of the task has failed and Airflow has taken up the next."""
    return any(
        each["state"] == "up_for_retry" or each["try_number"] > 1
        for each in stack.airflow.task_instances(DAG_ID, run_id, task_id)
    )


def test_service_is_down_until_a_chunk_gave_up(
    stack: Stack, creators: Expected, table: FaultTable
) -> None:
    stack.platform.put_faults([{"kind": "down", "path": "/search"}])
    run_id, job_id = started(stack, {})
    wait_until(lambda: tried_again(stack, run_id, "reindex_chunk"), 120, "a chunk that gave up")
    stack.platform.clear_faults()
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert (end.state, end.result["failed"]) == ("success", 0)
    assert tried_again(stack, run_id, "reindex_chunk")
    table.add(
        "the service is down until the chunks give up",
        "success",
        "all in the index: Airflow tries the chunks again; no document is blamed",
    )


def test_service_stays_down(stack: Stack, creators: Expected, table: FaultTable) -> None:
    stack.platform.put_faults([{"kind": "down", "path": "/search", "after": 30}])
    run_id, job_id = started(stack, {})
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "failed"
    assert end.result["notReached"] > 0
    assert "connection 'discovery_api'" in end.result["problems"][0]
    tries = [
        each["try_number"] for each in stack.airflow.task_instances(DAG_ID, run_id, "reindex_chunk")
    ]
    assert tries == [3, 3]

    stack.platform.clear_faults()
    again = ended(stack, *redriven(stack, end))
    assert again.state == "success"
    assert index_of(stack) == creators
    table.add(
        "the service stays down",
        "failed",
        "what was not reached is counted, never called done; `redrive` brings the rest",
    )


def redriven(stack: Stack, end: Ended) -> tuple[str, str]:
    """Paste the redrive conf of a result into a new run."""
    run_id = stack.airflow.trigger(DAG_ID, end.result["redrive"])
    return run_id, end.job_id


def test_failures_above_the_tolerance(stack: Stack, creators: Expected, table: FaultTable) -> None:
    half = some(creators, CREATORS // 2)
    stack.platform.put_faults([{"kind": "error", "status": 500, "docIds": half}])
    end = ended(stack, *started(stack, {"chunkSize": CREATORS}))
    end.assert_explained(creators)
    assert end.state == "failed"
    assert "TooManyFailures" in end.result["incompleteChunks"][0]["error"]
    tries = stack.airflow.task_instances(DAG_ID, end.run_id, "reindex_chunk")
    assert [each["try_number"] for each in tries] == [3]
    table.add(
        "half of the documents get 500",
        "failed",
        "the chunk ends early, is tried again, and names what failed and what it did not reach",
    )


def test_token_expires_midway(stack: Stack, creators: Expected, table: FaultTable) -> None:
    stack.platform.put_faults([{"kind": "auth_expires", "after": 40}])
    run_id, job_id = started(stack, {})
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "failed"
    assert "refused the token" in end.result["problems"][0]
    for instance in stack.airflow.task_instances(DAG_ID, run_id, "reindex_chunk"):
        assert instance["try_number"] == 1
    stack.platform.clear_faults()
    again = ended(stack, *redriven(stack, end))
    assert again.state == "success"
    assert index_of(stack) == creators
    table.add(
        "the token expires midway",
        "failed",
        "no retry at all; the reason names the connection; `redrive` brings the rest",
    )


def slowly(stack: Stack, milliseconds: int = 50) -> dict[str, object]:
    """Make a chunk of all creators take about ten seconds."""
    stack.platform.put_faults([{"kind": "latency", "ms": milliseconds}])
    return {"maxInFlight": 1, "chunkSize": CREATORS}


def test_mongo_restarts_midway(stack: Stack, many: Expected, table: FaultTable) -> None:
    run_id, job_id = started(stack, {**slowly(stack, milliseconds=10), "chunkSize": len(many)})
    running_chunk(stack, run_id, posted=5)
    stack.mongo.stop()
    time.sleep(2)
    stack.mongo.start()
    end = ended(stack, run_id, job_id)
    end.assert_explained(many)
    assert (end.state, index_of(stack)) == ("success", many)
    log = stack.airflow.task_log(DAG_ID, run_id, "reindex_chunk", map_index=0)
    assert "opened again" in log
    table.add(
        "Mongo is stopped and started midway",
        "success",
        "all in the index: the cursor that was lost is opened again behind the last id",
    )


def test_mongo_is_down_when_the_run_is_planned(
    stack: Stack, creators: Expected, table: FaultTable
) -> None:
    stack.mongo.stop()
    try:
        end = ended(stack, *started(stack, {}))
    finally:
        stack.mongo.start()
    assert end.state == "failed"
    assert "connection 'marketplace_mongo'" in end.result["problems"][0]
    end.assert_explained({})
    table.add("Mongo is down: the plan fails", "failed", "the job hears why, and which connection")


def test_chunk_is_killed_and_goes_on(stack: Stack, creators: Expected, table: FaultTable) -> None:
    run_id, job_id = started(stack, slowly(stack))
    running_chunk(stack, run_id, posted=80).kill()
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "success"
    assert end.result["indexed"] + end.result["ignored"] == CREATORS
    # The second attempt went on behind the first one's last checkpoint, about a second before.
    assert posts(stack)["received"] < CREATORS + 50
    table.add(
        "a chunk's process is killed (SIGKILL)",
        "success",
        "the next attempt goes on at the last checkpoint; each document is counted once",
    )


def posts_of_each(stack: Stack) -> dict[str, int]:
    """How often each document was posted."""
    posts: dict[str, int] = stack.platform.requests(documents=True)["documents"]
    return posts


def test_supervisor_is_killed_and_its_orphan_goes_on_posting(
    stack: Stack, creators: Expected, table: FaultTable
) -> None:
    run_id, job_id = started(stack, slowly(stack, milliseconds=300))
    orphan = running_chunk(stack, run_id, posted=20)
    supervisor = orphan.parent()
    assert supervisor is not None
    supervisor.kill()
    running_chunk(stack, run_id, posted=20, other_than=orphan.pid)
    before = posts_of_each(stack)

    def both_post() -> bool:
        now = posts_of_each(stack)
        return now.keys() > before.keys() and any(now[key] > before[key] for key in before)

    # The orphan goes on with new documents, the second attempt repeats the last ones before.
    wait_until(both_post, 30, "posts of the orphan beside the second attempt's")
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "success"
    assert end.result["indexed"] + end.result["ignored"] == CREATORS
    assert end.reports == 1
    table.add(
        "a chunk's supervisor is killed, the orphan goes on posting",
        "success",
        "the next attempt posts beside it: `ignored` or `indexed`, each document counted once",
    )


def test_chunk_is_killed_for_good(stack: Stack, creators: Expected, table: FaultTable) -> None:
    run_id, job_id = started(stack, slowly(stack))
    killed = 0
    for _ in range(3):
        process = running_chunk(stack, run_id, posted=1, other_than=killed)
        time.sleep(0.5)
        process.kill()
        killed = process.pid
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "failed"
    assert end.result["notReached"] == CREATORS
    stack.platform.clear_faults()
    again = ended(stack, *redriven(stack, end))
    assert again.state == "success"
    assert index_of(stack) == creators
    table.add(
        "a chunk is killed at every attempt",
        "failed",
        "its range is named as not reached; `redrive` brings it",
    )


def test_person_marks_the_run_failed(stack: Stack, creators: Expected, table: FaultTable) -> None:
    run_id, job_id = started(stack, slowly(stack))
    running_chunk(stack, run_id, posted=5)
    stack.airflow.api("PATCH", f"dags/{DAG_ID}/dagRuns/{run_id}", {"state": "failed"})
    # The run has ended in that moment; its report is still to come.
    wait_until(lambda: report_ended(stack, run_id), 60, "the report's end")
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "failed"
    assert end.reports == 1
    # Told to end at the same time as the report began, the chunk still had its say.
    assert end.result["fetched"] >= 5
    table.add("a person marks the run failed", "failed", "the report still runs; the job failed")


def test_nothing_to_do(stack: Stack, creators: Expected, table: FaultTable) -> None:
    end = ended(stack, *started(stack, {"updatedSince": datetime.now(timezone.utc).isoformat()}))
    end.assert_explained(creators)
    assert (end.state, end.result["unchanged"]) == ("success", CREATORS)
    assert posts(stack)["received"] == 0
    table.add("nothing changed since `updatedSince`", "success", "all `unchanged`, nothing sent")


def test_plan_without_a_chunk(stack: Stack, creators: Expected, table: FaultTable) -> None:
    clean = ended(stack, *started(stack, {}))
    clean.assert_explained(creators)
    stack.platform.reset_requests()
    end = ended(stack, *started_again(stack, clean.run_id))
    end.assert_explained(creators)
    assert (end.state, end.result["planned"], end.result["chunks"]) == ("success", 0, 0)
    chunks = stack.airflow.task_instances(DAG_ID, end.run_id, "reindex_chunk")
    assert [each["state"] for each in chunks] == ["skipped"]
    assert posts(stack)["received"] == 0
    table.add(
        "a run that left nothing is driven again",
        "success",
        "planned 0, no chunk; the job succeeded",
    )


def test_jobs_service_is_down_at_the_end(
    stack: Stack, creators: Expected, table: FaultTable
) -> None:
    run_id, job_id = started(stack, {})
    stack.platform.put_faults([{"kind": "down", "path": "/jobs"}])
    wait_until(lambda: tried_again(stack, run_id, "report"), 120, "a report that was not heard")
    assert stack.platform.requests()["faults"]["down"] > 0
    stack.platform.clear_faults()
    stack.platform.reset_requests()
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "success"
    table.add("the Jobs service is down at the end", "success", "the report is tried until heard")


def test_answer_to_the_report_is_lost(stack: Stack, creators: Expected, table: FaultTable) -> None:
    run_id, job_id = started(stack, {})
    stack.platform.put_faults(
        [{"kind": "reset", "applied": True, "times": 1, "path": f"/jobs/{job_id}/succeed"}]
    )
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert end.state == "success"
    assert end.result["job"] == {"jobId": job_id, "status": "succeeded", "leaseLost": False}
    assert job(stack, job_id)["attempt"] == 1
    table.add(
        "the answer to the report is lost",
        "success",
        "the job is known as told; not told twice",
    )


def test_lease_is_lost(stack: Stack, creators: Expected, table: FaultTable) -> None:
    end = ended(stack, *started(stack, {"workerId": "another-worker"}))
    # Once under the id of the conf, once under that of the connection: refused both times.
    end.assert_explained(creators, reports=2)
    assert (end.state, end.result["indexed"]) == ("success", CREATORS)
    assert end.result["job"]["leaseLost"] is True
    assert "not leased by this worker" in stack.airflow.task_log(DAG_ID, end.run_id, "report")
    table.add("the job's lease is lost (409)", "success", "said in log and result; nothing fails")


def test_cleared_report_reports_once(stack: Stack, creators: Expected, table: FaultTable) -> None:
    run_id, job_id = started(stack, {})
    end = ended(stack, run_id, job_id)
    clear = {"dry_run": False, "task_ids": ["report"], "dag_run_id": run_id, "only_failed": False}
    stack.airflow.api("POST", f"dags/{DAG_ID}/clearTaskInstances", clear)
    time.sleep(1)
    end = ended(stack, run_id, job_id)
    end.assert_explained(creators)
    assert stack.airflow.task_instances(DAG_ID, run_id, "report")[0]["try_number"] == 2
    table.add("the report task is run again", "success", "the job is told once")


def ledger_of(stack: Stack, run_id: str, chunk: int) -> dict[str, Any]:
    path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/reindex_chunk/xcomEntries/return_value"
    ledger = stack.airflow.api("GET", f"{path}?map_index={chunk}&deserialize=false")["value"]
    assert isinstance(ledger, dict)
    return ledger


def test_rate_holds_for_the_whole_run(stack: Stack, creators: Expected, table: FaultTable) -> None:
    end = ended(stack, *started(stack, {"requestsPerSecond": 40, "chunkSize": 50}))
    end.assert_explained(creators)
    # A chunk alone would post its 50 documents in little more than a second.
    ledgers = [ledger_of(stack, end.run_id, chunk) for chunk in range(4)]
    assert min(each["ended"] - each["started"] for each in ledgers) > 4.5
    # Requests that a busy machine held up arrive together.
    assert stack.platform.requests()["indexUpdates"]["peakPerSecond"] <= 60
    table.add(
        "`requestsPerSecond` with four chunks at once",
        "success",
        "the service sees no more",
    )


def test_report_stays_small_whatever_failed(
    stack: Stack, many: Expected, table: FaultTable
) -> None:
    bad = sorted(many)[:: len(many) // 800][:800]
    stack.platform.put_faults([{"kind": "validation", "docIds": bad}])
    end = ended(stack, *started(stack, {"failureTolerance": 1, "chunkSize": len(many)}))
    end.assert_explained(many)
    assert (end.state, end.result["failed"]) == ("success", 800)
    reported = job(stack, end.job_id)["result"]
    assert (reported["failed"], len(reported["failedSample"]), reported["retry"]) == (
        800,
        100,
        None,
    )
    assert len(json.dumps(reported)) < 90_000
    table.add(
        "800 documents fail and all may",
        "success",
        "the job's result counts all and names a hundred: below 90 kB; the run's names all",
    )


def test_redriving_twice_is_harmless(stack: Stack, creators: Expected, table: FaultTable) -> None:
    bad = some(creators, 4)[:2]
    stack.platform.put_faults([{"kind": "validation", "docIds": bad}])
    end = ended(stack, *started(stack, {}))
    end.assert_explained(creators)
    assert end.result["retry"]["docIds"] == sorted(bad)
    stack.platform.clear_faults()
    sent = []
    for outcome in ("indexed", "ignored"):
        stack.platform.reset_requests()
        again = ended(stack, *started_again(stack, end.run_id))
        again.assert_explained(creators)
        assert (again.state, again.result["planned"], again.result[outcome]) == ("success", 2, 2)
        sent.append(stack.platform.requests(documents=True)["documents"])
    assert sent == [dict.fromkeys(bad, 1)] * 2
    assert index_of(stack) == creators
    table.add("a run is driven again, twice", "success", "only what failed is sent; then `ignored`")


def test_redrive_of_an_unknown_run_is_refused(stack: Stack, table: FaultTable) -> None:
    end = ended(stack, *started_again(stack, "manual__never"))
    end.assert_explained({})
    assert end.state == "failed"
    assert "run id of an earlier run" in end.result["problems"][0]
    assert posts(stack)["received"] == 0
    with pytest.raises(requests.HTTPError, match=r"^404"):
        stack.airflow.run_state(DAG_ID, "manual__never")
    table.add("`redrive` names no run", "failed", "refused by name; nothing sent")
