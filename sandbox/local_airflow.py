"""
A real Airflow on this machine: SQLite, LocalExecutor, everything in one folder, loopback only.
Settings and more components make it another one: ``sandbox.cluster`` has Celery workers.

Its components are started one by one, each in a process group of its own: `airflow standalone`
would leave its children behind when it is ended by SIGTERM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sandbox.airflow_environment import (
    BIN,
    USER,
    VIEWER,
    configuration,
    inherited,
    kept_secrets,
)
from sandbox.processes import REPOSITORY, ManagedProcess, free_port, wait_until

START_SECONDS = 180.0
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    # Logs are read from the folder that they are written to: no log server has to listen.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
}
# Only for DAGs that defer, which none in dags/ does.
TRIGGERER: Mapping[str, tuple[str, ...]] = {"triggerer": ("triggerer", "--skip-serve-logs")}


@dataclass
class LocalAirflow:
    """A running Airflow; ``password`` is that of both users."""

    home: Path
    port: int
    environment: dict[str, str] = field(repr=False)
    password: str = field(repr=False)
    components: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: COMPONENTS)
    # What one component has on top of ``environment``, by its name.
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    processes: dict[str, ManagedProcess] = field(default_factory=dict, repr=False)
    _session: requests.Session | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Migrates the database and starts the components; returns once a DAG can be triggered."""
        self.command("db", "migrate", name="db-migrate")
        for name, arguments in self.components.items():
            self.processes[name] = ManagedProcess(
                f"airflow-{name}",
                [str(BIN / "airflow"), *arguments],
                self.home.parent,
                environment={**self.environment, **self.environments.get(name, {})},
                working_directory=REPOSITORY,
            )
            self.processes[name].start()
        api_server = self.processes["api-server"]
        wait_until(self._healthy, START_SECONDS, "Airflow", process=api_server, interval=0.25)

    def stop(self) -> None:
        for process in reversed(list(self.processes.values())):
            process.stop()

    def command(self, *arguments: str, name: str) -> None:
        """Run one `airflow` command to its end; RuntimeError names its log when it fails."""
        command = [str(BIN / "airflow"), *arguments]
        with ManagedProcess(
            f"airflow-{name}",
            command,
            self.home.parent,
            environment=self.environment,
            working_directory=REPOSITORY,
        ) as process:
            wait_until(lambda: not process.running, START_SECONDS, f"airflow {name}")
            if process.exit_code:
                raise RuntimeError(f"airflow {name} failed:\n{process.log_tail()}")

    def session(self, user: str = USER) -> requests.Session:
        """A session logged in to the REST API."""
        session = requests.Session()
        answer = session.post(
            f"{self.url}/auth/token",
            json={"username": user, "password": self.password},
            timeout=30,
        )
        answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def api(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One call of the REST API as admin; requests.HTTPError holds what a 4xx said."""
        self._session = self._session or self.session()
        url = f"{self.url}/api/v2/{path}"
        answer = self._session.request(method, url, json=body, timeout=60)
        if not answer.ok:
            raise requests.HTTPError(f"{answer.status_code} {method} {path}: {answer.text}")
        content = answer.json() if answer.content else {}
        assert isinstance(content, dict)
        return content

    def wait_for_dag(self, dag_id: str) -> None:
        """Until the DAG is parsed and can be triggered."""

        def parsed() -> bool:
            try:
                self.api("GET", f"dags/{dag_id}")
            except requests.HTTPError:
                return False
            return True

        wait_until(
            parsed,
            START_SECONDS,
            f"the DAG {dag_id}",
            process=self.processes["dag-processor"],
            interval=0.25,
        )

    def trigger(
        self, dag_id: str, conf: Mapping[str, object] | None = None, run_id: str | None = None
    ) -> str:
        """Trigger a run; returns its run id."""
        body: dict[str, object] = {"logical_date": None, "conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        return str(self.api("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        timeout: float,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> str:
        """The state that the run ended with."""

        def ended() -> bool:
            while_waiting()
            return self.run_state(dag_id, run_id) in ("success", "failed")

        scheduler = self.processes["scheduler"]
        wait_until(ended, timeout, f"the run {run_id}", process=scheduler, interval=0.3)
        return self.run_state(dag_id, run_id)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """An XCom's value; ``None`` when there is none."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self.api("GET", f"{path}?deserialize=false")["value"]
        except requests.HTTPError as error:
            if str(error).startswith("404"):
                return None
            raise

    def task_instances(self, dag_id: str, run_id: str, task_id: str) -> list[dict[str, Any]]:
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?task_id={task_id}&limit=1000"
        found = self.api("GET", path)["task_instances"]
        assert isinstance(found, list)
        return found

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
    ) -> str:
        """The log of one try, as the UI shows it."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        content = self.api("GET", f"{path}?map_index={map_index}&full_content=true")["content"]
        return "\n".join(json.dumps(line) for line in content)

    def _healthy(self) -> bool:
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        return all(
            health.get(part, {}).get("status") == "healthy"
            for part in ("metadatabase", "scheduler", "dag_processor")
        )


@contextmanager
def running_airflow(
    run_dir: Path,
    connections: Mapping[str, Mapping[str, object]],
    *,
    parallelism: int = 4,
    settings: Mapping[str, str] | None = None,
    triggerer: bool = False,
    components: Mapping[str, tuple[str, ...]] | None = None,
    environments: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[LocalAirflow]:
    """
    An Airflow with this repository's DAGs, stopped at the end; its database stays in ``run_dir``.

    :param connections: by conn_id, as Airflow's JSON form has them
    :param settings: environment variables that override the ones made here
    :param triggerer: start one, for DAGs that defer
    :param components: what is started beside the usual ones, as ``COMPONENTS`` has them
    :param environments: environment variables of single components, by their names
    """
    airflow = _prepared(run_dir, connections, parallelism, settings or {})
    airflow.components = {**COMPONENTS, **(TRIGGERER if triggerer else {}), **(components or {})}
    airflow.environments = environments or {}
    with ExitStack() as stack:
        stack.callback(airflow.stop)
        airflow.start()
        yield airflow


def _prepared(
    run_dir: Path,
    connections: Mapping[str, Mapping[str, object]],
    parallelism: int,
    settings: Mapping[str, str],
) -> LocalAirflow:
    home = (run_dir / "airflow").resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "config"
    if not config.exists():
        config.symlink_to(REPOSITORY / "config")
    kept = kept_secrets(home / "secrets.json")
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({USER: kept["password"], VIEWER: kept["password"]}))
    port = free_port()
    environment = {
        **inherited(),
        **configuration(home, port, parallelism, passwords, kept),
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(c) for name, c in connections.items()},
        **settings,
    }
    return LocalAirflow(home, port, environment, kept["password"])
