"""
The job worker by a real scheduler: the night's own job, then fifty jobs while leases run out and
the platform restarts.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from reindex.hooks.jobs import DEFAULT_WORKER_ID
from reindex.operators.nightly_job import KEPT_JOBS
from sandbox.processes import wait_until
from sandbox.seed import generate
from sandbox.stack import Stack, running_stack
from tests.e2e.conftest import SETTINGS
from tests.e2e.scheduled_run import DAG_ID
from tests.integration.alert_receivers import Received, receiving

WORKER_DAG_ID = "reindex_job_worker"
CREATORS, PROJECTS = 100, 110
JOBS = 50
# Shorter than ten runs take: jobs come back while their run waits.
LEASE_SECONDS = 8
NIGHT = {
    "REINDEX_SCHEDULE": "@once",
    "AIRFLOW_VAR_REINDEX_REGISTER_NIGHTLY_JOB": "true",
    # The night begins alone. A poll in the moment between its `POST /jobs` and its lease would
    # give its job a second, harmless run.
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
}


@pytest.fixture(scope="module")
def pager() -> Iterator[Received]:
    with receiving() as alerts:
        yield alerts


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory, pager: Received) -> Iterator[Stack]:
    settings = {
        **SETTINGS,
        **NIGHT,
        "REINDEX_JOB_POLL_SECONDS": "5",
        "REINDEX_ALERTS": "webhook:my_pager",
        "AIRFLOW_CONN_MY_PAGER": json.dumps(pager.connections()["my_pager"]),
    }
    with running_stack(
        tmp_path_factory.mktemp("working"),
        creators=CREATORS,
        projects=PROJECTS,
        settings=settings,
        retry_delay_seconds=0.1,
        lease_seconds=LEASE_SECONDS,
        timeout_seconds=2,
    ) as stack:
        unpause(stack, DAG_ID)
        yield stack


def unpause(stack: Stack, dag_id: str) -> None:
    stack.airflow.wait_for_dag(dag_id)
    stack.airflow.api("PATCH", f"dags/{dag_id}", {"is_paused": False})


def runs_of(stack: Stack, dag_id: str = DAG_ID) -> list[dict[str, Any]]:
    path = f"dags/{dag_id}/dagRuns?limit=1000&order_by=start_date"
    found = stack.airflow.api("GET", path)["dag_runs"]
    assert isinstance(found, list)
    return found


def statuses(stack: Stack) -> Counter[str]:
    with stack.platform.jobs() as jobs:
        return Counter(job.status for job in jobs.jobs())


def states(stack: Stack, dag_id: str = DAG_ID) -> set[str]:
    return {run["state"] for run in runs_of(stack, dag_id)}


def lease_logs(stack: Stack) -> str:
    return "\n".join(
        stack.airflow.task_log(WORKER_DAG_ID, run["dag_run_id"], "lease")
        for run in runs_of(stack, WORKER_DAG_ID)
        if run["state"] == "success"
    )


def test_the_night_is_a_job_of_the_platform(working: Stack) -> None:
    wait_until(
        lambda: not statuses(working).keys().isdisjoint({"leased", "succeeded"}),
        120,
        "the night's job",
        interval=0.1,
    )
    unpause(working, WORKER_DAG_ID)
    wait_until(lambda: statuses(working)["succeeded"] == 1, 120, "the night's end", interval=0.5)
    with working.platform.jobs() as jobs:
        [job] = jobs.jobs()
    assert job.payload == {"docType": "all", "docIds": [], "mode": "full"}
    assert (job.priority, job.worker_id) == (100, DEFAULT_WORKER_ID)
    assert job.result is not None
    assert job.result["totalIndexed"] == CREATORS + PROJECTS
    [run] = runs_of(working)
    assert job.result["runId"] == run["dag_run_id"]
    assert run["run_type"] == "scheduled"


def payloads(number: int) -> list[dict[str, Any]]:
    """Jobs of two or three documents, each document in one job."""
    creators = (str(each["_id"]) for each in generate("creatorprofiles", CREATORS, PROJECTS))
    projects = (str(each["_id"]) for each in generate("projects", CREATORS, PROJECTS))
    made: list[dict[str, Any]] = []
    for place in range(number):
        if place % 3 == 0:
            made.append({"docType": "creators", "docIds": [next(creators) for _ in range(3)]})
        elif place % 3 == 1:
            made.append({"docType": "project", "docIds": [next(projects) for _ in range(3)]})
        else:
            made.append({"docType": "all", "docIds": [next(creators), next(projects)]})
    return made


def test_fifty_jobs_are_each_executed_once(working: Stack) -> None:
    platform = working.platform
    platform.clear_data()
    platform.reset_requests()
    wanted = {platform.enqueue(payload): payload for payload in payloads(JOBS)}
    bad = platform.enqueue({"docType": "invalid", "docIds": ["f" * 24]})
    began = time.monotonic()

    wait_until(lambda: statuses(working)["succeeded"] >= 15, 120, "the first jobs", interval=0.3)
    platform.stop()
    time.sleep(6)  # longer than a poll
    platform.start()
    wait_until(
        lambda: statuses(working) == {"succeeded": JOBS, "dlq": 1}, 200, "all jobs", interval=0.5
    )
    print(f"{JOBS} jobs in {time.monotonic() - began:.0f} s")
    # The last job hears of its run a moment before the scheduler ends that run.
    wait_until(lambda: not states(working) & {"queued", "running"}, 60, "the last run's end")

    runs = [run for run in runs_of(working) if run["run_type"] != "scheduled"]
    assert [run["dag_run_id"].split("__")[1] for run in runs] == list(wanted)  # once, in order
    assert states(working) == {"success"}
    with platform.jobs() as jobs:
        held = {job.job_id: job for job in jobs.jobs()}
    for run in runs:
        job = held[run["dag_run_id"].split("__")[1]]
        result: Mapping[str, Any] = job.result or {}
        assert result["runId"] == run["dag_run_id"]
        assert result["indexed"] + result["ignored"] == len(job.payload["docIds"])
        assert job.worker_id == DEFAULT_WORKER_ID
    sent = platform.requests(documents=True)["documents"]
    assert set(sent.values()) == {1}
    with platform.index() as index:
        names = {each for kind in ("creator", "project") for each in index.documents(kind)}
    assert names == {each for payload in wanted.values() for each in payload["docIds"]}
    error = held[bad].last_error or {}
    assert error["message"].startswith("payload refused: InvalidDocType: invalid")

    # What makes this hard did happen.
    assert max(job.attempt for job in held.values() if job.status == "succeeded") > 1
    logs = lease_logs(working)
    assert "its lease ran out and its run goes on" in logs
    assert "cannot be reached" in logs
    assert "failed" not in states(working, WORKER_DAG_ID)


def test_an_attempt_is_never_triggered_twice(working: Stack) -> None:
    first = runs_of(working)[1]["dag_run_id"]
    with pytest.raises(requests.HTTPError, match=r"^409 "):
        working.airflow.trigger(DAG_ID, {}, run_id=first)
    before = len(runs_of(working))
    worker_run = next(
        run["dag_run_id"]
        for run in runs_of(working, WORKER_DAG_ID)
        if any(
            task["rendered_map_index"] == first
            for task in working.airflow.task_instances(
                WORKER_DAG_ID, run["dag_run_id"], "start_run"
            )
        )
    )
    clear = {"dry_run": False, "dag_run_id": worker_run, "task_ids": ["start_run"],
             "only_failed": False, "reset_dag_runs": True}  # fmt: skip
    working.airflow.api("POST", f"dags/{WORKER_DAG_ID}/clearTaskInstances", clear)

    def skipped() -> bool:
        tasks = working.airflow.task_instances(WORKER_DAG_ID, worker_run, "start_run")
        return {task["state"] for task in tasks} == {"skipped"}

    wait_until(skipped, 60, "the second trigger", interval=0.3)
    assert len(runs_of(working)) == before


def test_a_refused_token_is_told_once_and_not_at_every_poll(
    working: Stack, pager: Received
) -> None:
    def red() -> int:
        return sum(run["state"] == "failed" for run in runs_of(working, WORKER_DAG_ID))

    assert pager.posts == []
    working.platform.put_faults([{"kind": "error", "status": 401, "path": "/jobs/lease"}])
    wait_until(lambda: red() >= 3, 120, "three polls that fail", interval=0.3)
    [(_, post)] = pager.posts
    assert post["event"] == "jobs"
    assert "AuthRefused: Jobs service at" in post["verdict"]
    assert post["url"].startswith(f"{working.airflow.url}/dags/{WORKER_DAG_ID}/runs/")
    working.platform.clear_faults()


def test_a_night_that_times_out_tells_its_job_and_keeps_the_one_in_front_of_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = {**SETTINGS, **NIGHT, "REINDEX_RUN_TIMEOUT_SECONDS": "15"}
    settings |= {"REINDEX_JOB_POLL_SECONDS": "5"}
    folder = tmp_path_factory.mktemp("impatient-night")
    with running_stack(folder, creators=100, projects=1, settings=settings) as stack:
        platform, airflow = stack.platform, stack.airflow
        first = platform.enqueue(payloads(1)[0], priority=100)
        platform.put_faults([{"kind": "hang"}])
        unpause(stack, DAG_ID)

        def said() -> list[str]:
            with platform.jobs() as jobs:
                return [job.last_error["message"] for job in jobs.jobs() if job.last_error]

        wait_until(lambda: bool(said()), 120, "the failed job", interval=0.3)
        [message] = said()
        assert message.startswith("reindex run scheduled__")
        assert "dagrun_timeout" in message

        platform.clear_faults()
        assert airflow.api("GET", f"variables/{KEPT_JOBS}")["value"].count(first) == 1
        unpause(stack, WORKER_DAG_ID)
        wait_until(
            lambda: platform.call("GET", f"/jobs/{first}")["status"] == "succeeded",
            90,
            "the job that the night kept",
            interval=0.3,
        )
        # Under the lease that the night took, not under one of its own.
        held = platform.call("GET", f"/jobs/{first}")
        assert (held["attempt"], held["result"]["runId"]) == (1, f"job__{first}__1")
        with pytest.raises(requests.HTTPError, match=r"^404 "):
            airflow.api("GET", f"variables/{KEPT_JOBS}")
