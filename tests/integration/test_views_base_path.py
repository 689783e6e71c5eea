"""The pages below the path of Airflow's `[api] base_url`, as a reverse proxy has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reindex.links import RunReportLink

BASE_URL = "https://example.org/team/airflow"

# Airflow reads the base path once, when it is imported: so in a process of its own.
SCRIPT = """
PATHS = ("run", "history", "static/pages.css", "api/history")
from airflow.utils.db import initdb
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient

initdb()
client = TestClient(create_app("core"), base_url="https://example.org")
token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="a", role="viewer"))
headers = {"Authorization": f"Bearer {token}"}
pages = [f"/team/airflow/reindex/{path}" for path in PATHS]
answers = [client.get(path, headers=headers).status_code for path in pages]
print(answers, client.get(pages[-1]).status_code)
"""


def test_the_pages_answer_below_a_base_path(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__API__BASE_URL": BASE_URL,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[200, 200, 200, 200] 401"


@pytest.mark.parametrize("base_url", [BASE_URL, f"{BASE_URL}/"])
def test_the_tasks_link_leads_below_it(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    from airflow.sdk.types import TaskInstanceKey

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    key = TaskInstanceKey("reindex_batch", "plan", "job__1__2", 1, -1)
    link = RunReportLink().get_link(None, ti_key=key)
    assert link == f"{BASE_URL}/dags/reindex_batch/runs/job__1__2/plugin/reindex-run"
