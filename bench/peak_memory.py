"""The most memory that a piece of work takes: each time in a fresh process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench import REPOSITORY

SECONDS = 600


def peak_of(module: str, *arguments: str) -> float:
    """
    Run ``python -m module arguments``, which ends with :func:`say_peak`.

    :return: bytes, the imports of Airflow and of the package among them
    :raises subprocess.CalledProcessError: when it fails; what it said stands on stderr
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        timeout=SECONDS,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def say_peak(work: Callable[[], object]) -> None:
    """Do the work, then print the most bytes of memory that this process ever held."""
    work()
    # Not ru_maxrss: that knows also what the process held before it became this program.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
