"""The pages of a chunk's work, one after the other, from anything that reads like the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from reindex.doc_types import DOC_TYPES, DocType, doc_type_names
from reindex.ledger import ChunkLedger
from reindex.pages import Found, Lookup, Page, Position, list_page, range_page
from reindex.work import IdRange, Work, worth_another_try

IDS_A_PAGE = 500


class Source(Protocol):
    """What is asked of the source; :class:`reindex.hooks.source.SourceHook` is one."""

    def ranges(
        self, doc_type: DocType, first: str, until: str | None, after: str | None
    ) -> Iterator[list[Found]]: ...

    def by_ids(self, doc_type: DocType, doc_ids: Sequence[str]) -> Lookup: ...

    def joined(self, doc_type: DocType, documents: Iterable[Found]) -> Mapping[str, Lookup]: ...


def pages_of(
    source: Source, work: Work, ledger: ChunkLedger, updated_since: datetime | None
) -> Iterator[Page]:
    """
    What the chunk still has to do, as pages.

    At the end the documents that an earlier attempt failed to post: bad ones keep nobody waiting
    there, and they do not move the position.
    """
    position = ledger.position
    if not isinstance(position, str):
        done = position or 0
        yield from _list_pages(
            source, work.doc_type, work.ids[done:], updated_since, lambda at: done + at + 1
        )
    if work.id_range is not None:
        after = position if isinstance(position, str) else work.id_range.after
        yield from _range_pages(source, work.id_range, after, updated_since)
    for doc_type, again in worth_another_try(ledger).items():
        yield from _list_pages(source, doc_type, again, updated_since, lambda _: None)


def _list_pages(
    source: Source,
    doc_type: str,
    ids: Sequence[str],
    updated_since: datetime | None,
    position_behind: Callable[[int], Position],
) -> Iterator[Page]:
    for start in range(0, len(ids), IDS_A_PAGE):
        some = ids[start : start + IDS_A_PAGE]
        lookups: list[tuple[DocType, Lookup, Mapping[str, Lookup]]] = []
        for name in doc_type_names(doc_type):
            documents = source.by_ids(DOC_TYPES[name], some)
            joined = source.joined(DOC_TYPES[name], documents.values())
            lookups.append((DOC_TYPES[name], documents, joined))
        behind = partial(_shifted, position_behind, start)
        yield list_page(some, doc_type, lookups, updated_since, behind)


def _shifted(position_behind: Callable[[int], Position], start: int, place: int) -> Position:
    return position_behind(start + place)


def _range_pages(
    source: Source, id_range: IdRange, after: str | None, updated_since: datetime | None
) -> Iterator[Page]:
    doc_type = DOC_TYPES[id_range.doc_type]
    for found in source.ranges(doc_type, id_range.first, id_range.until, after):
        yield range_page(doc_type, found, source.joined(doc_type, found), updated_since)
