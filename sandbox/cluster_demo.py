"""
`make cluster`: the demo on Celery workers. With `--kill` one of them is lost in the middle.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sandbox.cluster import SLOTS, WORKERS, chunks_by_worker, require_programs, running_cluster
from sandbox.demo import console, demo_settings, demonstrate, parser_of, status_of
from sandbox.local_airflow import LocalAirflow
from sandbox.processes import REPOSITORY
from sandbox.run_progress import CHUNK_TASK, DAG_ID, RunProgress
from sandbox.stack import Stack, running_stack

KILLED_AT = 0.3  # of the documents


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 when the run ended well."""
    run_dir = REPOSITORY / ".run" / "cluster"
    parser = parser_of("python -m sandbox.cluster_demo", __doc__, run_dir)
    parser.add_argument("--kill", action="store_true", help="kill one worker (SIGKILL) midway")
    return status_of(partial(_demo, parser.parse_args(arguments)))


@dataclass
class Loss:
    """The loss of a worker in the middle of a run: all of its processes at once."""

    airflow: LocalAirflow
    worker: str | None = None
    chunks: list[int] = field(default_factory=list)

    def when_it_is_time(self, seen: RunProgress) -> None:
        """Once a part of the documents is done, and a worker has chunks that it is at."""
        if self.worker or sum(seen.done.values()) < KILLED_AT * sum(seen.planned.values()):
            return
        for name in WORKERS:
            if chunks := running_on(name, instances(self.airflow, seen.run_id)):
                self.airflow.processes[name].kill()
                self.worker, self.chunks = name, chunks
                console.print(f"worker {name} is killed, with the chunks {chunks} under way")
                return


def instances(airflow: LocalAirflow, run_id: str) -> list[dict[str, Any]]:
    return airflow.task_instances(DAG_ID, run_id, CHUNK_TASK)


def running_on(worker: str, chunks: list[dict[str, Any]]) -> list[int]:
    """Which chunks the worker is at."""
    return [
        int(each["map_index"])
        for each in chunks
        if each["hostname"] == worker and each["state"] == "running"
    ]


def demonstrate_on_workers(stack: Stack, loss: Loss | None = None) -> bool:
    """The demo's run, and who did what of it; whether it ended well and, if wanted, with a loss."""
    runs = set[str]()

    def meanwhile(seen: RunProgress) -> None:
        runs.add(seen.run_id)
        if loss and seen.planned:
            loss.when_it_is_time(seen)

    ok = demonstrate(stack, meanwhile)
    for run_id in runs:
        _say_who_did_what(instances(stack.airflow, run_id))
    if loss and not loss.worker:
        console.print("the run was over before a worker could be killed", style="red")
        return False
    return ok


def _demo(options: argparse.Namespace) -> bool:
    require_programs()
    console.print(f"CeleryExecutor, {len(WORKERS)} workers with {SLOTS} slots each")
    with running_stack(
        options.run_dir,
        creators=options.creators,
        projects=options.projects,
        settings=demo_settings(options),
        start_airflow=running_cluster,
        say=console.print,
    ) as stack:
        return demonstrate_on_workers(stack, Loss(stack.airflow) if options.kill else None)


def _say_who_did_what(chunks: list[dict[str, Any]]) -> None:
    shares = chunks_by_worker(chunks)
    console.print(", ".join(f"{name}: {count} chunks" for name, count in shares.items()))
    if again := [int(each["map_index"]) for each in chunks if each["try_number"] > 1]:
        console.print(f"tried again: the chunks {again}")


if __name__ == "__main__":
    sys.exit(main())
