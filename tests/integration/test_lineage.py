"""What Airflow's OpenLineage provider gets to know of a chunk, asked as it asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.openlineage.extractors.base import DefaultExtractor

from reindex.chunks import RangeChunk, SliceChunk, descriptor_of
from reindex.lineage import source_namespace
from reindex.operators.chunk import ReindexChunkOperator
from sandbox.mongo import Mongo
from sandbox.platform import Platform
from tests.integration.in_process_run import InProcessRun, connect

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
CREATORS = RangeChunk(0, "creator", "0" * 24, None, 60)


def names(datasets: list[Any]) -> set[tuple[str, str]]:
    return {(dataset.namespace, dataset.name) for dataset in datasets}


def extracted(task: ReindexChunkOperator) -> Any:
    lineage = DefaultExtractor(task).extract()
    assert lineage is not None
    return lineage


def test_source_and_target_are_named(connected: Platform, mongo: Mongo) -> None:
    task = ReindexChunkOperator(task_id="reindex_chunk", chunk=descriptor_of(CREATORS))
    lineage = extracted(task)
    port = mongo.uri.rpartition(":")[2].partition("/")[0]
    source = f"mongodb://127.0.0.1:{port}"
    assert names(lineage.inputs) == {
        (source, "marketplace.creatorprofiles"),
        (source, "marketplace.users"),
    }
    assert names(lineage.outputs) == {(connected.base_url, "search/creator")}


def test_the_end_says_how_many_were_written(connected: Platform) -> None:
    run = InProcessRun({"docType": "creator"})
    task = ReindexChunkOperator(task_id="reindex_chunk", chunk=run.plan()[0])
    task.execute(run.context("reindex_chunk", 0))
    lineage = DefaultExtractor(task).extract_on_complete(None)
    assert lineage is not None
    (output,) = lineage.outputs
    assert output.outputFacets["outputStatistics"].rowCount == 60


@pytest.mark.usefixtures("connected")
def test_ids_of_both_types_read_and_write_both() -> None:
    both = descriptor_of(SliceChunk(0, "all", 0, 10))
    lineage = extracted(ReindexChunkOperator(task_id="reindex_chunk", chunk=both))
    assert {name for _, name in names(lineage.inputs)} == {
        "marketplace.creatorprofiles",
        "marketplace.projects",
        "marketplace.users",
    }
    assert {name for _, name in names(lineage.outputs)} == {"search/creator", "search/project"}


def test_no_login_stands_in_a_name(connected: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"login": "reader", "password": "hush-hush"}
    mongo = {"conn_type": "mongo", "host": "db.example.org", "schema": "shop", **secret}
    api = {"conn_type": "http", "host": "https://api.example.org", **secret}
    connect(monkeypatch, {"marketplace_mongo": mongo, "discovery_api": api})
    task = ReindexChunkOperator(task_id="reindex_chunk", chunk=descriptor_of(CREATORS))
    lineage = extracted(task)
    assert names(lineage.outputs) == {("https://api.example.org", "search/creator")}
    assert ("mongodb://db.example.org:27017", "shop.creatorprofiles") in names(lineage.inputs)
    assert "hush-hush" not in str(lineage)


@pytest.mark.parametrize(
    ("host", "port", "srv", "namespace"),
    [
        ("db", None, False, "mongodb://db:27017"),
        ("db", 27018, False, "mongodb://db:27018"),
        ("a:1,b:2", None, False, "mongodb://a:1,b:2"),
        ("cluster.example.org", None, True, "mongodb://cluster.example.org"),
        (None, None, False, "mongodb://localhost:27017"),
    ],
)
def test_the_sources_name(host: str | None, port: int | None, srv: bool, namespace: str) -> None:
    assert source_namespace(host, port, srv=srv) == namespace


def test_importing_the_operators_imports_nothing_of_openlineage() -> None:
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(PLUGINS)!r})\n"
        "import reindex.lineage, reindex.operators.chunk, reindex.operators.report\n"
        "assert not [name for name in sys.modules if name.startswith('openlineage')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
