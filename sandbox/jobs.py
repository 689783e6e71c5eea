"""The Jobs service (Tasks 52-54): enqueue, lease, report, look at."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from sandbox.answers import ApiError, Detail, json_answer, validation_error
from sandbox.job_requests import lease_limit, new_job, required_text
from sandbox.job_store import STATUSES, Job, NotLeasedError
from sandbox.services import body_of, require_admin, services_of
from sandbox.timestamps import format_iso, now_ms

WORKER_HEADER = "x-worker-id"
WORKER_ID_LENGTH = 5

router = APIRouter(prefix="/jobs", dependencies=[Depends(require_admin)])


async def worker_id(request: Request) -> str:
    """The calling worker, from its header. ApiError 422 when it is shorter than 5 characters."""
    value = request.headers.get(WORKER_HEADER, "").strip()
    if len(value) < WORKER_ID_LENGTH:
        reason = f"must be at least {WORKER_ID_LENGTH} characters"
        raise validation_error([Detail("X-Worker-Id", reason, value or None)])
    return value


Worker = Annotated[str, Depends(worker_id)]


@router.post("")
async def enqueue(request: Request) -> Response:
    """201; 404 unknown type; 422 for a payload that breaks the type's schema."""
    order = new_job(body_of(request).fields)
    job = services_of(request).jobs.enqueue(
        order.type,
        order.payload,
        priority=order.priority,
        run_at=order.run_at,
        max_attempts=order.max_attempts,
    )
    answer = {"jobId": job.job_id, "status": job.status, "type": job.type}
    return json_answer({**answer, "nextRunAt": _iso(job.next_run_at)}, 201)


@router.get("/lease")
async def lease(request: Request, worker: Worker) -> Response:
    """Up to ``limit`` jobs of a type, leased to the worker; an empty list without work."""
    type_ = required_text("type", request.query_params.get("type"))
    limit = lease_limit(request.query_params.get("limit"))
    jobs = services_of(request).jobs.lease(type_, limit, worker)
    return json_answer({"leasedAt": _iso(now_ms()), "jobs": [_leased(job) for job in jobs]})


@router.post("/{job_id}/succeed")
async def succeed(request: Request, job_id: str, worker: Worker) -> Response:
    result = _report(request).get("result")
    if result is not None and not isinstance(result, dict):
        raise validation_error([Detail("result", "must be an object", result)])
    try:
        job = services_of(request).jobs.succeed(job_id, worker, result)
    except (KeyError, NotLeasedError) as error:
        raise _refusal(error) from None
    return json_answer({"status": job.status, "jobId": job.job_id})


@router.post("/{job_id}/fail")
async def fail(request: Request, job_id: str, worker: Worker) -> Response:
    error = _report(request).get("error")
    fields = error if isinstance(error, dict) else {}
    required_text("error.message", fields.get("message"))
    try:
        job = services_of(request).jobs.fail(job_id, worker, fields)
    except (KeyError, NotLeasedError) as refused:
        raise _refusal(refused) from None
    answer = {"status": job.status, "jobId": job.job_id, "attempt": job.attempt}
    return json_answer({**answer, "nextRunAt": _iso(job.next_run_at)})


@router.get("")
async def list_jobs(request: Request, status: str = "") -> Response:
    """Every job, or those of one status. The platform has no such call; people here want one."""
    if status and status not in STATUSES:
        raise validation_error([Detail("status", f"must be one of {', '.join(STATUSES)}", status)])
    jobs = services_of(request).jobs.jobs(status or None)
    return json_answer({"jobs": [_public(job) for job in jobs]})


@router.get("/{job_id}")
async def get_job(request: Request, job_id: str) -> Response:
    job = services_of(request).jobs.job(job_id)
    if job is None:
        raise _no_such_job()
    return json_answer(_public(job))


def _report(request: Request) -> dict[str, Any]:
    # The platform reads a field of the body without looking whether there is one.
    body = body_of(request)
    if body.value is None:
        raise ApiError(500, "internal_error", "Cannot read the body: undefined.")
    return body.fields


def _refusal(error: KeyError | NotLeasedError) -> ApiError:
    if isinstance(error, KeyError):
        return _no_such_job()
    return ApiError(409, "conflict", "The job is not leased by this worker.")


def _no_such_job() -> ApiError:
    return ApiError(404, "not_found", "There is no such job.")


def _leased(job: Job) -> dict[str, Any]:
    return {
        "jobId": job.job_id,
        "type": job.type,
        "payload": job.payload,
        "attempt": job.attempt,
        "leaseExpiresAt": _iso(job.lease_expires_at),
    }


def _public(job: Job) -> dict[str, Any]:
    return {
        **_leased(job),
        "status": job.status,
        "priority": job.priority,
        "maxAttempts": job.max_attempts,
        "nextRunAt": _iso(job.next_run_at),
        "workerId": job.worker_id,
        "lastError": job.last_error,
        "result": job.result,
        "createdAt": _iso(job.created_at),
    }


def _iso(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else format_iso(milliseconds)
