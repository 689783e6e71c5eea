"""
The night as a job of the platform: registered, leased and reported, when a deployment asks for it.

Off unless the Airflow Variable `reindex_register_nightly_job` is `true`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reindex.conf import JobReference
from reindex.errors import ReindexError
from reindex.leased_jobs import LeasedJob, leased_jobs

if TYPE_CHECKING:
    from reindex.hooks.jobs import JobsHook

log = logging.getLogger(__name__)

ASKED_FOR = "reindex_register_nightly_job"
KEPT_JOBS = "reindex_jobs_leased_by_the_night"
JOB_OF_THE_NIGHT = "reindex_job_of_the_night"
STATE_KEY = "job"
PAYLOAD: dict[str, object] = {"docType": "all", "docIds": [], "mode": "full"}
# Ahead of everything else that waits, so that the next lease hands it out.
HIGHEST_PRIORITY = 100
MOST_LEASES = 10


def nightly_job(context: Any, jobs_conn_id: str) -> JobReference | None:
    """
    The job that stands for a scheduled run; ``None`` for every other run, and when nobody asked.

    A retry gets the job of the first try. A Jobs service that is away costs the night its job, not
    its run: that is logged as an error.
    """
    if context["dag_run"].run_type != "scheduled" or not _asked_for():
        return None
    store = context["task_state_store"]
    if saved := store.get(STATE_KEY):
        return JobReference(saved["jobId"], saved["workerId"])
    from reindex.hooks.jobs import JobsHook

    try:
        job = _registered(JobsHook(jobs_conn_id))
    except ReindexError as error:
        log.error("this run goes on without a job: %s", error)
        return None
    if job is not None:
        # First the worker's knowledge: a retry of this task takes it for done.
        _let_the_worker_know(job, context["run_id"])
        store.set(STATE_KEY, job_json(job))
    return job


def job_json(job: JobReference) -> dict[str, object]:
    """The job as an XCom holds it, under the names that a conf has."""
    return {"jobId": job.job_id, "workerId": job.worker_id}


def take_kept_jobs() -> tuple[LeasedJob, ...]:
    """The jobs that a night leased besides its own, for the job worker to start; each once."""
    from airflow.sdk import Variable

    kept = Variable.get(KEPT_JOBS, default=None, deserialize_json=True)
    if kept is None:
        return ()
    Variable.delete(KEPT_JOBS)
    return leased_jobs(kept)[0]


def runs_of_nightly_jobs() -> Mapping[str, str]:
    """The run that works a job off by the job's id, for the last job that a night registered."""
    from airflow.sdk import Variable

    known = Variable.get(JOB_OF_THE_NIGHT, default=None, deserialize_json=True)
    return {known["jobId"]: known["runId"]} if known else {}


def _let_the_worker_know(job: JobReference, run_id: str) -> None:
    """The run's id does not tell its job, as those of the worker's own runs do."""
    from airflow.sdk import Variable

    Variable.set(
        JOB_OF_THE_NIGHT,
        {"jobId": job.job_id, "runId": run_id},
        description="registered by the last night; the job worker leaves it to that run",
        serialize_json=True,
    )


def _asked_for() -> bool:
    from airflow.sdk import Variable

    value = str(Variable.get(ASKED_FOR, default="false")).strip().lower()
    if value not in ("true", "false"):
        log.error("Variable %s is %r, expected true or false; taken as false", ASKED_FOR, value)
    return value == "true"


def _registered(hook: JobsHook) -> JobReference | None:
    job = JobReference(hook.enqueue(PAYLOAD, priority=HIGHEST_PRIORITY), hook.worker_id())
    others: list[LeasedJob] = []
    try:
        for _ in range(MOST_LEASES):
            leased = hook.lease(1)
            if any(each.job_id == job.job_id for each in leased):
                log.info("this run is job %s of the platform", job.job_id)
                return job
            if not leased:
                break
            others += leased
    finally:
        _keep(others)
    log.error("job %s was registered; whoever leased it first will work it off", job.job_id)
    return None


def _keep(others: Iterable[LeasedJob]) -> None:
    """
    Hand jobs that were in front of ours to the job worker, as it cannot be done from here.

    Should they get lost on the way, their lease runs out and they are leased again.
    """
    kept = [job.to_json() for job in others]
    if not kept:
        return
    from airflow.sdk import Variable

    held = Variable.get(KEPT_JOBS, default=None, deserialize_json=True) or []
    Variable.set(
        KEPT_JOBS,
        [*held, *kept],
        description="leased while the night registered its job; the job worker takes them",
        serialize_json=True,
    )
    log.info("kept for the job worker: jobs %s", ", ".join(str(job["jobId"]) for job in kept))
