"""Runs as Airflow's metadata database holds them, written row by row: any state, any size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from airflow.models.dagrun import DagRun
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.xcom import XComModel
from sqlalchemy import insert
from sqlalchemy.orm import Session

DAG_ID = "reindex_batch"
NIGHT = datetime(2026, 11, 20, 2, tzinfo=timezone.utc)
CHUNK = "reindex_chunk"

Tries = Sequence[str]


@dataclass(frozen=True)
class StoredRun:
    """
    ``planned`` and ``result`` are the XComs of plan and report, ``None`` when they left none;
    ``chunks`` are the states of each chunk's tries, ``ledgers`` their XComs, and ``checkpoints``
    what their state store holds.
    """

    run_id: str
    state: str = "success"
    run_type: str = "manual"
    conf: Mapping[str, object] | None = None
    start: datetime = NIGHT
    planned: Sequence[Mapping[str, object]] | None = None
    facts: Mapping[str, object] | None = None
    plan_error: str | None = None
    job: Mapping[str, object] | None = None
    chunks: Mapping[int, Tries] = field(default_factory=dict)
    ledgers: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    checkpoints: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    result: Mapping[str, object] | None = None
    report_state: str | None = "success"
    tasks: Sequence[str] = ("plan", CHUNK, "report")
    dag_id: str = DAG_ID

    def store(self, session: Session) -> None:
        """Write it; the caller commits."""
        made = insert(DagRun).values(**self._run()).returning(DagRun.id)
        run: int = session.scalars(made).one()
        session.execute(insert(TaskInstance), self._instances())
        if earlier := self._earlier_tries():
            session.execute(insert(TaskInstanceHistory), earlier)
        if xcoms := [self._of(run, *xcom) for xcom in self._xcoms()]:
            session.execute(insert(XComModel), xcoms)
        if saved := [self._checkpoint(run, *each) for each in self.checkpoints.items()]:
            session.execute(insert(TaskStateStoreModel), saved)

    def _run(self) -> dict[str, Any]:
        ended = self.state in ("success", "failed")
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "run_type": self.run_type,
            "_state": self.state,
            "conf": self.conf,
            "run_after": self.start,
            "start_date": self.start,
            "end_date": self.start + timedelta(seconds=60) if ended else None,
        }

    def _instances(self) -> list[dict[str, Any]]:
        rows = [
            self._instance(task, -1, 1, "success")
            for task in self.tasks
            if task != "report" and not (task == CHUNK and self.chunks)
        ]
        if "report" in self.tasks:
            # It ends a minute after the run's start: after six tries of a chunk, before a seventh.
            late = replace(self, start=self.start + timedelta(seconds=50))
            rows.append(late._instance("report", -1, 1, self.report_state))
        return rows + [
            self._instance(CHUNK, index, len(tries), tries[-1])
            for index, tries in self.chunks.items()
        ]

    def _earlier_tries(self) -> list[dict[str, Any]]:
        return [
            self._instance(CHUNK, index, number, state) | {"task_instance_id": uuid4()}
            for index, tries in self.chunks.items()
            for number, state in enumerate(tries[:-1], 1)
        ]

    def _instance(self, task_id: str, index: int, number: int, state: str | None) -> dict[str, Any]:
        begun = self.start + timedelta(seconds=10 * number)
        ended = state in ("success", "failed", "up_for_retry")
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": task_id,
            "map_index": index,
            "state": state,
            "try_number": number,
            "pool": "default_pool",
            "start_date": begun if state else None,
            "end_date": begun + timedelta(seconds=5) if ended else None,
        }

    def _xcoms(self) -> list[tuple[str, int, str, object]]:
        given: list[tuple[str, int, str, object]] = [
            ("plan", -1, "return_value", self.planned and list(self.planned)),
            ("plan", -1, "plan", self.facts),
            ("plan", -1, "error", self.plan_error),
            ("plan", -1, "job", self.job),
            ("report", -1, "return_value", self.result),
        ]
        ledgers = [(CHUNK, index, "return_value", each) for index, each in self.ledgers.items()]
        return [xcom for xcom in given if xcom[3] is not None] + ledgers

    def _of(self, run: int, task_id: str, index: int, key: str, value: object) -> dict[str, Any]:
        return {
            "dag_run_id": run,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": task_id,
            "map_index": index,
            "key": key,
            "value": value,
        }

    def _checkpoint(self, run: int, index: int, value: Mapping[str, object]) -> dict[str, Any]:
        return self._of(run, CHUNK, index, "ledger", json.dumps(value))
