"""A Mongo to read from: the one that is given, a mongod, or the embedded wire server."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from sandbox.processes import ManagedProcess, free_port, wait_until

URI_VARIABLE = "REINDEX_MONGO_URI"
START_SECONDS = 60.0

Kind = Literal["external", "mongod", "nx-27017"]


@dataclass
class Mongo:
    """``uri`` names no database. ``process`` is None for the external one, which is not ours."""

    uri: str = field(repr=False)  # an external one may carry a password
    kind: Kind
    process: ManagedProcess | None = field(default=None, repr=False)

    def start(self) -> None:
        """Starts it, on the same port and with the same data as before; returns when it answers.

        RuntimeError for an external Mongo, as for ``stop``.
        """
        process = self._own()
        # The embedded server takes any living process of that number for itself and does not start.
        _pid_file(process.run_directory).unlink(missing_ok=True)
        process.start()
        wait_until(self._answers, START_SECONDS, f"{self.kind} at {self.uri}", process=process)

    def stop(self) -> None:
        """Stops it, as a fault would; whoever is connected loses the connection."""
        self._own().stop()

    def _own(self) -> ManagedProcess:
        if self.process is None:
            raise RuntimeError(f"the Mongo of {URI_VARIABLE} is not the sandbox's to stop or start")
        return self.process

    def _answers(self) -> bool:
        client: MongoClient[dict[str, Any]] = MongoClient(self.uri, serverSelectionTimeoutMS=300)
        with client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                return False
        return True


@contextmanager
def running_mongo(data_dir: Path, *, port: int | None = None) -> Iterator[Mongo]:
    """A Mongo on the loopback with its data in ``data_dir``, stopped at the end.

    With ``REINDEX_MONGO_URI`` set it is that one, neither started nor stopped. Else ``mongod`` when
    it is on the PATH, else ``nx-27017``. ``port`` defaults to a free one.
    """
    external = os.environ.get(URI_VARIABLE)
    if external:
        yield Mongo(external, "external")
        return
    mongo = _local_mongo(data_dir, port or free_port())
    try:
        mongo.start()
        yield mongo
    finally:
        mongo.stop()


def _local_mongo(data_dir: Path, port: int) -> Mongo:
    mongod = shutil.which("mongod")
    kind: Kind = "mongod" if mongod else "nx-27017"
    data = data_dir / f"{kind}-data"
    data.mkdir(parents=True, exist_ok=True)
    command = _mongod(mongod, data, port) if mongod else _embedded(data_dir, data, port)
    process = ManagedProcess("mongo", command, data_dir)
    return Mongo(f"mongodb://127.0.0.1:{port}/", kind, process)


def _mongod(executable: str, data: Path, port: int) -> list[str]:
    return [executable, "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1"]


def _embedded(data_dir: Path, data: Path, port: int) -> list[str]:
    # Without names of its own it would write to fixed files in /tmp, shared with every other.
    return [
        *(str(Path(sys.executable).parent / "nx-27017"), "--host", "127.0.0.1", "-p", str(port)),
        *("--data-dir", str(data), "--log-file", str(data_dir / "nx-27017.log")),
        *("--pid-file", str(_pid_file(data_dir))),
    ]


def _pid_file(data_dir: Path) -> Path:
    return data_dir / "nx-27017.pid"
