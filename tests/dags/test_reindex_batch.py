"""The DAG file: it imports quickly and quietly, and says what the job registry says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import AsyncCallback, CronTriggerTimetable, DeadlineReference
from airflow.serialization.serialized_objects import DagSerialization

from reindex.alerting import nightly_deadline
from reindex.assets import VERIFIED
from reindex.conf import KNOWN_KEYS
from reindex.deployment import Deployment
from reindex.job_types import JOB_TYPES
from tests.dags.parsing import dag_of, parsed

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dag() -> Any:
    return dag_of("reindex_batch")


def test_schedule_and_runs(dag: Any) -> None:
    # And not a bare expression, which a setting of Airflow may take to mean the night after.
    assert isinstance(dag.schedule, CronTriggerTimetable)
    assert (dag.schedule.expression, dag.schedule.timezone) == ("0 2 * * *", "UTC")
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout == timedelta(hours=12)
    assert [_name(each) for each in dag.on_failure_callback] == [
        "alert_timed_out",
        "report_time_out",
    ]
    assert dag.deadline is None


def test_registered_job_type_is_reindex_batch() -> None:
    """Acceptance criterion of Task 56: the type is correctly registered."""
    registered = JOB_TYPES["reindex.batch"]
    assert registered.schema["required"] == ["docType", "docIds"]
    assert registered.policy.max_attempts == 3
    assert registered.policy.timeout == timedelta(seconds=3600)


@pytest.mark.parametrize("task_id", ["plan", "reindex_chunk"])
def test_tasks_have_the_policy_of_the_job_type(dag: Any, task_id: str) -> None:
    task = dag.get_task(task_id)
    assert task.retries == 2
    assert task.execution_timeout == timedelta(seconds=3600)
    assert task.retry_policy is not None


def test_wiring(dag: Any) -> None:
    assert dag.get_task("plan").downstream_task_ids == {"reindex_chunk"}
    assert dag.get_task("reindex_chunk").downstream_task_ids == {"report"}
    assert dag.get_task("reindex_chunk").is_mapped
    report = dag.get_task("report")
    assert report.downstream_task_ids == set()
    assert report.is_teardown
    assert report.on_failure_fail_dagrun


def _name(callback: Any) -> str:
    return str(getattr(callback, "func", callback).__name__)


def test_who_is_told_of_the_report(dag: Any) -> None:
    report = dag.get_task("report")
    assert [_name(each) for each in report.on_failure_callback] == ["alert_failed"]
    assert [_name(each) for each in report.on_success_callback] == ["alert_drift"]
    assert report.outlets == [VERIFIED]


def test_the_report_bridges_an_outage_of_the_jobs_service(dag: Any) -> None:
    """By Airflow's own reckoning: well over the two minutes that the service may be down."""
    report = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("report")
    ended = datetime(2026, 1, 1, tzinfo=timezone.utc)
    waits = []
    for try_number in range(1, report.retries + 1):
        failed = SimpleNamespace(
            task=report,
            try_number=try_number,
            end_date=ended,
            retry_delay_override=None,
            dag_id=dag.dag_id,
            task_id=report.task_id,
            logical_date=None,
        )
        waits.append(TaskInstance.next_retry_datetime(failed) - ended)
    assert len(waits) == 5
    assert waits[0] >= timedelta(seconds=30)
    assert sum(waits, timedelta()) >= timedelta(minutes=15)


def test_the_deadline_counts_from_the_schedule_and_is_told_by_the_triggerer() -> None:
    settings = {
        "REINDEX_ALERTS": "webhook:pager#v1, smtp:mail#a@b.org",
        "REINDEX_DEADLINE": "06:00",
    }
    deadline = nightly_deadline(Deployment.from_environment(settings))
    assert deadline.interval == timedelta(hours=4)
    assert deadline.reference == DeadlineReference.DAGRUN_LOGICAL_DATE
    assert isinstance(deadline.callback, AsyncCallback)
    assert deadline.callback.path == "reindex.alerting.alert_deadline"
    assert deadline.callback.kwargs == {"channels": settings["REINDEX_ALERTS"]}


def test_every_param_is_a_conf_key_with_title_and_description(dag: Any) -> None:
    for name in dag.params:
        assert name in KNOWN_KEYS
        param = dag.params.get_param(name)
        assert param.schema["title"]
        assert param.description


def test_the_form_has_every_key_of_a_conf(dag: Any) -> None:
    """But ``mode``, which only the platform sends."""
    assert set(KNOWN_KEYS) - set(dag.params) == {"mode"}


def test_the_form_is_in_sections_and_says_what_happens_when_a_field_is_left_empty(
    dag: Any,
) -> None:
    sections: dict[str | None, list[str]] = {}
    for name in dag.params:
        param = dag.params.get_param(name)
        sections.setdefault(param.schema.get("section"), []).append(name)
        if "null" in param.schema["type"]:
            assert "Left empty" in param.description, name
    assert list(sections.values()) == [
        ["docType", "dryRun", "docIds", "updatedSince", "redrive"],
        ["requestsPerSecond", "maxInFlight", "chunkSize"],
        ["failureTolerance", "allowEmpty", "logEveryDocument"],
        ["jobId", "workerId"],
    ]
    assert next(iter(sections)) is None  # Airflow's form shows this one unfolded


def test_the_form_takes_a_pasted_list_and_offers_the_types(dag: Any) -> None:
    ids, kind = dag.params.get_param("docIds").schema, dag.params.get_param("docType").schema
    # Airflow's form: an array of texts is a box of one a line, unless there are examples.
    assert (ids["type"], ids["items"], "examples" in ids) == (
        ["null", "array"], {"type": "string"}, False,
    )  # fmt: skip
    # Suggestions, no enum: a job with an unknown type must get as far as being reported.
    assert kind["examples"] == ["all", "creator", "creators", "project", "projects"]
    assert "enum" not in kind


def test_what_to_do_when_it_is_red_is_on_the_dags_page(dag: Any) -> None:
    for word in ("When it is red", "Run report", "Re-drive", "redrive", "Dry run"):
        assert word in dag.doc_md


def test_params_of_the_issue_are_there(dag: Any) -> None:
    wanted = {"docType", "docIds", "updatedSince", "chunkSize", "jobId", "workerId"}
    assert wanted <= set(dag.params)


def test_chunks_that_run_at_once_are_bounded(dag: Any) -> None:
    assert dag.get_task("reindex_chunk").partial_kwargs["max_active_tis_per_dagrun"] == 4


NAMED = {
    "REINDEX_CHUNK_SIZE": "250",
    "REINDEX_PARALLEL_CHUNKS": "7",
    "REINDEX_RETRY_DELAY_SECONDS": "5",
    "REINDEX_RUN_TIMEOUT_SECONDS": "7200",
    "REINDEX_POOL": "search",
    "REINDEX_MONGO_CONN_ID": "my_mongo",
    "REINDEX_DISCOVERY_CONN_ID": "my_discovery",
    "REINDEX_JOBS_CONN_ID": "my_jobs",
    "REINDEX_ALERTS": "webhook:my_pager",
    "REINDEX_ALERT_DRIFT": "0.05",
    "REINDEX_DEADLINE": "06:00",
    "REINDEX_SCHEDULE": "15 3 * * *",
}
REACHED = {
    "dag.schedule.expression": "15 3 * * *",
    "dag.params['chunkSize']": 250,
    "dag.dagrun_timeout.total_seconds()": 7200,
    "dag.deadline[0].interval.total_seconds()": 9900,
    "dag.deadline[0].callback.kwargs['channels']": "webhook:my_pager",
    "dag.on_failure_callback[0].args[0][0].conn_id": "my_pager",
    "plan.retry_delay.total_seconds()": 5,
    "plan.mongo_conn_id": "my_mongo",
    "plan.jobs_conn_id": "my_jobs",
    "chunks.partial_kwargs['mongo_conn_id']": "my_mongo",
    "chunks.partial_kwargs['discovery_conn_id']": "my_discovery",
    "chunks.partial_kwargs['pool']": "search",
    "chunks.partial_kwargs['max_active_tis_per_dagrun']": 7,
    # As many at once as that, beside plan and report: Airflow's own default is 16.
    "dag.max_active_tasks": 9,
    "report.jobs_conn_id": "my_jobs",
    "report.on_failure_callback[0].args[0][0].conn_id": "my_pager",
    "report.on_success_callback[0].args[1]": 0.05,
}


def test_deployment_settings_reach_the_dag() -> None:
    asked = "{" + ", ".join(f"{each!r}: {each}" for each in REACHED) + "}"
    assert parsed("reindex_batch", asked, **NAMED)["reached"] == REACHED


def test_a_deployment_without_a_schedule_has_a_dag_without_one() -> None:
    assert parsed("reindex_batch", "dag.schedule", REINDEX_SCHEDULE="none")["reached"] is None
