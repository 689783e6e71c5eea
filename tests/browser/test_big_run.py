"""A run of 1,000 chunks with 10,000 failures, and 90 runs: the pages stay usable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from reindex.conf import RunConf
from reindex.run_ledger import run_ledger
from reindex.verdict import run_result, verdict_of
from sandbox.stack import Stack
from tests.browser.page import Page
from tests.unit.builders import hex_id
from tests.unit.views.records import a_chunk, descriptor

RUN_ID = "manual__big"
CHUNKS, FAILURES_A_CHUNK = 1_000, 10
RUNS = 90
SECONDS = 2.0


if TYPE_CHECKING:
    from tests.integration.stored_runs import StoredRun


@pytest.fixture(scope="module")
def big_run(running: Stack) -> Iterator[str]:
    """Its id. Written into Airflow's database as a scheduler and its workers would have left it."""
    from tests.integration.stored_runs import StoredRun

    ledgers = [
        a_chunk(index, indexed=4_000, ignored=990, failed=FAILURES_A_CHUNK)
        for index in range(CHUNKS)
    ]
    planned = [descriptor(index, 5_000) for index in range(CHUNKS)]
    ledger, conf = run_ledger(planned, ledgers), RunConf(doc_types=("creator",))
    result = run_result(RUN_ID, ledger, conf, verdict_of(ledger, conf))
    tries = {
        index: ("failed", "success") if index % 20 == 0 else ("success",) for index in range(CHUNKS)
    }
    run = StoredRun(
        RUN_ID,
        planned=planned,
        chunks=tries,
        ledgers={each["index"]: each for each in ledgers},
        result=result,
    )
    with stored(running, run):
        yield RUN_ID


@contextmanager
def stored(running: Stack, *runs: StoredRun) -> Iterator[None]:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import create_engine, delete, event
    from sqlalchemy.orm import Session

    url = f"sqlite:///{running.airflow.home}/airflow.db"
    engine = create_engine(url, connect_args={"timeout": 30})
    # As Airflow's own connections: with a run goes all that belongs to it. SQLite gives its number
    # to the next one, which would inherit what was left.
    event.listen(engine, "connect", lambda made, _: made.execute("PRAGMA foreign_keys=ON"))
    ids = [run.run_id for run in runs]
    try:
        with Session(engine) as session:
            for run in runs:
                run.store(session)
            session.commit()
        yield
    finally:
        with Session(engine) as session:
            session.execute(delete(DagRun).where(DagRun.run_id.in_(ids)))
            session.commit()
        engine.dispose()


def seconds_until_drawn(page: Page) -> float:
    """From the start of the navigation to everything drawn, Airflow's answer included."""
    mark = "return performance.getEntriesByName('drawn')[0].startTime"
    return float(page.driver.execute_script(mark)) / 1000


def opened(page: Page, run_id: str) -> float:
    page.open_report(run_id)
    return seconds_until_drawn(page)


def test_a_big_run_is_read_searched_and_scrolled(page: Page, big_run: str) -> None:
    assert min(opened(page, big_run) for _ in range(3)) < SECONDS
    assert page.figure("failed") == CHUNKS * FAILURES_A_CHUNK
    page.wait(lambda: page.text("#documents output") == "1–100 of 10,000", "the documents")
    assert len(page.all("tr[data-chunk]")) == 25

    began = time.monotonic()
    page.one('[data-key="search"]').send_keys(hex_id(100 * (CHUNKS // 2) + 3))
    page.wait(lambda: page.text("#documents output") == "1–1 of 1", "what was searched for")
    assert time.monotonic() - began < SECONDS

    began = time.monotonic()
    page.one('[data-key="all-chunks"]').click()
    assert len(page.all("tr[data-chunk]")) == CHUNKS
    assert time.monotonic() - began < SECONDS
    ActionChains(page.driver).send_keys(Keys.END).perform()
    frames = page.driver.execute_async_script(
        "const done = arguments[0]; let frames = 0; const began = performance.now();"
        "const next = () => { window.scrollTo(0, frames * 200); frames += 1;"
        "  performance.now() - began < 1000 ? requestAnimationFrame(next) : done(frames); };"
        "requestAnimationFrame(next);"
    )
    assert frames > 10, "scrolling stutters"


def test_ninety_runs_stand_side_by_side(page: Page, running: Stack) -> None:
    from tests.integration.stored_runs import StoredRun

    ledger, conf = run_ledger([descriptor(0)], [a_chunk(0, indexed=3, ignored=7)]), RunConf(())
    result = run_result(RUN_ID, ledger, conf, verdict_of(ledger, conf))
    # Later than those that the other tests have made.
    now = datetime.now(timezone.utc)
    runs = [
        StoredRun(f"manual__many_{number}", start=now + timedelta(minutes=number), result=result)
        for number in range(RUNS + 5)
    ]
    with stored(running, *runs):
        page.open_history()
        assert seconds_until_drawn(page) < SECONDS
        for chart in page.all("svg.chart"):
            assert len(chart.find_elements("css selector", "a")) == RUNS
        assert page.text("#count") == f"the last {RUNS} runs"
        page.one("summary").click()
        rows = [each.get_dom_attribute("data-run") for each in page.all("tr[data-run]")]
        assert rows == [run.run_id for run in reversed(runs[5:])]
