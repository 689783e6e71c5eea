"""The cluster's Postgres and Redis: with a password, on the loopback, gone at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
import redis

from sandbox.cluster import require_programs
from sandbox.postgres import running_postgres
from sandbox.process_records import read_records
from sandbox.processes import REPOSITORY, wait_until
from sandbox.redis import running_redis
from sandbox.system_packages import MissingProgramError
from tests.not_tested import not_tested

OWNER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from sandbox.postgres import running_postgres\n"
    "with running_postgres(Path(sys.argv[1])):\n"
    "    print('runs', flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.fixture(autouse=True)
def _programs() -> None:
    try:
        require_programs()
    except MissingProgramError as error:
        not_tested("Postgres and Redis of the cluster", str(error))


def test_postgres_wants_its_password_and_leaves_nothing(tmp_path: Path) -> None:
    with running_postgres(tmp_path) as address:
        data = (tmp_path / "postgres-data").resolve()
        connection = psycopg2.connect(address)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (id int)")
        connection.close()
        password = address.split("@")[0].rpartition(":")[2]
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(address.replace(password, "another"))
        assert data.is_dir()
    assert not data.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["postgres.log"]
    assert password not in (tmp_path / "postgres.log").read_text()


def test_redis_wants_its_password_and_leaves_nothing(tmp_path: Path) -> None:
    with running_redis(tmp_path) as url:
        with redis.Redis.from_url(url) as client:
            assert client.set("key", "value")
        password = url.split("@")[0].rpartition(":")[2]
        with (
            redis.Redis.from_url(url.replace(password, "another")) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        [(path, record)] = read_records(tmp_path)
        assert password not in path.read_text()
        assert password not in " ".join(record.command)
    assert [path.name for path in tmp_path.iterdir()] == ["redis.log"]


def test_what_a_crash_left_is_gone_after_the_next_start(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    owner = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == "runs\n"
    data = (tmp_path / "postgres-data").resolve()
    owner.kill()
    owner.wait()
    assert data.is_dir()
    wait_until(lambda: read_records(tmp_path) == [], 10, "the guard's end of Postgres")
    with running_postgres(tmp_path):
        assert (tmp_path / "postgres-data").resolve() != data or data.is_dir()
    assert not data.exists()
