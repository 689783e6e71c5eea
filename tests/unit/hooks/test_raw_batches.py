"""What a raw batch of BSON becomes, broken documents included. No Mongo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import bson
import pytest
from bson import Binary, ObjectId
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError

from reindex.hooks.raw_batches import decoded
from reindex.pages import Unreadable
from tests.unit.builders import hex_id

GOOD = {"_id": ObjectId(hex_id(1)), "title": "ok", "updatedAt": datetime(2026, 5, 1)}


def broken_text(doc_id: object) -> bytes:
    """A document whose title is no UTF-8."""
    raw = bson.encode({"_id": doc_id, "title": "xxxx"})
    return raw.replace(b"xxxx", b"\xff\xfe\xfdx")


def broken_binary(doc_id: object) -> bytes:
    """A document with an old binary, subtype 2, its inner length wrong: nothing decodes it."""
    raw = bson.encode({"_id": doc_id, "image": Binary(b"xxx", 0)})
    return raw.replace(b"\x00xxx", b"\x02xxx")


def test_a_batch_is_decoded() -> None:
    assert decoded(bson.encode(GOOD) * 2) == [GOOD, GOOD]


@pytest.mark.parametrize("broken", [broken_text, broken_binary])
@pytest.mark.parametrize("doc_id", [ObjectId(hex_id(2)), "a user's", "ü"])
def test_one_broken_document_does_not_take_the_others_with_it(
    broken: Callable[[object], bytes], doc_id: object
) -> None:
    found = decoded(bson.encode(GOOD) + broken(doc_id) + bson.encode(GOOD))
    assert [found[0], found[2]] == [GOOD, GOOD]
    assert isinstance(found[1], Unreadable)
    assert found[1].doc_id == doc_id
    assert "cannot be decoded" in found[1].message
    assert "xfe" not in found[1].message


def test_an_id_of_another_kind_is_read_where_the_text_alone_is_broken() -> None:
    (found,) = decoded(broken_text(7))
    assert isinstance(found, Unreadable)
    assert found.doc_id == 7
    with pytest.raises(BSONError):
        decoded(broken_binary(7))


def test_a_date_that_python_has_none_for_stays_a_number_of_its_own() -> None:
    far = bson.encode({"_id": ObjectId(hex_id(3)), "updatedAt": DatetimeMS(2**60)})
    (document,) = decoded(far)
    assert isinstance(document, Mapping)
    assert isinstance(document["updatedAt"], DatetimeMS)
