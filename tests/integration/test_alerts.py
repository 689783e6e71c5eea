"""Alerts through the providers' real notifiers and hooks, to servers on loopback."""

from __future__ import annotations

import asyncio
import email
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from reindex.alerting import (
    AlertNotSent,
    alert_deadline,
    alert_drift,
    alert_failed,
    alert_timed_out,
    alert_unleased,
)
from reindex.alerts import channels_of
from reindex.errors import AuthRefused
from sandbox.platform import Platform
from tests.integration.alert_receivers import Received, receiving
from tests.integration.in_process_run import InProcessRun, connect

EVERY_CHANNEL = (
    "slack:my_slack#reindex, slackwebhook:my_hook, webhook:my_pager#alerts, "
    "smtp:my_mail#oncall@example.org"
)
RUN_ID = "scheduled__2026-11-23T02:00:00+00:00"
PAGE = "dags/reindex_batch/runs/scheduled__2026-11-23T02%3A00%3A00%2B00%3A00/plugin/reindex-run"


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    with receiving() as servers:
        connect(monkeypatch, servers.connections())
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org")
        yield servers


def context(run: InProcessRun, **more: object) -> Mapping[str, Any]:
    """A callback's: what the operators had, and the DAG."""
    made = run.context("report")
    return {**made, "dag": SimpleNamespace(dag_id="reindex_batch"), **more}


def failed_run() -> InProcessRun:
    run = InProcessRun({"docIds": ["f" * 24]}, run_id=RUN_ID)
    assert run.go()["state"] == "failed"
    return run


@pytest.mark.usefixtures("connected")
def test_a_failed_run_reaches_every_channel(received: Received) -> None:
    alert_failed(channels_of(EVERY_CHANNEL), context(failed_run()))
    posts = dict(received.posts)
    assert set(posts) == {"/api/chat.postMessage", "/services/T/B/secret", "/alerts"}
    assert posts["/api/chat.postMessage"]["channel"] == "#reindex"
    for post in posts.values():
        subject, verdict, url = post["text"].splitlines()
        assert subject == f"reindex failed: {RUN_ID}"
        assert verdict.startswith("reindex all failed: none of the 1 docIds exists")
        assert "planned 1, indexed 0, ignored 0, missing 1" in verdict
        assert url == f"https://airflow.example.org/{PAGE}"
    assert posts["/alerts"]["event"] == "failed"
    assert posts["/alerts"]["runId"] == RUN_ID
    [mail] = received.mails
    message = email.message_from_string(mail)
    assert message["To"] == "oncall@example.org"
    assert RUN_ID in str(message["Subject"])


@pytest.mark.usefixtures("connected")
def test_what_is_left_can_be_pasted(platform: Platform, received: Received) -> None:
    platform.put_faults([{"kind": "error", "status": 422}])
    run = InProcessRun({"docType": "creator"}, run_id=RUN_ID)
    assert run.go()["state"] == "failed"
    alert_failed(channels_of("webhook:my_pager"), context(run))
    [(_, post)] = received.posts
    assert post["redrive"] == {"redrive": RUN_ID}
    assert f'{{"redrive": "{RUN_ID}"}}' in post["text"]


def test_a_report_without_a_result_is_an_alert_too(received: Received) -> None:
    run = InProcessRun({}, run_id=RUN_ID)
    error = RuntimeError("the Jobs service is away")
    alert_failed(channels_of("webhook:my_pager"), context(run, exception=error))
    [(_, post)] = received.posts
    assert "RuntimeError: the Jobs service is away" in post["verdict"]


@pytest.mark.usefixtures("connected")
def test_a_report_that_fails_behind_a_good_result_says_what_failed(received: Received) -> None:
    run = InProcessRun({"docType": "creator"}, run_id=RUN_ID)
    assert run.go()["state"] == "success"
    alert_failed(channels_of("webhook:my_pager"), context(run, exception=OSError("disk full")))
    [(_, post)] = received.posts
    assert "OSError: disk full" in post["verdict"]


def test_a_message_is_no_template_and_no_markup(received: Received) -> None:
    run = InProcessRun({}, run_id=RUN_ID)
    error = RuntimeError("{{ conn.my_slack.password }} <!channel> {% raw %}")
    alert_failed(channels_of(EVERY_CHANNEL), context(run, exception=error))
    posts = dict(received.posts)
    assert "{{ conn.my_slack.password }} <!channel> {% raw %}" in posts["/alerts"]["text"]
    assert "&lt;!channel&gt;" in posts["/api/chat.postMessage"]["text"]
    assert "&lt;!channel&gt;" in posts["/services/T/B/secret"]["text"]
    body = email.message_from_string(received.mails[0]).get_payload(0)
    assert isinstance(body, email.message.Message)
    html = bytes(body.get_payload(decode=True)).decode()
    assert "{{ conn.my_slack.password }} &lt;!channel&gt;" in html


@pytest.mark.parametrize(
    ("conf", "most", "alerts"),
    [
        ({"docType": "creator"}, 0.05, 1),  # an empty index: all of it was stale
        ({"docType": "creator"}, None, 0),
        ({"docType": "creator", "updatedSince": "2020-01-01T00:00:00Z"}, 0.05, 0),
    ],
)
@pytest.mark.usefixtures("connected")
def test_drift_of_a_full_run(
    received: Received, conf: Mapping[str, object], most: float | None, alerts: int
) -> None:
    run = InProcessRun(conf, run_id=RUN_ID)
    assert run.go()["state"] == "success"
    alert_drift(channels_of("webhook:my_pager"), most, context(run))
    assert [post["event"] for _, post in received.posts] == ["drift"] * alerts
    if alerts:
        assert received.posts[0][1]["verdict"].startswith("drift 100.00% is above 5.00%: reindex")


@pytest.mark.usefixtures("connected")
def test_a_current_index_is_no_drift(received: Received) -> None:
    InProcessRun({"docType": "creator"}).go()
    run = InProcessRun({"docType": "creator"}, run_id=RUN_ID)
    assert run.go()["drift"] == 0
    alert_drift(channels_of("webhook:my_pager"), 0.05, context(run))
    assert received.posts == []


@pytest.mark.parametrize(("reason", "alerts"), [("timed_out", 1), ("task_failure", 0)])
def test_a_run_that_timed_out(received: Received, reason: str, alerts: int) -> None:
    run = InProcessRun({}, run_id=RUN_ID)
    alert_timed_out(channels_of("webhook:my_pager"), context(run, reason=reason))
    assert [post["event"] for _, post in received.posts] == ["timed out"] * alerts


@pytest.mark.parametrize(
    ("before", "alerts"), [(None, 1), ("success", 1), ("skipped", 1), ("failed", 0)]
)
def test_a_lease_that_fails_is_told_once_an_outage(
    received: Received, before: str | None, alerts: int
) -> None:
    previous = before and SimpleNamespace(state=before)
    ti = SimpleNamespace(get_previous_ti=lambda: previous, log_url="https://airflow/lease")
    error = AuthRefused("Jobs service at http://jobs refused the token (401)")
    alert_unleased(
        channels_of("webhook:my_pager"), {"ti": ti, "run_id": RUN_ID, "exception": error}
    )
    assert len(received.posts) == alerts
    for _, post in received.posts:
        assert (post["event"], post["runId"], post["url"]) == ("jobs", RUN_ID, ti.log_url)
        assert post["verdict"] == (f"the platform's jobs are not worked off: AuthRefused: {error}")
        assert post["redrive"] is None


def test_one_channel_that_fails_does_not_silence_the_others(
    received: Received, caplog: pytest.LogCaptureFixture
) -> None:
    run = InProcessRun({}, run_id=RUN_ID)
    channels = channels_of("webhook:not_there, webhook:my_pager")
    with pytest.raises(AlertNotSent, match="no alert reached webhook:not_there"):
        alert_failed(channels, context(run))
    assert len(received.posts) == 1
    assert "the alert to webhook:not_there could not be sent" in caplog.text


def test_an_answer_of_500_is_no_delivery(received: Received) -> None:
    received.status = 500
    run = InProcessRun({}, run_id=RUN_ID)
    with pytest.raises(AlertNotSent, match="webhook:my_pager, slackwebhook:my_hook"):
        alert_failed(channels_of("webhook:my_pager, slackwebhook:my_hook"), context(run))


def test_a_missing_provider_is_named_with_its_package(
    received: Received, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.slack.notifications.slack", None)
    caplog.set_level(logging.ERROR)
    run = InProcessRun({}, run_id=RUN_ID)
    with pytest.raises(AlertNotSent):
        alert_failed(channels_of("slack:my_slack#reindex"), context(run))
    assert "needs apache-airflow-providers-slack, which is not installed" in caplog.text


def deadline_context(**dag_run: object) -> dict[str, Any]:
    """As Airflow's scheduler makes it."""
    due = datetime(2026, 11, 23, 6, 0, tzinfo=timezone.utc)
    run = {"dag_id": "reindex_batch", "dag_run_id": RUN_ID, "run_type": "scheduled"}
    return {
        "dag_run": {**run, "state": "running", **dag_run},
        "deadline": {"id": "1", "deadline_time": due},
    }


def test_a_missed_deadline_reaches_every_channel(received: Received) -> None:
    asyncio.run(alert_deadline(EVERY_CHANNEL, deadline_context()))
    posts = dict(received.posts)
    assert set(posts) == {"/api/chat.postMessage", "/services/T/B/secret", "/alerts"}
    assert posts["/alerts"]["verdict"] == (
        "the run should have ended by 2026-11-23 06:00 UTC and is running"
    )
    assert len(received.mails) == 1


@pytest.mark.parametrize("dag_run", [{"run_type": "manual"}, {"state": "failed"}])
def test_other_runs_and_ended_ones_have_no_deadline(
    received: Received, dag_run: dict[str, object]
) -> None:
    asyncio.run(alert_deadline("webhook:my_pager", deadline_context(**dag_run)))
    assert received.posts == []


def test_without_channels_nothing_is_looked_up() -> None:
    run = InProcessRun({}, run_id=RUN_ID)
    for callback in (
        partial(alert_failed, ()),
        partial(alert_drift, (), 0.05),
        partial(alert_unleased, ()),
    ):
        callback({"ti": None, "run_id": run.run_id})
