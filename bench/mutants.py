"""
``python -m bench.mutants``: does a test fail when the ledger or the chunking is made wrong?

mutmut changes these modules a place at a time and runs their unit tests against each change. The
score goes into ``docs/reliability.md``. mutmut wants the package at the top of the folder that it
runs in, so it runs in a copy.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from bench import REPOSITORY
from bench.written_part import WrittenPart

FOLDER = REPOSITORY / ".run" / "mutants"
PART = WrittenPart(REPOSITORY / "docs" / "reliability.md", "make mutants")
MODULES = ("ledger", "run_ledger", "chunks", "folding")
TESTS = ("ledger", "run_ledger", "chunks", "folding", "work", "verdict")
LEAST_SCORE = 0.95
SETTINGS = """[tool.mutmut]
source_paths = {sources}
pytest_add_cli_args_test_selection = {tests}
also_copy = ["reindex", "tests"]
[tool.pytest.ini_options]
addopts = "--import-mode=importlib"
pythonpath = ["."]
"""


def main() -> int:
    """Returns 1 when too many of the changes went unnoticed."""
    _prepare()
    subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=FOLDER, check=True)
    subprocess.run([sys.executable, "-m", "mutmut", "export-cicd-stats"], cwd=FOLDER, check=True)
    stats = json.loads((FOLDER / "mutants" / "mutmut-cicd-stats.json").read_text())
    noticed, made = stats["killed"] + stats["timeout"], stats["total"]
    _write(noticed, made)
    return 0 if noticed / made >= LEAST_SCORE else 1


def _prepare() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "plugins" / "reindex", FOLDER / "reindex")
    shutil.copytree(REPOSITORY / "tests" / "unit", FOLDER / "tests" / "unit")
    sources = [f"reindex/{name}.py" for name in MODULES]
    tests = [f"tests/unit/test_{name}.py" for name in TESTS]
    settings = SETTINGS.format(sources=json.dumps(sources), tests=json.dumps(tests))
    (FOLDER / "pyproject.toml").write_text(settings)


def _write(noticed: int, made: int) -> None:
    modules = ", ".join(f"`{name}`" for name in MODULES)
    line = f"{modules}: {noticed} of {made} changes were noticed ({noticed / made:.1%})."
    print(line)
    PART.write(line)


if __name__ == "__main__":
    sys.exit(main())
