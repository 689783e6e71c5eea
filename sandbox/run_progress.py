"""How far a run of `reindex_batch` is, by document type, read from Airflow's REST API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from sandbox.local_airflow import LocalAirflow

DAG_ID = "reindex_batch"
CHUNK_TASK = "reindex_chunk"
# Everything in a chunk's ledger that means "dealt with".
DONE = ("fetched", "missing")


@dataclass
class RunProgress:
    """``planned`` and ``done`` are documents by document type; ``planned`` is empty before the
    plan is there."""

    airflow: LocalAirflow
    run_id: str
    planned: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _ledgers: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def update(self) -> None:
        """
        Ask Airflow. A chunk's ledger is in its XCom once it ended, before in its state store; in
        the moment between, what was last heard of it holds.
        """
        if not self.planned:
            for chunk in self.airflow.xcom(DAG_ID, self.run_id, "plan") or ():
                name = chunk["docType"]
                self.planned[name] = self.planned.get(name, 0) + chunk["expected"]
        if not self.planned:
            return
        for instance in self.airflow.task_instances(DAG_ID, self.run_id, CHUNK_TASK):
            index, state = instance["map_index"], instance["state"]
            if state == "success" and index not in self._ended:
                self._hear(index, f"xcomEntries/return_value?map_index={index}")
                self._ended.add(index)
            elif state in ("running", "up_for_retry"):
                self._hear(index, f"state-store/ledger?map_index={index}")
        ledgers = self._ledgers.values()
        self.done = {name: sum(_done(each, name) for each in ledgers) for name in self.planned}

    def _hear(self, index: int, path: str) -> None:
        if ledger := self._ledger(path):
            self._ledgers[index] = ledger

    def _ledger(self, path: str) -> Mapping[str, Any]:
        base = f"dags/{DAG_ID}/dagRuns/{self.run_id}/taskInstances/{CHUNK_TASK}"
        try:
            value = self.airflow.api("GET", f"{base}/{path}")["value"]
        except requests.HTTPError as error:
            if str(error).startswith("404"):
                return {}  # a chunk that has just begun, or just ended
            raise
        return value if isinstance(value, dict) else {}


def _done(ledger: Mapping[str, Any], name: str) -> int:
    counts = ledger.get("counts", {}).get(name, {})
    return sum(int(counts.get(column, 0)) for column in DONE)
