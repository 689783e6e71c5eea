"""The distributed engine: Postgres, Redis, two Celery workers, and one of them lost midway."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.cluster import SLOTS, WORKERS, require_programs, running_cluster
from sandbox.cluster_demo import Loss, demonstrate_on_workers, instances
from sandbox.demo import console
from sandbox.local_airflow import LocalAirflow
from sandbox.process_records import read_records, recorded_process
from sandbox.processes import REPOSITORY
from sandbox.run_progress import CHUNK_TASK, DAG_ID, RunProgress
from sandbox.stack import Stack, running_stack
from sandbox.system_packages import MissingProgramError
from tests.docs.documents import commands
from tests.e2e.expected_index import expected_index
from tests.not_tested import not_tested

CREATORS, PROJECTS, CHUNK = 200, 400, 100
SETTINGS = {
    "REINDEX_SCHEDULE": "none",
    "REINDEX_CHUNK_SIZE": str(CHUNK),
    "REINDEX_RETRY_DELAY_SECONDS": "1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cluster")
    yield folder
    assert read_records(folder) == []
    assert not (folder / "postgres-data").is_symlink()


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    try:
        require_programs()
    except MissingProgramError as error:
        not_tested("a run on Celery workers", str(error))
    with running_stack(
        folder,
        creators=CREATORS,
        projects=PROJECTS,
        settings=SETTINGS,
        start_airflow=running_cluster,
    ) as stack:
        yield stack


def assert_index_is_mongo(stack: Stack) -> None:
    with stack.platform.index() as index:
        for doc_type, documents in expected_index(stack.mongo.uri).items():
            held = index.documents(doc_type)
            assert {key: (each.payload, each.updatedAt) for key, each in held.items()} == documents


def test_the_demo_runs_on_both_workers(stack: Stack) -> None:
    with console.capture() as captured:
        assert demonstrate_on_workers(stack)
    said = captured.get()
    shares = [int(said.split(f"{name}: ")[1].split()[0]) for name in WORKERS]
    assert sum(shares) == (CREATORS + PROJECTS) / CHUNK
    assert min(shares) > 0
    assert_index_is_mongo(stack)


def test_all_of_it_is_on_the_loopback_and_no_log_holds_a_secret(stack: Stack, folder: Path) -> None:
    listening: dict[str, set[str]] = {}
    for _, record in read_records(folder):
        leader = recorded_process(record)
        assert leader is not None
        for each in [leader, *leader.children(recursive=True)]:
            # A task, or a parse of the DAGs, may have ended since its parent was asked.
            with contextlib.suppress(psutil.NoSuchProcess):
                for connection in each.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        listening.setdefault(record.name, set()).add(connection.laddr[0])
    assert {"postgres", "redis", "airflow-api-server"} <= listening.keys()
    assert set.union(*listening.values()) == {"127.0.0.1"}

    environment = stack.airflow.environment
    addresses = (
        environment["AIRFLOW__CELERY__BROKER_URL"],
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"],
    )
    secrets = [address.split("://")[1].split("@")[0].split(":")[1] for address in addresses]
    assert all(len(secret) > 20 for secret in secrets)
    files = [path for path in folder.rglob("*") if path.suffix in (".log", ".json")]
    assert len(files) > 10
    for path in files:
        text = path.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], path


def test_workers_have_the_preload_before_any_task(stack: Stack) -> None:
    for name in WORKERS:
        maps = psutil.Process(stack.airflow.processes[name].pid).memory_maps()
        assert any("pymongo" in each.path for each in maps)


def test_commands_of_the_documentation(stack: Stack) -> None:
    lines = [shlex.split(line) for line in commands(REPOSITORY / "docs" / "scaling.md")]
    for line in lines:
        if line[0] == "airflow":
            stack.airflow.command(*line[1:], name="documented")
    assert stack.airflow.api("GET", "pools/reindex")["slots"] == 8


@dataclass
class LossWithLedgers(Loss):
    """``behind`` holds the ledgers of the chunks, as they were when their worker was lost."""

    run_id: str = ""
    behind: list[dict[str, Any]] = field(default_factory=list)

    def when_it_is_time(self, seen: RunProgress) -> None:
        self.run_id = seen.run_id
        super().when_it_is_time(seen)
        if self.worker and not self.behind:
            self.behind = [saved_ledger(self.airflow, self.run_id, each) for each in self.chunks]


def test_a_worker_that_is_lost_midway_costs_nothing_but_time(stack: Stack) -> None:
    airflow, platform = stack.airflow, stack.platform
    platform.clear_data()
    platform.reset_requests()
    # So slow that a chunk has some of its checkpoints, one a second, behind it and some ahead.
    platform.put_faults([{"kind": "latency", "ms": 1500}])
    loss = LossWithLedgers(airflow)
    with console.capture() as captured:
        assert demonstrate_on_workers(stack, loss), captured.get()
    said, run_id = captured.get(), loss.run_id
    assert f"worker {loss.worker} is killed, with the chunks {loss.chunks} under way" in said
    assert f"tried again: the chunks {loss.chunks}" in said
    assert 1 <= len(loss.chunks) <= SLOTS

    result = airflow.xcom(DAG_ID, run_id, "report")
    assert (result["planned"], result["fetched"]) == (CREATORS + PROJECTS,) * 2
    assert result["indexed"] + result["ignored"] == CREATORS + PROJECTS
    assert (result["failed"], result["missing"], result["notReached"]) == (0, 0, 0)
    assert_index_is_mongo(stack)

    # Both chunks were begun anew, by the other worker, and went on where they had been.
    chunks = {int(each["map_index"]): each for each in instances(airflow, run_id)}
    [left] = set(WORKERS) - {loss.worker}
    assert {index for index, each in chunks.items() if each["try_number"] > 1} == set(loss.chunks)
    assert {chunks[index]["hostname"] for index in loss.chunks} == {left}
    posts = platform.requests(documents=True)["documents"]
    assert sum(map(done_in, loss.behind)) > 0
    for chunk, ledger in zip(loss.chunks, loss.behind, strict=True):
        assert [posts[doc_id] for doc_id in ids_behind(stack, run_id, chunk, ledger)] == [
            1
        ] * done_in(ledger)


def saved_ledger(airflow: LocalAirflow, run_id: str, chunk: int) -> dict[str, Any]:
    path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{CHUNK_TASK}/state-store/ledger"
    ledger = airflow.api("GET", f"{path}?map_index={chunk}")["value"]
    assert isinstance(ledger, dict)
    return ledger


def done_in(ledger: dict[str, Any]) -> int:
    return sum(int(counts["fetched"]) for counts in ledger["counts"].values())


def ids_behind(stack: Stack, run_id: str, chunk: int, ledger: dict[str, Any]) -> list[str]:
    """The ids of a chunk up to the position that its ledger has."""
    planned = stack.airflow.xcom(DAG_ID, run_id, "plan")[chunk]
    ids = sorted(expected_index(stack.mongo.uri)[planned["docType"]])
    return [each for each in ids if planned["first"] <= each <= ledger["position"]]
