"""The job worker's DAG file: cheap to parse, one run at a time, and its wiring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return bag.dags["reindex_job_worker"]


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
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(REPOSITORY / "dags"))
    assert bag.dags["reindex_batch"].max_active_runs == 1


SCRIPT = """
import json, socket, sys
sys.path[:0] = [{plugins!r}, {dags!r}]
from airflow.sdk import DAG, BaseHook, Variable
before = set(sys.modules)
def refuse(*args, **kwargs):
    raise AssertionError("the DAG file looked something up")
socket.socket.connect = refuse
BaseHook.get_connection = refuse
Variable.get = refuse
import reindex_job_worker
schedule = reindex_job_worker.dag.schedule
print(json.dumps([sorted(set(sys.modules) - before), schedule and schedule.total_seconds()]))
"""


def parsed(**environment: str) -> tuple[set[str], float | None]:
    """The modules that parsing imports, and the DAG's schedule in seconds."""
    script = SCRIPT.format(plugins=str(REPOSITORY / "plugins"), dags=str(REPOSITORY / "dags"))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    modules, seconds = json.loads(done.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in modules}, seconds


def test_parsing_looks_nothing_up_and_imports_nothing_heavy() -> None:
    imported, _ = parsed()
    assert "reindex" in imported
    assert imported.isdisjoint({"pymongo", "bson", "aiohttp", "requests", "jsonschema", "fastapi"})


@pytest.mark.parametrize(("seconds", "schedule"), [("15", 15.0), ("none", None)])
def test_deployment_says_how_often_and_whether_at_all(seconds: str, schedule: float | None) -> None:
    assert parsed(REINDEX_JOB_POLL_SECONDS=seconds)[1] == schedule
