"""What every unit test gets: no network, no Airflow home of the person who runs it."""

from __future__ import annotations

import os
import socket
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports Airflow, which writes its configuration there.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="reindex-unit-"))

# The same examples on every run; REINDEX_HYPOTHESIS=deep looks further, and elsewhere each time.
settings.register_profile(
    "unit",
    deadline=None,
    max_examples=150,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "deep", settings.get_profile("unit"), max_examples=2_000, derandomize=False
)
settings.load_profile(os.environ.get("REINDEX_HYPOTHESIS", "unit"))


class DialsOutError(AssertionError):
    """A unit test opened a connection."""


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.path.name.startswith("test_sandbox_"):
        return
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:  # an event loop talks to itself over a socket pair
            raise DialsOutError(f"{request.node.nodeid} connects to {address}: use a fake")
        real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
