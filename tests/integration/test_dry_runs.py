"""Dry runs of the three operators: everything is read, nothing is sent to anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk import Variable
from bson import Binary, ObjectId
from pymongo import MongoClient

from reindex.errors import ChunkKilled, InvalidConf, SourceUnavailable, TooManyFailures
from reindex.operators.chunk import ReindexChunkOperator
from sandbox.mongo import Mongo
from sandbox.platform import Platform
from sandbox.seed import DATABASE
from sandbox.stack import mongo_connection
from tests.integration.conftest import CREATORS, PROJECTS
from tests.integration.in_process_run import InProcessRun, connect
from tests.integration.sandbox_fixtures import WORKER, Api
from tests.integration.test_runs import UNKNOWN_ID, all_ids

ALL = CREATORS + PROJECTS


def dry(conf: Mapping[str, object] | None = None, **run: Any) -> InProcessRun:
    return InProcessRun({**(conf or {}), "dryRun": True}, **run)


def assert_nothing_was_asked_of(platform: Platform) -> None:
    """Neither of the two services heard a single request."""
    counted = platform.requests()
    assert (counted["total"], counted["paths"]) == (0, {})
    with platform.index() as index:
        assert index.documents("creator") == index.documents("project") == {}


@pytest.fixture
def broken(mongo: Mongo) -> Iterator[str]:
    """A project whose category is bytes, which JSON has no word for."""
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri)
    projects = client[DATABASE]["projects"]
    one = {"_id": ObjectId(all_ids("projects")[3])}
    held = projects.find_one(one)
    assert held is not None
    projects.update_one(one, {"$set": {"category": Binary(b"s3cr3t")}})
    yield str(held["_id"])
    projects.replace_one(one, held)
    client.close()


def test_nothing_is_sent_and_everything_is_counted(
    connected: Platform, broken: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run = dry({"chunkSize": 40})
    result = run.go()
    assert_nothing_was_asked_of(connected)
    assert (result["state"], result["planned"], result["wouldSend"]) == ("success", ALL, ALL - 1)
    assert (result["totalIndexed"], result["requests"], result["drift"]) == (0, 0, None)
    assert result["docTypes"]["creator"]["wouldSend"] == CREATORS
    assert result["docTypes"]["project"]["wouldSend"] == PROJECTS - 1
    (failed,) = result["failedSample"]
    assert (failed["docId"], failed["reason"]) == (broken, "unreadable")
    assert "payload.category" in failed["message"]
    logged = capfd.readouterr()
    assert "s3cr3t" not in logged.out + logged.err
    found = result["dryRun"]
    assert found["requests"] == ALL - 1
    assert (found["estimatedSeconds"], found["basedOn"]) == (None, None)
    assert found["noEstimate"]
    assert {each["docType"] for each in found["samples"]} == {"creator", "project"}
    assert len(found["samples"]) == 5
    assert result["summary"] in logged.out.splitlines()[-1]
    assert result["summary"].startswith("dry run of reindex all success [planned ")


def test_the_samples_are_what_a_real_run_sends(connected: Platform) -> None:
    samples = dry({"chunkSize": 20}).go()["dryRun"]["samples"]
    InProcessRun({}).go()
    with connected.index() as index:
        for each in samples:
            assert index.documents(each["docType"])[each["docId"]].payload == each["payload"]


def test_neither_service_needs_to_be_defined(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, {"marketplace_mongo": mongo_connection(mongo.uri)})
    for conn_id in ("DISCOVERY_API", "JOBS_API"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id}", raising=False)
    run = dry()
    assert (run.go()["state"], run.errors) == ("success", {})


def test_the_estimate_is_from_real_runs_and_dry_ones_leave_none(connected: Platform) -> None:
    real = InProcessRun({}, run_id="manual__real")
    took = real.go()
    paced = InProcessRun({"requestsPerSecond": 2_000}, run_id="manual__paced", xcoms=real.xcoms)
    paced.go()
    for run_id in ("manual__dry1", "manual__dry2"):
        found = dry(run_id=run_id, xcoms=real.xcoms).go()["dryRun"]
        assert found["basedOn"]["runs"] == ["manual__real"]
        rate = found["basedOn"]["docsPerSecond"]
        assert rate == pytest.approx(took["docsPerSecond"], rel=0.01)
        seconds = max(ALL / rate, found["readingSeconds"])
        assert found["estimatedSeconds"] == pytest.approx(seconds, abs=0.06)


def test_a_failed_run_is_no_measure_of_the_next(connected: Platform) -> None:
    connected.put_faults([{"kind": "validation", "docIds": all_ids("projects")[:30]}])
    failed = InProcessRun({}, run_id="manual__failed")
    assert failed.go()["state"] == "failed"
    assert dry(run_id="manual__dry", xcoms=failed.xcoms).go()["dryRun"]["basedOn"] is None


@pytest.mark.parametrize("doc_type", ["project", "all"])
def test_ids_are_looked_up_and_each_is_logged(
    connected: Platform, capfd: pytest.CaptureFixture[str], doc_type: str
) -> None:
    some = all_ids("projects")[:7]
    result = dry({"docType": doc_type, "docIds": [", ".join([*some, UNKNOWN_ID])]}).go()
    assert_nothing_was_asked_of(connected)
    assert (result["wouldSend"], result["missing"]) == (7, 1)
    assert result["missingSample"] == [{"docType": doc_type, "docId": UNKNOWN_ID}]
    logged = capfd.readouterr().out
    assert f"indexDocument project {some[0]}: would index" in logged
    assert f"{doc_type} {UNKNOWN_ID}: missing" in logged


def test_updated_since_leaves_out_what_did_not_change(connected: Platform) -> None:
    result = dry(
        {"docType": "creator", "updatedSince": datetime.now(timezone.utc).isoformat()}
    ).go()
    assert (result["unchanged"], result["wouldSend"]) == (CREATORS, 0)
    assert (result["state"], result["dryRun"]["samples"]) == ("success", [])


def test_a_redrive_can_be_tried_dry_before_it_is_done(connected: Platform) -> None:
    bad = all_ids("projects")[:3]
    connected.put_faults([{"kind": "validation", "docIds": bad}])
    first = InProcessRun({"docType": "project", "failureTolerance": 0.5}, run_id="manual__first")
    assert first.go()["failed"] == 3
    connected.clear_faults()
    connected.reset_requests()
    tried = dry({"redrive": "manual__first"}, run_id="manual__dry", xcoms=first.xcoms)
    result = tried.go()
    assert connected.requests(documents=True)["documents"] == {}
    assert (result["planned"], result["wouldSend"], result["redrive"]) == (3, 3, None)
    assert {each["docId"] for each in result["dryRun"]["samples"]} == set(bad)
    done = InProcessRun({"redrive": "manual__first"}, run_id="manual__2", xcoms=first.xcoms)
    assert done.go()["indexed"] == 3


def test_a_dry_run_cannot_be_driven_again(connected: Platform, broken: str) -> None:
    tried = dry(run_id="manual__dry")
    assert tried.go()["redrive"] is None
    again = InProcessRun({"redrive": "manual__dry"}, run_id="manual__2", xcoms=tried.xcoms)
    assert again.go()["state"] == "failed"
    error = again.errors["plan"]
    assert isinstance(error, InvalidConf)
    assert "manual__dry" in str(error)
    assert "was a dry run" in str(error)
    assert_nothing_was_asked_of(connected)


def test_above_the_tolerance_a_dry_run_fails_and_says_why(connected: Platform, broken: str) -> None:
    run = dry({"docType": "project", "failureTolerance": 0})
    result = run.go()
    assert result["state"] == "failed"
    assert "RunFailed" in {type(error).__name__ for error in run.errors.values()}
    assert result["summary"].startswith(
        f"dry run of reindex project failed: 1 of {PROJECTS} documents failed (unreadable 1)"
    )
    assert result["dryRun"]["requests"] == PROJECTS - 1


def test_a_collection_of_documents_that_cannot_be_sent_ends_a_chunk_early(
    connected: Platform, mongo: Mongo
) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri)
    projects = client[DATABASE]["projects"]
    held = list(projects.find())
    try:
        projects.update_many({}, {"$set": {"category": Binary(b"x")}})
        run = dry({"docType": "project"}, attempts=2)
        result = run.go()
    finally:
        for each in held:
            projects.replace_one({"_id": each["_id"]}, each)
        client.close()
    assert isinstance(run.errors["chunk 0"], TooManyFailures)
    assert (result["state"], result["failed"]) == ("failed", PROJECTS)
    assert "TooManyFailures" in result["problems"][0]


def test_a_job_that_asks_for_a_dry_run_hears_why_not(connected: Platform) -> None:
    payload = {"docType": "creator", "docIds": all_ids("creatorprofiles")[:2], "dryRun": True}
    job_id = connected.enqueue({key: payload[key] for key in ("docType", "docIds")})
    assert [each["jobId"] for each in Api(connected).lease(WORKER)] == [job_id]
    run = InProcessRun({**payload, "jobId": job_id, "workerId": WORKER})
    result = run.go()
    assert isinstance(run.errors["plan"], InvalidConf)
    assert (result["state"], result["job"]["jobId"]) == ("failed", job_id)
    message = Api(connected).job(job_id)["lastError"]["message"]
    assert "'dryRun' cannot be given together with jobId" in message
    assert connected.requests(documents=True)["documents"] == {}


def test_a_dry_night_registers_no_job(connected: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Variable, "get", lambda *_, **__: "true")
    run = dry(run_type="scheduled")
    assert (run.go()["state"], run.errors) == ("success", {})
    assert_nothing_was_asked_of(connected)


def test_a_chunk_that_was_cut_off_starts_over_and_ends_right(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = dry({"docType": "project"})
    (chunk,) = run.plan()
    with monkeypatch.context() as patch:
        patch.setattr("reindex.hooks.source.PAGE_SIZE", 20)
        kill_after_the_first_page(patch)
        assert not run.chunk(0, chunk)
    assert isinstance(run.errors["chunk 0"], ChunkKilled)
    assert 0 < run.ledger()["counts"]["project"]["wouldSend"] < PROJECTS
    assert json.loads(json.dumps(run.stores["reindex_chunk", 0]))["ledger"]["chunk"]
    assert run.chunk(0, chunk)
    result = run.report()
    assert (result["state"], result["wouldSend"]) == ("success", PROJECTS)
    assert len(result["dryRun"]["samples"]) == 5
    assert run.stores["reindex_chunk", 0] == {}


def kill_after_the_first_page(patch: pytest.MonkeyPatch) -> None:
    post = ReindexChunkOperator._dry_run

    def killed(self: Any, context: Any, conf: Any, chunk: Any, begun: Any, pages: Any) -> Any:
        def some() -> Iterator[Any]:
            yield next(pages)
            self.on_kill()
            yield from pages

        return post(self, context, conf, chunk, begun, some())

    patch.setattr(ReindexChunkOperator, "_dry_run", killed)


def test_without_its_source_it_fails_as_any_run(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(
        monkeypatch,
        {"marketplace_mongo": {"conn_type": "mongo", "host": "127.0.0.1", "port": 1, "schema": "m",
         "extra": {"serverSelectionTimeoutMS": 200}}},
    )  # fmt: skip
    run = dry()
    result = run.go()
    assert isinstance(run.errors["plan"], SourceUnavailable)
    assert result["problems"][0].startswith("nothing was planned: SourceUnavailable")
    assert result["dryRun"]["requests"] == 0
