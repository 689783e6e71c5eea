"""
Pure: what one read of the source gave → a page of items, in order, ready to be posted.

An item is either a request, or already settled: a document that cannot be sent, an id that the
collection does not hold, a document that ``updatedSince`` leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from reindex.doc_types import DocType, Document
from reindex.payloads import IndexRequest, Rejection, index_request

Position = str | int | None


@dataclass(frozen=True)
class Missing:
    """An id that was asked for and is in no collection."""

    doc_type: str
    doc_id: str


@dataclass(frozen=True)
class Unchanged:
    """A document that did not change since ``updatedSince``."""

    doc_type: str
    doc_id: str


@dataclass(frozen=True)
class Unreadable:
    """A document whose BSON cannot be decoded; ``message`` holds nothing of it."""

    doc_id: object
    message: str


Item = IndexRequest | Rejection | Missing | Unchanged
Found = Document | Unreadable
Lookup = Mapping[object, Found]


@dataclass(frozen=True)
class Page:
    """
    ``positions[i]`` is the place behind item ``i``: the last id of a range, or the number of ids
    of a list, up to which all is settled once the items 0 … ``i`` are. ``None``: not moved.
    """

    items: Sequence[Item]
    positions: Sequence[Position]


def range_page(
    doc_type: DocType,
    found: Iterable[Found],
    joined: Mapping[str, Lookup],
    updated_since: datetime | None,
) -> Page:
    """A page of a range, in ``_id`` order; ``joined`` is by ``Join.name``, then by ``_id``."""
    items = [item_of(doc_type, each, joined, updated_since) for each in found]
    return Page(items, [item.doc_id for item in items])


def list_page(
    doc_ids: Sequence[str],
    missing_as: str,
    lookups: Sequence[tuple[DocType, Lookup, Mapping[str, Lookup]]],
    updated_since: datetime | None,
    position_behind: Callable[[int], Position],
) -> Page:
    """
    A page of a list of ids, in the list's order.

    :param missing_as: the document type to book an id under that no lookup holds
    :param lookups: for each document type asked for: the documents and the joined ones by id
    :param position_behind: the position once the ids 0 … ``i`` of this page are settled
    """
    items: list[Item] = []
    positions: list[Position] = []
    for place, doc_id in enumerate(doc_ids):
        held: list[Item] = [
            item_of(doc_type, documents[doc_id], joined, updated_since)
            for doc_type, documents, joined in lookups
            if doc_id in documents
        ] or [Missing(missing_as, doc_id)]
        items += held
        # An id that two collections hold is behind us only with the second of its items.
        before = position_behind(place - 1)
        positions += [before] * (len(held) - 1) + [position_behind(place)]
    return Page(items, positions)


def item_of(
    doc_type: DocType,
    found: Found,
    joined: Mapping[str, Lookup],
    updated_since: datetime | None,
) -> Item:
    """The item that a document becomes."""
    if isinstance(found, Unreadable):
        return Rejection(doc_type.name, str(found.doc_id), found.message)
    others: dict[str, Document] = {}
    for join in doc_type.joins:
        other = _look_up(joined[join.name], found.get(join.local_field))
        if isinstance(other, Unreadable):
            message = f"its {join.name} cannot be read: {other.message}"
            return Rejection(doc_type.name, str(found["_id"]), message)
        if other is not None:
            others[join.name] = other
    item = index_request(doc_type, found, others)
    if (
        updated_since
        and isinstance(item, IndexRequest)
        and item.updated_at.replace(tzinfo=timezone.utc) < updated_since
    ):
        return Unchanged(item.doc_type, item.doc_id)
    return item


def _look_up(documents: Lookup, key: object) -> Found | None:
    try:
        return documents.get(key)
    except TypeError:  # a list or an object where an id should be: it refers to nothing
        return None
