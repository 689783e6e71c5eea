"""The job worker's eyes and hands: leases jobs, refuses what no run could do, hands on the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from reindex import connection_ids
from reindex.errors import ReindexError, ServiceUnavailable
from reindex.leased_jobs import (
    LeasedJob,
    Refusal,
    SortedOut,
    batches,
    lease_limit,
    run_that_failed,
    sort_out,
)
from reindex.operators.nightly_job import runs_of_nightly_jobs, take_kept_jobs
from reindex.operators.run_context import CHUNK_TASK, errors_logged
from reindex.schedule import is_due

if TYPE_CHECKING:
    from reindex.hooks.jobs import JobsHook

ACTIVE = ["queued", "running"]
# Of a run that is active: without a state yet, or in one that is not an end.
OPEN = ["null", "scheduled", "queued", "running", "restarting", "up_for_retry"]


class LeaseJobsOperator(BaseOperator):
    """
    Leases the `reindex.batch` jobs that there is room for.

    Returns, for each job that gets a run, the arguments of a ``TriggerDagRunOperator``:
    ``{"trigger_run_id": "job__<jobId>__<attempt>", "conf": <payload, jobId, workerId>}``.
    A payload that no run could work off is reported as failed here and now. Skips itself, with a
    line in the log, when the Jobs service is away, the DAG is paused, its scheduled run is due or
    enough runs are waiting: the next poll looks again.

    :param run_dag_id: the DAG that works a job off
    :param jobs_conn_id: the Jobs service, a connection of type ``http``
    """

    def __init__(
        self, *, run_dag_id: str, jobs_conn_id: str = connection_ids.JOBS, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.run_dag_id = run_dag_id
        self.jobs_conn_id = jobs_conn_id

    def execute(self, context: Any) -> list[dict[str, object]]:
        # Not at the top: whoever parses the DAG file imports this module.
        from reindex.hooks.jobs import JobsHook

        ti = context["ti"]
        hook = JobsHook(self.jobs_conn_id)
        with errors_logged():
            worker_id = hook.worker_id()
            leased, why_not = self._leased(ti, hook)
            kept = take_kept_jobs()
            if why_not and not kept:
                raise AirflowSkipException(why_not)
            jobs = tuple({job.job_id: job for job in (*kept, *leased)}.values())
            nightly = runs_of_nightly_jobs() if jobs else {}
            runs = {job.job_id: _runs_of(job, nightly.get(job.job_id)) for job in jobs}
            active = [job_id for job_id, run_ids in runs.items() if self._any_active(ti, run_ids)]
            # In this order: a run that has ended by now has reported by now.
            held = self._held(hook, [job for job in jobs if job.attempt > 1 or job in kept])
            running = {
                job_id for job_id in active if self._goes_on(ti, runs[job_id], held.get(job_id, {}))
            }
            over = {
                job.job_id
                for job in jobs
                if job.job_id not in running and _is_over(job, held.get(job.job_id, {}))
            }
            sorted_out = sort_out(jobs, worker_id, running=running, over=over)
            self._refuse(hook, sorted_out.refused)
        self._log(sorted_out)
        return [
            {"trigger_run_id": each.job.run_id, "conf": dict(each.conf)}
            for each in sorted_out.start
        ]

    def _leased(self, ti: Any, hook: JobsHook) -> tuple[tuple[LeasedJob, ...], str | None]:
        """The jobs that there is room for, or why none was asked for."""
        dag = ti.get_dag(self.run_dag_id)
        if dag.is_paused:
            raise AirflowSkipException(f"{self.run_dag_id} is paused: nothing is leased")
        if is_due(dag.next_dagrun, datetime.now(timezone.utc)):
            # Airflow creates it once no other run waits or runs: jobs that are leased as fast as
            # others end would hold it up for good.
            return (), f"the run scheduled for {dag.next_dagrun} is due and goes before any job"
        runs = ti.get_dr_count(dag_id=self.run_dag_id, states=ACTIVE)
        chunks = runs and ti.get_ti_count(
            dag_id=self.run_dag_id, task_ids=[CHUNK_TASK], states=OPEN
        )
        limit = lease_limit(runs, chunks)
        if not limit:
            return (), (
                f"{runs} runs of {self.run_dag_id} wait or run, with {chunks} chunks to go: jobs "
                "leased now would run out of their lease. They wait in the Jobs service"
            )
        try:
            return hook.lease(limit), None
        except ServiceUnavailable as error:
            # Not a red task a minute for what a person cannot mend here; jobs wait where they are.
            self.log.warning("%s", error)
            return (), "nothing is leased until the Jobs service is back"

    def _goes_on(self, ti: Any, run_ids: list[str], held: Mapping[str, Any]) -> bool:
        """
        Whether the job's run that is active will report it: one that has reported its failure is
        active until its alerts are sent.
        """
        reported = run_that_failed(held)
        left = [run_id for run_id in run_ids if run_id != reported]
        return len(left) == len(run_ids) or self._any_active(ti, left)

    def _any_active(self, ti: Any, run_ids: list[str]) -> bool:
        return any(
            ti.get_dr_count(dag_id=self.run_dag_id, run_ids=some, states=ACTIVE)
            for some in batches(run_ids)
        )

    def _held(self, hook: JobsHook, jobs: Iterable[LeasedJob]) -> dict[str, Mapping[str, Any]]:
        """
        By its id, what the service holds of each job that is not new.

        The run of an earlier attempt may have reported its job after the lease was taken and before
        that run was looked for; and what a night left here may have been leased again since.
        """
        held: dict[str, Mapping[str, Any]] = {}
        for job in jobs:
            try:
                held[job.job_id] = hook.job(job.job_id)
            except ServiceUnavailable as error:
                # To run a job again is harmless, to leave it alone is not.
                self.log.warning("%s: whether jobs are still leased stays unknown", error)
                break
        return held

    def _refuse(self, hook: JobsHook, refused: Iterable[Refusal]) -> None:
        for refusal in refused:
            job_id = refusal.job.job_id
            self.log.warning("job %s is refused: %s", job_id, refusal.reason)
            try:
                report = hook.fail(refusal.job, refusal.reason)
            except ReindexError as error:
                # The other jobs must not wait for this one, which comes back after its lease.
                self.log.error("job %s and what follows it could not be told: %s", job_id, error)
                return
            self.log.info("job %s: %s", job_id, report.status)

    def _log(self, sorted_out: SortedOut) -> None:
        for job in sorted_out.running:
            self.log.info(
                "job %s came back as attempt %d: its lease ran out and its run goes on; that run "
                "will report it", job.job_id, job.attempt,
            )  # fmt: skip
        for job in sorted_out.over:
            self.log.info("job %s was reported while it was leased again", job.job_id)
        self.log.info(
            "leased: %d to run, %d refused, %d whose run goes on, %d over",
            len(sorted_out.start), len(sorted_out.refused),
            len(sorted_out.running), len(sorted_out.over),
        )  # fmt: skip


def _runs_of(job: LeasedJob, nightly: str | None) -> list[str]:
    """
    The ids that a run of the job can have, of this attempt or of an earlier one.

    :param nightly: the run that registered the job, when a night did
    """
    return [*job.run_ids, nightly] if nightly else job.run_ids


def _is_over(job: LeasedJob, held: Mapping[str, Any]) -> bool:
    """Whether the job is not ours to run any more; not so while nobody knows."""
    return bool(held) and (held.get("status"), held.get("attempt")) != ("leased", job.attempt)
