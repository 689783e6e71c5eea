"""
Airflow's environment for every test, set before the first import of Airflow: a home of its own,
this repository's DAGs and plugins, and no connection that the machine happens to define.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.not_tested import NOT_TESTED

# The end-to-end tests and the browser share one Airflow.
pytest_plugins = ["tests.airflow_stack"]

REPOSITORY = Path(__file__).resolve().parent.parent

# MAKE…: a make that the tests run is nobody's child, though the tests may run by `make test`.
_FOREIGN = ("AIRFLOW", "REINDEX_", "MAKE", "MFLAGS")
for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
    del os.environ[name]

_HOME = tempfile.mkdtemp(prefix="reindex-tests-airflow-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ |= {
    "AIRFLOW_HOME": _HOME,
    "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME}/airflow.db",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last, and in red, what this machine could not test."""
    skipped = [str(report.longrepr) for report in terminalreporter.getreports("skipped")]
    told = sorted({each[each.index(NOT_TESTED) :] for each in skipped if NOT_TESTED in each})
    for each in told:
        terminalreporter.write_line(each.rstrip("')"), red=True, bold=True)
