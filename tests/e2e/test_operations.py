"""
What a run tells the world around it, by a real scheduler and a real triggerer: alerts, Assets that
start another DAG, OpenLineage, metrics.

One night: the scheduled run is late, ends well and finds an empty index. Then one that fails.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sandbox.local_airflow import running_airflow
from sandbox.processes import REPOSITORY, wait_until
from sandbox.stack import Stack, running_stack
from tests.docs.documents import blocks
from tests.e2e.conftest import SETTINGS
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS
from tests.integration.alert_receivers import Received, receiving
from tests.integration.statsd_listener import StatsdListener, statsd_listener

CREATORS, PROJECTS = 60, 40
CONSUMER_ID = "uses_fresh_creators"
# The consumer is the example of the documentation.
(CONSUMER,) = [
    block.text for block in blocks(REPOSITORY / "docs/assets.md") if block.language == "python"
]


@dataclass(frozen=True)
class Night:
    stack: Stack
    alerts: Received
    statsd: StatsdListener
    lineage: Path
    run_id: str

    def events(self) -> list[str]:
        return [post["event"] for _, post in self.alerts.posts]

    def consumed(self) -> tuple[str, str]:
        """The run id and the end state of the run that the assets started."""
        run_id = the_run(self.stack, CONSUMER_ID)
        return run_id, self.stack.airflow.wait_for_run(CONSUMER_ID, run_id, RUN_SECONDS)

    def asset_events(self) -> list[dict[str, Any]]:
        # Airflow 3.3.2 answers 500 here while a run that an event created is still queued.
        self.consumed()
        found = self.stack.airflow.api("GET", "assets/events")["asset_events"]
        assert isinstance(found, list)
        return found


def settings(folder: Path, alerts: Received, statsd: StatsdListener) -> dict[str, str]:
    """A deployment with all of it; the schedule is of three minutes ago, and due two later."""
    began = datetime.now(timezone.utc) - timedelta(minutes=3)
    due = began + timedelta(minutes=2)
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(REPOSITORY / "dags/reindex_batch.py", dags)
    (dags / "consumer.py").write_text(CONSUMER)
    lineage = {"type": "file", "log_file_path": str(folder / "lineage"), "append": True}
    return {
        **SETTINGS,
        "REINDEX_SCHEDULE": f"{began.minute} {began.hour} * * *",
        "REINDEX_DEADLINE": f"{due:%H:%M}",
        "REINDEX_ALERTS": "webhook:my_pager",
        "REINDEX_ALERT_DRIFT": "0.05",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW_CONN_MY_PAGER": json.dumps(alerts.connections()["my_pager"]),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(lineage),
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
    }


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    with (
        receiving() as alerts,
        statsd_listener() as statsd,
        running_stack(
            folder,
            creators=CREATORS,
            projects=PROJECTS,
            settings=settings(folder, alerts, statsd),
            start_airflow=partial(running_airflow, triggerer=True),
        ) as stack,
    ):
        # Slow enough to be still at work when its deadline is looked at.
        stack.platform.put_faults([{"kind": "latency", "ms": 300}])
        stack.airflow.wait_for_dag(CONSUMER_ID)
        for dag_id in (CONSUMER_ID, DAG_ID):
            stack.airflow.api("PATCH", f"dags/{dag_id}", {"is_paused": False})
        run_id = the_run(stack, DAG_ID)
        assert stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS) == "success"
        yield Night(stack, alerts, statsd, folder / "lineage", run_id)


def the_run(stack: Stack, dag_id: str) -> str:
    """The run id of the DAG's only run, once there is one."""

    def runs() -> list[dict[str, Any]]:
        found = stack.airflow.api("GET", f"dags/{dag_id}/dagRuns")["dag_runs"]
        assert isinstance(found, list)
        return found

    wait_until(lambda: bool(runs()), RUN_SECONDS, f"a run of {dag_id}", interval=0.3)
    return str(runs()[0]["dag_run_id"])


def await_that(true: Callable[[], bool], what: str) -> None:
    wait_until(true, 60, what, interval=0.3)


def test_a_night_that_is_late_and_finds_drift_is_told_once_of_each(night: Night) -> None:
    assert night.run_id.startswith("scheduled__")
    await_that(lambda: len(night.alerts.posts) >= 2, "two alerts")
    posts = {post["event"]: post for _, post in night.alerts.posts}
    assert sorted(night.events()) == ["deadline", "drift"]
    assert "should have ended by" in posts["deadline"]["verdict"]
    assert posts["drift"]["verdict"].startswith("drift 100.00% is above 5.00%")
    for post in posts.values():
        assert post["runId"] == night.run_id
        assert post["url"].startswith(f"{night.stack.airflow.url}/dags/{DAG_ID}/runs/scheduled__")


def test_a_verified_full_run_updates_each_types_asset(night: Night) -> None:
    events = {event["name"]: event for event in night.asset_events()}
    assert set(events) == {"search_index_creator", "search_index_project"}
    creator = events["search_index_creator"]
    assert creator["uri"] == "x-reindex://discovery/creator"
    assert creator["source_run_id"] == night.run_id
    assert creator["extra"]["runId"] == night.run_id
    assert creator["extra"]["indexed"] == CREATORS
    assert events["search_index_project"]["extra"]["indexed"] == PROJECTS


def test_another_dag_starts_on_the_fresh_index_and_reads_the_ledger(night: Night) -> None:
    run_id, state = night.consumed()
    assert state == "success"
    extra = night.stack.airflow.xcom(CONSUMER_ID, run_id, "what_is_new")
    assert (extra["runId"], extra["indexed"]) == (night.run_id, CREATORS)


def test_openlineage_names_source_and_target(night: Night) -> None:
    lines = [json.loads(line) for line in night.lineage.read_text().splitlines()]
    ended = [
        event
        for event in lines
        if event["job"]["name"] == f"{DAG_ID}.reindex_chunk" and event["eventType"] == "COMPLETE"
    ]
    read = {each["name"] for event in ended for each in event["inputs"]}
    assert {"marketplace.creatorprofiles", "marketplace.projects", "marketplace.users"} == read
    written = {
        each["name"]: each["outputFacets"]["outputStatistics"]["rowCount"]
        for event in ended
        for each in event["outputs"]
    }
    assert written == {"search/creator": CREATORS, "search/project": PROJECTS}
    targets = {each["namespace"] for event in ended for each in event["outputs"]}
    assert targets == {night.stack.platform.base_url}
    assert night.stack.platform.token not in night.lineage.read_text()


def test_metrics_of_the_tasks_arrive(night: Night) -> None:
    assert night.statsd.total("airflow.reindex.documents.creator.indexed") == CREATORS
    assert night.statsd.total("airflow.reindex.documents.project.indexed") == PROJECTS
    assert "airflow.reindex.drift.creator" in night.statsd.names()


def test_a_run_that_fails_is_told_once_and_updates_no_asset(night: Night) -> None:
    before, assets = len(night.alerts.posts), len(night.asset_events())
    night.stack.platform.clear_faults()
    night.stack.platform.put_faults([{"kind": "auth_expires"}])
    run_id = night.stack.airflow.trigger(DAG_ID, {})
    assert night.stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS) == "failed"
    await_that(lambda: len(night.alerts.posts) > before, "an alert")
    told = night.events()[before:]
    assert told == ["failed"]
    post = night.alerts.posts[-1][1]
    assert post["runId"] == run_id
    assert post["redrive"] == {"redrive": run_id}
    assert "not reached" in post["verdict"]
    assert len(night.asset_events()) == assets


def test_a_run_of_some_ids_updates_no_asset(night: Night) -> None:
    assets = len(night.asset_events())
    night.stack.platform.clear_faults()
    run_id = night.stack.airflow.trigger(DAG_ID, {"updatedSince": "2020-01-01T00:00:00Z"})
    assert night.stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS) == "success"
    assert len(night.asset_events()) == assets


def test_an_alert_that_cannot_be_sent_changes_no_outcome(night: Night) -> None:
    before = len(night.alerts.posts)
    assert len(set(night.events())) == before  # nobody was told anything twice
    night.stack.platform.clear_data()
    night.alerts.status = 500
    run_id = night.stack.airflow.trigger(DAG_ID, {"docType": "project"})
    assert night.stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS) == "success"
    await_that(lambda: len(night.alerts.posts) > before, "the attempt to alert")
    await_that(
        lambda: (
            "no alert reached webhook:my_pager"
            in night.stack.airflow.task_log(DAG_ID, run_id, "report")
        ),
        "the log of the report",
    )
