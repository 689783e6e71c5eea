"""The last runs side by side: every figure of the reports, every column a link."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from selenium.webdriver.common.keys import Keys

from sandbox.stack import Stack
from tests.browser.conftest import Ended, Runs
from tests.browser.page import Page
from tests.e2e.scheduled_run import DAG_ID

LAST = "limit=90&order_by=-run_after"
COLUMNS = ("indexed", "ignored", "unchanged", "missing", "failed", "notReached")


def ended(runs: Runs) -> list[Ended]:
    return [runs.dry, runs.failed, runs.clean, runs.missing]


def run_of(href: str | None) -> str:
    return parse_qs(urlsplit(href or "").query)["run_id"][0]


def test_the_table_holds_the_figures_of_the_reports(page: Page, runs: Runs) -> None:
    page.open_history()
    page.one("summary").click()
    for run in ended(runs):
        row = page.one(f'tr[data-run="{run.run_id}"]')
        cells = [each.text for each in page.all(f'tr[data-run="{run.run_id}"] td')]
        assert cells[1] == run.state
        assert [int(each.replace(",", "")) for each in cells[2:8]] == [
            run.result[name] for name in COLUMNS
        ]
        assert row.is_displayed()


def test_every_run_is_a_link_in_every_chart(page: Page, runs: Runs, running: Stack) -> None:
    known = running.airflow.api("GET", f"dags/{DAG_ID}/dagRuns?{LAST}")["dag_runs"]
    page.open_history()
    charts = page.all("svg.chart")
    assert len(charts) == 4
    for place in range(1, 5):
        links = page.all(f"#charts section:nth-of-type({place}) svg.chart a")
        assert {run_of(each.get_dom_attribute("href")) for each in links} == {
            each["dag_run_id"] for each in known
        }
        assert all(each.get_attribute("aria-label") for each in links)


def test_arrow_keys_walk_and_enter_opens(page: Page, runs: Runs) -> None:
    page.open_history(docType="creator")
    stops = page.all('svg.chart a[tabindex="0"]')
    assert len(stops) == 4
    last = stops[0]
    page.driver.execute_script("arguments[0].focus()", last)
    last.send_keys(Keys.ARROW_LEFT)
    focused = page.driver.switch_to.active_element
    wanted = run_of(focused.get_dom_attribute("href"))
    assert wanted != run_of(last.get_dom_attribute("href"))
    assert wanted in page.text("#readout")
    focused.send_keys(Keys.ENTER)
    page.wait(lambda: page.all("#verdict-title"), "the report")
    assert wanted in page.text("#run")


def test_filters_hold_for_charts_and_address(page: Page, runs: Runs) -> None:
    page.open_history()
    page.choose("docType", "project")
    # Runs over the creators alone have no figures of projects.
    page.wait(
        lambda: (
            runs.clean.run_id in page.driver.page_source
            and runs.failed.run_id not in page.driver.page_source
        ),
        "the filtered history",
    )
    page.one("summary").click()
    shown = page.all(f'tr[data-run="{runs.clean.run_id}"] td')[2].text
    assert int(shown.replace(",", "")) == runs.clean.result["docTypes"]["project"]["indexed"]
    assert "docType=project" in page.driver.current_url


def test_an_empty_history_says_what_to_do(page: Page, runs: Runs) -> None:
    page.open_history()
    page.choose("trigger", "nightly")
    page.wait(lambda: "No run is like that" in page.text("#empty"), "the empty state")
    page.one("#empty button").click()
    page.wait(lambda: page.all("svg.chart"), "all runs again")


ENTRY = 'a[href*="plugin/reindex-history"]'
LOADED = "return arguments[0].complete && arguments[0].naturalWidth > 0"


def test_it_is_found_in_airflows_navigation_and_leads_to_the_runs_own_tab(
    page: Page, runs: Runs, running: Stack
) -> None:
    page.driver.get(f"{running.airflow.url}/")
    (link,) = page.wait(lambda: page.all(ENTRY), "the menu's entry", 20)
    assert link.text == "Reindex"
    (icon,) = page.all(f"{ENTRY} img")
    page.wait(lambda: page.driver.execute_script(LOADED, icon), "its icon")
    page.driver.execute_script("arguments[0].click()", link)
    page.enter_frame()
    newest = page.all("svg.chart a")[-1]
    page.driver.execute_script("arguments[0].focus()", newest)
    newest.send_keys(Keys.ENTER)
    page.driver.switch_to.default_content()
    page.wait(lambda: "/runs/" in page.driver.current_url, "the run's page", 20)
    page.enter_frame()
    assert page.text("#run .id") in unquote(
        page.driver.execute_script("return parent.location.href")
    )


def test_the_history_of_a_runs_tab_is_not_shown_below_that_run(
    page: Page, runs: Runs, running: Stack
) -> None:
    page.open_report_in_airflow(runs.clean.run_id)
    page.one("#links a").click()
    page.driver.switch_to.default_content()
    page.wait(lambda: page.driver.current_url.endswith("plugin/reindex-history"), "the history", 20)
    page.enter_frame()
    assert page.all("svg.chart")


def test_an_answer_that_comes_late_does_not_replace_a_later_choice(page: Page, runs: Runs) -> None:
    page.open_history()
    page.driver.execute_script(LATE)
    page.choose("docType", "creator")
    page.choose("docType", "project")
    page.wait(lambda: page.driver.execute_script("return window.answered === 2"), "both answers")
    page.one("summary").click()
    assert page.all(f'tr[data-run="{runs.clean.run_id}"]')
    assert page.all(f'tr[data-run="{runs.failed.run_id}"]') == []


# The first of two answers arrives after the second.
LATE = """
const fetched = window.fetch;
window.answered = 0;
let asked = 0;
window.fetch = async (...given) => {
  const late = ++asked === 1;
  const answer = await fetched(...given);
  if (late) await new Promise((done) => setTimeout(done, 1500));
  setTimeout(() => { window.answered += 1; }, 100);
  return answer;
};
"""
