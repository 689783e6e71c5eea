"""
Puts the search index right again: every creator and project, from MongoDB to the Discovery API.

Runs every night over everything; on demand for one type, a list of ids or what changed since a
time; and for a `reindex.batch` job of the platform, whose payload is a conf as it is.

| task | does |
| --- | --- |
| `plan` | cuts the ids into chunks |
| `reindex_chunk` | fetches, builds the payloads, posts each document, counts every outcome |
| `report` | adds up, reports to the Jobs service, fails when the run did |

**When it is red**, open the run's tab **Run report**: its first line says what is wrong.

| it says | look at | press |
| --- | --- | --- |
| documents failed | failures by reason: service or documents? | mend it, then **Re-drive** |
| documents not reached | the chunk's error: token, service, Mongo | **Re-drive**: sends the rest |
| nothing was planned | the sentence: a conf key, or Mongo is away | mend it, trigger again |
| holds no documents, none exists | docType; the Mongo connection's schema | the same |
| nothing: it was timed out | documents per second | **Re-drive** |

Without the page: the last line of `report`'s log, and a new run with `{"redrive": "<run id>"}`. To
send a document again is always harmless.

**Not sure what a run would do?** Trigger it with *Dry run*: it reads everything, sends nothing, and
reports requests, time, sample payloads and the documents that cannot be sent.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial

from airflow.sdk import DAG

from reindex.alerting import alert_drift, alert_failed, alert_timed_out, nightly_deadline
from reindex.deployment import Deployment
from reindex.job_types import REINDEX_BATCH, job_type
from reindex.operators.chunk import ReindexChunkOperator
from reindex.operators.plan import PlanReindexOperator
from reindex.operators.report import ReportReindexOperator
from reindex.operators.run_context import CHUNK_TASK, PLAN_TASK, REPORT_TASK, RETRY_POLICY
from reindex.params import trigger_params
from reindex.run_timed_out import report_time_out
from reindex.schedule import nightly_schedule

DEPLOYMENT = Deployment.from_environment()
POLICY = job_type(REINDEX_BATCH).policy
PARAMS = trigger_params(DEPLOYMENT.chunk_size)

with DAG(
    dag_id="reindex_batch",
    description="Reindex creators and projects from MongoDB into the Discovery service",
    doc_md=__doc__,
    schedule=nightly_schedule(DEPLOYMENT.schedule),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    # Airflow's own default of 16 would hold back more chunks than that.
    max_active_tasks=DEPLOYMENT.parallel_chunks + 2,
    dagrun_timeout=DEPLOYMENT.run_timeout,
    # Airflow gives them 50 s together, and a Jobs service that hangs may take most of these.
    on_failure_callback=[partial(alert_timed_out, DEPLOYMENT.alerts), report_time_out],
    deadline=nightly_deadline(DEPLOYMENT),
    params=PARAMS,
    default_args={
        "retries": POLICY.max_attempts - 1,
        "retry_delay": DEPLOYMENT.retry_delay,
        "retry_exponential_backoff": True,
        "retry_policy": RETRY_POLICY,
        "execution_timeout": POLICY.timeout,
    },
    tags=["reindex", "search"],
) as dag:
    plan = PlanReindexOperator(
        task_id=PLAN_TASK,
        mongo_conn_id=DEPLOYMENT.mongo_conn_id,
        jobs_conn_id=DEPLOYMENT.jobs_conn_id,
    )
    chunks = ReindexChunkOperator.partial(
        task_id=CHUNK_TASK,
        mongo_conn_id=DEPLOYMENT.mongo_conn_id,
        discovery_conn_id=DEPLOYMENT.discovery_conn_id,
        pool=DEPLOYMENT.pool,
        max_active_tis_per_dagrun=DEPLOYMENT.parallel_chunks,
        map_index_template="{{ task.label }}",
    ).expand(chunk=plan.output)
    report = ReportReindexOperator(
        task_id=REPORT_TASK,
        jobs_conn_id=DEPLOYMENT.jobs_conn_id,
        # Bridges an outage of the Jobs service: 15 minutes with the default delay.
        retries=5,
        on_failure_callback=partial(alert_failed, DEPLOYMENT.alerts),
        on_success_callback=partial(alert_drift, DEPLOYMENT.alerts, DEPLOYMENT.alert_drift),
    )
    chunks >> report.as_teardown(on_failure_fail_dagrun=True)
