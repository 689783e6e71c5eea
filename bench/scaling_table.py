"""
What a run of any size comes to: the table of ``docs/scaling.md``, from the measured figures.

``python -m bench.scaling_table`` reads ``docs/performance.md`` and writes the table anew. Pure
arithmetic; what it assumes stands in the table's head and in :func:`run_of`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench import REPOSITORY
from bench.written_part import WrittenPart
from reindex.conf import DEFAULT_CHUNK_SIZE
from reindex.deployment import Deployment
from reindex.job_types import REINDEX_BATCH, job_type

COMMAND = "python -m bench.scaling_table"
PERFORMANCE = REPOSITORY / "docs" / "performance.md"
PART = WrittenPart(REPOSITORY / "docs" / "scaling.md", COMMAND)

# The platform's own server as it was measured, and one that is built for more.
PLATFORM, LARGE = 600, 20_000
CASES = (
    (10**5, PLATFORM),
    (10**7, PLATFORM),
    (10**7, LARGE),
    (10**9, PLATFORM),
    (10**9, LARGE),
)
MAX_MAP_LENGTH = 1024  # Airflow's default for [core] max_map_length
# Of a core, for a chunk: the rest is for the service's ups and downs, and for Airflow's own work.
CORE_SHARE = 0.5
# A task's own time may be so much of a chunk's.
TASK_SHARE = 0.05
TASK_TIMEOUT = job_type(REINDEX_BATCH).policy.timeout.total_seconds()
RUN_TIMEOUT = Deployment().run_timeout.total_seconds()


@dataclass(frozen=True)
class Measured:
    """
    Of ``docs/performance.md``: seconds that a task holds its slot before and after its work, CPU
    seconds of a document, bytes of a chunk descriptor, seconds that a million ids take to plan.
    """

    task_seconds: float
    cpu_seconds: float
    descriptor_bytes: float
    plan_seconds: float


@dataclass(frozen=True)
class Run:
    """A full run that was worked out. Times are seconds."""

    documents: int
    service: float
    size_to_set: int
    chunks: int
    chunk_size: int
    at_once: int
    cores: float
    plan_seconds: float
    chunk_seconds: float
    task_share: float
    list_bytes: float
    seconds: float


def measured(page: str) -> Measured:
    """
    What the page of figures says.

    :raises ValueError: names the row that is not there, and what writes it
    """
    return Measured(
        task_seconds=_number(page, r"slot time of a mapped no-op task on Celery", r"([\d.]+) ", 2),
        cpu_seconds=_number(page, r"[^|]*CPU per document", r"([\d.]+)[^|]*µs", 3) / 1e6,
        descriptor_bytes=_number(page, r"a chunk descriptor in XCom, full run", r"(\d+) bytes", 2),
        plan_seconds=_number(page, r"planning 1,000,000 ids", r"([\d.]+)[^|]* s;", 3),
    )


def _number(page: str, figure: str, pattern: str, column: int) -> float:
    """The largest number that matches in the rows of a figure; columns are counted from 0."""
    rows = [line.split("|")[1:] for line in page.splitlines() if re.match(rf"\| {figure}", line)]
    found = [match for row in rows if (match := re.search(pattern, row[column]))]
    if not found:
        raise ValueError(f"{PERFORMANCE.name} has no row {figure!r}: make bench writes it")
    return max(float(match[1]) for match in found)


def run_of(documents: int, service: float, of: Measured) -> Run:
    """
    A full run of so many documents over a service that bears so many a second.

    As many chunks at once as the posts need cores, but no fewer than the default; the service is
    shared evenly between them, and the last round of chunks is a full one. The size to set is the
    default, doubled until the task is a small share of the chunk; what becomes of it is what the
    plan does: doubled until the chunks fit Airflow's ``max_map_length``.
    """
    cores = service * of.cpu_seconds
    at_once = max(Deployment.parallel_chunks, math.ceil(cores / CORE_SHARE))
    a_chunk = service / at_once
    least = of.task_seconds * (1 / TASK_SHARE - 1) * a_chunk
    size_to_set = _doubled(DEFAULT_CHUNK_SIZE, least)
    size = _doubled(size_to_set, documents / MAX_MAP_LENGTH)
    chunks = math.ceil(documents / size)
    posting = size / a_chunk
    return Run(
        documents, service, size_to_set, chunks, size, at_once, cores,
        plan_seconds=documents / 1e6 * of.plan_seconds,
        chunk_seconds=posting + of.task_seconds,
        task_share=of.task_seconds / (posting + of.task_seconds),
        list_bytes=chunks * of.descriptor_bytes,
        seconds=documents / 1e6 * of.plan_seconds
        + math.ceil(chunks / at_once) * (posting + of.task_seconds),
    )  # fmt: skip


def _doubled(size: int, least: float) -> int:
    while size < least:
        size *= 2
    return size


def limits(run: Run) -> Iterator[str]:
    """Which of the defaults such a run breaks."""
    if run.chunk_size > run.size_to_set:
        yield "`max_map_length`: the chunks grow by themselves"
    if run.plan_seconds > TASK_TIMEOUT:
        yield f"the plan's {duration(TASK_TIMEOUT)}"
    if run.chunk_seconds > TASK_TIMEOUT:
        yield f"a chunk's {duration(TASK_TIMEOUT)}"
    if run.seconds > RUN_TIMEOUT:
        yield f"`REINDEX_RUN_TIMEOUT_SECONDS` ({duration(RUN_TIMEOUT)})"
    if run.seconds > 86_400:
        yield "not a night's work"


def duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (seconds == length and unit != "d"):
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def table(of: Measured) -> str:
    """The text between the markers."""
    head = (
        f"Measured: a task on Celery holds its slot for {of.task_seconds:.2g} s beside its work, a "
        f"document takes {of.cpu_seconds * 1e6:.0f} µs of CPU,\na descriptor has "
        f"{of.descriptor_bytes:.0f} bytes, a million ids are planned in {of.plan_seconds:.2g} s. "
        f"Assumed: what the service bears\n({PLATFORM:,} documents a second are the platform's own "
        f"server), at most half a core for a chunk, a task of at most\n{TASK_SHARE:.0%} of its "
        "chunk.\n\n"
        "| documents | service, docs/s | chunk size to set | chunks × documents | chunks at once "
        "| cores for posting | plan takes | a chunk takes | of it the task "
        "| list that each task fetches | the run takes | limits that are hit |\n"
        + "| --: " * 11
        + "| --- |\n"
    )
    return head + "\n".join(_row(run_of(*case, of)) for case in CASES)


def _row(run: Run) -> str:
    cells = (
        f"{run.documents:,}",
        f"{run.service:,}",
        f"{run.size_to_set:,}",
        f"{run.chunks:,} × {run.chunk_size:,}",
        f"{run.at_once}",
        f"{run.cores:.2g}",
        duration(run.plan_seconds),
        duration(run.chunk_seconds),
        f"{run.task_share:.2%}",
        f"{run.list_bytes / 1000:.3g} kB",
        duration(run.seconds),
        "; ".join(limits(run)) or "–",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    PART.write(table(measured(PERFORMANCE.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
