"""
A Postgres on the loopback, made anew at each start and gone at the end: Airflow's database.

Postgres refuses to run as root; root starts it as the user that its Debian package brings.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]

from sandbox.processes import ManagedProcess, free_port, wait_until
from sandbox.system_packages import MissingProgramError, found_program, missing_program

PACKAGE = "postgresql"
VERSIONS = Path("/usr/lib/postgresql")  # where Debian puts them, off the PATH
SYSTEM_USER = "postgres"
DATABASE_USER, DATABASE = "airflow", "postgres"
START_SECONDS = 60.0
# The data do not outlive the process: nothing is gained by waiting for the disk.
OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


def postgres_program(name: str) -> Path:
    """``postgres`` or ``initdb``, the newest version's. MissingProgramError without one."""
    newest_first = sorted(
        VERSIONS.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    if (found := found_program(name, newest_first)) is None:
        raise missing_program(name, PACKAGE)
    return found


def system_user() -> str | None:
    """Whom Postgres runs as; ``None`` is the caller. MissingProgramError when there is nobody."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER).pw_name
    except KeyError:
        raise MissingProgramError(
            f"Postgres does not run as root and there is no user {SYSTEM_USER!r} on this machine; "
            f"on Debian and Ubuntu the package {PACKAGE} brings it"
        ) from None


@contextmanager
def running_postgres(run_dir: Path) -> Iterator[str]:
    """The address of an empty database as SQLAlchemy has it, without a driver."""
    server, user = postgres_program("postgres"), system_user()
    port, password = free_port(), secrets.token_urlsafe(24)
    with _data_folder(run_dir, user) as data:
        _initialize(data, user, password)
        process = ManagedProcess(
            "postgres",
            [
                *(str(server), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""),
                *(word for option in OPTIONS for word in ("-c", option)),
            ],
            run_dir,
            user=user,
            working_directory=data,
        )
        address = f"postgresql://{DATABASE_USER}:{password}@127.0.0.1:{port}/{DATABASE}"
        with process:
            wait_until(lambda: _answers(address), START_SECONDS, "Postgres", process=process)
            yield address


@contextmanager
def _data_folder(run_dir: Path, user: str | None) -> Iterator[Path]:
    """
    An empty folder that the user may enter: below ``run_dir``, else in the system's place for
    temporary files. A link in ``run_dir`` leads to what a crash left there.
    """
    link = (run_dir / "postgres-data").absolute()
    _remove(link)
    folder = link
    if user is not None and not all(_may_be_entered(parent) for parent in link.resolve().parents):
        folder = Path(tempfile.mkdtemp(prefix="reindex-postgres-"))
        link.symlink_to(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        _remove(link)


def _may_be_entered(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _remove(link: Path) -> None:
    shutil.rmtree(link.resolve(), ignore_errors=True)
    if link.is_symlink():
        link.unlink()


def _initialize(data: Path, user: str | None, password: str) -> None:
    """RuntimeError holds what initdb said."""
    # Postgres wants an empty folder: the password lies beside it for as long as this takes.
    with tempfile.NamedTemporaryFile("w", prefix="reindex-postgres-") as password_file:
        password_file.write(password)
        password_file.flush()
        if user is not None:
            shutil.chown(password_file.name, user)
        done = subprocess.run(
            [
                *(str(postgres_program("initdb")), "-D", str(data), "-U", DATABASE_USER),
                *("--auth=scram-sha-256", f"--pwfile={password_file.name}"),
                *("--no-locale", "--encoding=UTF8", "--no-sync"),
            ],
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            cwd=data,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"initdb failed in {data}:\n{done.stdout}{done.stderr}")


def _answers(address: str) -> bool:
    try:
        psycopg2.connect(address, connect_timeout=1).close()
    except psycopg2.OperationalError:
        return False
    return True
