"""The Jobs service's answers of the contract, one by one, over HTTP against a started server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from sandbox.platform import Platform, running_platform
from sandbox.timestamps import parse_iso
from tests.integration.sandbox_fixtures import (
    OTHER_WORKER,
    WORKER,
    Api,
    a_doc_id,
    assert_html,
    details_of,
)

LEASE_SECONDS = 0.4
RETRY_DELAY_SECONDS = 0.1
# Longer than any test takes: what is not due yet, or leased, stays so.
LONG_SECONDS = 600
PAYLOAD = {"docType": "creator", "docIds": ["5f" * 12]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    data_dir = tmp_path_factory.mktemp("platform")
    with running_platform(
        data_dir, lease_seconds=LONG_SECONDS, retry_delay_seconds=RETRY_DELAY_SECONDS
    ) as platform:
        yield platform


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Its leases run out soon, and what failed there waits for long."""
    data_dir = tmp_path_factory.mktemp("forgetful")
    with running_platform(
        data_dir, lease_seconds=LEASE_SECONDS, retry_delay_seconds=LONG_SECONDS
    ) as platform:
        yield platform


@pytest.fixture
def platform(running: Platform) -> Platform:
    running.clear_data()
    return running


@pytest.fixture
def api(platform: Platform) -> Api:
    return Api(platform)


def lease_when_due(api: Api, worker: str = WORKER) -> dict[str, Any]:
    """The one job there is, as soon as it may be leased."""
    deadline = time.monotonic() + 5
    while not (jobs := api.lease(worker)):
        assert time.monotonic() < deadline, "the job did not become leasable"
        time.sleep(0.02)
    return jobs[0]


def fail(api: Api, job_id: str, worker: str = WORKER) -> requests.Response:
    return api.work("POST", f"/jobs/{job_id}/fail", worker, body={"error": {"message": "no"}})


def succeed(api: Api, job_id: str, worker: str = WORKER) -> requests.Response:
    return api.work("POST", f"/jobs/{job_id}/succeed", worker, body={"result": {"done": 1}})


def test_a_job_is_queued(api: Api) -> None:
    job = {"type": "reindex.batch", "payload": PAYLOAD, "priority": 7, "maxAttempts": 4}
    answer = api.send("POST", "/jobs", body=job)
    assert answer.status_code == 201
    content = answer.json()
    assert set(content) == {"jobId", "status", "type", "nextRunAt"}
    assert (content["status"], content["type"]) == ("queued", "reindex.batch")
    held = api.job(content["jobId"])
    assert (held["attempt"], held["maxAttempts"], held["priority"]) == (0, 4, 7)
    assert held["payload"] == PAYLOAD


def test_the_policy_gives_the_attempts_when_the_job_does_not(platform: Platform, api: Api) -> None:
    assert api.job(platform.enqueue(PAYLOAD))["maxAttempts"] == 3


def test_an_unknown_type(api: Api) -> None:
    answer = api.send("POST", "/jobs", body={"type": "reindex", "payload": PAYLOAD})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": 5}, "type"),
        ({"payload": "creator"}, "payload"),
        ({"payload": {"docIds": []}}, "payload.docType"),
        ({"payload": {"docType": 1, "docIds": []}}, "payload.docType"),
        ({"payload": {"docType": "creator"}}, "payload.docIds"),
        ({"payload": {"docType": "creator", "docIds": "all"}}, "payload.docIds"),
        ({"priority": 101}, "priority"),
        ({"priority": -1}, "priority"),
        ({"maxAttempts": 0}, "maxAttempts"),
        ({"maxAttempts": 11}, "maxAttempts"),
        ({"maxAttempts": True}, "maxAttempts"),
        ({"scheduleAt": "soon"}, "scheduleAt"),
        ({"scheduleAt": 5}, "scheduleAt"),
    ],
)
def test_a_job_that_breaks_the_schema(api: Api, changes: dict[str, Any], field: str) -> None:
    job = {"type": "reindex.batch", "payload": PAYLOAD, **changes}
    assert details_of(api.send("POST", "/jobs", body=job)) == {field}


@pytest.mark.parametrize(
    "payload",
    [
        {"docType": "creator", "docIds": []},
        {"docType": "invalid", "docIds": ["x"]},
        {"docType": "all", "docIds": [a_doc_id()], "mode": "full"},
    ],
)
def test_what_is_accepted_and_left_to_the_handler(
    platform: Platform, payload: dict[str, Any]
) -> None:
    assert platform.enqueue(payload)


def test_a_job_too_large_for_a_body(api: Api) -> None:
    payload = {"docType": "creator", "docIds": ["5f" * 12] * 4000}
    assert_html(api.send("POST", "/jobs", body={"type": "reindex.batch", "payload": payload}), 413)


def test_a_lease(platform: Platform, api: Api) -> None:
    job_id = platform.enqueue(PAYLOAD)
    answer = api.work("GET", "/jobs/lease?type=reindex.batch").json()
    assert set(answer) == {"leasedAt", "jobs"}
    (job,) = answer["jobs"]
    assert set(job) == {"jobId", "type", "payload", "attempt", "leaseExpiresAt"}
    assert (job["jobId"], job["payload"], job["attempt"]) == (job_id, PAYLOAD, 1)
    assert job["leaseExpiresAt"] > answer["leasedAt"]
    held = api.job(job_id)
    assert (held["status"], held["workerId"]) == ("leased", WORKER)


def test_a_lease_without_work(api: Api) -> None:
    assert api.work("GET", "/jobs/lease?type=reindex.batch&limit=10").json()["jobs"] == []


def test_a_job_is_leased_to_one_worker_only(platform: Platform, api: Api) -> None:
    platform.enqueue(PAYLOAD)
    assert len(api.lease()) == 1
    assert api.lease(OTHER_WORKER) == []


def test_leases_go_by_priority_and_stop_at_the_limit(platform: Platform, api: Api) -> None:
    ids = {priority: platform.enqueue(PAYLOAD, priority=priority) for priority in (10, 90, 50)}
    assert [job["jobId"] for job in api.lease(limit=2)] == [ids[90], ids[50]]
    assert [job["jobId"] for job in api.lease(limit=2)] == [ids[10]]


def test_a_scheduled_job_is_not_leased_early(platform: Platform, api: Api) -> None:
    platform.enqueue(PAYLOAD, scheduleAt="2099-01-01T00:00:00Z")
    due = platform.enqueue(PAYLOAD, scheduleAt="2020-01-01T00:00:00Z")
    assert [job["jobId"] for job in api.lease()] == [due]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "type"),
        ("type=reindex.batch&limit=0", "limit"),
        ("type=reindex.batch&limit=11", "limit"),
        ("type=reindex.batch&limit=two", "limit"),
    ],
)
def test_a_lease_with_a_wrong_query(api: Api, query: str, field: str) -> None:
    assert details_of(api.work("GET", f"/jobs/lease?{query}")) == {field}


@pytest.mark.parametrize("worker", ["", "four"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/lease?type=reindex.batch"),
        ("POST", "/jobs/abc/succeed"),
        ("POST", "/jobs/abc/fail"),
    ],
)
def test_a_worker_call_without_a_worker(api: Api, method: str, path: str, worker: str) -> None:
    answer = api.work(method, path, worker, body={"result": {}})
    assert details_of(answer) == {"X-Worker-Id"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs"),
        ("GET", "/jobs"),
        ("GET", "/jobs/lease?type=reindex.batch"),
        ("GET", "/jobs/abc"),
        ("POST", "/jobs/abc/succeed"),
        ("POST", "/jobs/abc/fail"),
    ],
)
def test_every_call_wants_a_token(api: Api, method: str, path: str) -> None:
    answer = api.send(method, path, token=None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "no_token")


def test_succeed(platform: Platform, api: Api) -> None:
    job_id = platform.enqueue(PAYLOAD)
    api.lease()
    answer = succeed(api, job_id)
    assert (answer.status_code, answer.json()) == (200, {"status": "succeeded", "jobId": job_id})
    held = api.job(job_id)
    assert (held["status"], held["result"], held["attempt"]) == ("succeeded", {"done": 1}, 1)
    assert succeed(api, job_id).status_code == 409


@pytest.mark.parametrize("report", [succeed, fail])
def test_a_report_without_a_lease(
    platform: Platform, api: Api, report: Callable[[Api, str], requests.Response]
) -> None:
    job_id = platform.enqueue(PAYLOAD)
    assert report(api, job_id).status_code == 409
    api.lease(OTHER_WORKER)
    assert report(api, job_id).status_code == 409
    assert api.job(job_id)["status"] == "leased"


@pytest.mark.parametrize("report", ["succeed", "fail"])
def test_a_report_without_a_body(platform: Platform, api: Api, report: str) -> None:
    job_id = platform.enqueue(PAYLOAD)
    api.lease()
    assert api.work("POST", f"/jobs/{job_id}/{report}").status_code == 500
    assert api.job(job_id)["status"] == "leased"


def test_two_executions_and_a_growing_delay(platform: Platform, api: Api) -> None:
    job_id = platform.enqueue(PAYLOAD)
    assert lease_when_due(api)["attempt"] == 1
    first = fail(api, job_id).json()
    assert set(first) == {"status", "jobId", "nextRunAt", "attempt"}
    assert (first["status"], first["attempt"]) == ("queued", 2)
    assert lease_when_due(api)["attempt"] == 3
    last = fail(api, job_id).json()
    assert (last["status"], last["attempt"], last["nextRunAt"]) == ("dlq", 4, None)
    held = api.job(job_id)
    assert (held["status"], held["lastError"]) == ("dlq", {"message": "no"})
    assert [job["jobId"] for job in platform.call("GET", "/jobs?status=dlq")["jobs"]] == [job_id]
    assert platform.call("GET", "/jobs?status=queued")["jobs"] == []


@pytest.mark.parametrize(("max_attempts", "status"), [(2, "dlq"), (3, "queued")])
def test_a_failure_that_reaches_the_attempts_is_the_last(
    platform: Platform, api: Api, max_attempts: int, status: str
) -> None:
    job_id = platform.enqueue(PAYLOAD, maxAttempts=max_attempts)
    api.lease()
    answer = fail(api, job_id).json()
    assert (answer["status"], answer["attempt"]) == (status, 2)


def test_the_delay_grows_with_the_attempt(platform: Platform, api: Api) -> None:
    job_id = platform.enqueue(PAYLOAD, maxAttempts=10)
    for delays in (2, 8):  # the attempts are 2 and 4 by then
        lease_when_due(api)
        earliest = int(time.time() * 1000)
        next_run_at = parse_iso(fail(api, job_id).json()["nextRunAt"])
        latest = time.time() * 1000
        assert earliest <= next_run_at - delays * RETRY_DELAY_SECONDS * 1000 <= latest


def test_a_failed_job_is_not_leased_before_its_delay_is_over(forgetful: Platform) -> None:
    forgetful.clear_data()
    job_id = forgetful.enqueue(PAYLOAD)
    api = Api(forgetful)
    lease_when_due(api)
    assert fail(api, job_id).json()["status"] == "queued"
    assert api.lease() == []


def test_a_lease_that_ran_out(forgetful: Platform) -> None:
    forgetful.clear_data()
    api = Api(forgetful)
    job_id = forgetful.enqueue(PAYLOAD)
    assert lease_when_due(api)["attempt"] == 1
    assert lease_when_due(api, OTHER_WORKER)["attempt"] == 2
    assert succeed(api, job_id, WORKER).status_code == 409
    assert succeed(api, job_id, OTHER_WORKER).status_code == 200


def test_the_holder_may_report_late_while_nobody_took_the_job(forgetful: Platform) -> None:
    forgetful.clear_data()
    api = Api(forgetful)
    job_id = forgetful.enqueue(PAYLOAD)
    api.lease()
    time.sleep(LEASE_SECONDS + 0.1)
    assert succeed(api, job_id).status_code == 200


def test_the_stated_lease_is_five_minutes(tmp_path: Any) -> None:
    with running_platform(tmp_path) as platform:
        platform.enqueue(PAYLOAD)
        (job,) = Api(platform).lease()
        with platform.jobs() as jobs:
            (held,) = jobs.jobs()
        assert held.lease_expires_at is not None
        assert held.lease_expires_at / 1000 - time.time() == pytest.approx(300, abs=5)
        assert job["attempt"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs/{}"), ("POST", "/jobs/{}/succeed"), ("POST", "/jobs/{}/fail")],
)
def test_a_job_that_is_not_there(api: Api, method: str, path: str) -> None:
    body = {"result": {}, "error": {"message": "no"}} if method == "POST" else None
    answer = api.work(method, path.format(a_doc_id()), body=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_failure_without_a_message(platform: Platform, api: Api) -> None:
    job_id = platform.enqueue(PAYLOAD)
    api.lease()
    answer = api.work("POST", f"/jobs/{job_id}/fail", body={"error": {}})
    assert details_of(answer) == {"error.message"}
