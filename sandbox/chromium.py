"""The system's Chromium, without a head: for the browser tests and the pictures of the docs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
)
DOWNLOADS = "downloads"


class Installed(NamedTuple):
    """Paths of a browser and of the driver that goes with it."""

    browser: str
    driver: str


def installed_chromium() -> Installed | None:
    """What the machine has; nothing is ever downloaded."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return Installed(browser, driver) if browser and driver else None


@contextmanager
def running_chromium(width: int = 1280, height: int = 900) -> Iterator[Chrome]:
    """
    A browser with a fresh profile that keeps its console and every request in its logs.

    :raises FileNotFoundError: when the machine has none
    """
    installed = installed_chromium()
    if installed is None:
        raise FileNotFoundError("no Chromium with its chromedriver on the PATH")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = installed.browser
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        downloads = str(Path(profile) / DOWNLOADS)
        options.add_experimental_option("prefs", {"download.default_directory": downloads})
        driver = Chrome(options=options, service=Service(installed.driver))
        try:
            driver.set_window_size(width, height)
            yield driver
        finally:
            driver.quit()


def downloads_of(driver: Chrome) -> Path:
    """Where this browser puts what it downloads; made with the first."""
    return Path(driver.capabilities["chrome"]["userDataDir"]) / DOWNLOADS
