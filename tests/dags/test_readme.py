"""The README says what is there: targets, Params, settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reindex.conf import KNOWN_KEYS

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text()


def test_it_begins_with_the_flow_the_commands_the_pages_and_the_params() -> None:
    first = ["conf ──▶ plan", "make demo", "make test", "run-report-light.png", "## Params"]
    places = [README.index(each) for each in first]
    assert places == sorted(places)
    assert re.findall(r"^## .*", README, re.MULTILINE)[0] == "## Params"


def test_every_conf_key_is_explained() -> None:
    assert [key for key in KNOWN_KEYS if f"`{key}`" not in README] == []


def test_every_make_target_that_is_named_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", README)) - {"it"}
    assert {"demo", "test", "up"} <= named
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert named <= targets


def test_every_deployment_variable_is_explained() -> None:
    source = (REPOSITORY / "plugins/reindex/deployment.py").read_text()
    variables = set(re.findall(r'"(REINDEX_[A-Z_]+)"', source))
    assert len(variables) > 5
    assert [name for name in variables if f"`{name}`" not in README] == []


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (REPOSITORY / link).exists()
