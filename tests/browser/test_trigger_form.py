"""Airflow's own form, made of this DAG's Params, as a person fills it in."""

from __future__ import annotations

import json

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from reindex.params import trigger_params
from sandbox.stack import Stack
from tests.browser.page import Page
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS

SEEN = "arguments[0].scrollIntoView({ block: 'center' })"


def pressed(page: Page, css: str) -> None:
    button = page.wait(lambda: page.all(css), css, 20)[0]
    page.driver.execute_script(SEEN, button)
    page.wait(button.is_enabled, f"{css} that can be pressed")
    button.click()


def opened(page: Page, running: Stack) -> WebElement:
    """The form; returns the box for the ids."""
    page.driver.get(f"{running.airflow.url}/dags/{DAG_ID}")
    pressed(page, '[data-testid="trigger-dag-button"]')
    box: WebElement = page.wait(lambda: page.all("#element_docIds"), "the box for the ids", 20)[0]
    return box


def test_the_form_says_what_each_field_means(page: Page, running: Stack) -> None:
    dialog = opened(page, running).find_element(By.XPATH, "ancestor::*[@role='dialog']")
    # It is there before it has faded in.
    form = page.wait(lambda: dialog.text, "the form's text")
    params = trigger_params(1).values()
    sections = {param.schema["section"] for param in params if "section" in param.schema}
    assert sections
    assert {name for name in sections if name not in form} == set(), form
    open_ones = [param.schema for param in params if "section" not in param.schema]
    assert [each["title"] for each in open_ones if each["title"] not in form] == []
    assert "Left empty: every document of the type." in form


def test_a_pasted_list_becomes_a_run_over_these_ids(page: Page, running: Stack) -> None:
    ids = ["f" * 24, "e" * 24]
    before = {each["dag_run_id"] for each in latest(running)}
    box = opened(page, running)
    page.driver.execute_script(SEEN, box)
    box.click()
    # At once, as a paste comes; not key by key.
    text = f'["{ids[0]}", ObjectId("{ids[1]}")]'
    page.driver.execute_cdp_cmd("Input.insertText", {"text": text})
    pressed(page, '[data-testid="trigger-dag-submit"]')

    def made() -> list[str]:
        return [each["dag_run_id"] for each in latest(running) if each["dag_run_id"] not in before]

    (run_id,) = page.wait(made, "the run", 20)
    running.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)
    made_of = running.airflow.api("GET", f"dags/{DAG_ID}/dagRuns/{run_id}")["conf"]
    result = running.airflow.xcom(DAG_ID, run_id, "report")
    assert result, made_of
    # Nobody has them: each was looked for by its own id.
    assert sorted(each["docId"] for each in result["missingSample"]) == sorted(ids)
    assert result["planned"] == len(ids), json.dumps(result)


def latest(running: Stack) -> list[dict[str, str]]:
    path = f"dags/{DAG_ID}/dagRuns?limit=5&order_by=-run_after"
    found: list[dict[str, str]] = running.airflow.api("GET", path)["dag_runs"]
    return found
