"""What a deployment may set by environment."""

from __future__ import annotations

from datetime import timedelta

import pytest

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


@pytest.mark.parametrize("text", ["0", "-1", "many", "", "nan", "inf", "1e9"])
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


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan"])
def test_a_poll_that_cannot_be_is_named_with_its_variable(text: str) -> None:
    with pytest.raises(ValueError, match=f"REINDEX_JOB_POLL_SECONDS is '{text}'"):
        Deployment.from_environment({"REINDEX_JOB_POLL_SECONDS": text})


@pytest.mark.parametrize("variable", ["REINDEX_CHUNK_SIZE", "REINDEX_PARALLEL_CHUNKS"])
def test_half_a_chunk_is_refused(variable: str) -> None:
    with pytest.raises(ValueError, match=variable):
        Deployment.from_environment({variable: "0.5"})
