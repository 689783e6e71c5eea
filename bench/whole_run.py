"""A whole run on a real scheduler against the time that its posts alone need."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from bench import RUN_DIRECTORY
from bench.bare_loops import post_concurrently
from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from bench.generated_mongo import generated_mongo
from bench.many_chunks import seconds_between
from bench.source_data import encoded_bodies
from bench.target import running_target
from sandbox.local_airflow import LocalAirflow, running_airflow
from sandbox.stack import http_connection, mongo_connection

COMMAND = "python -m bench.whole_run"
GOAL = Goal(1.2, at_most=True)
DAG_ID = "reindex_batch"
DOCUMENTS, BODIES = 200_000, 20_000
SLOTS = 2
# The platform's one thread and the way to it, all faster by this: at its own pace a run takes six
# minutes. Four times the default size, a chunk still takes half as long as one of those there.
FASTER = 8
TARGET = ("--platform", f"--faster={FASTER}")
CHUNK_SIZE = 20_000
IN_FLIGHT = 64
RUN_SECONDS = 300.0
SETTINGS = {"REINDEX_SCHEDULE": "none"}


def measure(documents: int = DOCUMENTS, repetitions: int = REPETITIONS) -> list[Figure]:
    """The run, from its trigger to its end, and a bare loop before each, at the same server."""
    with generated_mongo(projects=BODIES) as uri:
        bodies = encoded_bodies(uri)
    with generated_mongo(projects=documents) as uri, running_target(*TARGET) as target:
        connections = {
            "marketplace_mongo": mongo_connection(uri),
            "discovery_api": http_connection(target, "bench-token"),
        }
        directory = RUN_DIRECTORY / "airflow-whole"
        with running_airflow(
            directory, connections, parallelism=SLOTS, settings=SETTINGS
        ) as airflow:
            airflow.wait_for_dag(DAG_ID)
            sides: dict[str, Callable[[], float]] = {
                "posts": partial(_posting, target, bodies, documents),
                "run": partial(_running, airflow, documents),
            }
            # The first run after a start also warms the API server up.
            seconds = interleaved(sides, repetitions)
    run, posts = Spread.of(seconds["run"]), Spread.of(seconds["posts"])
    return [
        Figure(
            f"a whole run of {documents:,} documents, {SLOTS} slots ÷ its posts alone",
            ratios(seconds["run"], seconds["posts"]),
            GOAL,
            COMMAND,
            remark=f"{run.shown(1)} and {posts.shown(1)} s, from trigger to end; "
            f"{documents // CHUNK_SIZE} chunks of {CHUNK_SIZE:,}; the platform's server, {FASTER} "
            f"times as fast; the posts at a bare loop's rate over {BODIES:,}; generated Mongo",
        )
    ]


def _posting(target: str, bodies: Sequence[bytes], documents: int) -> float:
    """Seconds that so many posts need, at the rate of a bare loop over some of them."""
    started = time.perf_counter()
    post_concurrently(target, bodies, IN_FLIGHT)
    return (time.perf_counter() - started) * documents / len(bodies)


def _running(airflow: LocalAirflow, documents: int) -> float:
    """Seconds from the trigger to the run's end."""
    conf = {"docType": "project", "chunkSize": CHUNK_SIZE, "maxInFlight": IN_FLIGHT}
    run_id = airflow.trigger(DAG_ID, conf)
    state = airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)
    indexed = airflow.xcom(DAG_ID, run_id, "report", "totalIndexed")
    if (state, indexed) != ("success", documents):
        raise RuntimeError(f"the run {run_id} ended as {state} with {indexed}: see {airflow.home}")
    run = airflow.api("GET", f"dags/{DAG_ID}/dagRuns/{run_id}")
    return seconds_between(run["queued_at"], run["end_date"])


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
