"""The jobs: their states, leases and attempts (Tasks 52-54)."""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.database import open_database, write_transaction
from sandbox.timestamps import now_ms

STATUSES = ("queued", "leased", "succeeded", "dlq")


class NotLeasedError(RuntimeError):
    """The job is not leased by the worker that reports on it."""


@dataclass(frozen=True)
class Job:
    """One job as it is stored; times are milliseconds since the epoch."""

    job_id: str
    type: str
    payload: dict[str, Any]
    priority: int
    max_attempts: int
    status: str
    attempt: int
    next_run_at: int | None
    worker_id: str | None
    lease_expires_at: int | None
    last_error: dict[str, Any] | None
    result: dict[str, Any] | None
    created_at: int


class JobStore:
    """The queue. ``lease_seconds`` is how long a lease lasts; there is no renewing it.

    After a failure the job waits ``retry_delay_seconds × 2^(attempt − 1)``.
    """

    def __init__(
        self, path: Path, *, lease_seconds: float = 300, retry_delay_seconds: float = 5
    ) -> None:
        self._connection = open_database(path)
        self._lease_ms = round(lease_seconds * 1000)
        self._retry_delay_ms = round(retry_delay_seconds * 1000)

    def __enter__(self) -> JobStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def enqueue(
        self,
        type_: str,
        payload: dict[str, Any],
        *,
        max_attempts: int,
        priority: int = 0,
        run_at: int | None = None,
    ) -> Job:
        """Adds a queued job, leasable from ``run_at`` on (milliseconds; None means now)."""
        job_id, now = secrets.token_hex(12), now_ms()
        self._connection.execute(
            "INSERT INTO jobs (job_id, type, payload, priority, max_attempts, status, next_run_at,"
            " created_at) VALUES (?, ?, ?, ?, ?, 'queued', ?, ?)",
            (job_id, type_, json.dumps(payload), priority, max_attempts, run_at or now, now),
        )
        return self._held(job_id)

    def lease(self, type_: str, limit: int, worker_id: str) -> list[Job]:
        """Leases up to ``limit`` jobs: the queued ones that are due, and those whose lease ran out.

        Highest priority first, then the longest due. Raises each job's attempt by one.
        """
        now = now_ms()
        with write_transaction(self._connection):
            rows = self._connection.execute(
                "SELECT job_id FROM jobs WHERE type = ? AND"
                " (status = 'queued' AND next_run_at <= ?"
                "  OR status = 'leased' AND lease_expires_at <= ?)"
                " ORDER BY priority DESC, next_run_at, created_at, rowid LIMIT ?",
                (type_, now, now, limit),
            ).fetchall()
            for row in rows:
                self._connection.execute(
                    "UPDATE jobs SET status = 'leased', attempt = attempt + 1, worker_id = ?,"
                    " lease_expires_at = ? WHERE job_id = ?",
                    (worker_id, now + self._lease_ms, row["job_id"]),
                )
        return [self._held(row["job_id"]) for row in rows]

    def succeed(self, job_id: str, worker_id: str, result: dict[str, Any] | None) -> Job:
        """Ends the job. KeyError: no such job. NotLeasedError: leased by nobody or another."""
        with write_transaction(self._connection):
            self._leased_by(job_id, worker_id)
            self._connection.execute(
                "UPDATE jobs SET status = 'succeeded', result = ?, next_run_at = NULL,"
                " lease_expires_at = NULL WHERE job_id = ?",
                (json.dumps(result), job_id),
            )
        return self._held(job_id)

    def fail(self, job_id: str, worker_id: str, error: dict[str, Any]) -> Job:
        """Raises the attempt; queues the job again with a delay, or moves it to the dlq.

        KeyError: no such job. NotLeasedError: leased by nobody or another.
        """
        with write_transaction(self._connection):
            job = self._leased_by(job_id, worker_id)
            attempt = job.attempt + 1
            spent = attempt >= job.max_attempts
            next_run_at = None if spent else now_ms() + self._retry_delay_ms * 2 ** (attempt - 1)
            self._connection.execute(
                "UPDATE jobs SET status = ?, attempt = ?, next_run_at = ?, last_error = ?,"
                " worker_id = NULL, lease_expires_at = NULL WHERE job_id = ?",
                ("dlq" if spent else "queued", attempt, next_run_at, json.dumps(error), job_id),
            )
        return self._held(job_id)

    def job(self, job_id: str) -> Job | None:
        row = self._connection.execute("SELECT * FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        return None if row is None else _job(row)

    def jobs(self, status: str | None = None) -> list[Job]:
        """Every job in the order it was added; those of one status when it is given."""
        rows = self._connection.execute(
            "SELECT * FROM jobs WHERE ? IN ('', status) ORDER BY created_at, rowid",
            (status or "",),
        )
        return [_job(row) for row in rows]

    def clear(self) -> None:
        """Forgets every job."""
        self._connection.execute("DELETE FROM jobs")

    def _held(self, job_id: str) -> Job:
        job = self.job(job_id)
        if job is None:
            raise KeyError(job_id)
        return job

    def _leased_by(self, job_id: str, worker_id: str) -> Job:
        # The lease's end is not looked at: until somebody else takes the job, its holder's report
        # is worth more than doing the work again.
        job = self._held(job_id)
        if job.status != "leased" or job.worker_id != worker_id:
            raise NotLeasedError(job_id)
        return job


def _job(row: sqlite3.Row) -> Job:
    fields = dict(row)
    for name in ("payload", "last_error", "result"):
        fields[name] = None if fields[name] is None else json.loads(fields[name])
    return Job(**fields)
