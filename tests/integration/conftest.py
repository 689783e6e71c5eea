"""A Mongo with the generated collections and a platform, once for all integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.mongo import Mongo, running_mongo
from sandbox.platform import Platform, running_platform
from sandbox.seed import seed
from sandbox.stack import connections_of
from tests.integration.in_process_run import connect

CREATORS, PROJECTS = 60, 90


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    with running_mongo(tmp_path_factory.mktemp("mongo")) as running:
        seed(running.uri, CREATORS, PROJECTS)
        yield running


@pytest.fixture(scope="session")
def shared_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with running_platform(folder, retry_delay_seconds=0.1) as running:
        yield running


@pytest.fixture
def platform(shared_platform: Platform) -> Platform:
    """The platform, empty and without faults."""
    shared_platform.clear_faults()
    shared_platform.clear_data()
    shared_platform.reset_requests()
    return shared_platform


@pytest.fixture
def connected(mongo: Mongo, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Airflow's connections point to the Mongo and the platform."""
    connect(monkeypatch, connections_of(mongo, platform))
    return platform
