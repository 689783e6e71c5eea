"""
Pure: where a deployment's alerts go, and what an alert says.

A channel is ``kind:connection#target``; several stand in a list with commas. An alert holds
figures, names and error messages: no document content, no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reindex.errors import named, shown
from reindex.verdict import summary

FAILED, DRIFT, TIMED_OUT, DEADLINE = "failed", "drift", "timed out", "deadline"
JOBS = "jobs"
MOST_PROBLEMS, MOST_PROBLEM = 3, 300


@dataclass(frozen=True)
class Kind:
    """A way to be told: the provider's notifier, its package, and what stands behind the #."""

    notifier: str
    package: str
    target: str | None = None


KINDS: Mapping[str, Kind] = {
    "slack": Kind(
        "airflow.providers.slack.notifications.slack.SlackNotifier",
        "apache-airflow-providers-slack",
        "a channel, such as #reindex",
    ),
    "slackwebhook": Kind(
        "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier",
        "apache-airflow-providers-slack",
    ),
    "smtp": Kind(
        "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
        "apache-airflow-providers-smtp",
        "an address, such as #oncall@example.org",
    ),
    "webhook": Kind(
        "airflow.providers.http.notifications.http.HttpNotifier",
        "apache-airflow-providers-http",
    ),
}
_CHANNEL = re.compile(r"(?P<kind>[a-z]+):(?P<conn_id>[\w.-]{1,250})(#(?P<target>[^\s,#]+))?", re.A)


@dataclass(frozen=True)
class Channel:
    """Where alerts go: the Connection, and the Slack channel, mail address or path in it."""

    kind: str
    conn_id: str
    target: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.conn_id}" + (f"#{self.target}" if self.target else "")


def channels_of(text: str) -> tuple[Channel, ...]:
    """
    The channels of a list such as ``slack:slack_default#reindex, webhook:pager``.

    :raises ValueError: names the entry and what would be right
    """
    return tuple(_channel(entry.strip()) for entry in text.split(",") if entry.strip())


def _channel(entry: str) -> Channel:
    match = _CHANNEL.fullmatch(entry)
    if match is None:
        raise ValueError(f"{shown(entry)} is not kind:connection or kind:connection#target")
    if match["kind"] not in KINDS:
        raise ValueError(f"{shown(entry)}: {match['kind']} is not one of {', '.join(KINDS)}")
    kind = KINDS[match["kind"]]
    if kind.target and not match["target"]:
        raise ValueError(f"{shown(entry)} lacks {kind.target}")
    return Channel(match["kind"], match["conn_id"], match["target"])


@dataclass(frozen=True)
class Alert:
    """``verdict`` is one line; ``redrive`` the conf that brings what is left."""

    event: str
    run_id: str
    verdict: str
    url: str
    redrive: Mapping[str, object] | None = None

    @property
    def subject(self) -> str:
        return f"reindex {self.event}: {self.run_id}"

    @property
    def lines(self) -> tuple[str, ...]:
        again = (f'To repeat what is left: {{"redrive": "{self.run_id}"}}',) if self.redrive else ()
        return (self.verdict, *again, self.url)

    def to_json(self) -> dict[str, object]:
        """What a webhook gets; ``text`` is the key that chat services show."""
        return {
            "text": "\n".join((self.subject, *self.lines)),
            "event": self.event,
            "runId": self.run_id,
            "verdict": self.verdict,
            "url": self.url,
            "redrive": self.redrive,
        }


def failed_alert(result: Mapping[str, object], url: str) -> Alert:
    """Of a run whose report found that it failed."""
    redrive = result["redrive"]
    assert redrive is None or isinstance(redrive, Mapping)
    return Alert(FAILED, str(result["runId"]), _in_a_line(result), url, redrive)


def unreported_alert(run_id: str, error: BaseException | str | None, url: str) -> Alert:
    """Of a run whose report ended without a result."""
    verdict = f"the report did not come to its end: {_why(error)}"
    return Alert(FAILED, run_id, verdict, url, {"redrive": run_id})


def unleased_alert(run_id: str, error: BaseException | str | None, url: str) -> Alert:
    """Of a job worker that cannot lease."""
    return Alert(JOBS, run_id, f"the platform's jobs are not worked off: {_why(error)}", url)


def timed_out_alert(run_id: str, url: str) -> Alert:
    """Of a run that `dagrun_timeout` ended."""
    verdict = "the run took longer than its dagrun_timeout and was ended"
    return Alert(TIMED_OUT, run_id, verdict, url, {"redrive": run_id})


def drift_alert(result: Mapping[str, object], most: float | None, url: str) -> Alert | None:
    """Of a full run that found more than this share of the index stale; ``None`` if it did not."""
    drift = result["drift"]
    if most is None or not isinstance(drift, (int, float)) or drift <= most:
        return None
    verdict = f"drift {drift:.2%} is above {most:.2%}: {_in_a_line(result)}"
    return Alert(DRIFT, str(result["runId"]), verdict, url)


def deadline_alert(dag_run: Mapping[str, object], due: datetime, url: str) -> Alert | None:
    """Of a scheduled run that has not ended when it was due; other runs have no deadline."""
    if dag_run["run_type"] != "scheduled" or dag_run["state"] in ("success", "failed"):
        return None
    verdict = f"the run should have ended by {due:%Y-%m-%d %H:%M} UTC and is {dag_run['state']}"
    return Alert(DEADLINE, str(dag_run["dag_run_id"]), verdict, url)


def _why(error: BaseException | str | None) -> str:
    why = named(error) if isinstance(error, BaseException) else error
    return shown(why or "see its log", quote=False, most=500)


def _in_a_line(result: Mapping[str, object]) -> str:
    """The report's last line, with the gravest problems only: a chat shows no more."""
    problems = result["problems"]
    assert isinstance(problems, list)
    first = [shown(str(each), quote=False, most=MOST_PROBLEM) for each in problems[:MOST_PROBLEMS]]
    return summary({**result, "problems": first})
