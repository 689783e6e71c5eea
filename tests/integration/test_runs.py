"""Kinds of runs, refusals and edge cases of the three operators together."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from reindex.errors import (
    AuthRefused,
    ChunkKilled,
    InvalidConf,
    InvalidConnection,
    ServiceUnavailable,
    SourceUnavailable,
)
from reindex.hooks.source import SourceHook
from reindex.operators.chunk import ReindexChunkOperator
from sandbox.auth import make_token
from sandbox.mongo import Mongo
from sandbox.platform import Platform
from sandbox.processes import free_port
from sandbox.seed import DATABASE, generate
from sandbox.stack import connections_of, http_connection, mongo_connection
from tests.integration.conftest import CREATORS, PROJECTS
from tests.integration.in_process_run import (
    FakeTaskInstance,
    InProcessRun,
    StateStore,
    connect,
)

COUNTED = ("indexed", "ignored", "failed", "unchanged", "missing", "notReached")
UNKNOWN_ID = "f" * 24


def all_ids(collection: str) -> list[str]:
    return [str(each["_id"]) for each in generate(collection, CREATORS, PROJECTS)]


def assert_balanced(result: Mapping[str, Any]) -> None:
    assert result["planned"] == sum(result[column] for column in COUNTED)


def test_full_run_reaches_every_document(connected: Platform) -> None:
    result = InProcessRun({"chunkSize": 17}).go()
    assert result["state"] == "success"
    assert result["chunks"] == 4 + 6  # 60 creators and 90 projects by 17
    assert_balanced(result)
    with connected.index() as index:
        assert set(index.documents("creator")) == set(all_ids("creatorprofiles"))
        assert set(index.documents("project")) == set(all_ids("projects"))


def test_nothing_secret_and_nothing_unneeded_is_sent(connected: Platform) -> None:
    InProcessRun({}).go()
    with connected.index() as index:
        sent = json.dumps(
            [
                each.payload
                for kind in ("creator", "project")
                for each in index.documents(kind).values()
            ]
        )
    for user in generate("users", CREATORS, PROJECTS):
        assert user["email"] not in sent
        assert user["hashedPassword"] not in sent
    for word in (
        "email",
        "hashedPassword",
        "twoFA",
        "pushTokens",
        "userId",
        "ownerId",
        "milestones",
    ):
        assert word not in sent


def test_chunks_grow_when_there_would_be_too_many(connected: Platform) -> None:
    result = InProcessRun({"chunkSize": 1}, most_chunks=8).go()
    assert result["chunks"] <= 8
    assert result["indexed"] == CREATORS + PROJECTS


@pytest.mark.parametrize("name", ["project", "projects"])
def test_a_type_may_be_named_in_the_plural(connected: Platform, name: str) -> None:
    result = InProcessRun({"docType": name}).go()
    assert (result["docType"], result["planned"]) == ("project", PROJECTS)


def test_all_with_ids_of_both_collections(connected: Platform) -> None:
    creators, projects = all_ids("creatorprofiles")[:5], all_ids("projects")[:7]
    conf = {"docType": "all", "docIds": [*creators, UNKNOWN_ID, *projects], "chunkSize": 4}
    result = InProcessRun(conf).go()
    assert result["state"] == "success"
    assert result["docTypes"]["creator"]["indexed"] == 5
    assert result["docTypes"]["project"]["indexed"] == 7
    assert result["missingSample"] == [{"docType": "all", "docId": UNKNOWN_ID}]
    assert_balanced(result)


def test_duplicates_are_sent_once_and_counted(connected: Platform) -> None:
    one, two = "63b4015058d78d445500abcd", all_ids("projects")[0]
    ids = [two, two.upper(), one, two, one.upper()]
    result = InProcessRun({"docType": "project", "docIds": ids}).go()
    assert (result["duplicates"], result["indexed"], result["missing"]) == (3, 1, 1)
    assert connected.requests(documents=True)["documents"] == {two: 1}


def test_mode_full_ignores_the_listed_ids(connected: Platform) -> None:
    conf = {"docType": "projects", "docIds": all_ids("projects")[:2], "mode": "full"}
    assert InProcessRun(conf).go()["indexed"] == PROJECTS


def test_updated_since_sends_what_changed_itself_or_by_its_user(
    connected: Platform, mongo: Mongo
) -> None:
    InProcessRun({"docType": "creator"}).go()
    with connected.index() as index:
        newest = max(each.updatedAt for each in index.documents("creator").values())
    result = InProcessRun({"docType": "creator", "updatedSince": newest}).go()
    assert result["ignored"] >= 1
    assert result["unchanged"] == CREATORS - result["ignored"]
    assert_balanced(result)


def test_documents_that_come_and_go_after_the_plan_are_accounted_for(
    connected: Platform, mongo: Mongo
) -> None:
    run = InProcessRun({"docType": "project", "chunkSize": 40})
    chunks = run.plan()
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri)
    projects = client[DATABASE]["projects"]
    gone = projects.find_one({"_id": ObjectId(all_ids("projects")[50])})
    assert gone is not None
    new = ObjectId.from_datetime(gone["createdAt"] + timedelta(days=3650))
    try:
        projects.delete_one({"_id": gone["_id"]})
        projects.insert_one({**gone, "_id": new})
        for index, chunk in enumerate(chunks):
            assert run.chunk(index, chunk)
        result = run.report()
    finally:
        projects.delete_one({"_id": new})
        projects.insert_one(gone)
        client.close()
    assert result["state"] == "success"
    assert (result["appeared"], result["vanished"]) == (1, 1)
    with connected.index() as index:
        assert str(new) in index.documents("project")


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        ({"docType": "user"}, ["InvalidDocType: user", "creator", "project", "all"]),
        ({"docIds": []}, ["docIds", "at least one id"]),
        ({"docIds": ["abc"]}, ["docIds[0]", "'abc'", "24 hexadecimal"]),
        ({"docIds": ["f" * 24, 7]}, ["docIds[1]", "7", "24 hexadecimal"]),
        ({"docids": ["f" * 24]}, ["docids", "did you mean docIds?"]),
        ({"jobId": "j1", "docType": "creator"}, ["docIds", "reindex.batch job requires it"]),
        ({"jobId": "j1", "docIds": ["f" * 24]}, ["docType", "reindex.batch job requires it"]),
        ({"updatedSince": "yesterday"}, ["updatedSince", "'yesterday'", "ISO 8601"]),
        ({"updatedSince": "2999-01-01"}, ["updatedSince", "'2999-01-01", "is not in the past"]),
        ({"docTypes": "creator"}, ["'docTypes' is not a conf key", "did you mean docType?"]),
        ({"chunkSize": 0}, ["chunkSize", "0", "whole number"]),
        ({"failureTolerance": 2}, ["failureTolerance", "2", "from 0 to 1"]),
    ],
)
def test_bad_conf_is_refused_by_name_and_nothing_is_sent(
    connected: Platform, conf: dict[str, object], words: list[str]
) -> None:
    run = InProcessRun(conf)
    result = run.go()
    assert isinstance(run.errors["plan"], InvalidConf)
    assert result["state"] == "failed"
    for word in words:
        assert word in str(run.errors["plan"])
        assert word in result["problems"][0]
    assert "InvalidDocType: InvalidDocType" not in result["summary"]
    assert result["docType"] == {"user": "", "creator": "creator"}.get(
        str(conf.get("docType")), "all"
    )
    # Only the report of the refused job may have been tried.
    assert connected.requests(documents=True)["documents"] == {}


def test_ids_of_the_wrong_type_are_missing_and_the_run_says_so(connected: Platform) -> None:
    result = InProcessRun({"docType": "creator", "docIds": all_ids("projects")[:2]}).go()
    assert result["state"] == "failed"
    assert result["missing"] == 2
    assert "wrong docType" in result["problems"][0]


def test_an_empty_collection_is_a_mistake_unless_allowed(
    connected: Platform, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = mongo_connection(f"{mongo.uri}nothing_here")
    connect(monkeypatch, {"marketplace_mongo": empty})
    result = InProcessRun({"docType": "creator"}).go()
    assert result["state"] == "failed"
    assert "creator holds no documents" in result["problems"][0]
    assert InProcessRun({"docType": "creator", "allowEmpty": True}).go()["state"] == "success"


def test_mongo_that_is_not_there(connected: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    gone = mongo_connection(f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=300")
    gone["extra"] = {"serverSelectionTimeoutMS": 300}
    connect(monkeypatch, {"marketplace_mongo": gone})
    run = InProcessRun({})
    result = run.go()
    error = run.errors["plan"]
    assert isinstance(error, SourceUnavailable)
    assert f"127.0.0.1:{port}" in str(error)
    assert "'marketplace_mongo'" in str(error)
    assert str(error) in result["problems"][0]


def test_service_that_is_not_there(
    connected: Platform, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reindex.service_health.GIVE_UP_SECONDS", 0.5)
    monkeypatch.setattr("reindex.delivery.FIRST_DELAY", 0.01)
    base_url = f"http://127.0.0.1:{free_port()}"
    connect(monkeypatch, {"discovery_api": http_connection(base_url, "token")})
    run = InProcessRun({"docType": "creator"})
    result = run.go()
    error = run.errors["chunk 0"]
    assert isinstance(error, ServiceUnavailable)
    assert base_url in str(error)
    assert "'discovery_api'" in str(error)
    assert result["state"] == "failed"
    assert_balanced(result)


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (make_token("another secret that is long enough for HS256"), 401),
        ("not-a-token", 401),
        ("expired", 401),
        ("no-permission", 403),
    ],
)
def test_wrong_token_stops_at_once_and_is_never_logged(
    connected: Platform,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    token: str,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = connected.jwt_secret
    made = {
        "expired": make_token(secret, expires_in=-60),
        "no-permission": make_token(secret, permissions=("read",)),
    }
    token = made.get(token, token)
    connect(monkeypatch, {"discovery_api": http_connection(connected.base_url, token)})
    run = InProcessRun({"docType": "creator"}, attempts=1)
    result = run.go()
    error = run.errors["chunk 0"]
    assert isinstance(error, AuthRefused)
    assert str(status) in str(error)
    assert "'discovery_api'" in str(error)
    assert token not in capfd.readouterr().out + caplog.text + json.dumps(result) + str(error)
    # Only those that were in flight when the first answer came.
    assert 1 <= sum(connected.requests(documents=True)["documents"].values()) <= 4
    assert_balanced(result)


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({"conn_type": "ftp", "host": "x", "password": "p"}, ["type is 'ftp'", "http"]),
        ({"conn_type": "http", "host": "x"}, ["password is empty"]),
        ({"conn_type": "http", "password": "p"}, ["host is empty"]),
        (http_connection("http://x", "p", timeOut=3), ["unknown extra 'timeOut'", "timeout"]),
        (http_connection("http://x", "p", timeout="soon"), ["timeout", "'soon'", "seconds"]),
        (http_connection("http://x", "p", verify="/no/file"), ["verify", "path of a file"]),
    ],
)
def test_unusable_connection_is_named(
    connected: Platform,
    monkeypatch: pytest.MonkeyPatch,
    connection: dict[str, object],
    words: list[str],
) -> None:
    connect(monkeypatch, {"discovery_api": connection})
    run = InProcessRun({"docType": "creator"})
    run.go()
    error = run.errors["chunk 0"]
    assert isinstance(error, InvalidConnection)
    for word in ["'discovery_api'", *words]:
        assert word in str(error)


def test_descriptors_are_small_for_every_kind_of_run(connected: Platform) -> None:
    ids = all_ids("projects")
    full = InProcessRun({"chunkSize": 7}, run_id="full")
    listed = InProcessRun({"docType": "all", "docIds": ids, "chunkSize": 7}, run_id="listed")
    connected.put_faults([{"kind": "validation", "docIds": ids[:3]}])
    full.go()
    again = InProcessRun({"redrive": "full"}, run_id="again", xcoms=full.xcoms)
    for run in (full, listed, again):
        descriptors = run.plan()
        assert descriptors
        assert max(len(json.dumps(each)) for each in descriptors) <= 200


def test_redrive_sends_exactly_what_failed(connected: Platform) -> None:
    bad = all_ids("projects")[3:6]
    connected.put_faults([{"kind": "validation", "docIds": bad}])
    first = InProcessRun({"docType": "project", "chunkSize": 30}, run_id="first")
    result = first.go()
    assert result["redrive"] == {"redrive": "first"}
    assert result["retry"] == {"docType": "project", "docIds": bad}
    connected.clear_faults()
    connected.reset_requests()
    second = InProcessRun(result["redrive"], run_id="second", xcoms=first.xcoms)
    assert second.go()["indexed"] == len(bad)
    assert connected.requests(documents=True)["documents"] == dict.fromkeys(bad, 1)
    third = InProcessRun({"redrive": "first"}, run_id="third", xcoms=first.xcoms)
    assert third.go()["ignored"] == len(bad)
    nothing_left = InProcessRun({"redrive": "second"}, run_id="fourth", xcoms=first.xcoms)
    assert nothing_left.go()["state"] == "success"


def test_redrive_keeps_to_the_time_and_the_pace_of_the_run_that_it_repeats(
    connected: Platform,
) -> None:
    InProcessRun({"docType": "creator"}).go()
    with connected.index() as index:
        newest = max(each.updatedAt for each in index.documents("creator").values())
    conf = {
        "docType": "creator", "updatedSince": newest, "requestsPerSecond": 500, "maxInFlight": 3,
    }  # fmt: skip
    first = InProcessRun(conf, run_id="first")
    assert first.plan()
    assert first.report()["notReached"] == CREATORS
    connected.reset_requests()
    again = InProcessRun({"redrive": "first"}, run_id="again", xcoms=first.xcoms)
    result = again.go()
    assert result["state"] == "success"
    assert result["unchanged"] == CREATORS - result["ignored"] > 0
    assert len(connected.requests(documents=True)["documents"]) == result["ignored"]
    # And so does a redrive of the redrive.
    facts = again.xcoms[("again", "plan", -1, "plan")]
    assert facts["handedOn"] == first.xcoms[("first", "plan", -1, "plan")]["handedOn"]
    assert facts["handedOn"]["maxInFlight"] == 3


def test_redrive_names_again_what_can_be_in_no_chunk(connected: Platform, mongo: Mongo) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri)
    projects = client[DATABASE]["projects"]
    projects.insert_one({"_id": "no-object-id", "title": "x"})
    try:
        first = InProcessRun({"docType": "project"}, run_id="first")
        result = first.go()
    finally:
        projects.delete_one({"_id": "no-object-id"})
        client.close()
    assert (result["state"], result["failed"]) == ("success", 1)
    assert result["redrive"] is None  # no run can cure it; who asks for one all the same is told so
    again = InProcessRun({"redrive": "first"}, run_id="again", xcoms=first.xcoms).go()
    assert again["state"] == "failed"
    assert again["failedSample"] == result["failedSample"]
    assert again["failedSample"][0]["docId"] == "no-object-id"
    assert_balanced(again)


def test_redrive_of_a_run_that_is_not_there(connected: Platform) -> None:
    run = InProcessRun({"redrive": "manual__2020"})
    run.go()
    assert "run id of an earlier run" in str(run.errors["plan"])


def test_redrive_leaves_nothing_out_for_its_doc_type(connected: Platform) -> None:
    connected.put_faults([{"kind": "validation", "docIds": all_ids("projects")[:2]}])
    first = InProcessRun({"failureTolerance": 0.5}, run_id="first")
    assert first.go()["failed"] == 2
    connected.clear_faults()
    wrong = {"redrive": "first", "docType": "creator"}
    refused = InProcessRun(wrong, run_id="refused", xcoms=first.xcoms)
    assert refused.go()["state"] == "failed"
    assert "docType: 'creator' is not the type of all that first has left to do (project)" in str(
        refused.errors["plan"]
    )
    right = {"redrive": "first", "docType": "project"}
    assert InProcessRun(right, run_id="right", xcoms=first.xcoms).go()["indexed"] == 2


def test_a_chunk_that_is_killed_before_it_posts_posts_nothing(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = ReindexChunkOperator._post

    def killed(self: ReindexChunkOperator, *args: Any, **kwargs: Any) -> Any:
        self.on_kill()
        return post(self, *args, **kwargs)

    monkeypatch.setattr(ReindexChunkOperator, "_post", killed)
    run = InProcessRun({"docType": "creator"})
    result = run.go()
    assert isinstance(run.errors["chunk 0"], ChunkKilled)
    assert connected.requests(documents=True)["documents"] == {}
    assert (result["state"], result["notReached"]) == ("failed", CREATORS)


def test_a_ledger_that_cannot_be_saved_is_reported_with_what_ended_the_chunk(
    connected: Platform, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("the API server is gone")

    monkeypatch.setattr(StateStore, "set", unreachable)
    connected.put_faults([{"kind": "error", "status": 401, "after": 20}])
    run = InProcessRun({"docType": "creator", "maxInFlight": 1})
    result = run.go()
    assert isinstance(run.errors["chunk 0"], AuthRefused)
    assert result["indexed"] == 20
    assert_balanced(result)
    assert "the ledger could not be saved" in capfd.readouterr().out


def test_a_chunk_keeps_its_ledger_before_it_closes_a_source_that_may_hang(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = InProcessRun({"docType": "creator", "maxInFlight": 1})
    kept: list[Any] = []
    close = SourceHook.__exit__

    def closing(self: SourceHook, *error: Any) -> None:
        kept.append(run.ledger())
        close(self, *error)

    connected.put_faults([{"kind": "error", "status": 401, "after": 20}])
    [chunk] = run.plan()
    monkeypatch.setattr(SourceHook, "__exit__", closing)
    assert not run.chunk(0, chunk)
    assert kept == [run.ledger()]
    assert kept[0]["counts"]["creator"]["indexed"] == 20


def test_a_chunk_that_is_done_does_not_fail_when_only_its_tidying_up_does(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise ConnectionError("the API server is gone")

    monkeypatch.setattr(StateStore, "clear", unreachable)
    run = InProcessRun({"docType": "creator"})
    assert run.go()["indexed"] == CREATORS
    assert run.errors == {}


def test_a_report_waits_for_the_ledger_that_an_ended_chunk_is_about_to_leave(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow begins the report of a run that a person ended while it tells the chunks to end."""
    run = InProcessRun({"docType": "creator"})
    (chunk,) = run.plan()
    run.chunk(0, chunk)
    begun = {run.run_id: {"reindex_chunk_0": "failed"}}
    monkeypatch.setattr(FakeTaskInstance, "get_task_states", lambda *_, **__: begun)
    key = (run.run_id, "reindex_chunk", 0, "return_value")
    ledger = run.xcoms.pop(key)
    later = threading.Timer(0.5, run.xcoms.__setitem__, (key, ledger))
    later.start()
    assert run.report()["indexed"] == CREATORS
    later.join()


def test_it_does_not_wait_for_ever_for_a_chunk_that_was_killed_outright(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = InProcessRun({"docType": "creator"})
    run.plan()
    begun = {run.run_id: {"reindex_chunk_0": "failed"}}
    monkeypatch.setattr(FakeTaskInstance, "get_task_states", lambda *_, **__: begun)
    monkeypatch.setattr("reindex.operators.report.LAST_LEDGERS_SECONDS", 0.5)
    assert run.report()["notReached"] == CREATORS


def test_connections_of_the_stack_are_complete(mongo: Mongo, platform: Platform) -> None:
    assert set(connections_of(mongo, platform)) == {
        "marketplace_mongo",
        "discovery_api",
        "jobs_api",
    }
