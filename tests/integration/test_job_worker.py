"""The platform's jobs are leased, worked off and reported: over HTTP, against the sandbox."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Variable

from reindex.errors import AuthRefused, InvalidConnection, ServiceUnavailable
from reindex.hooks.jobs import DEFAULT_WORKER_ID, JobsHook
from reindex.job_types import REINDEX_BATCH
from reindex.leased_jobs import LeasedJob, run_that_failed
from reindex.operators.lease import LeaseJobsOperator
from reindex.operators.nightly_job import ASKED_FOR, KEPT_JOBS
from reindex.run_timed_out import TIMED_OUT, report_time_out
from sandbox.mongo import Mongo
from sandbox.platform import Platform, running_platform
from sandbox.processes import free_port, wait_until
from sandbox.seed import generate
from sandbox.stack import connections_of, http_connection, mongo_connection
from tests.integration.conftest import CREATORS, PROJECTS
from tests.integration.in_process_run import InProcessRun, connect
from tests.integration.in_process_worker import InProcessWorker
from tests.integration.sandbox_fixtures import OTHER_WORKER, Api

LEASE_SECONDS = 0.5
QUICK = {"timeout": 2}


def ids_of(collection: str, count: int) -> list[str]:
    documents = generate(collection, CREATORS, PROJECTS)
    return [str(next(documents)["_id"]) for _ in range(count)]


CREATOR_IDS = ids_of("creatorprofiles", CREATORS)
PROJECT_IDS = ids_of("projects", PROJECTS)
PAYLOAD = {"docType": "creator", "docIds": CREATOR_IDS[:3]}
MISSING = {"docType": "creator", "docIds": ["f" * 24]}


@pytest.fixture(scope="module")
def short_leases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("short-leases")
    with running_platform(
        folder, lease_seconds=LEASE_SECONDS, retry_delay_seconds=0.05
    ) as platform:
        yield platform


@pytest.fixture
def forgetful(short_leases: Platform, mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A platform whose leases run out after half a second."""
    short_leases.clear_faults()
    short_leases.clear_data()
    short_leases.reset_requests()
    connect(monkeypatch, connections_of(mongo, short_leases))
    return short_leases


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Airflow's Variables, of which a process without a task has none."""
    held: dict[str, Any] = {}

    def get(key: str, default: Any = None, deserialize_json: bool = False) -> Any:
        if key not in held:
            return default
        return json.loads(held[key]) if deserialize_json else held[key]

    def set_(key: str, value: Any, description: str = "", serialize_json: bool = False) -> None:
        held[key] = json.dumps(value) if serialize_json else value

    monkeypatch.setattr(Variable, "get", get)
    monkeypatch.setattr(Variable, "set", set_)
    monkeypatch.setattr(Variable, "delete", held.pop)
    return held


def named(platform: Platform, patch: pytest.MonkeyPatch, conn_id: str, worker_id: str) -> str:
    """A connection to the Jobs service under a worker id of its own."""
    connection = http_connection(platform.base_url, platform.token, workerId=worker_id, **QUICK)
    connect(patch, {conn_id: connection})
    return conn_id


def job(platform: Platform, job_id: str) -> dict[str, Any]:
    return platform.call("GET", f"/jobs/{job_id}")


def calls(platform: Platform, what: str) -> int:
    return int(platform.requests()["paths"].get(what, 0))


def test_a_job_becomes_a_run_and_hears_of_its_end(connected: Platform) -> None:
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    assert worker.poll() == [f"job__{job_id}__1"]
    conf = worker.airflow.confs[f"job__{job_id}__1"]
    assert conf == {**PAYLOAD, "jobId": job_id, "workerId": DEFAULT_WORKER_ID}
    worker.run_all()
    held = job(connected, job_id)
    assert (held["status"], held["workerId"]) == ("succeeded", DEFAULT_WORKER_ID)
    assert held["result"]["runId"] == f"job__{job_id}__1"
    assert held["result"]["totalIndexed"] == 3
    assert connected.requests(documents=True)["documents"] == dict.fromkeys(CREATOR_IDS[:3], 1)
    assert worker.poll() == []
    assert worker.skipped is None


def test_worker_id_is_the_connections(connected: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker(named(connected, monkeypatch, "jobs_named", "worker-7"))
    worker.poll()
    assert job(connected, job_id)["workerId"] == "worker-7"
    worker.run_all()
    assert job(connected, job_id)["status"] == "succeeded"


@pytest.mark.parametrize("worker_id", ["abc", "a worker", "wörker"])
def test_an_unusable_worker_id_is_the_connections_fault_and_refuses_no_job(
    connected: Platform, monkeypatch: pytest.MonkeyPatch, worker_id: str
) -> None:
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker(named(connected, monkeypatch, "jobs_named", worker_id))
    with pytest.raises(InvalidConnection, match=r"'jobs_named': extra workerId: .* 5 to 128"):
        worker.poll()
    assert job(connected, job_id)["status"] == "queued"


@pytest.mark.parametrize(
    ("payload", "types", "indexed"),
    [
        ({"docType": "creators", "docIds": CREATOR_IDS[:2]}, {"creator"}, 2),
        ({"docType": "projects", "docIds": PROJECT_IDS[:4]}, {"project"}, 4),
        ({"docType": "all", "docIds": [CREATOR_IDS[0], PROJECT_IDS[0]]}, None, 2),
        ({"docType": "creator", "docIds": CREATOR_IDS[:2], "mode": "incremental"}, None, 2),
        ({"docType": "creator", "docIds": CREATOR_IDS[:2], "mode": "full"}, None, CREATORS),
        ({"docType": "all", "docIds": [], "mode": "full"}, None, CREATORS + PROJECTS),
    ],
)
def test_what_an_admin_may_ask_for(
    connected: Platform, payload: dict[str, object], types: set[str] | None, indexed: int
) -> None:
    job_id = connected.enqueue(payload)
    worker = InProcessWorker()
    worker.poll()
    [result] = worker.run_all().values()
    held = job(connected, job_id)
    assert held["status"] == "succeeded"
    assert held["result"]["totalIndexed"] == result["totalIndexed"] == indexed
    if types:
        assert set(held["result"]["docTypes"]) == types


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"docType": "invalid", "docIds": CREATOR_IDS[:1]}, "InvalidDocType: invalid"),
        ({"docType": "creator", "docIds": []}, "docIds: [] is not"),
        ({"docType": "creator", "docIds": ["7"]}, "docIds[0]: '7' is not"),
        ({"docType": "creator"}, "'docIds' is not given"),
        ({"docIds": CREATOR_IDS[:1]}, "'docType' is not given"),
        ({"docType": "creator", "docIds": "all of them"}, "docIds: 'all of them' is not"),
    ],
)
def test_a_bad_payload_is_failed_at_once_and_starts_nothing(
    connected: Platform, payload: dict[str, Any], reason: str
) -> None:
    with connected.jobs() as jobs:  # past the service's own check, as an older job may be
        job_id = jobs.enqueue(REINDEX_BATCH, payload, max_attempts=2).job_id
    good = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    assert worker.poll() == [f"job__{good}__1"]
    held = job(connected, job_id)
    assert held["status"] == "dlq"
    assert held["lastError"]["message"].startswith(f"payload refused: {reason}")


def test_a_refusal_that_cannot_be_told_holds_nobody_up(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reindex.hooks.jobs.QUICK_ATTEMPTS", 1)
    bad = connected.enqueue({"docType": "invalid", "docIds": CREATOR_IDS[:1]})
    good = connected.enqueue(PAYLOAD)
    connected.put_faults([{"kind": "error", "status": 503, "path": f"/jobs/{bad}"}])
    worker = InProcessWorker()
    assert worker.poll() == [f"job__{good}__1"]
    assert job_status(connected, bad) == "leased"


def job_status(platform: Platform, job_id: str) -> str:
    platform.clear_faults()
    return str(job(platform, job_id)["status"])


def test_a_job_whose_lease_ran_out_is_recognised_and_reported_once(forgetful: Platform) -> None:
    job_id = forgetful.enqueue(PAYLOAD)
    worker = InProcessWorker()
    [run_id] = worker.poll()
    for state, attempt in (("queued", 2), ("running", 3)):
        worker.airflow.runs[run_id] = state
        time.sleep(LEASE_SECONDS + 0.1)
        assert worker.poll() == []
        assert job(forgetful, job_id)["attempt"] == attempt
    result = worker.run(run_id)
    assert result["job"] == {"jobId": job_id, "status": "succeeded", "leaseLost": False}
    held = job(forgetful, job_id)
    assert (held["status"], held["workerId"]) == ("succeeded", DEFAULT_WORKER_ID)
    assert held["result"]["runId"] == run_id == f"job__{job_id}__1"
    assert calls(forgetful, "POST /jobs/{id}/succeed") == 1
    assert forgetful.requests(documents=True)["documents"] == dict.fromkeys(CREATOR_IDS[:3], 1)
    time.sleep(LEASE_SECONDS + 0.1)
    assert worker.poll() == []


def renamed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, InProcessWorker, str]:
    """A job, its worker, which has another id since it leased it again, and the job's run."""
    job_id = platform.enqueue(PAYLOAD)
    worker = InProcessWorker(named(platform, monkeypatch, "jobs_api", "worker-old"))
    [run_id] = worker.poll()
    named(platform, monkeypatch, "jobs_api", "worker-new")
    time.sleep(LEASE_SECONDS + 0.1)
    assert worker.poll() == []
    return job_id, worker, run_id


def test_a_job_that_came_back_under_a_new_worker_id_is_reported_under_it(
    forgetful: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, worker, run_id = renamed(forgetful, monkeypatch)
    assert job(forgetful, job_id)["workerId"] == "worker-new"
    result = worker.run(run_id)
    assert result["job"] == {"jobId": job_id, "status": "succeeded", "leaseLost": False}
    assert job(forgetful, job_id)["result"]["runId"] == run_id


def test_a_time_out_is_told_under_the_worker_id_that_holds_the_job_now(
    forgetful: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, worker, run_id = renamed(forgetful, monkeypatch)
    dag_run = SimpleNamespace(conf=worker.airflow.confs[run_id], run_id=run_id)
    report_time_out({"reason": TIMED_OUT, "dag_run": dag_run})
    assert "dagrun_timeout" in job(forgetful, job_id)["lastError"]["message"]


def test_a_job_that_somebody_else_took_fails_nothing(
    forgetful: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    job_id = forgetful.enqueue(PAYLOAD)
    worker = InProcessWorker()
    [run_id] = worker.poll()
    time.sleep(LEASE_SECONDS + 0.1)
    api = Api(forgetful)
    assert [each["jobId"] for each in api.lease(OTHER_WORKER)] == [job_id]
    result = worker.run(run_id)
    assert result["state"] == "success"
    assert result["totalIndexed"] == 3
    assert result["job"] == {"jobId": job_id, "status": "409 on succeed", "leaseLost": True}
    assert "is not leased by this worker any more (409 on succeed)" in capfd.readouterr().out
    held = job(forgetful, job_id)
    assert (held["status"], held["workerId"], held["attempt"]) == ("leased", OTHER_WORKER, 2)
    answer = api.work("POST", f"/jobs/{job_id}/succeed", OTHER_WORKER, body={"result": {}})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "error", "status": 503}, ServiceUnavailable),
        ({"kind": "error", "status": 401}, AuthRefused),
        ({"kind": "error", "status": 403}, AuthRefused),
        # A gateway in between, while the service restarts: the job is there all the same.
        ({"kind": "html", "status": 404}, ServiceUnavailable),
        ({"kind": "html", "status": 403}, ServiceUnavailable),
    ],
)
def test_a_result_is_kept_when_the_jobs_service_does_not_hear_it(
    connected: Platform,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    fault: dict[str, object],
    error: type[Exception],
) -> None:
    monkeypatch.setattr("reindex.hooks.jobs.QUICK_ATTEMPTS", 1)
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    [run_id] = worker.poll()
    run = InProcessRun(worker.airflow.confs[run_id], run_id=run_id)
    connected.put_faults([{**fault, "path": f"/jobs/{job_id}"}])
    result = run.go()
    assert isinstance(run.errors["report"], error)
    assert run.xcoms[(run_id, "report", -1, "totalIndexed")] == 3
    assert (result["state"], result["totalIndexed"], result["job"]) == ("success", 3, None)
    assert result["summary"] in capfd.readouterr().out
    connected.clear_faults()
    assert run.report()["job"] == {"jobId": job_id, "status": "succeeded", "leaseLost": False}


def test_a_job_that_the_service_does_not_know_is_said_to_be_unknown(
    connected: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    run = InProcessRun({**PAYLOAD, "jobId": "no-such-job"})
    result = run.go()
    assert (result["state"], result["job"]["leaseLost"]) == ("success", True)
    said = capfd.readouterr().out
    assert "the Jobs service knows no job no-such-job: nobody hears of this run" in said


def test_nothing_of_the_environment_comes_between_the_token_and_the_service(
    connected: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a login of a ~/.netrc in the token's place, nor a proxy that was meant for others."""
    job_id = connected.enqueue(PAYLOAD)
    logins = tmp_path / "netrc"
    logins.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(logins))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert JobsHook().job(job_id)["status"] == "queued"


def test_a_job_that_is_reported_while_it_is_leased_again_is_over(
    forgetful: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends between the lease and the look at Airflow's runs."""
    forgetful.enqueue(PAYLOAD)
    worker = InProcessWorker()
    [run_id] = worker.poll()
    time.sleep(LEASE_SECONDS + 0.1)
    lease = JobsHook.lease

    def lease_and_wait(hook: JobsHook, limit: int) -> Any:
        leased = lease(hook, limit)
        worker.run(run_id)
        return leased

    monkeypatch.setattr(JobsHook, "lease", lease_and_wait)
    assert worker.poll() == []
    assert worker.airflow.runs == {run_id: "success"}


def test_a_run_that_is_gone_without_a_report_is_started_anew(forgetful: Platform) -> None:
    job_id = forgetful.enqueue(PAYLOAD)
    worker = InProcessWorker()
    [first] = worker.poll()
    worker.airflow.runs[first] = "failed"  # its report was never heard
    time.sleep(LEASE_SECONDS + 0.1)
    assert worker.poll() == [f"job__{job_id}__2"]
    worker.run_all()
    assert job(forgetful, job_id)["result"]["runId"] == f"job__{job_id}__2"


def test_a_failed_job_gets_its_second_execution(forgetful: Platform) -> None:
    job_id = forgetful.enqueue(MISSING)
    worker = InProcessWorker()
    for attempt, status in ((1, "queued"), (3, "dlq")):
        wait_until(lambda: bool(worker.poll()), 5, "the second execution")
        assert worker.airflow.waiting == [f"job__{job_id}__{attempt}"]
        [result] = worker.run_all().values()
        assert result["state"] == "failed"
        assert job(forgetful, job_id)["status"] == status
    assert calls(forgetful, "POST /jobs/{id}/fail") == 2


def leased_again(platform: Platform, job_id: str) -> None:
    """Our own worker has the job again, as soon as the service hands it out."""
    api = Api(platform)

    def leased() -> bool:
        return job_id in [each["jobId"] for each in api.lease(DEFAULT_WORKER_ID)]

    wait_until(leased, 5, "the job to be leasable again")


def test_a_failure_whose_answer_is_lost_counts_once(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = connected.enqueue(MISSING)
    worker = InProcessWorker()
    [run_id] = worker.poll()
    fail = f"/jobs/{job_id}/fail"
    connected.put_faults([{"kind": "reset", "applied": True, "times": 1, "path": fail}])
    call_once = JobsHook._call_once

    def leased_again_when_lost(endpoint: Any, method: str, path: str, *rest: Any) -> Any:
        try:
            return call_once(endpoint, method, path, *rest)
        except ServiceUnavailable:
            leased_again(connected, job_id)
            raise

    monkeypatch.setattr(JobsHook, "_call_once", staticmethod(leased_again_when_lost))
    result = worker.run(run_id)
    assert result["job"] == {"jobId": job_id, "status": "leased", "leaseLost": False}
    assert (job(connected, job_id)["status"], job(connected, job_id)["attempt"]) == ("leased", 3)
    assert calls(connected, "POST /jobs/{id}/fail") == 1


def test_a_failure_that_an_earlier_try_of_the_report_told_counts_once(connected: Platform) -> None:
    """The first try dies before it has stored that it was heard."""
    job_id = connected.enqueue(MISSING)
    worker = InProcessWorker()
    [run_id] = worker.poll()
    run = InProcessRun(worker.airflow.confs[run_id], run_id=run_id)
    assert run.go()["job"]["status"] == "queued"
    run.stores.clear()
    leased_again(connected, job_id)
    assert run.report()["job"] == {"jobId": job_id, "status": "leased", "leaseLost": False}
    assert job(connected, job_id)["attempt"] == 3
    assert calls(connected, "POST /jobs/{id}/fail") == 1


def test_nothing_is_leased_that_would_wait_longer_than_its_lease(connected: Platform) -> None:
    for place in range(15):
        connected.enqueue({"docType": "creator", "docIds": CREATOR_IDS[place : place + 1]})
    worker = InProcessWorker()
    assert len(worker.poll()) == 10
    assert len(worker.poll()) == 3
    asked = calls(connected, "GET /jobs/lease")
    assert worker.poll() == []
    assert worker.skipped is not None
    assert "13 runs of reindex_batch wait or run, with 13 chunks to go" in worker.skipped
    assert calls(connected, "GET /jobs/lease") == asked
    worker.run_all()
    assert len(worker.poll()) == 2
    worker.run_all()
    with connected.jobs() as jobs:
        assert Counter(each.status for each in jobs.jobs()) == {"succeeded": 15}
        in_order = [each.job_id for each in jobs.jobs()]
    assert list(worker.airflow.runs) == [f"job__{job_id}__1" for job_id in in_order]


def test_jobs_wait_in_the_service_while_a_long_run_is_on(connected: Platform) -> None:
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    worker.airflow.runs["scheduled__2026-05-01"] = "running"
    worker.airflow.chunks = 60
    assert worker.poll() == []
    assert job(connected, job_id)["status"] == "queued"
    worker.airflow.chunks = 3
    assert worker.poll() == [f"job__{job_id}__1"]


def test_a_night_that_is_due_goes_before_the_jobs(connected: Platform) -> None:
    """Airflow creates no scheduled run while another one waits or runs."""
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    worker.airflow.next_run = datetime.now(timezone.utc) - timedelta(seconds=1)
    assert worker.poll() == []
    assert worker.skipped == (
        f"the run scheduled for {worker.airflow.next_run} is due and goes before any job"
    )
    assert job(connected, job_id)["status"] == "queued"
    worker.airflow.next_run += timedelta(days=1)
    assert worker.poll() == [f"job__{job_id}__1"]


def test_nothing_is_leased_while_the_dag_is_paused(connected: Platform) -> None:
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    worker.airflow.paused = True
    assert worker.poll() == []
    assert worker.skipped == "reindex_batch is paused: nothing is leased"
    assert job(connected, job_id)["status"] == "queued"


def test_the_jobs_service_is_away_and_comes_back(
    forgetful: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    job_id = forgetful.enqueue(PAYLOAD)
    worker = InProcessWorker()
    forgetful.stop()
    try:
        began = time.monotonic()
        assert worker.poll() == []
        assert time.monotonic() - began < 2
    finally:
        forgetful.start()
    assert worker.skipped == "nothing is leased until the Jobs service is back"
    line = f"Jobs service at {forgetful.base_url} (connection 'jobs_api') cannot be reached"
    assert capfd.readouterr().out.count(line) == 1
    assert worker.poll() == [f"job__{job_id}__1"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_service_that_answers_errors_is_asked_once_a_poll(
    connected: Platform, status: int
) -> None:
    connected.put_faults([{"kind": "error", "status": status, "path": "/jobs/lease"}])
    worker = InProcessWorker()
    assert worker.poll() == []
    assert worker.skipped == "nothing is leased until the Jobs service is back"
    assert calls(connected, "GET /jobs/lease") == 1


def test_a_refused_token_is_for_a_person(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, {"jobs_api": http_connection(connected.base_url, "no-token")})
    with pytest.raises(AuthRefused, match="renew the connection's password"):
        InProcessWorker().poll()


def test_a_wrong_address_is_for_a_person(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = http_connection(f"{connected.base_url}/api", connected.token)
    connect(monkeypatch, {"jobs_api": elsewhere})
    with pytest.raises(InvalidConnection, match="answered 404, expected 200 with JSON"):
        InProcessWorker().poll()


def test_a_failed_job_that_comes_back_while_its_run_still_sends_alerts_gets_another_run(
    connected: Platform,
) -> None:
    """The first has reported, and will not do so again."""
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    [first] = worker.poll()
    connected.put_faults([{"kind": "auth_expires"}])
    assert worker.run(first)["state"] == "failed"
    connected.clear_faults()
    worker.airflow.runs[first] = "running"
    time.sleep(0.2)
    assert worker.poll() == [f"job__{job_id}__3"]


def test_a_job_whose_later_run_goes_on_is_left_to_it(connected: Platform) -> None:
    """An earlier run's failure is what the job bears, and that run is over."""
    job_id = connected.enqueue(PAYLOAD)
    worker = InProcessWorker()
    [first] = worker.poll()
    connected.put_faults([{"kind": "auth_expires"}])
    worker.run(first)
    connected.clear_faults()
    time.sleep(0.2)
    [second] = worker.poll()
    worker.airflow.runs[second] = "running"
    job = LeasedJob(job_id, 4, PAYLOAD)
    lease = LeaseJobsOperator(task_id="lease", run_dag_id="reindex_batch")
    held = JobsHook().job(job_id)
    assert run_that_failed(held) == first
    assert lease._goes_on(worker.airflow, job.run_ids, held)


def test_a_service_that_is_away_is_asked_once_what_it_holds(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(_: JobsHook, job_id: str) -> Any:
        asked.append(job_id)
        raise ServiceUnavailable("away")

    monkeypatch.setattr(JobsHook, "job", away)
    lease = LeaseJobsOperator(task_id="lease", run_dag_id="reindex_batch")
    jobs = [LeasedJob(job_id, 2, PAYLOAD) for job_id in ("job-1", "job-2", "job-3")]
    assert lease._held(JobsHook(), jobs) == {}
    assert asked == ["job-1"]


def test_a_lost_answer_costs_the_job_its_lease_and_not_more(forgetful: Platform) -> None:
    job_id = forgetful.enqueue(PAYLOAD)
    forgetful.put_faults([{"kind": "reset", "path": "/jobs/lease", "applied": True, "times": 1}])
    worker = InProcessWorker()
    assert worker.poll() == []
    assert worker.skipped is not None
    time.sleep(LEASE_SECONDS + 0.1)
    assert worker.poll() == [f"job__{job_id}__2"]


def drained(worker: InProcessWorker, done: Callable[[], bool], errors: list[BaseException]) -> None:
    try:
        while not done() and not errors:
            worker.poll()
            worker.run_all()
            time.sleep(0.02)
    except BaseException as error:
        errors.append(error)


def test_two_workers_race_for_fifty_jobs_and_the_service_restarts(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job is executed once, whoever has it, and ends with the result of its own documents."""
    with running_platform(tmp_path, retry_delay_seconds=0.05, lease_seconds=60) as platform:
        connect(monkeypatch, connections_of(mongo, platform))
        wanted = {}
        for place in range(50):
            ids = [CREATOR_IDS[place], PROJECT_IDS[place], PROJECT_IDS[-1]]
            wanted[platform.enqueue({"docType": "all", "docIds": ids})] = ids
        workers = [
            InProcessWorker(named(platform, monkeypatch, f"jobs_{n}", f"worker-{n}"))
            for n in (1, 2)
        ]

        def count(status: str) -> int:
            with platform.jobs() as jobs:
                return len(jobs.jobs(status))

        errors: list[BaseException] = []
        threads = [
            threading.Thread(
                target=drained, args=(worker, lambda: count("succeeded") == 50, errors)
            )
            for worker in workers
        ]
        for thread in threads:
            thread.start()
        for some in (10, 25):
            wait_until(lambda at=some: count("succeeded") >= at or bool(errors), 60, f"{some} jobs")
            platform.stop()
            platform.start()
        for thread in threads:
            thread.join(90)
        assert errors == []
        with platform.jobs() as jobs:
            held = jobs.jobs()
        assert Counter(each.status for each in held) == {"succeeded": 50}
        runs = Counter(run_id.split("__")[1] for each in workers for run_id in each.airflow.runs)
        assert runs == dict.fromkeys(wanted, 1)
        assert all(worker.airflow.runs for worker in workers)
        for each in held:
            result: Mapping[str, Any] = each.result or {}
            assert result["planned"] == result["fetched"] == 3
            assert result["indexed"] + result["ignored"] == 3
        with platform.index() as index:
            assert set(index.documents("creator")) == set(CREATOR_IDS[:50])


# The night as a job of the platform.


@pytest.fixture
def asked_for(variables: dict[str, Any]) -> dict[str, Any]:
    variables[ASKED_FOR] = "true"
    return variables


def night() -> InProcessRun:
    return InProcessRun({}, run_id="scheduled__2026-05-01T02:00:00+00:00", run_type="scheduled")


def the_job(platform: Platform) -> dict[str, Any]:
    with platform.jobs() as jobs:
        [held] = jobs.jobs()
    return job(platform, held.job_id)


def test_the_night_registers_leases_and_reports_its_job(
    connected: Platform, asked_for: dict[str, Any]
) -> None:
    run = night()
    result = run.go()
    held = the_job(connected)
    assert held["payload"] == {"docType": "all", "docIds": [], "mode": "full"}
    assert (held["status"], held["workerId"]) == ("succeeded", DEFAULT_WORKER_ID)
    assert held["result"]["runId"] == run.run_id
    assert held["result"]["totalIndexed"] == CREATORS + PROJECTS
    assert result["job"] == {
        "jobId": held["jobId"], "status": "succeeded", "leaseLost": False,
    }  # fmt: skip
    assert KEPT_JOBS not in asked_for


def test_a_night_longer_than_its_lease_is_not_run_twice_and_reports_once(
    forgetful: Platform, asked_for: dict[str, Any]
) -> None:
    run, worker = night(), InProcessWorker()
    run.plan()
    worker.airflow.runs[run.run_id] = "running"
    time.sleep(LEASE_SECONDS + 0.1)
    assert worker.poll() == []
    held = the_job(forgetful)
    assert (held["status"], held["attempt"]) == ("leased", 2)
    result = run.go()
    worker.airflow.runs[run.run_id] = "success"
    assert result["job"] == {
        "jobId": held["jobId"], "status": "succeeded", "leaseLost": False,
    }  # fmt: skip
    assert the_job(forgetful)["result"]["runId"] == run.run_id
    assert calls(forgetful, "POST /jobs/{id}/succeed") == 1
    time.sleep(LEASE_SECONDS + 0.1)
    assert worker.poll() == []


def test_the_job_of_a_night_that_is_gone_without_a_report_is_run(
    forgetful: Platform, asked_for: dict[str, Any]
) -> None:
    run, worker = night(), InProcessWorker()
    run.plan()
    worker.airflow.runs[run.run_id] = "failed"
    time.sleep(LEASE_SECONDS + 0.1)
    assert worker.poll() == [f"job__{the_job(forgetful)['jobId']}__2"]


def test_a_night_that_fails_fails_its_job(
    connected: Platform, asked_for: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"mongodb://127.0.0.1:{free_port()}/x?serverSelectionTimeoutMS=200"
    connect(monkeypatch, {"marketplace_mongo": mongo_connection(nowhere)})
    result = night().go()
    assert result["state"] == "failed"
    held = the_job(connected)
    assert held["status"] == "queued"
    assert "nothing was planned" in held["lastError"]["message"]


@pytest.mark.parametrize("value", [None, "false", "False", "yes please"])
def test_nobody_asked_for_a_job(
    connected: Platform, variables: dict[str, Any], value: str | None
) -> None:
    if value is not None:
        variables[ASKED_FOR] = value
    assert night().go()["job"] is None
    with connected.jobs() as jobs:
        assert jobs.jobs() == []


def test_only_a_scheduled_run_registers_a_job(
    connected: Platform, asked_for: dict[str, Any]
) -> None:
    assert InProcessRun({}).go()["job"] is None
    with connected.jobs() as jobs:
        assert jobs.jobs() == []


def test_a_retried_plan_has_the_job_of_its_first_try(
    connected: Platform, asked_for: dict[str, Any]
) -> None:
    run = night()
    run.plan()
    run.go()
    assert the_job(connected)["status"] == "succeeded"


def test_a_night_without_the_jobs_service_goes_on_without_a_job(
    connected: Platform, asked_for: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    connected.put_faults([{"kind": "error", "status": 503, "path": "/jobs"}])
    result = night().go()
    assert (result["state"], result["job"]) == ("success", None)
    assert "this run goes on without a job" in caplog.text


def test_a_job_that_was_in_front_of_the_nights_is_started_by_the_worker(
    connected: Platform, asked_for: dict[str, Any]
) -> None:
    first = connected.enqueue(PAYLOAD, priority=100)
    bad = connected.enqueue({"docType": "invalid", "docIds": CREATOR_IDS[:1]}, priority=100)
    run = night()
    run.plan()
    assert [each["jobId"] for each in json.loads(asked_for[KEPT_JOBS])] == [first, bad]
    worker = InProcessWorker()
    worker.airflow.runs[run.run_id] = "running"
    worker.airflow.chunks = 100  # no room for more, but these are leased
    assert worker.poll() == [f"job__{first}__1"]
    assert KEPT_JOBS not in asked_for
    assert "payload refused" in job(connected, bad)["lastError"]["message"]
    worker.run(f"job__{first}__1")
    assert job(connected, first)["status"] == "succeeded"
    run.go()
    with connected.jobs() as jobs:
        assert Counter(each.status for each in jobs.jobs()) == {"succeeded": 2, "queued": 1}


def test_a_job_left_by_the_night_that_was_leased_again_is_not_run_twice(
    connected: Platform, asked_for: dict[str, Any]
) -> None:
    first = connected.enqueue(PAYLOAD, priority=100)
    night().plan()
    api = Api(connected)
    # Given back, so that the other worker's lease need not be a short one.
    given_back = {"error": {"message": "not today"}}
    api.work("POST", f"/jobs/{first}/fail", DEFAULT_WORKER_ID, body=given_back)

    def leased_by_another() -> bool:
        return first in [each["jobId"] for each in api.lease(OTHER_WORKER)]

    wait_until(leased_by_another, 5, "the job to be leasable again")
    assert InProcessWorker().poll() == []


def test_a_night_whose_job_somebody_else_leased_goes_on_without(
    connected: Platform, asked_for: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue = JobsHook.enqueue

    def enqueue_and_lose(hook: JobsHook, payload: Any, **options: Any) -> str:
        job_id = enqueue(hook, payload, **options)
        Api(connected).lease(OTHER_WORKER)
        return job_id

    monkeypatch.setattr(JobsHook, "enqueue", enqueue_and_lose)
    result = night().go()
    assert (result["state"], result["job"]) == ("success", None)
    assert the_job(connected)["workerId"] == OTHER_WORKER
