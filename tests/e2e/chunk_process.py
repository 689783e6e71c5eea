"""The operating system's processes behind a run's chunks, to be killed by the fault tests."""

from __future__ import annotations

import time

import psutil

from sandbox.stack import Stack
from tests.e2e.scheduled_run import DAG_ID


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
