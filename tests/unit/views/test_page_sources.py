"""The pages' files keep what the Content-Security-Policy and a base path ask of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reindex.views.urls import HISTORY_ROUTE, RUN_ROUTE

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
PLUGIN = PLUGINS / "reindex_plugin.py"
STATIC = PLUGINS / "reindex/views/static"
FILES = sorted(STATIC.iterdir())
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
# What would turn text into markup or code, or be refused by the policy.
NEVER = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment",
    r"\beval\(|new Function\(|javascript:",
    r"\bstyle=|\.style\b|setAttribute\(\"(style|on)",
    # Airflow may live below a path, and nothing may leave the machine.
    r"(?:href|src|get|fetch)[=(:]\s*[\"'`]/",
    r"https?://|//[a-z0-9-]+\.[a-z]",
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_in_it_is_ever_wrong(file: Path) -> None:
    text = file.read_text().replace(SVG_NAMESPACE, "")
    assert [found.group() for each in NEVER for found in re.finditer(each, text)] == []


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.html")), ids=lambda file: file.name)
def test_a_shell_holds_no_script_and_no_style(file: Path) -> None:
    text = file.read_text()
    assert all(not body for body in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL))
    assert "<style" not in text
    assert re.findall(r"\son[a-z]+=", text) == []


def test_every_file_that_is_named_is_there() -> None:
    texts = [file.read_text() for file in (*FILES, PLUGIN)]
    named = {
        name for text in texts for name in re.findall(r"(?:static/|from \"\./)([\w.-]+)", text)
    }
    assert named
    assert named <= {file.name for file in FILES}
    assert {file.name for file in FILES if file.suffix != ".html"} <= named


def test_the_pages_know_their_places_in_the_ui() -> None:
    text = (STATIC / "airflow.js").read_text()
    assert f'RUN_ROUTE = "{RUN_ROUTE}", HISTORY_ROUTE = "{HISTORY_ROUTE}"' in text
