"""The table of documents that are not in the index: what is found, what a download holds."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import Reason
from reindex.views.failure_table import COLUMNS, MEANINGS, FailureFilter, failure_rows, failures_csv
from tests.unit.views.records import HOSTILE, a_chunk, a_run

RECORD = a_run(
    [
        a_chunk(0, failed=3, missing=1),
        a_chunk(1, doc_type="project", failed=1, indexed=5),
    ]
)


def found(**asked: str) -> list[dict[str, Any]]:
    return failure_rows(RECORD, FailureFilter(**asked))


def a_row(**changes: Any) -> dict[str, Any]:
    return {**dict.fromkeys(COLUMNS), "docType": "creator", "outcome": "failed", **changes}


def test_every_failed_and_missing_document_with_its_chunk() -> None:
    rows = found()
    assert [(row["outcome"], row["chunk"]) for row in rows] == [
        ("failed", 0),
        ("failed", 0),
        ("failed", 0),
        ("missing", 0),
        ("failed", 1),
    ]
    assert rows[0] == a_row(
        docId="0" * 24, reason="validation", status=422, attempts=1,
        message="validation_error", chunk=0,
    )  # fmt: skip
    assert rows[3] == a_row(docId=f"{3:024x}", outcome="missing", chunk=0)


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ({"doc_type": "project"}, 1),
        ({"reason": "validation"}, 2),
        ({"reason": "missing"}, 1),
        ({"reason": "nonsense"}, 0),
        ({"search": "VALIDATION_error"}, 4),
        ({"search": f"{3:024x}"}, 1),
        ({"search": "nowhere"}, 0),
        ({"search": "error", "reason": "auth", "doc_type": "creator"}, 1),
    ],
)
def test_filters(asked: dict[str, str], number: int) -> None:
    assert len(found(**asked)) == number


def test_a_document_that_the_plan_refused_has_no_chunk() -> None:
    rejected = {
        "docType": "creator", "docId": HOSTILE, "reason": "unreadable", "status": None,
        "attempts": 0, "message": "_id is a str, expected an ObjectId",
    }  # fmt: skip
    (row,) = failure_rows(a_run([], rejected=(rejected,)), FailureFilter(search="onerror"))
    assert row == a_row(**rejected)


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == {reason.value for reason in Reason}


def test_csv_reads_back() -> None:
    read = list(csv.DictReader(io.StringIO(failures_csv(found()))))
    assert [row["docId"] for row in read] == [row["docId"] for row in found()]
    assert list(read[0]) == list(COLUMNS)


@given(
    st.text(max_size=20) | st.sampled_from(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0"])
)
def test_no_cell_is_a_formula(text: str) -> None:
    written = failures_csv([a_row(docId=text, message=text)])
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    for name in ("docId", "message"):
        kept = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        assert row[name].removeprefix("'") == kept.removeprefix("'")
        assert not row[name].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
