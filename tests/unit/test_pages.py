"""What one read of the source gave becomes a page of items, in order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from reindex.doc_types import CREATOR, PROJECT
from reindex.pages import (
    Found,
    Lookup,
    Missing,
    Unchanged,
    Unreadable,
    item_of,
    list_page,
    range_page,
)
from reindex.payloads import IndexRequest, Rejection
from tests.unit.builders import NOON, hex_id, ids

LATER = NOON + timedelta(seconds=1)


def a_document(number: int, **fields: object) -> dict[str, object]:
    return {"_id": ObjectId(hex_id(number)), "updatedAt": NOON, **fields}


def a_lookup(*numbers: int) -> Lookup:
    return {hex_id(number): a_document(number) for number in numbers}


def creator_item(found: Found, user: Found | None = None, **options: Any) -> Any:
    users: Lookup = {} if user is None else {"user-1": user}
    return item_of(CREATOR, found, {"user": users}, options.get("updated_since"))


def test_a_page_of_a_range_stands_behind_each_of_its_ids() -> None:
    found: list[Found] = [a_document(1), Unreadable(ObjectId(hex_id(2)), "broken"), a_document(3)]
    page = range_page(CREATOR, found, {"user": {}}, None)
    assert [type(item) for item in page.items] == [IndexRequest, Rejection, IndexRequest]
    assert [item.doc_id for item in page.items] == ids(3) == page.positions


def test_a_page_of_a_list_keeps_the_lists_order_and_names_what_is_missing() -> None:
    wanted = [hex_id(3), hex_id(1), hex_id(2)]
    lookups = [(CREATOR, a_lookup(1, 3), {"user": dict[object, Found]()})]
    page = list_page(wanted, "creator", lookups, None, lambda at: 100 + at + 1)
    assert [item.doc_id for item in page.items] == wanted
    assert [type(item) for item in page.items] == [IndexRequest, IndexRequest, Missing]
    assert page.items[2] == Missing("creator", hex_id(2))
    assert page.positions == [101, 102, 103]


def test_an_id_of_all_is_looked_up_in_every_collection() -> None:
    nobody: dict[str, Lookup] = {"user": {}, "owner": {}}
    lookups = [(CREATOR, a_lookup(1, 2), nobody), (PROJECT, a_lookup(2, 3), nobody)]
    page = list_page(ids(4), "all", lookups, None, lambda at: at + 1)
    assert [(item.doc_type, item.doc_id) for item in page.items] == [
        ("creator", hex_id(1)),
        ("creator", hex_id(2)),
        ("project", hex_id(2)),
        ("project", hex_id(3)),
        ("all", hex_id(4)),
    ]
    # Behind id 2 only with its second item: a page cut between the two asks for it again.
    assert page.positions == [1, 1, 2, 3, 4]


def test_a_list_that_does_not_move_the_position_has_none() -> None:
    nobody: dict[str, Lookup] = {"user": {}}
    page = list_page(ids(2), "creator", [(CREATOR, a_lookup(1), nobody)], None, lambda _: None)
    assert page.positions == [None, None]


def test_the_joined_document_comes_into_the_payload() -> None:
    item = creator_item(a_document(1, userId="user-1"), {"preferredName": "Ama"})
    assert b'"title":"Ama"' in item.body


@pytest.mark.parametrize("reference", [None, "gone", ["user-1"], {"$id": "user-1"}, 5])
def test_a_reference_to_nothing_joins_nothing(reference: object) -> None:
    item = creator_item(a_document(1, userId=reference), {"preferredName": "Ama"})
    assert b'"title":"Untitled"' in item.body


def test_a_document_that_cannot_be_decoded_is_rejected_by_id() -> None:
    found = Unreadable(ObjectId(hex_id(5)), "its BSON cannot be decoded (InvalidBSON)")
    assert creator_item(found) == Rejection(
        "creator", hex_id(5), "its BSON cannot be decoded (InvalidBSON)"
    )


def test_a_joined_document_that_cannot_be_decoded_rejects_the_document() -> None:
    item = creator_item(a_document(1, userId="user-1"), Unreadable("user-1", "broken text"))
    assert item == Rejection("creator", hex_id(1), "its user cannot be read: broken text")


@pytest.mark.parametrize(
    ("own", "users", "since", "unchanged"),
    [
        (NOON, None, NOON, False),
        (NOON, None, LATER, True),
        (NOON, LATER, LATER, False),
        (NOON, NOON, LATER, True),
    ],
)
def test_updated_since_leaves_out_what_neither_changed_itself_nor_through_its_user(
    own: object, users: object, since: object, unchanged: bool
) -> None:
    document = a_document(1, updatedAt=own, userId="user-1")
    user = None if users is None else {"updatedAt": users}
    item = creator_item(document, user, updated_since=since)
    assert (item == Unchanged("creator", hex_id(1))) is unchanged
    assert isinstance(item, IndexRequest) is not unchanged


def test_a_rejection_is_never_left_out_by_updated_since() -> None:
    item = creator_item(a_document(1, updatedAt="long ago"), updated_since=LATER)
    assert isinstance(item, Rejection)
