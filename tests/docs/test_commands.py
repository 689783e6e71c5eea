"""Every command of the documentation, in a block or in its text, is executed or says why not."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from bench.__main__ import PROGRAMS
from sandbox.processes import REPOSITORY
from tests.docs.documents import DOCUMENTS, blocks, commands, inline_commands
from tests.makefile import make

DEMO = "tests/e2e/test_demo.py"
CLUSTER = "tests/e2e/test_cluster.py"
# Command → the test that executes it, or the script that has it as a line. Blocks of ```sh that
# nobody can execute here are ```sh not-here, and their document says why.
EXECUTED_BY = {
    "make demo": f"{DEMO}::test_demo",
    "make demo CREATORS=20000 PROJECTS=30000": f"{DEMO}::test_demo",
    "make up": f"{DEMO}::test_up",
    "airflow db migrate": f"{DEMO}::test_demo",
    "make cluster": f"{CLUSTER}::test_the_demo_runs_on_both_workers",
    "make cluster KILL=1": f"{CLUSTER}::test_a_worker_that_is_lost_midway_costs_nothing_but_time",
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "make audit": ".ci/run",
    'make matrix TESTS="tests/unit tests/dags tests/integration/test_runs.py '
    "tests/integration/test_task_56.py tests/integration/test_job_worker.py "
    'tests/integration/test_transport.py"': ".ci/run",
}
# By the document that they are in.
AIRFLOW_COMMANDS = {
    "runbook.md": "tests/e2e/test_runbook.py::test_command",
    "scaling.md": f"{CLUSTER}::test_commands_of_the_documentation",
}
# Command → why no test executes it.
MEASURES = "measures for minutes, and wants the machine for itself"
BY_HAND = {
    "make bench": MEASURES,
    ".venv/bin/python -m bench.job_wait": MEASURES,
    ".venv/bin/python -m bench knee": MEASURES,
    "make mutants": "runs the unit tests for each of hundreds of changes",
    "make matrix": "CI runs it with fewer tests, which is another line here",
    "make lock": "asks the registry for the newest versions, and changes the locks",
    ".venv/bin/python -m sandbox.screenshots": "changes the pictures of the documentation",
    ".venv/bin/pre-commit install": "changes the hooks of the clone that it is typed in",
    ".ci/run": "runs these tests",
    "airflow users create": "a command of FAB's, which the chart has and the sandbox has not",
    "airflow db clean --tables dag_run,task_instance,log --clean-before-timestamp …": "unfinished",
    "airflow dags list-import-errors": "in a deployment; here tests/dags asks the DagBag itself",
}
# Seconds for each; of the unit tests only a few: all of them are run beside this one anyway.
HERE = {".venv/bin/pre-commit run --all-files": 300, "make unit": 120}
FEW_TESTS = {"PYTEST_ADDOPTS": "-k test_errors"}
IN_BLOCKS = [(path, command) for path in DOCUMENTS for command in commands(path)]
IN_TEXT = [(path, command) for path in DOCUMENTS for command in inline_commands(path)]
ALL = [
    pytest.param(path, command, id=f"{path.name}: {command}")
    for path, command in dict.fromkeys([*IN_BLOCKS, *IN_TEXT])
]


def names_in(file: str) -> set[str]:
    tree = ast.parse((REPOSITORY / file).read_text())
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize(("document", "command"), ALL)
def test_command_is_executed_or_says_why_not(document: Path, command: str) -> None:
    measured = re.fullmatch(r"(?:\.venv/bin/)?python -m bench\.(\w+)", command)
    if measured and document.name == "performance.md":
        assert measured[1] in PROGRAMS  # `make bench` runs it
    elif match := re.fullmatch(r"\.venv/bin/python -m pytest (?:-\S+ )*(tests/\S+)", command):
        assert (REPOSITORY / match[1]).exists()  # `make test` runs all of tests/
    elif (document, command) in IN_BLOCKS and command.startswith("airflow "):
        assert document.name in AIRFLOW_COMMANDS
    else:
        assert command in {*EXECUTED_BY, *BY_HAND, *HERE}


@pytest.mark.parametrize("executor", sorted({*EXECUTED_BY.values(), *AIRFLOW_COMMANDS.values()}))
def test_executor_is_there(executor: str) -> None:
    file, _, name = executor.partition("::")
    if name:
        assert name in names_in(file)
        return
    lines = (REPOSITORY / file).read_text().splitlines()
    assert {command for command, by in EXECUTED_BY.items() if by == executor} <= set(lines)


@pytest.mark.parametrize("command", BY_HAND)
def test_what_nobody_executes_is_at_least_there(command: str) -> None:
    assert command in {each for _, each in (*IN_BLOCKS, *IN_TEXT)}, "no document has it any more"
    if match := re.fullmatch(r"make (\w+)", command):
        assert re.search(rf"^{match[1]}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    elif match := re.fullmatch(r"\.venv/bin/python -m (\w+)\.(\w+)", command):
        assert (REPOSITORY / match[1] / f"{match[2]}.py").exists()


@pytest.mark.parametrize("command", HERE)
def test_command_works(command: str) -> None:
    words = command.split()
    done = subprocess.run(
        make(words[1]) if words[0] == "make" else words,
        cwd=REPOSITORY, env={**os.environ, **FEW_TESTS}, capture_output=True, text=True,
        timeout=HERE[command], check=False,
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
