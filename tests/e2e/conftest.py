"""The stack of tests/airflow_stack.py, made clean for each end-to-end test."""

from __future__ import annotations

import pytest

from sandbox.stack import Stack
from tests.airflow_stack import CREATORS, PROJECTS, SETTINGS
from tests.e2e.task_processes import await_no_tasks

__all__ = ["CREATORS", "PROJECTS", "SETTINGS"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The stack, with nobody at work, an empty index, no jobs and no faults."""
    await_no_tasks(running)
    running.platform.clear_faults()
    running.platform.clear_data()
    running.platform.reset_requests()
    return running
