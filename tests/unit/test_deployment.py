"""What a deployment may set by environment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reindex.alerts import Channel
from reindex.deployment import Deployment


def test_without_variables_the_defaults_hold() -> None:
    assert Deployment.from_environment({}) == Deployment(
        schedule="0 2 * * *",
        chunk_size=5000,
        parallel_chunks=4,
        retry_delay=timedelta(seconds=30),
        run_timeout=timedelta(hours=12),
        job_poll=timedelta(seconds=60),
        pool="default_pool",
        mongo_conn_id="marketplace_mongo",
        discovery_conn_id="discovery_api",
        jobs_conn_id="jobs_api",
        alerts=(),
        alert_drift=None,
        deadline=None,
    )


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("REINDEX_SCHEDULE", " 30 3 * * 1 ", "schedule", "30 3 * * 1"),
        ("REINDEX_CHUNK_SIZE", "250", "chunk_size", 250),
        ("REINDEX_PARALLEL_CHUNKS", "16", "parallel_chunks", 16),
        ("REINDEX_RETRY_DELAY_SECONDS", "0.5", "retry_delay", timedelta(milliseconds=500)),
        ("REINDEX_RUN_TIMEOUT_SECONDS", "90", "run_timeout", timedelta(seconds=90)),
        ("REINDEX_JOB_POLL_SECONDS", "15", "job_poll", timedelta(seconds=15)),
        ("REINDEX_JOB_POLL_SECONDS", "None", "job_poll", None),
        ("REINDEX_POOL", "reindex", "pool", "reindex"),
        ("REINDEX_MONGO_CONN_ID", "other_mongo", "mongo_conn_id", "other_mongo"),
        ("REINDEX_DISCOVERY_CONN_ID", "other_api", "discovery_conn_id", "other_api"),
        ("REINDEX_JOBS_CONN_ID", "other_jobs", "jobs_conn_id", "other_jobs"),
        ("REINDEX_ALERTS", "webhook:pager", "alerts", (Channel("webhook", "pager"),)),
    ],
)
def test_a_variable_sets_its_field_and_no_other(
    variable: str, text: str, field: str, value: object
) -> None:
    read = Deployment.from_environment({variable: text})
    assert getattr(read, field) == value
    changed = {name for name in vars(read) if getattr(read, name) != getattr(Deployment(), name)}
    assert changed == {field}


@pytest.mark.parametrize("text", ["none", "NONE", "None", "", "  "])
def test_a_run_on_demand_only_has_no_schedule(text: str) -> None:
    assert Deployment.from_environment({"REINDEX_SCHEDULE": text}).schedule is None


@pytest.mark.parametrize("text", ["0", "-1", "many", "", "nan", "inf", "2e9"])
@pytest.mark.parametrize(
    "variable",
    [
        "REINDEX_CHUNK_SIZE",
        "REINDEX_PARALLEL_CHUNKS",
        "REINDEX_RETRY_DELAY_SECONDS",
        "REINDEX_RUN_TIMEOUT_SECONDS",
    ],
)
def test_a_number_that_cannot_be_used_is_named_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is '{text}', expected a number above 0"):
        Deployment.from_environment({variable: text})


def test_a_chunk_that_no_run_would_take_is_refused_when_the_dag_file_is_parsed() -> None:
    with pytest.raises(ValueError, match="above 0, 10000000 at most"):
        Deployment.from_environment({"REINDEX_CHUNK_SIZE": "10000001"})


@pytest.mark.parametrize("text", ["", " "])
def test_a_name_that_is_left_empty_is_left_out(text: str) -> None:
    """As compose and charts write what is not set; an empty pool would hold no task ever."""
    names = ("POOL", "MONGO_CONN_ID", "DISCOVERY_CONN_ID", "JOBS_CONN_ID")
    assert Deployment.from_environment({f"REINDEX_{name}": text for name in names}) == Deployment()


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan"])
def test_a_poll_that_cannot_be_is_named_with_its_variable(text: str) -> None:
    with pytest.raises(ValueError, match=f"REINDEX_JOB_POLL_SECONDS is '{text}'"):
        Deployment.from_environment({"REINDEX_JOB_POLL_SECONDS": text})


@pytest.mark.parametrize("variable", ["REINDEX_CHUNK_SIZE", "REINDEX_PARALLEL_CHUNKS"])
def test_half_a_chunk_is_refused(variable: str) -> None:
    with pytest.raises(ValueError, match=variable):
        Deployment.from_environment({variable: "0.5"})


def alerting(**more: str) -> Deployment:
    return Deployment.from_environment({"REINDEX_ALERTS": "webhook:pager", **more})


def test_an_alert_channel_that_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="variable REINDEX_ALERTS: 'pigeon:loft': pigeon is not"):
        Deployment.from_environment({"REINDEX_ALERTS": "webhook:pager, pigeon:loft"})


def test_drift_has_a_limit() -> None:
    assert alerting(REINDEX_ALERT_DRIFT="0.05").alert_drift == 0.05
    assert alerting(REINDEX_ALERT_DRIFT=" ").alert_drift is None


@pytest.mark.parametrize("text", ["1", "5", "0", "-0.1", "much"])
def test_a_share_that_cannot_be_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"REINDEX_ALERT_DRIFT is '{text}', expected"):
        alerting(REINDEX_ALERT_DRIFT=text)


@pytest.mark.parametrize(
    ("schedule", "due", "hours"),
    [
        ("0 2 * * *", "06:00", 4.0),
        ("30 22 * * *", "6:00", 7.5),
        ("0 2 * * 1", "02:00", 24.0),
        ("0 2 * * *", "01:59", 24.0 - 1 / 60),
    ],
)
def test_a_deadline_is_a_time_of_day(schedule: str, due: str, hours: float) -> None:
    read = alerting(REINDEX_SCHEDULE=schedule, REINDEX_DEADLINE=due)
    assert read.deadline == timedelta(hours=hours)


def test_what_runs_on_demand_has_no_deadline() -> None:
    assert alerting(REINDEX_SCHEDULE="none", REINDEX_DEADLINE="06:00").deadline is None


@pytest.mark.parametrize("text", ["6", "24:00", "06:60", "06:00:00", "six"])
def test_a_deadline_that_cannot_be_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"REINDEX_DEADLINE is '{text}', expected a time"):
        alerting(REINDEX_DEADLINE=text)


@pytest.mark.parametrize("schedule", ["0 */2 * * *", "*/5 2 * * *", "@daily", "0 2,4 * * *"])
def test_a_deadline_needs_one_time_of_day_to_start_at(schedule: str) -> None:
    with pytest.raises(ValueError, match="REINDEX_DEADLINE needs a REINDEX_SCHEDULE with one hour"):
        alerting(REINDEX_SCHEDULE=schedule, REINDEX_DEADLINE="06:00")


@pytest.mark.parametrize(
    ("variable", "text"), [("REINDEX_DEADLINE", "06:00"), ("REINDEX_ALERT_DRIFT", "0.05")]
)
def test_a_limit_that_nobody_would_hear_of_is_refused(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is set, and REINDEX_ALERTS names nobody"):
        Deployment.from_environment({variable: text})
