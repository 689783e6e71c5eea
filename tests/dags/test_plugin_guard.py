"""Airflow executes every .py below plugins/ under its bare file name: only one may be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from airflow._shared.module_loading import find_path_from_directory

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
MAY_BE_PICKED_UP = {"reindex_plugin.py"}


def picked_up(folder: Path, syntax: str) -> set[str]:
    found = find_path_from_directory(str(folder), ".airflowignore", syntax)
    return {str(Path(path).relative_to(folder)) for path in found if path.endswith(".py")}


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_only_the_plugin_module_is_picked_up(syntax: str) -> None:
    assert picked_up(PLUGINS, syntax) <= MAY_BE_PICKED_UP


def test_without_the_ignore_file_modules_would_be_picked_up(tmp_path: Path) -> None:
    """The guard above can fail."""
    copy = tmp_path / "plugins"
    shutil.copytree(PLUGINS, copy, ignore=shutil.ignore_patterns(".airflowignore", "__pycache__"))
    assert "reindex/ledger.py" in picked_up(copy, "glob")


SCRIPT = """
import sys
sys.path.insert(0, {plugins!r})
import airflow.plugins_manager
before = set(sys.modules)
import reindex_plugin
print(sorted(set(sys.modules) - before))
"""


def test_the_plugin_module_imports_nothing_of_its_own() -> None:
    """Every task's process imports it."""
    script = SCRIPT.format(plugins=str(PLUGINS))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['reindex_plugin']"
