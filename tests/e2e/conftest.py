"""One real Airflow with its scheduler, one Mongo and one platform for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.stack import Stack, running_stack
from tests.e2e.task_processes import await_no_tasks

CREATORS, PROJECTS = 200, 300
# Quick retries: what is tested is that they come, not how long they wait.
SETTINGS = {
    "REINDEX_SCHEDULE": "none",
    "REINDEX_CHUNK_SIZE": "100",
    "REINDEX_RETRY_DELAY_SECONDS": "1",
    # A task whose supervisor died is found after 15 seconds instead of five minutes.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(
        folder,
        creators=CREATORS,
        projects=PROJECTS,
        settings=SETTINGS,
        retry_delay_seconds=0.1,
        timeout_seconds=2,
    ) as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The stack, with nobody at work, an empty index, no jobs and no faults."""
    await_no_tasks(running)
    running.platform.clear_faults()
    running.platform.clear_data()
    running.platform.reset_requests()
    return running
