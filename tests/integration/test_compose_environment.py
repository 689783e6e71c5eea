"""
The environment of docker-compose.yaml's services with a real Postgres, a real Redis and Airflow's
own commands. In place of the containers: processes, and this machine's addresses.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.cluster import require_programs
from sandbox.postgres import running_postgres
from sandbox.processes import REPOSITORY
from sandbox.redis import running_redis
from sandbox.system_packages import MissingProgramError
from tests.dags.test_docker_compose import environment, services
from tests.not_tested import not_tested

BIN = Path(sys.executable).parent


class Deployment:
    """Runs what a service runs, with the service's environment."""

    def __init__(self, folder: Path, postgres: str, redis: str) -> None:
        self.folder = folder
        self.database, self.broker = urlsplit(postgres), urlsplit(redis)
        for name in ("keys", "server", "sandbox"):
            (folder / "secrets" / name).mkdir(parents=True)

    def environment_of(self, service: str) -> dict[str, str]:
        given = {**environment(services()[service]), "COMPOSE_PROFILES": "sandbox"}
        return {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "PYTHONPATH": str(REPOSITORY),
            **{name: self._here(value) for name, value in given.items()},
        }

    def run(self, service: str, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=REPOSITORY, env=self.environment_of(service), capture_output=True,
            text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    def _here(self, value: str) -> str:
        """Where a container finds something, and what .env holds, as it is on this machine."""
        value = value.replace("/secrets/", f"{self.folder}/secrets/")
        value = re.sub(r"^/secrets$", f"{self.folder}/secrets", value)
        value = re.sub(
            r"airflow:\$\{POSTGRES_PASSWORD:[^}]*\}@postgres/airflow",
            self.database.netloc + self.database.path, value,
        )  # fmt: skip
        value = re.sub(
            r":\$\{REDIS_PASSWORD:[^}]*\}@redis:6379/0",
            self.broker.netloc + (self.broker.path or "/0"), value,
        )  # fmt: skip
        # Compose's defaults, the inner ones first.
        while "${" in value:
            value = re.sub(r"\$\{[A-Z_]+:-([^${}]*)\}", r"\1", value)
        return value


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    try:
        require_programs()
    except MissingProgramError as error:
        not_tested("compose's environment on Postgres and Redis", str(error))
    folder = tmp_path_factory.mktemp("compose")
    with running_postgres(folder) as postgres, running_redis(folder) as redis:
        yield Deployment(folder, postgres, redis)


def test_the_first_start_ends_with_a_database_that_every_service_accepts(
    deployment: Deployment,
) -> None:
    [script] = services()["airflow-init"]["command"]
    deployment.run("airflow-init", [sys.executable, "-c", script.replace("$$", "$")])
    deployment.run("airflow-scheduler", ["airflow", "db", "check-migrations", "-t", "0"])
    shown = deployment.run("airflow-scheduler", ["airflow", "pools", "list", "-o", "plain"])
    assert "default_pool" in shown


def test_the_worker_reaches_the_broker_and_the_result_backend(deployment: Deployment) -> None:
    code = """
from airflow.providers.celery.executors.celery_executor import app
with app.connection() as connection:
    connection.ensure_connection(max_retries=1, timeout=5)
print("BROKER", connection.transport_cls, "BACKEND", type(app.backend).__name__)
app.backend.get_state("no-such-task")
"""
    said = deployment.run("airflow-worker", [sys.executable, "-c", code])
    assert "BROKER redis BACKEND DatabaseBackend" in said


@pytest.mark.parametrize("service", ["airflow-apiserver", "airflow-worker"])
def test_only_the_servers_know_the_platforms_token(deployment: Deployment, service: str) -> None:
    code = """
from airflow.configuration import conf
print("BACKEND", conf.get("secrets", "backend") or "none")
"""
    context = {"airflow-apiserver": "server", "airflow-worker": "client"}[service]
    said = deployment.run(
        service, ["env", f"_AIRFLOW_PROCESS_CONTEXT={context}", sys.executable, "-c", code]
    )
    known = "LocalFilesystemBackend" in said
    assert known is (service == "airflow-apiserver"), said


def test_every_command_is_one_that_airflow_has(deployment: Deployment) -> None:
    for name in ("apiserver", "scheduler", "dag-processor", "triggerer", "worker"):
        service = f"airflow-{name}"
        command = shlex.split(services()[service]["command"])
        assert "Usage: airflow" in deployment.run(service, ["airflow", *command, "--help"])
