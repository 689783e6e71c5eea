"""What is on the run's page equals the ledger; its table finds; its buttons do what they say."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from reindex.views.run_report import MEANINGS
from sandbox.chromium import downloads_of
from sandbox.stack import Stack
from tests.browser.conftest import LOST, REFUSED, Ended, Runs
from tests.browser.page import HOSTILE, Page
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS

SHOWN = ("indexed", "ignored", "missing", "failed", "notReached")


@pytest.mark.parametrize("which", ["clean", "failed", "missing"])
def test_figures_are_those_of_the_ledger(page: Page, runs: Runs, which: str) -> None:
    run: Ended = getattr(runs, which)
    page.open_report(run.run_id)
    assert {name: page.figure(name) for name in SHOWN} == {name: run.result[name] for name in SHOWN}
    for name, row in run.result["docTypes"].items():
        for outcome in SHOWN:
            shown = page.all(f'[data-doc-type="{name}"] [data-outcome="{outcome}"]')
            assert [int(each.text.replace(",", "")) for each in shown] == [row[outcome]] * bool(
                row[outcome]
            )
    reasons = page.all("#reasons tbody tr")
    assert {
        each.get_attribute("data-reason"): int(each.text.split()[1]) for each in reasons
    } == run.result["failedByReason"]


def test_a_clean_run_says_so(page: Page, runs: Runs) -> None:
    page.open_report(runs.clean.run_id)
    assert runs.clean.state == "success"
    assert page.text("#verdict-title") == "The index is right"
    assert page.one("#verdict").get_attribute("data-tone") == "good"
    assert "Nothing" in page.text(".answers")
    assert not page.one("#documents").is_displayed()
    assert page.all("#redrive") == []


def test_a_failed_run_says_what_and_why(page: Page, runs: Runs) -> None:
    result = runs.failed.result
    assert runs.failed.state == "failed"
    assert result["failed"] > LOST
    assert result["notReached"] > 0
    page.open_report(runs.failed.run_id)
    title = page.text("#verdict-title")
    assert f"{result['failed']} failed" in title
    assert f"{result['notReached']} not reached" in title
    told = [each.text for each in page.all(".problems li")]
    assert told[:-1] == result["problems"]
    assert told[-1].startswith("1 document cannot be re-driven")
    assert "First correct the documents" in page.text(".answers")
    for row in page.all("#reasons tbody tr"):
        assert MEANINGS[row.get_attribute("data-reason") or ""] in row.text


def test_a_dry_run_says_what_would_be_sent(page: Page, runs: Runs) -> None:
    result = runs.dry.result
    page.open_report(runs.dry.run_id)
    assert page.figure("wouldSend") == result["wouldSend"] == result["dryRun"]["requests"]
    assert page.figure("failed") == result["failed"] == 1
    samples = [json.loads(each.text) for each in page.all("#samples pre")]
    assert samples == [each["payload"] for each in result["dryRun"]["samples"]]


def tries_of(running: Stack, run: Ended, index: int) -> list[tuple[str, float, float]]:
    """Their states, starts and ends, as Airflow's own API has them."""
    path = f"dags/{DAG_ID}/dagRuns/{run.run_id}/taskInstances/reindex_chunk/{index}/tries"
    found = running.airflow.api("GET", path)["task_instances"]
    return [
        (each["state"], moment(each["start_date"]), moment(each["end_date"]))
        for each in sorted(found, key=lambda each: each["try_number"])
    ]


def moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def share(bar: WebElement, name: str) -> float:
    return float((bar.get_dom_attribute(name) or "").removesuffix("%"))


def test_every_try_is_visible_and_leads_to_its_task(page: Page, runs: Runs, running: Stack) -> None:
    page.open_report(runs.failed.run_id)
    instances = running.airflow.task_instances(DAG_ID, runs.failed.run_id, "reindex_chunk")
    assert max(each["try_number"] for each in instances) > 1
    indexes = sorted(each["map_index"] for each in instances)
    tries = {index: tries_of(running, runs.failed, index) for index in indexes}
    began = min(start for some in tries.values() for _, start, _ in some)
    whole = max(end for some in tries.values() for _, _, end in some) - began
    for index, some in tries.items():
        row = f'tr[data-chunk="{index}"]'
        bars = page.all(f"{row} .try")
        assert len(bars) == len(some)
        for bar, (state, start, end) in zip(bars, some, strict=True):
            failed = state in ("failed", "up_for_retry")
            kind = "try-failed" if failed else f"try-{state}"
            assert bar.get_dom_attribute("class") == f"try {kind}"
            width = max(0.5, 100 * (end - start) / whole)
            assert share(bar, "width") == pytest.approx(width, abs=0.1)
            x = min(100 * (start - began) / whole, 100 - width)
            assert share(bar, "x") == pytest.approx(x, abs=0.1)
        assert len(page.all(f"{row} .cross")) == len(page.all(f"{row} .try-failed"))
        href = page.one(f"{row} .name").get_attribute("href") or ""
        path = f"/dags/{DAG_ID}/runs/{runs.failed.run_id}/tasks/reindex_chunk/mapped"
        assert unquote(href).endswith(f"{path}/{index}")


def rows(page: Page) -> list[str]:
    return [each.text for each in page.all("#documents tbody tr")]


def test_documents_are_searched_filtered_and_paged(page: Page, runs: Runs) -> None:
    result = runs.failed.result
    page.open_report(runs.failed.run_id)
    page.wait(lambda: rows(page), "the documents")
    total = result["failed"] + result["missing"]
    assert page.text("#documents output") == f"1–{total} of {total}"
    by_reason = result["failedByReason"]
    page.choose("reason", "server")
    page.wait(lambda: len(rows(page)) == by_reason["server"], "the filtered documents")
    page.choose("reason", "")
    wanted = result["failedSample"][3]["docId"]
    page.one('[data-key="search"]').send_keys(wanted)
    page.wait(lambda: len(rows(page)) == 1, "the document that was searched for")
    assert wanted in rows(page)[0]
    page.one('[data-key="search"]').send_keys(Keys.BACKSPACE * 24 + "no such")
    page.wait(lambda: "No document" in rows(page)[0], "an empty answer")


def test_downloads_work_in_airflows_frame(page: Page, runs: Runs) -> None:
    """The frame is sandboxed; the filters hold for the files as well."""
    result = runs.failed.result
    page.open_report_in_airflow(runs.failed.run_id)
    page.wait(lambda: rows(page), "the documents")
    page.choose("reason", "server")
    page.wait(lambda: len(rows(page)) == LOST, "the filtered documents")
    for link in page.all("#documents a[download]"):
        link.click()
    folder = downloads_of(page.driver)
    csv = page.wait(lambda: list(folder.glob("*.csv")), "the CSV")[0].read_text()
    found = page.wait(lambda: list(folder.glob("*.json")), "the JSON")[0].read_text()
    assert len(csv.splitlines()) == 1 + LOST
    lost = {each["docId"] for each in result["failedSample"] if each["reason"] == "server"}
    assert {each["docId"] for each in json.loads(found)} == lost


def progress(page: Page) -> int:
    """Asked in one step: the page may draw anew at any time."""
    bar = """document.querySelector('[role="progressbar"]')?.getAttribute("aria-valuenow")"""
    return int(page.driver.execute_script(f"return {bar}") or 0)


def tone(page: Page) -> str | None:
    return page.one("#verdict").get_attribute("data-tone")


def test_a_running_run_updates_itself_and_ends_in_its_verdict(
    page: Page, runs: Runs, running: Stack
) -> None:
    running.platform.put_faults([{"kind": "latency", "ms": 120}])
    try:
        conf = {"docType": "creator", "maxInFlight": 1, "chunkSize": 60}
        run_id = running.airflow.trigger(DAG_ID, conf)
        page.open_report(run_id)
        page.driver.execute_script("window.notLoadedAgain = true")
        seen: set[int] = set()
        page.wait(lambda: page.all(".try-running"), "a running chunk", 60)
        deadline = time.monotonic() + RUN_SECONDS
        order = page.one('[data-key="chunk-order"]')
        while tone(page) == "calm" and time.monotonic() < deadline:
            seen.add(progress(page))
            time.sleep(0.2)
        # Drawn anew all the while, and still the very element that a person may have open.
        assert order.is_displayed()
    finally:
        running.platform.clear_faults()
    state = running.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)
    result: dict[str, Any] = running.airflow.xcom(DAG_ID, run_id, "report")
    assert state == "success"
    page.wait(lambda: page.text("#verdict-title") == "The index is right", "the verdict", 15)
    assert len(seen - {0}) >= 2, f"progress went {sorted(seen)}"
    assert {name: page.figure(name) for name in SHOWN} == {name: result[name] for name in SHOWN}
    assert page.all('[role="progressbar"]') == []
    assert page.text("#announcer") == "The index is right"
    assert page.driver.execute_script("return window.notLoadedAgain") is True


def test_the_button_drives_again_exactly_what_failed(
    page: Page, runs: Runs, running: Stack
) -> None:
    """Inside Airflow's page: asked first, then sent; Airflow then shows the new run's report."""
    failed = runs.failed
    running.platform.reset_requests()
    page.open_report_in_airflow(failed.run_id)
    left = failed.result["failed"] + failed.result["notReached"]
    page.one("#redrive").click()
    # All but the one whose _id no request can hold.
    assert page.text("#redrive-title") == f"Re-drive {left - 1} documents?"
    assert "1 document cannot be re-driven" in page.text("dialog")
    shown = json.loads(page.text("dialog pre"))
    assert shown == failed.result["redrive"] == {"redrive": failed.run_id}
    page.one("#redrive-go").click()
    page.driver.switch_to.default_content()
    old = page.report_path(failed.run_id)
    page.wait(lambda: old not in page.driver.current_url, "the new run's page", 20)
    path = page.driver.current_url.split("/runs/")[1]
    run_id, tab = unquote(path.split("/", 1)[0]), path.split("/", 1)[1]
    assert tab == "plugin/reindex-run"
    assert running.airflow.api("GET", f"dags/{DAG_ID}/dagRuns/{run_id}")["conf"] == shown
    state = running.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)
    result = running.airflow.xcom(DAG_ID, run_id, "report")
    assert state == "success", result
    # Named again, as no run can send it: within the tolerance that this run has, one is.
    assert (result["planned"], result["failed"]) == (left, 1)
    page.enter_frame()
    title = "The index is right, except for 1 document"
    page.wait(lambda: page.text("#verdict-title") == title, "its verdict", 15)
    assert page.figure("ignored") + page.figure("indexed") == left - 1
    page.open_report(failed.run_id)
    assert "a re-drive has succeeded since" in page.text("#verdict-title")
    link = page.one('[data-key="redriven"]').get_attribute("href") or ""
    assert run_id in unquote(link)
    # The other tests look at a run that nobody has repeated.
    running.airflow.api("DELETE", f"dags/{DAG_ID}/dagRuns/{run_id}")


def test_what_airflow_refuses_is_said_in_words(page: Page, runs: Runs) -> None:
    page.open_report(runs.failed.run_id)
    page.one("#redrive").click()
    page.driver.delete_all_cookies()
    page.expected.append("401")
    page.one("#redrive-go").click()
    said = page.wait(lambda: page.text("dialog .said"), "the refusal")
    assert "not logged in" in said
    assert page.text("#redrive-go") == "Try again"


def test_a_login_that_ran_out_is_said_and_mended_by_another_try(page: Page, runs: Runs) -> None:
    page.open_report(runs.clean.run_id)
    cookie = page.driver.get_cookie("_token")
    assert cookie
    page.driver.delete_all_cookies()
    page.expected.append("401")
    page.driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait(lambda: "not logged in" in page.text("#lost"), "the refusal")
    assert not page.one("#verdict").is_displayed()
    page.driver.add_cookie(cookie)
    page.one('[data-key="again"]').click()
    page.wait(lambda: page.one("#verdict").is_displayed(), "the report again")
    assert not page.one("#lost").is_displayed()


def test_a_page_that_stays_open_sees_that_its_run_goes_on(
    page: Page, runs: Runs, running: Stack
) -> None:
    """Its report is cleared, and somebody comes back to the page."""
    page.open_report(runs.missing.run_id)
    before = page.text("#verdict-title")
    clear = {
        "dry_run": False,
        "only_failed": False,
        "dag_run_id": runs.missing.run_id,
        "task_ids": ["report"],
    }
    running.airflow.api("POST", f"dags/{DAG_ID}/clearTaskInstances", clear)
    page.driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait(lambda: page.text("#verdict-title") != before, "what it is now")
    running.airflow.wait_for_run(DAG_ID, runs.missing.run_id, RUN_SECONDS)
    page.wait(lambda: page.text("#verdict-title") == before, "the verdict again", 15)


def test_an_unknown_run_is_said_in_words(page: Page, running: Stack) -> None:
    page.expected.append("404")
    page.driver.get(f"{running.airflow.url}/reindex/run?dag_id={DAG_ID}&run_id=never")
    said = page.wait(lambda: page.text("#lost"), "the refusal")
    assert "never" in said
    assert not page.one("#verdict").is_displayed()


def test_a_lost_connection_is_said_and_mends_itself(page: Page, runs: Runs, running: Stack) -> None:
    running.platform.put_faults([{"kind": "latency", "ms": 100}])
    try:
        conf = {"docType": "creator", "maxInFlight": 1}
        run_id = running.airflow.trigger(DAG_ID, conf)
        page.open_report(run_id)
        offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        page.expected.append("ERR_INTERNET_DISCONNECTED")
        page.driver.execute_cdp_cmd("Network.enable", {})
        try:
            page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
            said = page.wait(lambda: page.text("#lost"), "the word that the connection is lost")
            assert "connection is lost" in said
        finally:
            online = {**offline, "offline": False}
            page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", online)
        page.one('[data-key="again"]').click()
        page.wait(lambda: not page.one("#lost").is_displayed(), "the connection")
    finally:
        running.platform.clear_faults()
    running.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)


def test_hostile_text_is_shown_as_text(page: Page, runs: Runs) -> None:
    for run in (runs.dry, runs.failed):
        page.open_report(run.run_id)
        page.wait(lambda: rows(page), "the documents")
        assert HOSTILE in page.text("#documents")
        search = page.one('[data-key="search"]')
        search.send_keys("no such")
        page.wait(lambda: "No document" in rows(page)[0], "an empty answer")
        search.send_keys(Keys.BACKSPACE * len("no such") + HOSTILE)
        page.wait(lambda: HOSTILE in rows(page)[0], "the hostile document")
        assert len(rows(page)) == 1
        assert page.all("img, script[onerror], [onerror], iframe") == []
    page.open_report(runs.dry.run_id)
    assert HOSTILE in page.text("#samples")
    assert page.all("img, [onerror]") == []


def test_refused_is_what_was_made_to_be(runs: Runs) -> None:
    """The run that the tests above look at is the one that the fixture means."""
    by_reason = runs.failed.result["failedByReason"]
    assert by_reason["server"] == LOST
    assert LOST < by_reason["validation"] <= REFUSED
