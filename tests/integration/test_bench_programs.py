"""The programs of ``bench/`` that need no Airflow: a broken one would show in an hour only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sandbox.processes import REPOSITORY

SMALL = 200
# What is measured, and how many figures it comes to.
CALLS = {
    f"operator_rate.measure({SMALL}, repetitions=1)": 8,
    f"against_sequential.measure({SMALL}, repetitions=1)": 1,
    f"read_side.measure({SMALL}, {SMALL}, repetitions=1)": 6,
    f"plan_time.measure({SMALL}, repetitions=1)": 2,
    f"chunk_memory.measure({SMALL}, repetitions=1)": 1,
    "descriptor_bytes.measure()": 5,
    "knee.measure(repetitions=1, servers=[knee.Server(4, 1, 300)])": 2,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_program_measures(call: str) -> None:
    """In a process of its own, as the programs quieten Airflow and stop the garbage collector."""
    module = call.split(".")[0]
    code = f"from bench import {module}\nfor figure in {call}: print(figure.line())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == CALLS[call]
    assert all(": " in line for line in lines)
