"""Every command of the documentation is executed: here, or by the test or program that is named."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from sandbox.processes import REPOSITORY
from tests.docs.documents import DOCUMENTS, blocks, commands

RUNBOOK = "tests/e2e/test_runbook.py::test_command"
# Command → who executes it. Blocks of ```sh that nobody can execute here are ```sh not-here, and
# their document says why.
EXECUTED_BY = {
    "make demo": "tests/e2e/test_demo.py::test_demo",
    "make up": "tests/e2e/test_demo.py::test_up",
    "make cluster": "tests/e2e/test_cluster.py::test_the_demo_runs_on_both_workers",
    "make cluster KILL=1": "tests/e2e/test_cluster.py::test_a_worker_that_is_lost_midway",
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "make audit": ".ci/run",
    'make matrix TESTS="tests/unit tests/dags tests/integration/test_runs.py '
    "tests/integration/test_task_56.py tests/integration/test_job_worker.py "
    'tests/integration/test_transport.py"': ".ci/run",
}
HERE = {
    ".venv/bin/pre-commit run --all-files": 300,
    "make unit": 300,
}
ALL = [
    pytest.param(path, command, id=f"{path.name}: {command}")
    for path in DOCUMENTS
    for command in commands(path)
]


@pytest.mark.parametrize(("document", "command"), ALL)
def test_command_is_executed(document: Path, command: str) -> None:
    if document.name == "runbook.md" and command.startswith("airflow "):
        executor = RUNBOOK
    elif document.name == "scaling.md" and command.startswith("airflow "):
        executor = "tests/e2e/test_cluster.py::test_commands_of_the_documentation"
    elif command in HERE:
        assert (REPOSITORY / "Makefile").exists()
        return
    elif match := re.fullmatch(r"\.venv/bin/python -m pytest (?:-\S+ )*(tests/\S+)", command):
        assert (REPOSITORY / match[1]).exists()  # `make test` runs all of tests/
        return
    else:
        executor = EXECUTED_BY[command]
    file, _, name = executor.partition("::")
    text = (REPOSITORY / file).read_text()
    assert f"def {name}" in text if name else re.search(rf"^{re.escape(command)}$", text, re.M)


@pytest.mark.parametrize("command", HERE)
def test_command_works(command: str) -> None:
    done = subprocess.run(
        command.split(), cwd=REPOSITORY, capture_output=True, text=True, timeout=HERE[command],
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_every_shell_block_is_marked() -> None:
    """No command hides in a block of another name."""
    allowed = {"sh", "sh not-here"}
    languages = {
        block.language
        for path in DOCUMENTS
        for block in blocks(path)
        if block.language.split()[:1] in (["sh"], ["bash"], ["shell"], ["console"])
    }
    assert languages <= allowed
