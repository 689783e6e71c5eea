"""
What a deployment may set by environment: read when the DAG file is parsed, so no lookups here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from reindex import connection_ids
from reindex.conf import DEFAULT_CHUNK_SIZE

NO_SCHEDULE = "none"


@dataclass(frozen=True)
class Deployment:
    """
    ``schedule`` is a cron expression in UTC, or ``None`` to run on demand only; ``parallel_chunks``
    is how many chunks of a run may run at once; ``run_timeout`` is for a whole run; ``job_poll`` is
    how often the platform's jobs are asked for, or ``None`` when somebody else works them off.
    """

    schedule: str | None = "0 2 * * *"
    chunk_size: int = DEFAULT_CHUNK_SIZE
    parallel_chunks: int = 4
    retry_delay: timedelta = timedelta(seconds=30)
    run_timeout: timedelta = timedelta(hours=12)
    job_poll: timedelta | None = timedelta(seconds=60)
    pool: str = "default_pool"
    mongo_conn_id: str = connection_ids.MONGO
    discovery_conn_id: str = connection_ids.DISCOVERY
    jobs_conn_id: str = connection_ids.JOBS

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Deployment:
        """
        The defaults, with what ``REINDEX_…`` variables say otherwise.

        :raises ValueError: names the variable and what would be right
        """
        schedule = environ.get("REINDEX_SCHEDULE", cls.schedule or "").strip()
        return cls(
            schedule=None if schedule.lower() in ("", NO_SCHEDULE) else schedule,
            chunk_size=_whole(environ, "REINDEX_CHUNK_SIZE", cls.chunk_size),
            parallel_chunks=_whole(environ, "REINDEX_PARALLEL_CHUNKS", cls.parallel_chunks),
            retry_delay=timedelta(
                seconds=_above_zero(
                    environ, "REINDEX_RETRY_DELAY_SECONDS", cls.retry_delay.total_seconds()
                )
            ),
            run_timeout=timedelta(
                seconds=_above_zero(
                    environ, "REINDEX_RUN_TIMEOUT_SECONDS", cls.run_timeout.total_seconds()
                )
            ),
            job_poll=_job_poll(environ, cls.job_poll),
            pool=environ.get("REINDEX_POOL", cls.pool),
            mongo_conn_id=environ.get("REINDEX_MONGO_CONN_ID", cls.mongo_conn_id),
            discovery_conn_id=environ.get("REINDEX_DISCOVERY_CONN_ID", cls.discovery_conn_id),
            jobs_conn_id=environ.get("REINDEX_JOBS_CONN_ID", cls.jobs_conn_id),
        )


def _job_poll(environ: Mapping[str, str], default: timedelta | None) -> timedelta | None:
    name = "REINDEX_JOB_POLL_SECONDS"
    if name not in environ:
        return default
    if environ[name].strip().lower() in ("", NO_SCHEDULE):
        return None
    return timedelta(seconds=_above_zero(environ, name, 0))


def _above_zero(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise ValueError(f"environment variable {name} is {text!r}, expected a number above 0")
    return number


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    number = _above_zero(environ, name, default)
    if number != int(number):
        raise ValueError(
            f"environment variable {name} is {environ[name]!r}, expected a whole number"
        )
    return int(number)
