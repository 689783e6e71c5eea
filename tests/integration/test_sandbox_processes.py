"""Processes that are ended with all that they started, whatever became of their owner."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.process_records import (
    ProcessRecord,
    end_leftovers,
    group_members,
    read_records,
    recorded_process,
)
from sandbox.processes import REPOSITORY, ManagedProcess, NotReadyError, free_port, wait_until

# A parent with a child of its own in the group; both outlive the test unless they are ended.
FAMILY = (
    "import signal, subprocess, sys, time\n"
    "{setup}\n"
    "child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
    "print('child', child.pid, flush=True)\n"
    "time.sleep(60)\n"
)
STUBBORN = "signal.signal(signal.SIGINT, signal.SIG_IGN)"


def family(setup: str = "", child: str = "import time; time.sleep(60)") -> list[str]:
    return [sys.executable, "-c", FAMILY.format(setup=setup, child=child)]


def child_of(process: ManagedProcess) -> psutil.Process:
    wait_until(lambda: "child" in process.log_tail(), 5, "the child", process=process)
    return psutil.Process(int(process.log_tail().split()[-1]))


def eventually(what: Callable[[], bool], seconds: float = 8) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ManagedProcess]:
    managed = ManagedProcess("family", family(), tmp_path)
    yield managed
    managed.stop()


def test_stop_ends_the_whole_group(process: ManagedProcess) -> None:
    process.start()
    child = child_of(process)
    assert os.getpgid(child.pid) == process.pid != os.getpgid(0)
    assert len(group_members(process.pid)) == 2
    process.stop()
    assert not process.running
    assert ended(child.pid)
    assert read_records(process.run_directory) == []
    process.stop()  # harmless


def test_what_ignores_the_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    process = ManagedProcess("stubborn", family(STUBBORN), tmp_path, grace_seconds=0.3)
    with process:
        child_of(process)
        began = time.monotonic()
        process.stop()
        assert 0.3 <= time.monotonic() - began < 3
    assert process.exit_code == -signal.SIGKILL


def test_a_descendant_that_left_the_group_is_ended_too(tmp_path: Path) -> None:
    # SIGINT to the group does not reach it, and its parent is gone by the time of the SIGKILL.
    leaver = "import os, time; os.setsid(); time.sleep(60)"
    with ManagedProcess("family", family(child=leaver), tmp_path, grace_seconds=0.5) as process:
        child = child_of(process)
        assert eventually(lambda: os.getpgid(child.pid) == child.pid)
    assert ended(child.pid)


def test_what_a_leader_left_behind_is_ended(tmp_path: Path) -> None:
    leave = "import subprocess, sys; print('child', subprocess.Popen(['sleep', '60']).pid)"
    process = ManagedProcess("leaver", [sys.executable, "-c", leave], tmp_path).start()
    assert eventually(lambda: not process.running)
    child = int(process.log_tail().split()[-1])
    assert not ended(child)
    process.stop()
    assert eventually(lambda: ended(child))


def test_it_starts_again_and_keeps_its_log(process: ManagedProcess) -> None:
    first = process.start().pid
    child_of(process)
    with pytest.raises(RuntimeError, match=f"runs already, as pid {first}"):
        process.start()
    process.stop()
    assert process.start().pid != first
    # The whole log: what is interrupted as it starts writes a traceback longer than the tail.
    assert eventually(lambda: process.log_file.read_text().count("child ") == 2)


def test_kill_is_at_once(tmp_path: Path) -> None:
    with ManagedProcess("stubborn", family(STUBBORN), tmp_path, grace_seconds=30) as process:
        child = child_of(process)
        process.kill()
        assert ended(process.pid)
        assert eventually(lambda: ended(child.pid))


def test_waiting_for_what_ended_shows_its_log(tmp_path: Path) -> None:
    fails = "import sys; print('the port is taken', file=sys.stderr); sys.exit(3)"
    process = ManagedProcess("broken", [sys.executable, "-c", fails], tmp_path)
    with process, pytest.raises(NotReadyError) as error:
        wait_until(lambda: False, 10, "the service", process=process)
    message = str(error.value)
    assert "the service is not ready: its process ended with exit code 3" in message
    assert str(process.log_file) in message
    assert "the port is taken" in message


def test_waiting_for_too_long_names_the_time(process: ManagedProcess) -> None:
    with pytest.raises(NotReadyError, match=r"the family is not ready: not within 0.1 s"):
        wait_until(lambda: False, 0.1, "the family", process=process.start())


def test_the_environment_replaces_the_inherited_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(sorted(os.environ))"]
    process = ManagedProcess("environment", command, tmp_path, environment={"ONLY": "secret"})
    with process.start():
        assert eventually(lambda: "ONLY" in process.log_tail())
    assert "HOME" not in process.log_tail()
    assert "secret" not in repr(process)


def test_an_interrupt_between_the_fork_and_the_record_leaves_nothing(
    process: ManagedProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked: list[int] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            forked.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    # Whoever runs the tests in the background, as CI may, has them ignore the interrupt.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("sandbox.processes.subprocess.Popen", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                process.start()
        assert len(forked) == 2, "the command and its guard"
        assert eventually(lambda: all(map(ended, forked)))
        assert read_records(process.run_directory) == []
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, inherited)
        for pid in forked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_what_is_started_hears_the_signals(process: ManagedProcess) -> None:
    """What holds Ctrl-C back for a moment is not inherited."""
    process.start()
    child_of(process)
    os.kill(process.pid, signal.SIGINT)
    assert eventually(lambda: not process.running)


def start_and_die(run_directory: Path, *, guarded: bool) -> tuple[int, int]:
    """A process whose owner was killed by SIGKILL, and the guard of it; their pids."""
    owner_code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from sandbox.processes import ManagedProcess\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "process = ManagedProcess('orphan', command, Path(sys.argv[1])).start()\n"
        "print(process.pid, process._guard.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", owner_code, str(run_directory)]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        orphan, guard = map(int, owner.stdout.readline().split())
    if not guarded:
        os.kill(guard, signal.SIGKILL)
    owner.kill()
    owner.wait()
    return orphan, guard


def test_the_guard_ends_what_a_killed_owner_left(tmp_path: Path) -> None:
    orphan, guard = start_and_die(tmp_path, guarded=True)
    assert eventually(lambda: ended(orphan) and ended(guard))
    assert eventually(lambda: read_records(tmp_path) == [])


def test_the_next_start_ends_what_even_the_guard_did_not(tmp_path: Path) -> None:
    orphan, _ = start_and_die(tmp_path, guarded=False)
    time.sleep(0.2)
    assert not ended(orphan)
    with ManagedProcess("another", family(), tmp_path).start():
        assert not ended(orphan)  # it has another name
    with ManagedProcess("orphan", family(), tmp_path).start() as process:
        assert ended(orphan)
        assert process.running


def test_leftovers_are_ended_by_one_call(tmp_path: Path) -> None:
    orphan, _ = start_and_die(tmp_path, guarded=False)
    assert end_leftovers(tmp_path) == ["orphan"]
    assert ended(orphan)
    assert end_leftovers(tmp_path) == []


def test_the_processes_of_a_living_owner_are_left_alone(process: ManagedProcess) -> None:
    process.start()
    assert end_leftovers(process.run_directory) == []
    assert process.running
    assert end_leftovers(process.run_directory, also_owned=True) == ["family"]
    assert eventually(lambda: not process.running)


@pytest.mark.parametrize(
    "changes", [{"create_time": 1.0}, {"executable": "/bin/other"}, {"pid": os.getppid()}]
)
def test_a_process_that_is_not_the_recorded_one_is_never_ended(
    process: ManagedProcess, changes: dict[str, object]
) -> None:
    process.start()
    ((path, record),) = read_records(process.run_directory)
    assert recorded_process(record) is not None
    stranger = {**json.loads(path.read_text()), "owner_create_time": 1.0, **changes}
    path.write_text(json.dumps(stranger))
    assert recorded_process(ProcessRecord(**stranger)) is None
    assert end_leftovers(process.run_directory) == []
    assert process.running


def test_a_torn_record_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "torn.pid.json").write_text('{"name": "torn", "pid"')
    assert read_records(tmp_path) == []
    assert end_leftovers(tmp_path) == []


def test_free_ports_are_free_and_not_for_outgoing_connections() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < first_outgoing
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port()), timeout=1)
