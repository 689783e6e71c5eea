"""A running stand-in for the platform, for a test, a demo or a bench."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sandbox.auth import make_token
from sandbox.discovery import DOC_TYPES
from sandbox.job_store import JobStore
from sandbox.processes import REPOSITORY, ManagedProcess, free_port, wait_until
from sandbox.store import IndexStore

SECRET_VARIABLE = "SANDBOX_JWT_SECRET"
START_SECONDS = 30.0


@dataclass
class Platform:
    """Where the platform is and how to be let in; ``database`` is its SQLite file."""

    base_url: str
    database: Path
    jwt_secret: str = field(repr=False)
    token: str = field(repr=False)
    process: ManagedProcess = field(repr=False)

    def start(self) -> None:
        """Starts it, on the same port and with the same data as before; returns when it answers."""
        self.process.start()
        wait_until(
            self._healthy, START_SECONDS, f"the platform at {self.base_url}", process=self.process
        )

    def stop(self) -> None:
        self.process.stop()

    def index(self) -> IndexStore:
        """The index that the platform holds, read from its file; close it, or use ``with``."""
        return IndexStore(self.database)

    def jobs(self) -> JobStore:
        """The jobs that the platform holds, read from its file; close it, or use ``with``."""
        return JobStore(self.database)

    def put_faults(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Replaces all fault rules (see ``sandbox.fault_rules``)."""
        self.call("PUT", "/sandbox/faults", list(rules))

    def clear_faults(self) -> None:
        self.call("DELETE", "/sandbox/faults")

    def requests(self, *, documents: bool = False) -> dict[str, Any]:
        """What arrived (see ``Traffic.summary``); ``documents`` adds the count of each docId."""
        return self.call("GET", f"/sandbox/requests?documents={str(documents).lower()}")

    def reset_requests(self) -> None:
        """Counts requests anew."""
        self.call("DELETE", "/sandbox/requests")

    def clear_data(self) -> None:
        """Forgets every indexed document and every job."""
        self.call("DELETE", "/sandbox/data")

    def enqueue(self, payload: Mapping[str, Any], **options: Any) -> str:
        """Queues a ``reindex.batch`` job and returns its jobId; options as ``POST /jobs`` has."""
        job = {"type": "reindex.batch", "payload": dict(payload), **options}
        return str(self.call("POST", "/jobs", job)["jobId"])

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call as the admin: the JSON of the answer. requests.HTTPError for a 4xx or 5xx."""
        answer = requests.request(
            method,
            self.base_url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )
        answer.raise_for_status()
        content = answer.json()
        assert isinstance(content, dict)
        return content

    def _healthy(self) -> bool:
        try:
            return requests.get(f"{self.base_url}/health", timeout=1).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def running_platform(
    data_dir: Path,
    *,
    port: int | None = None,
    jwt_secret: str | None = None,
    lease_seconds: float = 300,
    retry_delay_seconds: float = 5,
    doc_types: Sequence[str] = DOC_TYPES,
) -> Iterator[Platform]:
    """A platform on the loopback, stopped at the end; its data stay in ``data_dir``.

    ``port`` defaults to a free one and ``jwt_secret`` to a random one. The token lives for a day.
    """
    port = port or free_port()
    secret = jwt_secret or secrets.token_urlsafe(48)
    database = data_dir / "platform.db"
    command = [
        *(sys.executable, "-m", "sandbox", "serve", "--port", str(port)),
        *("--database", str(database.resolve())),
        *("--lease-seconds", str(lease_seconds)),
        *("--retry-delay-seconds", str(retry_delay_seconds)),
        *("--doc-types", *doc_types),
    ]
    environment = {**os.environ, SECRET_VARIABLE: secret}
    process = ManagedProcess(
        "platform", command, data_dir, environment=environment, working_directory=REPOSITORY
    )
    platform = Platform(f"http://127.0.0.1:{port}", database, secret, make_token(secret), process)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()
