"""What an attempt keeps for the next one."""

from __future__ import annotations

from typing import Any

import pytest

from reindex.chunks import SliceChunk
from reindex.operators.saved_ledger import begun_ledger, save
from tests.unit.builders import a_ledger


def test_the_time_between_two_attempts_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = SliceChunk(0, "creator", 0, 10)
    saved: dict[str, Any] = {}
    monkeypatch.setattr("time.time", lambda: 1_020.0)
    save(Store(saved), chunk, a_ledger(10, started=1_000.0))
    monkeypatch.setattr("time.time", lambda: 50_000.0)
    begun = begun_ledger(saved["ledger"], chunk)
    assert (begun.started, begun.ended) == (49_980.0, 0.0)


class Store:
    """A task state store."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held

    def set(self, key: str, value: Any) -> None:
        self.held[key] = value
