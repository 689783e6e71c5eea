"""The operator against the task's own way: one request after the other on one connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from bench.bare_loops import post_concurrently, post_in_sequence
from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.operator_run import connections, quiet, reindex_all
from bench.recorded_source import Tape, recorded, source_on_tape
from bench.source_data import DOC_TYPE, encoded_bodies, seeded_mongo
from bench.target import running_target

COMMAND = "python -m bench.against_sequential"
GOAL = Goal(40)
DOCUMENTS = 10_000
# One after the other so many take seconds, not minutes; what counts is the rate.
IN_SEQUENCE = 200
LATENCY_MS = 10


def measure(documents: int = DOCUMENTS, repetitions: int = REPETITIONS) -> list[Figure]:
    """The operator with the conf's defaults; the faster of requests and aiohttp in sequence."""
    quiet()
    with seeded_mongo(documents) as mongo:
        bodies = encoded_bodies(mongo.uri)
        tape = recorded(mongo.uri, documents)
    some = bodies[:IN_SEQUENCE]
    with running_target("--latency-ms", str(LATENCY_MS)) as target, connections("", target):
        rates = interleaved(
            {
                "operator": partial(_rate, documents, partial(_reindex, documents, tape)),
                "requests": partial(_rate, len(some), partial(post_in_sequence, target, some)),
                "aiohttp": partial(_rate, len(some), partial(post_concurrently, target, some, 1)),
            },
            repetitions,
        )
    fastest = max(("requests", "aiohttp"), key=lambda name: Spread.of(rates[name]).median)
    beside = ", ".join(f"{name} {Spread.of(each).median:,.0f}" for name, each in rates.items())
    return [
        Figure(
            f"docs/s, operator ÷ one request after the other ({LATENCY_MS} ms latency)",
            ratios(rates["operator"], rates[fastest]),
            GOAL,
            COMMAND,
            digits=1,
            remark=f"{beside} docs/s; recorded Mongo",
        )
    ]


def _reindex(documents: int, tape: Tape) -> None:
    with source_on_tape(tape):
        reindex_all(DOC_TYPE, documents, {})


def _rate(documents: int, work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return documents / (time.perf_counter() - started)


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
