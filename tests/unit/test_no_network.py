"""The guard of conftest.py itself."""

from __future__ import annotations

import asyncio
import socket

import pytest


@pytest.mark.parametrize("way", ["connect", "connect_ex"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_unit_test_that_dials_out_is_stopped(family: socket.AddressFamily, way: str) -> None:
    with (
        socket.socket(family) as opened,
        pytest.raises(AssertionError, match=r"test_a_unit_test_that_dials_out.*use a fake"),
    ):
        getattr(opened, way)(("localhost", 9))


def test_an_event_loop_still_runs() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert asyncio.run(answer()) == 42
