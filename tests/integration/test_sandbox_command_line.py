"""``python -m sandbox`` from a shell: serving, tokens, and where the secret comes from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from sandbox.platform import SECRET_VARIABLE, running_platform
from sandbox.processes import REPOSITORY, ManagedProcess, free_port, wait_until

SECRET = "a secret of the length that is asked for"


def sandbox(*arguments: str, secret: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != SECRET_VARIABLE}
    if secret is not None:
        environment[SECRET_VARIABLE] = secret
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_printed_token_is_let_in(tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{SECRET}\n")
    with running_platform(tmp_path / "data", jwt_secret=SECRET) as platform:
        url = f"{platform.base_url}/jobs"
        tokens = [
            sandbox("token", secret=SECRET),
            sandbox("token", "--jwt-secret-file", str(secret_file)),
            sandbox("token", "--permission", "creator", secret=SECRET),
            sandbox("token", "--expires-in", "-5", secret=SECRET),
            sandbox("token", secret="another secret of that same length"),
        ]
        statuses = [
            requests.get(url, headers={"Authorization": f"Bearer {done.stdout.strip()}"}, timeout=5)
            for done in tokens
        ]
    assert [answer.status_code for answer in statuses] == [200, 200, 403, 401, 401]


@pytest.mark.parametrize("command", [["token"], ["serve", "--database", "unused.db"]])
def test_without_a_secret_it_says_what_to_set(command: list[str]) -> None:
    done = sandbox(*command)
    assert done.returncode == 2
    assert SECRET_VARIABLE in done.stderr
    assert "Traceback" not in done.stderr


def test_the_secret_and_the_token_are_in_no_file_and_no_command_line(tmp_path: Path) -> None:
    with running_platform(tmp_path) as platform:
        requests.get(platform.base_url + "/jobs", headers={"Authorization": "Bearer no"}, timeout=5)
        platform.requests()
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        written += str(platform).encode() + " ".join(platform.process.command).encode()
    assert b"--database" in written
    assert platform.jwt_secret.encode() not in written
    assert platform.token.encode() not in written


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_in_an_orderly_way_also_while_a_request_hangs(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running_platform(tmp_path) as platform:
        platform.put_faults([{"kind": "hang", "path": "/market"}])
        with pytest.raises(requests.ReadTimeout):
            requests.get(platform.base_url + "/market/creators", timeout=0.2)
        os.kill(platform.process.pid, number)
        wait_until(lambda: not platform.process.running, 5, "the end")
        assert "Traceback" not in platform.process.log_tail()


def test_a_port_that_is_taken_is_told_with_the_log(tmp_path: Path) -> None:
    with running_platform(tmp_path / "first") as platform:
        process = ManagedProcess(
            "second",
            platform.process.command,
            tmp_path / "second",
            environment={**os.environ, SECRET_VARIABLE: SECRET},
            working_directory=REPOSITORY,
        )
        with process.start():
            wait_until(lambda: not process.running, 10, "the end")
        assert "address already in use" in process.log_tail()


def test_mongo_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "mongo", "--data-dir", str(tmp_path / "data")]
    command += ["--port", str(free_port())]
    with ManagedProcess("mongo", command, tmp_path, working_directory=REPOSITORY) as process:
        wait_until(lambda: "mongodb://" in process.log_tail(), 30, "mongo", process=process)
        os.kill(process.pid, signal.SIGTERM)
        wait_until(lambda: not process.running, 10, "the end")
    assert process.exit_code == 0
    assert list((tmp_path / "data").glob("*.pid.json")) == []
