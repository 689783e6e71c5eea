"""What the Jobs service accepts: a new job's fields and the queries, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.answers import ApiError, Detail, validation_error
from sandbox.job_types import JOB_TYPES, JobType
from sandbox.timestamps import parse_iso

PRIORITIES = (0, 100)
ATTEMPTS = (1, 10)
LEASE_LIMITS = (1, 10)


@dataclass(frozen=True)
class NewJob:
    """A job as it may be queued; ``run_at`` is milliseconds since the epoch, None for now."""

    type: str
    payload: dict[str, Any]
    priority: int
    max_attempts: int
    run_at: int | None


def new_job(fields: Mapping[str, Any]) -> NewJob:
    """ApiError 404 for an unknown type; 422 with a detail for each field that is wrong."""
    type_ = required_text("type", fields.get("type"))
    job_type = JOB_TYPES.get(type_)
    if job_type is None:
        raise ApiError(404, "not_found", f"Unknown job type: {type_}")
    payload = fields.get("payload")
    details = _payload_breaches(job_type, payload)
    details += _outside("priority", fields.get("priority"), PRIORITIES)
    details += _outside("maxAttempts", fields.get("maxAttempts"), ATTEMPTS)
    run_at = _milliseconds(fields.get("scheduleAt"))
    if run_at is None and fields.get("scheduleAt") is not None:
        details.append(Detail("scheduleAt", "must be an ISO 8601 date", fields["scheduleAt"]))
    if details or not isinstance(payload, dict):
        raise validation_error(details)
    attempts = fields.get("maxAttempts") or job_type.max_attempts
    return NewJob(type_, payload, fields.get("priority") or 0, attempts, run_at)


def required_text(name: str, value: object) -> str:
    """The value itself. ApiError 422 unless it is a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise validation_error([Detail(name, "must be a string that is not empty", value)])
    return value


def lease_limit(value: str | None) -> int:
    """The ``limit`` of a lease call, 1 when it is left out. ApiError 422 outside 1..10."""
    low, high = LEASE_LIMITS
    if value is None:
        return low
    if not value.isdecimal() or not low <= int(value) <= high:
        raise validation_error([Detail("limit", f"must be an integer from {low} to {high}", value)])
    return int(value)


def _payload_breaches(job_type: JobType, payload: object) -> list[Detail]:
    if not isinstance(payload, dict):
        return [Detail("payload", "must be an object", payload)]
    return job_type.breaches(payload)


def _outside(name: str, value: object, bounds: tuple[int, int]) -> list[Detail]:
    low, high = bounds
    if value is None:
        return []
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return []
    return [Detail(name, f"must be an integer from {low} to {high}", value)]


def _milliseconds(value: object) -> int | None:
    try:
        return parse_iso(value) if isinstance(value, str) else None
    except ValueError:
        return None
