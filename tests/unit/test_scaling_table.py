"""The arithmetic of docs/scaling.md, held against what the plan really does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.scaling_table import (
    CASES,
    LARGE,
    MAX_MAP_LENGTH,
    PART,
    PERFORMANCE,
    PLATFORM,
    TASK_SHARE,
    Measured,
    duration,
    limits,
    measured,
    run_of,
    table,
)
from bench.written_part import END
from reindex.chunks import plan_ranges

OF = Measured(task_seconds=0.5, cpu_seconds=50e-6, descriptor_bytes=137, plan_seconds=2)
PAGE = """
| CPU per document, operator ÷ bare (16 in flight) | – | 0.74 × | 60 and 81 µs | `x` |
| CPU per document, operator ÷ bare (32 in flight) | – | 0.75 × | 49 and 90 µs | `x` |
| a chunk descriptor in XCom, full run | ≤ 200 | 137 bytes |  | `x` |
| slot time of a mapped no-op task on Celery (4 slots) | – | 0.71 (0.70–0.72) s | 5.6 | `x` |
| planning 1,000,000 ids ÷ a scan | ≤ 1.2 | 1.10 × | 1.9 (1.8–2.0) and 1.7 (1.6) s; x | `x` |
"""


def test_what_was_measured_is_read_from_the_page_of_figures() -> None:
    assert measured(PAGE) == Measured(0.71, 60e-6, 137, 1.9)


def test_a_row_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"slot time of a mapped no-op task.*make bench"):
        measured(PAGE.replace("slot time", "time"))


def ids(count: int) -> Iterator[list[str]]:
    batch = 1_000
    return (
        [f"{number:024x}" for number in range(first, min(first + batch, count))]
        for first in range(0, count, batch)
    )


@pytest.mark.parametrize("documents", [5_000, 5_001, 5_000 * MAX_MAP_LENGTH + 1])
def test_the_chunks_are_those_that_the_plan_makes(documents: int) -> None:
    run = run_of(documents, PLATFORM, OF)
    chunks, _ = plan_ranges([("creator", ids(documents))], run.size_to_set, MAX_MAP_LENGTH)
    assert (run.chunks, run.chunk_size) == (len(chunks), max(chunk.expected for chunk in chunks))


def test_a_small_run() -> None:
    run = run_of(10**5, 600, OF)
    assert (run.chunks, run.chunk_size, run.at_once) == (20, 5_000, 4)
    assert run.chunk_seconds == pytest.approx(5_000 / 150 + 0.5)
    assert run.plan_seconds == pytest.approx(0.2)
    assert run.seconds == pytest.approx(0.2 + 5 * run.chunk_seconds)
    assert run.list_bytes == 20 * 137
    assert list(limits(run)) == []


def test_the_task_is_a_small_share_of_its_chunk() -> None:
    for case in CASES:
        assert run_of(*case, OF).task_share <= TASK_SHARE
    assert run_of(10**7, LARGE, OF).size_to_set > run_of(10**7, PLATFORM, OF).size_to_set


def test_more_documents_a_second_need_more_cores_and_more_chunks_at_once() -> None:
    run = run_of(10**9, 200_000, OF)
    assert run.cores == pytest.approx(10)
    assert run.at_once == 20


def test_limits_are_named_where_they_are_hit() -> None:
    said = " ".join(limits(run_of(10**9, PLATFORM, OF)))
    assert all(
        each in said
        for each in ("max_map_length", "a chunk's 1 h", "REINDEX_RUN_TIMEOUT_SECONDS", "night")
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(2.66, "2.66 s"), (60, "1 min"), (90, "90 s"), (600, "10 min"), (3600, "1 h"),
     (7300, "2.03 h"), (86_400, "24 h"), (1e6, "11.6 d")],
)  # fmt: skip
def test_durations_are_said_in_a_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_the_document_holds_what_follows_from_the_figures_beside_it() -> None:
    part = table(measured(PERFORMANCE.read_text()))
    assert len([line for line in part.splitlines() if line.startswith("| 1")]) == len(CASES)
    text = PART.document.read_text()
    assert text.count(PART.begin) == text.count(END) == 1
    assert PART.put_into(text, part) == text
