"""A run of 1,000 chunks with 10,000 failures: the page stays usable."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from reindex.conf import RunConf
from reindex.ledger import run_ledger
from reindex.verdict import run_result, verdict_of
from sandbox.stack import Stack
from tests.browser.page import Page
from tests.e2e.scheduled_run import DAG_ID
from tests.unit.views.records import a_chunk, descriptor

RUN_ID = "manual__big"
CHUNKS, FAILURES_A_CHUNK = 1_000, 10
SECONDS = 2.0


@pytest.fixture(scope="module")
def big_run(running: Stack) -> Iterator[str]:
    """Its id. Written into Airflow's database as a scheduler and its workers would have left it."""
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

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
    engine = create_engine(
        f"sqlite:///{running.airflow.home}/airflow.db", connect_args={"timeout": 30}
    )
    with Session(engine) as session:
        run.store(session)
        session.commit()
    engine.dispose()
    yield RUN_ID
    running.airflow.api("DELETE", f"dags/{DAG_ID}/dagRuns/{RUN_ID}")


def seconds_until_drawn(page: Page, run_id: str) -> float:
    """From the start of the navigation to everything drawn, Airflow's answer included."""
    page.open_report(run_id)
    mark = "return performance.getEntriesByName('drawn')[0].startTime"
    return float(page.driver.execute_script(mark)) / 1000


def test_a_big_run_is_read_searched_and_scrolled(page: Page, big_run: str) -> None:
    assert min(seconds_until_drawn(page, big_run) for _ in range(3)) < SECONDS
    assert page.figure("failed") == CHUNKS * FAILURES_A_CHUNK
    page.wait(lambda: page.text("#documents output") == "1–100 of 10,000", "the documents")
    assert len(page.all("tr[data-chunk]")) == 25

    began = time.monotonic()
    page.one('[data-key="search"]').send_keys("0000000186a0")
    page.wait(lambda: "of 10,000" not in page.text("#documents output"), "what was searched for")
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
