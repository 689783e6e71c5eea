"""
The job worker in this process: its lease task is the real one, against a real Jobs service; what it
asks of Airflow is answered from a dictionary of runs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from reindex.errors import TransientError
from reindex.operators.lease import LeaseJobsOperator
from tests.integration.in_process_run import InProcessRun

ACTIVE = ("queued", "running")
# As often as Airflow tries a chunk or the report here, and how long it waits before the next try.
TRIES, PAUSE = 20, 0.2


@dataclass
class FakeAirflow:
    """
    Runs of `reindex_batch` by run id, each with its state; ``refused`` are second triggers.

    ``chunks`` is how many chunks each active run has to go, ``next_run`` when the next night
    begins. As a task instance it answers what the lease asks.
    """

    runs: dict[str, str] = field(default_factory=dict)
    confs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    chunks: int = 1
    paused: bool = False
    next_run: datetime | None = None

    def get_dag(self, dag_id: str) -> Any:
        assert dag_id == "reindex_batch"
        return SimpleNamespace(is_paused=self.paused, next_dagrun=self.next_run)

    def get_dr_count(
        self, *, dag_id: str, states: list[str], run_ids: list[str] | None = None
    ) -> int:
        assert dag_id == "reindex_batch"
        asked = self.runs if run_ids is None else run_ids
        return sum(self.runs.get(run_id) in states for run_id in asked)

    def get_ti_count(self, *, dag_id: str, task_ids: list[str], states: list[str]) -> int:
        assert (dag_id, task_ids) == ("reindex_batch", ["reindex_chunk"])
        assert {"null", "running"} <= set(states)
        return self.chunks * self.get_dr_count(dag_id=dag_id, states=list(ACTIVE))

    def trigger(self, run_id: str, conf: Mapping[str, Any]) -> None:
        """As Airflow does it: a run id exists once."""
        if run_id in self.runs:
            self.refused.append(run_id)
            return
        self.runs[run_id] = "queued"
        self.confs[run_id] = conf

    @property
    def waiting(self) -> list[str]:
        return [run_id for run_id, state in self.runs.items() if state == "queued"]


@dataclass
class InProcessWorker:
    """One deployment's worker: its connection to the Jobs service, its Airflow."""

    jobs_conn_id: str = "jobs_api"
    airflow: FakeAirflow = field(default_factory=FakeAirflow)
    skipped: str | None = None

    def poll(self) -> list[str]:
        """One run of the worker's DAG; the run ids that it triggered."""
        self.skipped = None
        task = LeaseJobsOperator(
            task_id="lease", run_dag_id="reindex_batch", jobs_conn_id=self.jobs_conn_id
        )
        try:
            found: list[dict[str, Any]] = task.execute({"ti": self.airflow})
        except AirflowSkipException as skip:
            self.skipped = str(skip)
            return []
        for each in found:
            self.airflow.trigger(each["trigger_run_id"], each["conf"])
        return [each["trigger_run_id"] for each in found]

    def run(self, run_id: str) -> Mapping[str, Any]:
        """The run that was triggered, to its end; the report's result."""
        self.airflow.runs[run_id] = "running"
        run = InProcessRun(self.airflow.confs[run_id], run_id=run_id)
        result = _tried(run)
        self.airflow.runs[run_id] = str(result["state"])
        return result

    def run_all(self) -> dict[str, Mapping[str, Any]]:
        """What waits, one run at a time."""
        return {run_id: self.run(run_id) for run_id in self.airflow.waiting}


def _tried(run: InProcessRun) -> Mapping[str, Any]:
    """The run's result; its report is tried until the Jobs service hears it."""
    for index, chunk in enumerate(run.plan()):
        for _ in range(TRIES):
            if run.chunk(index, chunk):
                break
            time.sleep(PAUSE)
    for _ in range(TRIES):
        result = run.report()
        if not isinstance(run.errors.get("report"), TransientError):
            return result
        time.sleep(PAUSE)
    raise run.errors["report"]
