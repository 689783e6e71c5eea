"""What a run tells StatsD, and that the dashboard asks for nothing else."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils

from reindex.doc_types import DOC_TYPES
from reindex.metrics import METRICS, NOT_REACHED, OUTCOMES
from sandbox.platform import Platform
from sandbox.seed import generate
from tests.integration.alert_receivers import serving
from tests.integration.in_process_run import InProcessRun
from tests.integration.statsd_listener import StatsdListener, statsd_listener

REPOSITORY = Path(__file__).resolve().parents[2]
DASHBOARDS = REPOSITORY / "dashboards"
KINDS = {"counter": "c", "gauge": "g", "timer": "ms"}


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdListener]:
    """Airflow's metrics on, as a deployment's environment turns them on."""
    with statsd_listener() as listener:
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(listener.port))
        _initialize()
        yield listener
    monkeypatch.undo()
    _initialize()


def _initialize() -> None:
    """As Airflow's task runner does."""
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


def settled(statsd: StatsdListener) -> StatsdListener:
    """Once nothing more arrives."""
    seen = -1
    while len(statsd.lines) != seen:
        seen = len(statsd.lines)
        time.sleep(0.15)
    return statsd


def a_run_of_everything(platform: Platform) -> InProcessRun:
    """Creators and projects: one takes three attempts, one is refused for good."""
    passing, refused = (str(each["_id"]) for each in islice(generate("creatorprofiles", 2, 1), 2))
    platform.put_faults(
        [
            {"kind": "error", "status": 500, "times": 2, "docIds": [passing]},
            {"kind": "validation", "docIds": [refused]},
        ]
    )
    run = InProcessRun({})
    assert run.go()["state"] == "success"
    return run


def test_every_metric_of_the_table_is_emitted_as_what_it_is(
    connected: Platform, statsd: StatsdListener
) -> None:
    a_run_of_everything(connected)
    kinds = {name: kind for name, kind, _ in settled(statsd).samples()}
    for metric in METRICS:
        pattern = re.sub(r"\\{\w+\\}", "[a-z_]+", re.escape(f"airflow.{metric.name}"))
        found = [kind for name, kind in kinds.items() if re.fullmatch(pattern, name)]
        assert found, f"{metric.name} was not emitted; these were: {sorted(kinds)}"
        assert set(found) == {KINDS[metric.kind]}


def test_counters_add_up_to_the_ledger(connected: Platform, statsd: StatsdListener) -> None:
    result = a_run_of_everything(connected).report()
    settled(statsd)
    for doc_type, row in result["docTypes"].items():
        for outcome, column in OUTCOMES.items():
            name = f"airflow.reindex.documents.{doc_type}.{outcome}"
            assert statsd.total(name) == row[column], name
    assert statsd.total("airflow.reindex.requests") == result["requests"] == 152
    assert statsd.total("airflow.reindex.retries") == 2


def test_drift_is_a_share_by_type(connected: Platform, statsd: StatsdListener) -> None:
    InProcessRun({"docType": "creator"}).go()
    InProcessRun({}).go()
    drifts = [sample for sample in settled(statsd).samples() if ".drift." in sample[0]]
    assert drifts == [
        ("airflow.reindex.drift.creator", "g", 1.0),
        ("airflow.reindex.drift.creator", "g", 0.0),
        ("airflow.reindex.drift.project", "g", 1.0),
    ]


def test_only_a_full_run_speaks_of_drift(connected: Platform, statsd: StatsdListener) -> None:
    InProcessRun({"updatedSince": "2020-01-01T00:00:00Z"}).go()
    assert not [name for name in settled(statsd).names() if ".drift." in name]


def test_a_run_that_fails_speaks_too(connected: Platform, statsd: StatsdListener) -> None:
    connected.put_faults([{"kind": "auth_expires"}])
    run = InProcessRun({"docType": "creator"})
    assert run.go()["state"] == "failed"
    settled(statsd)
    outcomes = [f"airflow.reindex.documents.creator.{name}" for name in ("not_reached", "failed")]
    assert all(statsd.total(name) > 0 for name in outcomes)
    assert sum(map(statsd.total, outcomes)) == 60
    assert "airflow.reindex.chunk.duration" in statsd.names()
    assert "airflow.reindex.latency.p99" in statsd.names()


def test_a_dry_run_counts_nothing_not_even_what_it_did_not_reach(
    connected: Platform, statsd: StatsdListener
) -> None:
    run = InProcessRun({"docType": "creator", "dryRun": True})
    run.plan()  # and its chunk never begins
    assert run.report()["notReached"] == 60
    InProcessRun({"docType": "project", "dryRun": True}).go()
    assert not [name for name in settled(statsd).names() if ".documents." in name]


def test_packets_do_not_grow_with_the_documents(
    connected: Platform, statsd: StatsdListener
) -> None:
    InProcessRun({"docType": "project"}).go()
    assert len(settled(statsd).lines) < 20  # of 90 documents


def test_where_tags_are_on_they_hold_type_and_outcome(
    connected: Platform, statsd: StatsdListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    _initialize()
    InProcessRun({"docType": "creator"}).go()
    counted = "airflow.reindex.documents.creator.indexed,doc_type=creator,outcome=indexed:60|c"
    assert counted in settled(statsd).lines


TELL_OTEL = """
import sys
sys.path.insert(0, {plugins!r})
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from reindex.metrics import tell_drift, tell_not_reached
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
rows = {{"creator": {{"notReached": 3, "indexed": 1, "ignored": 3}}}}
tell_drift({{"docTypes": rows}})
tell_not_reached({{"docTypes": rows}})
"""


def test_opentelemetry_gets_the_same_before_the_process_ends() -> None:
    with collecting() as (port, bodies):
        settings = {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        script = TELL_OTEL.format(plugins=str(REPOSITORY / "plugins"))
        done = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, **settings},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    sent = b"".join(bodies)
    assert b"airflow.reindex.drift.creator" in sent
    assert b"airflow.reindex.documents.creator.not_reached" in sent
    assert b"outcome" in sent


@contextmanager
def collecting() -> Iterator[tuple[int, list[bytes]]]:
    """An OpenTelemetry collector that writes down: its port, and the bodies it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            bodies.append(gzip.decompress(body) if packed else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port, bodies


@pytest.mark.usefixtures("connected")
def test_a_listener_that_is_not_there_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", "9")
    _initialize()
    assert InProcessRun({"docType": "creator"}).go()["state"] == "success"
    monkeypatch.undo()
    _initialize()


def exported(names: set[str]) -> set[str]:
    """The Prometheus names that the mapping makes of StatsD names; a summary has three."""
    mappings = yaml.safe_load((DASHBOARDS / "statsd_mapping.yaml").read_text())["mappings"]
    made: set[str] = set()
    for mapping in mappings:
        pattern = re.escape(mapping["match"]).replace(r"\*", "[^.]+")
        if any(re.fullmatch(pattern, name) for name in names):
            summary = mapping.get("observer_type") == "summary"
            made |= {mapping["name"] + end for end in (("_sum", "_count") if summary else ("",))}
    return made


def expressions(dashboard: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return asked + [variable["definition"] for variable in dashboard["templating"]["list"][1:]]


def test_each_metric_that_the_dashboard_names_is_emitted(
    connected: Platform, statsd: StatsdListener
) -> None:
    a_run_of_everything(connected)
    dashboard = json.loads((DASHBOARDS / "grafana.json").read_text())
    named = {name for each in expressions(dashboard) for name in re.findall(r"reindex_\w+", each)}
    made = exported(settled(statsd).names())
    assert len(named) > 6
    assert named == made


def test_the_dashboard_asks_for_outcomes_that_exist() -> None:
    text = (DASHBOARDS / "grafana.json").read_text()
    asked = re.findall(r'outcome=~?\\"([a-z_|]+)\\"', text)
    assert asked
    assert {one for each in asked for one in each.split("|")} <= {*OUTCOMES, NOT_REACHED}


def test_the_dashboard_is_one_that_grafana_10_imports() -> None:
    dashboard = json.loads((DASHBOARDS / "grafana.json").read_text())
    assert dashboard["schemaVersion"] >= 38
    assert "id" not in dashboard
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in dashboard["panels"])
    assert all(sum(panel["gridPos"][key] for key in "xw") <= 24 for panel in dashboard["panels"])


def test_names_are_what_every_backend_takes() -> None:
    for metric in METRICS:
        for doc_type in DOC_TYPES:
            name = metric.name.format(doc_type=doc_type, outcome=NOT_REACHED)
            assert stats.normalize_name_for_stats(name) == name
