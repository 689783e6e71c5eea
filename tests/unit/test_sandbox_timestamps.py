"""The times of the stand-in: what it reads, and the milliseconds at which it compares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.timestamps import format_iso, parse_iso

NOON = 1_777_636_800_000  # 2026-05-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-05-01T12:00:00Z", NOON),
        ("2026-05-01T12:00:00.000Z", NOON),
        ("2026-05-01T12:00:00", NOON),
        ("2026-05-01T12:00Z", NOON),
        ("2026-05-01 12:00:00Z", NOON),
        ("2026-05-01T12:00:00.5Z", NOON + 500),
        ("2026-05-01T12:00:00.123456789Z", NOON + 123),
        ("2026-05-01T12:00:00.999999+00:00", NOON + 999),
        ("2026-05-01T14:30:00+02:30", NOON),
        ("2026-05-01T07:00:00-0500", NOON),
        ("2026-05-01", NOON - 12 * 3_600_000),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_what_is_read(text: str, milliseconds: int) -> None:
    assert parse_iso(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-05",
        "2026-02-30",
        "2026-13-01",
        "2026-05-01T25:00:00Z",
        "2026-05-01T12:00:00Zulu",
        " 2026-05-01",
        "٢٠٢٦-05-01",
        "1777636800000",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_iso(text)


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_every_millisecond_comes_back(milliseconds: int) -> None:
    assert parse_iso(format_iso(milliseconds)) == milliseconds


def test_the_format_is_that_of_javascript() -> None:
    assert format_iso(NOON + 7) == "2026-05-01T12:00:00.007Z"
