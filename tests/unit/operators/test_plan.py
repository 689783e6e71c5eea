"""What the plan makes of the ids that a collection holds."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from reindex.errors import PermanentError
from reindex.ledger import Failure
from reindex.operators.plan import MOST_STRANGE_IDS, _object_ids
from tests.unit.builders import hex_id

GOOD = [ObjectId(hex_id(number)) for number in range(1, 4)]


def test_batches_of_object_ids_are_left_as_they_are() -> None:
    rejected: list[Failure] = []
    batches: list[list[object]] = [[*GOOD[:2]], [GOOD[2]]]
    assert list(_object_ids("project", iter(batches), rejected)) == batches
    assert rejected == []


@pytest.mark.parametrize("strange", [7, "text", None])
def test_an_id_that_is_no_object_id_is_booked_and_left_out(strange: Any) -> None:
    rejected: list[Failure] = []
    batches: list[list[object]] = [[strange, *GOOD[:2]], [GOOD[2]]]
    assert list(_object_ids("project", iter(batches), rejected)) == [GOOD[:2], [GOOD[2]]]
    assert [(each.docId, each.reason) for each in rejected] == [(str(strange), "unreadable")]
    assert "expected an ObjectId" in rejected[0].message


def test_too_many_strange_ids_are_not_the_platforms() -> None:
    rejected: list[Failure] = []
    batches: list[list[object]] = [[*range(MOST_STRANGE_IDS)], ["one more"]]
    left = _object_ids("project", iter(batches), rejected)
    assert next(left) == []
    with pytest.raises(PermanentError, match="more than 1000 documents whose _id is no ObjectId"):
        next(left)
