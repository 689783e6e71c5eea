"""
Puts the search index right again: every creator and project, from MongoDB to the Discovery API.

Runs every night over everything; on demand for one type, a list of ids or what changed since a
time; and for a `reindex.batch` job of the platform, whose payload is a conf as it is.

| task | does |
| --- | --- |
| `plan` | cuts the ids into chunks |
| `reindex_chunk` | fetches, builds the payloads, posts each document, counts every outcome |
| `report` | adds up, reports to the Jobs service, fails when the run did |

**When it is red**, open the log of `report`: its last line says what is wrong, in one sentence,
and its XCom holds the failed ids with their reasons. `{"redrive": "<run id>"}` as conf of a new
run repeats exactly what failed or was not reached; repeating is always harmless.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG, Param

from reindex.conf import DEFAULT_FAILURE_TOLERANCE
from reindex.deployment import Deployment
from reindex.job_types import REINDEX_BATCH, job_type
from reindex.operators.chunk import ReindexChunkOperator
from reindex.operators.plan import PlanReindexOperator
from reindex.operators.report import ReportReindexOperator
from reindex.operators.run_context import CHUNK_TASK, PLAN_TASK, REPORT_TASK, RETRY_POLICY
from reindex.run_timed_out import report_time_out

DEPLOYMENT = Deployment.from_environment()
POLICY = job_type(REINDEX_BATCH).policy

# Formats are checked by `plan`, not by these schemas: a job's payload that is refused at the
# trigger would never be reported to the Jobs service.
PARAMS = {
    "docType": Param(
        "all",
        type="string",
        title="Document type",
        description="What to reindex: `creator`, `project` or `all`; the plurals are accepted.",
        examples=["all", "creator", "project", "creators", "projects"],
    ),
    "docIds": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        title="Ids",
        description="One id of 24 hexadecimal characters a line. Left empty: every document.",
    ),
    "updatedSince": Param(
        None,
        type=["null", "string"],
        title="Updated since",
        description="Only documents changed at or after this time, themselves or their user. "
        "ISO 8601, UTC when no zone is given.",
        examples=["2026-11-20T02:00:00Z"],
    ),
    "redrive": Param(
        None,
        type=["null", "string"],
        title="Drive a run again",
        description="The run id of an earlier run: repeats what failed in it or was not reached.",
    ),
    "chunkSize": Param(
        DEPLOYMENT.chunk_size,
        type="number",
        minimum=1,
        title="Documents a chunk",
        description="Grows by itself when the run would have more chunks than Airflow maps.",
        section="Pace",
    ),
    "maxInFlight": Param(
        64,
        type="number",
        minimum=1,
        maximum=1024,
        title="Most requests in flight, a chunk",
        description="A ceiling: the number that the service bears is found while it runs.",
        section="Pace",
    ),
    "requestsPerSecond": Param(
        None,
        type=["null", "number"],
        title="Most requests a second",
        description="Holds for the whole run, over all chunks. Left empty: no ceiling.",
        section="Pace",
    ),
    "failureTolerance": Param(
        DEFAULT_FAILURE_TOLERANCE,
        type="number",
        minimum=0,
        maximum=1,
        title="Share of documents that may fail",
        description="0.01 is 1 %, rounded up to whole documents. Above it the run fails.",
        section="Verdict",
    ),
    "allowEmpty": Param(
        False,
        type="boolean",
        title="An empty collection is fine",
        description="Otherwise a full run that finds no documents of a type fails.",
        section="Verdict",
    ),
    "logEveryDocument": Param(
        False,
        type="boolean",
        title="Log every document",
        description="A run with ids always does.",
        section="Verdict",
    ),
    "jobId": Param(
        None,
        type=["null", "string"],
        title="Job",
        description="The job of the Jobs service that hears of this run's end.",
        section="Jobs service",
    ),
    "workerId": Param(
        None,
        type=["null", "string"],
        title="Worker",
        description="The worker id that holds the job's lease. Left empty: the connection's.",
        section="Jobs service",
    ),
}

with DAG(
    dag_id="reindex_batch",
    description="Reindex creators and projects from MongoDB into the Discovery service",
    doc_md=__doc__,
    schedule=DEPLOYMENT.schedule,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=DEPLOYMENT.run_timeout,
    on_failure_callback=report_time_out,
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
    )
    chunks >> report.as_teardown(on_failure_fail_dagrun=True)
