"""What a raw batch of BSON becomes, broken documents included. No Mongo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import bson
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from reindex.hooks.raw_batches import decoded
from reindex.pages import Unreadable
from tests.unit.builders import hex_id

GOOD = {"_id": ObjectId(hex_id(1)), "title": "ok", "updatedAt": datetime(2026, 5, 1)}


def broken(number: int) -> bytes:
    """A document whose title is no UTF-8."""
    raw = bson.encode({"_id": ObjectId(hex_id(number)), "title": "xxxx"})
    return raw.replace(b"xxxx", b"\xff\xfe\xfdx")


def test_a_batch_is_decoded() -> None:
    assert decoded(bson.encode(GOOD) * 2) == [GOOD, GOOD]


def test_one_broken_document_does_not_take_the_others_with_it() -> None:
    found = decoded(bson.encode(GOOD) + broken(2) + bson.encode(GOOD))
    assert [found[0], found[2]] == [GOOD, GOOD]
    assert isinstance(found[1], Unreadable)
    assert str(found[1].doc_id) == hex_id(2)
    assert "cannot be decoded" in found[1].message
    assert "xfe" not in found[1].message


def test_a_date_that_python_has_none_for_stays_a_number_of_its_own() -> None:
    far = bson.encode({"_id": ObjectId(hex_id(3)), "updatedAt": DatetimeMS(2**60)})
    (document,) = decoded(far)
    assert isinstance(document, Mapping)
    assert isinstance(document["updatedAt"], DatetimeMS)
