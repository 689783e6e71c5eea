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
class RunRecord:
    """
    A run, as far as it is.

    ``descriptors`` is what it planned, ``None`` before the plan has ended; ``ledgers`` are the
    JSON ledgers of its chunks by index, of a chunk that still runs its last checkpoint;
    ``result`` is what its report left.
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
    result: Mapping[str, Any] | None = None

    @property
    def ended(self) -> bool:
        return self.state in RUN_ENDED


@dataclass(frozen=True)
class PastRun:
    """A run in the history; ``result`` is what its report left, if it left one."""

    run_id: str
    state: str
    trigger: str
    start: datetime | None
    end: datetime | None
    result: Mapping[str, Any] | None = None


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """``None`` when one of the two is not known."""
    if start is None or end is None:
        return None
    return round((end - start).total_seconds(), 3)


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
