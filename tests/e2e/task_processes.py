"""The operating system's processes behind the tasks that a scheduler runs."""

from __future__ import annotations

import os
import time

import psutil

from sandbox.stack import Stack
from tests.e2e.scheduled_run import DAG_ID

TITLE = "airflow worker -- "
EXECUTOR = f"{TITLE}LocalExecutor"


def running_chunk(stack: Stack, run_id: str, posted: int, other_than: int = 0) -> psutil.Process:
    """The process of chunk 0, once the service has had so many requests since the last reset."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for instance in stack.airflow.task_instances(DAG_ID, run_id, "reindex_chunk"):
            pid = instance["pid"]
            enough = stack.platform.requests()["indexUpdates"]["received"] >= posted
            is_it = instance["map_index"] == 0 and instance["state"] == "running"
            if is_it and enough and pid not in (None, other_than):
                return psutil.Process(pid)
        time.sleep(0.1)
    raise AssertionError("the chunk did not run")


def await_no_tasks(stack: Stack, seconds: float = 90) -> None:
    """Until no task is at work: one whose run has ended may go on posting for a while."""
    deadline = time.monotonic() + seconds
    while left := _tasks(stack):
        if time.monotonic() > deadline:
            raise AssertionError(f"tasks of an ended run still work: {left}")
        time.sleep(0.1)


def _tasks(stack: Stack) -> list[str]:
    """Titles of the task processes in the scheduler's session, orphans included."""
    session = stack.airflow.processes["scheduler"].pid
    return [title for pid in psutil.pids() if (title := _task_title(pid, session))]


def _task_title(pid: int, session: int) -> str:
    try:
        if os.getsid(pid) != session:
            return ""
        title = " ".join(psutil.Process(pid).cmdline())
    except (OSError, psutil.Error):  # It ended meanwhile.
        return ""
    return title if title.startswith(TITLE) and not title.startswith(EXECUTOR) else ""
