"""Starting the server that is posted to, in a process of its own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench import REPOSITORY, RUN_DIRECTORY
from sandbox.processes import ManagedProcess, free_port, wait_until

PATH = "/search/index-update"
START_SECONDS = 20.0


@contextmanager
def running_target(*options: str) -> Iterator[str]:
    """The base URL of a target server; ``options`` are those of ``bench.target_server``."""
    port = free_port()
    process = ManagedProcess(
        f"target-{port}",
        [sys.executable, "-m", "bench.target_server", "--port", str(port), *options],
        RUN_DIRECTORY,
        working_directory=REPOSITORY,
    )
    with process:
        wait_until(lambda: _answers(port), START_SECONDS, "the target server", process=process)
        yield f"http://127.0.0.1:{port}"
    process.log_file.unlink(missing_ok=True)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
