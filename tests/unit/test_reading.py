"""The pages of a chunk's work: the list, then the range, then what failed before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import IGNORED, INDEXED, Accepted, Reason
from reindex.chunks import LOWEST_ID
from reindex.folding import folded
from reindex.ledger import ChunkLedger, Counts, Failure, settled_by_type
from reindex.pages import Missing, Page, Unchanged
from reindex.reading import IDS_A_PAGE, pages_of
from reindex.work import IdRange, Work
from tests.unit.builders import NOON, FakeSource, a_failure, a_ledger, hex_id, ids

RANGE = IdRange("creator", LOWEST_ID, None)


def read(source: FakeSource, work: Work, ledger: ChunkLedger) -> list[Page]:
    return list(pages_of(source, work, ledger, None))


def met(pages: list[Page]) -> list[str]:
    return [item.doc_id for page in pages for item in page.items]


def positions(pages: list[Page]) -> list[object]:
    return [position for page in pages for position in page.positions]


def test_a_range_is_read_page_by_page_with_one_join_a_page() -> None:
    source = FakeSource({"creator": ids(7)}, page_size=3)
    pages = read(source, Work("creator", (), RANGE), a_ledger(7))
    assert met(pages) == positions(pages) == ids(7)
    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert source.asked == [
        entry for size in (3, 3, 1) for entry in [("range", size), ("joined", size)]
    ]


def test_a_long_list_is_read_in_pages_with_positions_that_count_on() -> None:
    source = FakeSource({"creator": ids(IDS_A_PAGE + 20)})
    wanted = tuple(ids(IDS_A_PAGE + 25))
    pages = read(source, Work("creator", wanted), a_ledger(len(wanted)))
    assert [len(page.items) for page in pages] == [IDS_A_PAGE, 25]
    assert tuple(met(pages)) == wanted
    assert positions(pages) == list(range(1, IDS_A_PAGE + 26))
    assert sum(isinstance(item, Missing) for item in pages[1].items) == 5
    assert [size for kind, size in source.asked if kind == "ids"] == [IDS_A_PAGE, 25]


@pytest.mark.parametrize(
    ("position", "left", "behind"),
    [
        (None, [*ids(2, 50), *ids(4)], [1, 2, *ids(4)]),
        (1, [hex_id(51), *ids(4)], [2, *ids(4)]),
        (2, ids(4), ids(4)),
        (hex_id(3), ids(1, 4), ids(1, 4)),
    ],
)
def test_reading_goes_on_behind_the_position(
    position: str | int | None, left: list[str], behind: list[object]
) -> None:
    source = FakeSource({"creator": [*ids(4), *ids(2, 50)]})
    work = Work("creator", tuple(ids(2, 50)), replace(RANGE, until=hex_id(40)))
    pages = read(source, work, a_ledger(6, position=position))
    assert met(pages) == left
    assert positions(pages) == behind


def test_what_a_redrive_left_behind_its_after_is_not_read_again() -> None:
    source = FakeSource({"creator": ids(9)})
    work = Work("creator", (), replace(RANGE, after=hex_id(7)))
    assert met(read(source, work, a_ledger(2))) == ids(2, 8)


def test_what_failed_of_passing_causes_comes_last_and_does_not_move_the_position() -> None:
    source = FakeSource({"creator": ids(6)})
    failures = (
        a_failure(hex_id(2)),
        a_failure(hex_id(3), Reason.VALIDATION),
        a_failure(hex_id(4), Reason.AUTH),
    )
    ledger = a_ledger(6, failures=failures, position=hex_id(5))
    pages = read(source, Work("creator", (), RANGE), ledger)
    assert met(pages) == [hex_id(6), hex_id(2), hex_id(4)]
    assert positions(pages) == [hex_id(6), None, None]


def test_updated_since_reaches_ranges_and_lists() -> None:
    source = FakeSource({"creator": ids(2)})
    since = NOON + timedelta(days=1)
    for work in (Work("creator", (), RANGE), Work("creator", tuple(ids(2)))):
        items = [item for page in pages_of(source, work, a_ledger(2), since) for item in page.items]
        assert items == [Unchanged("creator", doc_id) for doc_id in ids(2)]


def test_a_list_of_all_asks_both_collections() -> None:
    source = FakeSource({"creator": ids(2), "project": ids(2, 3)})
    pages = read(source, Work("all", tuple(ids(5))), a_ledger(5, "all"))
    assert [item.doc_type for item in pages[0].items] == [
        *("creator", "creator", "project", "project", "all")
    ]


def test_a_work_of_nothing_has_no_pages() -> None:
    source = FakeSource({})
    assert read(source, Work("creator"), a_ledger(0)) == []
    assert source.asked == []


def retried(ledger: ChunkLedger, source: FakeSource, work: Work) -> ChunkLedger:
    """The ledger after another attempt in which everything gets through."""
    for page in read(source, work, ledger):
        results: list[Accepted] = [IGNORED] * len(page.items)
        ledger = folded(ledger, page, results, 0)
    return settled_by_type(ledger)


@pytest.mark.parametrize("failed", [("project",), ("creator", "project")])
def test_an_id_of_both_collections_is_counted_once_in_each(failed: tuple[str, ...]) -> None:
    source = FakeSource({"creator": ids(1), "project": ids(1)})
    work = Work("all", tuple(ids(1)))
    (page,) = read(source, work, a_ledger(1, "all"))
    results: list[Accepted | Failure] = [
        a_failure(item.doc_id, doc_type=item.doc_type) if item.doc_type in failed else INDEXED
        for item in page.items
    ]
    first = folded(a_ledger(1, "all"), page, results, 2)
    after = retried(first, source, work)
    assert after.failures == ()
    assert {name: (c.fetched, c.failed) for name, c in after.counts.items() if name != "all"} == {
        "creator": (1, 0),
        "project": (1, 0),
    }


@given(
    held=st.sets(st.integers(1, 30)),
    listed=st.lists(st.integers(31, 60), unique=True, max_size=12),
    page_size=st.integers(1, 7),
    stop=st.integers(0, 60),
)
def test_reading_on_from_any_position_meets_each_document_once(
    held: set[int], listed: list[int], page_size: int, stop: int
) -> None:
    in_range = [hex_id(number) for number in sorted(held)]
    source = FakeSource({"creator": in_range}, page_size)
    work = Work("creator", tuple(map(hex_id, listed)), replace(RANGE, until=hex_id(31)))
    everything = read(source, work, a_ledger(0))
    assert met(everything) == [*work.ids, *in_range]
    before, behind = met(everything)[:stop], positions(everything)[:stop]
    position = behind[-1] if behind else None
    assert position is None or isinstance(position, (str, int))
    counts = {"creator": Counts(expected=len(listed) + len(held))}
    rest = read(source, work, ChunkLedger(0, counts, position=position))
    assert before + met(rest) == met(everything)
