"""Pages are folded in their order, however the answers come."""

from __future__ import annotations

from reindex.answers import IGNORED, INDEXED
from reindex.ledger import Counts
from reindex.open_pages import OpenPages
from reindex.pages import Page
from tests.unit.builders import a_ledger, a_request, hex_id, ids


def a_page(count: int, start: int = 1) -> Page:
    some = ids(count, start)
    return Page([a_request(doc_id) for doc_id in some], some)


def test_a_page_waits_for_the_one_before() -> None:
    pages, ledger = OpenPages(), a_ledger(3)
    first, second = pages.add(a_page(2)), pages.add(a_page(1, start=3))
    second.settle(0, INDEXED)
    first.settle(1, INDEXED)
    assert pages.folded_into(ledger, 2) is ledger
    first.settle(0, IGNORED)
    both = pages.folded_into(ledger, 3)
    assert both.total == Counts(expected=3, fetched=3, indexed=2, ignored=1)
    assert (both.position, both.requests) == (hex_id(3), 3)


def test_a_page_that_is_begun_is_folded_up_to_its_first_gap_and_later_from_there() -> None:
    pages = OpenPages()
    opened = pages.add(a_page(4))
    for place in (0, 1, 3):
        opened.settle(place, INDEXED)
    begun = pages.folded_into(a_ledger(4), 4, also_begun=True)
    assert (begun.total.indexed, begun.position, begun.requests) == (2, hex_id(2), 4)
    opened.settle(2, INDEXED)
    done = pages.folded_into(begun, 1)
    assert (done.total.indexed, done.position, done.requests) == (4, hex_id(4), 5)
    assert pages.folded_into(done, 1) is done
