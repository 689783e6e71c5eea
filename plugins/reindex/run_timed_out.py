"""
The DAG's failure callback: reports a run that `dagrun_timeout` ended.

It is the one ending at which Airflow skips even teardowns, so that `report` does not run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

TIMED_OUT = "timed_out"
# With the time-out of 10 s and the look in between, half a minute at the most.
ATTEMPTS = 2


def report_time_out(context: Mapping[str, Any]) -> None:
    """Tell the Jobs service that the run was ended; called in the dag processor."""
    if context.get("reason") != TIMED_OUT:
        return  # every other failure was reported by the report task
    # Not at the top: the DAG file imports this module each time it is parsed.
    from reindex.deployment import Deployment
    from reindex.hooks.jobs import JobsHook
    from reindex.operators.run_context import job_of_run

    dag_run = context["dag_run"]
    job = job_of_run(dict(dag_run.conf or {}), context.get("ti"))
    log.error("run %s took longer than the DAG's dagrun_timeout and was ended", dag_run.run_id)
    if job is None:
        return
    message = (
        f"reindex run {dag_run.run_id} took longer than its dagrun_timeout and was ended; "
        f'{{"redrive": "{dag_run.run_id}"}} goes on with what is left'
    )
    told = JobsHook(Deployment.from_environment().jobs_conn_id).fail(
        job, message, attempts=ATTEMPTS
    )
    log.info("job %s: %s", job.job_id, told.status)
