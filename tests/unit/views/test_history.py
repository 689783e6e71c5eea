"""The history: a point a run, also of runs that left no report."""

from __future__ import annotations

import json
from typing import Any

from reindex.views.history import history
from reindex.views.records import PastRun
from tests.unit.views.records import START, a_chunk, a_run, at, reported

BOTH = reported(
    a_run([a_chunk(0, indexed=1, ignored=3), a_chunk(1, doc_type="project", indexed=2, missing=1)])
).result
PROJECTS = reported(a_run([a_chunk(0, doc_type="project", ignored=5)])).result


def a_past(run_id: str, result: Any, **changes: Any) -> PastRun:
    given = {"state": "success", "trigger": "nightly", "start": START, "end": at(30), **changes}
    return PastRun(run_id=run_id, result=result, **given)


RUNS = [
    a_past("1", BOTH),
    a_past("2", None, state="failed", trigger="job"),
    a_past("3", PROJECTS),
    a_past("4", None, state="running", end=None),
]


def shown(doc_type: str | None = None) -> list[dict[str, Any]]:
    made = history("reindex_batch", RUNS, doc_type)
    assert json.loads(json.dumps(made)) == made
    assert made["docTypes"] == ["creator", "project"]
    points: list[dict[str, Any]] = made["runs"]
    return points


def test_a_point_is_what_the_report_says() -> None:
    assert BOTH is not None
    point = shown()[0]
    assert point["totals"]["indexed"] == BOTH["indexed"] == 3
    assert point["totals"]["missing"] == 1
    assert point["drift"] == BOTH["drift"] == 0.5
    assert point["docsPerSecond"] == BOTH["docsPerSecond"]
    assert (point["runId"], point["dagId"], point["trigger"]) == ("1", "reindex_batch", "nightly")
    assert (point["start"], point["seconds"]) == ("2026-11-20T02:00:00+00:00", 30)


def test_runs_without_a_report_are_there_with_their_state() -> None:
    points = shown()
    assert [(point["state"], point["totals"] is None) for point in points] == [
        ("success", False),
        ("failed", True),
        ("success", False),
        ("running", True),
    ]
    assert points[3]["seconds"] is None


def test_one_document_type() -> None:
    points = shown("creator")
    assert [point["runId"] for point in points] == ["1", "2", "4"]
    assert points[0]["totals"]["indexed"] == 1
    assert points[0]["drift"] == 0.25


def test_a_dry_run_is_marked_and_has_no_drift() -> None:
    assert BOTH is not None
    dry = {**BOTH, "dryRun": {"requests": 4}, "full": False}
    for result in (dry, None):
        past = a_past("1", result, dry_run=True)
        (point,) = history("reindex_batch", [past], "creator")["runs"]
        assert point["dryRun"] is True
        assert point["drift"] is None


def test_drift_is_that_of_full_runs_alone() -> None:
    assert BOTH is not None
    partial = {**BOTH, "full": False}
    (point,) = history("reindex_batch", [a_past("1", partial)], None)["runs"]
    assert (point["totals"]["indexed"], point["drift"]) == (3, None)
