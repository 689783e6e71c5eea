"""
`make demo`: a real scheduler reindexes a real collection into a real service, before your eyes.

`python -m sandbox.demo` starts everything, triggers the run that the night would, shows it, and
stops everything. With `--stay` the Airflow UI is left running until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import webbrowser
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from sandbox.airflow_environment import USER
from sandbox.local_airflow import LocalAirflow
from sandbox.mongo import MongoAddressError
from sandbox.processes import REPOSITORY, NotReadyError
from sandbox.run_progress import DAG_ID, RunProgress
from sandbox.seed import CREATORS, PROJECTS, ForeignDataError
from sandbox.stack import AlreadyRunningError, Stack, running_stack
from sandbox.system_packages import MissingProgramError

WORKER_ID = "demo-worker"
RUN_SECONDS = 3600.0
LEFTOVER_SECONDS = 120.0
# So many chunks that the grid in the UI has something to show, and no more.
CHUNKS = 20
SMALLEST_CHUNK = 250
# Something to put right on this machine first; their messages say what.
EXPLAINED = (
    AlreadyRunningError,
    ForeignDataError,
    MissingProgramError,
    MongoAddressError,
    NotReadyError,
)
COLUMNS = ("planned", "indexed", "ignored", "missing", "failed", "docsPerSecond")

console = Console(highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 when the run ended well."""
    parser = parser_of("python -m sandbox.demo", __doc__, REPOSITORY / ".run" / "demo")
    parser.add_argument("--stay", action="store_true", help="leave the Airflow UI running")
    return status_of(partial(_demo, parser.parse_args(arguments)))


def parser_of(program: str, description: str | None, run_dir: Path) -> argparse.ArgumentParser:
    """The options of every demonstration."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--creators", type=int, default=CREATORS)
    parser.add_argument("--projects", type=int, default=PROJECTS)
    parser.add_argument("--run-dir", type=Path, default=run_dir)
    return parser


def status_of(demonstration: Callable[[], bool]) -> int:
    """The exit status of a demonstration that says whether it ended well; an error is one line."""
    # Also where a shell started this in the background, and with that deaf to SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        ok = demonstration()
        console.print("everything that was started is stopped")
    except EXPLAINED as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is stopped")
        return 130
    return 0 if ok else 1


def demo_settings(options: argparse.Namespace) -> dict[str, str]:
    """For the DAGs."""
    chunk_size = max(SMALLEST_CHUNK, (options.creators + options.projects) // CHUNKS)
    return {
        "REINDEX_CHUNK_SIZE": str(chunk_size),
        "REINDEX_RETRY_DELAY_SECONDS": "5",
        # Airflow makes up for last night as soon as it starts, and ours would wait for that.
        "REINDEX_SCHEDULE": "none",
    }


def _demo(options: argparse.Namespace) -> bool:
    with running_stack(
        options.run_dir,
        creators=options.creators,
        projects=options.projects,
        settings=demo_settings(options),
        say=console.print,
    ) as stack:
        ok = demonstrate(stack)
        if options.stay:
            _stay(stack)
        else:
            console.print("`make up` does the same, and leaves the Airflow UI running")
    return ok


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def demonstrate(stack: Stack, meanwhile: Callable[[RunProgress], None] = lambda _: None) -> bool:
    """
    One run, shown; whether it and its job ended well.

    :param meanwhile: called now and then while the run goes on, and once when it has ended
    """
    _end_leftover_runs(stack.airflow)
    job_id = _leased_job(stack)
    conf = {"docType": "all", "mode": "full", "jobId": job_id, "workerId": WORKER_ID}
    run_id = stack.airflow.trigger(DAG_ID, conf)
    console.print(f"run {run_id} of {DAG_ID}, for job {job_id}")
    state = _watch(stack, run_id, meanwhile)
    result = stack.airflow.xcom(DAG_ID, run_id, "report")
    if result is None:
        log = stack.airflow.processes["scheduler"].log_file
        console.print(f"the run ended {state} without a report; the scheduler's log: {log}")
        return False
    console.print(_table(result))
    _print_problems(result)
    job = stack.platform.call("GET", f"/jobs/{job_id}")
    console.print(f"the run: {state}; the job, as the Jobs service holds it: {job['status']}")
    return state == "success" and job["status"] == "succeeded"


def _end_leftover_runs(airflow: LocalAirflow) -> None:
    """
    Fail the runs that a demonstration left when it was interrupted.

    Their tasks are gone with it, which Airflow notices only after minutes; until then ours waits.
    """
    active = f"dags/{DAG_ID}/dagRuns?state=running&state=queued"
    for run_id in [str(each["dag_run_id"]) for each in airflow.api("GET", active)["dag_runs"]]:
        said = f"run {run_id} was interrupted: waiting until it has reported that it failed"
        console.print(said, soft_wrap=True)
        airflow.api("PATCH", f"dags/{DAG_ID}/dagRuns/{run_id}", {"state": "failed"})
        airflow.wait_for_run(DAG_ID, run_id, LEFTOVER_SECONDS)


def _leased_job(stack: Stack) -> str:
    """Queue the job that an admin's "reindex everything" button queues, and lease it."""
    job_id = stack.platform.enqueue({"docType": "all", "docIds": [], "mode": "full"})
    while True:
        jobs = _lease(stack)
        if any(job["jobId"] == job_id for job in jobs):
            return job_id
        if not jobs:
            raise RuntimeError(f"the Jobs service did not lease {job_id} to {WORKER_ID}")


def _lease(stack: Stack) -> list[dict[str, Any]]:
    answer = requests.get(
        f"{stack.platform.base_url}/jobs/lease?type=reindex.batch&limit=10",
        headers={"Authorization": f"Bearer {stack.platform.token}", "X-Worker-Id": WORKER_ID},
        timeout=10,
    )
    answer.raise_for_status()
    jobs = answer.json()["jobs"]
    assert isinstance(jobs, list)
    return jobs


def _watch(stack: Stack, run_id: str, meanwhile: Callable[[RunProgress], None]) -> str:
    seen = RunProgress(stack.airflow, run_id)
    if console.is_terminal:
        return _watch_bars(stack, seen, meanwhile)
    told: list[str] = [""]

    def tell() -> None:
        seen.update()
        done = ", ".join(f"{n} {seen.done[n]} of {seen.planned[n]}" for n in seen.done)
        if done != told[-1]:
            told.append(done)
            console.print(f"documents done: {done}")
        meanwhile(seen)

    state = stack.airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS, tell)
    tell()
    return state


def _watch_bars(stack: Stack, seen: RunProgress, meanwhile: Callable[[RunProgress], None]) -> str:
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("documents"), TimeElapsedColumn(), console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def draw() -> None:
            seen.update()
            for name, planned in seen.planned.items():
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=planned)
                bars.update(tasks[name], completed=seen.done.get(name, 0))
            meanwhile(seen)

        state = stack.airflow.wait_for_run(DAG_ID, seen.run_id, RUN_SECONDS, draw)
        draw()
    return state


def _table(result: Mapping[str, Any]) -> Table:
    table = Table(title="What happened to every document")
    table.add_column("docType")
    for column in COLUMNS:
        table.add_column("docs/s" if column == "docsPerSecond" else column, justify="right")
    for name, row in result["docTypes"].items():
        table.add_row(name, *(str(row[column]) for column in COLUMNS))
    table.add_row("all", *(str(result.get(column, "")) for column in COLUMNS), style="bold")
    return table


def _print_problems(result: Mapping[str, Any]) -> None:
    for problem in result["problems"]:
        console.print(f"problem: {problem}", style="red", markup=False)
    for failure in result["failedSample"][:10]:
        console.print(
            f"failed: {failure['docType']} {failure['docId']}: {failure['reason']}, "
            f"{failure['message']}",
            markup=False,
        )


def report_url(stack: Stack, run_id: str) -> str:
    """Where the UI shows the run's report; Airflow knows it from the tasks' extra link."""
    path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/plan/links"
    return str(stack.airflow.api("GET", path)["extra_links"]["Run report"])


def _stay(stack: Stack) -> None:
    airflow = stack.airflow
    newest = f"dags/{DAG_ID}/dagRuns?order_by=-start_date&limit=1"
    report = report_url(stack, airflow.api("GET", newest)["dag_runs"][0]["dag_run_id"])
    console.print(
        f"\nAirflow: {report}\nlogin: {USER}, password: {airflow.password}\n"
        f"search what was indexed: {stack.platform.base_url}/market/creators?q=photography\n"
        "Ctrl-C stops everything",
        soft_wrap=True,
    )
    _open(report)
    with contextlib.suppress(KeyboardInterrupt):  # the way it is meant to end
        signal.pause()


def _open(url: str) -> None:
    """In a browser with a window, if there is one: a text browser would take the terminal."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if screen:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(url)


if __name__ == "__main__":
    sys.exit(main())
