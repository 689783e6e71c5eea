"""A Redis on the loopback, with a password and without persistence: Celery's broker."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from sandbox.processes import ManagedProcess, free_port, wait_until
from sandbox.system_packages import found_program, missing_program

PROGRAM, PACKAGE = "redis-server", "redis-server"
START_SECONDS = 30.0


def redis_program() -> Path:
    """MissingProgramError where it is not installed."""
    if (found := found_program(PROGRAM, [])) is None:
        raise missing_program(PROGRAM, PACKAGE)
    return found


@contextmanager
def running_redis(run_dir: Path) -> Iterator[str]:
    """Its URL, password included; empty at each start."""
    port, password = free_port(), secrets.token_urlsafe(24)
    configuration = run_dir / "redis.conf"
    configuration.touch(mode=0o600)
    # In a file: a command line is for everybody to read.
    configuration.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'save ""\nappendonly no\ndir "{run_dir.resolve()}"\n'
    )
    process = ManagedProcess("redis", [str(redis_program()), str(configuration)], run_dir)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        with process:
            wait_until(lambda: _answers(url), START_SECONDS, "Redis", process=process)
            yield url
    finally:
        configuration.unlink()


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False
