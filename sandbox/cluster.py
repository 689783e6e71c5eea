"""
Airflow's own distributed engine on this machine: CeleryExecutor, Postgres, Redis, two workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery  # type: ignore[import-untyped]

from sandbox.cluster_worker import WORKER_VARIABLE
from sandbox.local_airflow import LocalAirflow, running_airflow
from sandbox.postgres import postgres_program, running_postgres, system_user
from sandbox.processes import REPOSITORY, wait_until
from sandbox.redis import redis_program, running_redis
from sandbox.system_packages import MissingProgramError

WORKERS = ("w1", "w2")
SLOTS = 2
QUEUE = "default"
START_SECONDS = 120.0
# Queued and running together, over all workers: Airflow's default, and never the limit here.
PARALLELISM = 32
SETTINGS: Mapping[str, str] = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "sandbox.cluster_worker.host_name",
    "PYTHONPATH": str(REPOSITORY),
    # A send that takes longer than the default of one second fails; this machine does much else.
    "AIRFLOW__CELERY__OPERATION_TIMEOUT": "10",
    # Twice as many as there are slots: a worker finds its next chunk waiting at the broker.
    "REINDEX_PARALLEL_CHUNKS": str(2 * SLOTS * len(WORKERS)),
    # A worker that is lost is noticed after 15 seconds instead of five minutes, and a task that it
    # had taken and not yet begun after half a minute instead of ten.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
}


def require_programs() -> None:
    """MissingProgramError says all that has to be installed."""
    missing = []
    for look in (redis_program, lambda: postgres_program("postgres"), system_user):
        try:
            look()
        except MissingProgramError as error:
            missing.append(str(error))
    if missing:
        raise MissingProgramError("\n".join(missing))


@contextmanager
def running_cluster(
    run_dir: Path,
    connections: Mapping[str, Mapping[str, object]],
    *,
    settings: Mapping[str, str] | None = None,
    slots: int = SLOTS,
) -> Iterator[LocalAirflow]:
    """
    An Airflow whose tasks run on the workers, each with so many at a time; once all are there.

    ``processes`` holds the workers by the names of ``WORKERS``.

    :raises MissingProgramError: before anything was started
    """
    require_programs()
    with running_postgres(run_dir) as database, running_redis(run_dir) as broker:
        celery = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _with_driver(database),
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{_with_driver(database)}",
            "AIRFLOW__CELERY__BROKER_URL": broker,
        }
        with running_airflow(
            run_dir,
            connections,
            parallelism=PARALLELISM,
            settings={**SETTINGS, **celery, **(settings or {})},
            components={name: _worker(name, slots) for name in WORKERS},
            environments={name: {WORKER_VARIABLE: name} for name in WORKERS},
        ) as airflow:
            for name in WORKERS:
                _await_worker(airflow, name)
            yield airflow


def employ(airflow: LocalAirflow, names: Sequence[str]) -> None:
    """From now on only these workers take tasks; the others go on running."""
    control = _control(airflow)
    for name in WORKERS:
        change = control.add_consumer if name in names else control.cancel_consumer
        answers = change(QUEUE, destination=[_address(name)], reply=True, timeout=10, limit=1)
        if not answers or "ok" not in answers[0][_address(name)]:
            raise RuntimeError(f"the worker {name} did not obey: {answers}")


def chunks_by_worker(instances: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many chunks each worker had, of task instances as the REST API has them."""
    had = Counter(each["hostname"] for each in instances if each["hostname"])
    return {name: had[name] for name in WORKERS}


def _control(airflow: LocalAirflow) -> Any:
    """Celery's remote control of the workers."""
    return Celery(broker=airflow.environment["AIRFLOW__CELERY__BROKER_URL"]).control


def _await_worker(airflow: LocalAirflow, name: str) -> None:
    wait_until(
        lambda: bool(_control(airflow).ping([_address(name)], timeout=1)),
        START_SECONDS,
        f"the worker {name}",
        process=airflow.processes[name],
    )


def _worker(name: str, slots: int) -> tuple[str, ...]:
    # Logs are read from the folder that they are written to: no log server has to listen.
    command = ("celery", "worker", "--skip-serve-logs")
    return (*command, "-H", _address(name), "--concurrency", str(slots))


def _address(name: str) -> str:
    return f"{name}@cluster"


def _with_driver(address: str) -> str:
    return address.replace("postgresql://", "postgresql+psycopg2://", 1)
