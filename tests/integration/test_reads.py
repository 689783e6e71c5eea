"""Reads that go wrong: a cursor that ends early, documents that are skipped, an attempt cut off."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, CursorNotFound, PyMongoError

from reindex.errors import LedgerImbalance, SourceUnavailable
from reindex.hooks.source import SourceHook
from reindex.indexer import Indexer
from reindex.pages import Found
from sandbox.mongo import Mongo
from sandbox.platform import Platform
from sandbox.seed import generate
from tests.e2e.expected_index import expected_index
from tests.integration.conftest import CREATORS, PROJECTS
from tests.integration.in_process_run import InProcessRun

CONF = {"docType": "project"}
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


def test_documents_that_a_read_skips_are_found_and_the_range_is_named(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_the_fourth(read: Pages) -> Pages:
        for page in read:
            yield page[:3] + page[4:]

    patched_pages(monkeypatch, without_the_fourth)
    run = InProcessRun({**CONF, "chunkSize": 45}, attempts=2)
    result = run.go()
    error = run.errors["chunk 1"]
    assert isinstance(error, LedgerImbalance)
    assert "the collection holds 45 documents, 44 were met" in str(error)
    assert result["state"] == "failed"
    assert result["notReached"] == 2
    assert "project " in result["problems"][0]
    assert "LedgerImbalance" in result["problems"][0]


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


def test_a_read_that_never_brings_anything_is_not_believed(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched_pages(monkeypatch, lambda read: iter(()))
    run = InProcessRun(CONF)
    result = run.go()
    assert isinstance(run.errors["chunk 0"], LedgerImbalance | SourceUnavailable)
    assert (result["state"], result["notReached"]) == ("failed", PROJECTS)


def test_an_attempt_that_times_out_is_gone_on_with(
    connected: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.put_faults([{"kind": "latency", "ms": 20}])
    run = InProcessRun({**CONF, "maxInFlight": 1})
    (chunk,) = run.plan()

    def time_out(*_: object) -> None:
        raise AirflowTaskTimeout("Timeout")

    post, timers = Indexer._posted, iter([1.0])

    def timed(self: Indexer, document: Any) -> Any:
        """The time runs from the first post, however long a slow machine takes to get there."""
        if seconds := next(timers, None):
            signal.setitimer(signal.ITIMER_REAL, seconds)
        return post(self, document)

    monkeypatch.setattr(Indexer, "_posted", timed)
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
