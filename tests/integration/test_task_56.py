"""Task 56's own tests and acceptance criteria, against a real Mongo and a real HTTP service."""

from __future__ import annotations

import pytest

from reindex.errors import InvalidDocType
from sandbox.platform import Platform
from sandbox.seed import generate
from tests.integration.conftest import CREATORS, PROJECTS
from tests.integration.in_process_run import InProcessRun
from tests.integration.sandbox_fixtures import Api

WORKER = "worker-56"


def ids_of(collection: str, count: int) -> list[str]:
    documents = generate(collection, CREATORS, PROJECTS)
    return [str(next(documents)["_id"]) for _ in range(count)]


def leased_job(platform: Platform, payload: dict[str, object]) -> str:
    """A job of the platform, leased by ``WORKER``."""
    job_id = platform.enqueue(payload)
    leased = Api(platform).lease(WORKER)
    assert [job["jobId"] for job in leased] == [job_id]
    return job_id


@pytest.fixture
def creator_ids() -> list[str]:
    return ids_of("creatorprofiles", 10)


def test_t56_1_index_document_is_called_for_every_id(
    connected: Platform, creator_ids: list[str]
) -> None:
    result = InProcessRun({"docType": "creator", "docIds": creator_ids}).go()
    assert result["state"] == "success"
    assert result["totalIndexed"] == len(creator_ids)
    assert connected.requests(documents=True)["documents"] == dict.fromkeys(creator_ids, 1)
    with connected.index() as index:
        assert set(index.documents("creator")) == set(creator_ids)


def test_t56_2_one_transient_failure_and_the_batch_goes_on(
    connected: Platform, creator_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reindex.delivery.FIRST_DELAY", 0.01)
    bad = creator_ids[3]
    connected.put_faults([{"kind": "error", "status": 500, "docIds": [bad]}])
    job_id = leased_job(connected, {"docType": "creator", "docIds": creator_ids})
    conf = {"docType": "creator", "docIds": creator_ids, "jobId": job_id, "workerId": WORKER}
    result = InProcessRun(conf).go()
    assert result["totalIndexed"] == len(creator_ids) - 1
    assert result["failed"] == 1
    assert [failure["docId"] for failure in result["failedSample"]] == [bad]
    job = connected.call("GET", f"/jobs/{job_id}")
    assert job["status"] == "succeeded"
    assert job["result"]["totalIndexed"] == len(creator_ids) - 1


def test_t56_3_an_invalid_type_fails_and_the_job_service_hears_of_it(
    connected: Platform, creator_ids: list[str]
) -> None:
    job_id = leased_job(connected, {"docType": "invalid", "docIds": creator_ids})
    conf = {"docType": "invalid", "docIds": creator_ids, "jobId": job_id, "workerId": WORKER}
    run = InProcessRun(conf)
    result = run.go()
    assert isinstance(run.errors["plan"], InvalidDocType)
    assert str(run.errors["plan"]).startswith("InvalidDocType: invalid ")
    assert result["state"] == "failed"
    assert "report" in run.errors
    job = connected.call("GET", f"/jobs/{job_id}")
    assert job["status"] == "queued"  # its second execution may come
    assert "InvalidDocType: invalid" in job["lastError"]["message"]
    assert connected.requests(documents=True)["documents"] == {}


def test_every_item_of_a_batch_is_logged(
    connected: Platform, creator_ids: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    InProcessRun({"docType": "creator", "docIds": creator_ids}).go()
    logged = capfd.readouterr().out
    for doc_id in creator_ids:
        assert f"indexDocument creator {doc_id}: indexed" in logged


def test_sending_a_batch_again_is_harmless(connected: Platform, creator_ids: list[str]) -> None:
    conf = {"docType": "creator", "docIds": creator_ids}
    InProcessRun(conf).go()
    with connected.index() as index:
        held = index.documents("creator")
    result = InProcessRun(conf).go()
    assert (result["totalIndexed"], result["ignored"]) == (0, len(creator_ids))
    assert result["state"] == "success"
    with connected.index() as index:
        assert index.documents("creator") == held


def test_only_the_ids_that_were_asked_for_are_sent(connected: Platform) -> None:
    ids = ids_of("projects", 3)
    result = InProcessRun({"docType": "project", "docIds": ids}).go()
    assert result["docTypes"].keys() == {"project"}
    with connected.index() as index:
        assert index.documents("creator") == {}
        assert set(index.documents("project")) == set(ids)
