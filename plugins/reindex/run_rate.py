"""
Pure: how fast real runs were, and how long one would take that sends so many documents.

A real run leaves its rate as a small XCom beside its result; a dry run reads those of the runs
before it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields

from reindex.run_ledger import RunLedger

# Fewer documents say more about how a task starts than about how fast the service is.
FEWEST_DOCUMENTS = 100
RECENT_RUNS, LARGEST_RUNS = 20, 5


@dataclass(frozen=True)
class RunRate:
    """``ended`` is seconds since 1970; names are those of the XCom."""

    runId: str  # noqa: N815 - travels as JSON, in the platform's spelling
    documents: int
    docsPerSecond: float  # noqa: N815
    ended: float

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def rate_of(run_id: str, run: RunLedger) -> RunRate | None:
    """The rate of a run that succeeded; ``None`` when it was too small to have one."""
    total = run.total
    documents = total.indexed + total.ignored + total.failed
    if documents < FEWEST_DOCUMENTS or not run.spans:
        return None
    ended = max(end for spans in run.spans.values() for _, end in spans)
    seconds = run.seconds
    return RunRate(run_id, documents, documents / seconds, ended) if seconds > 0 else None


def typical(rates: Iterable[RunRate]) -> tuple[float, list[str]] | None:
    """
    Documents a second, and the runs that it is taken of; ``None`` when there were none.

    The median of the largest of the recent runs: a job of a few hundred ids says little about a
    night.
    """
    recent = sorted(rates, key=lambda rate: rate.ended)[-RECENT_RUNS:]
    largest = sorted(recent, key=lambda rate: rate.documents)[-LARGEST_RUNS:]
    if not largest:
        return None
    runs = [rate.runId for rate in sorted(largest, key=lambda rate: rate.ended)]
    return statistics.median(rate.docsPerSecond for rate in largest), runs


def rates_from(pulled: object) -> list[RunRate]:
    """The rates among what an XCom pull brought: none, one, or a list of them."""
    names = {each.name for each in fields(RunRate)}
    found = pulled if isinstance(pulled, list) else [pulled]
    return [RunRate(**each) for each in found if isinstance(each, Mapping) and set(each) == names]
