"""When a chunk gives up; what it does is integration."""

from __future__ import annotations

from pathlib import Path

import pytest

from reindex.chunks import SliceChunk
from reindex.conf import RunConf
from reindex.operators.chunk import (
    FEWEST_FAILURES,
    MOST_FAILURES,
    _most_failures,
    _most_refused,
)
from reindex.service_health import GIVE_UP_ROUNDS, GIVE_UP_SECONDS


def test_the_docs_name_the_limits_that_hold() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text()
    rows = text.partition("## When a chunk ends early")[2].partition("## ")[0]
    assert f"after {GIVE_UP_SECONDS:.0f} s" in rows
    assert f"after {GIVE_UP_ROUNDS} time-outs in a row" in rows
    assert rows.count(f"not below {FEWEST_FAILURES + 1} of them") == 2
    assert f"more than {MOST_FAILURES:,} of either" in rows
    assert f"({FEWEST_FAILURES} at the least)" in rows


@pytest.mark.parametrize(
    ("documents", "tolerance", "failures", "refused"),
    [
        (10, 0.0, 20, 20),  # a handful never ends a chunk
        (5_000, 0.01, 50, 2_500),
        (5_000, 1.0, 5_000, 5_000),
        (1_000_000, 0.01, 10_000, 10_000),
        (1_000_000, 1.0, 10_000, 10_000),
    ],
)
def test_failures_that_end_a_chunk_are_bounded(
    documents: int, tolerance: float, failures: int, refused: int
) -> None:
    chunk = SliceChunk(0, "creator", 0, documents)
    conf = RunConf(doc_types=("creator",), failure_tolerance=tolerance)
    assert (_most_failures(conf, chunk), _most_refused(conf, chunk)) == (failures, refused)
