"""Pure: what Airflow's metadata database knows of runs, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

RUN_ENDED = ("success", "failed")


@dataclass(frozen=True)
class Try:
    """One attempt of a task; ``state`` is Airflow's."""

    number: int
    state: str | None
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class ChunkTask:
    """The task instance of a chunk, with all of its attempts, the oldest first."""

    state: str | None = None
    tries: tuple[Try, ...] = ()


@dataclass(frozen=True)
class OtherRun:
    """A run that this one waits for, or that repeats what this one left."""

    run_id: str
    state: str


@dataclass(frozen=True)
class RunRecord:
    """
    A run, as far as it is.

    ``descriptors`` is what it planned, ``None`` before the plan has ended; ``ledgers`` are the
    JSON ledgers of its chunks by index, of a chunk that still runs its last checkpoint;
    ``report_state`` is that of its report task and ``result`` what that left, both ``None`` when
    they say how things were before something was cleared; ``registered_job`` is the job of a
    scheduled run. ``active`` is another run of the DAG that is at work, ``redriven`` the last
    run that repeats this one.
    """

    dag_id: str
    run_id: str
    state: str
    trigger: str
    conf: Mapping[str, Any] | None = None
    start: datetime | None = None
    end: datetime | None = None
    descriptors: tuple[Mapping[str, Any], ...] | None = None
    rejected: tuple[Mapping[str, Any], ...] = ()
    plan_error: str | None = None
    ledgers: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    tasks: Mapping[int, ChunkTask] = field(default_factory=dict)
    report_state: str | None = None
    result: Mapping[str, Any] | None = None
    registered_job: Mapping[str, Any] | None = None
    paused: bool = False
    active: OtherRun | None = None
    redriven: OtherRun | None = None

    @property
    def ended(self) -> bool:
        return self.state in RUN_ENDED

    @property
    def dry_run(self) -> bool:
        return is_dry_run(self.conf)

    @property
    def has_job(self) -> bool:
        return bool(self.registered_job or (self.conf or {}).get("jobId"))


@dataclass(frozen=True)
class PastRun:
    """A run in the history; ``result`` as in a :class:`RunRecord`."""

    run_id: str
    state: str
    trigger: str
    start: datetime | None
    end: datetime | None
    result: Mapping[str, Any] | None = None
    dry_run: bool = False


def is_dry_run(conf: Mapping[str, Any] | None) -> bool:
    """As the conf says it, which may be one that the plan refuses."""
    return (conf or {}).get("dryRun") is True


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """``None`` when one of the two is not known."""
    if start is None or end is None:
        return None
    return round((end - start).total_seconds(), 3)


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
