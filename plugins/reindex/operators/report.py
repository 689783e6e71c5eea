"""The report: the run's ledger, its verdict, and the one message that the Jobs service hears."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from reindex import connection_ids
from reindex.assets import SEARCH_INDEX, VERIFIED, verified
from reindex.conf import JobReference, RunConf, refused_conf
from reindex.dry_run import Sample, chunks_to_sample, found_out, spread
from reindex.errors import InvalidConf, ReindexError, RunFailed, named
from reindex.leased_jobs import failure_of_run, run_that_failed
from reindex.ledger import ChunkLedger, Failure
from reindex.links import RUN_LINKS
from reindex.metrics import tell_drift, tell_not_reached
from reindex.operators.run_context import (
    CHUNK_SAMPLES,
    CHUNK_TASK,
    PLAN_ERROR,
    PLAN_FACTS,
    PLAN_TASK,
    REPORT_TASK,
    RUN_RATE,
    begun_chunks,
    errors_logged,
    job_of_run,
    pulled_chunks,
    pulled_ledgers,
    raw_conf,
    run_conf,
)
from reindex.run_ledger import RunLedger, run_ledger
from reindex.run_rate import rate_of, rates_from
from reindex.verdict import Verdict, reported_result, run_result, summary, verdict_of

if TYPE_CHECKING:
    from reindex.hooks.jobs import JobReport, JobsHook

TOTAL_INDEXED = "totalIndexed"
# Airflow's longest heartbeat interval by default is 5 s; one that was killed outright leaves none.
LAST_LEDGERS_SECONDS = 15.0
REPORTED_KEY = "reported"


class ReportReindexOperator(BaseOperator):
    """
    Adds the chunks up, stores the result, tells the Jobs service, and fails when the run did.

    XCom: ``totalIndexed``, and the whole result as the return value, also of a failed run and
    while the Jobs service has not heard of it (``job`` is null); the ``rate`` of a real one that
    succeeded, from which dry runs estimate.

    A full run's drift goes to the metrics, and the document types that it has verified update
    their Assets.

    :param jobs_conn_id: the Jobs service, a connection of type ``http``
    """

    operator_extra_links = RUN_LINKS

    def __init__(self, *, jobs_conn_id: str = connection_ids.JOBS, **kwargs: Any) -> None:
        super().__init__(**{"outlets": [VERIFIED], **kwargs})
        self.jobs_conn_id = jobs_conn_id

    def execute(self, context: Any) -> dict[str, object]:
        found = _result(context)
        # Before the Jobs service is asked for anything: what the run did stays known without it.
        self._keep(context["ti"], {**found, "job": None})
        try:
            with errors_logged():
                result = {**found, "job": self._told(context, found)}
        finally:
            self.log.info("%s", summary(found))
        self._keep(context["ti"], result)
        if not result["dryRun"]:
            tell_not_reached(result)
        if result["state"] != "success":
            raise RunFailed(summary(result))
        conf = run_conf(context)
        if conf.full:
            tell_drift(result)
        for doc_type, row in verified(conf, result).items():
            context["outlet_events"][VERIFIED].add(SEARCH_INDEX[doc_type], extra=row)
        return result

    @staticmethod
    def _keep(ti: Any, result: Mapping[str, object]) -> None:
        """Pushed by hand as well as returned: a return value is lost when the task then fails."""
        ti.xcom_push(key=TOTAL_INDEXED, value=result[TOTAL_INDEXED])
        ti.xcom_push(key="return_value", value=result)

    def _told(self, context: Any, result: Mapping[str, object]) -> dict[str, object] | None:
        """Report to the Jobs service, once a run, however often this task is tried."""
        try:
            job = job_of_run(raw_conf(context), context["ti"])
        except InvalidConf as error:
            self.log.error("no job can be told of this run: %s", error)
            return None
        if job is None:
            return None
        store = context["task_state_store"]
        if said := store.get(REPORTED_KEY):
            self.log.info("job %s was told already: %s", job.job_id, said)
            return dict(said)
        report = self._tell(job, result, first_try=context["ti"].try_number == 1)
        said = {"jobId": job.job_id, "status": report.status, "leaseLost": report.lease_lost}
        store.set(REPORTED_KEY, said)
        return said

    def _tell(
        self, job: JobReference, result: Mapping[str, object], *, first_try: bool
    ) -> JobReport:
        from reindex.hooks.jobs import JobsHook

        hook = JobsHook(self.jobs_conn_id)
        # Told again, a failure would count twice if the job is leased to us again by now.
        if not first_try and (heard := self._heard(hook.job(job.job_id), result)):
            return heard
        report = _posted(hook, job, result)
        if not report.lease_lost:
            self.log.info("job %s: %s", job.job_id, report.status)
            return report
        held = hook.job(job.job_id)
        if heard := self._heard(held, result):
            return heard
        if not held:
            self.log.warning(
                "the Jobs service knows no job %s: nobody hears of this run", job.job_id
            )
            return report
        self.log.warning(
            "job %s is not leased by this worker any more (%s); the service holds it as %s, "
            "attempt %s. What this run did stays done; the job may be done again",
            job.job_id, report.status, held.get("status"), held.get("attempt"),
        )  # fmt: skip
        return report

    def _heard(self, held: Mapping[str, Any], result: Mapping[str, object]) -> JobReport | None:
        """
        What the service holds, if an earlier try was heard that did not live to hear the answer.
        """
        from reindex.hooks.jobs import JobReport

        if not _says_what_we_said(held, result):
            return None
        self.log.info("job %s was told already, and is %s", held.get("jobId"), held["status"])
        return JobReport(str(held["status"]))


def _posted(hook: JobsHook, job: JobReference, result: Mapping[str, object]) -> JobReport:
    if result["state"] == "success":
        return hook.succeed(job, reported_result(result))
    return hook.fail(job, failure_of_run(str(result["runId"]), summary(result)))


def _says_what_we_said(held: Mapping[str, Any], result: Mapping[str, object]) -> bool:
    """Whether the job, as the service holds it, bears the report of this very run."""
    if result["state"] == "success":
        return (held.get("result") or {}).get("runId") == result["runId"]
    return run_that_failed(held) == result["runId"]


def _result(context: Any) -> dict[str, object]:
    ti, run_id = context["ti"], context["run_id"]
    try:
        conf, refused = run_conf(context), None
    except ReindexError as error:
        conf, refused = refused_conf(raw_conf(context)), named(error)
    planned = pulled_chunks(ti, run_id)
    facts = ti.xcom_pull(task_ids=PLAN_TASK, key=PLAN_FACTS, map_indexes=-1) or {}
    rejected = [Failure(**each) for each in facts.get("rejected", ())]
    ledgers = _last_ledgers(ti, run_id, len(planned)) if planned else []
    run = run_ledger(planned or (), ledgers, rejected)
    if planned is None:
        why = ti.xcom_pull(task_ids=PLAN_TASK, key=PLAN_ERROR, map_indexes=-1) or refused
        verdict = Verdict((f"nothing was planned: {why or 'see the log of the plan task'}",))
    else:
        verdict = verdict_of(run, conf)
    if conf.dry_run:
        return run_result(run_id, run, conf, verdict, _found_out(ti, run, conf, ledgers))
    if verdict.ok and conf.requests_per_second is None and (rate := rate_of(run_id, run)):
        ti.xcom_push(key=RUN_RATE, value=rate.to_json())
    return run_result(run_id, run, conf, verdict)


def _last_ledgers(ti: Any, run_id: str, planned: int) -> list[dict[str, Any]]:
    """
    The chunks' ledgers, those of chunks included that are still about to leave them.

    When a person ends a run, Airflow starts the report and tells its running tasks to end at the
    same time: they hear of it at their next heartbeat, and then keep what they did.
    """
    ledgers = pulled_ledgers(ti, run_id)
    begun = begun_chunks(ti, run_id) if len(ledgers) < planned else 0
    deadline = time.monotonic() + LAST_LEDGERS_SECONDS
    while len(ledgers) < begun and time.monotonic() < deadline:
        time.sleep(1)
        ledgers = pulled_ledgers(ti, run_id)
    return ledgers


def _found_out(
    ti: Any, run: RunLedger, conf: RunConf, ledgers: Iterable[Mapping[str, object]]
) -> dict[str, object]:
    rates = ti.xcom_pull(task_ids=REPORT_TASK, key=RUN_RATE, include_prior_dates=True)
    pulled: list[list[Sample]] = [
        ti.xcom_pull(task_ids=CHUNK_TASK, key=CHUNK_SAMPLES, map_indexes=index) or []
        for index in chunks_to_sample(map(ChunkLedger.from_json, ledgers))
    ]
    return found_out(run, rates_from(rates), conf.requests_per_second, spread(pulled))
