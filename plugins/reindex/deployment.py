"""
What a deployment may set by environment: read when the DAG file is parsed, so no lookups here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from reindex import connection_ids
from reindex.alerts import Channel, channels_of
from reindex.conf import DEFAULT_CHUNK_SIZE, LARGEST_CHUNK

NO_SCHEDULE = "none"
MOST = 1e9  # seconds: 30 years


@dataclass(frozen=True)
class Deployment:
    """
    ``schedule`` is a cron expression in UTC, or ``None`` to run on demand only; ``parallel_chunks``
    is how many chunks of a run may run at once; ``run_timeout`` is for a whole run; ``job_poll`` is
    how often the platform's jobs are asked for, or ``None`` when somebody else works them off.
    ``alerts`` hear of failed runs, of drift above ``alert_drift`` (a share), and of a scheduled run
    that has not ended ``deadline`` after its time; ``None`` is no limit.
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
    alerts: tuple[Channel, ...] = ()
    alert_drift: float | None = None
    deadline: timedelta | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Deployment:
        """
        The defaults, with what ``REINDEX_…`` variables say otherwise.

        :raises ValueError: names the variable and what would be right
        """
        said = environ.get("REINDEX_SCHEDULE", cls.schedule or "").strip()
        schedule = None if said.lower() in ("", NO_SCHEDULE) else said
        return cls(
            schedule=schedule,
            chunk_size=_whole(environ, "REINDEX_CHUNK_SIZE", cls.chunk_size, LARGEST_CHUNK),
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
            pool=_name(environ, "REINDEX_POOL", cls.pool),
            mongo_conn_id=_name(environ, "REINDEX_MONGO_CONN_ID", cls.mongo_conn_id),
            discovery_conn_id=_name(environ, "REINDEX_DISCOVERY_CONN_ID", cls.discovery_conn_id),
            jobs_conn_id=_name(environ, "REINDEX_JOBS_CONN_ID", cls.jobs_conn_id),
            alerts=_alerts(environ),
            alert_drift=_alert_drift(environ),
            deadline=_deadline(environ, schedule),
        )


def _job_poll(environ: Mapping[str, str], default: timedelta | None) -> timedelta | None:
    name = "REINDEX_JOB_POLL_SECONDS"
    if name not in environ:
        return default
    if environ[name].strip().lower() in ("", NO_SCHEDULE):
        return None
    return timedelta(seconds=_above_zero(environ, name, 0))


def _alerts(environ: Mapping[str, str]) -> tuple[Channel, ...]:
    try:
        return channels_of(environ.get("REINDEX_ALERTS", ""))
    except ValueError as error:
        raise ValueError(f"environment variable REINDEX_ALERTS: {error}") from None


def _alert_drift(environ: Mapping[str, str]) -> float | None:
    name = "REINDEX_ALERT_DRIFT"
    if not environ.get(name, "").strip():
        return None
    _refuse_without_alerts(environ, name)
    share = _above_zero(environ, name, 0)
    if share >= 1:
        raise ValueError(
            f"environment variable {name} is {environ[name]!r}, expected a share below 1 "
            "(0.05 is 5 %)"
        )
    return share


def _deadline(environ: Mapping[str, str], schedule: str | None) -> timedelta | None:
    """How long after its scheduled time a run has to have ended: until the given hour, UTC."""
    name = "REINDEX_DEADLINE"
    text = environ.get(name, "").strip()
    if not text or schedule is None:
        return None
    _refuse_without_alerts(environ, name)
    due = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if due is None:
        raise ValueError(f"environment variable {name} is {text!r}, expected a time such as 06:00")
    fields = schedule.split()
    if len(fields) != 5 or not (fields[0].isdecimal() and fields[1].isdecimal()):
        raise ValueError(
            f"environment variable {name} needs a REINDEX_SCHEDULE with one hour and one minute, "
            f"such as 0 2 * * *; it is {schedule!r}"
        )
    minutes = (int(due[1]) - int(fields[1])) * 60 + int(due[2]) - int(fields[0])
    return timedelta(minutes=minutes % (24 * 60) or 24 * 60)


def _refuse_without_alerts(environ: Mapping[str, str], name: str) -> None:
    if not environ.get("REINDEX_ALERTS", "").strip():
        raise ValueError(f"environment variable {name} is set, and REINDEX_ALERTS names nobody")


def _above_zero(environ: Mapping[str, str], name: str, default: float, most: float = MOST) -> float:
    text = environ.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= most:
        raise ValueError(
            f"environment variable {name} is {text!r}, "
            f"expected a number above 0, {most:.0f} at most"
        )
    return number


def _name(environ: Mapping[str, str], name: str, default: str) -> str:
    """Empty is left out, as compose and charts write what is not set."""
    return environ.get(name, "").strip() or default


def _whole(environ: Mapping[str, str], name: str, default: int, most: float = MOST) -> int:
    number = _above_zero(environ, name, default, most)
    if number != int(number):
        raise ValueError(
            f"environment variable {name} is {environ[name]!r}, expected a whole number"
        )
    return int(number)
