"""
Airflow's callbacks that send the alerts, through the providers' own notifiers.

Airflow logs what a callback raises and lets the run's outcome be. Bind the channels in the DAG
file (:func:`functools.partial`); a notifier's class is imported when an alert is sent.
"""

from __future__ import annotations

import asyncio
import html
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.sdk import (  # type: ignore[attr-defined]  # its stub lacks them
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
)

from reindex.alerts import (
    KINDS,
    Alert,
    Channel,
    channels_of,
    deadline_alert,
    drift_alert,
    failed_alert,
    timed_out_alert,
    unleased_alert,
    unreported_alert,
)
from reindex.deployment import Deployment
from reindex.errors import ReindexError
from reindex.operators.run_context import REPORT_TASK, run_conf
from reindex.run_timed_out import TIMED_OUT
from reindex.views.urls import run_report_url

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

log = logging.getLogger(__name__)

SECONDS = 15
SLACK_ID = re.compile(r"[CDGU][A-Z0-9]{7,}", re.ASCII)


class AlertNotSent(ReindexError):
    """Names the channels that an alert did not reach."""


def alert_failed(channels: Sequence[Channel], context: Mapping[str, Any]) -> None:
    """The report's failure callback: the run failed, or the report itself did."""
    if not channels:
        return
    run_id, url = context["run_id"], report_url(context["dag"].dag_id, context["run_id"])
    result = _result(context)
    if result is not None and result["state"] != "success":
        send(channels, failed_alert(result, url))
    else:
        send(channels, unreported_alert(run_id, context.get("exception"), url))


def alert_drift(
    channels: Sequence[Channel], most: float | None, context: Mapping[str, Any]
) -> None:
    """The report's success callback: a full run found more of the index stale than it may be."""
    result = _result(context) if channels and most is not None else None
    if result is None or not run_conf(context).full:
        return
    url = report_url(context["dag"].dag_id, context["run_id"])
    if alert := drift_alert(result, most, url):
        send(channels, alert)


def alert_timed_out(channels: Sequence[Channel], context: Mapping[str, Any]) -> None:
    """The DAG's failure callback: `dagrun_timeout` is the one ending without a report."""
    if context.get("reason") == TIMED_OUT:
        url = report_url(context["dag"].dag_id, context["run_id"])
        send(channels, timed_out_alert(context["run_id"], url))


def alert_unleased(channels: Sequence[Channel], context: Mapping[str, Any]) -> None:
    """The lease's failure callback: a person has to act, and is told once an outage, not a poll."""
    if not channels:
        return
    ti = context["ti"]
    before = ti.get_previous_ti()
    if before is None or before.state != "failed":
        send(channels, unleased_alert(context["run_id"], context.get("exception"), ti.log_url))


def nightly_deadline(deployment: Deployment) -> DeadlineAlert | None:
    """The DAG's deadline; Airflow's triggerer tells of a run that has not ended by then."""
    if deployment.deadline is None:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=deployment.deadline,
        callback=AsyncCallback(
            alert_deadline, {"channels": ", ".join(map(str, deployment.alerts))}
        ),
    )


async def alert_deadline(channels: str, context: Mapping[str, Any]) -> None:
    """
    The deadline's callback, in the triggerer.

    :param channels: as :func:`reindex.alerts.channels_of` reads them; it travels as JSON
    """
    dag_run, due = context["dag_run"], context["deadline"]["deadline_time"]
    due = datetime.fromisoformat(due) if isinstance(due, str) else due
    alert = deadline_alert(dag_run, due, report_url(dag_run["dag_id"], dag_run["dag_run_id"]))
    if alert is None:
        return
    unsent: list[Channel] = []
    for channel, notifier in _notifiers(channels_of(channels), alert, unsent):
        try:
            await asyncio.wait_for(notifier.async_notify({}), SECONDS * 2)
        except Exception:
            _note(channel, unsent)
    _raise_for(unsent)


def send(channels: Sequence[Channel], alert: Alert) -> None:
    """
    Send to every channel, whatever becomes of the others.

    :raises AlertNotSent: afterwards, when one could not be reached; its log entry says why
    """
    unsent: list[Channel] = []
    for channel, notifier in _notifiers(channels, alert, unsent):
        try:
            # Not notifier(context): that would take the message for a template, and a message
            # quotes what a conf or a service said.
            notifier.notify({})
        except Exception:
            _note(channel, unsent)
    _raise_for(unsent)


def report_url(dag_id: str, run_id: str) -> str:
    """The run's report in the Airflow UI."""
    from airflow.sdk.configuration import conf  # at run time: it reads files

    return run_report_url(str(conf.get("api", "base_url", fallback="")), dag_id, run_id)


def notifier_of(channel: Channel, alert: Alert) -> BaseNotifier:
    """
    The provider's notifier with the alert in it.

    :raises AlertNotSent: names the package that has to be installed
    """
    kind = KINDS[channel.kind]
    module, _, name = kind.notifier.rpartition(".")
    try:
        made = getattr(import_module(module), name)
    except ImportError as error:
        raise AlertNotSent(f"{channel} needs {kind.package}, which is not installed") from error
    notifier: BaseNotifier = made(**_ARGUMENTS[channel.kind](channel, alert))
    return notifier


def _notifiers(
    channels: Sequence[Channel], alert: Alert, unsent: list[Channel]
) -> Iterator[tuple[Channel, BaseNotifier]]:
    for channel in channels:
        try:
            notifier = notifier_of(channel, alert)
        except Exception:
            _note(channel, unsent)
        else:
            yield channel, notifier


def _note(channel: Channel, unsent: list[Channel]) -> None:
    log.exception("the alert to %s could not be sent", channel)
    unsent.append(channel)


def _raise_for(unsent: Sequence[Channel]) -> None:
    if unsent:
        raise AlertNotSent(f"no alert reached {', '.join(map(str, unsent))}")


def _result(context: Mapping[str, Any]) -> Mapping[str, Any] | None:
    result = context["ti"].xcom_pull(task_ids=REPORT_TASK, map_indexes=-1)
    return result if isinstance(result, Mapping) else None


def _slack(channel: Channel, alert: Alert) -> dict[str, object]:
    # Slack reads < and & as markup: <!channel> would call everybody.
    text = html.escape(str(alert.to_json()["text"]), quote=False)
    return {"text": text, "timeout": SECONDS, "unfurl_links": False}


def _slack_channel(channel: Channel, alert: Alert) -> dict[str, object]:
    target = str(channel.target)
    return {
        **_slack(channel, alert),
        "slack_conn_id": channel.conn_id,
        "channel": target if SLACK_ID.fullmatch(target) else f"#{target}",
        "username": "reindex",
    }


def _slack_webhook(channel: Channel, alert: Alert) -> dict[str, object]:
    return {**_slack(channel, alert), "slack_webhook_conn_id": channel.conn_id}


def _mail(channel: Channel, alert: Alert) -> dict[str, object]:
    return {
        "smtp_conn_id": channel.conn_id,
        "to": channel.target,
        "subject": alert.subject,
        "html_content": "".join(f"<p>{html.escape(line)}</p>" for line in alert.lines),
    }


def _webhook(channel: Channel, alert: Alert) -> dict[str, object]:
    return {
        "http_conn_id": channel.conn_id,
        "endpoint": channel.target,
        "json": alert.to_json(),
        "extra_options": {"timeout": SECONDS},
    }


_ARGUMENTS = {
    "slack": _slack_channel,
    "slackwebhook": _slack_webhook,
    "smtp": _mail,
    "webhook": _webhook,
}
