"""What a conf or a job's payload says is data to Airflow's template engine, never a template."""

from __future__ import annotations

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag

from reindex.leased_jobs import LeasedJob, conf_of
from reindex.operators.run_context import CHUNK_TASK, PLAN_TASK, REPORT_TASK

DAGS = Path(__file__).parents[2] / "dags"
TEMPLATE = "{{ conn.discovery_api.password }}"


class Instance:
    """As much of a task instance as rendering asks for: the XCom of the task before."""

    map_index = 0
    run_id = "manual__1"

    def __init__(self, xcom: object) -> None:
        self.xcom = xcom

    def xcom_pull(self, **_: object) -> object:
        return self.xcom


def rendered(dag_id: str, task_id: str, xcom: object) -> Any:
    """The mapped task after Airflow has rendered its templated fields."""
    dag = dag_of(dag_id)
    context: Any = {
        "ti": Instance(xcom),
        "run_id": "manual__1",
        "dag": dag,
        "dag_run": SimpleNamespace(conf={}),
        "expanded_ti_count": 1,
    }
    dag.get_task(task_id).render_template_fields(context)
    return context["task"]


@functools.cache
def dag_of(dag_id: str) -> Any:
    bag = DagBag(DAGS)
    assert bag.import_errors == {}
    return bag.dags[dag_id]


def test_a_payload_is_data_to_the_template_engine() -> None:
    """In a full run nobody looks at docIds: what stands there goes into the run's conf as it is."""
    payload = {"docType": "all", "mode": "full", "docIds": [TEMPLATE, "{{ 6 * 7 }}"]}
    job = LeasedJob("job-1", 1, payload)
    conf = conf_of(job, "{{6*7}}-worker")
    task = rendered(
        "reindex_job_worker", "start_run", [{"trigger_run_id": job.run_id, "conf": conf}]
    )
    assert task.trigger_run_id == "job__job-1__1"
    assert task.conf == {**payload, "jobId": "job-1", "workerId": "{{6*7}}-worker"}


def test_a_descriptor_is_data_to_the_template_engine() -> None:
    descriptor = {"index": 0, "docType": "{{ 6 * 7 }}", "offset": 0, "expected": 1}
    assert rendered("reindex_batch", CHUNK_TASK, [descriptor]).chunk == descriptor


def test_nothing_else_of_ours_is_templated() -> None:
    assert {
        name: tuple(dag_of("reindex_batch").get_task(name).template_fields)
        for name in (PLAN_TASK, CHUNK_TASK, REPORT_TASK)
    } == {PLAN_TASK: (), CHUNK_TASK: ("chunk",), REPORT_TASK: ()}
    assert dag_of("reindex_job_worker").get_task("lease").template_fields == ()
