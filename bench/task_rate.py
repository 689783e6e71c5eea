"""No-op mapped tasks a second, in the demo's Airflow settings and in the stock ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import REPOSITORY, RUN_DIRECTORY
from bench.figures import REPETITIONS, Figure, Goal, Spread, interleaved, ratios
from sandbox.local_airflow import LocalAirflow, running_airflow

COMMAND = "python -m bench.task_rate"
GOAL = Goal(2.5)
PARALLELISM = 4
# The first run after a start also warms the API server up, on either side: it is not counted.
RUNS_EACH = 3
RUN_SECONDS = 300.0
DAG_ID, TASK_ID = "noop_mapped", "noop"
OUR_DAGS = {"AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "bench" / "dags")}
# Airflow's own defaults for what the demo sets. The third difference is the preload.
STOCK = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
}


def measure(repetitions: int = REPETITIONS) -> list[Figure]:
    """One Airflow after the other, in turns; each needs half a minute to start."""
    sides: dict[str, Callable[[], float]] = {
        "demo": partial(_tasks_a_second, "demo", OUR_DAGS, preload=True),
        "stock": partial(_tasks_a_second, "stock", {**OUR_DAGS, **STOCK}, preload=False),
    }
    rates = interleaved(sides, repetitions, warm_up=False)
    demo, stock = Spread.of(rates["demo"]), Spread.of(rates["stock"])
    return [
        Figure(
            f"mapped no-op tasks/s, demo's settings ÷ stock (parallelism {PARALLELISM})",
            ratios(rates["demo"], rates["stock"]),
            GOAL,
            COMMAND,
            digits=1,
            remark=f"{demo.shown(1)} and {stock.shown(1)} tasks/s",
        )
    ]


def _tasks_a_second(name: str, settings: Mapping[str, str], *, preload: bool) -> float:
    run_directory = RUN_DIRECTORY / f"airflow-{name}"
    if not preload:
        _without_preload(run_directory)
    with running_airflow(run_directory, {}, parallelism=PARALLELISM, settings=settings) as airflow:
        airflow.wait_for_dag(DAG_ID)
        return Spread.of([rate_of_run(airflow) for _ in range(RUNS_EACH)][1:]).median


def _without_preload(run_directory: Path) -> None:
    """A config folder of its own: then the repository's is not linked there."""
    (run_directory / "airflow" / "config").mkdir(parents=True, exist_ok=True)


def rate_of_run(airflow: LocalAirflow) -> float:
    """No-op tasks a second, from the first one's start to the last one's end."""
    run_id = successful_run(airflow, DAG_ID)
    tasks = airflow.task_instances(DAG_ID, run_id, TASK_ID)
    return len(tasks) / seconds_of(tasks)


def successful_run(
    airflow: LocalAirflow, dag_id: str, conf: Mapping[str, object] | None = None
) -> str:
    """The id of a run that was triggered and has ended; RuntimeError when it did not end well."""
    run_id = airflow.trigger(dag_id, conf)
    state = airflow.wait_for_run(dag_id, run_id, RUN_SECONDS)
    if state != "success":
        raise RuntimeError(f"the run {run_id} ended as {state}: see {airflow.home}")
    return run_id


def seconds_of(tasks: Sequence[Mapping[str, Any]]) -> float:
    """From the first task's start to the last one's end."""
    return max(_time(task["end_date"]) for task in tasks) - min(
        _time(task["start_date"]) for task in tasks
    )


def _time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    for figure in measure():
        print(figure.line())
