"""What was started, on disk, so that a later start can end what a crash left behind.

One JSON file a process in a run directory: ``<name>.pid.json``. A process is ended only when it is
proven to be the one that was recorded: same pid, same creation time, same executable, and the
leader of a session as everything started here is. Its command line is kept for people to read and
proves nothing: Airflow's components rewrite theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

RECORD_SUFFIX = ".pid.json"
# psutil adds clock ticks to the time of boot, which moves a little when the clock is set.
CREATE_TIME_TOLERANCE = 1.0


@dataclass(frozen=True)
class ProcessRecord:
    """A process that leads a group of its own (``pid == group``), and the process that owns it.

    The creation times are seconds since the epoch, as ``psutil.Process.create_time`` gives them.
    """

    name: str
    pid: int
    create_time: float
    executable: str
    command: list[str]
    owner_pid: int
    owner_create_time: float

    @classmethod
    def of(cls, name: str, pid: int) -> ProcessRecord:
        """The record of a running child of the calling process."""
        child, owner = psutil.Process(pid), psutil.Process()
        return cls(
            name=name,
            pid=pid,
            create_time=child.create_time(),
            executable=child.exe(),
            command=child.cmdline(),
            owner_pid=owner.pid,
            owner_create_time=owner.create_time(),
        )

    def write(self, run_directory: Path) -> Path:
        path = run_directory / f"{self.name}{RECORD_SUFFIX}"
        # Whole or not at all: a start that is killed midway must not leave half a record.
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)
        return path


def read_records(run_directory: Path) -> list[tuple[Path, ProcessRecord]]:
    """Every readable record of a run directory; one that cannot be read names no process."""
    found = []
    for path in sorted(run_directory.glob(f"*{RECORD_SUFFIX}")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append((path, ProcessRecord(**json.loads(path.read_text(encoding="utf-8")))))
    return found


def owner_is_alive(record: ProcessRecord) -> bool:
    """Whether the process that started this one still runs, and so will end it itself."""
    return _same_process(record.owner_pid, record.owner_create_time) is not None


def recorded_process(record: ProcessRecord) -> psutil.Process | None:
    """The recorded process itself, or None when it ended (its pid may belong to another now)."""
    process = _same_process(record.pid, record.create_time)
    with contextlib.suppress(psutil.Error, OSError):
        if process is None or process.exe() != record.executable:
            return None
        return process if os.getsid(process.pid) == process.pid else None
    return None


def end_group(leader: psutil.Process, first: signal.Signals, grace_seconds: float) -> None:
    """Ends a process group and every descendant of its leader: ``first``, the grace, SIGKILL.

    The leader must be verified by the caller. Descendants are remembered before the first signal,
    as one that left the group would otherwise be lost when its parent ends.
    """
    family = _family(leader)
    _signal_group(leader.pid, first)
    if _wait_for_end(leader.pid, family, grace_seconds):
        return
    _signal_group(leader.pid, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()  # psutil checks that the pid was not given to another process
    _wait_for_end(leader.pid, family, 5.0)


def end_leftovers(
    run_directory: Path, *, only: str | None = None, also_owned: bool = False
) -> list[str]:
    """Ends what earlier, dead owners left running; returns the names of what was ended.

    ``only`` restricts it to one name. ``also_owned`` ends the processes of owners that still live
    too (a "down" command).
    """
    ended = []
    for path, record in read_records(run_directory):
        if only not in (None, record.name) or (owner_is_alive(record) and not also_owned):
            continue
        leader = recorded_process(record)
        if leader is not None:
            end_group(leader, signal.SIGTERM, 3.0)
            ended.append(record.name)
        path.unlink(missing_ok=True)
    return ended


def group_members(group: int) -> list[psutil.Process]:
    """The processes of a group that still run; one that only waits to be reaped does not count."""
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getpgid(pid) == group and _runs(process := psutil.Process(pid)):
                members.append(process)
    return members


def _same_process(pid: int, create_time: float) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - create_time) <= CREATE_TIME_TOLERANCE and _runs(process):
            return process
    return None


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _family(leader: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [leader, *leader.children(recursive=True)]
    return [leader]


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _wait_for_end(group: int, family: list[psutil.Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        if not any(_runs(process) for process in family) and not group_members(group):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
