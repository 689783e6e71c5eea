"""No secret in a real task's log, XCom or error, even when code or a service says it aloud."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from sandbox.local_airflow import LocalAirflow, running_airflow

TOKEN = "a-token-that-nobody-may-read"
PASSWORD = "a-mongo-password-for-nobody"
PROXY_PASSWORD = "a-proxy-password-for-nobody"
SECRETS = (TOKEN, PASSWORD, PROXY_PASSWORD)
DAG_ID = "says_it_aloud"
DAG_FILE = """
import asyncio
import logging

from airflow.sdk import DAG, task

with DAG("says_it_aloud", schedule=None) as dag:

    @task
    def log_and_raise():
        from reindex.hooks.endpoint import endpoint_of
        from reindex.hooks.source import SourceHook

        with SourceHook() as source:
            mongo = source.connection.password
        endpoint = endpoint_of("jobs_api")
        logging.getLogger("reindex").warning("spoken: %s %s", endpoint.token, mongo)
        print("printed:", endpoint.headers, endpoint.proxy)
        raise RuntimeError(f"raised: {endpoint.token} {mongo} {endpoint.proxy}")

    @task
    def echoed():
        from reindex.hooks.discovery import DiscoveryHook

        hook = DiscoveryHook()
        endpoint = hook.endpoint()

        async def post():
            async with hook.session(endpoint) as session:
                return await session.post(b"{}")

        return asyncio.run(post()).message

    log_and_raise()
    echoed()
"""


class Echo(BaseHTTPRequestHandler):
    """Refuses every document, with the request's own Authorization as the reason."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        said = {"error": {"code": f"refused {self.headers['Authorization']}"}}
        body = json.dumps(said).encode()
        self.send_response(422)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def airflow(tmp_path: Path, echo: str) -> Iterator[LocalAirflow]:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "says_it_aloud.py").write_text(DAG_FILE)
    proxy = f"http://someone:{PROXY_PASSWORD}@proxy.example.com:3128"
    connections: Mapping[str, Mapping[str, object]] = {
        "marketplace_mongo": {
            "conn_type": "mongo", "host": "127.0.0.1", "schema": "marketplace",
            "login": "reindex", "password": PASSWORD,
        },
        "discovery_api": {"conn_type": "http", "host": echo, "password": TOKEN},
        "jobs_api": {
            "conn_type": "http", "host": echo, "password": TOKEN, "extra": {"proxy": proxy},
        },
    }  # fmt: skip
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)}
    with running_airflow(tmp_path / "run", connections, settings=settings) as running:
        running.wait_for_dag(DAG_ID)
        yield running


def test_secrets_come_out_masked(airflow: LocalAirflow) -> None:
    run_id = airflow.trigger(DAG_ID, None)
    assert airflow.wait_for_run(DAG_ID, run_id, 120) == "failed"
    written = "\n".join(
        path.read_text(errors="replace") for path in airflow.home.rglob("*.log") if path.is_file()
    )
    for words in ("spoken: *** ***", "printed: ", "raised: *** ***"):
        assert words in written
    shown: Any = airflow.api("GET", f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/echoed/logs/1")
    kept = airflow.xcom(DAG_ID, run_id, "echoed")
    assert kept == "refused Bearer ***"
    for secret in SECRETS:
        assert secret not in written
        assert secret not in json.dumps([shown, kept])
