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

from sandbox.mongo import (
    EXTERNAL_DATABASE,
    URI_VARIABLE,
    Mongo,
    MongoAddressError,
    external_mongo,
    given_or_running_mongo,
    running_mongo,
)
from sandbox.processes import REPOSITORY, NotReadyError, free_port
from sandbox.seed import DATABASE, ForeignDataError, generate, seed
from sandbox.stack import mongo_connection

Document = dict[str, Any]
COLLECTIONS = ("creatorprofiles", "users", "projects")


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
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
    with given_or_running_mongo(tmp_path) as external:
        assert (external.kind, external.uri, external.process) == ("external", mongo.uri, None)
        for change in (external.stop, external.start):
            with pytest.raises(RuntimeError, match=URI_VARIABLE):
                change()
    assert list(tmp_path.iterdir()) == []
    assert mongo.process is not None
    assert mongo.process.running


def test_without_an_external_one_it_is_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    with given_or_running_mongo(tmp_path) as own:
        assert own.process is not None
        assert own.process.running
        assert own.database == DATABASE


def test_data_go_into_the_external_ones_database_and_never_by_default_into_the_platforms(
    mongo: Mongo,
) -> None:
    assert external_mongo(mongo.uri).database == EXTERNAL_DATABASE != DATABASE
    named = external_mongo(f"{mongo.uri}mine")
    assert named.database == "mine"
    seed(named.uri, 3, 3)
    assert len(held(mongo, "projects", "mine")) == 3


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("mongodb+srv://user:hush@cluster.example.com/db", r"mongodb\+srv:// is not supported, .*"),
        ("mongodb://user:hush@one,two:27018/db", "it names 2 hosts, expected one"),
        ("mongodb://user:hush/hush@one/db", "it is no such address"),
        ("localhost:27017", "it is no such address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(uri: str, why: str) -> None:
    with pytest.raises(MongoAddressError, match=f"^{URI_VARIABLE} must be mongodb://.*{why}$") as e:
        external_mongo(uri)
    assert "hush" not in str(e.value)


def test_an_external_one_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.mongo.ANSWER_SECONDS", 0.1)
    port = free_port()
    with pytest.raises(NotReadyError, match=f"{URI_VARIABLE} at 127.0.0.1:{port} is not ready"):
        external_mongo(f"mongodb://user:hush@127.0.0.1:{port}/")


def test_data_that_the_sandbox_did_not_make_are_never_dropped(mongo: Mongo) -> None:
    client: MongoClient[Document] = MongoClient(mongo.uri)
    with client:
        client["platform"]["users"].insert_one({"_id": 1, "email": "somebody@example.com"})
        with pytest.raises(ForeignDataError, match=r"'platform' .* did not make \(users\)"):
            seed(mongo.uri, 5, 5, database="platform")
        assert client["platform"].list_collection_names() == ["users"]
        assert held(mongo, "users", "platform") == [{"_id": 1, "email": "somebody@example.com"}]


@pytest.mark.parametrize(
    ("uri", "schema", "source"),
    [
        ("mongodb://u:p%2F@db/", DATABASE, "admin"),
        ("mongodb://u:p%2F@db/own", "own", "own"),
        ("mongodb://u:p%2F@db/own?authSource=other%20one", "own", "other one"),
    ],
)
def test_the_connection_looks_the_user_up_where_the_address_does(
    uri: str, schema: str, source: str
) -> None:
    made = mongo_connection(uri)
    assert (made["login"], made["password"]) == ("u", "p/")
    assert (made["schema"], made["extra"]) == (schema, {"authSource": source})
    assert mongo_connection(uri, "given")["schema"] == "given"


def test_the_address_is_not_in_the_repr() -> None:
    assert "password" not in repr(Mongo("mongodb://user:password@db/", "external"))


@pytest.mark.parametrize(
    ("mongod", "expected"), [(None, "nx-27017"), ("/opt/bin/mongod", "mongod")]
)
def test_a_mongod_on_the_path_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mongod: str | None, expected: str
) -> None:
    started: list[list[str]] = []
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
