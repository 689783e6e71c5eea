"""Fills a Mongo with the platform's collections, the same on every run for the same parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from sandbox import seed_documents as documents
from sandbox.seed_documents import Document

DATABASE = "marketplace"
CREATORS, PROJECTS, SEED = 2_000, 3_000, 56
PARAMETERS = "sandbox_seed"
PARAMETERS_ID = "parameters"
# Raise it with every change of what is generated: a database that holds less is filled anew.
GENERATION = 1
BATCH = 500

Make = Callable[[int, int], Document]


class ForeignDataError(ValueError):
    """The database holds what the sandbox did not make, and what filling it would destroy."""


@dataclass(frozen=True)
class Seeded:
    """How many documents each collection holds; ``fresh`` is False when they were there already."""

    creatorprofiles: int
    users: int
    projects: int
    fresh: bool


def seed(
    uri: str,
    creators: int = CREATORS,
    projects: int = PROJECTS,
    *,
    seed: int = SEED,
    database: str | None = None,
) -> Seeded:
    """Makes ``creators`` profiles with their users and ``projects`` projects with their owners.

    A database that was filled with the same parameters is left as it is, whatever was changed in
    it since; with other parameters its three collections are dropped and filled anew.

    :param database: by default the one that the address names, else ``DATABASE``
    :raises ForeignDataError: the database is neither empty nor one that was filled by this
    """
    parameters = {
        "creators": creators,
        "projects": projects,
        "seed": seed,
        "generation": GENERATION,
    }
    numbers = _numbers(creators, projects)
    client: MongoClient[Document] = MongoClient(uri, serverSelectionTimeoutMS=10_000)
    with client:
        target = client[database] if database else client.get_default_database(DATABASE)
        fresh = not _holds(target, parameters)
        if fresh:
            _refuse_foreign_data(target)
            _fill(target, numbers, parameters, seed)
    return Seeded(**{name: len(each) for name, (_, each) in numbers.items()}, fresh=fresh)


def generate(name: str, creators: int, projects: int, seed: int = SEED) -> Iterator[Document]:
    """The documents of one collection, in the order of their numbers, without any Mongo."""
    make, numbers = _numbers(creators, projects)[name]
    return (make(seed, number) for number in numbers)


def _numbers(creators: int, projects: int) -> dict[str, tuple[Make, list[int]]]:
    owners = sorted({documents.owner_of(number) for number in range(projects)})
    return {
        "creatorprofiles": (documents.creator, list(range(creators))),
        "users": (documents.user, [*range(creators), *owners]),
        "projects": (documents.project, list(range(projects))),
    }


def _holds(target: Database[Document], parameters: Mapping[str, Any]) -> bool:
    held = target[PARAMETERS].find_one({"_id": PARAMETERS_ID})
    return held == {"_id": PARAMETERS_ID, **parameters}


def _refuse_foreign_data(target: Database[Document]) -> None:
    held = [name for name in target.list_collection_names() if not name.startswith("system.")]
    if held and not target[PARAMETERS].find_one({"_id": PARAMETERS_ID}):
        raise ForeignDataError(
            f"the database {target.name!r} holds collections that the sandbox did not make "
            f"({', '.join(sorted(held))}), and generated data would replace its creatorprofiles, "
            "users and projects: nothing was changed. Name a database that is empty or not there, "
            "as in mongodb://host:27017/reindex_sandbox"
        )


def _fill(
    target: Database[Document],
    numbers: Mapping[str, tuple[Make, list[int]]],
    parameters: Mapping[str, Any],
    seed: int,
) -> None:
    # The parameters go last: a fill that was interrupted is ours, and is not taken for a whole one.
    _mark(target, {"filling": True})
    for name, (make, each) in numbers.items():
        target.drop_collection(name)
        _insert(target[name], (make(seed, number) for number in each))
    _mark(target, parameters)


def _mark(target: Database[Document], parameters: Mapping[str, Any]) -> None:
    # The embedded server takes an upsert's _id from the replacement only.
    marker = {"_id": PARAMETERS_ID, **parameters}
    target[PARAMETERS].replace_one({"_id": PARAMETERS_ID}, marker, upsert=True)


def _insert(collection: Collection[Document], made: Iterable[Document]) -> None:
    made = iter(made)
    while batch := list(islice(made, BATCH)):
        collection.insert_many(batch, ordered=False)
