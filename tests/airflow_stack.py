"""One real Airflow with its scheduler, one Mongo and one platform for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sandbox.stack import Stack

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


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    from sandbox.stack import running_stack

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
