"""The Jobs service: leases its jobs, and tells it of the runs that answered for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import BaseHook
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from reindex import connection_ids
from reindex.answers import wrong_address
from reindex.conf import JobReference, job_reference
from reindex.errors import (
    AuthRefused,
    InvalidConf,
    InvalidConnection,
    ServiceUnavailable,
    shown,
)
from reindex.hooks.endpoint import Endpoint, endpoint_of
from reindex.hooks.http_call import call_once
from reindex.hooks.keep_alive import HttpAnswer
from reindex.job_types import REINDEX_BATCH
from reindex.leased_jobs import LeasedJob, leased_jobs

log = logging.getLogger(__name__)

# Stable for the deployment: a lease must be reported under the id that took it.
DEFAULT_WORKER_ID = "airflow-reindex-batch"
QUICK_ATTEMPTS = 4


@dataclass(frozen=True)
class JobReport:
    """What the Jobs service made of a report; ``lease_lost`` when the job is no longer ours."""

    status: str
    lease_lost: bool = False


class JobsHook(BaseHook):
    """
    Calls the Jobs service.

    :param jobs_conn_id: a connection of type ``http``; its password is the bearer token, its
        extra ``workerId`` the worker's id
    """

    conn_name_attr = "jobs_conn_id"
    default_conn_name = connection_ids.JOBS

    def __init__(self, jobs_conn_id: str = connection_ids.JOBS) -> None:
        super().__init__()
        self.jobs_conn_id = jobs_conn_id

    def worker_id(self) -> str:
        """
        Who we are to the Jobs service: the connection's, or the default of every deployment.

        :raises InvalidConnection: for a worker id that the service would refuse
        """
        return _worker_id(endpoint_of(self.jobs_conn_id))

    def lease(self, limit: int) -> tuple[LeasedJob, ...]:
        """
        ``GET /jobs/lease``: up to ``limit`` (1 to 10) `reindex.batch` jobs, empty without work.

        One attempt: a second one after a time-out would lease others, and the first ones would
        wait for their lease to run out. Whoever polls comes again anyway.

        :raises ServiceUnavailable: the service is not there, or busy
        :raises InvalidConnection: what answers is not the Jobs service
        """
        endpoint = endpoint_of(self.jobs_conn_id)
        path = f"/jobs/lease?type={REINDEX_BATCH}&limit={limit}"
        answer = self._call(endpoint, "GET", path, None, _worker_id(endpoint), attempts=1)
        jobs, strange = leased_jobs(_answered(endpoint, answer, "GET /jobs/lease", 200).get("jobs"))
        for what in strange:
            log.error("Jobs service at %s leased what is no job: %s", endpoint.where, what)
        return jobs

    def enqueue(self, payload: Mapping[str, object], *, priority: int = 0) -> str:
        """``POST /jobs`` of a `reindex.batch` job; its id. Errors as of :meth:`lease`."""
        endpoint = endpoint_of(self.jobs_conn_id)
        body = {"type": REINDEX_BATCH, "payload": dict(payload), "priority": priority}
        # One attempt, here too: a second one could register a second job.
        answer = self._call(endpoint, "POST", "/jobs", body, None, attempts=1)
        job_id = _answered(endpoint, answer, "POST /jobs", 201).get("jobId")
        try:
            job = job_reference({"jobId": job_id})
        except InvalidConf as error:  # it would stand in the next call's address
            raise InvalidConnection(
                f"{endpoint.where} registered what is no job: {error}"
            ) from None
        if job is None:
            raise InvalidConnection(f"{endpoint.where} registered a job without a jobId")
        return job.job_id

    def succeed(self, job: JobReference, result: Mapping[str, object]) -> JobReport:
        """``POST /jobs/:jobId/succeed``; a lost lease (409) is an answer, not an error."""
        said = dict(result)
        return self._report(job, "succeed", {"result": said}, {"result": said})

    def fail(self, job: JobReference, message: str, *, attempts: int | None = None) -> JobReport:
        """``POST /jobs/:jobId/fail``, in so many quick attempts; by default as of any call."""
        said = {"message": message}
        return self._report(job, "fail", {"error": said}, {"lastError": said}, attempts)

    def job(self, job_id: str) -> dict[str, Any]:
        """``GET /jobs/:jobId``; empty when the service does not know the job."""
        return self._job(endpoint_of(self.jobs_conn_id), job_id)

    def _report(
        self,
        job: JobReference,
        verb: str,
        body: dict[str, object],
        held_as: dict[str, object],
        attempts: int | None = None,
    ) -> JobReport:
        """
        Report once, however many attempts an answer takes.

        A report may have been heard though its answer was lost, and the job be leased to us again
        since: then a second ``fail`` would count as a second failure. So before each further
        attempt the job is looked at.

        :param held_as: what the job bears once the report was heard
        """
        endpoint = endpoint_of(self.jobs_conn_id)
        path = f"/jobs/{job.job_id}/{verb}"
        retrying = _quickly(attempts or QUICK_ATTEMPTS)

        def post(worker_id: str | None) -> HttpAnswer:
            worker_id = worker_id or _worker_id(endpoint)
            return self._call(endpoint, "POST", path, body, worker_id, attempts=1)

        def report() -> JobReport | HttpAnswer:
            if retrying.statistics["attempt_number"] > 1:
                held = self._job(endpoint, job.job_id, attempts=1)
                if all(held.get(key) == said for key, said in held_as.items()):
                    return JobReport(shown(held.get("status"), quote=False))
            answer = post(job.worker_id)
            if answer.status == 409 and job.worker_id not in (None, _worker_id(endpoint)):
                # The connection's worker id was changed since: the lease may have been taken again
                # under the new one.
                answer = post(None)
            return answer

        answer = retrying(report)
        if isinstance(answer, JobReport):
            return answer
        if answer.status == 200:
            said = _answered(endpoint, answer, f"POST {path}", 200)
            return JobReport(shown(said.get("status"), quote=False))
        if answer.status in (404, 409) and _is_own_error(answer):
            return JobReport(f"{answer.status} on {verb}", lease_lost=True)
        raise ServiceUnavailable(
            f"Jobs service at {endpoint.where} answered {answer.status} to POST {path}"
            f"{wrong_address(answer.status)}"
        )

    def _job(self, endpoint: Endpoint, job_id: str, attempts: int | None = None) -> dict[str, Any]:
        path = f"/jobs/{job_id}"
        response = self._call(endpoint, "GET", path, None, None, attempts=attempts)
        if response.status != 200:
            return {}
        return _answered(endpoint, response, f"GET {path}", 200)

    def _call(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        body: dict[str, object] | None,
        worker_id: str | None,
        *,
        attempts: int | None = None,
    ) -> HttpAnswer:
        """One call, with a few quick attempts; Airflow's own retries bridge a longer outage."""
        headers = endpoint.headers | ({"X-Worker-Id": worker_id} if worker_id else {})
        retrying = _quickly(attempts or QUICK_ATTEMPTS)
        return retrying(self._call_once, endpoint, method, path, body, headers)

    @staticmethod
    def _call_once(
        endpoint: Endpoint,
        method: str,
        path: str,
        body: dict[str, object] | None,
        headers: dict[str, str],
    ) -> HttpAnswer:
        answer = call_once(endpoint, "Jobs service", method, path, headers=headers, body=body)
        if answer.status == 401 or (answer.status == 403 and _is_own_error(answer)):
            raise AuthRefused(
                f"Jobs service at {endpoint.where} refused the token ({answer.status}): "
                "renew the connection's password"
            )
        if answer.status in (403, 429) or answer.status >= 500:
            raise ServiceUnavailable(
                f"Jobs service at {endpoint.where} answered {answer.status} to {method} {path}"
            )
        return answer


def _quickly(attempts: int) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(ServiceUnavailable),
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.3, max=5),
        reraise=True,
    )


def _worker_id(endpoint: Endpoint) -> str:
    worker_id = endpoint.worker_id or DEFAULT_WORKER_ID
    try:
        job_reference({"workerId": worker_id})
    except InvalidConf as error:
        raise InvalidConnection(f"connection {endpoint.conn_id!r}: extra {error}") from None
    return worker_id


def _json_object(answer: HttpAnswer) -> dict[str, Any] | None:
    """``None`` where the answer is none: as of what stands before the service."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _is_own_error(answer: HttpAnswer) -> bool:
    """Or else a gateway's in between, which answers 403 and 404 as well while the API restarts."""
    return "error" in (_json_object(answer) or {})


def _answered(endpoint: Endpoint, answer: HttpAnswer, call: str, expected: int) -> dict[str, Any]:
    """The JSON object of an answer that a working service cannot give differently."""
    content = _json_object(answer) if answer.status == expected else None
    if content is not None:
        return content
    raise InvalidConnection(
        f"connection {endpoint.conn_id!r}: {call} at {endpoint.base_url} answered "
        f"{answer.status}, expected {expected} with JSON: is host the Jobs service's address?"
    )
