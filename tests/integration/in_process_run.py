"""
A run of the three operators in this process, as Airflow would do it: XComs and task states in
dictionaries, everything else real. The tests with a real scheduler are in tests/e2e.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.context import OutletEventAccessors

from reindex.errors import ReindexError
from reindex.operators.chunk import ReindexChunkOperator
from reindex.operators.plan import PlanReindexOperator
from reindex.operators.report import ReportReindexOperator

XComs = dict[tuple[str, str, int, str], Any]


class StateStore(dict[str, Any]):
    """One task instance's state store; values go through JSON as they do in Airflow."""

    def set(self, key: str, value: Any, **_: Any) -> None:
        self[key] = json.loads(json.dumps(value))


@dataclass
class FakeTaskInstance:
    """As much of Airflow's task instance as the operators call."""

    xcoms: XComs
    run_id: str
    task_id: str
    map_index: int = -1
    planned: int = 0
    try_number: int = 1
    dag_id: str = "reindex_batch"

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[(self.run_id, self.task_id, self.map_index, key)] = json.loads(json.dumps(value))

    def xcom_pull(
        self,
        task_ids: str,
        key: str = "return_value",
        run_id: str | None = None,
        map_indexes: int | None = None,
        include_prior_dates: bool = False,
    ) -> Any:
        run_id = run_id or self.run_id
        if map_indexes is not None:
            return self.xcoms.get((run_id, task_ids, map_indexes, key))
        found = [
            value
            for (run, task, _, name), value in sorted(self.xcoms.items(), key=lambda kv: kv[0][2])
            if (task, name) == (task_ids, key) and (include_prior_dates or run == run_id)
        ]
        return found[0] if len(found) == 1 else found

    def get_task_states(self, **_: Any) -> dict[str, dict[str, str]]:
        """As :meth:`InProcessRun.chunk` leaves them: none that is still about to end."""
        return {}

    def get_ti_count(self, **_: Any) -> int:
        return self.planned


@dataclass
class InProcessRun:
    """``attempts`` is how often a chunk is tried; ``errors`` holds what its last attempt raised."""

    conf: Mapping[str, object]
    run_id: str = "manual__1"
    run_type: str = "manual"
    attempts: int = 1
    most_chunks: int = 1024
    execution_timeout: timedelta | None = None
    xcoms: XComs = field(default_factory=dict)
    errors: dict[str, ReindexError] = field(default_factory=dict)
    stores: dict[tuple[str, int], StateStore] = field(default_factory=dict)
    tries: Counter[tuple[str, int]] = field(default_factory=Counter)
    outlet_events: OutletEventAccessors = field(default_factory=OutletEventAccessors)

    def go(self) -> Mapping[str, Any]:
        """Run it all; returns the report's result."""
        chunks = self.plan()
        for index, chunk in enumerate(chunks):
            for _ in range(self.attempts):
                if self.chunk(index, chunk):
                    break
        return self.report()

    def plan(self) -> list[dict[str, Any]]:
        task = PlanReindexOperator(task_id="plan", most_chunks=self.most_chunks)
        context = self.context("plan")
        try:
            chunks = task.execute(context)
        except ReindexError as error:
            self.errors["plan"] = error
            return []
        context["ti"].xcom_push("return_value", chunks)
        return chunks

    def chunk(self, index: int, chunk: Mapping[str, Any]) -> bool:
        """One attempt of one chunk; whether it succeeded."""
        task = ReindexChunkOperator(
            task_id="reindex_chunk", chunk=chunk, execution_timeout=self.execution_timeout
        )
        context = self.context("reindex_chunk", index)
        try:
            context["ti"].xcom_push("return_value", task.execute(context))
        except ReindexError as error:
            self.errors[f"chunk {index}"] = error
            return False
        return True

    def report(self) -> Mapping[str, Any]:
        """One try of the report; the result that it left."""
        context = self.context("report")
        self.errors.pop("report", None)
        try:
            ReportReindexOperator(task_id="report").execute(context)
        except ReindexError as error:
            self.errors["report"] = error
        result = self.xcoms[(self.run_id, "report", -1, "return_value")]
        assert isinstance(result, Mapping)
        return result

    def ledger(self, index: int = 0) -> Any:
        return self.xcoms.get((self.run_id, "reindex_chunk", index, "return_value"))

    def context(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        planned = sum(1 for run, task, _, _ in self.xcoms if (run, task) == (self.run_id, task_id))
        self.tries[(task_id, map_index)] += 1
        ti = FakeTaskInstance(
            self.xcoms, self.run_id, task_id, map_index, planned, self.tries[(task_id, map_index)]
        )
        return {
            "params": {"docType": "all"},  # as the DAG has it
            "dag_run": SimpleNamespace(
                conf=dict(self.conf), run_id=self.run_id, run_type=self.run_type
            ),
            "run_id": self.run_id,
            "ti": ti,
            "outlet_events": self.outlet_events,
            "task_state_store": self.stores.setdefault((task_id, map_index), StateStore()),
        }


def connect(patch: pytest.MonkeyPatch, connections: Mapping[str, Mapping[str, object]]) -> None:
    """Define Airflow Connections by environment."""
    for conn_id, connection in connections.items():
        patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
