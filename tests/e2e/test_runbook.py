"""The runbook's commands, typed into a real Airflow."""

from __future__ import annotations

import json
import shlex

import pytest

from sandbox.processes import REPOSITORY
from sandbox.stack import Stack
from tests.docs.documents import commands
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS, run

COMMANDS = [
    each for each in commands(REPOSITORY / "docs/runbook.md") if each.startswith("airflow ")
]
EARLIER = "manual__2026-11-23"


def newest_run(stack: Stack) -> str:
    runs = stack.airflow.api("GET", f"dags/{DAG_ID}/dagRuns?order_by=-run_after&limit=1")
    return str(runs["dag_runs"][0]["dag_run_id"])


def earlier_run(stack: Stack) -> str:
    """A run with one failure, as the command's example has one."""
    stack.platform.put_faults([{"kind": "validation", "docIds": ["63b0cd00f3e23dd882000000"]}])
    run_id, _, result = run(stack, {})
    stack.platform.clear_faults()
    assert result["redrive"] == {"redrive": run_id}
    return run_id


@pytest.mark.parametrize("command", COMMANDS)
def test_command(stack: Stack, command: str) -> None:
    words = shlex.split(command)
    if EARLIER in command:
        run_id = earlier_run(stack)
        words = [word.replace(EARLIER, run_id) for word in words]
    stack.airflow.command(*words[1:], name="runbook")
    if words[2] != "trigger":
        paused = stack.airflow.api("GET", f"dags/{DAG_ID}")["is_paused"]
        assert paused is (words[2] == "pause")
        return
    conf = json.loads(words[-1]) if "--conf" in words else {}
    triggered = newest_run(stack)
    assert stack.airflow.api("GET", f"dags/{DAG_ID}/dagRuns/{triggered}")["conf"] == conf
    assert stack.airflow.wait_for_run(DAG_ID, triggered, RUN_SECONDS) == "success"
