"""
Pure: outcomes → the ledger of a chunk.

Closed means: every document that was expected stands in exactly one column.

    expected + appeared - vanished  =  fetched + missing  (+ notReached, for the run)
    fetched                         =  indexed + ignored + failed + unchanged + wouldSend

``appeared`` and ``vanished`` are documents that came to or left a range between the plan's scan
and the chunk's; ``unchanged`` are those that ``updatedSince`` left out; ``wouldSend`` are those
of a dry run that a real one would post. Names in the JSON forms are the platform's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from reindex.chunks import Chunk
from reindex.doc_types import ALL


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
            "counts": {name: nonzero(counts) for name, counts in self.counts.items()},
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


def untouched(chunk: Chunk) -> ChunkLedger:
    """The ledger of a chunk that did nothing yet: all that is expected of it is not reached."""
    return ChunkLedger(chunk.index, {chunk.docType: Counts(expected=chunk.expected)})


def nonzero(counts: Counts) -> dict[str, int]:
    """The columns that hold any."""
    return {name: number for name, number in asdict(counts).items() if number}
