"""The job worker's DAG file: cheap to parse, one run at a time, and its wiring."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dags.parsing import dag_of, parsed

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dag() -> Any:
    return dag_of("reindex_job_worker")


def test_asks_every_minute_and_never_twice_at_once(dag: Any) -> None:
    assert dag.schedule == timedelta(seconds=60)
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout is not None


def test_a_poll_is_not_repeated_and_does_not_last(dag: Any) -> None:
    lease = dag.get_task("lease")
    assert lease.retries == 0
    assert lease.execution_timeout <= timedelta(minutes=2)
    assert lease.downstream_task_ids == {"start_run"}
    assert [each.func.__name__ for each in lease.on_failure_callback] == ["alert_unleased"]


def test_one_run_for_each_job_in_order_and_never_the_same_twice(dag: Any) -> None:
    start = dag.get_task("start_run")
    assert start.is_mapped
    assert start.partial_kwargs["trigger_dag_id"] == "reindex_batch"
    assert start.partial_kwargs["skip_when_already_exists"] is True
    assert start.partial_kwargs["max_active_tis_per_dagrun"] == 1
    # A key that Airflow adds to the conf would be refused by it.
    assert start.partial_kwargs["openlineage_inject_parent_info"] is False


def test_runs_wait_behind_each_other() -> None:
    assert dag_of("reindex_batch").max_active_runs == 1


@pytest.mark.parametrize(("seconds", "schedule"), [("15", 15.0), ("none", None)])
def test_deployment_says_how_often_and_whether_at_all(seconds: str, schedule: float | None) -> None:
    asked = "dag.schedule and dag.schedule.total_seconds()"
    found = parsed("reindex_job_worker", asked, REINDEX_JOB_POLL_SECONDS=seconds)
    assert found["reached"] == schedule
