"""A real run of a thousand chunks: its report, and what each mapped task pulls at its start."""

from __future__ import annotations

from datetime import datetime

from bench import REPOSITORY, RUN_DIRECTORY
from bench.figures import REPETITIONS, Figure, Goal, Spread
from bench.generated_mongo import generated_mongo
from reindex.conf import DEFAULT_CHUNK_SIZE
from reindex.operators.run_context import CHUNK_TASK, REPORT_TASK
from sandbox.local_airflow import LocalAirflow, running_airflow
from sandbox.stack import mongo_connection

COMMAND = "python -m bench.many_chunks"
CHUNKS = 1000
REPORT_GOAL = Goal(5, at_most=True)
# Of the plan's list, whatever the number of documents: 200 bytes for each chunk that may be.
PULL_GOAL = Goal(200 * 1024, at_most=True)
DAG_ID = "many_chunks"
PARALLELISM = 8
RUN_SECONDS, REPORT_SECONDS = 900.0, 60.0
SAMPLED = 50
SETTINGS = {"AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "bench" / "dags")}


def measure(chunks: int = CHUNKS, repetitions: int = REPETITIONS) -> list[Figure]:
    """The chunks are planned and mapped as ever, and end without posting; the report is real."""
    with (
        generated_mongo(projects=chunks * DEFAULT_CHUNK_SIZE) as uri,
        running_airflow(
            RUN_DIRECTORY / "airflow-many",
            {"marketplace_mongo": mongo_connection(uri)},
            parallelism=PARALLELISM,
            settings=SETTINGS,
        ) as airflow,
    ):
        airflow.wait_for_dag(DAG_ID)
        run_id = airflow.trigger(DAG_ID, {"docType": "project"})
        _succeed(airflow, run_id, RUN_SECONDS)
        reports = [_report_again(airflow, run_id) for _ in range(repetitions)]
        pulls = [_chunk_xcom(airflow, run_id, at) for at in range(0, chunks, -(-chunks // SAMPLED))]
    seconds = Spread.of([pull["pullSeconds"] for pull in pulls])
    return [
        Figure(
            f"report over {chunks:,} chunks, from the task's start to its end",
            Spread.of(reports),
            REPORT_GOAL,
            COMMAND,
            unit="s",
            remark="each time a task of its own in a real Airflow; 2,000 failures in 100 chunks; "
            "planned from the generated Mongo",
        ),
        Figure(
            f"bytes that a mapped task pulls at its start, of {chunks:,} chunks",
            Spread.of([pull["pullBytes"] for pull in pulls]),
            PULL_GOAL,
            COMMAND,
            unit="bytes",
            digits=0,
            remark=f"takes {1000 * seconds.median:.0f} ms with {PARALLELISM} tasks at once",
        ),
    ]


def _report_again(airflow: LocalAirflow, run_id: str) -> float:
    """Seconds of one more try of the report task."""
    cleared = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": [REPORT_TASK],
        "only_failed": False,
    }
    airflow.api("POST", f"dags/{DAG_ID}/clearTaskInstances", cleared)
    _succeed(airflow, run_id, REPORT_SECONDS)
    (task,) = airflow.task_instances(DAG_ID, run_id, REPORT_TASK)
    return seconds_between(task["start_date"], task["end_date"])


def seconds_between(started: str, ended: str) -> float:
    """Between two times as Airflow's API writes them."""
    first, last = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (started, ended))
    return (last - first).total_seconds()


def _succeed(airflow: LocalAirflow, run_id: str, seconds: float) -> None:
    state = airflow.wait_for_run(DAG_ID, run_id, seconds)
    if state != "success":
        raise RuntimeError(f"the run {run_id} ended as {state}: see {airflow.home}")


def _chunk_xcom(airflow: LocalAirflow, run_id: str, index: int) -> dict[str, float]:
    path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{CHUNK_TASK}/xcomEntries/return_value"
    value = airflow.api("GET", f"{path}?map_index={index}&deserialize=false")["value"]
    assert isinstance(value, dict)
    return value


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
