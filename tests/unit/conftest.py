"""What every unit test gets: no network, and hypothesis' settings."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run; --hypothesis-profile=deep looks further, elsewhere each time.
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
settings.load_profile("unit")


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
