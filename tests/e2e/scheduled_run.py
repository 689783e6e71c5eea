"""A run of `reindex_batch` by the real scheduler, and what the platform then holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from sandbox.stack import Stack

DAG_ID = "reindex_batch"
WORKER = "worker-e2e"
RUN_SECONDS = 180.0


def run(stack: Stack, conf: Mapping[str, object] | None = None) -> tuple[str, str, dict[str, Any]]:
    """Trigger and wait; the run id, the run's state and the report's result."""
    run_id = stack.airflow.trigger(DAG_ID, conf)
    state = stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)
    return run_id, state, stack.airflow.xcom(DAG_ID, run_id, "report")


def report_ended(stack: Stack, run_id: str) -> bool:
    """Whether the report task is over: of a run that was marked as ended, later than the run."""
    [report] = stack.airflow.task_instances(DAG_ID, run_id, "report")
    return report["state"] in ("success", "failed")


def leased_job(stack: Stack, payload: Mapping[str, object]) -> str:
    """A job in the Jobs service, leased by ``WORKER``."""
    job_id = stack.platform.enqueue(payload)
    answer = requests.get(
        f"{stack.platform.base_url}/jobs/lease?type=reindex.batch&limit=10",
        headers={"Authorization": f"Bearer {stack.platform.token}", "X-Worker-Id": WORKER},
        timeout=10,
    )
    assert job_id in [job["jobId"] for job in answer.json()["jobs"]]
    return job_id


def job(stack: Stack, job_id: str) -> dict[str, Any]:
    return stack.platform.call("GET", f"/jobs/{job_id}")
