"""The documents that are reindexed, and the bodies that they become."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from bench import RUN_DIRECTORY
from reindex.doc_types import PROJECT
from reindex.payloads import IndexRequest, index_request
from sandbox.mongo import Mongo, running_mongo
from sandbox.seed import DATABASE, seed

DOC_TYPE = PROJECT.name


@contextmanager
def seeded_mongo(documents: int) -> Iterator[Mongo]:
    """A Mongo with so many projects; its data is kept for the next time."""
    data: Path = RUN_DIRECTORY / f"mongo-{documents}"
    with running_mongo(data) as mongo:
        seed(mongo.uri, 0, documents)
        yield mongo


def encoded_bodies(uri: str) -> list[bytes]:
    """The very bodies that the operator sends for what the Mongo holds."""
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        database = client[DATABASE]
        owners = {owner["_id"]: owner for owner in database["users"].find()}
        return [_body(project, owners) for project in database[PROJECT.collection].find()]


def _body(project: dict[str, Any], owners: dict[object, dict[str, Any]]) -> bytes:
    owner = owners.get(project["ownerId"])
    request = index_request(PROJECT, project, {} if owner is None else {"owner": owner})
    assert isinstance(request, IndexRequest)
    return request.body
