"""
The peak memory of one chunk, by the number of its documents.

Here none fails. What fails is kept with its reason, some 350 bytes each, until the chunk
gives up: beyond 1 % of its documents (``failureTolerance``) for causes that pass, or beyond half of
them refused for good. Missing ids are only of runs with ids, and at most as many.
"""

from __future__ import annotations

import sys
from functools import partial

from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.generated_mongo import generated_mongo
from bench.operator_run import connections, quiet, reindex_all
from bench.peak_memory import peak_of, say_peak
from bench.target import running_target
from reindex.doc_types import PROJECT

COMMAND = "python -m bench.chunk_memory"
MODULE = "bench.chunk_memory"
GOAL = Goal(1.1, at_most=True)
MANY, FEW = 1_000_000, 10_000
IN_FLIGHT = 64


def measure(many: int = MANY, repetitions: int = REPETITIONS) -> list[Figure]:
    """Both chunks are read from a Mongo that answers from a formula, and really posted."""
    sides = {"many": partial(peak, many), "few": partial(peak, FEW)}
    peaks = interleaved(sides, repetitions, warm_up=False)
    megabytes = {side: Spread.of(each).median / 1e6 for side, each in peaks.items()}
    return [
        Figure(
            f"peak memory of a chunk of {many:,} documents ÷ of {FEW:,}",
            ratios(peaks["many"], peaks["few"]),
            GOAL,
            COMMAND,
            remark=f"{megabytes['many']:.0f} and {megabytes['few']:.0f} MB of a whole process; "
            "generated Mongo",
        )
    ]


def peak(documents: int) -> float:
    """Bytes of a fresh process that executes the operator."""
    with (
        generated_mongo(projects=documents) as uri,
        running_target() as target,
        connections(uri, target),
    ):
        return peak_of(MODULE, str(documents))


def _reindex(documents: int) -> None:
    reindex_all(PROJECT.name, documents, {"maxInFlight": IN_FLIGHT})


if __name__ == "__main__":
    if sys.argv[1:]:
        quiet()
        say_peak(partial(_reindex, int(sys.argv[1])))
    else:
        for figure in measure():
            print(figure.line())
