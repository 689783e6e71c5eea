"""
The pictures of the docs: `python -m sandbox.screenshots` makes runs and looks at them in Airflow.

Everything in them is real: nights over generated data that changes in between, one of which meets a
service that refuses documents. Needs the system's Chromium; takes some five minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from sandbox.chromium import running_chromium
from sandbox.processes import REPOSITORY
from sandbox.run_progress import DAG_ID
from sandbox.stack import Stack, running_stack

IMAGES = REPOSITORY / "docs" / "images"
CREATORS, PROJECTS = 2_000, 3_000
CHUNK = 250
WIDTH, HEIGHT = 1280, 1120
MOST_BYTES = 200_000
THEMES = ("light", "dark")
# How many projects change before each night.
CHANGED = (60, 110, 40, 150, 90, 70, 130, 50)
RUN_SECONDS = 300.0
# So many documents are done that there is something to see, also when it is looked at twice.
UNDER_WAY = """
const bar = document.querySelector("[role=progressbar]");
return bar && bar.getAttribute("aria-valuenow") > 800;
"""
SCROLL = "document.getElementById(arguments[0]).scrollIntoView(); window.scrollBy(0, -16)"
DRAWN = "return performance.getEntriesByName('drawn').length > 0"
# More than half of a chunk: it gives up, and goes on with its next try.
REFUSED, LOST = 140, 6


def main() -> int:
    """Writes into ``docs/images``; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        settings = {
            "REINDEX_SCHEDULE": "none",
            "REINDEX_CHUNK_SIZE": str(CHUNK),
            "REINDEX_RETRY_DELAY_SECONDS": "2",
        }
        with (
            running_stack(
                Path(folder),
                creators=CREATORS,
                projects=PROJECTS,
                settings=settings,
                retry_delay_seconds=0.1,
                say=print,
            ) as stack,
            running_chromium(WIDTH, HEIGHT) as driver,
        ):
            _nights(stack)
            failed = _failed_night(stack)
            _log_in(driver, stack)
            _pictures(driver, stack, _report(failed), "run-report")
            _pictures(driver, stack, _report(failed), "failures", scrolled_to="reasons")
            _pictures(driver, stack, _report(failed), "chunks", scrolled_to="chunks")
            _pictures(driver, stack, "plugin/reindex-history", "history")
            _pictures(driver, stack, _report(_slow_run(stack)), "running", UNDER_WAY)
    return 0


def _nights(stack: Stack) -> None:
    first = _ended(stack, {})
    # The first fill of an index is no night like the others.
    stack.airflow.api("DELETE", f"dags/{DAG_ID}/dagRuns/{quote(first, safe='')}")
    for changed in CHANGED:
        _change(stack, changed)
        _ended(stack, {})


def _ended(stack: Stack, conf: dict[str, Any]) -> str:
    run_id = stack.airflow.trigger(DAG_ID, conf)
    state = stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS)
    print(f"{run_id}: {state}")
    return run_id


def _change(stack: Stack, count: int) -> None:
    """So many projects change, as the marketplace's users change them all day."""
    client: MongoClient[dict[str, Any]] = MongoClient(stack.mongo.uri)
    with client:
        projects = client[stack.mongo.database]["projects"]
        ids = [each["_id"] for each in projects.aggregate([{"$sample": {"size": count}}])]
        for each in ids:
            projects.update_one({"_id": each}, {"$currentDate": {"updatedAt": True}})


def _failed_night(stack: Stack) -> str:
    _change(stack, CHANGED[0])
    client: MongoClient[dict[str, Any]] = MongoClient(stack.mongo.uri)
    with client:
        found = client[stack.mongo.database]["creatorprofiles"].find({}, {"_id": 1}).sort("_id", 1)
        ids = [str(each["_id"]) for each in found]
    lost = ids[3 * CHUNK :: CHUNK][:LOST]
    stack.platform.put_faults(
        [
            {"kind": "validation", "docIds": ids[CHUNK : CHUNK + REFUSED]},
            {"kind": "error", "status": 500, "docIds": lost},
        ]
    )
    run_id = _ended(stack, {})
    stack.platform.clear_faults()
    return run_id


def _slow_run(stack: Stack) -> str:
    stack.platform.put_faults([{"kind": "latency", "ms": 60}])
    _change(stack, CHANGED[1])
    return stack.airflow.trigger(DAG_ID, {"maxInFlight": 2})


def _report(run_id: str) -> str:
    return f"dags/{DAG_ID}/runs/{quote(run_id, safe='')}/plugin/reindex-run"


def _log_in(driver: Chrome, stack: Stack) -> None:
    driver.get(f"{stack.airflow.url}/reindex/static/pages.css")
    token = str(stack.airflow.session().headers["Authorization"]).split()[1]
    driver.add_cookie({"name": "_token", "value": token, "path": "/"})


def _pictures(
    driver: Chrome,
    stack: Stack,
    path: str,
    name: str,
    until: str = DRAWN,
    scrolled_to: str | None = None,
) -> None:
    """
    The page within Airflow's UI, light and dark, once ``until`` (JavaScript) holds.

    :param scrolled_to: the id of the element that stands at the top
    """
    for theme in THEMES:
        driver.execute_script("localStorage.setItem('theme', arguments[0])", theme)
        driver.get(f"{stack.airflow.url}/{path}")
        waiting = WebDriverWait(driver, 60, poll_frequency=0.2)
        driver.switch_to.frame(waiting.until(lambda d: d.find_elements(By.TAG_NAME, "iframe"))[0])
        waiting.until(lambda d: d.execute_script(until))
        if scrolled_to:
            driver.execute_script(SCROLL, scrolled_to)
        driver.switch_to.default_content()
        _save(driver, IMAGES / f"{name}-{theme}.png")


def _save(driver: Chrome, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = driver.get_screenshot_as_png()
    if len(picture) > MOST_BYTES:
        raise ValueError(f"{file.name} would have {len(picture)} bytes, expected {MOST_BYTES}")
    file.write_bytes(picture)
    print(f"{file.relative_to(REPOSITORY)}: {len(picture) // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
