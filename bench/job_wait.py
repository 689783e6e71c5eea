"""
What waiting for the platform's jobs costs: a run every minute against a trigger that always waits.

Each side has an Airflow of its own. First nothing is queued for a while, and the CPU time of all of
its processes is read, less that of an Airflow that waits for nothing. Then jobs are queued, one at
a time, and the seconds until their run starts are taken. `docs/jobs.md` holds what it printed.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from bench import REPOSITORY, RUN_DIRECTORY
from bench.written_part import WrittenPart
from sandbox.local_airflow import LocalAirflow, running_airflow
from sandbox.mongo import running_mongo
from sandbox.platform import Platform, running_platform
from sandbox.processes import wait_until
from sandbox.seed import generate, seed
from sandbox.stack import connections_of

COMMAND = "python -m bench.job_wait"
PART = WrittenPart(REPOSITORY / "docs" / "jobs.md", COMMAND)
HEAD = """\
| | CPU-s/h, all of Airflow | of it for the wait | worker slot, s/h | memory of a triggerer \
| job queued → its run starts |
| --- | --- | --- | --- | --- | --- |
"""
CREATORS, PROJECTS = 200, 10
IDLE_SECONDS, SETTLE_SECONDS, JOBS = 240.0, 40.0, 8
JOB_SECONDS = 180.0
POLL_SECONDS = 60.0
MIB = 1 << 20


@dataclass(frozen=True)
class Side:
    """``dag_id`` is the DAG that waits for jobs, ``None`` where nothing does."""

    name: str
    dag_id: str | None
    settings: Mapping[str, str]
    triggerer: bool = False


@dataclass(frozen=True)
class Cost:
    """Of one idle hour, scaled up: CPU seconds and task slot seconds; memory is MiB."""

    cpu: float
    slot: float
    memory: float


def sides(dags: Path) -> list[Side]:
    """``dags``: a folder that holds the trigger's DAG."""
    deferred = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "PYTHONPATH": str(REPOSITORY)}
    poll = {"REINDEX_JOB_POLL_SECONDS": str(POLL_SECONDS)}
    return [
        Side("nothing waits", None, {}),
        Side(f"a run every {POLL_SECONDS:.0f} s", "reindex_job_worker", poll),
        Side(
            "a trigger that asks every 5 s", "reindex_job_worker_deferred", deferred, triggerer=True
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    parser.add_argument("--jobs", type=int, default=JOBS)
    options = parser.parse_args()
    dags = _folder_of_the_trigger()
    costs: list[Cost] = []
    rows: list[str] = []
    for side in sides(dags):
        with _running(side) as (airflow, platform):
            costs.append(_idle(airflow, side, options.idle_seconds))
            delays = _delays(airflow, platform, options.jobs) if side.dag_id else []
        rows.append(_row(side, costs[-1], costs[0], delays))
        print(rows[-1], flush=True)
    measured = (
        f"Each idle for {options.idle_seconds:.0f} s, scaled to an hour; then {options.jobs} jobs "
        f"at random moments\n(`--idle-seconds {options.idle_seconds:.0f} --jobs {options.jobs}`). "
        f"{os.cpu_count()} CPUs.\n\n"
    )
    PART.write(measured + HEAD + "\n".join(rows))


def _row(side: Side, cost: Cost, none: Cost, delays: Sequence[float]) -> str:
    if not side.dag_id:
        return f"| {side.name} | {cost.cpu:.0f} | – | – | – | – |"
    delay = (
        f"{statistics.median(delays):.0f} s ({min(delays):.0f}–{max(delays):.0f})"
        if delays
        else "–"
    )
    memory = f"{cost.memory:.0f} MiB" if cost.memory else "–"
    return (
        f"| {side.name} | {cost.cpu:.0f} | {cost.cpu - none.cpu:.0f} | {cost.slot:.0f} "
        f"| {memory} | {delay} |"
    )


def _folder_of_the_trigger() -> Path:
    folder = RUN_DIRECTORY / "job-wait-dags"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (
        REPOSITORY / "dags" / "reindex_batch.py",
        REPOSITORY / "bench" / "deferred" / "reindex_job_worker_deferred.py",
    )
    for file in wanted:
        link = folder / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    return folder


@contextmanager
def _running(side: Side) -> Iterator[tuple[LocalAirflow, Platform]]:
    folder = RUN_DIRECTORY / f"job-wait-{side.name.split()[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"REINDEX_SCHEDULE": "none", **side.settings}
    with running_mongo(folder) as mongo, running_platform(folder) as platform:
        seed(mongo.uri, CREATORS, PROJECTS)
        platform.clear_data()
        connections = connections_of(mongo, platform)
        with running_airflow(
            folder, connections, settings=settings, triggerer=side.triggerer
        ) as airflow:
            airflow.wait_for_dag("reindex_batch")
            if side.dag_id:
                airflow.wait_for_dag(side.dag_id)
            yield airflow, platform


def _idle(airflow: LocalAirflow, side: Side, seconds: float) -> Cost:
    time.sleep(SETTLE_SECONDS)
    began, cpu = time.time(), _cpu_seconds(airflow)
    time.sleep(seconds)
    an_hour = 3600 / (time.time() - began)
    cpu = (_cpu_seconds(airflow) - cpu) * an_hour
    slot = 0.0
    if side.dag_id and not side.triggerer:
        slot = _slot_seconds_since(airflow, side.dag_id, began)
    return Cost(cpu, slot * an_hour, _triggerer_memory(airflow))


def _cpu_seconds(airflow: LocalAirflow) -> float:
    """Of everything that Airflow started, also of what has ended since."""
    return sum(
        sum(process.cpu_times()[:4])
        for component in airflow.processes.values()
        for process in _tree(component.pid)
    )


def _tree(pid: int) -> list[psutil.Process]:
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def _triggerer_memory(airflow: LocalAirflow) -> float:
    """Memory that would be free without it."""
    component = airflow.processes.get("triggerer")
    if component is None:
        return 0.0
    return sum(process.memory_full_info().uss for process in _tree(component.pid)) / MIB


def _slot_seconds_since(airflow: LocalAirflow, dag_id: str, began: float) -> float:
    """The seconds that the tasks of the runs since then held a slot."""
    runs = airflow.api("GET", f"dags/{dag_id}/dagRuns?limit=1000")["dag_runs"]
    late = [run for run in runs if run["start_date"] and _time(run["start_date"]) >= began]
    seconds = 0.0
    for run in late:
        for task in airflow.task_instances(dag_id, run["dag_run_id"], "lease"):
            seconds += task["duration"] or 0.0
    return seconds


def _delays(airflow: LocalAirflow, platform: Platform, jobs: int) -> list[float]:
    """From the moment that a job is queued until its run starts, at moments without a pattern."""
    moments = random.Random(56)
    creators = [str(document["_id"]) for document in generate("creatorprofiles", CREATORS, 10)]
    return [
        _delay(airflow, platform, creators[place : place + 2], moments.uniform(0, POLL_SECONDS))
        for place in range(jobs)
    ]


def _delay(airflow: LocalAirflow, platform: Platform, ids: list[str], pause: float) -> float:
    time.sleep(pause)
    queued = time.time()
    job_id = platform.enqueue({"docType": "creator", "docIds": ids})

    def succeeded() -> bool:
        return bool(platform.call("GET", f"/jobs/{job_id}")["status"] == "succeeded")

    wait_until(succeeded, JOB_SECONDS, f"the job {job_id}", interval=0.2)
    run = airflow.api("GET", f"dags/reindex_batch/dagRuns/job__{job_id}__1")
    return _time(run["start_date"]) - queued


def _time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    main()
