"""Pure: the ledgers of a run's chunks → the ledger of the run; what is left of it to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reindex.chunks import Chunk, chunk_from
from reindex.ledger import (
    ChunkLedger,
    Counts,
    Failure,
    came_and_went,
    nonzero,
    settled_by_type,
    untouched,
)
from reindex.spans import Span, seconds_worked


@dataclass(frozen=True)
class Incomplete:
    """A chunk that did not reach all of its documents."""

    index: int
    label: str
    notReached: int  # noqa: N815
    error: str | None


@dataclass(frozen=True)
class RunLedger:
    """The chunks of a run, added up; ``counts`` by document type."""

    counts: Mapping[str, Counts]
    not_reached: Mapping[str, int]
    failures: tuple[Failure, ...]
    missing: tuple[tuple[str, str], ...]
    incomplete: tuple[Incomplete, ...]
    unbalanced: tuple[str, ...]
    chunks: int
    requests: int
    spans: Mapping[str, tuple[Span, ...]]

    @property
    def total(self) -> Counts:
        return sum(self.counts.values(), Counts())

    @property
    def total_not_reached(self) -> int:
        return sum(self.not_reached.values())

    @property
    def seconds(self) -> float:
        """How long the run worked; :func:`reindex.spans.seconds_worked`."""
        return seconds_worked(span for spans in self.spans.values() for span in spans)

    @property
    def failed_by_reason(self) -> dict[str, int]:
        reasons: dict[str, int] = {}
        for failure in self.failures:
            reasons[failure.reason] = reasons.get(failure.reason, 0) + 1
        return reasons

    @property
    def drift(self) -> float | None:
        """How stale the index was: the share of ``indexed`` among what the API took."""
        total = self.total
        taken = total.indexed + total.ignored
        return total.indexed / taken if taken else None


def run_ledger(
    descriptors: Iterable[Mapping[str, object]],
    ledgers: Iterable[Mapping[str, object]],
    rejected: Iterable[Failure] = (),
) -> RunLedger:
    """
    Add up a run.

    :param descriptors: every chunk that was planned
    :param ledgers: the JSON ledgers of the chunks that left one; the place in the list means
        nothing, the index inside does
    :param rejected: documents that the plan itself found unfit to be in any chunk
    """
    planned = [
        (chunk, _as_if_complete(chunk, ledger))
        for chunk, ledger in _with_ledgers(descriptors, ledgers)
    ]
    met = [ledger for _, ledger in planned]
    undone = [(chunk, ledger) for chunk, ledger in planned if not ledger.complete]
    rejected = tuple(rejected)
    return RunLedger(
        counts=_counts(met, rejected),
        not_reached=_not_reached(undone),
        failures=tuple(failure for ledger in met for failure in ledger.failures) + rejected,
        missing=tuple(pair for ledger in met for pair in ledger.missing),
        incomplete=tuple(
            Incomplete(chunk.index, chunk.label, ledger.total.not_reached, ledger.error)
            for chunk, ledger in undone
        ),
        unbalanced=tuple(
            f"chunk {chunk.index}, {chunk.label}: {_columns(ledger.total)}"
            for chunk, ledger in planned
            if ledger.complete and not ledger.total.balanced
        ),
        chunks=len(planned),
        requests=sum(ledger.requests for ledger in met),
        spans=_spans(met),
    )


def left_undone(
    descriptors: Iterable[Mapping[str, object]], ledgers: Iterable[Mapping[str, object]]
) -> dict[int, int]:
    """Chunk index → documents that failed or were not reached; chunks without any are left out."""
    undone: dict[int, int] = {}
    for chunk, ledger in _with_ledgers(descriptors, ledgers):
        if ledger.failures or not ledger.complete:
            undone[chunk.index] = ledger.total.failed + max(0, ledger.total.not_reached)
    return undone


def _with_ledgers(
    descriptors: Iterable[Mapping[str, object]], ledgers: Iterable[Mapping[str, object]]
) -> list[tuple[Chunk, ChunkLedger]]:
    """Every chunk that was planned, and its ledger; one that left none did nothing."""
    by_index = {ledger.index: ledger for ledger in map(ChunkLedger.from_json, ledgers)}
    planned = map(chunk_from, descriptors)
    return [(chunk, by_index.get(chunk.index) or untouched(chunk)) for chunk in planned]


def _as_if_complete(chunk: Chunk, ledger: ChunkLedger) -> ChunkLedger:
    """
    An incomplete chunk's ledger as a complete one's is: what it met beyond what was expected came
    after the plan, and ids of any type are booked under the types found.
    """
    if ledger.complete:
        return ledger
    ledger = settled_by_type(ledger)
    # Booked as such, so that it hides nothing of the others.
    more = max(0, -ledger.total.not_reached)
    return came_and_went(ledger, chunk.docType, appeared=more, vanished=0)


def _counts(ledgers: Iterable[ChunkLedger], rejected: Iterable[Failure]) -> dict[str, Counts]:
    counts: dict[str, Counts] = {}
    for ledger in ledgers:
        for name, counted in ledger.counts.items():
            counts[name] = counts.get(name, Counts()) + counted
    for failure in rejected:
        one = Counts(expected=1, fetched=1, failed=1)
        counts[failure.docType] = counts.get(failure.docType, Counts()) + one
    return counts


def _not_reached(undone: Iterable[tuple[Chunk, ChunkLedger]]) -> dict[str, int]:
    not_reached: dict[str, int] = {}
    for chunk, ledger in undone:
        so_far = not_reached.get(chunk.docType, 0)
        not_reached[chunk.docType] = so_far + ledger.total.not_reached
    return not_reached


def _spans(ledgers: Iterable[ChunkLedger]) -> dict[str, tuple[Span, ...]]:
    spans: dict[str, tuple[Span, ...]] = {}
    for ledger in ledgers:
        if ledger.ended:
            for name in ledger.counts:
                spans[name] = (*spans.get(name, ()), (ledger.started, ledger.ended))
    return spans


def _columns(counts: Counts) -> str:
    return ", ".join(f"{name} {number}" for name, number in nonzero(counts).items())
