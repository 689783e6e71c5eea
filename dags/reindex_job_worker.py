"""
Works off the platform's `reindex.batch` jobs: one run of `reindex_batch` for each.

| task | does |
| --- | --- |
| `lease` | leases the jobs that there is room for; reports a payload that cannot work as failed |
| `start_run` | triggers a run for each, with the payload as its conf, in the order of the lease |

The run's id is `job__<jobId>__<attempt>`: Airflow itself refuses to start an attempt twice. The
run reports its job at its end. Jobs that there is no room for wait in the Jobs service.

**When `lease` is skipped**, its log says why: no room, the nightly run goes first, `reindex_batch`
paused, or the Jobs service away. **When it is red**, a person has to act, and
is told so by the deployment's alerts: the token was refused, or the connection is wrong.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial

from airflow.sdk import DAG

from reindex.alerting import alert_unleased
from reindex.deployment import Deployment
from reindex.operators.lease import LeaseJobsOperator
from reindex.operators.start_run import StartRunOperator

DEPLOYMENT = Deployment.from_environment()
RUN_DAG_ID = "reindex_batch"

with DAG(
    dag_id="reindex_job_worker",
    description="Lease reindex.batch jobs of the Jobs service and run reindex_batch for each",
    doc_md=__doc__,
    schedule=DEPLOYMENT.job_poll,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # Two at once would lease more than there is room for.
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    tags=["reindex", "search", "jobs"],
) as dag:
    lease = LeaseJobsOperator(
        task_id="lease",
        run_dag_id=RUN_DAG_ID,
        jobs_conn_id=DEPLOYMENT.jobs_conn_id,
        # No retries: the next poll is one.
        retries=0,
        execution_timeout=timedelta(minutes=2),
        on_failure_callback=partial(alert_unleased, DEPLOYMENT.alerts),
    )
    StartRunOperator.partial(
        task_id="start_run",
        trigger_dag_id=RUN_DAG_ID,
        logical_date=None,
        skip_when_already_exists=True,
        # It would add a key to the conf, which refuses those that it does not know.
        openlineage_inject_parent_info=False,
        # One after the other: so the runs wait in the order of the lease.
        max_active_tis_per_dagrun=1,
        retries=3,
        retry_delay=timedelta(seconds=5),
        map_index_template="{{ task.trigger_run_id }}",
    ).expand_kwargs(lease.output)
