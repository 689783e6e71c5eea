"""Child processes that never outlive their use: started in a group of their own, ended by id.

Three nets, one below the other: ``ManagedProcess.stop`` ends the group; a guard process does when
the owner dies hard; ``end_leftovers`` of the next start does when the guard was killed as well.
"""

from __future__ import annotations

import contextlib
import pwd
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sandbox.process_guard import RELEASE
from sandbox.process_records import (
    ProcessRecord,
    end_group,
    end_leftovers,
    group_members,
)

__all__ = ["ManagedProcess", "NotReadyError", "end_leftovers", "free_port", "wait_until"]

REPOSITORY = Path(__file__).resolve().parent.parent
TAIL_LINES = 25
# Below what Linux, macOS and the IANA use for outgoing connections.
PORTS = range(20_000, 32_000)


class NotReadyError(RuntimeError):
    """Something that was started did not become ready; the message names its log and its tail."""


def free_port(host: str = "127.0.0.1") -> int:
    """
    A TCP port that nothing listens on at this moment, on the loopback by default.

    Not one of those that the kernel gives to outgoing connections: a server that needs half a
    minute to start would find it taken by one of them.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe,
            contextlib.suppress(OSError),
        ):
            probe.bind((host, port))
            return port
    raise OSError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free on {host}")


@dataclass
class ManagedProcess:
    """One command in a process group of its own, its output in a log file, its pid on record.

    ``run_directory`` takes ``<name>.log`` (appended to over restarts) and ``<name>.pid.json``; what
    an earlier, dead owner left recorded under the same name is ended first. ``environment``, when
    given, replaces the inherited one; secrets belong there, as ``command`` is recorded.
    ``stop_signal`` is what asks for an orderly end: SIGINT suits uvicorn and Airflow's components.
    ``user`` is whom it runs as, where we may choose: only root may.
    """

    name: str
    command: Sequence[str]
    run_directory: Path
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    working_directory: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGINT
    grace_seconds: float = 10.0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _guard: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _record: Path | None = field(default=None, init=False, repr=False)

    @property
    def log_file(self) -> Path:
        return self.run_directory / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """The pid, which is the id of the group too. RuntimeError before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it started; minus the signal's number when one ended it."""
        return None if self._process is None else self._process.poll()

    def start(self) -> ManagedProcess:
        """Starts the command and returns at once; ``wait_until`` waits for it to be of use."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already, as pid {self.pid}")
        self.run_directory.mkdir(parents=True, exist_ok=True)
        end_leftovers(self.run_directory, only=self.name)
        try:
            with _interrupts_later():
                self._process = self._started()
                self._keep_on_record(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the group: ``stop_signal``, the grace, SIGKILL. Harmless when it ended already."""
        if self._process is not None:
            self._end_group(self._process)
            self._process.wait()
        self._release_guard()
        if self._record is not None:
            self._record.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL at once, as a fault would; also to descendants with groups of their own."""
        if self.running:
            end_group(psutil.Process(self.pid), signal.SIGKILL, 0.0)
        self.stop()

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the log file; empty when there is none."""
        if not self.log_file.exists():
            return ""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> ManagedProcess:
        return self if self.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.working_directory,
                env=None if self.environment is None else dict(self.environment),
                user=self.user,
                group=None if self.user is None else pwd.getpwnam(self.user).pw_gid,
                extra_groups=None if self.user is None else [],
                start_new_session=True,
            )

    def _keep_on_record(self, process: subprocess.Popen[bytes]) -> None:
        try:
            record = ProcessRecord.of(self.name, process.pid)
        except psutil.Error:
            return  # it ended at once; wait_until reports that with its log
        self._record = record.write(self.run_directory)
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "sandbox.process_guard", str(self._record.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
            start_new_session=True,
        )

    def _end_group(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            end_group(psutil.Process(process.pid), self.stop_signal, self.grace_seconds)
            return
        # The leader ended by itself; what it forked may still be there, under the group's id,
        # which the kernel does not give to another process while the group has a member.
        for member in group_members(process.pid):
            with contextlib.suppress(psutil.Error):
                member.kill()

    def _release_guard(self) -> None:
        if self._guard is None or self._guard.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(RELEASE)
            self._guard.stdin.close()
        self._guard.wait()
        self._guard = None


def wait_until(
    ready: Callable[[], bool],
    timeout: float,
    what: str,
    *,
    process: ManagedProcess | None = None,
    interval: float = 0.05,
) -> None:
    """Polls ``ready`` until it is true; ``timeout`` and ``interval`` are seconds.

    NotReadyError after the timeout, or at once when ``process`` ended; it names the log file and
    holds its tail. What ``ready`` itself raises is passed on.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if process is not None and not process.running:
            reason = f"its process ended with exit code {process.exit_code}"
            raise NotReadyError(_explain(what, reason, process))
        if time.monotonic() >= deadline:
            raise NotReadyError(_explain(what, f"not within {timeout:g} s", process))
        time.sleep(interval)


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """
    Ctrl-C takes effect at the end of the block.

    Between the fork and the guard it would leave a process that nobody knows of. The signals are
    not blocked, as what is started would inherit that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for each in came:
        signal.raise_signal(each)


def _explain(what: str, reason: str, process: ManagedProcess | None) -> str:
    message = f"{what} is not ready: {reason}."
    if process is None:
        return message
    return f"{message} The end of its log {process.log_file}:\n{process.log_tail()}"
