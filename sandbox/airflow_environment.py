"""What the local Airflow is told by its environment: settings, and secrets that are kept."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet

from sandbox.processes import REPOSITORY

BIN = Path(sys.executable).parent
USER, VIEWER = "admin", "viewer"


def inherited() -> dict[str, str]:
    """Our own environment, without an Airflow that somebody configured for something else."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "_AIRFLOW"))}
    return {**mine, "PATH": f"{BIN}{os.pathsep}{mine.get('PATH', '')}"}


def kept_secrets(file: Path) -> dict[str, str]:
    """Made on the first start and kept: sessions and logins outlive a restart."""
    if not file.exists():
        made = {name: secrets.token_urlsafe(32) for name in ("jwt", "api")}
        made |= {"fernet": Fernet.generate_key().decode(), "password": secrets.token_urlsafe(9)}
        file.touch(mode=0o600)
        file.write_text(json.dumps(made))
    kept = json.loads(file.read_text())
    assert isinstance(kept, dict)
    return kept


def configuration(
    home: Path, port: int, parallelism: int, passwords: Path, kept: Mapping[str, str]
) -> dict[str, str]:
    """
    Airflow's settings and this package's, as environment variables.

    :param passwords: the file of the users' passwords
    :param kept: of :func:`kept_secrets`
    """
    url = f"http://127.0.0.1:{port}"
    options = {
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(parallelism),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__FERNET_KEY": kept["fernet"],
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin,{VIEWER}:viewer",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        # One writer at a time: with SQLite's own 5 s, a request now and then is answered by 500.
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=30",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": kept["api"],
        "API_AUTH__JWT_SECRET": kept["jwt"],
        "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        # What a killed scheduler left queued is begun anew by the next one after half a minute (its
        # own heartbeat has to run out first) instead of five.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        # A run of five chunks ends in half the time, for a sixth of a core while nothing runs.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        # With the default of 5 s a quarter of the tasks hold their slot 5 s after they are done.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {
        "AIRFLOW_HOME": str(home),
        # Whoever starts this leases the jobs, unless the settings say otherwise.
        "REINDEX_JOB_POLL_SECONDS": "none",
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
    }
