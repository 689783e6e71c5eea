"""Everything at once: Mongo with data, the platform, and an Airflow connected to both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.local_airflow import LocalAirflow, running_airflow
from sandbox.mongo import Mongo, given_or_running_mongo
from sandbox.platform import Platform, running_platform
from sandbox.process_records import end_leftovers, owner_is_alive, read_records
from sandbox.seed import CREATORS, DATABASE, PROJECTS, seed


class AlreadyRunningError(RuntimeError):
    """Another one uses the same folder."""


Say = Callable[[str], None]


class RunningAirflow(Protocol):
    """How an Airflow is started: ``running_airflow``, or another one with its first arguments."""

    def __call__(
        self,
        run_dir: Path,
        connections: Mapping[str, Mapping[str, object]],
        *,
        settings: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[LocalAirflow]: ...


@dataclass(frozen=True)
class Stack:
    """What runs."""

    mongo: Mongo
    platform: Platform
    airflow: LocalAirflow


@contextmanager
def running_stack(
    run_dir: Path,
    *,
    creators: int = CREATORS,
    projects: int = PROJECTS,
    settings: Mapping[str, str] | None = None,
    retry_delay_seconds: float = 5,
    lease_seconds: float = 300,
    timeout_seconds: float = 10,
    start_airflow: RunningAirflow = running_airflow,
    say: Say = lambda _: None,
) -> Iterator[Stack]:
    """
    Start all of it, end all of it; the data stay in ``run_dir``.

    :param settings: environment variables for Airflow
    :param lease_seconds: how long a job's lease lasts
    :param timeout_seconds: of the connections to the platform
    :param start_airflow: which Airflow
    :param say: is told of each step
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    _refuse_a_second(run_dir)
    end_leftovers(run_dir)
    with (
        given_or_running_mongo(run_dir) as mongo,
        running_platform(
            run_dir, retry_delay_seconds=retry_delay_seconds, lease_seconds=lease_seconds
        ) as platform,
    ):
        say(f"MongoDB: {mongo.kind}, database {mongo.database}; the platform: {platform.base_url}")
        seeded = seed(mongo.uri, creators, projects, database=mongo.database)
        say(
            f"{seeded.creatorprofiles} creators, {seeded.users} users, {seeded.projects} projects "
            + ("generated" if seeded.fresh else "are there already")
        )
        say("Airflow starts (about 20 seconds)")
        connections = connections_of(mongo, platform, timeout_seconds)
        with start_airflow(run_dir, connections, settings=settings) as airflow:
            airflow.wait_for_dag("reindex_batch")
            yield Stack(mongo, platform, airflow)


def _refuse_a_second(run_dir: Path) -> None:
    """Two of them on the same data would damage both."""
    for _, record in read_records(run_dir):
        if owner_is_alive(record):
            raise AlreadyRunningError(
                f"{record.name} (pid {record.pid}) in {run_dir} belongs to one that still runs: "
                "end that one first (Ctrl-C in its terminal)"
            )


def connections_of(
    mongo: Mongo, platform: Platform, timeout_seconds: float = 10
) -> dict[str, dict[str, object]]:
    """The three Airflow Connections of the package, by conn_id, in Airflow's JSON form."""
    service = http_connection(platform.base_url, platform.token, timeout=timeout_seconds)
    return {
        "marketplace_mongo": mongo_connection(mongo.uri, mongo.database),
        "discovery_api": service,
        "jobs_api": service,
    }


def http_connection(base_url: str, token: str, **extra: object) -> dict[str, object]:
    """A connection of type ``http``."""
    return {"conn_type": "http", "host": base_url, "password": token, "extra": dict(extra)}


def mongo_connection(uri: str, database: str = "") -> dict[str, object]:
    """A connection of type ``mongo`` for a plain ``mongodb://`` address."""
    parts = urlsplit(uri)
    named = parts.path.strip("/")
    options = dict(parse_qsl(parts.query))
    if parts.username:
        # The database that an address names is where its user is looked up, else it is admin. In
        # the connection's address it is the schema.
        options.setdefault("authSource", named or "admin")
    return {
        "conn_type": "mongo",
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 27017,
        "login": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "schema": database or named or DATABASE,
        "extra": options,
    }
