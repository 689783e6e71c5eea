"""`make demo` as a newcomer runs it: twice, and again after Ctrl-C in the middle."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.process_records import read_records

REPOSITORY = Path(__file__).resolve().parents[2]
CREATORS, PROJECTS = 40, 60
SECONDS = 240


def demo_command(run_dir: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "sandbox.demo", "--run-dir", str(run_dir)),
        *("--creators", str(CREATORS), "--projects", str(PROJECTS)),
    ]


def demo(run_dir: Path) -> str:
    done = subprocess.run(
        demo_command(run_dir),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def row(output: str, name: str) -> list[str]:
    line = re.search(rf"│ {name}\s+│(.*)│", output)
    assert line, output
    return [cell.strip() for cell in line.group(1).split("│")]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    assert read_records(folder) == []


def test_demo_shows_every_document_and_the_job(run_dir: Path) -> None:
    output = demo(run_dir)
    assert row(output, "creator")[:5] == ["40", "40", "0", "0", "0"]
    assert row(output, "project")[:5] == ["60", "60", "0", "0", "0"]
    assert float(row(output, "creator")[5]) > 0
    assert f"creator {CREATORS} of {CREATORS}, project {PROJECTS} of {PROJECTS}" in output
    assert "the run: success; the job, as the Jobs service holds it: succeeded" in output
    report = r"its report: http://127\.0\.0\.1:\d+/dags/reindex_batch/runs/\S+/plugin/reindex-run\n"
    assert re.search(report, output), output


def test_demo_interrupted_leaves_nothing_and_the_next_one_works(run_dir: Path) -> None:
    process = subprocess.Popen(
        demo_command(run_dir), cwd=REPOSITORY, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not any(record.name == "airflow-scheduler" for _, record in read_records(run_dir)):
        assert time.monotonic() < deadline, "the scheduler was not started"
        time.sleep(0.2)
    started = [psutil.Process(record.pid) for _, record in read_records(run_dir)]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert [each for each in started if each.is_running()] == []

    output = demo(run_dir)
    assert row(output, "creator")[:5] == ["40", "0", "40", "0", "0"]
    assert row(output, "project")[:5] == ["60", "0", "60", "0", "0"]
