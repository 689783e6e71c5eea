"""Is it the document, or is it the service?"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from reindex.service_health import (
    GIVE_UP_ROUNDS,
    GIVE_UP_SECONDS,
    LONGEST_PATIENCE,
    SUSPECT_AFTER_DOCUMENTS,
    Blame,
    ServiceHealth,
)

ENOUGH = SUSPECT_AFTER_DOCUMENTS
BEGAN = 100.0
PATIENCE_ENDS = BEGAN + GIVE_UP_SECONDS
A_MOMENT = 0.1


def failing(
    documents: Iterable[int], retry_after: float | None = None, took: float = A_MOMENT
) -> ServiceHealth:
    """A service that answered nothing, and let these documents fail at ``BEGAN``."""
    health = ServiceHealth()
    for number in documents:
        health.failed(f"doc-{number}", "no answer in time", BEGAN, retry_after, took)
    return health


def test_while_patience_lasts_nobody_is_blamed() -> None:
    health = failing(range(ENOUGH))
    assert health.blame(BEGAN, BEGAN - 1) is Blame.NOBODY
    assert health.blame(PATIENCE_ENDS - A_MOMENT, BEGAN - 1) is Blame.NOBODY


@pytest.mark.parametrize(
    ("documents", "blame"),
    [
        (range(ENOUGH - 1), Blame.DOCUMENT),
        (range(ENOUGH), Blame.SERVICE),
        ([1] * 50, Blame.DOCUMENT),
    ],
)
def test_when_patience_ends_several_different_documents_blame_the_service(
    documents: Iterable[int], blame: Blame
) -> None:
    assert failing(documents).blame(PATIENCE_ENDS, BEGAN - 1) is blame


@pytest.mark.parametrize(
    ("first_sent", "blame"),
    [(BEGAN - 1, Blame.DOCUMENT), (BEGAN + 1, Blame.NOBODY), (BEGAN + 2, Blame.NOBODY)],
)
def test_a_document_that_fails_while_others_get_through_is_to_blame(
    first_sent: float, blame: Blame
) -> None:
    health = ServiceHealth()
    health.answered(BEGAN + 1)
    for number in range(ENOUGH):
        health.failed(f"doc-{number}", "reset", BEGAN + 2, None, A_MOMENT)
    assert health.blame(BEGAN + 2, first_sent) is blame


def test_patience_counts_from_the_first_failure() -> None:
    health = failing(range(ENOUGH))
    health.failed("doc-99", "reset", BEGAN + 5, None, A_MOMENT)
    assert health.blame(PATIENCE_ENDS, BEGAN - 1) is Blame.SERVICE


@pytest.mark.parametrize("took", [10.0, 60.0])
def test_patience_lasts_until_others_had_the_time_to_hang_as_well(took: float) -> None:
    health = failing(range(ENOUGH), took=took)
    health.failed("doc-99", "reset", BEGAN + 1, None, A_MOMENT)
    ends = BEGAN + GIVE_UP_ROUNDS * took
    assert health.blame(ends - A_MOMENT, BEGAN - 1) is Blame.NOBODY
    assert health.blame(ends, BEGAN - 1) is Blame.SERVICE


def test_one_document_that_gets_through_clears_the_service() -> None:
    health = failing(range(ENOUGH))
    health.answered(BEGAN + 1)
    health.failed("doc-1", "reset", BEGAN + 50, None, A_MOMENT)
    assert health.blame(BEGAN + 50, BEGAN + 49) is Blame.NOBODY
    assert health.blame(BEGAN + 50 + GIVE_UP_SECONDS, BEGAN + 49) is Blame.DOCUMENT


def test_a_service_that_said_when_to_come_back_is_not_down_until_then() -> None:
    health = failing(range(ENOUGH), retry_after=60.0)
    assert health.blame(PATIENCE_ENDS + 60 - A_MOMENT, BEGAN - 1) is Blame.NOBODY
    assert health.blame(PATIENCE_ENDS + 60, BEGAN - 1) is Blame.SERVICE


def test_patience_has_an_end_however_long_it_is_asked_for() -> None:
    health = failing(range(ENOUGH), retry_after=1e6)
    assert health.blame(BEGAN + LONGEST_PATIENCE - A_MOMENT, BEGAN - 1) is Blame.NOBODY
    assert health.blame(BEGAN + LONGEST_PATIENCE, BEGAN - 1) is Blame.SERVICE


def test_a_short_retry_after_does_not_shorten_patience() -> None:
    health = failing(range(ENOUGH), retry_after=60.0)
    health.failed("doc-1", "429", BEGAN + 1, 0.1, A_MOMENT)
    assert health.blame(BEGAN + 60, BEGAN - 1) is Blame.NOBODY


@pytest.mark.parametrize(
    ("again", "new", "blame"),
    [
        (range(20), (), Blame.DOCUMENT),
        (range(20), range(30, 32), Blame.DOCUMENT),
        (range(20), range(30, 33), Blame.SERVICE),
        (range(21), (), Blame.SERVICE),
    ],
)
def test_the_few_that_failed_before_are_no_sign(
    again: Iterable[int], new: Iterable[int], blame: Blame
) -> None:
    health = ServiceHealth(frozenset(f"doc-{number}" for number in range(25)), few=20)
    for number in (*again, *new):
        health.failed(f"doc-{number}", "HTTP 500", BEGAN, None, A_MOMENT)
    assert health.blame(PATIENCE_ENDS, BEGAN - 1) is blame
    assert health.failing == len([*again, *new])
    assert health.nothing_got_through is (bool(new) or blame is Blame.SERVICE)


def test_nothing_got_through_says_whether_any_document_was_ever_dealt_with() -> None:
    assert not ServiceHealth().nothing_got_through
    health = failing([1])
    assert health.nothing_got_through
    health.answered(BEGAN + 1)
    health.failed("doc-2", "reset", BEGAN + 2, None, A_MOMENT)
    assert not health.nothing_got_through


def test_the_story_tells_how_long_how_many_and_the_last_error() -> None:
    health = failing(range(7))
    health.failed("doc-6", "ClientConnectorError", BEGAN + 1, None, A_MOMENT)
    assert health.story(BEGAN + 12.4) == (
        "no document got through for 12 s (7 tried, last: ClientConnectorError)"
    )
    assert ServiceHealth().story(5.0).startswith("no document got through for 0 s (0 tried")
