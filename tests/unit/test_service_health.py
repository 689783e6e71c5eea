"""Is it the document, or is it the service?"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from reindex.service_health import GIVE_UP_SECONDS, LONGEST_PATIENCE, SUSPECT_AFTER_DOCUMENTS, ServiceHealth

ENOUGH = SUSPECT_AFTER_DOCUMENTS


def failing(documents: Iterable[int], now: float = 0.0, retry_after: float | None = None) -> ServiceHealth:
    health = ServiceHealth()
    for number in documents:
        health.failed(f"doc-{number}", "no answer in time", now, retry_after)
    return health


@pytest.mark.parametrize(
    ("documents", "suspect"),
    [(range(ENOUGH - 1), False), (range(ENOUGH), True), ([1] * 50, False)],
)
def test_only_several_different_documents_make_the_service_suspect(
    documents: Iterable[int], suspect: bool
) -> None:
    assert failing(documents).suspect is suspect


def test_a_suspect_service_is_down_once_patience_ends() -> None:
    health = failing(range(ENOUGH), now=100.0)
    assert not health.down(100.0 + GIVE_UP_SECONDS - 0.1)
    assert health.down(100.0 + GIVE_UP_SECONDS)


def test_a_service_that_is_not_suspect_is_never_down() -> None:
    assert not failing(range(ENOUGH - 1)).down(1e6)


def test_patience_counts_from_the_first_failure() -> None:
    health = failing(range(ENOUGH), now=100.0)
    health.failed("doc-99", "reset", 105.0, None)
    assert health.down(100.0 + GIVE_UP_SECONDS)


def test_one_document_that_gets_through_clears_the_service() -> None:
    health = failing(range(ENOUGH))
    health.answered()
    assert not health.suspect
    assert not health.down(1e6)
    health.failed("doc-1", "reset", 50.0, None)
    assert not health.suspect


def test_after_a_recovery_patience_starts_anew() -> None:
    health = failing(range(ENOUGH))
    health.answered()
    for number in range(ENOUGH):
        health.failed(f"doc-{number}", "reset", 1_000.0, None)
    assert health.suspect
    assert not health.down(1_000.0 + GIVE_UP_SECONDS - 0.1)


def test_a_service_that_said_when_to_come_back_is_not_down_until_then() -> None:
    health = failing(range(ENOUGH), now=100.0, retry_after=60.0)
    assert not health.down(100.0 + 60.0 + GIVE_UP_SECONDS - 0.1)
    assert health.down(100.0 + 60.0 + GIVE_UP_SECONDS)


def test_patience_has_an_end_however_long_it_asks_for() -> None:
    health = failing(range(ENOUGH), now=100.0, retry_after=1e6)
    assert not health.down(100.0 + LONGEST_PATIENCE - 0.1)
    assert health.down(100.0 + LONGEST_PATIENCE)


def test_a_short_retry_after_does_not_shorten_patience() -> None:
    health = failing(range(ENOUGH), now=100.0, retry_after=60.0)
    health.failed("doc-1", "429", 101.0, 0.1)
    assert not health.down(100.0 + 60.0)


def test_nothing_got_through_says_whether_any_document_was_ever_dealt_with() -> None:
    assert not ServiceHealth().nothing_got_through
    health = failing([1])
    assert health.nothing_got_through
    health.answered()
    health.failed("doc-2", "reset", 1.0, None)
    assert not health.nothing_got_through


def test_the_story_tells_how_long_how_many_and_the_last_error() -> None:
    health = failing(range(7), now=100.0)
    health.failed("doc-6", "ClientConnectorError", 101.0, None)
    assert health.story(112.4) == (
        "no document got through for 12 s (7 tried, last: ClientConnectorError)"
    )
    assert ServiceHealth().story(5.0).startswith("no document got through for 0 s (0 tried")
