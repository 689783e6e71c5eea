"""Reads that go wrong: a cursor that ends early, documents that are skipped, an attempt cut off."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, CursorNotFound, NetworkTimeout, PyMongoError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from reindex.delivery import Delivery
from reindex.doc_types import DOC_TYPES
from reindex.errors import ChunkTimedOut, LedgerImbalance, ServiceUnavailable, SourceUnavailable
from reindex.hooks.source import SourceHook
from reindex.pages import Found
from sandbox.mongo import Mongo
from sandbox.platform import Platform
from sandbox.seed import DATABASE, generate
from sandbox.stack import connections_of
from tests.e2e.expected_index import expected_index
from tests.integration.conftest import CREATORS, PROJECTS
from tests.integration.in_process_run import InProcessRun, connect

CONF = {"docType": "project"}
UNKNOWN_ID = "f" * 24
ALL_IDS = [
    str(each["_id"])
    for collection in ("creatorprofiles", "projects")
    for each in generate(collection, CREATORS, PROJECTS)
]
Pages = Iterator[list[Found]]


def patched_pages(monkeypatch: pytest.MonkeyPatch, cut: Any) -> None:
    """Let every read of documents (not of bare ids) go through ``cut``."""
    whole = SourceHook._pages

    def pages(
        self: SourceHook, collection: str, bounds: Any, fields: Sequence[str], page_size: int
    ) -> Pages:
        read = whole(self, collection, bounds, fields, page_size)
        return read if list(fields) == ["_id"] else cut(read)

    monkeypatch.setattr(SourceHook, "_pages", pages)


def test_a_cursor_that_ends_early_without_an_error_is_opened_again(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_twenty(read: Pages) -> Pages:
        for page in read:
            yield page[:20]
            return

    patched_pages(monkeypatch, first_twenty)
    result = InProcessRun(CONF).go()
    assert (result["state"], result["indexed"]) == ("success", PROJECTS)


def without_the_fourth(read: Pages) -> Pages:
    for page in read:
        yield page[:3] + page[4:]


def test_documents_that_a_read_skips_are_found_and_a_redrive_reads_the_whole_range(
    connected: Platform, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched_pages(monkeypatch, without_the_fourth)
    run = InProcessRun({**CONF, "chunkSize": 45}, attempts=2)
    result = run.go()
    error = run.errors["chunk 1"]
    assert isinstance(error, LedgerImbalance)
    assert "the collection holds 45 documents, 44 were met" in str(error)
    assert result["state"] == "failed"
    # Which one was skipped is not known, so that nothing of the chunk is called done.
    assert result["notReached"] == PROJECTS
    assert "project " in result["problems"][0]
    assert "LedgerImbalance" in result["problems"][0]

    monkeypatch.undo()
    connect(monkeypatch, connections_of(mongo, connected))
    connected.clear_data()
    again = InProcessRun(result["redrive"], run_id="again", xcoms=run.xcoms).go()
    assert (again["state"], again["indexed"]) == ("success", PROJECTS)


def test_a_document_that_came_does_not_hide_one_that_was_skipped(
    connected: Platform, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched_pages(monkeypatch, without_the_fourth)
    run = InProcessRun(CONF)
    (chunk,) = run.plan()
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri)
    with client, inserted(client, ObjectId("f" * 24)):
        run.chunk(0, chunk)
        result = run.report()
    assert isinstance(run.errors["chunk 0"], LedgerImbalance)
    assert result["state"] == "failed"


def test_a_document_that_a_killed_run_skipped_is_not_lost_by_its_redrive(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run skips the fourth, then finds the service gone; the redrive reads what is behind."""
    down = {"kind": "down", "seconds": 600, "path": "/search"}
    first_run = True
    monkeypatch.setattr("reindex.service_health.GIVE_UP_SECONDS", 0.2)
    monkeypatch.setattr("reindex.delivery.FIRST_DELAY", 0.01)

    def skipping(read: Pages) -> Pages:
        if not first_run:
            yield from read
            return
        for page in read:
            yield page[:3] + page[4:40]
            time.sleep(1)
            connected.put_faults([down])
            yield page[40:]

    patched_pages(monkeypatch, skipping)
    first = InProcessRun(CONF, run_id="first")
    result = first.go()
    assert isinstance(first.errors["chunk 0"], ServiceUnavailable)
    assert 0 < result["notReached"] < PROJECTS

    connected.clear_faults()
    first_run = False
    again = InProcessRun({"redrive": "first"}, run_id="again", xcoms=first.xcoms)
    result = again.go()
    error = again.errors["chunk 0"]
    assert isinstance(error, LedgerImbalance)
    assert str(error).endswith("start a full run")
    assert result["state"] == "failed"


@contextmanager
def inserted(client: MongoClient[dict[str, Any]], new: ObjectId) -> Iterator[None]:
    """A project more, for as long as this lasts."""
    projects = client[DATABASE]["projects"]
    some = projects.find_one()
    assert some is not None
    projects.insert_one({**some, "_id": new})
    try:
        yield
    finally:
        projects.delete_one({"_id": new})


def test_an_imbalance_is_cured_by_an_attempt_that_reads_everything_anew(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = iter([True])

    def once_without_the_fourth(read: Pages) -> Pages:
        skip = next(reads, False)
        for page in read:
            yield page[:3] + page[4:] if skip else page

    patched_pages(monkeypatch, once_without_the_fourth)
    result = InProcessRun(CONF, attempts=2).go()
    assert result["state"] == "success"
    assert result["indexed"] + result["ignored"] == PROJECTS


@pytest.mark.parametrize("conf", [{"docType": "all"}, {"docType": "all", "docIds": ALL_IDS}])
def test_reads_by_ids_that_are_cut_short_lose_neither_documents_nor_names(
    connected: Platform, mongo: Mongo, monkeypatch: pytest.MonkeyPatch, conf: dict[str, object]
) -> None:
    whole = SourceHook._some_in
    cut = 0

    def first_three(
        self: SourceHook, collection: str, ids: Sequence[object], fields: Sequence[str]
    ) -> list[Found]:
        nonlocal cut
        read = whole(self, collection, ids, fields)
        cut += len(read) > 3
        return read[:3]

    monkeypatch.setattr(SourceHook, "_some_in", first_three)
    result = InProcessRun(conf).go()
    assert cut
    assert (result["state"], result["missing"]) == ("success", 0)
    with connected.index() as index:
        for doc_type, expected in expected_index(mongo.uri).items():
            held = index.documents(doc_type)
            assert {key: (each.payload, each.updatedAt) for key, each in held.items()} == expected


def test_reads_by_ids_come_in_one_batch_and_only_what_is_absent_costs_a_second(
    connected: Platform, mongo: Mongo
) -> None:
    finds = Finds()
    held = [str(each["_id"]) for each in generate("projects", CREATORS, PROJECTS)]
    with SourceHook() as hook:
        hook.extras["event_listeners"] = [finds]
        assert len(hook.by_ids(DOC_TYPES["project"], held)) == PROJECTS
        assert finds.batch_sizes == [PROJECTS + 1]
        assert len(hook.by_ids(DOC_TYPES["project"], [*held, UNKNOWN_ID])) == PROJECTS
        assert finds.batch_sizes == [PROJECTS + 1, PROJECTS + 2, 2]


class Finds(CommandListener):
    """The batch size that each query asked for; any other command about a cursor is an error."""

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def started(self, event: CommandStartedEvent) -> None:
        assert event.command_name != "getMore"
        if event.command_name == "find":
            self.batch_sizes.append(event.command["batchSize"])

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


LOST = [AutoReconnect("connection closed"), CursorNotFound("cursor id 1 not found", 43)]


@pytest.mark.parametrize("lost", LOST, ids=lambda error: type(error).__name__)
def test_a_cursor_that_is_lost_midway_is_opened_again_behind_the_last_id(
    connected: Platform,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lost: PyMongoError,
) -> None:
    losses = iter([lost])

    def lost_after_twenty(read: Pages) -> Pages:
        for page in read:
            if error := next(losses, None):
                yield page[:20]
                raise error
            yield page

    patched_pages(monkeypatch, lost_after_twenty)
    result = InProcessRun(CONF).go()
    assert (result["state"], result["indexed"]) == ("success", PROJECTS)
    assert connected.requests()["indexUpdates"]["received"] == PROJECTS
    assert f"was lost ({type(lost).__name__}), opened again" in caplog.text


@pytest.mark.parametrize("lost", LOST, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("collection", ["projects", "users"])
def test_a_read_by_ids_that_is_lost_is_done_again(
    mongo: Mongo,
    connected: Platform,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    collection: str,
    lost: PyMongoError,
) -> None:
    """Of the documents themselves, and of the users that they are joined with."""
    ids = [str(each["_id"]) for each in generate("projects", CREATORS, PROJECTS)]
    find, losses = Collection.find_raw_batches, iter([lost])

    def find_and_lose(self: Collection[Any], *args: Any, **options: Any) -> Any:
        if self.name == collection and (error := next(losses, None)):
            raise error
        return find(self, *args, **options)

    monkeypatch.setattr(Collection, "find_raw_batches", find_and_lose)
    result = InProcessRun({**CONF, "docIds": ids}).go()
    assert (result["state"], result["indexed"], result["missing"]) == ("success", PROJECTS, 0)
    assert f"a read by ids was lost ({type(lost).__name__}), done again" in caplog.text
    with connected.index() as index:
        held = index.documents("project")
    expected = expected_index(mongo.uri)["project"]
    assert {key: (each.payload, each.updatedAt) for key, each in held.items()} == expected


@pytest.mark.parametrize("doc_ids", [None, 3])
def test_a_mongo_that_hangs_is_named_after_two_time_outs(
    connected: Platform, monkeypatch: pytest.MonkeyPatch, doc_ids: int | None
) -> None:
    ids = [str(each["_id"]) for each in generate("projects", CREATORS, PROJECTS)]
    run = InProcessRun(CONF if doc_ids is None else {**CONF, "docIds": ids[:doc_ids]})
    [chunk] = run.plan()
    asked = []

    def hangs(*_: Any, **__: Any) -> Any:
        asked.append(1)
        raise NetworkTimeout("127.0.0.1:27017: timed out")

    monkeypatch.setattr(Collection, "find_raw_batches", hangs)
    assert not run.chunk(0, chunk)
    error = run.errors["chunk 0"]
    assert isinstance(error, SourceUnavailable)
    assert "(connection 'marketplace_mongo'): reading projects was lost" in str(error)
    assert "no answer within 60000 ms (the connection's extra socketTimeoutMS)" in str(error)
    assert len(asked) == 2


def test_a_read_that_never_brings_anything_is_not_believed(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched_pages(monkeypatch, lambda read: iter(()))
    run = InProcessRun(CONF)
    result = run.go()
    assert isinstance(run.errors["chunk 0"], LedgerImbalance | SourceUnavailable)
    assert (result["state"], result["notReached"]) == ("failed", PROJECTS)


def test_an_attempt_ends_itself_before_its_time_out_and_is_gone_on_with(
    connected: Platform,
) -> None:
    """Without Airflow's alarm, which may land where asyncio swallows what it raises."""
    connected.put_faults([{"kind": "latency", "ms": 20}])
    run = InProcessRun({**CONF, "maxInFlight": 1}, execution_timeout=timedelta(seconds=1))
    (chunk,) = run.plan()
    assert not run.chunk(0, chunk)
    error = run.errors["chunk 0"]
    assert isinstance(error, ChunkTimedOut)
    assert "execution_timeout of 0:00:01" in str(error)
    left = run.ledger()
    done = left["counts"]["project"]["indexed"]
    assert 5 < done < PROJECTS
    assert left["ended"] - left["started"] < 1

    connected.clear_faults()
    assert run.chunk(0, chunk)
    result = run.report()
    assert result["state"] == "success"
    assert result["planned"] == result["indexed"] + result["ignored"] == PROJECTS


def test_an_attempt_that_airflow_times_out_is_gone_on_with(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.put_faults([{"kind": "latency", "ms": 20}])
    run = InProcessRun({**CONF, "maxInFlight": 1})
    (chunk,) = run.plan()

    def time_out(*_: object) -> None:
        raise AirflowTaskTimeout("Timeout")

    post, timers = Delivery.posted, iter([1.0])

    def timed(self: Delivery, document: Any) -> Any:
        """The time runs from the first post, however long a slow machine takes to get there."""
        if seconds := next(timers, None):
            signal.setitimer(signal.ITIMER_REAL, seconds)
        return post(self, document)

    monkeypatch.setattr(Delivery, "posted", timed)
    before = signal.signal(signal.SIGALRM, time_out)
    try:
        with pytest.raises(AirflowTaskTimeout):
            run.chunk(0, chunk)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    left = run.ledger()
    done = left["counts"]["project"]["indexed"]
    assert 5 < done < PROJECTS
    assert left["complete"] is False
    assert "AirflowTaskTimeout" in left["error"]

    connected.reset_requests()
    assert run.chunk(0, chunk)
    result = run.report()
    assert result["state"] == "success"
    assert result["planned"] == result["indexed"] + result["ignored"] == PROJECTS
    # Only what was in flight when time was up is sent again.
    assert connected.requests()["indexUpdates"]["received"] <= PROJECTS - done
