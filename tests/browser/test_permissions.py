"""Nobody sees or presses what Airflow does not let them."""

from __future__ import annotations

from selenium.webdriver.common.by import By

from sandbox.airflow_environment import USER, VIEWER
from sandbox.stack import Stack
from tests.browser.conftest import Runs
from tests.browser.page import Page
from tests.e2e.scheduled_run import DAG_ID

POST_RUN = """
const [url, conf, done] = arguments;
fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ logical_date: null, conf }),
}).then((response) => done(response.status));
"""


def test_a_viewer_reads_and_cannot_press(page: Page, runs: Runs, running: Stack) -> None:
    page.log_in(VIEWER)
    page.open_report(runs.failed.run_id)
    assert page.figure("failed") == runs.failed.result["failed"]
    assert page.all("#redrive") == []
    assert "ask somebody who may" in page.text(".answers")
    page.expected.append("403")
    url = f"{running.airflow.url}/api/v2/dags/{DAG_ID}/dagRuns"
    conf = runs.failed.result["redrive"]
    assert page.driver.execute_async_script(POST_RUN, url, conf) == 403


def test_without_a_login_nothing_is_seen(page: Page, runs: Runs, running: Stack) -> None:
    page.log_out()
    page.expected.append("401")
    for path in (f"run?dag_id={DAG_ID}&run_id={runs.failed.run_id}", "history?"):
        page.driver.get(f"{running.airflow.url}/reindex/{path}")
        page.wait(lambda: "not logged in" in page.text("main"), "the refusal")
        assert "creator" not in page.driver.page_source
        assert page.all("tbody tr, .chart, #redrive") == []


def test_airflows_own_login_leads_to_the_report(page: Page, runs: Runs, running: Stack) -> None:
    """A person who follows a link to a report logs in and is where the link led."""
    page.log_out()
    page.expected.append("401")
    page.driver.get(f"{running.airflow.url}{page.report_path(runs.clean.run_id)}")
    name = page.wait(lambda: page.all('input[name="username"]'), "the login page", 20)[0]
    name.send_keys(USER)
    page.one('input[name="password"]').send_keys(running.airflow.password)
    page.driver.find_element(By.CSS_SELECTOR, 'button[type="submit"]').click()
    page.enter_frame()
    assert page.text("#verdict-title") == "The index is right"
