"""`dagrun_timeout`: the one ending at which Airflow skips even the report."""

from __future__ import annotations

import time

import pytest

from sandbox.stack import running_stack
from tests.e2e.conftest import SETTINGS
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS, WORKER, job, leased_job

CREATORS = 200


def test_the_job_hears_of_a_run_that_timed_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = {**SETTINGS, "REINDEX_RUN_TIMEOUT_SECONDS": "6"}
    folder = tmp_path_factory.mktemp("impatient")
    with running_stack(folder, creators=CREATORS, projects=1, settings=settings) as stack:
        stack.platform.put_faults([{"kind": "latency", "ms": 200}])
        payload = {"docType": "creator", "docIds": [], "mode": "full"}
        job_id = leased_job(stack, payload)
        conf = {**payload, "jobId": job_id, "workerId": WORKER, "maxInFlight": 1}
        run_id = stack.airflow.trigger(DAG_ID, conf)
        assert stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS) == "failed"
        deadline = time.monotonic() + 60
        while job(stack, job_id)["status"] == "leased" and time.monotonic() < deadline:
            time.sleep(0.2)
        reported = job(stack, job_id)
        assert reported["status"] == "queued"
        assert "dagrun_timeout" in reported["lastError"]["message"]
        assert f'{{"redrive": "{run_id}"}}' in reported["lastError"]["message"]
        assert stack.airflow.xcom(DAG_ID, run_id, "report") is None
        assert stack.platform.requests()["paths"]["POST /jobs/{id}/fail"] == 1
