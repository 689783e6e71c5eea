"""The pages as a person meets them: opened, read, pressed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from sandbox.airflow_environment import USER
from sandbox.local_airflow import LocalAirflow
from tests.e2e.scheduled_run import DAG_ID

HOSTILE = "<img src=x onerror=alert('reindex')>"
# Said by the browser of Airflow's own frame, whatever is in it, and of every page without an icon.
KNOWN = ("can escape its sandboxing", "favicon.ico")
DRAWN = "return performance.getEntriesByName('drawn').length > 0"


@dataclass
class Page:
    """One browser window. ``expected`` are patterns of console messages that a test provokes."""

    driver: Chrome
    airflow: LocalAirflow
    expected: list[str] = field(default_factory=list)

    def log_in(self, user: str = USER) -> None:
        """Take the login's cookie, as Airflow's own login page would."""
        self.log_out()
        token = self.airflow.session(user).headers["Authorization"]
        assert isinstance(token, str)
        self.driver.add_cookie({"name": "_token", "value": token.split()[1], "path": "/"})

    def log_out(self) -> None:
        # A file without scripts: cookies can only be set for a page that is open.
        self.driver.get(f"{self.airflow.url}/reindex/static/pages.css")
        self.driver.delete_all_cookies()
        self.driver.execute_script("localStorage.clear()")

    def open_report(self, run_id: str) -> None:
        query = urlencode({"dag_id": DAG_ID, "run_id": run_id})
        self.driver.get(f"{self.airflow.url}/reindex/run?{query}")
        self.wait(self.drawn, "the report")

    def open_report_in_airflow(self, run_id: str) -> None:
        """In the tab of the run's page, and go into its frame."""
        self.driver.get(f"{self.airflow.url}{self.report_path(run_id)}")
        self.enter_frame()

    def report_path(self, run_id: str) -> str:
        return f"/dags/{DAG_ID}/runs/{quote(run_id, safe='')}/plugin/reindex-run"

    def enter_frame(self) -> None:
        self.driver.switch_to.default_content()
        self.wait(lambda: self.all("iframe"), "the frame in Airflow's page", 20)
        self.driver.switch_to.frame(self.one("iframe"))
        self.wait(self.drawn, "the page in the frame")

    def open_history(self, **query: str) -> None:
        self.driver.get(f"{self.airflow.url}/reindex/history?{urlencode(query)}")
        self.wait(self.drawn, "the history")

    def drawn(self) -> bool:
        return bool(self.driver.execute_script(DRAWN))

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        return self.one(css).text

    def choose(self, key: str, value: str) -> None:
        Select(self.one(f'select[data-key="{key}"]')).select_by_value(value)

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 10) -> Any:
        # The page may draw anew between two questions about the same element.
        drawn_anew = [StaleElementReferenceException]
        waiting = WebDriverWait(self.driver, seconds, 0.1, ignored_exceptions=drawn_anew)
        return waiting.until(lambda _: condition(), f"{what} did not come")

    def number(self, css: str) -> int:
        """The first number in an element's text, without its commas."""
        found = re.search(r"[\d,]+", self.text(css))
        assert found, self.text(css)
        return int(found.group().replace(",", ""))

    def figure(self, name: str) -> int:
        return self.number(f'#figures [data-figure="{name}"] dd')

    def console(self) -> list[str]:
        """Warnings and errors of the console since the last time."""
        log = self.driver.get_log("browser")
        return [each["message"] for each in log if each["level"] in ("WARNING", "SEVERE")]

    def expects(self, message: str) -> bool:
        return any(re.search(each, message) for each in (*KNOWN, *self.expected))

    def requested(self) -> list[str]:
        """Every address that was asked for since the last time."""
        log = [
            json.loads(each["message"])["message"] for each in self.driver.get_log("performance")
        ]
        return [
            each["params"]["request"]["url"]
            for each in log
            if each["method"] == "Network.requestWillBeSent"
        ]
