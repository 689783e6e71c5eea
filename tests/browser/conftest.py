"""A browser, the Airflow of the end-to-end tests, and runs of every kind to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from selenium.webdriver import Chrome

from sandbox.chromium import installed_chromium, running_chromium
from sandbox.seed import DATABASE
from sandbox.stack import Stack
from tests.browser.page import HOSTILE, Page
from tests.e2e.scheduled_run import run
from tests.not_tested import not_tested

HOSTILE_CREATOR = ObjectId("000000000000000000000001")
REFUSED, LOST = 60, 2
# The end of the first chunk, which it gives up before.
EXPIRED = slice(70, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session", autouse=True)
def _browser_is_there() -> None:
    if installed_chromium() is None:
        not_tested("the pages in a browser", "no chromium and chromedriver on the PATH")


@pytest.fixture(scope="session")
def driver(_browser_is_there: None) -> Iterator[Chrome]:
    with running_chromium() as driver:
        yield driver


@pytest.fixture
def page(driver: Chrome, running: Stack) -> Iterator[Page]:
    """A browser that is logged in as the admin; whatever a test does, the console stays clean."""
    page = Page(driver, running.airflow)
    page.log_in()
    page.console()
    yield page
    unexpected = [each for each in page.console() if not page.expects(each)]
    assert unexpected == []


@dataclass(frozen=True)
class Ended:
    """A run that has ended, with its report's XCom."""

    run_id: str
    state: str
    result: dict[str, Any]


@dataclass(frozen=True)
class Runs:
    """``failed``: refused and lost documents, a chunk that gave up, an ``_id`` that is markup."""

    dry: Ended
    failed: Ended
    clean: Ended
    missing: Ended


@pytest.fixture(scope="session")
def runs(running: Stack) -> Runs:
    running.platform.clear_data()
    dry_conf = {"docType": "creator", "dryRun": True, "failureTolerance": 1}
    ids = [str(HOSTILE_CREATOR), "f" * 24, "e" * 24]
    # Other tests share the Mongo: what is hostile is gone when the runs are made.
    with _hostile_name(running):
        with _hostile_id(running):
            dry = Ended(*run(running, dry_conf))
            failed = _failed(running)
        clean = Ended(*run(running, {}))
        missing = Ended(*run(running, {"docType": "creator", "docIds": ids}))
    return Runs(dry, failed, clean, missing)


def _failed(running: Stack) -> Ended:
    """
    More than half of the first chunk is refused: it gives up and is tried again, and does not get
    past a refused token.
    """
    client: MongoClient[dict[str, Any]] = MongoClient(running.mongo.uri)
    with client:
        found = [each["_id"] for each in client[DATABASE]["creatorprofiles"].find({}, {"_id": 1})]
    ids = sorted(str(each) for each in found if isinstance(each, ObjectId))
    running.platform.put_faults(
        [
            {"kind": "validation", "docIds": ids[1 : 1 + REFUSED]},
            {"kind": "error", "status": 500, "docIds": ids[150 : 150 + LOST]},
            {"kind": "auth_expires", "docIds": ids[EXPIRED]},
        ]
    )
    try:
        conf = {"docType": "creator", "failureTolerance": 0, "maxInFlight": 4}
        return Ended(*run(running, conf))
    finally:
        running.platform.clear_faults()


@contextmanager
def _hostile_name(running: Stack) -> Iterator[None]:
    """The first creator of all, whose name is markup that would run a script."""
    client: MongoClient[dict[str, Any]] = MongoClient(running.mongo.uri)
    with client:
        creators, users = client[DATABASE]["creatorprofiles"], client[DATABASE]["users"]
        creator = creators.find_one({}) or {}
        user = users.find_one({}) or {}
        users.insert_one({**user, "_id": HOSTILE_CREATOR, "preferredName": HOSTILE})
        creators.insert_one(
            {**creator, "_id": HOSTILE_CREATOR, "userId": HOSTILE_CREATOR, "headline": HOSTILE}
        )
        try:
            yield
        finally:
            creators.delete_one({"_id": HOSTILE_CREATOR})
            users.delete_one({"_id": HOSTILE_CREATOR})


@contextmanager
def _hostile_id(running: Stack) -> Iterator[None]:
    """A creator whose very ``_id`` is markup, for as long as the block lasts."""
    client: MongoClient[dict[str, Any]] = MongoClient(running.mongo.uri)
    with client:
        creators = client[DATABASE]["creatorprofiles"]
        creators.insert_one({**(creators.find_one({}) or {}), "_id": HOSTILE})
        try:
            yield
        finally:
            creators.delete_one({"_id": HOSTILE})
