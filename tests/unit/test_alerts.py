"""Where alerts go and what they say; how they are sent: tests/integration/test_alerts.py."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from reindex.alerts import KINDS, Channel, channels_of, failed_alert, unreported_alert
from reindex.conf import RunConf
from reindex.deployment import Deployment
from reindex.run_ledger import run_ledger
from reindex.verdict import Verdict, run_result


def test_channels_stand_in_a_list() -> None:
    text = " slack:my_slack#C0123ABCD ,slackwebhook:hook,, smtp:mail#a@b.org,webhook:pager#v1/x"
    assert channels_of(text) == (
        Channel("slack", "my_slack", "C0123ABCD"),
        Channel("slackwebhook", "hook"),
        Channel("smtp", "mail", "a@b.org"),
        Channel("webhook", "pager", "v1/x"),
    )


def test_a_channel_is_written_as_it_was_read() -> None:
    text = "slack:my_slack#reindex, webhook:pager"
    assert ", ".join(map(str, channels_of(text))) == text


@pytest.mark.parametrize("text", ["", " ", ","])
def test_no_channels(text: str) -> None:
    assert channels_of(text) == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("slack", "'slack' is not kind:connection"),
        ("slack:", "is not kind:connection"),
        ("slack:a b", "is not kind:connection"),
        ("webhook:https://example.org", "is not kind:connection"),
        ("pager:duty", "pager is not one of slack, slackwebhook, smtp, webhook"),
        ("slack:my_slack", "'slack:my_slack' lacks a channel, such as #reindex"),
        ("webhook:pager,smtp:mail", "'smtp:mail' lacks an address, such as #oncall@example.org"),
    ],
)
def test_an_entry_that_cannot_be_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        channels_of(text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_names_its_providers_package(kind: str) -> None:
    provider = KINDS[kind].notifier.split(".")[2]
    assert KINDS[kind].package == f"apache-airflow-providers-{provider}"


def test_long_problems_leave_room_for_the_figures() -> None:
    run = run_ledger([], [])
    verdict = Verdict(tuple(f"problem {number} " + "x" * 1000 for number in range(9)))
    result = run_result("run-1", run, RunConf(("creator",)), verdict)
    alert = failed_alert(result, "https://example.org")
    assert len(alert.verdict) < 1_200
    assert "problem 2" in alert.verdict
    assert "problem 3" not in alert.verdict
    assert "[planned 0," in alert.verdict
    assert alert.redrive is None
    assert alert.lines == (alert.verdict, "https://example.org")


def test_an_error_of_many_lines_becomes_one() -> None:
    alert = unreported_alert("run-1", ValueError("first\nsecond " + "x" * 900), "https://x")
    assert "\n" not in alert.verdict
    assert "ValueError: first second" in alert.verdict
    assert len(alert.verdict) < 600


def test_the_documented_example_is_one() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/alerts.md").read_text()
    (example,) = re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
    deployment = Deployment.from_environment(dict(re.findall(r"^(\w+)=(.*)$", example, re.M)))
    assert [channel.kind for channel in deployment.alerts] == ["slack", "smtp", "webhook"]
    assert deployment.alert_drift == 0.05
    assert deployment.deadline == timedelta(hours=4)


def test_every_kind_is_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/alerts.md").read_text()
    for name, kind in KINDS.items():
        assert f"| `{name}:` | `{kind.notifier.rpartition('.')[2]}` |" in text
