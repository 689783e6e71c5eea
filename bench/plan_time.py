"""Planning a full run: its time against a bare scan of the ids, and its memory by their number."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from pymongo import MongoClient

from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.generated_mongo import generated_mongo
from bench.operator_run import TaskInstance, connections, quiet
from bench.peak_memory import peak_of, say_peak
from reindex.doc_types import PROJECT
from reindex.garbage_collection import quiet_garbage_collector
from reindex.operators.plan import PlanReindexOperator
from sandbox.seed import DATABASE

COMMAND = "python -m bench.plan_time"
MODULE = "bench.plan_time"
TIME_GOAL, MEMORY_GOAL = Goal(1.2, at_most=True), Goal(1.1, at_most=True)
IDS, FEW_IDS = 1_000_000, 10_000
MOST_CHUNKS = 1024
NO_TARGET = "http://127.0.0.1:9"


def measure(ids: int = IDS, repetitions: int = REPETITIONS) -> list[Figure]:
    """The whole plan task, its output included, over a Mongo that answers from a formula."""
    quiet()
    with generated_mongo(projects=ids) as many, generated_mongo(projects=FEW_IDS) as few:
        return [_time_figure(many, ids, repetitions), _memory_figure(many, few, ids, repetitions)]


def _time_figure(uri: str, ids: int, repetitions: int) -> Figure:
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    # The plan quiets the garbage collector itself; without, the bare scan takes five times as long.
    with client, connections(uri, NO_TARGET), quiet_garbage_collector():
        sides: dict[str, Callable[[], float]] = {
            "plan": partial(_seconds, ids, _planned),
            "bare": partial(_seconds, ids, partial(_scanned, client)),
        }
        seconds = interleaved(sides, repetitions)
    plan, bare = Spread.of(seconds["plan"]), Spread.of(seconds["bare"])
    return Figure(
        f"planning {ids:,} ids ÷ a bare pymongo scan of them",
        ratios(seconds["plan"], seconds["bare"]),
        TIME_GOAL,
        COMMAND,
        remark=f"{plan.shown(2)} and {bare.shown(2)} s; generated Mongo",
    )


def _memory_figure(many: str, few: str, ids: int, repetitions: int) -> Figure:
    sides: dict[str, Callable[[], float]] = {
        "many": partial(_peak, many, ids),
        "few": partial(_peak, few, FEW_IDS),
    }
    peaks = interleaved(sides, repetitions, warm_up=False)
    megabytes = {side: Spread.of(each).median / 1e6 for side, each in peaks.items()}
    return Figure(
        f"peak memory of planning {ids:,} ids ÷ of {FEW_IDS:,}",
        ratios(peaks["many"], peaks["few"]),
        MEMORY_GOAL,
        COMMAND,
        remark=f"{megabytes['many']:.0f} and {megabytes['few']:.0f} MB of a whole process; "
        "generated Mongo",
    )


def _peak(uri: str, documents: int) -> float:
    with connections(uri, NO_TARGET):
        return peak_of(MODULE, str(documents))


def _planned() -> int:
    """Execute the plan task; how many documents it planned."""
    context = {
        "params": {},
        "dag_run": SimpleNamespace(conf={"docType": PROJECT.name}, run_type="manual"),
        "ti": TaskInstance(),
        "run_id": "bench",
    }
    chunks = PlanReindexOperator(task_id="plan", most_chunks=MOST_CHUNKS).execute(context)
    return sum(int(str(chunk["expected"])) for chunk in chunks)


def _scanned(client: MongoClient[dict[str, Any]]) -> int:
    projects = client[DATABASE][PROJECT.collection]
    found = projects.find({}, ["_id"], sort=[("_id", 1)], batch_size=10_000)
    return sum("_id" in each for each in found)


def _all_of(documents: int, work: Callable[[], int]) -> None:
    if (met := work()) != documents:
        raise RuntimeError(f"{met} documents were met, not {documents}")


def _seconds(ids: int, work: Callable[[], int]) -> float:
    started = time.perf_counter()
    _all_of(ids, work)
    return time.perf_counter() - started


if __name__ == "__main__":
    if sys.argv[1:]:
        quiet()
        say_peak(partial(_all_of, int(sys.argv[1]), _planned))
    else:
        for figure in measure():
            print(figure.line())
