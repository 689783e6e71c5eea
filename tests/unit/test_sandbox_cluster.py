"""The cluster's parts that need no server."""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

from sandbox import cluster_demo, postgres
from sandbox.cluster import chunks_by_worker, require_programs
from sandbox.cluster_demo import running_on
from sandbox.cluster_worker import WORKER_VARIABLE, host_name
from sandbox.demo import console
from sandbox.processes import REPOSITORY
from sandbox.system_packages import MissingProgramError, found_program
from tests.makefile import make

CHUNKS = [
    {"map_index": 0, "hostname": "w1", "state": "success"},
    {"map_index": 1, "hostname": "w2", "state": "running"},
    {"map_index": 2, "hostname": "w2", "state": "success"},
    {"map_index": 3, "hostname": "", "state": "queued"},
]


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One without Redis and Postgres."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "VERSIONS", tmp_path)


@pytest.mark.usefixtures("bare_machine")
def test_what_is_missing_is_said_with_the_packages_that_bring_it() -> None:
    with pytest.raises(MissingProgramError) as error:
        require_programs()
    assert "no redis-server on this machine" in str(error.value)
    assert "apt-get install redis-server" in str(error.value)
    assert "apt-get install postgresql" in str(error.value)


@pytest.mark.usefixtures("bare_machine")
def test_make_cluster_says_so_and_starts_nothing(tmp_path: Path) -> None:
    with console.capture() as captured:
        assert cluster_demo.main(["--run-dir", str(tmp_path / "run")]) == 1
    assert "apt-get install" in captured.get()
    assert not (tmp_path / "run").exists()


def test_the_newest_postgres_is_taken(
    monkeypatch: pytest.MonkeyPatch, bare_machine: None, tmp_path: Path
) -> None:
    for version in ("9.6", "15", "17"):
        program = tmp_path / version / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
    assert postgres.postgres_program("postgres") == tmp_path / "17" / "bin" / "postgres"


def test_a_program_on_the_path_comes_first(tmp_path: Path) -> None:
    assert found_program("sh", [tmp_path]) is not None
    assert found_program("no-such-program", [tmp_path]) is None


def test_root_may_not_run_postgres_and_needs_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "SYSTEM_USER", "no-such-user")
    with pytest.raises(MissingProgramError, match=r"no user .no-such-user..*package postgresql"):
        postgres.system_user()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert postgres.system_user() is None


def test_chunks_are_counted_by_the_worker_that_had_them() -> None:
    assert chunks_by_worker(CHUNKS) == {"w1": 1, "w2": 2}
    assert chunks_by_worker([]) == {"w1": 0, "w2": 0}
    assert running_on("w2", CHUNKS) == [1]
    assert running_on("w1", CHUNKS) == []


def test_a_worker_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKER_VARIABLE, "w2")
    assert host_name() == "w2"
    monkeypatch.delenv(WORKER_VARIABLE)
    assert host_name() == socket.gethostname()


@pytest.mark.parametrize("kill", [False, True])
def test_the_recipe_asks_for_the_demo_that_its_variables_say(
    monkeypatch: pytest.MonkeyPatch, kill: bool
) -> None:
    variables = {"CREATORS": 7, "PROJECTS": 8, **({"KILL": 1} if kill else {})}
    done = subprocess.run(
        [*make("cluster", **variables), "--dry-run"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    _, _, module, *arguments = shlex.split(done.stdout)
    asked: list[argparse.Namespace] = []
    monkeypatch.setattr(cluster_demo, "_demo", asked.append)
    monkeypatch.setattr(cluster_demo, "status_of", lambda demonstration: demonstration())
    assert module == "sandbox.cluster_demo"
    cluster_demo.main(arguments)
    [options] = asked
    assert (options.creators, options.projects, options.kill) == (7, 8, kill)
