"""Pure: the columns of a report's row, as the pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    "planned",
    "fetched",
    "indexed",
    "ignored",
    "missing",
    "failed",
    "unchanged",
    "appeared",
    "vanished",
    "notReached",
    "wouldSend",
)


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a report's row; what an older report does not know is 0."""
    return {name: row.get(name, 0) for name in COLUMNS}


def drift_of(row: Mapping[str, Any]) -> float | None:
    """How stale the index was: the share of ``indexed`` among what the API took."""
    taken = row["indexed"] + row["ignored"]
    return round(row["indexed"] / taken, 6) if taken else None
