"""Keyboard, names, contrast in both themes; and nothing leaves the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from sandbox.stack import Stack
from tests.browser.conftest import Runs
from tests.browser.page import Page
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS

AUDIT = (Path(__file__).parent / "audit.js").read_text()
THEMES = ("light", "dark")


def opened(page: Page, runs: Runs, which: str, theme: str) -> None:
    page.driver.execute_script("localStorage.setItem('theme', arguments[0])", theme)
    if which == "history":
        page.open_history()
        page.one("summary").click()
        return
    page.open_report(getattr(runs, which).run_id)
    if page.one("#documents").is_displayed():
        page.wait(lambda: page.all("#documents tbody tr"), "the documents")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("which", ["clean", "failed", "dry", "history"])
def test_names_headings_and_contrast(page: Page, runs: Runs, which: str, theme: str) -> None:
    opened(page, runs, which, theme)
    assert page.one("html").get_attribute("data-theme") == theme
    found: dict[str, Any] = page.driver.execute_script(AUDIT)
    assert found["checked"] > 20
    assert found["problems"] == []


def test_names_headings_and_contrast_while_it_runs(page: Page, runs: Runs, running: Stack) -> None:
    running.platform.put_faults([{"kind": "latency", "ms": 200}])
    try:
        conf = {"docType": "creator", "maxInFlight": 1}
        run_id = running.airflow.trigger(DAG_ID, conf)
        for theme in THEMES:
            page.driver.execute_script("localStorage.setItem('theme', arguments[0])", theme)
            page.open_report(run_id)
            page.wait(lambda: page.all(".try-running"), "a running chunk", 30)
            assert page.all('[role="progressbar"]')
            found: dict[str, Any] = page.driver.execute_script(AUDIT)
            assert found["problems"] == []
    finally:
        running.platform.clear_faults()
    running.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)


def test_the_audit_sees_what_is_wrong(page: Page, runs: Runs) -> None:
    opened(page, runs, "clean", "light")
    page.driver.execute_script(
        """
        const main = document.querySelector("main");
        const add = (tag, text) => main.appendChild(
          Object.assign(document.createElement(tag), { textContent: text }));
        add("h5", "too deep"); add("button", ""); add("input", "");
        add("p", "pale").style.color = "#ccc";
        add("table", "").appendChild(document.createElement("th"));
        """
    )
    problems = page.driver.execute_script(AUDIT)["problems"]
    for word in ("heading", "no name: button", "no name: input", "contrast", "scope"):
        assert any(word in each for each in problems), (word, problems)


def test_the_page_follows_airflows_theme(page: Page, runs: Runs) -> None:
    page.open_report_in_airflow(runs.clean.run_id)
    root = page.one("html")
    for theme in ("dark", "light", "dark"):
        page.driver.execute_script(
            "parent.document.documentElement.className = arguments[0]", theme
        )
        page.wait(lambda theme=theme: root.get_attribute("data-theme") == theme, theme)


def test_everything_is_reached_by_the_tab_key(page: Page, runs: Runs) -> None:
    opened(page, runs, "failed", "light")
    reached = set()
    for _ in range(80):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        active = page.driver.switch_to.active_element
        reached.add(active.get_attribute("data-key") or active.get_attribute("id") or active.text)
        assert page.driver.execute_script(
            "const shown = getComputedStyle(document.activeElement);"
            "return document.activeElement === document.body || shown.outlineStyle !== 'none'"
            " || document.activeElement.closest('.track') !== null"
        ), f"no focus to be seen on {active.tag_name}"
    expected = {"redrive", "copy", "search", "reason", "docType", "CSV", "JSON", "chunk-order"}
    chunks = {"reason-server", "reason-validation", "chunk-0", "try-0-1", "try-0-2", "History"}
    assert expected | chunks <= reached


def test_the_dialog_keeps_the_focus_and_gives_it_back(page: Page, runs: Runs) -> None:
    opened(page, runs, "failed", "light")
    page.one("#redrive").send_keys(Keys.ENTER)
    for _ in range(8):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        assert page.driver.execute_script(
            "const at = document.activeElement;"
            "return at === document.body || !!at.closest('dialog')"
        )
    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    page.wait(lambda: page.all("dialog") == [], "the end of the dialog")
    assert page.driver.switch_to.active_element.get_attribute("id") == "redrive"


@pytest.mark.parametrize("width", [700, 1400])
def test_nothing_sticks_out(page: Page, runs: Runs, width: int) -> None:
    before = page.driver.get_window_size()
    try:
        page.driver.set_window_size(width, 900)
        for which in ("failed", "dry", "history"):
            opened(page, runs, which, "light")
            wide = page.driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, which
    finally:
        page.driver.set_window_size(before["width"], before["height"])


def test_no_request_leaves_the_machine(page: Page, runs: Runs, running: Stack) -> None:
    page.requested()
    page.open_report_in_airflow(runs.failed.run_id)
    page.driver.switch_to.default_content()
    opened(page, runs, "dry", "dark")
    opened(page, runs, "history", "dark")
    asked = page.requested()
    assert any("/reindex/api/failures" in each for each in asked)
    ours = (running.airflow.url, "data:", "blob:")
    assert [each for each in asked if not each.startswith(ours)] == []
