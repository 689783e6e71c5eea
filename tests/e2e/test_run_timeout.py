"""`dagrun_timeout`: the one ending at which Airflow skips even the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.processes import wait_until
from sandbox.stack import running_stack
from tests.e2e.conftest import SETTINGS
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS, WORKER, job, leased_job
from tests.e2e.task_processes import await_no_tasks
from tests.integration.alert_receivers import Received, receiving

CREATORS = 200


def test_the_job_and_the_people_hear_of_a_run_that_timed_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("impatient")
    with receiving() as alerts:
        settings = {
            **SETTINGS,
            "REINDEX_RUN_TIMEOUT_SECONDS": "6",
            "REINDEX_ALERTS": "webhook:my_pager",
            "AIRFLOW_CONN_MY_PAGER": json.dumps(alerts.connections()["my_pager"]),
        }
        run_id = _times_out(folder, settings, alerts)
        assert [(post["event"], post["runId"]) for _, post in alerts.posts] == [
            ("timed out", run_id)
        ]
        assert f'{{"redrive": "{run_id}"}}' in alerts.posts[0][1]["text"]


def _times_out(folder: Path, settings: dict[str, str], alerts: Received) -> str:
    with running_stack(folder, creators=CREATORS, projects=1, settings=settings) as stack:
        stack.platform.put_faults([{"kind": "latency", "ms": 200}])
        payload = {"docType": "creator", "docIds": [], "mode": "full"}
        job_id = leased_job(stack, payload)
        conf = {**payload, "jobId": job_id, "workerId": WORKER, "maxInFlight": 1}
        run_id = stack.airflow.trigger(DAG_ID, conf)
        assert stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS) == "failed"
        wait_until(lambda: job(stack, job_id)["status"] != "leased", 60, "the job's end")
        reported = job(stack, job_id)
        assert reported["status"] == "queued"
        assert "dagrun_timeout" in reported["lastError"]["message"]
        assert f'{{"redrive": "{run_id}"}}' in reported["lastError"]["message"]
        assert stack.airflow.xcom(DAG_ID, run_id, "report") is None
        assert stack.platform.requests()["paths"]["POST /jobs/{id}/fail"] == 1
        # The alert is the next callback of the same list.
        wait_until(lambda: bool(alerts.posts), 60, "the alert")
        await_no_tasks(stack)
        return run_id
