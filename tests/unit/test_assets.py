"""Which document types a run has verified."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from reindex.assets import SEARCH_INDEX, verified
from reindex.chunks import RangeChunk, descriptor_of
from reindex.conf import RunConf
from reindex.doc_types import DOC_TYPES
from reindex.ledger import ChunkLedger, Counts
from reindex.run_ledger import run_ledger
from reindex.verdict import run_result, verdict_of

BOTH = RunConf(("creator", "project"))


def result_of(conf: RunConf, *, reached: int = 5, failed: int = 0) -> dict[str, Any]:
    """A run of two chunks of five documents, of which the projects' may not end."""
    chunks = [RangeChunk(0, "creator", "0", "1", 5), RangeChunk(1, "project", "0", "1", 5)]
    creators = Counts(expected=5, fetched=5, indexed=3, ignored=2)
    projects = Counts(expected=5, fetched=reached, indexed=reached - failed, failed=failed)
    ledgers = [
        ChunkLedger(0, {"creator": creators}, complete=True, ended=1.0),
        ChunkLedger(1, {"project": projects}, complete=reached == 5, ended=1.0),
    ]
    run = run_ledger(map(descriptor_of, chunks), [ledger.to_json() for ledger in ledgers])
    return run_result("run-1", run, conf, verdict_of(run, conf))


def test_every_type_has_an_asset_of_its_own() -> None:
    assert set(SEARCH_INDEX) == set(DOC_TYPES)
    assert SEARCH_INDEX["creator"].name == "search_index_creator"
    assert SEARCH_INDEX["creator"].uri == "x-reindex://discovery/creator"


def test_a_full_run_verifies_its_types_with_their_rows() -> None:
    rows = verified(BOTH, result_of(BOTH))
    assert set(rows) == {"creator", "project"}
    assert rows["creator"]["runId"] == "run-1"
    assert rows["creator"]["planned"] == 5
    assert rows["creator"]["indexed"] == 3
    assert rows["creator"]["ignored"] == 2


def test_a_run_of_one_type_verifies_that_one() -> None:
    conf = RunConf(("creator",))
    assert set(verified(conf, result_of(conf))) == {"creator"}


def test_failures_within_the_tolerance_stand_in_the_row() -> None:
    conf = RunConf(("creator", "project"), failure_tolerance=0.5)
    assert verified(conf, result_of(conf, failed=1))["project"]["failed"] == 1


@pytest.mark.parametrize("how", [{"reached": 3}, {"failed": 4}])
def test_a_run_that_failed_verifies_nothing(how: dict[str, int]) -> None:
    result = result_of(BOTH, **how)
    assert result["state"] == "failed"
    assert verified(BOTH, result) == {}


@pytest.mark.parametrize(
    "partly",
    [
        {"doc_ids": ("1" * 24,)},
        {"updated_since": datetime(2026, 11, 1, tzinfo=timezone.utc)},
        {"redrive": "run-0"},
        {"dry_run": True},
    ],
)
def test_only_a_full_run_in_earnest_verifies(partly: dict[str, Any]) -> None:
    conf = RunConf(("creator", "project"), **partly)
    assert verified(conf, {**result_of(BOTH), "state": "success"}) == {}


def test_a_type_without_documents_has_no_row_to_verify() -> None:
    conf = RunConf(("creator",), allow_empty=True)
    run = run_ledger([], [])
    assert verified(conf, run_result("run-1", run, conf, verdict_of(run, conf))) == {}
