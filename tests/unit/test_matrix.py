"""Which Pythons `make matrix` takes, and what it says of those that it has not; nothing is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Makes an environment whose tests end as they are told to.
ENVIRONMENT = """
echo "environment: $(basename "$PYTHON") $CONSTRAINTS"
mkdir -p "$1/bin"
printf '#!/bin/sh\\nexit %s\\n' "$TESTS" > "$1/bin/python"
chmod +x "$1/bin/python"
"""
PYTHON = "#!/bin/sh\n"
BOTH = [
    "environment: python3.10 constraints-lowest.txt",
    "environment: python3.13 constraints.txt",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(REPOSITORY / "sandbox" / "matrix.sh", tmp_path / "sandbox")
    (tmp_path / "sandbox" / "environment.sh").write_text(ENVIRONMENT)
    # Nothing of this machine's PATH, which may have any Python.
    for name in ("sh", "env", "dirname", "basename", "mkdir", "chmod"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    file = folder / "bin" / name
    file.write_text(text)
    file.chmod(0o700)


def matrix(folder: Path, **environment: str) -> tuple[int, list[str], str]:
    """The exit code, which environments it made, and what it said last."""
    done = subprocess.run(
        ["sh", "sandbox/matrix.sh"], cwd=folder, capture_output=True, text=True, check=False,
        env={
            "PATH": str(folder / "bin"), "HOME": str(folder), "PYTHON": "python3", "TESTS": "0",
            **environment,
        },
    )  # fmt: skip
    made = [line for line in done.stdout.splitlines() if line.startswith("environment")]
    return done.returncode, made, done.stderr.strip()


def test_both_ends_are_tested_where_they_are_there(folder: Path) -> None:
    for version in ("3.10", "3.13"):
        program(folder, f"python{version}", PYTHON)
    assert matrix(folder) == (0, BOTH, "")


def test_no_python_is_fetched(folder: Path) -> None:
    program(folder, "python3.10", PYTHON)
    program(folder, "uv", '#!/bin/sh\necho "$@" >> asked\necho /fetched/python3.13\n')
    assert matrix(folder)[1] == BOTH[:1]
    assert not (folder / "asked").exists()


@pytest.mark.parametrize("tests", ["0", "1"])
def test_what_cannot_be_had_is_said_last_however_the_tests_end(folder: Path, tests: str) -> None:
    program(folder, "python3", PYTHON)
    code, made, said = matrix(folder, TESTS=tests)
    assert made == ["environment: python3 constraints-lowest.txt"]
    assert said.startswith("!!! NOT TESTED: Python 3.10 is not on this machine")
    assert "Python 3.13 is not on this machine" in said
    assert code == int(tests)
