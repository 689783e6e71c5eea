"""ISO 8601 texts and the whole milliseconds at which the platform compares them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone

# What express-validator's isISO8601 lets pass and JavaScript's Date reads: a date, or a date with a
# time, whose zone may be missing. Python 3.10's fromisoformat reads neither a Z nor three digits.
ISO_8601 = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def parse_iso(text: str) -> int:
    """ISO 8601 → milliseconds since the epoch, finer digits cut off; no zone means UTC.

    ValueError for anything else, and for a date that does not exist.
    """
    match = ISO_8601.fullmatch(text)
    if match is None:
        raise ValueError(f"not an ISO 8601 time: {text!r}")
    at = datetime(
        int(match["year"]),
        int(match["month"]),
        int(match["day"]),
        int(match["hour"] or 0),
        int(match["minute"] or 0),
        int(match["second"] or 0),
        tzinfo=timezone.utc,
    )
    milliseconds = int((match["fraction"] or "0")[:3].ljust(3, "0"))
    try:
        return (at - _offset(match["zone"]) - EPOCH) // MILLISECOND + milliseconds
    except OverflowError:
        raise ValueError(f"outside the years 1 to 9999: {text!r}") from None


def format_iso(milliseconds: int) -> str:
    """Milliseconds since the epoch → what JavaScript's ``toISOString`` gives, with a Z."""
    at = EPOCH + milliseconds * MILLISECOND
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -offset if zone[0] == "-" else offset
