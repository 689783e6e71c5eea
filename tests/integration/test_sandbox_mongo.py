"""A Mongo that is started, stopped and started again, and the data that fill it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from sandbox.mongo import URI_VARIABLE, Mongo, running_mongo
from sandbox.processes import REPOSITORY
from sandbox.seed import DATABASE, generate, seed

Document = dict[str, Any]
COLLECTIONS = ("creatorprofiles", "users", "projects")


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(URI_VARIABLE, raising=False)
        with running_mongo(tmp_path_factory.mktemp("mongo")) as running:
            yield running


def held(mongo: Mongo, collection: str, database: str = DATABASE) -> list[Document]:
    client: MongoClient[Document] = MongoClient(
        mongo.uri, serverSelectionTimeoutMS=2000, tz_aware=True
    )
    with client:
        return list(client[database][collection].find({}).sort("_id", 1))


def by_id(documents: list[Document]) -> list[Document]:
    return sorted(documents, key=lambda document: document["_id"])


def test_what_was_generated_is_held_as_it_is(mongo: Mongo) -> None:
    seeded = seed(mongo.uri, 120, 90, database="exact")
    assert (seeded.creatorprofiles, seeded.users, seeded.projects) == (120, 150, 90)
    for collection in COLLECTIONS:
        expected = by_id(list(generate(collection, 120, 90)))
        assert held(mongo, collection, "exact") == expected


def test_seeding_again_is_a_no_op_unless_the_parameters_differ(mongo: Mongo) -> None:
    assert seed(mongo.uri, 30, 20, database="again").fresh
    assert not seed(mongo.uri, 30, 20, database="again").fresh
    assert seed(mongo.uri, 30, 20, seed=2, database="again").fresh
    other = held(mongo, "projects", "again")
    assert other == list(generate("projects", 30, 20, seed=2))
    assert seed(mongo.uri, 10, 20, seed=2, database="again").creatorprofiles == 10
    assert len(held(mongo, "creatorprofiles", "again")) == 10


def test_a_fill_that_was_interrupted_is_not_taken_for_a_whole_one(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(mongo.uri, 10, 10, database="torn")

    def fail(*_: object) -> Document:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sandbox.seed_documents.project", fail)
        with pytest.raises(KeyboardInterrupt):
            seed(mongo.uri, 20, 20, database="torn")
    assert seed(mongo.uri, 20, 20, database="torn").fresh
    assert len(held(mongo, "projects", "torn")) == 20


def test_it_is_stopped_and_started_midway(mongo: Mongo) -> None:
    seed(mongo.uri, 20, 20)
    before = held(mongo, "projects")
    uri = mongo.uri
    mongo.stop()
    with pytest.raises(PyMongoError):
        held(mongo, "projects")
    mongo.start()
    assert mongo.uri == uri
    assert held(mongo, "projects") == before != []


def test_it_leaves_no_process_and_keeps_its_data(tmp_path: Path, mongo: Mongo) -> None:
    # A number that belongs to a living process must not keep the embedded server from starting.
    assert mongo.process is not None
    (tmp_path / "nx-27017.pid").write_text(str(mongo.process.pid))
    with running_mongo(tmp_path) as first:
        seed(first.uri, 5, 5)
        process = first.process
    assert process is not None
    assert not process.running
    with running_mongo(tmp_path) as second:
        assert len(held(second, "projects")) == 5


def test_an_external_one_is_neither_started_nor_stopped(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URI_VARIABLE, mongo.uri)
    with running_mongo(tmp_path) as external:
        assert (external.kind, external.uri, external.process) == ("external", mongo.uri, None)
        for change in (external.stop, external.start):
            with pytest.raises(RuntimeError, match=URI_VARIABLE):
                change()
    assert list(tmp_path.iterdir()) == []
    assert mongo.process is not None
    assert mongo.process.running


def test_the_address_is_not_in_the_repr() -> None:
    assert "password" not in repr(Mongo("mongodb://user:password@db/", "external"))


@pytest.mark.parametrize(
    ("mongod", "expected"), [(None, "nx-27017"), ("/opt/bin/mongod", "mongod")]
)
def test_a_mongod_on_the_path_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mongod: str | None, expected: str
) -> None:
    started: list[list[str]] = []
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    monkeypatch.setattr("sandbox.mongo.shutil.which", lambda _: mongod)
    monkeypatch.setattr(Mongo, "start", lambda self: started.append(self.process.command))
    with running_mongo(tmp_path, port=4321) as running:
        assert running.kind == expected
    ((executable, *arguments),) = started
    assert Path(executable).name == expected
    assert "4321" in arguments
    assert "127.0.0.1" in arguments
    assert str(tmp_path / f"{expected}-data") in arguments


def test_the_command_line_seeds(mongo: Mongo) -> None:
    command = [sys.executable, "-m", "sandbox", "seed", "--mongo-uri", mongo.uri]
    parameters = ["--database", "shell", "--creators", "7", "--projects", "4", "--seed", "9"]
    done = subprocess.run(
        [*command, *parameters], cwd=REPOSITORY, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert held(mongo, "projects", "shell") == list(generate("projects", 7, 4, seed=9))
