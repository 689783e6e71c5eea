"""The bench's Mongo that holds nothing answers as one that holds what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from bench.generated_mongo import generated_mongo
from sandbox.seed import DATABASE

PROJECTS, CREATORS = 1_234, 100


@pytest.fixture(scope="module")
def database() -> Iterator[Database[dict[str, Any]]]:
    with generated_mongo(projects=PROJECTS, creators=CREATORS) as uri:
        client: MongoClient[dict[str, Any]] = MongoClient(uri)
        with client:
            yield client[DATABASE]


def test_ids_are_ascending_and_as_many_as_asked_for(database: Database[dict[str, Any]]) -> None:
    for name, count in (("projects", PROJECTS), ("creatorprofiles", CREATORS)):
        ids = [found["_id"] for found in database[name].find({}, ["_id"], batch_size=100)]
        assert len(ids) == count
        assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("low", "high", "first", "end"),
    [
        ("$gte", "$lt", 10, 20),
        ("$gt", "$lt", 11, 20),
        ("$gte", "$lte", 10, 21),
        ("$gt", "$lte", 11, 21),
    ],
)
def test_a_range_of_ids_holds_what_lies_between_its_bounds(
    database: Database[dict[str, Any]], low: str, high: str, first: int, end: int
) -> None:
    ids = [found["_id"] for found in database.projects.find({}, ["_id"])]
    found = database.projects.find({"_id": {low: ids[10], high: ids[20]}}, ["_id"], batch_size=3)
    assert [each["_id"] for each in found] == ids[first:end]


def test_a_document_has_the_fields_asked_for_and_a_user(
    database: Database[dict[str, Any]],
) -> None:
    fields = ["_id", "ownerId", "title", "roles"]
    (project,) = database.projects.find({}, fields).limit(1)
    assert list(project) == fields
    (owner,) = database.users.find({"_id": {"$in": [project["ownerId"]]}}, ["_id", "fullName"])
    assert (list(owner), owner["_id"]) == (["_id", "fullName"], project["ownerId"])


def test_what_lies_behind_the_last_id_is_nothing(database: Database[dict[str, Any]]) -> None:
    *_, last = database.projects.find({}, ["_id"])
    assert database.projects.find_one({"_id": {"$gt": last["_id"]}}, ["_id"]) is None
