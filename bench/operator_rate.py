"""The operator's documents a second against a bare loop that posts bodies that are ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from bench.bare_loops import post_concurrently
from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.operator_run import connections, quiet, reindex_all
from bench.recorded_source import Tape, recorded, source_on_tape
from bench.source_data import DOC_TYPE, encoded_bodies, seeded_mongo
from bench.target import running_target

COMMAND = "python -m bench.operator_rate"
RATE_GOAL, CPU_GOAL = Goal(0.95), Goal(1.3, at_most=True)
DOCUMENTS = 10_000
CONCURRENCY = (16, 32)
LIVE, RECORDED = "embedded Mongo", "recorded Mongo"


@dataclass(frozen=True)
class Cost:
    """What all documents took: seconds, and seconds of this process's CPU."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """The operator and the bare loop at one concurrency, reading from one kind of source."""

    source: str
    concurrency: int
    documents: int
    operator: Sequence[Cost]
    bare: Sequence[Cost]

    def figures(self) -> list[Figure]:
        rate = ratios([c.seconds for c in self.bare], [c.seconds for c in self.operator])
        cpu = ratios([c.cpu for c in self.operator], [c.cpu for c in self.bare])
        beside = f"{self.concurrency} in flight, {self.source}"
        return [
            Figure(
                f"docs/s, operator ÷ bare aiohttp loop ({beside})",
                rate,
                # Beside the embedded Mongo it is the Mongo, on the same cores, that is measured.
                RATE_GOAL if self.source == RECORDED else None,
                COMMAND,
                remark=f"{self._rate(self.operator)} and {self._rate(self.bare)} docs/s",
            ),
            Figure(
                f"CPU per document, operator ÷ bare aiohttp loop ({beside})",
                cpu,
                CPU_GOAL if self.source == RECORDED else None,
                COMMAND,
                remark=f"{self._cpu(self.operator)} and {self._cpu(self.bare)} µs",
            ),
        ]

    def _rate(self, costs: Sequence[Cost]) -> str:
        return f"{self.documents / Spread.of([c.seconds for c in costs]).median:,.0f}"

    def _cpu(self, costs: Sequence[Cost]) -> str:
        return f"{1e6 * Spread.of([c.cpu for c in costs]).median / self.documents:.0f}"


def measure(documents: int = DOCUMENTS, repetitions: int = REPETITIONS) -> list[Figure]:
    """At each concurrency, first with the Mongo running, then with its recorded answers."""
    quiet()
    compared: list[Comparison] = []
    with seeded_mongo(documents) as mongo:
        bodies = encoded_bodies(mongo.uri)
        tape = recorded(mongo.uri, documents)
        for concurrency in CONCURRENCY:
            with running_target() as target, connections(mongo.uri, target):
                compared.append(_compared(target, bodies, concurrency, None, repetitions))
    # The Mongo is stopped: only the target server runs beside what is measured from here on.
    for concurrency in CONCURRENCY:
        with running_target() as target, connections(mongo.uri, target):
            compared.append(_compared(target, bodies, concurrency, tape, repetitions))
    return [figure for each in compared for figure in each.figures()]


def _compared(
    target: str, bodies: Sequence[bytes], concurrency: int, tape: Tape | None, repetitions: int
) -> Comparison:
    measured = interleaved(
        {
            "operator": partial(_cost_of, partial(_reindex, len(bodies), concurrency, tape)),
            "bare": partial(_cost_of, partial(post_concurrently, target, bodies, concurrency)),
        },
        repetitions,
    )
    source = LIVE if tape is None else RECORDED
    return Comparison(source, concurrency, len(bodies), measured["operator"], measured["bare"])


def _reindex(documents: int, concurrency: int, tape: Tape | None) -> None:
    with nullcontext() if tape is None else source_on_tape(tape):
        reindex_all(DOC_TYPE, documents, {"maxInFlight": concurrency})


def _cost_of(work: Callable[[], None]) -> Cost:
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - started, time.process_time() - cpu)


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
