"""
The other way to wait for the platform's jobs, to be measured against `dags/reindex_job_worker.py`:
the DAG always runs, and its task waits as a trigger in the triggerer.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from bench.lease_trigger import DeferredLeaseOperator

with DAG(
    dag_id="reindex_job_worker_deferred",
    schedule="@continuous",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    catchup=False,
) as dag:
    lease = DeferredLeaseOperator(task_id="lease", run_dag_id="reindex_batch")
    TriggerDagRunOperator.partial(
        task_id="start_run",
        trigger_dag_id="reindex_batch",
        logical_date=None,
        skip_when_already_exists=True,
        openlineage_inject_parent_info=False,
        max_active_tis_per_dagrun=1,
    ).expand_kwargs(lease.output)
