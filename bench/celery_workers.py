"""
Documents a second of two Celery workers against one, on a service that only makes them wait.

One cluster for all of it: the second worker is told to take tasks, and to take none, in turns. The
service answers each request after the same while, however many there are, a chunk has a fixed
number in flight, and a worker one slot: with more of them, tasks that start at the same time would
share the cores of one machine, which two workers elsewhere do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import REPOSITORY, RUN_DIRECTORY
from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.source_data import DOC_TYPE, seeded_mongo
from bench.target import running_target
from bench.task_rate import DAG_ID as NOOP_DAG
from bench.task_rate import rate_of_run, seconds_of, successful_run
from sandbox.cluster import WORKERS, employ, running_cluster
from sandbox.local_airflow import LocalAirflow
from sandbox.run_progress import CHUNK_TASK, DAG_ID
from sandbox.stack import http_connection, mongo_connection

COMMAND = "python -m bench.celery_workers"
GOAL = Goal(1.9)
SLOTS = 1
# Four chunks, of 7.5 seconds of waiting each.
DOCUMENTS, CHUNK = 800, 200
LATENCY_MS, IN_FLIGHT = 150, 4
NOOP_RUNS = 1 + REPETITIONS


def measure() -> list[Figure]:
    """About seven minutes."""
    with _running() as airflow:
        # The first one warms up.
        tasks_a_second = [rate_of_run(airflow) for _ in range(NOOP_RUNS)][1:]
        sides = {
            "two": partial(_docs_a_second, airflow, WORKERS),
            "one": partial(_docs_a_second, airflow, WORKERS[:1]),
        }
        rates = interleaved(sides, warm_up=False)
    two, one = Spread.of(rates["two"]), Spread.of(rates["one"])
    slots = SLOTS * len(WORKERS)
    return [
        Figure(
            f"docs/s, two Celery workers ÷ one ({LATENCY_MS} ms latency)",
            ratios(rates["two"], rates["one"]),
            GOAL,
            COMMAND,
            remark=f"{two.shown(1)} and {one.shown(1)} docs/s, from the first chunk's start to "
            f"the last one's end; {DOCUMENTS} documents, {SLOTS} slot a worker, {IN_FLIGHT} in "
            "flight a chunk; embedded Mongo",
        ),
        Figure(
            f"slot time of a mapped no-op task on Celery ({slots} slots)",
            Spread.of([slots / rate for rate in tasks_a_second]),
            None,
            COMMAND,
            unit="s",
            remark=f"{Spread.of(tasks_a_second).shown(1)} tasks/s",
        ),
    ]


@contextmanager
def _running() -> Iterator[LocalAirflow]:
    run_dir = RUN_DIRECTORY / "celery"
    settings = {
        "REINDEX_SCHEDULE": "none",
        "AIRFLOW__CORE__DAGS_FOLDER": str(_folder_of_both_dags(run_dir)),
    }
    with seeded_mongo(DOCUMENTS) as mongo, running_target(f"--latency-ms={LATENCY_MS}") as target:
        connections = {
            "marketplace_mongo": mongo_connection(mongo.uri),
            "discovery_api": http_connection(target, "any"),
        }
        with running_cluster(run_dir, connections, settings=settings, slots=SLOTS) as airflow:
            airflow.wait_for_dag(DAG_ID)
            airflow.wait_for_dag(NOOP_DAG)
            yield airflow


def _folder_of_both_dags(run_dir: Path) -> Path:
    folder = run_dir / "dags"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("dags/reindex_batch.py", "bench/dags/noop_mapped.py"):
        link = folder / Path(file).name
        link.unlink(missing_ok=True)
        link.symlink_to(REPOSITORY / file)
    return folder


def _docs_a_second(airflow: LocalAirflow, workers: Sequence[str]) -> float:
    """From the first chunk's start to the last one's end."""
    employ(airflow, workers)
    conf = {"docType": DOC_TYPE, "chunkSize": CHUNK, "maxInFlight": IN_FLIGHT}
    run_id = successful_run(airflow, DAG_ID, conf)
    chunks = airflow.task_instances(DAG_ID, run_id, CHUNK_TASK)
    if at_work := {each["hostname"] for each in chunks} ^ set(workers):
        raise RuntimeError(f"{at_work} worked and should not, or the other way round")
    indexed = airflow.xcom(DAG_ID, run_id, "report", "totalIndexed")
    if indexed != DOCUMENTS:
        raise RuntimeError(f"{indexed} of {DOCUMENTS} documents were indexed")
    return DOCUMENTS / seconds_of(chunks)


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
