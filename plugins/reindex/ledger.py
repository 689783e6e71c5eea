"""
Pure: outcomes → the ledger of a chunk → the ledger of the run.

Closed means: every document that was expected stands in exactly one column.

    expected + appeared - vanished  =  fetched + missing  (+ notReached, for the run)
    fetched                         =  indexed + ignored + failed + unchanged + wouldSend

``appeared`` and ``vanished`` are documents that came to or left a range between the plan's scan
and the chunk's; ``unchanged`` are those that ``updatedSince`` left out; ``wouldSend`` are those
of a dry run that a real one would post. Names in the JSON forms are the platform's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from reindex.chunks import Chunk, chunk_from
from reindex.doc_types import ALL
from reindex.spans import Span, seconds_worked


@dataclass(frozen=True)
class Counts:
    """Documents, by what became of them."""

    expected: int = 0
    appeared: int = 0
    vanished: int = 0
    fetched: int = 0
    indexed: int = 0
    ignored: int = 0
    missing: int = 0
    failed: int = 0
    unchanged: int = 0
    wouldSend: int = 0  # noqa: N815 - travels as JSON, in the platform's spelling

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.expected + other.expected,
            self.appeared + other.appeared,
            self.vanished + other.vanished,
            self.fetched + other.fetched,
            self.indexed + other.indexed,
            self.ignored + other.ignored,
            self.missing + other.missing,
            self.failed + other.failed,
            self.unchanged + other.unchanged,
            self.wouldSend + other.wouldSend,
        )

    @property
    def not_reached(self) -> int:
        """Expected documents that stand in no column (yet)."""
        return self.expected + self.appeared - self.vanished - self.fetched - self.missing

    @property
    def balanced(self) -> bool:
        """Nothing is missing from the columns, nothing stands in two."""
        columns = self.taken + self.failed + self.unchanged
        return self.fetched == columns and self.not_reached == 0

    @property
    def taken(self) -> int:
        """What the API took, or, of a dry run, would be asked to take."""
        return self.indexed + self.ignored + self.wouldSend


@dataclass(frozen=True)
class Failure:
    """A document that was found and not indexed. ``message`` never holds document content."""

    docType: str  # noqa: N815 - travels as JSON, in the platform's spelling
    docId: str  # noqa: N815
    reason: str
    status: int | None
    attempts: int
    message: str


@dataclass(frozen=True)
class ChunkLedger:
    """
    What a chunk has met so far.

    ``position`` is the last id (of a range) or the number of ids (of a list) up to which
    everything is accounted for; ``started`` and ``ended`` are seconds since 1970, as far apart as
    all of its attempts have worked; ``error`` says why the chunk's last attempt ended early.
    """

    index: int
    counts: Mapping[str, Counts] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    requests: int = 0
    position: str | int | None = None
    complete: bool = False
    started: float = 0.0
    ended: float = 0.0
    error: str | None = None

    @property
    def total(self) -> Counts:
        return sum(self.counts.values(), Counts())

    def to_json(self) -> dict[str, object]:
        """
        The form that travels by XCom and rests in the task state store.

        What is as it is by default is left out, and of a complete ledger its position and that it
        is complete: the report fetches a thousand of them, and most have nothing to say.
        """
        form = {each.name: getattr(self, each.name) for each in fields(self)} | {
            "counts": {name: _nonzero(counts) for name, counts in self.counts.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "missing": [list(pair) for pair in self.missing],
            "started": round(self.started, 3),
            "ended": round(self.ended, 3),
        }
        silent = {each.name for each in fields(self) if getattr(self, each.name) == each.default}
        silent ^= {"complete"}
        if self.complete:
            silent.add("position")
        return {name: value for name, value in form.items() if name not in silent}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> ChunkLedger:
        """The inverse of :meth:`to_json`; it also takes what has every key."""
        known = {each.name for each in fields(cls)}
        given = {"complete": True} | {key: item for key, item in value.items() if key in known}
        counts = given.pop("counts")
        failures, missing = given.pop("failures", []), given.pop("missing", [])
        assert isinstance(counts, Mapping)
        assert isinstance(failures, list)
        assert isinstance(missing, list)
        return cls(
            **given,  # type: ignore[arg-type]
            counts={name: Counts(**counted) for name, counted in counts.items()},
            failures=tuple(Failure(**failure) for failure in failures),
            missing=tuple((doc_type, doc_id) for doc_type, doc_id in missing),
        )


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
    by_index = {ledger.index: ledger for ledger in map(ChunkLedger.from_json, ledgers)}
    counts: dict[str, Counts] = {}
    not_reached: dict[str, int] = {}
    spans: dict[str, list[Span]] = {}
    incomplete: list[Incomplete] = []
    unbalanced: list[str] = []
    planned = [chunk_from(descriptor) for descriptor in descriptors]
    used: list[ChunkLedger] = []
    for chunk in planned:
        ledger = by_index.get(chunk.index) or untouched(chunk)
        if not ledger.complete:
            # More than was expected: these came after the plan, and hide nothing of the others.
            more = max(0, -ledger.total.not_reached)
            ledger = came_and_went(ledger, chunk.docType, appeared=more, vanished=0)
        used.append(ledger)
        for name, counted in ledger.counts.items():
            counts[name] = counts.get(name, Counts()) + counted
            if ledger.ended:
                spans.setdefault(name, []).append((ledger.started, ledger.ended))
        left = ledger.total.not_reached
        if not ledger.complete:
            incomplete.append(Incomplete(chunk.index, chunk.label, left, ledger.error))
            not_reached[chunk.docType] = not_reached.get(chunk.docType, 0) + left
        elif not ledger.total.balanced:
            unbalanced.append(f"chunk {chunk.index}, {chunk.label}: {_columns(ledger.total)}")
    failures = [failure for ledger in used for failure in ledger.failures]
    for failure in rejected:
        failures.append(failure)
        one = Counts(expected=1, fetched=1, failed=1)
        counts[failure.docType] = counts.get(failure.docType, Counts()) + one
    return RunLedger(
        counts=counts,
        not_reached=not_reached,
        failures=tuple(failures),
        missing=tuple(pair for ledger in used for pair in ledger.missing),
        incomplete=tuple(incomplete),
        unbalanced=tuple(unbalanced),
        chunks=len(planned),
        requests=sum(ledger.requests for ledger in used),
        spans={name: tuple(each) for name, each in spans.items()},
    )


def settled_by_type(ledger: ChunkLedger) -> ChunkLedger:
    """
    What was expected of ``all``, booked under the types that the ids turned out to be.

    What stays under ``all`` are the ids that no collection holds.
    """
    if ALL not in ledger.counts:
        return ledger
    counts = dict(ledger.counts)
    both = counts.pop(ALL)
    for name, counted in counts.items():
        counts[name] = replace(counted, expected=counted.expected + counted.fetched)
        both = replace(both, expected=both.expected - counted.fetched)
    return replace(ledger, counts=counts if both == Counts() else {**counts, ALL: both})


def came_and_went(
    ledger: ChunkLedger, doc_type: str, *, appeared: int, vanished: int
) -> ChunkLedger:
    """The ledger with documents that came into, or left, the range since the plan's scan."""
    if not appeared and not vanished:
        return ledger
    moved = Counts(appeared=appeared, vanished=vanished)
    counts = {**ledger.counts, doc_type: ledger.counts.get(doc_type, Counts()) + moved}
    return replace(ledger, counts=counts)


def left_undone(
    descriptors: Iterable[Mapping[str, object]], ledgers: Iterable[Mapping[str, object]]
) -> dict[int, int]:
    """Chunk index → documents that failed or were not reached; chunks without any are left out."""
    by_index = {ledger.index: ledger for ledger in map(ChunkLedger.from_json, ledgers)}
    undone: dict[int, int] = {}
    for chunk in map(chunk_from, descriptors):
        ledger = by_index.get(chunk.index) or untouched(chunk)
        if ledger.failures or not ledger.complete:
            undone[chunk.index] = ledger.total.failed + max(0, ledger.total.not_reached)
    return undone


def untouched(chunk: Chunk) -> ChunkLedger:
    """The ledger of a chunk that did nothing yet: all that is expected of it is not reached."""
    return ChunkLedger(chunk.index, {chunk.docType: Counts(expected=chunk.expected)})


def _nonzero(counts: Counts) -> dict[str, int]:
    return {name: number for name, number in asdict(counts).items() if number}


def _columns(counts: Counts) -> str:
    return ", ".join(f"{name} {number}" for name, number in asdict(counts).items() if number)
