"""`make demo` and `make up` as a newcomer types them, and again after what may end them midway."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import psutil
import pytest
import requests

from sandbox.mongo import URI_VARIABLE, running_mongo
from sandbox.process_records import read_records
from sandbox.processes import REPOSITORY
from tests.makefile import make

# Of each type two chunks or more: what ends in the middle has something done and something left.
CREATORS, PROJECTS = 600, 900
SECONDS = 480
# Less than the five minutes after which Airflow notices by itself that a task is gone.
SOON = 200
REPORT = r"http://127\.0\.0\.1:\d+/dags/reindex_batch/runs/\S+/plugin/reindex-run\n"
SOMETHING_DONE = r"documents done: .*\b[1-9]\d* of"
STOPPED = "everything that was started is stopped\n"


class Typed:
    """A recipe on its way, with Ctrl-C and power cut; ``said`` grows as it speaks."""

    def __init__(self, target: str, run_dir: Path, **environment: str) -> None:
        self.run_dir = run_dir
        self.said = ""
        self.process = subprocess.Popen(
            make(target, CREATORS=CREATORS, PROJECTS=PROJECTS, RUN_DIR=run_dir),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def has_said(self, pattern: str) -> bool:
        return re.search(pattern, self.said) is not None

    def wait_until(self, ready: Callable[[], object]) -> None:
        deadline = time.monotonic() + SECONDS
        while not ready():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def end(self) -> str:
        """What it said, once it has ended."""
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"not ended within {SECONDS} s:\n{self.said}")
        self._listener.join(SECONDS)
        return self.said

    def __enter__(self) -> Typed:
        return self

    def __exit__(self, *_: object) -> None:
        """A test that failed leaves nothing behind; the guards end what the demo had started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def ctrl_c(self) -> str:
        """To the whole group, as a terminal sends it; what was started is gone afterwards."""
        os.killpg(self.process.pid, signal.SIGINT)
        said = self.end()
        assert STOPPED in said
        assert self.left() == []
        assert read_records(self.run_dir) == []
        return said

    def power_cut(self) -> None:
        """SIGKILL to all of it at once, what guards the others too."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        # Frozen first: none of them has the time to do anything about the end of another.
        for each in [psutil.Process(self.process.pid), *family]:
            each.suspend()
        for each in [*family, psutil.Process(self.process.pid)]:
            each.kill()
        self.end()

    def left(self) -> list[list[str]]:
        """What still runs of it, on record or not: make hands its variables down to all of them."""
        found = []
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if each.environ().get("RUN_DIR") == str(self.run_dir):
                    found.append(each.cmdline())
        return found


def row(output: str, name: str) -> list[str]:
    line = re.search(rf"│ {name}\s+│(.*)│", output)
    assert line, output
    return [cell.strip() for cell in line.group(1).split("│")]


def assert_all(output: str, column: str) -> None:
    """Every document of each type was ``indexed`` or ``ignored``, and its job succeeded."""
    columns = ("planned", "indexed", "ignored", "missing", "failed")
    for name, count in (("creator", CREATORS), ("project", PROJECTS)):
        expected = dict.fromkeys(columns, "0") | {"planned": str(count), column: str(count)}
        assert dict(zip(columns, row(output, name), strict=False)) == expected
        assert float(row(output, name)[len(columns)]) > 0
    assert f"creator {CREATORS} of {CREATORS}, project {PROJECTS} of {PROJECTS}" in output
    assert "the run: success; the job, as the Jobs service holds it: succeeded" in output


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    assert read_records(folder) == []


@pytest.fixture(scope="module")
def first(run_dir: Path) -> Typed:
    """The first demo in that folder, at its end."""
    with Typed("demo", run_dir) as demo:
        demo.end()
    return demo


def test_demo(first: Typed) -> None:
    assert_all(first.said, "indexed")
    assert first.process.returncode == 0
    assert first.left() == []
    assert STOPPED in first.said


@pytest.mark.usefixtures("first")
def test_demo_works_again_whenever_and_however_it_was_ended(run_dir: Path) -> None:
    with Typed("demo", run_dir) as starting:
        starting.wait_until(
            lambda: any(record.name == "airflow-scheduler" for _, record in read_records(run_dir))
        )
        assert "interrupted; everything" in starting.ctrl_c()

    for end in (Typed.ctrl_c, Typed.power_cut):
        with Typed("demo", run_dir) as midway:
            midway.wait_until(partial(midway.has_said, SOMETHING_DONE))
            end(midway)
            assert "the run:" not in midway.said

    began = time.monotonic()
    with Typed("demo", run_dir) as demo:
        assert_all(demo.end(), "ignored")
    assert demo.process.returncode == 0
    assert demo.left() == []
    assert "was interrupted: waiting until it has reported that it failed" in demo.said
    assert time.monotonic() - began < SOON, "Airflow waited for what was killed"


def test_up(tmp_path: Path) -> None:
    """On a Mongo of one's own, which goes on running when everything else is stopped."""
    with (
        running_mongo(tmp_path / "mongo") as mongo,
        Typed("up", tmp_path / "up", **{URI_VARIABLE: f"{mongo.uri}mine"}) as up,
    ):
        up.wait_until(partial(up.has_said, "Ctrl-C stops everything"))
        assert "MongoDB: external, database mine" in up.said
        assert_all(up.said, "indexed")
        told = re.search(f"\nAirflow: ({REPORT})login: (\\S+), password: (\\S+)\n", up.said)
        assert told, up.said
        assert_shows_the_report(told[1].strip(), user=told[2], password=told[3])
        search = re.search(r"search what was indexed: (\S+)\n", up.said)
        assert search
        assert requests.get(search[1], timeout=10).json()["items"] != []

        assert "interrupted" not in up.ctrl_c()
        assert mongo.process is not None
        assert mongo.process.running


def assert_shows_the_report(url: str, user: str, password: str) -> None:
    """The UI answers at that address, and what it embeds there is the report of that run."""
    base, _, path = url.partition("/dags/")
    page = requests.get(url, timeout=30)
    assert page.status_code == 200
    assert 'id="root"' in page.text
    login = {"username": user, "password": password}
    token = requests.post(f"{base}/auth/token", json=login, timeout=30).json()["access_token"]
    dag_id, _, run_id, *_ = path.split("/")
    shown = requests.get(
        f"{base}/reindex/api/run",
        params={"dag_id": dag_id, "run_id": unquote(run_id)},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert shown.json()["totals"]["indexed"] == CREATORS + PROJECTS
